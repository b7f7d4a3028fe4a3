//! What an HTTP answer looks like: its media type, its status and the shape of a refusal.
//!
//! The mapping follows the 61 audits of the `graphql-http` suite and stands here alone, because the specification's
//! draft of 2026 wants other numbers (422, 294).

use super::{guard::Refusal, limit};
use crate::limits::Exceeded;
use async_graphql::{Response as GraphqlResponse, Value};
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde_json::json;

/// The two media types a GraphQL answer may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MediaType {
    /// `application/graphql-response+json`: the status tells whether the operation ran.
    GraphqlResponse,
    /// `application/json`: 200 for every well-formed GraphQL request, as old clients expect.
    Json,
}

/// The form of an answer that a caller asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// One response.
    Response(MediaType),
    /// A stream of events.
    Events,
}

impl Form {
    /// What the caller accepts most; `None` when it accepts nothing of ours. Without `Accept` it is JSON.
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
    /// The value of `Content-Type`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
        }
    }

    /// The status of a well-formed request whose operation was refused before it ran.
    fn refused_status(self) -> StatusCode {
        match self {
            Self::GraphqlResponse => StatusCode::BAD_REQUEST,
            Self::Json => StatusCode::OK,
        }
    }
}

/// One media range with its quality in thousandths.
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

/// A quality as RFC 9110 writes it: `1`, `0.5`, at most three digits.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole: u16 = whole.parse().ok().filter(|&whole| whole <= 1)?;
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    Some((whole * 1_000 + fraction).min(1_000))
}

/// The answer of an operation that was handed to the executor. Whoever is to come back later finds when in a header as
/// well, whatever the status is: an operation that ran is a 200, also when it could do nothing. One that was not even
/// let in, or was given up, is a 503, for the sake of proxies, which know nothing of GraphQL. One whose outcome is not
/// known is not: a proxy might send it again.
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

/// After how many seconds, rounded up, everything that was too much may be tried again.
fn retry_after(response: &GraphqlResponse) -> Option<u64> {
    let extensions = response.errors.iter().filter_map(|error| error.extensions.as_ref());
    let after = extensions.filter_map(|extensions| match extensions.get("retryAfterMs") {
        Some(Value::Number(after)) => after.as_u64(),
        _ => None,
    });
    after.max().map(|after| after.div_ceil(1_000))
}

/// Whether an operation may have done something although it was not answered.
fn is_unknown(response: &GraphqlResponse) -> bool {
    let mut extensions = response.errors.iter().filter_map(|error| error.extensions.as_ref());
    extensions.any(|extensions| extensions.get("outcomeUnknown") == Some(&Value::Boolean(true)))
}

/// The answer of an operation in which nothing failed; the body is its response.
pub(super) fn complete(media: MediaType, body: Bytes) -> Response {
    reply(media, StatusCode::OK, body)
}

/// Whether the executor refused the operation before running it: no data, and no error that lies in the data.
pub(super) fn was_refused(response: &GraphqlResponse) -> bool {
    response.data == Value::Null
        && !response.errors.is_empty()
        && response.errors.iter().all(|error| error.path.is_empty())
}

/// Why a request gets no result, and how HTTP says so.
#[derive(Debug)]
pub(super) enum Failure {
    /// The HTTP request itself is refused: the status says so in every media type.
    Http(StatusCode, Refusal),
    /// The method is; these are allowed.
    Method(&'static str, Refusal),
    /// The token is.
    Token(Refusal),
    /// The request is well formed, but its document is refused.
    Document(Refusal),
    /// The caller is over a limit; nothing was done.
    Limited(Exceeded),
}

impl Failure {
    /// The answer that tells it.
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
    /// Not possible right now, but in a moment.
    pub(super) fn unavailable(message: &'static str) -> Self {
        Self::Http(StatusCode::SERVICE_UNAVAILABLE, Refusal::unavailable(message))
    }

    /// The refusal alone, for transports without a status.
    pub(super) fn into_refusal(self) -> Refusal {
        match self {
            Self::Http(_, refusal)
            | Self::Method(_, refusal)
            | Self::Token(refusal)
            | Self::Document(refusal) => refusal,
            Self::Limited(_) => Refusal::new("RATE_LIMITED", "Too many calls; nothing was done. Wait."),
        }
    }
}

impl From<(StatusCode, Refusal)> for Failure {
    fn from((status, refusal): (StatusCode, Refusal)) -> Self {
        Self::Http(status, refusal)
    }
}

/// A JSON answer outside GraphQL, in the same shape.
pub(super) fn refused(status: StatusCode, code: &'static str, message: &'static str) -> Response {
    Failure::Http(status, Refusal::new(code, message)).answer(MediaType::Json)
}

/// The same for what is not possible right now, but in a moment.
pub(super) fn unavailable(message: &'static str) -> Response {
    Failure::unavailable(message).answer(MediaType::Json)
}

/// Our own fault.
pub(super) fn internal() -> Refusal {
    Refusal::new("INTERNAL", "An internal error occurred.")
}

/// A refusal as GraphQL errors.
pub(super) fn errors(refusal: &Refusal) -> serde_json::Value {
    let mut extensions = json!({ "code": refusal.code });
    if let Some(after) = refusal.retry_after_ms {
        extensions["retryable"] = true.into();
        extensions["retryAfterMs"] = after.into();
    }
    json!([{ "message": refusal.message, "extensions": extensions }])
}

pub(super) fn reply(media: MediaType, status: StatusCode, body: impl Into<Body>) -> Response {
    (status, [(header::CONTENT_TYPE, HeaderValue::from_static(media.name()))], body.into()).into_response()
}

#[cfg(test)]
mod tests {
    use super::{Form::*, MediaType::*, *};

    #[test]
    fn whoever_is_to_come_back_later_finds_when_in_a_header() {
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
    fn what_was_not_let_in_is_service_unavailable() {
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
    fn what_may_have_been_done_is_no_service_unavailable() {
        let response = crate::graphql::error::outcome_unknown();
        assert_eq!(executed(Json, &response).status(), StatusCode::OK);
        assert!(executed(Json, &response).headers().contains_key(header::RETRY_AFTER));
        let given_up = executed(GraphqlResponse, &crate::graphql::error::given_up());
        assert_eq!(given_up.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(given_up.headers().contains_key(header::RETRY_AFTER));
    }

    #[test]
    fn what_is_unavailable_says_when_to_come_back() {
        let refusal = Refusal { retry_after_ms: Some(1_200), ..Refusal::new("UNAVAILABLE", "Later.") };
        let errors = errors(&refusal);
        assert_eq!(
            errors[0]["extensions"],
            json!({ "code": "UNAVAILABLE", "retryable": true, "retryAfterMs": 1_200 })
        );
        let answer = Failure::Http(StatusCode::SERVICE_UNAVAILABLE, refusal).answer(Json);
        assert_eq!(answer.headers()[header::RETRY_AFTER], "2");
    }

    #[test]
    fn the_most_accepted_type_wins_and_the_first_among_equals() {
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
