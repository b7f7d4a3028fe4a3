//! The translator between the business errors and the API.
//!
//! Refusals, invalid input, missing objects and stale versions go into the mutation's payload, as the slice's error
//! type with its own codes. Missing authentication or permission, overload and internal faults are top-level errors
//! with `extensions.code`. Internal faults are logged here, once, and hidden from clients.
//!
//! Invariant: [`ApiError`] has no `Display`. The library converts every error with `Display` to an API error, and then
//! `?` on a database error would show its text to clients.

use async_graphql::{ErrorExtensions, Interface, Pos, Response};

use crate::{
    app::App,
    auth::Viewer,
    error::{Error, Fault, Invalid, retry_after_ms},
};

/// A top-level error.
#[derive(Clone, Debug)]
pub struct ApiError {
    code: &'static str,
    message: String,
    retry_after_ms: Option<u64>,
}

/// The result type of resolvers.
pub(crate) type ApiResult<T> = Result<T, ApiError>;

/// An error of a mutation. Each error type has its own `code` with more details.
#[derive(Debug, Interface)]
#[graphql(
    field(
        name = "message",
        ty = "&String",
        desc = "An explanation for developers, in English. Do not show it to users or parse it; use `code`."
    ),
    field(
        name = "path",
        ty = "&Vec<String>",
        desc = "The location in the input: field names and list indices from the outside in. Empty if the error is not about one field."
    ),
    field(
        name = "retryable",
        ty = "&bool",
        desc = "Whether the same call can succeed later without a change of its input."
    )
)]
pub enum UserError {
    /// Errors of accounts and sessions.
    Account(super::account::AccountError),
    /// Errors of categories.
    Category(super::category::CategoryError),
    /// Errors of claims.
    Claim(super::coupon::ClaimError),
    /// Errors of products and coupons.
    Coupon(super::coupon::CouponError),
    /// Errors of events and tiers.
    Event(super::event::EventError),
    /// Errors of orders.
    Order(super::order::OrderError),
    /// Errors of payments and refunds.
    Payment(super::payment::PaymentError),
    /// Errors of reservations.
    Reservation(super::reservation::ReservationError),
    /// Errors of shops and members.
    Shop(super::shop::ShopError),
    /// Errors of ticket checks.
    Ticket(super::ticket::TicketError),
    /// Errors of venues and seat maps.
    Venue(super::venue::VenueError),
}

/// The constructor that all mutation error types share.
pub(crate) trait UserErrorType: Sized {
    /// Creates an error with a code that all slices have.
    fn common(common: Common, message: String, path: Vec<String>) -> Self;
}

/// The codes that every error type has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Common {
    /// The input is malformed.
    Invalid,
    /// The object does not exist, or the viewer may not know that it does.
    NotFound,
    /// The object changed after the client read it.
    Stale,
    /// The key was used before with different input.
    IdempotencyMismatch,
}

