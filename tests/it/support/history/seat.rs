//! What a seat may do: the pure model that histories are compared with. It knows nothing of desks and batches.
//!
//! A reservation whose time is up is no reservation, whether somebody wrote that down or not.

use super::check::Model;

/// Names a reservation in a history, before and after its id is known.
pub(crate) type Token = u32;

/// A seat, and what time it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Seat {
    /// Microseconds; moved by [`Act::Clock`] alone.
    pub(crate) now: i64,
    /// Who has it.
    pub(crate) who: Who,
}

/// Who has a seat.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Who {
    /// Nobody.
    Nobody,
    /// A reservation.
    Held {
        /// Which.
        by: Token,
        /// Until when, unless it is being paid.
        until: i64,
        /// Beyond this it cannot be extended.
        at_most: i64,
        /// What it has come to.
        stage: Stage,
    },
    /// Sold to the reservation.
    Sold(Token),
}

/// How far a reservation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    /// It can be released.
    Reserved,
    /// It belongs to an order.
    Ordered,
    /// It does not run out.
    Paying,
}

/// What was done to a seat, together with what was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Time went on.
    Clock(i64),
    /// Reserved, until then if that was told.
    Take { by: Token, until: Option<i64> },
    /// Not reserved, because somebody has it.
    FoundTaken,
    /// Not reserved, because of another seat: this one was free.
    FoundFree,
    /// The reservation has more time, until then if that was told.
    Extend { by: Token, until: Option<i64> },
    /// The reservation could not have more time.
    NoMoreTime { by: Token },
    /// Given back.
    Release { by: Token },
    /// Given up with its order, unless it had ended before.
    GiveUp { by: Token },
    /// Now of an order.
    Attach { by: Token },
    /// A payment of it began.
    Begin { by: Token },
    /// The payment came to nothing.
    End { by: Token },
    /// Sold.
    Sell { by: Token },
    /// Given back after the sale.
    TakeBack { by: Token },
    /// Refused, because the reservation has ended.
    Gone { by: Token },
    /// Refused, because the reservation is at this stage.
    At { by: Token, stage: Stage },
    /// Seen by somebody, as everybody may see it.
    Seen(Sight),
}

/// A seat as it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// Free.
    Free,
    /// Reserved; by whom, if that could be seen.
    Held(Option<Token>),
    /// Sold; to whom, if that could be seen.
    Sold(Option<Token>),
}

/// How long reservations last, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Without extensions, and from each extension on.
    pub(crate) seconds: i64,
    /// With all extensions.
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
    /// A seat that nobody has had yet.
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

    /// The stage of the reservation, if the seat is its.
    fn stage_of(&self, by: Token) -> Option<Stage> {
        match self.who {
            Who::Held { by: other, stage, .. } if other == by && !self.is_free() => Some(stage),
            Who::Nobody | Who::Held { .. } | Who::Sold(_) => None,
        }
    }

    /// The reservation's times and stage, if the seat is its and it is not being paid.
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
            // Its time may be up: then nobody wrote it down yet.
            (Sight::Held(seen), Who::Held { by, .. }) | (Sight::Sold(seen), Who::Sold(by)) => {
                seen.is_none_or(|seen| seen == *by)
            }
            (Sight::Held(_) | Sight::Sold(_), Who::Nobody | Who::Held { .. } | Who::Sold(_)) => false,
        }
    }
}
