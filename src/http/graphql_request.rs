//! Reading of one GraphQL request: its method, media types, caller and parameters.

use super::{
    answer::Failure,
    bearer,
    body::{self, Limits},
    documents::Document,
    guard::Refusal,
    json,
    operation::Engine,
    params::{Params, UrlParams},
    prepared::Caller,
    request_id::RequestId,
    transport::Transport,
};
use crate::{
    auth::{self, Viewer},
    graphql::code::ApiCode,
};
use axum::{
    body::{Body, to_bytes},
    extract::Query,
    http::{HeaderMap, Method, StatusCode, Uri, header, request::Parts},
};
use std::sync::Arc;

/// The bytes that are read of a refused body.
const DRAINED_MAX: usize = 256 * 1024;

/// Authenticates the caller and reads the request, in the order of the doc of [`graphql`](super::graphql).
pub(super) async fn read(
    engine: &Engine,
    id: RequestId,
    parts: &Parts,
    body: Body,
) -> Result<(Caller, Params), Failure> {
    acceptable(parts)?;
    let viewer = match bearer::authenticate(&engine.app, &parts.headers).await {
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
        return Err(bearer::token_refused());
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
    let refused = |_| bearer::token_refused();
    let params = from_body(engine, &viewer, &parts.headers, body).await.map_err(refused)?;
    if admitted(engine, &params).map_err(refused)?.needs_no_session {
        Ok((Caller { viewer, id, transport: Transport::Http }, params))
    } else {
        Err(bearer::token_refused())
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

/// Returns the refusal of a method. `allow` lists the allowed ones.
pub(super) fn method_refused(allow: &'static str, message: &'static str) -> Failure {
    Failure::Method(allow, Refusal::new(ApiCode::MethodNotAllowed, message))
}