/// Declares a slice's error type, its codes and the data that its errors can carry.
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
            /// The error code. Use it to decide how to react.
            pub code: $code,
            /// An explanation for developers, in English. Do not show it to users or parse it; use `code`.
            pub message: String,
            /// The location in the input: field names and list indices from the outside in. Empty if the error is not
            /// about one field.
            pub path: Vec<String>,
            /// Whether the same call can succeed later without a change of its input.
            pub retryable: bool,
            $($($(#[$field_doc])* pub $field: Option<$ty>,)*)?
        }

        /// The codes of the error type.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, async_graphql::Enum)]
        pub enum $code {
            /// The input is invalid; `path` names the field. Nothing was stored. Correct the input.
            #[default]
            Invalid,
            /// The object does not exist, or you may not see it.
            NotFound,
            /// The object has changed since you read it, so `expectedVersion` is not its current version. Read it
            /// again, then repeat the mutation with the new version.
            Stale,
            /// The idempotency key was used before with different input. Use a new key for different input.
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

/// Splits an operation's result into the payload's parts: the object, or the errors that belong into the payload.
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

/// Converts a fault to errors of the payload, or else to a top-level error.
fn beside<E: UserErrorType>(fault: Fault) -> ApiResult<Vec<E>> {
    let one = |common, message: String| Ok(vec![E::common(common, message, Vec::new())]);
    match fault {
        Fault::Invalid(all) => {
            Ok(all.into_iter().map(|Invalid { path, why }| E::common(Common::Invalid, why, path)).collect())
        }
        Fault::NotFound(what) => one(Common::NotFound, format!("there is no such {what}")),
        Fault::Stale(what) => {
            one(Common::Stale, format!("the {what} has changed since you read it; read it again"))
        }
        Fault::IdempotencyMismatch => one(
            Common::IdempotencyMismatch,
            "this idempotency key was used before with different input".to_owned(),
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

/// For queries: converts `NotFound` to `None`, and other faults to errors.
pub(crate) fn found<T>(result: Result<T, Fault>) -> ApiResult<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Fault::NotFound(_)) => Ok(None),
        Err(fault) => Err(fault.into()),
    }
}

/// Creates the error of a field that the viewer may not read. The field itself is null.
pub(crate) fn not_allowed(viewer: &Viewer) -> ApiError {
    match viewer.account() {
        Ok(_) => Fault::Forbidden("you may not read this field").into(),
        Err(fault) => fault.into(),
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
            Fault::Stale(what) => plain("STALE", &format!("the {what} has changed since you read it")),
            Fault::IdempotencyMismatch => {
                plain("IDEMPOTENCY_MISMATCH", "the idempotency key was used before with different input")
            }
            Fault::Unauthenticated => plain("UNAUTHENTICATED", "sign in first"),
            Fault::Forbidden(why) => plain("FORBIDDEN", why),
            Fault::Overloaded { retry_after_ms } => Self {
                code: "OVERLOADED",
                message: "the server is overloaded; nothing was done, try again later".to_owned(),
                retry_after_ms: Some(retry_after_ms),
            },
            Fault::TooManyGuesses { retry_after_seconds } => Self {
                code: "RATE_LIMITED",
                message: "too many wrong codes; try again later".to_owned(),
                retry_after_ms: Some(u64::from(retry_after_seconds) * 1_000),
            },
            Fault::RateLimited { retry_after_ms } => Self {
                code: "RATE_LIMITED",
                message: "too many calls; nothing was done, try again later".to_owned(),
                retry_after_ms: Some(retry_after_ms),
            },
            Fault::Unavailable { retry_after_ms } => Self {
                code: "UNAVAILABLE",
                message: "temporarily unavailable; try again with the same idempotency key".to_owned(),
                retry_after_ms: Some(retry_after_ms),
            },
            Fault::TimedOut { retry_after_ms } => Self {
                code: "UNAVAILABLE",
                message: "the mutation took too long and was stopped; nothing was done, try again".to_owned(),
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
    /// Creates an error with its own code and message.
    pub(crate) fn new(code: &'static str, message: &str) -> Self {
        Self { code, message: message.to_owned(), retry_after_ms: None }
    }

    /// Creates a response that contains only this error.
    pub(crate) fn into_response(self) -> Response {
        Response::from_errors(vec![async_graphql::Error::from(self).into_server_error(Pos::default())])
    }
}

/// Creates the response to a query that exhausted its budget. The partial result is dropped.
pub fn spent(spent: super::budget::Spent) -> Response {
    ApiError::from(spent).into_response()
}

/// Creates the response to a mutation that takes too long but has begun to commit. It continues, and a repeated call
/// with the same key returns its outcome.
pub fn outcome_unknown() -> Response {
    let message = "the outcome is not known yet; repeat the call with the same idempotency key";
    let error =
        ApiError { code: "UNAVAILABLE", message: message.to_owned(), retry_after_ms: Some(retry_after_ms()) };
    let error = async_graphql::Error::from(error).extend_with(|_, extensions| {
        extensions.set("outcomeUnknown", true);
    });
    Response::from_errors(vec![error.into_server_error(Pos::default())])
}

/// Creates the response to a mutation that was stopped at its deadline, without any effect.
pub fn given_up() -> Response {
    ApiError::from(Fault::timed_out()).into_response()
}

/// Creates the response to an operation that was refused because of too much load, without any effect.
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
