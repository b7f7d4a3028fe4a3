//! The errors of operations, independent of transport and database.
//! A *refusal* is a business rule that says no. Each slice has its own enum of refusals, so a new one does not compile
//! until it is translated. A [`Fault`] is a failure that any operation can have. `graphql/error.rs` is the only
//! translator.
//! Invariant: independent of GraphQL, HTTP and the database.

use std::{
    error::Error as StdError,
    fmt::{self, Display},
};

use crate::jitter::jitter;

/// The error of an operation: a refusal of its slice, or a fault.
#[derive(Debug)]
pub enum Error<R> {
    /// A business rule says no.
    Refused(R),
    /// A failure that any operation can have.
    Fault(Fault),
}

/// A failure that any operation can have.
#[derive(Debug)]
pub enum Fault {
    /// The input is invalid. Nothing was stored.
    Invalid(Vec<Invalid>),
    /// The object does not exist, or the viewer may not know that it does.
    NotFound(Object),
    /// The same, with the location of the object's id in the input.
    NotFoundAt(Object, Vec<String>),
    /// Another call has changed the object. The caller reads it again.
    Stale(Object),
    /// The idempotency key was used with other input.
    IdempotencyMismatch,
    /// The caller has no valid identity and must sign in.
    Unauthenticated,
    /// The viewer lacks the permission.
    Forbidden(&'static str),
    /// The server is overloaded. Nothing was done.
    Overloaded {
        /// Milliseconds until the caller may retry.
        retry_after_ms: u64,
    },
    /// The caller sent too many wrong codes. Nothing was looked up.
    TooManyGuesses {
        /// Seconds until the caller may retry.
        retry_after_seconds: u32,
    },
    /// The caller exceeds a rate limit of its network, account or shop. Nothing was done.
    RateLimited {
        /// Milliseconds until the caller may retry.
        retry_after_ms: u64,
    },
    /// A dependency is temporarily unavailable. A retry can succeed.
    Unavailable {
        /// Milliseconds until the caller may retry.
        retry_after_ms: u64,
    },
    /// The call exceeded its deadline and was abandoned. Nothing was done, and a retry can succeed.
    TimedOut {
        /// Milliseconds until the caller may retry.
        retry_after_ms: u64,
    },
    /// A bug, or a failure of the database. It is logged once at the boundary and hidden from clients.
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
    /// A series of events.
    Series,
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
            Self::Series => "series",
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

/// Returns a random delay in milliseconds before the retry of an unavailable service.
pub(crate) fn retry_after_ms() -> u64 {
    jitter(500, 2_000)
}

/// One invalid part of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The location: names of input fields from the outside in, such as `["pick", "seatIds", "0"]`.
    pub path: Vec<String>,
    /// The reason, as a sentence for the caller.
    pub why: String,
}

/// The refusal of operations without refusals. It has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Never {}

/// The result of an operation with refusals `R`.
pub type Result<T, R = Never> = std::result::Result<T, Error<R>>;

/// The result of an operation without refusals, such as a read.
pub type FaultResult<T> = std::result::Result<T, Fault>;

impl Fault {
    /// Returns the fault for one invalid part of the input.
    pub fn invalid(path: &str, why: impl Into<String>) -> Self {
        Self::Invalid(vec![Invalid { path: path.split('.').map(str::to_owned).collect(), why: why.into() }])
    }

    /// Adds the location of the missing object's id in the input, such as `reservationIds.0`. Returns other faults
    /// unchanged.
    #[must_use]
    pub fn at(self, path: &str) -> Self {
        let Self::NotFound(what) = self else { return self };
        Self::NotFoundAt(what, path.split('.').map(str::to_owned).collect())
    }

    /// Returns the fault for a dependency that is temporarily unavailable.
    pub fn unavailable() -> Self {
        Self::Unavailable { retry_after_ms: retry_after_ms() }
    }

    /// Returns the fault for a call that exceeded its deadline.
    pub fn timed_out() -> Self {
        Self::TimedOut { retry_after_ms: retry_after_ms() }
    }

    /// Returns whether the fault is temporary, and therefore not a bug.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::TimedOut { .. } | Self::Overloaded { .. })
    }

    /// Returns the fault for an internal error, with its source for the log.
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Internal(source.into())
    }
}

impl<R> Error<R> {
    /// Converts the refusal to one of another slice.
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

/// Collects all invalid parts of an input, so that the caller sees them at once. `input/check.rs` adds the checks of
/// texts.
#[derive(Debug, Default)]
pub struct Check(Vec<Invalid>);

impl Check {
    /// Unless `good`, adds the reason `why` at `path`.
    pub fn that(&mut self, good: bool, path: &str, why: &str) -> &mut Self {
        if !good {
            self.0.push(Invalid { path: path.split('.').map(str::to_owned).collect(), why: why.to_owned() });
        }
        self
    }

    /// Returns `Ok` if everything was valid, otherwise all invalid parts.
    pub fn done(&mut self) -> FaultResult<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Fault::Invalid(std::mem::take(&mut self.0))) }
    }
}
