//! Why an operation did not do what was asked, free of transport and database.
//!
//! A *refusal* is the business saying no: every slice has its own enum of them, so that a new one breaks the build
//! wherever it must be translated. A [`Fault`] is what can happen anywhere. `graphql/error.rs` is the one translator.
//!
//! Invariant: nothing here knows GraphQL, HTTP or the database.

use std::{
    error::Error as StdError,
    fmt::{self, Display},
};

use crate::jitter::jitter;

/// An operation's failure: its own refusal, or a fault that can happen anywhere.
#[derive(Debug)]
pub enum Error<R> {
    /// The business says no.
    Refused(R),
    /// Anything that is not particular to the operation.
    Fault(Fault),
}

/// What can go wrong in any operation.
#[derive(Debug)]
pub enum Fault {
    /// The input is malformed; nothing was stored.
    Invalid(Vec<Invalid>),
    /// The object does not exist, or the viewer may not know that it does.
    NotFound(Object),
    /// Another call changed the object first; the caller reads it again.
    Stale(Object),
    /// The idempotency key was used with other input.
    IdempotencyMismatch,
    /// No valid identity; the caller signs in.
    Unauthenticated,
    /// A known identity without the right.
    Forbidden(&'static str),
    /// Too much is queued; nothing was done, and the caller waits.
    Overloaded {
        /// After how many milliseconds to try again.
        retry_after_ms: u64,
    },
    /// The caller guessed too often; nothing was looked at, and the caller waits.
    TooManyGuesses {
        /// After how many seconds to try again.
        retry_after_seconds: u32,
    },
    /// The caller is over a limit of its network, account or shop; nothing was done, and the caller waits.
    RateLimited {
        /// After how many milliseconds to try again.
        retry_after_ms: u64,
    },
    /// A dependency did not answer in time, or says that it cannot now; trying again may help.
    Unavailable {
        /// After how many milliseconds to try again.
        retry_after_ms: u64,
    },
    /// The call was not done at its deadline and was given up; nothing was done, and trying again may help.
    TimedOut {
        /// After how many milliseconds to try again.
        retry_after_ms: u64,
    },
    /// Our bug, or the database's trouble: logged once at the boundary, shown to nobody.
    Internal(Box<dyn StdError + Send + Sync>),
}

/// A kind of object that a fault is about. `Display` writes its name in the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object {
    /// An account.
    Account,
    /// A category.
    Category,
    /// A claim of a coupon.
    Claim,
    /// A coupon.
    Coupon,
    /// An event.
    Event,
    /// The stock of an event or coupon.
    Inventory,
    /// A member of a shop.
    Member,
    /// An order.
    Order,
    /// A payment.
    Payment,
    /// A product.
    Product,
    /// A refund.
    Refund,
    /// A reservation.
    Reservation,
    /// A seat map.
    SeatMap,
    /// A session.
    Session,
    /// A shop.
    Shop,
    /// A long text of another object.
    Text,
    /// A ticket.
    Ticket,
    /// A tier of an event.
    Tier,
    /// A user, named by an e-mail address.
    User,
    /// A venue.
    Venue,
}

impl Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Account => "account",
            Self::Category => "category",
            Self::Claim => "claim",
            Self::Coupon => "coupon",
            Self::Event => "event",
            Self::Inventory => "event or coupon",
            Self::Member => "member",
            Self::Order => "order",
            Self::Payment => "payment",
            Self::Product => "product",
            Self::Refund => "refund",
            Self::Reservation => "reservation",
            Self::SeatMap => "seat map",
            Self::Session => "session",
            Self::Shop => "shop",
            Self::Text => "text",
            Self::Ticket => "ticket",
            Self::Tier => "tier",
            Self::User => "user with this e-mail address",
            Self::Venue => "venue",
        })
    }
}

/// After how many milliseconds to come back to what is not available.
pub(crate) fn retry_after_ms() -> u64 {
    jitter(500, 2_000)
}

/// One malformed part of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// Where: the names of input fields from the outside in, such as `["pick", "seatIds", "0"]`.
    pub path: Vec<String>,
    /// Why, in a sentence for the caller.
    pub why: String,
}

/// For operations that refuse nothing: there is no value of this type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Never {}

/// What an operation with refusals `R` returns.
pub type Result<T, R = Never> = std::result::Result<T, Error<R>>;

/// What a read returns, and everything else that refuses nothing.
pub type FaultResult<T> = std::result::Result<T, Fault>;

impl Fault {
    /// One malformed part of the input.
    pub fn invalid(path: &str, why: impl Into<String>) -> Self {
        Self::Invalid(vec![Invalid { path: path.split('.').map(str::to_owned).collect(), why: why.into() }])
    }

    /// Trying again may help, in a moment.
    pub fn unavailable() -> Self {
        Self::Unavailable { retry_after_ms: retry_after_ms() }
    }

    /// There was no time left to do it.
    pub fn timed_out() -> Self {
        Self::TimedOut { retry_after_ms: retry_after_ms() }
    }

    /// Returns whether the fault passes by itself or by the operator's doing, and so is no bug.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::TimedOut { .. } | Self::Overloaded { .. })
    }

    /// A fault of ours, with its source for the log.
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Internal(source.into())
    }
}

impl<R> Error<R> {
    /// Puts the refusal into the words of another slice.
    pub fn map_refusal<S>(self, translate: impl FnOnce(R) -> S) -> Error<S> {
        match self {
            Self::Refused(refusal) => Error::Refused(translate(refusal)),
            Self::Fault(fault) => Error::Fault(fault),
        }
    }
}

impl<R> From<Fault> for Error<R> {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Error<Never>> for Fault {
    fn from(error: Error<Never>) -> Self {
        match error {
            Error::Refused(never) => match never {},
            Error::Fault(fault) => fault,
        }
    }
}

/// Collects everything that is wrong with an input, so that the caller sees it at once.
#[derive(Debug, Default)]
pub struct Check(Vec<Invalid>);

impl Check {
    /// Notes `why` at `path` unless `good`.
    pub fn that(&mut self, good: bool, path: &str, why: &str) -> &mut Self {
        if !good {
            self.0.push(Invalid { path: path.split('.').map(str::to_owned).collect(), why: why.to_owned() });
        }
        self
    }

    /// Notes that `text`, once trimmed, must have between `min` and `max` characters and no control characters but
    /// line breaks.
    pub fn text(&mut self, text: &str, path: &str, min: usize, max: usize) -> &mut Self {
        // What is trimmed away counts too: it may be kept.
        let good = text.trim().chars().count() >= min && text.chars().count() <= max;
        self.that(good, path, &format!("must have {min} to {max} characters"));
        self.that(
            !text.chars().any(|c| c.is_control() && c != '\n' && c != '\t'),
            path,
            "must not contain control characters",
        )
    }

    /// Everything was good, or all that was not.
    pub fn done(&mut self) -> FaultResult<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Fault::Invalid(std::mem::take(&mut self.0))) }
    }
}
