//! Runs one operation, whichever transport brought it: the guard first, then the executor, then the mask.

use super::{
    answer,
    guard::{self, Costs, Introspection, Refusal},
    params::Params,
    request_id::RequestId,
};
use crate::{
    app::App,
    auth::Viewer,
    graphql::{self, Schema, complete::Shape},
};
use async_graphql::{
    Request, Response, ServerError, Value, Variables,
    parser::types::{ExecutableDocument, OperationType},
};
use axum::extract::ws::Utf8Bytes;
use futures_util::{StreamExt, stream, stream::BoxStream};
use serde_json::json;
use std::{panic::AssertUnwindSafe, sync::Arc};
use tracing::{Instrument, Span};

/// What every handler needs to run operations.
#[derive(Clone)]
pub(super) struct Engine {
    /// The application.
    pub app: App,
    /// The executable schema.
    pub schema: Schema,
    /// What documents may cost, by the schema.
    pub costs: Arc<Costs>,
    /// The schema's objects, by which incomplete answers are completed.
    pub shape: Arc<Shape>,
}

/// On whose behalf an operation runs, and under which name.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// Who asks.
    pub viewer: Viewer,
    /// The name of the request or of the socket.
    pub id: RequestId,
}

/// An operation that passed the guard.
pub(super) struct Prepared {
    /// What it is.
    pub kind: OperationType,
    /// What its log lines belong to.
    pub span: Span,
    request: Request,
    document: ExecutableDocument,
    id: RequestId,
}

/// The payloads of one operation, each a serialised GraphQL response. An `Err` holds the errors (a JSON list) of an
/// operation that never began; nothing after it counts.
pub(super) type Payloads = BoxStream<'static, Result<Utf8Bytes, Utf8Bytes>>;

impl Engine {
    /// Lets an operation through the guard.
    pub(super) fn prepare(&self, params: Params, caller: &Caller) -> Result<Prepared, Refusal> {
        let introspection = if self.app.config.answers_introspection() {
            Introspection::Allowed
        } else {
            Introspection::Refused
        };
        let name = params.operation_name.as_deref();
        let admitted = guard::admit(&params.query, name, introspection, &self.costs)?;
        let span = tracing::info_span!(
            "graphql",
            request.id = %caller.id,
            operation.kind = %admitted.kind,
            operation.name = name.unwrap_or_default().get(..64).or(name),
        );
        let mut request = Request::new(String::new())
            .variables(Variables::from_json(serde_json::Value::Object(params.variables)))
            .data(caller.id.clone());
        request = graphql::prepare(&self.app, request, caller.viewer.clone());
        request.operation_name = params.operation_name;
        request.set_parsed_query(admitted.document.clone());
        Ok(Prepared {
            kind: admitted.kind,
            request,
            document: admitted.document,
            id: caller.id.clone(),
            span,
        })
    }

    /// Runs a query or a mutation.
    ///
    /// It runs in a task of its own, which shutdown waits for: a caller who goes away does not cut a mutation in
    /// the middle, nor drop a database transaction that is busy.
    pub(super) async fn answer(&self, prepared: Prepared) -> Response {
        let Prepared { request, document, id, span, kind: _ } = prepared;
        let name = request.operation_name.clone();
        let schema = self.schema.clone();
        let work = async move { schema.execute(request).await };
        let mut response = match self.app.spawn(work.instrument(span.clone())).await {
            Ok(response) => response,
            Err(_) => panicked(&id, &span),
        };
        self.shape.complete(&document, name.as_deref(), &mut response);
        span.in_scope(|| graphql::mask::mask(&mut response, id.as_str()));
        response
    }

    /// Runs any operation and gives what is to be sent to its subscriber.
    pub(super) fn payloads(&self, prepared: Prepared) -> Payloads {
        match prepared.kind {
            OperationType::Query | OperationType::Mutation => {
                let engine = self.clone();
                stream::once(async move { serialise(&engine.answer(prepared).await, answer::was_refused) })
                    .boxed()
            }
            OperationType::Subscription => self.subscription(prepared),
        }
    }

    fn subscription(&self, prepared: Prepared) -> Payloads {
        let Prepared { request, id, span, .. } = prepared;
        let responses = AssertUnwindSafe(self.schema.execute_stream(request)).catch_unwind();
        let mut begun = false;
        responses
            .map(move |caught| {
                let mut response = caught.unwrap_or_else(|_| panicked(&id, &span));
                span.in_scope(|| graphql::mask::mask(&mut response, id.as_str()));
                // A first answer without data means that the stream was refused at its start.
                let refused = |response: &Response| {
                    !begun && response.data == Value::Null && !response.errors.is_empty()
                };
                let payload = serialise(&response, refused);
                begun = true;
                payload
            })
            .boxed()
    }
}

/// A response as a payload, or its errors when it is a refusal.
fn serialise(response: &Response, refused: impl FnOnce(&Response) -> bool) -> Result<Utf8Bytes, Utf8Bytes> {
    if refused(response) {
        return Err(json!(response.errors).to_string().into());
    }
    match serde_json::to_string(response) {
        Ok(payload) => Ok(payload.into()),
        Err(_) => Err(answer::errors(&answer::internal()).to_string().into()),
    }
}

/// The response of an operation that panicked: the mask makes an internal error of it.
fn panicked(id: &RequestId, span: &Span) -> Response {
    span.in_scope(|| tracing::error!(request.id = %id, "an operation panicked"));
    let mut error = ServerError::new("An internal error occurred.", None);
    let mut extensions = async_graphql::ErrorExtensionValues::default();
    extensions.set("code", "INTERNAL");
    extensions.set("requestId", id.as_str());
    error.extensions = Some(extensions);
    Response::from_errors(vec![error])
}
