//! Reports operations and refusals to the metrics and the security log.

use std::sync::Arc;

use async_graphql::{
    Response, Value,
    parser::types::{ExecutableDocument, OperationType, Selection},
};
use axum::http::StatusCode;
use tokio::time::Instant;

use super::{
    answer::Failure, guard::Refusal, prepared::Prepared, request_id::RequestId, transport::Transport,
};
use crate::{
    app::App,
    auth::{Network, Viewer},
    graphql::code::ApiCode,
    telemetry::{Event, Sighting, metrics::OperationLabels},
};

/// Prefixes of paths, and their labels.
const ROUTES: [(&str, &str); 9] = [
    ("/graphql", "/graphql"),
    ("/graphiql", "/graphiql"),
    ("/health/live", "/health/live"),
    ("/health/ready", "/health/ready"),
    ("/coupons/", "/coupons"),
    ("/seat-maps/", "/seat-maps"),
    ("/.well-known/", "/.well-known"),
    ("/sandbox/", "/sandbox"),
    ("/graphiql/", "/graphiql"),
];
/// Levels of fragments around the first root field that are followed.
const FRAGMENTS_MAX: usize = 16;

/// Returns the label of a path.
pub(super) fn route(path: &str) -> &'static str {
    let mut routes = ROUTES.into_iter();
    let known = routes.find(|(begin, name)| path == *begin || (begin != name && path.starts_with(begin)));
    known.map_or("other", |(_, name)| name)
}

/// A running operation. It is counted when it ends, or as cancelled if it is dropped before.
pub(super) struct Observed {
    app: App,
    operation: Arc<str>,
    kind: &'static str,
    transport: Transport,
    viewer: Viewer,
    id: RequestId,
    begun: Instant,
    outcome: &'static str,
}

impl Observed {
    /// Starts observing an operation.
    pub(super) fn begin(app: &App, prepared: &Prepared) -> Self {
        let document = &prepared.document;
        let field = root_field(&document.parsed, prepared.params.operation_name.as_deref());
        Self {
            operation: app.metrics.operation_name(field.unwrap_or_default()),
            kind: name_of(document.kind),
            transport: prepared.caller.transport,
            viewer: prepared.caller.viewer,
            id: prepared.caller.id.clone(),
            begun: Instant::now(),
            outcome: "cancelled",
            app: app.clone(),
        }
    }

    /// Counts the operation by its response, and reports security events.
    pub(super) fn end(mut self, response: &Response) {
        self.outcome = outcome(response);
        let event = match ApiCode::of(self.outcome) {
            Some(ApiCode::Forbidden) => Event::Forbidden,
            Some(ApiCode::RateLimited) => Event::RateLimited,
            Some(ApiCode::Overloaded) => Event::Overloaded,
            Some(_) | None => return,
        };
        self.app.metrics.refused(self.outcome);
        let sighting = Sighting::new(event, self.outcome).by(&self.viewer);
        let sighting = sighting.in_request(self.id.as_str(), self.viewer.network());
        self.app.security.report(&sighting, self.app.clock.now());
    }

    /// Counts the start of a subscription, which has no duration of its own.
    pub(super) fn started(mut self) {
        self.outcome = "started";
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        let labels = OperationLabels {
            operation: self.operation.clone(),
            kind: self.kind,
            transport: self.transport.name(),
            outcome: self.outcome,
        };
        self.app.metrics.operation(&labels, self.begun.elapsed());
    }
}

/// Reports a request without a result.
pub(super) fn failed(app: &App, id: &RequestId, network: Option<Network>, failure: &Failure) {
    match failure {
        Failure::Http(StatusCode::PAYLOAD_TOO_LARGE, refusal) => {
            refused(app, id, network, (Event::Oversized, refusal));
        }
        Failure::Http(StatusCode::TOO_MANY_REQUESTS, refusal) => {
            refused(app, id, network, (Event::RateLimited, refusal));
        }
        Failure::Limited(exceeded) => {
            report(app, id, network, (Event::RateLimited, exceeded.rule.name()));
        }
        Failure::Token(refusal) => refused(app, id, network, (Event::TokenRejected, refusal)),
        Failure::Document(refusal) => refused(app, id, network, (Event::DocumentRefused, refusal)),
        Failure::Http(_, refusal) | Failure::Method(_, refusal) => app.metrics.refused(refusal.code.as_str()),
    }
}

