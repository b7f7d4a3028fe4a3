//! GraphQL over HTTP: one operation per request, queries by GET or POST, mutations by POST.
//!
//! A request is checked in this order, cheapest first: method, media types, authentication, size of the body, content.

use super::{
    answer::{self, Failure, Form},
    answers::{self, QueryResponse},
    caching, compression,
    door::Door,
    graphql_request::{method_refused, read},
    guard::Refusal,
    observe,
    prepared::Prepared,
    request_id::RequestId,
    sse,
};
use crate::{
    graphql::{code::ApiCode, progress::Progress},
    limits::{Charges, Lane},
};
use async_graphql::parser::types::OperationType;
use axum::{
    body::Body,
    extract::Request,
    http::{Method, StatusCode, header, request::Parts},
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
    match run(door, id.clone(), &parts, body).await {
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

async fn run(door: &Door, id: RequestId, parts: &Parts, body: Body) -> Result<Run, Failure> {
    let engine = &door.engine;
    let (caller, params) = read(engine, id, parts, body).await?;
    let (params, registration) = engine.persisted.resolve(params)?;
    let is_shared = parts.method == Method::GET && !parts.headers.contains_key(header::AUTHORIZATION);
    // Only queries are cached, and queries may use every method.
    let key = if caller.viewer.is_member() { None } else { answers::key(&params) };
    if let Some(body) = key.as_ref().and_then(|key| door.answers.get(&engine.app, key)) {
        let charges = Charges::of(Lane::Browse, 1);
        engine.app.limits.operation(&caller.viewer, &charges).await.map_err(Failure::Limited)?;
        return Ok(Run { response: QueryResponse::Cached(body), cacheable: is_shared, is_mutation: false });
    }
    let prepared = engine.prepare(params, &caller).map_err(Failure::Document)?;
    let cacheable = is_shared && prepared.document.cacheable;
    let response = execute(door, &parts.method, key, &prepared).await?;
    if let Some(registration) = registration
        && response.is_valid()
    {
        engine.persisted.keep(registration);
    }
    let is_mutation = prepared.document.kind == OperationType::Mutation;
    Ok(Run { response, cacheable, is_mutation })
}

async fn execute(
    door: &Door,
    method: &Method,
    key: Option<Arc<str>>,
    prepared: &Prepared,
) -> Result<QueryResponse, Failure> {
    let engine = &door.engine;
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
                    door.answers.answer(engine, key, prepared).await
                }
                Some(_) | None => QueryResponse::Executed(engine.answer(prepared, Progress::default()).await),
            })
        }
    }
}
