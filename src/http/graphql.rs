//! GraphQL over HTTP: one operation per request, queries by GET or POST, mutations by POST.
//!
//! The order is the defence: method, media types, who asks, the size of the body, and only then its content.

use super::{
    answer::{self, Failure, MediaType},
    answers::{self, Answered},
    body::{self, Limits},
    guard::Refusal,
    observe::{self, Transport},
    operation::{Caller, Engine},
    params::{Params, UrlParams},
    request_id::RequestId,
};
use crate::{
    auth::{self, Viewer},
    graphql::progress::Progress,
};
use async_graphql::parser::types::OperationType;
use axum::{
    body::{Body, to_bytes},
    extract::{Query, Request},
    http::{HeaderMap, Method, StatusCode, Uri, header, request::Parts},
    response::Response,
};

/// Answers one request.
pub(super) async fn respond(engine: &Engine, id: RequestId, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Some(media) = MediaType::negotiate(&parts.headers) else {
        return answer::refused(
            StatusCode::NOT_ACCEPTABLE,
            "NOT_ACCEPTABLE",
            "The answer is application/graphql-response+json or application/json.",
        );
    };
    match run(engine, id.clone(), &parts, body).await {
        Ok(Answered::Made(response)) => answer::executed(media, &response),
        Ok(Answered::Kept(body)) => answer::complete(media, body),
        Err(failure) => {
            observe::failed(&engine.app, &id, parts.extensions.get().copied(), &failure);
            failure.answer(media)
        }
    }
}

async fn run(engine: &Engine, id: RequestId, parts: &Parts, body: Body) -> Result<Answered, Failure> {
    acceptable(parts)?;
    let viewer = match authenticate(engine, &parts.headers).await {
        Ok(viewer) => viewer.from_network(parts.extensions.get().copied()),
        Err(failure) => {
            // A connection whose request was not read to its end is closed, and the client's next request on it with it.
            drop(to_bytes(body, DRAINED_MAX).await);
            return Err(failure);
        }
    };
    let params = match parts.method {
        Method::GET => from_url(&parts.uri)?,
        _ => from_body(&viewer, &parts.headers, body).await?,
    };
    // Only queries are ever kept, and those may be asked by every method.
    let key = answers::key(&params);
    if let Some(body) = key.as_ref().and_then(|key| engine.answers.get(&engine.app, key)) {
        return Ok(Answered::Kept(body));
    }
    let prepared = engine
        .prepare(params, &Caller { viewer, id, transport: Transport::Http })
        .map_err(Failure::Document)?;
    match prepared.document.kind {
        OperationType::Mutation if parts.method == Method::GET => {
            Err(method_refused("POST", "A mutation needs POST."))
        }
        OperationType::Subscription => {
            let message = "A subscription needs a WebSocket with the protocol graphql-transport-ws.";
            Err(match parts.method {
                Method::GET => method_refused("POST", message),
                _ => Failure::Document(Refusal::new("SUBSCRIPTION_NEEDS_SOCKET", message)),
            })
        }
        OperationType::Query | OperationType::Mutation => match key {
            Some(key)
                if prepared.document.kind == OperationType::Query && prepared.document.public.is_some() =>
            {
                Ok(engine.answers.answer(engine, key, &prepared).await)
            }
            Some(_) | None => Ok(Answered::Made(engine.answer(&prepared, Progress::default()).await)),
        },
    }
}

/// What is read of a body that nobody will look at.
const DRAINED_MAX: usize = 256 * 1024;

/// Refuses wrong methods, and bodies that are not plain JSON in UTF-8: a foreign page could send those without the
/// browser asking us first.
fn acceptable(parts: &Parts) -> Result<(), Failure> {
    match parts.method {
        Method::GET => Ok(()),
        Method::POST if is_plain_json(&parts.headers) => Ok(()),
        Method::POST => Err(Failure::Http(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Refusal::new("UNSUPPORTED_MEDIA_TYPE", "The body must be application/json in UTF-8."),
        )),
        _ => Err(method_refused("GET, POST", "Use GET or POST.")),
    }
}

fn is_plain_json(headers: &HeaderMap) -> bool {
    let plain = match headers.get(header::CONTENT_ENCODING) {
        None => true,
        Some(encoding) => encoding.as_bytes().eq_ignore_ascii_case(b"identity"),
    };
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(content_type), None) = (types.next(), types.next()) else { return false };
    let mut parts = content_type.to_str().unwrap_or_default().split(';').map(str::trim);
    let json = parts.next().is_some_and(|media| media.eq_ignore_ascii_case("application/json"));
    let utf8 = parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.eq_ignore_ascii_case("charset") => {
            value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    });
    plain && json && utf8
}

/// Who asks.
pub(super) async fn authenticate(engine: &Engine, headers: &HeaderMap) -> Result<Viewer, Failure> {
    let refused =
        || Failure::Token(Refusal::new("UNAUTHENTICATED", "The token is not valid: sign in again."));
    let token = match headers.get(header::AUTHORIZATION) {
        None => None,
        Some(value) => Some(value.to_str().ok().and_then(bearer).ok_or_else(refused)?),
    };
    auth::authenticate(&engine.app, token).await.map_err(|_| refused())
}

/// The token of an `Authorization` value; `None` when it is of another scheme.
pub(super) fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}

fn from_url(uri: &Uri) -> Result<Params, (StatusCode, Refusal)> {
    let bad = |refusal| (StatusCode::BAD_REQUEST, refusal);
    let Query(params) = Query::<UrlParams>::try_from_uri(uri)
        .map_err(|_| bad(Refusal::new("BAD_REQUEST", "The parameters of the URL cannot be read.")))?;
    Params::from_url(params).map_err(bad)
}

async fn from_body(
    viewer: &Viewer,
    headers: &HeaderMap,
    body: Body,
) -> Result<Params, (StatusCode, Refusal)> {
    let signed_in = viewer.expires_at().is_some();
    let limits = if signed_in { Limits::SIGNED_IN } else { Limits::ANONYMOUS };
    let body = body::read(headers, body, limits).await?;
    Params::from_body(&body).map_err(|refusal| (StatusCode::BAD_REQUEST, refusal))
}

fn method_refused(allow: &'static str, message: &'static str) -> Failure {
    Failure::Method(allow, Refusal::new("METHOD_NOT_ALLOWED", message))
}