/// Counts and reports a refusal.
pub(super) fn refused(
    app: &App,
    id: &RequestId,
    network: Option<Network>,
    (event, refusal): (Event, &Refusal),
) {
    report(app, id, network, (event, refusal.code.as_str()));
}

/// Counts and reports a violation of a rule.
pub(super) fn report(
    app: &App,
    id: &RequestId,
    network: Option<Network>,
    (event, rule): (Event, &'static str),
) {
    app.metrics.refused(rule);
    app.security.report(&Sighting::new(event, rule).in_request(id.as_str(), network), app.clock.now());
}

fn name_of(kind: OperationType) -> &'static str {
    match kind {
        OperationType::Query => "query",
        OperationType::Mutation => "mutation",
        OperationType::Subscription => "subscription",
    }
}

/// Returns the first root field of the operation.
fn root_field<'a>(document: &'a ExecutableDocument, name: Option<&str>) -> Option<&'a str> {
    let mut operations = document.operations.iter();
    let (_, operation) = match name {
        Some(wanted) => operations.find(|(name, _)| name.is_some_and(|name| name.as_str() == wanted)),
        None => operations.next(),
    }?;
    let mut selections = &operation.node.selection_set.node;
    for _ in 0..FRAGMENTS_MAX {
        selections = match &selections.items.first()?.node {
            Selection::Field(field) => return Some(field.node.name.node.as_str()),
            Selection::InlineFragment(fragment) => &fragment.node.selection_set.node,
            Selection::FragmentSpread(spread) => {
                &document.fragments.get(&spread.node.fragment_name.node)?.node.selection_set.node
            }
        };
    }
    None
}

/// Returns the outcome of an operation: `ok`, `refused` if a payload has a user error, or the code of the first error.
fn outcome(response: &Response) -> &'static str {
    let Some(error) = response.errors.first() else {
        return if has_refusal(&response.data) { "refused" } else { "ok" };
    };
    let code = error.extensions.as_ref().and_then(|extensions| extensions.get("code"));
    let known = match code {
        Some(Value::String(code)) => ApiCode::of(code),
        Some(_) | None => None,
    };
    known.map_or("error", ApiCode::as_str)
}

fn has_refusal(data: &Value) -> bool {
    let Value::Object(fields) = data else { return false };
    fields.values().any(|field| {
        matches!(field, Value::Object(payload)
            if matches!(payload.get("errors"), Some(Value::List(errors)) if !errors.is_empty()))
    })
}

#[cfg(test)]
mod tests {
    use async_graphql::{ErrorExtensionValues, ServerError, parser::parse_query, value};

    use super::*;

    #[test]
    fn label_is_the_first_root_field() {
        let cases = [
            ("{ events { nodes { id } } viewer { id } }", None, Some("events")),
            ("{ evil: shop { id } }", None, Some("shop")),
            ("query A { shop { id } } query B { event { id } }", Some("B"), Some("event")),
            ("query A { shop { id } }", Some("C"), None),
            ("{ ... on Query { ...F } } fragment F on Query { node { id } }", None, Some("node")),
            ("{ ...F } fragment F on Query { ...F }", None, None),
        ];
        for (text, name, expected) in cases {
            let document = parse_query(text).expect("a document");
            assert_eq!(root_field(&document, name), expected, "{text}");
        }
    }

    #[test]
    fn outcomes_are_known_labels() {
        let with = |code: &str| {
            let mut error = ServerError::new("no", None);
            let mut extensions = ErrorExtensionValues::default();
            extensions.set("code", code);
            error.extensions = Some(extensions);
            outcome(&Response::from_errors(vec![error]))
        };
        assert_eq!(with("FORBIDDEN"), "FORBIDDEN");
        assert_eq!(with("a client's own word"), "error");
        assert_eq!(outcome(&Response::from_errors(vec![ServerError::new("no", None)])), "error");
        assert_eq!(outcome(&Response::new(value!({ "events": { "nodes": [] } }))), "ok");
        assert_eq!(outcome(&Response::new(value!({ "pay": { "errors": [] } }))), "ok");
        assert_eq!(outcome(&Response::new(value!({ "pay": { "errors": [{ "code": "X" }] } }))), "refused");
    }
}
