//! The one source of time and of new ids.
//!
//! Deadlines follow the database's clock: each commit on PostgreSQL tells its time, and the clock keeps the offset to
//! this machine's. SQLite is on this machine, so there the offset stays zero. Tests set the clock by hand.

use std::{
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use uuid::{NoContext, Timestamp, Uuid};

/// Shared by all; cheap to clone.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Source>);

/// When the database was asked for its time, by this machine's clock.
#[derive(Clone, Copy, Debug)]
pub struct Asked(i64);

#[derive(Debug)]
enum Source {
    /// This machine's clock plus the database's offset.
    Database {
        /// By how many microseconds the machine's clock is made wrong: zero but in tests.
        skew: i64,
        /// What the database's clock is ahead, in microseconds.
        offset: AtomicI64,
    },
    /// Microseconds since 1970, moved by tests.
    Manual(AtomicI64),
}

impl Clock {
    /// A clock that follows this machine, corrected by [`Clock::observe`].
    pub fn system() -> Self {
        Self::system_skewed(TimeDelta::zero())
    }

    /// The same on a machine whose clock is wrong by `skew`: for tests of instances that disagree about the time.
    pub fn system_skewed(skew: TimeDelta) -> Self {
        let skew = skew.num_microseconds().unwrap_or_default();
        Self(Arc::new(Source::Database { skew, offset: AtomicI64::new(0) }))
    }

    /// A clock that stands still until it is advanced.
    pub fn manual(start: DateTime<Utc>) -> Self {
        Self(Arc::new(Source::Manual(AtomicI64::new(start.timestamp_micros()))))
    }

    /// The time, in whole microseconds, as both databases keep it.
    pub fn now(&self) -> DateTime<Utc> {
        let micros = match &*self.0 {
            Source::Database { skew, offset } => machine_micros() + skew + offset.load(Relaxed),
            Source::Manual(micros) => micros.load(Relaxed),
        };
        DateTime::from_timestamp_micros(micros).unwrap_or_default()
    }

    /// Remembers when the database was asked for its time.
    pub fn ask(&self) -> Asked {
        Asked(match &*self.0 {
            Source::Database { skew, .. } => machine_micros() + skew,
            Source::Manual(micros) => micros.load(Relaxed),
        })
    }

    /// Learns the database's time, which it told at some moment since it was asked; says by how much this clock was put
    /// right. What the delay of the answer can explain is no reason to move. A manual clock does not listen.
    pub fn observe(&self, asked: Asked, database: DateTime<Utc>) -> TimeDelta {
        match &*self.0 {
            Source::Database { skew, offset } => {
                let reported = database.timestamp_micros();
                let (least, most) = (reported - machine_micros() - skew, reported - asked.0);
                let old = offset.load(Relaxed);
                let new = old.clamp(least.min(most), most);
                offset.store(new, Relaxed);
                TimeDelta::microseconds(new - old)
            }
            Source::Manual(_) => TimeDelta::zero(),
        }
    }

    /// The times of the database's clock at which something decided by this one at `at` may still be written. A manual
    /// clock knows nothing of the database's.
    pub fn good_for(
        &self,
        at: DateTime<Utc>,
        ahead: TimeDelta,
        late: TimeDelta,
    ) -> RangeInclusive<DateTime<Utc>> {
        match &*self.0 {
            Source::Database { .. } => at - ahead..=at + late,
            Source::Manual(_) => DateTime::UNIX_EPOCH..=DateTime::from_timestamp_nanos(i64::MAX),
        }
    }

    /// Moves a manual clock on; a system clock is not moved.
    pub fn advance(&self, by: Duration) {
        match &*self.0 {
            Source::Manual(micros) => {
                micros.fetch_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX), Relaxed);
            }
            Source::Database { .. } => {}
        }
    }

    /// A new UUID, version 7: ids made later sort later, to the millisecond.
    pub fn new_uuid(&self) -> Uuid {
        let now = self.now();
        let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
        Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos()))
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the clock that all others must ask")]
fn machine_micros() -> i64 {
    Utc::now().timestamp_micros()
}

/// Returns the time in whole microseconds and within the years 1970 to 2969, which both databases can compare.
pub fn comparable(time: DateTime<Utc>) -> DateTime<Utc> {
    let first = DateTime::UNIX_EPOCH;
    time.clamp(first, first + TimeDelta::days(1_000 * 365)).trunc_subsecs(6)
}

#[cfg(test)]
mod tests {
    use chrono::Datelike;

    use super::*;

    #[test]
    fn any_time_can_be_compared_in_both_databases() {
        for time in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC, DateTime::UNIX_EPOCH] {
            assert!((1970..3000).contains(&comparable(time).year()));
        }
    }
}
