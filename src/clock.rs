//! The only source of time and of new ids.
//! Deadlines follow the database's clock. Each commit on PostgreSQL returns its time, and the clock keeps the offset to
//! this machine's clock. SQLite uses this machine's clock, so its offset is zero. Tests advance the clock manually.

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

/// A clock. Clones share it.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Source>);

/// The time on this machine's clock at which the database was asked for its time.
#[derive(Clone, Copy, Debug)]
pub struct Asked(i64);

#[derive(Debug)]
enum Source {
    /// This machine's clock plus the database's offset.
    Database {
        /// The artificial error of the machine's clock in microseconds. Zero except in tests.
        skew: i64,
        /// The offset of the database's clock to the machine's clock, in microseconds.
        offset: AtomicI64,
    },
    /// Microseconds since 1970, advanced by tests.
    Manual(AtomicI64),
}

impl Clock {
    /// Returns a clock that follows this machine, corrected by [`Clock::observe`].
    pub fn system() -> Self {
        Self::system_skewed(TimeDelta::zero())
    }

    /// Returns a clock of a machine whose clock is wrong by `skew`, for tests of instances that disagree about the
    /// time.
    pub fn system_skewed(skew: TimeDelta) -> Self {
        let skew = skew.num_microseconds().unwrap_or_default();
        Self(Arc::new(Source::Database { skew, offset: AtomicI64::new(0) }))
    }

    /// Returns a clock that stands still until it is advanced.
    pub fn manual(start: DateTime<Utc>) -> Self {
        Self(Arc::new(Source::Manual(AtomicI64::new(start.timestamp_micros()))))
    }

    /// Returns the time in whole microseconds, as both databases store it.
    pub fn now(&self) -> DateTime<Utc> {
        let micros = match &*self.0 {
            Source::Database { skew, offset } => machine_micros() + skew + offset.load(Relaxed),
            Source::Manual(micros) => micros.load(Relaxed),
        };
        DateTime::from_timestamp_micros(micros).unwrap_or_default()
    }

    /// Records the time at which the database is asked for its time.
    pub fn ask(&self) -> Asked {
        Asked(match &*self.0 {
            Source::Database { skew, .. } => machine_micros() + skew,
            Source::Manual(micros) => micros.load(Relaxed),
        })
    }

    /// Corrects the clock by the database's time, which was read at some moment since the question. Returns the
    /// correction. A difference that the delay of the answer can explain is ignored. A manual clock is never corrected.
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

    /// Returns the range of the database's times at which a decision made at `at` by this clock may still be written.
    /// `None` for a manual clock, which is independent of the database's clock.
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

    /// Advances a manual clock. Has no effect on a system clock.
    pub fn advance(&self, by: Duration) {
        match &*self.0 {
            Source::Manual(micros) => {
                micros.fetch_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX), Relaxed);
            }
            Source::Database { .. } => {}
        }
    }

    /// Returns a new UUID, version 7 (RFC 9562). Later ids sort later, to the millisecond.
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
