//! Fairness between buyers: how long somebody may keep places of an event from others without buying any.
//!
//! Every buyer has an account of idle time for each event: a stopwatch that runs while they have a reservation,
//! however many at once. What it shows is spent of the event's budget when the reservations come to nothing. So eight
//! reservations of one seat cost as much as one of eight, and dropping one does not hide how long another lasted.
//!
//! - All deadlines fall before the moment at which the budget would be spent; a reservation that would get less than
//!   [`LEAST`] is refused, and told when to come back.
//! - A reservation that comes to nothing costs at least [`DROP_COST`]: a slip of the finger that is corrected at once is
//!   cheap, reserving and dropping a thousand times is not.
//! - When the last reservation ends and less than [`LEAST`] is left, the buyer cools down for as long as the event says;
//!   then the account begins at zero.
//! - A sale that costs something sets the account to zero: whoever buys was not idle. What is had for nothing does not,
//!   or it would be the way around.
//! - While a payment goes on beyond its reservation's deadline, the stopwatch stands still: how long a bank takes is not
//!   the buyer's doing.
//!
//! Invariant: pure and synchronous; the time is an argument.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};

/// A reservation lasts at least this long: less is of no use to anybody.
pub(super) const LEAST: Duration = Duration::seconds(60);
/// What a reservation that came to nothing costs at least.
pub(super) const DROP_COST: Duration = Duration::seconds(5);

/// What an event allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fairness {
    /// How long a buyer may have reservations that come to nothing; at least [`LEAST`].
    pub budget: Duration,
    /// How long a buyer who spent it must wait.
    pub cool_down: Duration,
}

/// One buyer's account of idle time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Idle {
    /// Milliseconds spent up to `since`, or in all when nothing runs.
    #[serde(skip_serializing_if = "is_zero")]
    pub held_ms: i64,
    /// From when on time is not counted yet, while the buyer has reservations.
    #[serde(with = "chrono::serde::ts_microseconds_option", skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// When a buyer who spent the budget may reserve again; not while reservations run.
    #[serde(with = "chrono::serde::ts_microseconds_option", skip_serializing_if = "Option::is_none")]
    pub cools_until: Option<DateTime<Utc>>,
}

/// The life of a reservation that came to nothing.
#[derive(Clone, Copy, Debug)]
pub struct Life {
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was to run out.
    pub deadline: DateTime<Utc>,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
fn is_zero(value: &i64) -> bool {
    *value == 0
}

impl Idle {
    /// Whether there is nothing to remember.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Counts the time up to `now`, but none after `until`, the latest deadline of the running reservations.
    fn wind(&mut self, now: DateTime<Utc>, until: DateTime<Utc>) {
        let Some(since) = self.since else { return };
        let counted = (now.min(until) - since).num_milliseconds().max(0);
        self.held_ms += counted;
        // What is less than a millisecond is counted next time.
        self.since = Some(if now > until { since.max(now) } else { since + Duration::milliseconds(counted) });
    }
}

impl Fairness {
    /// A reservation begins: the account from then on, and the moment by which the reservation must end. Otherwise when
    /// to come back. `running` is the latest deadline of the buyer's other reservations.
    pub fn grant(
        &self,
        mut idle: Idle,
        now: DateTime<Utc>,
        running: Option<DateTime<Utc>>,
    ) -> Result<(Idle, DateTime<Utc>), DateTime<Utc>> {
        match idle.cools_until {
            Some(until) if now < until => return Err(until),
            Some(_) => idle = Idle::default(),
            None => {}
        }
        if let Some(until) = running {
            idle.wind(now, until);
        } else {
            // Spent, and yet nothing runs and nothing cools: the event's budget was larger before.
            if self.is_spent(&idle) {
                idle = Idle::default();
            }
            idle.since = None;
        }
        idle.since.get_or_insert(now);
        let until = self.spent_at(&idle, now);
        if until - now < LEAST {
            return Err(running.map_or(now, |running| running.max(now)) + self.cool_down);
        }
        Ok((idle, until))
    }

    /// The moment beyond which no reservation of the buyer's may be extended.
    pub fn limit(&self, mut idle: Idle, now: DateTime<Utc>, running: DateTime<Utc>) -> DateTime<Utc> {
        idle.wind(now, running);
        self.spent_at(&idle, now)
    }

    /// A reservation came to nothing: the account from then on.
    pub fn end(&self, mut idle: Idle, life: Life, running: Option<DateTime<Utc>>) -> Idle {
        let Life { created_at, deadline, ended_at } = life;
        let lasted = ended_at.min(deadline) - created_at;
        if idle.since.is_some() {
            idle.wind(ended_at, running.map_or(deadline, |running| running.max(deadline)));
        } else {
            // Made while the event had no budget.
            idle.held_ms += lasted.num_milliseconds().max(0);
        }
        idle.held_ms += (DROP_COST - lasted).num_milliseconds().max(0);
        self.stop(idle, ended_at, running)
    }

    /// Something was sold that costs something: the account from then on.
    pub fn sold(now: DateTime<Utc>, running: Option<DateTime<Utc>>) -> Idle {
        Idle { since: running.map(|_| now), ..Idle::default() }
    }

    /// Something was had for nothing: the account from then on.
    pub fn given(&self, mut idle: Idle, life: Life, running: Option<DateTime<Utc>>) -> Idle {
        idle.wind(life.ended_at, running.map_or(life.deadline, |running| running.max(life.deadline)));
        self.stop(idle, life.ended_at, running)
    }

    /// Without reservations the stopwatch stops, and whoever has spent the budget cools down.
    fn stop(&self, mut idle: Idle, now: DateTime<Utc>, running: Option<DateTime<Utc>>) -> Idle {
        if running.is_some() {
            idle.since.get_or_insert(now);
        } else {
            idle.since = None;
            idle.cools_until = self.is_spent(&idle).then_some(now + self.cool_down);
        }
        idle
    }

    fn left(&self, idle: &Idle) -> Duration {
        self.budget - Duration::milliseconds(idle.held_ms)
    }

    fn is_spent(&self, idle: &Idle) -> bool {
        self.left(idle) < LEAST
    }

    fn spent_at(&self, idle: &Idle, now: DateTime<Utc>) -> DateTime<Utc> {
        idle.since.unwrap_or(now) + self.left(idle)
    }
}
