//! The translator between the business errors and the API.
//!
//! Refusals, invalid input, missing objects and stale versions go into the mutation's payload, as the slice's error
//! type with its own codes. Missing authentication or permission, overload and internal faults are top-level errors
//! with `extensions.code`. Internal faults are logged here, once, and hidden from clients.
//!
//! Invariant: [`ApiError`] has no `Display`. The library converts every error with `Display` to an API error, and then
//! `?` on a database error would show its text to clients.

use async_graphql::{ErrorExtensions, Pos, Response};

use super::user_error::{Causes, Common, UserErrorType};

use super::code::ApiCode;
use crate::{
    app::App,
    auth::Viewer,
    error::{Error, Fault, FaultResult, Invalid, Object, retry_after_ms},
};

/// A top-level error.
#[derive(Clone, Debug)]
pub struct ApiError {
    pub(crate) code: ApiCode,
    pub(crate) message: String,
    pub(crate) retry_after_ms: Option<u64>,
}

/// The result type of resolvers.
pub(crate) type ApiResult<T> = Result<T, ApiError>;

/// Splits an operation's result into the payload's parts: the object, or the errors that belong into the payload.
pub(crate) fn outcome<T, R, E>(result: Result<T, Error<R>>) -> ApiResult<(Option<T>, Vec<E>)>
where
    E: UserErrorType,
    R: Causes<E::Cause>,
{
    match result {
        Ok(value) => Ok((Some(value), Vec::new())),
        Err(Error::Refused(refusal)) => {
            let errors = refusal.causes().into_iter().map(|cause| {
                let name = format!("{cause:?}");
                E::of(cause).ok_or_else(|| Fault::internal(format!("an error type has no code for {name}")))
            });
            Ok((None, errors.collect::<Result<_, _>>()?))
        }
        Err(Error::Fault(fault)) => beside(fault).map(|errors| (None, errors)),
    }
}

/// Does the same for an edit of an object. With the error `STALE`, the payload contains the current object.
pub(crate) async fn edited<T, R, E>(
    result: Result<T, Error<R>>,
    current: impl Future<Output = FaultResult<T>>,
) -> ApiResult<(Option<T>, Vec<E>)>
where
    E: UserErrorType,
    R: Causes<E::Cause>,
{
    let is_stale = matches!(result, Err(Error::Fault(Fault::Stale(_))));
    let (object, errors) = outcome(result)?;
    if is_stale { Ok((found(current.await)?, errors)) } else { Ok((object, errors)) }
}

/// Converts a fault to errors of the payload, or else to a top-level error.
fn beside<E: UserErrorType>(fault: Fault) -> ApiResult<Vec<E>> {
    let located = |fault: Fault, common, message: String, path| match E::common(common, message, path) {
        Some(error) => Ok(vec![error]),
        None => Err(fault.into()),
    };
    let one = |fault, common, message| located(fault, common, message, Vec::new());
    match fault {
        Fault::Invalid(all) => {
            let error = |one: &Invalid| E::common(Common::Invalid, one.why.clone(), one.path.clone());
            let errors: Option<Vec<E>> = all.iter().map(error).collect();
            errors.ok_or_else(|| Fault::Invalid(all).into())
        }
        Fault::NotFound(what) => {
            let path = usual_path(what).map(str::to_owned).into_iter().collect();
            located(fault, Common::NotFound, format!("there is no such {what}"), path)
        }
        Fault::NotFoundAt(what, ref path) => {
            let path = path.clone();
            located(fault, Common::NotFound, format!("there is no such {what}"), path)
        }
        Fault::Stale(what) => one(fault, Common::Stale, format!("the {what} has changed since you read it")),
        Fault::IdempotencyMismatch => one(
            fault,
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

/// Returns the input field that names such an object in all mutations, unless the operation says otherwise with
/// [`Fault::at`].
fn usual_path(what: Object) -> Option<&'static str> {
    Some(match what {
        Object::Account | Object::Member => "accountId",
        Object::Category => "categoryId",
        Object::Claim => "claimId",
        Object::Coupon => "couponId",
        Object::Event => "eventId",
        Object::Order => "orderId",
        Object::Payment => "paymentId",
        Object::Product => "productId",
        Object::Reservation => "reservationId",
        Object::SeatMap => "seatMapId",
        Object::Series => "seriesId",
        Object::Shop => "shopId",
        Object::Tier => "tierId",
        Object::User => "email",
        Object::Venue => "venueId",
        Object::Inventory | Object::Refund | Object::Session | Object::Text | Object::Ticket => return None,
    })
}

/// For queries: converts `NotFound` to `None`, and other faults to errors.
pub(crate) fn found<T>(result: Result<T, Fault>) -> ApiResult<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Fault::NotFound(_) | Fault::NotFoundAt(..)) => Ok(None),
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
        Self::from(&fault)
    }
}

