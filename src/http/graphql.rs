//! GraphQL over HTTP: one operation per request, queries by GET or POST, mutations by POST.
//!
//! A request is checked in this order, cheapest first: method, media types, authentication, size of the body, content.

use super::{
    Door,
    answer::{self, Failure, Form},
    answers::{self, QueryResponse},
    body::{self, Limits},
    caching, compression,
    documents::Document,
    guard::Refusal,
    json,
    observe::{self, Transport},
    operation::{Caller, Engine, Prepared},
    params::{Params, UrlParams},
    request_id::RequestId,
    sse,
};
use crate::{
    auth::{self, Rejected, Viewer},
    graphql::{code::ApiCode, progress::Progress},
    limits::{Charges, Lane},
};
use async_graphql::parser::types::OperationType;
use axum::{
    body::{Body, to_bytes},
    extract::{Query, Request},
    http::{HeaderMap, Method, StatusCode, Uri, header, request::Parts},
    response::Response,
};
use std::sync::Arc;

/// Answers one request.
pub(super) async fn respond(door: &Door, id: RequestId, request: Request) -> Response {
    let engine = &door.engine;
    let media = match Form::negotiate(request.headers()) {
        Some(Form::Response(media)) => media,
        Some(Form::Events) => return sse::respond(door, id, request).await,
        None => {
            return answer::refused(
                StatusCode::NOT_ACCEPTABLE,
                ApiCode::NotAcceptable,
                "The answer is application/graphql-response+json, application/json or text/event-stream.",
            );
        }
    };
    let (parts, body) = request.into_parts();
    match run(engine, id.clone(), &parts, body).await {
        Ok(Run { response: QueryResponse::Executed(response), cacheable: true, .. })
            if response.errors.is_empty() =>
        {
            match serde_json::to_string(&response) {
                Ok(body) => caching::answer(&parts.headers, media, body.into()),
                Err(_) => answer::executed(media, &response),
            }
        }
        Ok(Run { response: QueryResponse::Executed(response), is_mutation, .. }) => {
            compression::marked(answer::executed(media, &response), is_mutation)
        }
        // Cached responses are public and have no errors.
        Ok(Run { response: QueryResponse::Cached(body), cacheable: true, .. }) => {
            caching::answer(&parts.headers, media, body)
        }
        Ok(Run { response: QueryResponse::Cached(body), .. }) => answer::complete(media, body),
        Err(failure) => {
            observe::failed(&engine.app, &id, parts.extensions.get().copied(), &failure);
            failure.answer(media)
        }
    }
}

/// The result of a request.
struct Run {
    response: QueryResponse,
    /// Whether caches may share it.
    cacheable: bool,
    /// Whether it is of a mutation, which may return tokens.
    is_mutation: bool,
}

/// Authenticates the caller and reads the request, in the order of the module's doc.
pub(super) async fn read(
    engine: &Engine,
    id: RequestId,
    parts: &Parts,
    body: Body,
) -> Result<(Caller, Params), Failure> {
    acceptable(parts)?;
    let viewer = match authenticate(engine, &parts.headers).await {
        Ok(viewer) => viewer.from_network(parts.extensions.get().copied()),
        Err(Failure::Token(_)) if parts.method != Method::GET => {
            return without_session(engine, id, parts, body).await;
        }
        Err(failure) => {
            // hyper closes a connection whose request was not read completely. Read on, to save the client's next
            // request.
            drop(to_bytes(body, DRAINED_MAX).await);
            return Err(failure);
        }
    };
    let params = match parts.method {
        Method::GET => from_url(&parts.uri)?,
        _ => from_body(engine, &viewer, &parts.headers, body).await?,
    };
    // Race: the token may have expired while the body was read.
    if !auth::is_in_time(&engine.app, &viewer) {
        return Err(token_refused());
    }
    Ok((Caller { viewer, id, transport: Transport::Http }, params))
}

/// Reads a request whose token is not valid. Only an operation that opens a session is accepted, as if there were no
/// token: a client whose session has ended must be able to sign in again, even if it still sends the old token.
async fn without_session(
    engine: &Engine,
    id: RequestId,
    parts: &Parts,
    body: Body,
) -> Result<(Caller, Params), Failure> {
    let viewer = Viewer::ANONYMOUS.from_network(parts.extensions.get().copied());
    let params = from_body(engine, &viewer, &parts.headers, body).await.map_err(|_| token_refused())?;
    let document = admitted(engine, &params).map_err(|_| token_refused())?;
    if document.needs_no_session {
        Ok((Caller { viewer, id, transport: Transport::Http }, params))
    } else {
        Err(token_refused())
    }
}

/// Returns the document of a request before persisted documents are resolved.
fn admitted(engine: &Engine, params: &Params) -> Result<Arc<Document>, Failure> {
    let text = match &params.document {
        Some(name) if params.query.is_empty() => engine.persisted.find(name)?,
        Some(_) | None => params.query.as_str().into(),
    };
    engine.documents.admit(&text, params.operation_name.as_deref()).map_err(Failure::Document)
}

async fn run(engine: &Engine, id: RequestId, parts: &Parts, body: Body) -> Result<Run, Failure> {
    let (caller, params) = read(engine, id, parts, body).await?;
    let (params, registration) = engine.persisted.resolve(params)?;
    let is_shared = parts.method == Method::GET && !parts.headers.contains_key(header::AUTHORIZATION);
    // Only queries are cached, and queries may use every method.
    let key = if caller.viewer.is_member() { None } else { answers::key(&params) };
    if let Some(body) = key.as_ref().and_then(|key| engine.answers.get(&engine.app, key)) {
        let charges = Charges::of(Lane::Browse, 1);
        engine.app.limits.operation(&caller.viewer, &charges).await.map_err(Failure::Limited)?;
        return Ok(Run { response: QueryResponse::Cached(body), cacheable: is_shared, is_mutation: false });
    }
    let prepared = engine.prepare(params, &caller).map_err(Failure::Document)?;
    let cacheable = is_shared && prepared.document.cacheable;
    let response = execute(engine, &parts.method, key, &prepared).await?;
    if let Some(registration) = registration
        && response.is_valid()
    {
        engine.persisted.keep(registration);
    }
    let is_mutation = prepared.document.kind == OperationType::Mutation;
    Ok(Run { response, cacheable, is_mutation })
}

