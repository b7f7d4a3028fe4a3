//! HTTP responses: media types, status codes, and the form of a refusal.
//!
//! The mapping follows the 61 audits of the `graphql-http` suite. It is in one place because the specification's draft
//! of 2026 has other status codes (422, 294).

use super::{guard::Refusal, limit};
use crate::{
    error::Fault,
    graphql::{code::ApiCode, error::ApiError},
    limits::Exceeded,
};
use async_graphql::{Response as GraphqlResponse, Value};
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde_json::json;

/// The media types of a GraphQL response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MediaType {
    /// `application/graphql-response+json`. The status says whether the operation was executed.
    GraphqlResponse,
    /// `application/json`. The status is 200 for every well-formed GraphQL request, as old clients expect.
    Json,
}

/// The form of response that a client accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// One response.
    Response(MediaType),
    /// An event stream.
    Events,
}

impl Form {
    /// Returns the form that the client prefers, or `None` if it accepts none. Without an `Accept` header the form is
    /// JSON.
    pub(super) fn negotiate(headers: &HeaderMap) -> Option<Self> {
        let mut best: Option<(u16, Self)> = None;
        let mut asked = false;
        for value in headers.get_all(header::ACCEPT) {
            asked = true;
            for range in value.to_str().unwrap_or_default().split(',') {
                let Some((quality, form)) = accepted(range) else { continue };
                if quality > 0 && best.is_none_or(|(highest, _)| quality > highest) {
                    best = Some((quality, form));
                }
            }
        }
        if asked { best.map(|(_, form)| form) } else { Some(Self::Response(MediaType::Json)) }
    }
}

impl MediaType {
    /// Returns the value of `Content-Type`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
        }
    }

    /// Returns the status for a well-formed request whose operation was refused before execution.
    fn refused_status(self) -> StatusCode {
        match self {
            Self::GraphqlResponse => StatusCode::BAD_REQUEST,
            Self::Json => StatusCode::OK,
        }
    }
}

/// Parses a media range, with its quality in thousandths.
fn accepted(range: &str) -> Option<(u16, Form)> {
    let mut parts = range.split(';').map(str::trim);
    let form = match parts.next()?.to_ascii_lowercase().as_str() {
        "application/graphql-response+json" => Form::Response(MediaType::GraphqlResponse),
        "application/json" | "application/*" | "*/*" => Form::Response(MediaType::Json),
        "text/event-stream" => Form::Events,
        _ => return None,
    };
    let quality = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1_000), thousandths)?;
    Some((quality, form))
}

/// Parses a quality by RFC 9110: `1`, `0.5`, with at most three decimals.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole: u16 = whole.parse().ok().filter(|&whole| whole <= 1)?;
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    Some((whole * 1_000 + fraction).min(1_000))
}

