//! Fairness between buyers: limits how long a buyer may keep places of an event without buying any.
//!
//! Every buyer has an account of idle time per event: a stopwatch that runs while they have at least one reservation.
//! When the reservations end without a purchase, the time counts against the event's budget. So eight reservations of
//! one seat cost as much as one of eight, and dropping one does not hide how long another lasted.
//!
//! - All deadlines are before the moment at which the budget is used up. A reservation that would get less than
//!   [`LEAST`] is refused, with the time to come back.
//! - A reservation without a purchase costs at least [`DROP_COST`]: correcting a mistake at once is cheap, reserving
//!   and dropping a thousand times is not.
//! - When the last reservation ends and less than [`LEAST`] is left, the buyer must wait for the event's cool-down.
//!   Then the account starts at zero.
//! - A paid sale resets the account to zero: the buyer was not idle. A free one does not, or it would be a loophole.
//! - While a payment continues beyond its reservation's deadline, the stopwatch is stopped: the bank's delay is not the
//!   buyer's.
//!
//! Invariant: pure and synchronous; the time is an argument.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};

/// Minimum duration of a reservation. A shorter one is useless.
pub(super) const LEAST: Duration = Duration::seconds(60);
/// Minimum cost of a reservation without a purchase.
pub(super) const DROP_COST: Duration = Duration::seconds(5);

/// An event's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fairness {
    /// Maximum time of reservations without a purchase, at least [`LEAST`].
    pub budget: Duration,
    /// Waiting time of a buyer who has used up the budget.
    pub cool_down: Duration,
}

/// A buyer's account of idle time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IdleTime {
    /// Milliseconds counted up to `since`, or in total if no reservation is running.
    #[serde(rename = "held_ms", skip_serializing_if = "is_zero")]
    pub counted_ms: i64,
    /// Start of the time not counted yet, while the buyer has reservations.
    #[serde(with = "chrono::serde::ts_microseconds_option", skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// When a buyer who used up the budget may reserve again; `None` while reservations are running.
    #[serde(with = "chrono::serde::ts_microseconds_option", skip_serializing_if = "Option::is_none")]
    pub cools_until: Option<DateTime<Utc>>,
}

/// The life of a reservation that ended without a purchase.
#[derive(Clone, Copy, Debug)]
pub struct Life {
    /// Time of its creation.
    pub created_at: DateTime<Utc>,
    /// Its deadline.
    pub deadline: DateTime<Utc>,
    /// Time of its end.
    pub ended_at: DateTime<Utc>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
fn is_zero(value: &i64) -> bool {
    *value == 0
}

impl IdleTime {
    /// Returns whether the account is empty.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Counts the time up to `now`, but none after `until`, the latest deadline of the running reservations.
    fn wind(&mut self, now: DateTime<Utc>, until: DateTime<Utc>) {
        let Some(since) = self.since else { return };
        let counted = (now.min(until) - since).num_milliseconds().max(0);
        self.counted_ms += counted;
        // The rest below a millisecond is counted next time.
        self.since = Some(if now > until { since.max(now) } else { since + Duration::milliseconds(counted) });
    }
}

impl Fairness {
    /// Starts a reservation. Returns the new account and the latest end of the reservation, or as the error the time to
    /// come back. `running` is the latest deadline of the buyer's other reservations.
    pub fn grant(
        &self,
        mut idle: IdleTime,
        now: DateTime<Utc>,
        running: Option<DateTime<Utc>>,
    ) -> Result<(IdleTime, DateTime<Utc>), DateTime<Utc>> {
        match idle.cools_until {
            Some(until) if now < until => return Err(until),
            Some(_) => idle = IdleTime::default(),
            None => {}
        }
        if let Some(until) = running {
            idle.wind(now, until);
        } else {
            // Used up, but nothing is running or cooling down: the event's budget was larger before.
            if self.is_spent(&idle) {
                idle = IdleTime::default();
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

    /// Returns the latest deadline that the buyer's reservations can be extended to.
    pub fn limit(&self, mut idle: IdleTime, now: DateTime<Utc>, running: DateTime<Utc>) -> DateTime<Utc> {
        idle.wind(now, running);
        self.spent_at(&idle, now)
    }

    /// Ends a reservation without a purchase. Returns the new account.
    pub fn end(&self, mut idle: IdleTime, life: Life, running: Option<DateTime<Utc>>) -> IdleTime {
        let Life { created_at, deadline, ended_at } = life;
        let lasted = ended_at.min(deadline) - created_at;
        if idle.since.is_some() {
            idle.wind(ended_at, running.map_or(deadline, |running| running.max(deadline)));
        } else {
            // The reservation was made while the event had no budget.
            idle.counted_ms += lasted.num_milliseconds().max(0);
        }
        idle.counted_ms += (DROP_COST - lasted).num_milliseconds().max(0);
        self.stop(idle, ended_at, running)
    }

    /// Returns the new account after a paid sale.
    pub fn sold(now: DateTime<Utc>, running: Option<DateTime<Utc>>) -> IdleTime {
        IdleTime { since: running.map(|_| now), ..IdleTime::default() }
    }

    /// Returns the new account after a free sale.
    pub fn given(&self, mut idle: IdleTime, life: Life, running: Option<DateTime<Utc>>) -> IdleTime {
        idle.wind(life.ended_at, running.map_or(life.deadline, |running| running.max(life.deadline)));
        self.stop(idle, life.ended_at, running)
    }

    /// Stops the stopwatch if no reservation is running, and starts the cool-down if the budget is used up.
    fn stop(&self, mut idle: IdleTime, now: DateTime<Utc>, running: Option<DateTime<Utc>>) -> IdleTime {
        if running.is_some() {
            idle.since.get_or_insert(now);
        } else {
            idle.since = None;
            idle.cools_until = self.is_spent(&idle).then_some(now + self.cool_down);
        }
        idle
    }

    fn left(&self, idle: &IdleTime) -> Duration {
        self.budget - Duration::milliseconds(idle.counted_ms)
    }

    fn is_spent(&self, idle: &IdleTime) -> bool {
        self.left(idle) < LEAST
    }

    fn spent_at(&self, idle: &IdleTime, now: DateTime<Utc>) -> DateTime<Utc> {
        idle.since.unwrap_or(now) + self.left(idle)
    }
}