async fn execute(
    engine: &Engine,
    method: &Method,
    key: Option<Arc<str>>,
    prepared: &Prepared,
) -> Result<QueryResponse, Failure> {
    match prepared.document.kind {
        OperationType::Mutation if *method == Method::GET => {
            Err(method_refused("POST", "A mutation needs POST."))
        }
        OperationType::Subscription => {
            let message = "A subscription needs a WebSocket with the protocol graphql-transport-ws, or an event stream: \
                accept text/event-stream.";
            Err(match *method {
                Method::GET => method_refused("POST", message),
                _ => Failure::Document(Refusal::new(ApiCode::SubscriptionNeedsSocket, message)),
            })
        }
        OperationType::Query | OperationType::Mutation => {
            let charges = &prepared.charges;
            engine.app.limits.operation(prepared.viewer(), charges).await.map_err(Failure::Limited)?;
            Ok(match key {
                Some(key)
                    if prepared.document.kind == OperationType::Query
                        && prepared.document.shared.is_some() =>
                {
                    engine.answers.answer(engine, key, prepared).await
                }
                Some(_) | None => QueryResponse::Executed(engine.answer(prepared, Progress::default()).await),
            })
        }
    }
}

/// The bytes that are read of a refused body.
const DRAINED_MAX: usize = 256 * 1024;

/// Refuses wrong methods, and bodies that are not JSON in UTF-8. A foreign page could send those without a CORS
/// preflight.
fn acceptable(parts: &Parts) -> Result<(), Failure> {
    match parts.method {
        Method::GET => Ok(()),
        Method::POST if is_plain_json(&parts.headers) => Ok(()),
        Method::POST => Err(Failure::Http(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Refusal::new(ApiCode::UnsupportedMediaType, "The body must be application/json in UTF-8."),
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

/// Authenticates the caller by the `Authorization` header.
pub(super) async fn authenticate(engine: &Engine, headers: &HeaderMap) -> Result<Viewer, Failure> {
    let token = match headers.get(header::AUTHORIZATION) {
        None => None,
        Some(value) => Some(value.to_str().ok().and_then(bearer).ok_or_else(token_refused)?),
    };
    auth::authenticate(&engine.app, token).await.map_err(|rejected| match rejected {
        Rejected::Token => token_refused(),
        // The token may be valid. A client that is told otherwise would discard its session.
        Rejected::Unavailable => {
            Failure::unavailable("Your session cannot be looked up now. Try again in a moment.")
        }
    })
}

fn token_refused() -> Failure {
    Failure::Token(Refusal::new(ApiCode::Unauthenticated, "The token is not valid: sign in again."))
}

/// Returns the token of an `Authorization` header, or `None` for another scheme.
pub(super) fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}

fn from_url(uri: &Uri) -> Result<Params, (StatusCode, Refusal)> {
    let bad = |refusal| (StatusCode::BAD_REQUEST, refusal);
    let Query(params) = Query::<UrlParams>::try_from_uri(uri)
        .map_err(|_| bad(Refusal::new(ApiCode::BadRequest, "The parameters of the URL cannot be read.")))?;
    Params::from_url(params).map_err(bad)
}

async fn from_body(
    engine: &Engine,
    viewer: &Viewer,
    headers: &HeaderMap,
    body: Body,
) -> Result<Params, Failure> {
    let mut place = None;
    let (body, is_large) = if viewer.user().is_ok() {
        let acceptable = |beginning: &[u8]| {
            if !may_be_large(engine, beginning) {
                return Err(body::too_large_here());
            }
            let refusal = Refusal::new(
                ApiCode::Overloaded,
                "Too many large requests are in progress. Try again later.",
            );
            let found = engine.large_bodies.clone().try_acquire_owned();
            place = Some(Arc::new(found.map_err(|_| (StatusCode::SERVICE_UNAVAILABLE, refusal))?));
            Ok(())
        };
        body::read_large(headers, body, acceptable).await?
    } else {
        (body::read(headers, body, Limits::USUAL).await?, false)
    };
    let mut params = Params::from_body(&body).map_err(|refusal| (StatusCode::BAD_REQUEST, refusal))?;
    params.place = place;
    if is_large && !admitted(engine, &params)?.takes_large_body {
        return Err(body::too_large_here().into());
    }
    Ok(params)
}

/// Returns whether a body with this beginning may belong to an operation with large variables. If the beginning does not
/// contain the document, it may: the operation is checked after the whole body was read.
fn may_be_large(engine: &Engine, beginning: &[u8]) -> bool {
    let Some(query) = json::early_member(beginning, "query") else { return true };
    let Ok(query) = serde_json::from_str::<String>(query) else { return false };
    let name =
        json::early_member(beginning, "operationName").and_then(|name| serde_json::from_str(name).ok());
    match engine.documents.admit(&query, name) {
        Ok(document) => document.takes_large_body,
        // The operation name may follow later. A refusal is sent after the whole body was read.
        Err(_) => true,
    }
}

pub(super) fn method_refused(allow: &'static str, message: &'static str) -> Failure {
    Failure::Method(allow, Refusal::new(ApiCode::MethodNotAllowed, message))
}
