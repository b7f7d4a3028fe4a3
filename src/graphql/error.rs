//! How failures are told: the one translator between the business and the API.
//!
//! A refusal, invalid input, not found and stale go into the mutation's payload, as an error type of the slice with its
//! own code. No identity, no right, too much load and our own faults are top-level errors with `extensions.code`. What
//! is ours is logged here, once, and shown to nobody.
//!
//! Invariant: [`ApiError`] has no `Display`. The library makes an API error of anything that has one, and then `?` on a
//! database error would show its text to clients.

use async_graphql::{ErrorExtensions, Interface, Pos, Response};

use crate::{
    app::App,
    error::{Error, Fault, Invalid, retry_after_ms},
};

/// A top-level error.
#[derive(Clone, Debug)]
pub struct ApiError {
    code: &'static str,
    message: String,
    retry_after_ms: Option<u64>,
}

/// What resolvers return.
pub(crate) type ApiResult<T> = Result<T, ApiError>;

/// Something that a mutation could not do, and why. Every error type has its own `code` besides.
#[derive(Debug, Interface)]
#[graphql(
    field(
        name = "message",
        ty = "&String",
        desc = "Why, in a sentence for developers. Not for machines: switch on `code`."
    ),
    field(
        name = "path",
        ty = "&Vec<String>",
        desc = "Where in the input: field names and list indices from the outside in. Empty when it is not about one field."
    ),
    field(name = "retryable", ty = "&bool", desc = "Whether the very same call may succeed later.")
)]
pub enum UserError {
    /// About accounts and sessions.
    Account(super::account::AccountError),
    /// About categories.
    Category(super::category::CategoryError),
    /// About claims of coupons.
    Claim(super::coupon::ClaimError),
    /// About products and coupons.
    Coupon(super::coupon::CouponError),
    /// About events and their tiers.
    Event(super::event::EventError),
    /// About orders.
    Order(super::order::OrderError),
    /// About payments and refunds.
    Payment(super::payment::PaymentError),
    /// About reservations.
    Reservation(super::reservation::ReservationError),
    /// About shops and members.
    Shop(super::shop::ShopError),
    /// About tickets at the gate.
    Ticket(super::ticket::TicketError),
    /// About venues and seat maps.
    Venue(super::venue::VenueError),
}

/// What all error types of mutations can say.
pub(crate) trait UserErrorType: Sized {
    /// Something common to all slices.
    fn common(common: Common, message: String, path: Vec<String>) -> Self;
}

/// The codes that every error type has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Common {
    /// The input is malformed.
    Invalid,
    /// Absent, or not the viewer's to know.
    NotFound,
    /// Somebody changed it first.
    Stale,
    /// The key was used with other input.
    IdempotencyMismatch,
}