/// Returns the response of an operation that was given to the executor.
///
/// If the errors have a time to retry, the response has a `Retry-After` header. An operation that was executed has the
/// status 200, even if all its fields failed. An operation that was not admitted, or was stopped, has the status 503
/// for proxies. An operation with an unknown outcome does not, because a proxy might send it again.
pub(super) fn executed(media: MediaType, response: &GraphqlResponse) -> Response {
    let later = retry_after(response);
    let mut answer = if was_refused(response) {
        let is_undone = later.is_some() && !is_unknown(response);
        let status = if is_undone { StatusCode::SERVICE_UNAVAILABLE } else { media.refused_status() };
        reply(media, status, json!({ "errors": response.errors }).to_string())
    } else {
        match serde_json::to_string(response) {
            Ok(body) => reply(media, StatusCode::OK, body),
            Err(_) => Failure::Http(StatusCode::INTERNAL_SERVER_ERROR, internal()).answer(media),
        }
    };
    if let Some(seconds) = later {
        answer.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    answer
}

/// Returns the seconds until a retry, rounded up, that satisfy all errors.
fn retry_after(response: &GraphqlResponse) -> Option<u64> {
    let extensions = response.errors.iter().filter_map(|error| error.extensions.as_ref());
    let after = extensions.filter_map(|extensions| match extensions.get("retryAfterMs") {
        Some(Value::Number(after)) => after.as_u64(),
        _ => None,
    });
    after.max().map(|after| after.div_ceil(1_000))
}

/// Returns whether the outcome of the operation is unknown.
fn is_unknown(response: &GraphqlResponse) -> bool {
    let mut extensions = response.errors.iter().filter_map(|error| error.extensions.as_ref());
    extensions.any(|extensions| extensions.get("outcomeUnknown") == Some(&Value::Boolean(true)))
}

/// Returns the response of an operation without errors. `body` is its GraphQL response.
pub(super) fn complete(media: MediaType, body: Bytes) -> Response {
    reply(media, StatusCode::OK, body)
}

/// Returns whether the executor refused the operation before execution: no data, and no error with a path.
pub(super) fn was_refused(response: &GraphqlResponse) -> bool {
    response.data == Value::Null
        && !response.errors.is_empty()
        && response.errors.iter().all(|error| error.path.is_empty())
}

/// Why a request has no result, with its form in HTTP.
#[derive(Debug)]
pub(super) enum Failure {
    /// The HTTP request is refused. The status is the same for all media types.
    Http(StatusCode, Refusal),
    /// The method is not allowed. The string lists the allowed ones.
    Method(&'static str, Refusal),
    /// The access token is refused.
    Token(Refusal),
    /// The request is well formed, but its document is refused.
    Document(Refusal),
    /// The caller exceeds a limit. Nothing was executed.
    Limited(Exceeded),
}

impl Failure {
    /// Returns the response.
    pub(super) fn answer(self, media: MediaType) -> Response {
        let (status, refusal, header) = match self {
            Self::Http(status, refusal) => (status, refusal, None),
            Self::Method(allow, refusal) => {
                (StatusCode::METHOD_NOT_ALLOWED, refusal, Some((header::ALLOW, allow)))
            }
            Self::Token(refusal) => {
                (StatusCode::UNAUTHORIZED, refusal, Some((header::WWW_AUTHENTICATE, "Bearer")))
            }
            Self::Document(refusal) => (media.refused_status(), refusal, None),
            Self::Limited(exceeded) => return limit::answer(media, &exceeded),
        };
        let mut response = reply(media, status, json!({ "errors": errors(&refusal) }).to_string());
        if let Some(after) = refusal.retry_after_ms {
            response.headers_mut().insert(header::RETRY_AFTER, after.div_ceil(1_000).into());
        }
        if let Some((name, value)) = header {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

impl Failure {
    /// Returns a temporary failure.
    pub(super) fn unavailable(message: &'static str) -> Self {
        Self::Http(StatusCode::SERVICE_UNAVAILABLE, Refusal::unavailable(message))
    }

    /// Returns the refusal without a status, for other transports.
    pub(super) fn into_refusal(self) -> Refusal {
        match self {
            Self::Http(_, refusal)
            | Self::Method(_, refusal)
            | Self::Token(refusal)
            | Self::Document(refusal) => refusal,
            Self::Limited(_) => Refusal::new(ApiCode::RateLimited, "Too many calls; nothing was done. Wait."),
        }
    }
}

impl From<(StatusCode, Refusal)> for Failure {
    fn from((status, refusal): (StatusCode, Refusal)) -> Self {
        Self::Http(status, refusal)
    }
}

/// Returns a refusal outside GraphQL, in the form of GraphQL errors.
pub(super) fn refused(status: StatusCode, code: ApiCode, message: &'static str) -> Response {
    Failure::Http(status, Refusal::new(code, message)).answer(MediaType::Json)
}

/// Returns a refusal outside GraphQL for a temporary failure.
pub(super) fn unavailable(message: &'static str) -> Response {
    Failure::unavailable(message).answer(MediaType::Json)
}

/// The statuses of faults outside GraphQL. All other faults are internal errors.
const STATUSES: [(ApiCode, StatusCode); 9] = [
    (ApiCode::BadUserInput, StatusCode::BAD_REQUEST),
    (ApiCode::Unauthenticated, StatusCode::UNAUTHORIZED),
    (ApiCode::Forbidden, StatusCode::FORBIDDEN),
    (ApiCode::NotFound, StatusCode::NOT_FOUND),
    (ApiCode::IdempotencyMismatch, StatusCode::CONFLICT),
    (ApiCode::Stale, StatusCode::CONFLICT),
    (ApiCode::RateLimited, StatusCode::TOO_MANY_REQUESTS),
    (ApiCode::Overloaded, StatusCode::SERVICE_UNAVAILABLE),
    (ApiCode::Unavailable, StatusCode::SERVICE_UNAVAILABLE),
];

/// Returns the response to a fault outside GraphQL, with the code and message that the API has for it.
pub(super) fn fault(fault: &Fault) -> Response {
    let ApiError { code, message, retry_after_ms } = fault.into();
    let status = STATUSES.into_iter().find(|(known, _)| *known == code);
    let status = status.map_or(StatusCode::INTERNAL_SERVER_ERROR, |(_, status)| status);
    Failure::Http(status, Refusal { code, message: message.into(), retry_after_ms }).answer(MediaType::Json)
}

/// Returns the refusal for an internal error.
pub(super) fn internal() -> Refusal {
    Refusal::new(ApiCode::Internal, "An internal error occurred.")
}

/// Returns the refusal as GraphQL errors.
pub(super) fn errors(refusal: &Refusal) -> serde_json::Value {
    let mut extensions = json!({ "code": refusal.code.as_str() });
    if let Some(after) = refusal.retry_after_ms {
        extensions["retryable"] = true.into();
        extensions["retryAfterMs"] = after.into();
    }
    json!([{ "message": refusal.message, "extensions": extensions }])
}

pub(super) fn reply(media: MediaType, status: StatusCode, body: impl Into<Body>) -> Response {
    (status, [(header::CONTENT_TYPE, HeaderValue::from_static(media.name()))], body.into()).into_response()
}

/// Answers a request for an unknown address.
pub(super) async fn not_found() -> Response {
    refused(StatusCode::NOT_FOUND, ApiCode::NotFound, "There is nothing at this address.")
}

#[cfg(test)]
mod tests {
    use super::{Form::*, MediaType::*, *};

    #[test]
    fn time_to_retry_is_in_a_header() {
        let overloaded = |after: &[u64]| {
            let errors = after.iter().map(|after| {
                let mut error = async_graphql::ServerError::new("too many", None);
                error.path = vec![async_graphql::PathSegment::Field("reserveSeats".to_owned())];
                let mut extensions = async_graphql::ErrorExtensionValues::default();
                extensions.set("retryAfterMs", *after);
                error.extensions = Some(extensions);
                error
            });
            let response = async_graphql::Response::from_errors(errors.collect());
            let answer = executed(Json, &response);
            (answer.status().as_u16(), answer.headers().get(header::RETRY_AFTER).cloned())
        };
        assert_eq!(overloaded(&[]), (200, None));
        assert_eq!(overloaded(&[1]), (200, Some(HeaderValue::from_static("1"))));
        assert_eq!(overloaded(&[2_000]), (200, Some(HeaderValue::from_static("2"))));
        assert_eq!(overloaded(&[500, 2_001, 900]), (200, Some(HeaderValue::from_static("3"))));
    }

    #[test]
    fn operation_that_was_not_admitted_is_service_unavailable() {
        let mut error = async_graphql::ServerError::new("too many", None);
        let mut extensions = async_graphql::ErrorExtensionValues::default();
        extensions.set("retryAfterMs", 700_u64);
        error.extensions = Some(extensions);
        let response = async_graphql::Response::from_errors(vec![error]);
        for media in [Json, GraphqlResponse] {
            let answer = executed(media, &response);
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(answer.headers()[header::RETRY_AFTER], "1");
        }
    }

    #[test]
    fn unknown_outcome_is_not_service_unavailable() {
        let response = crate::graphql::error::outcome_unknown();
        assert_eq!(executed(Json, &response).status(), StatusCode::OK);
        assert!(executed(Json, &response).headers().contains_key(header::RETRY_AFTER));
        let given_up = executed(GraphqlResponse, &crate::graphql::error::given_up());
        assert_eq!(given_up.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(given_up.headers().contains_key(header::RETRY_AFTER));
    }

    #[test]
    fn temporary_failure_has_a_time_to_retry() {
        let refusal = Refusal { retry_after_ms: Some(1_200), ..Refusal::new(ApiCode::Unavailable, "Later.") };
        let errors = errors(&refusal);
        assert_eq!(
            errors[0]["extensions"],
            json!({ "code": "UNAVAILABLE", "retryable": true, "retryAfterMs": 1_200 })
        );
        let answer = Failure::Http(StatusCode::SERVICE_UNAVAILABLE, refusal).answer(Json);
        assert_eq!(answer.headers()[header::RETRY_AFTER], "2");
    }

    #[test]
    fn preferred_type_wins_and_the_first_of_equals() {
        let cases = [
            ("application/graphql-response+json, application/json;q=0.9", Some(Response(GraphqlResponse))),
            ("application/json, application/graphql-response+json", Some(Response(Json))),
            (
                "application/json;q=0.5, application/graphql-response+json;q=0.75",
                Some(Response(GraphqlResponse)),
            ),
            ("application/graphql-response+json; charset=utf-8", Some(Response(GraphqlResponse))),
            ("*/*", Some(Response(Json))),
            ("text/html, */*;q=0.1", Some(Response(Json))),
            ("text/event-stream", Some(Events)),
            ("text/event-stream, */*", Some(Events)),
            ("text/event-stream;q=0.5, application/json", Some(Response(Json))),
            ("text/html", None),
            ("application/json;q=0", None),
            ("application/json;q=nan", None),
            ("", None),
        ];
        for (accept, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(Form::negotiate(&headers), expected, "{accept}");
        }
        assert_eq!(Form::negotiate(&HeaderMap::new()), Some(Response(Json)));
    }
}