impl From<&Fault> for ApiError {
    fn from(fault: &Fault) -> Self {
        let plain = |code, message: &str| Self { code, message: message.to_owned(), retry_after_ms: None };
        match fault {
            Fault::Invalid(all) => {
                let all: Vec<String> = all
                    .iter()
                    .map(|invalid| format!("{}: {}", invalid.path.join("."), invalid.why))
                    .collect();
                plain(ApiCode::BadUserInput, &all.join("; "))
            }
            Fault::NotFound(what) | Fault::NotFoundAt(what, _) => {
                plain(ApiCode::NotFound, &format!("there is no such {what}"))
            }
            Fault::Stale(what) => plain(ApiCode::Stale, &format!("the {what} has changed since you read it")),
            Fault::IdempotencyMismatch => plain(
                ApiCode::IdempotencyMismatch,
                "the idempotency key was used before with different input",
            ),
            Fault::Unauthenticated => plain(ApiCode::Unauthenticated, "sign in first"),
            Fault::Forbidden(why) => plain(ApiCode::Forbidden, why),
            Fault::Overloaded { retry_after_ms } => Self {
                code: ApiCode::Overloaded,
                message: "the server is overloaded; nothing was done, try again later".to_owned(),
                retry_after_ms: Some(*retry_after_ms),
            },
            Fault::TooManyGuesses { retry_after_seconds } => Self {
                code: ApiCode::RateLimited,
                message: "too many wrong codes; try again later".to_owned(),
                retry_after_ms: Some(u64::from(*retry_after_seconds) * 1_000),
            },
            Fault::RateLimited { retry_after_ms } => Self {
                code: ApiCode::RateLimited,
                message: "too many calls; nothing was done, try again later".to_owned(),
                retry_after_ms: Some(*retry_after_ms),
            },
            Fault::Unavailable { retry_after_ms } => Self {
                code: ApiCode::Unavailable,
                message: "temporarily unavailable; try again with the same idempotency key".to_owned(),
                retry_after_ms: Some(*retry_after_ms),
            },
            Fault::TimedOut { retry_after_ms } => Self {
                code: ApiCode::Unavailable,
                message: "the mutation took too long and was stopped; nothing was done, try again".to_owned(),
                retry_after_ms: Some(*retry_after_ms),
            },
            Fault::Internal(source) => {
                tracing::error!(error = %source, debug = ?source, "an operation failed");
                plain(ApiCode::Internal, "internal error")
            }
        }
    }
}

impl ApiError {
    /// Creates an error with its own code and message.
    pub(crate) fn new(code: ApiCode, message: &str) -> Self {
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
    let error = ApiError {
        code: ApiCode::Unavailable,
        message: message.to_owned(),
        retry_after_ms: Some(retry_after_ms()),
    };
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
            extensions.set("code", code.as_str());
            extensions.set("retryable", code.is_retryable());
            if let Some(after) = retry_after_ms {
                extensions.set("retryAfterMs", after);
            }
        })
    }
}