/// Declares a slice's error type with its codes, and the data that its errors may carry.
macro_rules! user_error {
    (
        $(#[$doc:meta])* $name:ident, $code:ident {
            $($(#[$variant_doc:meta])* $variant:ident,)*
        }
        $({ $($(#[$field_doc:meta])* $field:ident: $ty:ty,)* })?
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, async_graphql::SimpleObject)]
        pub struct $name {
            /// What went wrong, for machines.
            pub code: $code,
            /// Why, in a sentence for developers. Not for machines: switch on `code`.
            pub message: String,
            /// Where in the input: field names and list indices from the outside in. Empty when it is not about one
            /// field.
            pub path: Vec<String>,
            /// Whether the very same call may succeed later.
            pub retryable: bool,
            $($($(#[$field_doc])* pub $field: Option<$ty>,)*)?
        }

        /// What can go wrong.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, async_graphql::Enum)]
        pub enum $code {
            /// The input is malformed; `path` says where. Nothing was stored.
            #[default]
            Invalid,
            /// There is no such object, or it is not yours to know.
            NotFound,
            /// Somebody changed the object after you read it: `expectedVersion` is no longer its version. Read it
            /// again.
            Stale,
            /// The idempotency key was used before with other input.
            IdempotencyMismatch,
            $($(#[$variant_doc])* $variant,)*
        }

        impl $crate::graphql::error::UserErrorType for $name {
            fn common(common: $crate::graphql::error::Common, message: String, path: Vec<String>) -> Self {
                let code = match common {
                    $crate::graphql::error::Common::Invalid => $code::Invalid,
                    $crate::graphql::error::Common::NotFound => $code::NotFound,
                    $crate::graphql::error::Common::Stale => $code::Stale,
                    $crate::graphql::error::Common::IdempotencyMismatch => $code::IdempotencyMismatch,
                };
                let retryable = false;
                Self {
                    code, message, path, retryable,
                    $($($field: None,)*)?
                }
            }
        }
    };
}
pub(crate) use user_error;

/// Splits an operation's result into what the payload shows: the object, or the errors that belong beside it.
pub(crate) fn outcome<T, R, E>(result: Result<T, Error<R>>) -> ApiResult<(Option<T>, Vec<E>)>
where
    E: UserErrorType + From<R>,
{
    match result {
        Ok(value) => Ok((Some(value), Vec::new())),
        Err(Error::Refused(refusal)) => Ok((None, vec![refusal.into()])),
        Err(Error::Fault(fault)) => beside(fault).map(|errors| (None, errors)),
    }
}

/// The fault as errors of the payload, or else as a top-level error.
fn beside<E: UserErrorType>(fault: Fault) -> ApiResult<Vec<E>> {
    let one = |common, message: String| Ok(vec![E::common(common, message, Vec::new())]);
    match fault {
        Fault::Invalid(all) => {
            Ok(all.into_iter().map(|Invalid { path, why }| E::common(Common::Invalid, why, path)).collect())
        }
        Fault::NotFound(what) => one(Common::NotFound, format!("there is no such {what}")),
        Fault::Stale(what) => {
            one(Common::Stale, format!("the {what} was changed after you read it; read it again"))
        }
        Fault::IdempotencyMismatch => one(
            Common::IdempotencyMismatch,
            "this idempotency key was used before with other input".to_owned(),
        ),
        fault @ (Fault::Unauthenticated
        | Fault::Forbidden(_)
        | Fault::Overloaded { .. }
        | Fault::TooManyGuesses { .. }
        | Fault::RateLimited { .. }
        | Fault::Unavailable { .. }
        | Fault::TimedOut { .. }
        | Fault::Internal(_)) => Err(fault.into()),
    }
}

/// For queries: what is not found is null, everything else is an error.
pub(crate) fn found<T>(result: Result<T, Fault>) -> ApiResult<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Fault::NotFound(_)) => Ok(None),
        Err(fault) => Err(fault.into()),
    }
}

impl From<Fault> for ApiError {
    fn from(fault: Fault) -> Self {
        let plain = |code, message: &str| Self { code, message: message.to_owned(), retry_after_ms: None };
        match fault {
            Fault::Invalid(all) => {
                let all: Vec<String> = all
                    .iter()
                    .map(|invalid| format!("{}: {}", invalid.path.join("."), invalid.why))
                    .collect();
                plain("BAD_USER_INPUT", &all.join("; "))
            }
            Fault::NotFound(what) => plain("NOT_FOUND", &format!("there is no such {what}")),
            Fault::Stale(what) => plain("STALE", &format!("the {what} was changed meanwhile")),
            Fault::IdempotencyMismatch => plain("IDEMPOTENCY_MISMATCH", "the key was used with other input"),
            Fault::Unauthenticated => plain("UNAUTHENTICATED", "sign in first"),
            Fault::Forbidden(why) => plain("FORBIDDEN", why),
            Fault::Overloaded { retry_after_ms } => Self {
                code: "OVERLOADED",
                message: "too many are asking at once; nothing was done, try again".to_owned(),
                retry_after_ms: Some(retry_after_ms),
            },
            Fault::TooManyGuesses { retry_after_seconds } => Self {
                code: "RATE_LIMITED",
                message: "too many wrong codes; wait".to_owned(),
                retry_after_ms: Some(u64::from(retry_after_seconds) * 1_000),
            },
            Fault::RateLimited { retry_after_ms } => Self {
                code: "RATE_LIMITED",
                message: "too many calls; nothing was done, wait".to_owned(),
                retry_after_ms: Some(retry_after_ms),
            },
            Fault::Unavailable { retry_after_ms } => Self {
                code: "UNAVAILABLE",
                message: "not possible right now; try again with the same key".to_owned(),
                retry_after_ms: Some(retry_after_ms),
            },
            Fault::TimedOut { retry_after_ms } => Self {
                code: "UNAVAILABLE",
                message: "this took too long and was given up; nothing was done, try again".to_owned(),
                retry_after_ms: Some(retry_after_ms),
            },
            Fault::Internal(source) => {
                tracing::error!(error = %source, debug = ?source, "an operation failed");
                plain("INTERNAL", "internal error")
            }
        }
    }
}

impl ApiError {
    /// An error with a code of its own and a sentence.
    pub(crate) fn new(code: &'static str, message: &str) -> Self {
        Self { code, message: message.to_owned(), retry_after_ms: None }
    }

    /// A response with this error alone.
    pub(crate) fn into_response(self) -> Response {
        Response::from_errors(vec![async_graphql::Error::from(self).into_server_error(Pos::default())])
    }
}

/// The answer to a query whose budget is spent: the part that was built is thrown away.
pub fn spent(spent: super::budget::Spent) -> Response {
    ApiError::from(spent).into_response()
}

/// The answer to a mutation that takes too long and has begun to commit. It goes on, and the same key tells its outcome
/// later.
pub fn outcome_unknown() -> Response {
    let message =
        "this takes longer than expected, and its outcome is not known yet: repeat it with the same key";
    let error =
        ApiError { code: "UNAVAILABLE", message: message.to_owned(), retry_after_ms: Some(retry_after_ms()) };
    let error = async_graphql::Error::from(error).extend_with(|_, extensions| {
        extensions.set("outcomeUnknown", true);
    });
    Response::from_errors(vec![error.into_server_error(Pos::default())])
}

/// The answer to a mutation that was given up at its deadline: nothing was done.
pub fn given_up() -> Response {
    ApiError::from(Fault::timed_out()).into_response()
}

/// The answer to an operation that is one too many: nothing was done.
pub fn overloaded(app: &App) -> Response {
    let fault = Fault::Overloaded { retry_after_ms: app.jitter(500, 2_000) };
    let error = async_graphql::Error::from(ApiError::from(fault));
    Response::from_errors(vec![error.into_server_error(Pos::default())])
}

impl From<ApiError> for async_graphql::Error {
    fn from(error: ApiError) -> Self {
        let ApiError { code, message, retry_after_ms } = error;
        Self::new(message).extend_with(|_, extensions| {
            extensions.set("code", code);
            extensions.set("retryable", matches!(code, "OVERLOADED" | "RATE_LIMITED" | "UNAVAILABLE"));
            if let Some(after) = retry_after_ms {
                extensions.set("retryAfterMs", after);
            }
        })
    }
}
