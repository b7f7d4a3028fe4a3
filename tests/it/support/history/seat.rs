//! The model of a seat: pure, and independent of desks and batches. Histories are compared with it.
//!
//! An expired reservation counts as none, even if the expiry is not stored.

use super::check::Model;

/// The name of a reservation in a history. It exists before the reservation's id is known.
pub(crate) type Token = u32;

/// A seat and the current time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Seat {
    /// The time in microseconds. Only [`Act::Clock`] changes it.
    pub(crate) now: i64,
    /// The holder.
    pub(crate) who: Who,
}

/// The holder of a seat.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Who {
    /// The seat is free.
    Nobody,
    /// The seat is reserved.
    Held {
        /// The reservation.
        by: Token,
        /// Its deadline, unless it is being paid.
        until: i64,
        /// The latest deadline that an extension can set.
        at_most: i64,
        /// Its stage.
        stage: Stage,
    },
    /// The seat is sold to the reservation.
    Sold(Token),
}

/// The stage of a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    /// Reserved. It can be released.
    Reserved,
    /// Part of an order.
    Ordered,
    /// Being paid. It does not expire.
    Paying,
}

/// An operation on a seat, together with its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// The time advanced.
    Clock(i64),
    /// Reserved, until the given deadline if it is known.
    Take { by: Token, until: Option<i64> },
    /// Not reserved, because the seat was taken.
    FoundTaken,
    /// Not reserved, because another seat was taken. This one was free.
    FoundFree,
    /// Extended, until the given deadline if it is known.
    Extend { by: Token, until: Option<i64> },
    /// Not extended, because the maximum is reached.
    NoMoreTime { by: Token },
    /// Released.
    Release { by: Token },
    /// Released by cancelling its order, unless the reservation had ended before.
    GiveUp { by: Token },
    /// Added to an order.
    Attach { by: Token },
    /// A payment started.
    Begin { by: Token },
    /// The payment failed.
    End { by: Token },
    /// Sold.
    Sell { by: Token },
    /// Refunded after the sale.
    TakeBack { by: Token },
    /// Refused, because the reservation has ended.
    Gone { by: Token },
    /// Refused, because the reservation is at this stage.
    At { by: Token, stage: Stage },
    /// Observed in the public availability.
    Seen(Sight),
}

/// An observation of a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// Free.
    Free,
    /// Reserved, with the reservation if it is visible.
    Held(Option<Token>),
    /// Sold, with the reservation if it is visible.
    Sold(Option<Token>),
}

/// The durations of reservations, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// The duration without an extension, and after each extension.
    pub(crate) seconds: i64,
    /// The maximum duration with all extensions.
    pub(crate) seconds_max: i64,
}

impl Model for Rules {
    type State = Seat;
    type Act = Act;

    fn step(&self, seat: &Seat, act: &Act) -> Option<Seat> {
        let now = seat.now;
        let who = match *act {
            Act::Clock(to) => return (to >= now).then(|| Seat { now: to, who: seat.who.clone() }),
            Act::Take { by, until: answered } => {
                let (until, at_most) = (now + self.seconds, now + self.seconds_max);
                let fits = seat.is_free() && answered.is_none_or(|answered| answered == until);
                fits.then_some(Who::Held { by, until, at_most, stage: Stage::Reserved })
            }
            Act::Extend { by, until: answered } => {
                let (until, at_most, stage) = seat.active(by)?;
                let later = (now + self.seconds).min(at_most);
                let fits = later > until && answered.is_none_or(|answered| answered == later);
                fits.then_some(Who::Held { by, until: later, at_most, stage })
            }
            Act::NoMoreTime { by } => {
                let (until, at_most, _) = seat.active(by)?;
                ((now + self.seconds).min(at_most) <= until).then(|| seat.who.clone())
            }
            Act::Release { by } => (seat.stage_of(by) == Some(Stage::Reserved)).then_some(Who::Nobody),
            Act::GiveUp { by } => match seat.stage_of(by) {
                Some(Stage::Ordered) => Some(Who::Nobody),
                Some(Stage::Reserved | Stage::Paying) => None,
                None => Some(seat.who.clone()),
            },
            Act::Attach { by } => seat.moved(by, Stage::Reserved, Stage::Ordered),
            Act::Begin { by } => seat.moved(by, Stage::Ordered, Stage::Paying),
            Act::End { by } => match seat.who {
                Who::Held { by: other, until, at_most, stage: Stage::Paying } if other == by => {
                    Some(Who::Held { by, until, at_most, stage: Stage::Ordered })
                }
                Who::Nobody | Who::Held { .. } | Who::Sold(_) => None,
            },
            Act::Sell { by } => (seat.stage_of(by) == Some(Stage::Paying)).then_some(Who::Sold(by)),
            Act::TakeBack { by } => (seat.who == Who::Sold(by)).then_some(Who::Nobody),
            Act::FoundTaken => (!seat.is_free()).then(|| seat.who.clone()),
            Act::FoundFree => seat.is_free().then(|| seat.who.clone()),
            Act::Gone { by } => seat.stage_of(by).is_none().then(|| seat.who.clone()),
            Act::At { by, stage } => (seat.stage_of(by) == Some(stage)).then(|| seat.who.clone()),
            Act::Seen(sight) => seat.looks(sight).then(|| seat.who.clone()),
        };
        who.map(|who| Seat { now, who })
    }
}

impl Seat {
    /// Creates a free seat.
    pub(crate) fn new(now: i64) -> Self {
        Self { now, who: Who::Nobody }
    }

    fn is_free(&self) -> bool {
        match self.who {
            Who::Nobody => true,
            Who::Held { until, stage, .. } => stage != Stage::Paying && until <= self.now,
            Who::Sold(_) => false,
        }
    }

    /// Returns the reservation's stage if it holds the seat.
    fn stage_of(&self, by: Token) -> Option<Stage> {
        match self.who {
            Who::Held { by: other, stage, .. } if other == by && !self.is_free() => Some(stage),
            Who::Nobody | Who::Held { .. } | Who::Sold(_) => None,
        }
    }

    /// Returns the reservation's deadlines and stage if it holds the seat and is not being paid.
    fn active(&self, by: Token) -> Option<(i64, i64, Stage)> {
        self.stage_of(by).filter(|stage| *stage != Stage::Paying)?;
        match self.who {
            Who::Held { until, at_most, stage, .. } => Some((until, at_most, stage)),
            Who::Nobody | Who::Sold(_) => None,
        }
    }

    fn moved(&self, by: Token, from: Stage, to: Stage) -> Option<Who> {
        let (until, at_most, stage) = self.active(by)?;
        (stage == from).then_some(Who::Held { by, until, at_most, stage: to })
    }

    fn looks(&self, sight: Sight) -> bool {
        match (sight, &self.who) {
            (Sight::Free, _) => self.is_free(),
            // An expired reservation is still visible until its expiry is stored.
            (Sight::Held(seen), Who::Held { by, .. }) | (Sight::Sold(seen), Who::Sold(by)) => {
                seen.is_none_or(|seen| seen == *by)
            }
            (Sight::Held(_) | Sight::Sold(_), Who::Nobody | Who::Held { .. } | Who::Sold(_)) => false,
        }
    }
}
