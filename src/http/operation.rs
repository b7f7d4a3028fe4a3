//! Runs one operation, whichever transport brought it: the guard first, then the executor, then the mask.

use super::{
    admission::Admission,
    answer,
    answers::Answers,
    documents::{Document, Documents},
    guard::Refusal,
    observe::{Observed, Transport},
    params::Params,
    request_id::RequestId,
    shared::Hub,
};
use crate::{
    app::App,
    auth::Viewer,
    graphql::{self, Batches, Schema, complete::Shape, progress::Progress},
};
use async_graphql::{Request, Response, ServerError, Value, Variables, parser::types::OperationType};
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
    /// The documents that passed the guard.
    pub documents: Documents,
    /// How many operations may run at once.
    pub admission: Admission,
    /// The schema's objects, by which incomplete answers are completed.
    pub shape: Arc<Shape>,
    /// The streams that are run once for all who watch them.
    pub hub: Arc<Hub>,
    /// The answers that are the same for everybody.
    pub answers: Arc<Answers>,
}

/// On whose behalf an operation runs, and under which name.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// Who asks.
    pub viewer: Viewer,
    /// The name of the request or of the socket.
    pub id: RequestId,
    /// How the operation came in.
    pub transport: Transport,
}

/// An operation that passed the guard. It can be run more than once.
pub(super) struct Prepared {
    /// What it is.
    pub document: Arc<Document>,
    /// What its log lines belong to.
    pub span: Span,
    /// As the caller asked for it.
    pub params: Params,
    pub(super) caller: Caller,
}

/// The payloads of one operation, each a serialised GraphQL response. An `Err` holds the errors (a JSON list) of an
/// operation that never began; nothing after it counts.
pub(super) type Payloads = BoxStream<'static, Result<Utf8Bytes, Utf8Bytes>>;

/// One response of a stream.
pub(super) enum Told {
    /// What it tells.
    Data(Utf8Bytes),
    /// It tells of an error, and nothing that could be relied upon.
    Failed(Utf8Bytes),
    /// The operation never began: the errors, a JSON list.
    Refused(Utf8Bytes),
}

impl Prepared {
    /// The same operation on behalf of nobody in particular. Only good for one that is public.
    pub(super) fn for_everybody(mut self) -> Self {
        self.caller.viewer = Viewer::ANONYMOUS;
        self
    }

    /// A request that runs it, and tells `progress` what it read.
    fn request(&self, app: &App, progress: Progress) -> (Request, Batches) {
        let variables = serde_json::Value::Object(self.params.variables.clone());
        let request = Request::new(String::new())
            .variables(Variables::from_json(variables))
            .data(self.caller.id.clone());
        let (mut request, batches) =
            graphql::prepare(app, request, self.caller.viewer.of_request(self.caller.id.as_str()), progress);
        request.operation_name.clone_from(&self.params.operation_name);
        request.set_parsed_query(self.document.parsed.clone());
        (request, batches)
    }
}

impl Engine {
    /// Lets an operation through the guard.
    pub(super) fn prepare(&self, params: Params, caller: &Caller) -> Result<Prepared, Refusal> {
        let name = params.operation_name.as_deref();
        let document = self.documents.admit(&params.query, name)?;
        let span = tracing::info_span!(
            "graphql",
            request.id = %caller.id,
            operation.kind = %document.kind,
            operation.name = name.unwrap_or_default().get(..64).or(name),
        );
        Ok(Prepared { document, params, caller: caller.clone(), span })
    }

    /// Runs a query or a mutation.
    ///
    /// It runs in a task of its own, which shutdown waits for: a caller who goes away does not cut a mutation in
    /// the middle, nor drop a database transaction that is busy.
    pub(super) async fn answer(&self, prepared: &Prepared, progress: Progress) -> Response {
        let Prepared { document, caller, params, span, .. } = prepared;
        let id = &caller.id;
        let observed = Observed::begin(&self.app, prepared);
        let Some(permit) = self.admission.admit(document.is_urgent) else {
            let response = graphql::error::overloaded(&self.app);
            observed.end(&response);
            return response;
        };
        let (request, batches) = prepared.request(&self.app, progress);
        let schema = self.schema.clone();
        let work = async move {
            let response = batches.run(schema.execute(request)).await;
            drop(permit);
            response
        };
        let mut response = match self.app.spawn(work.instrument(span.clone())).await {
            Ok(response) => response,
            Err(_) => panicked(id, span),
        };
        self.shape.complete(&document.parsed, params.operation_name.as_deref(), &mut response);
        span.in_scope(|| graphql::mask::mask(&mut response, id.as_str()));
        observed.end(&response);
        response
    }

    /// Runs any operation and gives what is to be sent to its subscriber.
    pub(super) fn payloads(&self, prepared: Prepared) -> Payloads {
        match prepared.document.kind {
            OperationType::Query | OperationType::Mutation => {
                let engine = self.clone();
                let answer = async move {
                    let response = engine.answer(&prepared, Progress::default()).await;
                    if answer::was_refused(&response) {
                        Err(errors(&response))
                    } else {
                        Ok(serialise(&response))
                    }
                };
                stream::once(answer).boxed()
            }
            OperationType::Subscription => self
                .stream(&prepared, Progress::default())
                .map(|told| match told {
                    Told::Data(payload) | Told::Failed(payload) => Ok(payload),
                    Told::Refused(errors) => Err(errors),
                })
                .boxed(),
        }
    }

    /// Runs a subscription.
    pub(super) fn stream(&self, prepared: &Prepared, progress: Progress) -> BoxStream<'static, Told> {
        let (id, span) = (prepared.caller.id.clone(), prepared.span.clone());
        let (request, batches) = prepared.request(&self.app, progress);
        let responses = batches.run_stream(self.schema.execute_stream(request));
        let responses = AssertUnwindSafe(responses).catch_unwind();
        let mut begun = false;
        responses
            .map(move |caught| {
                let mut response = caught.unwrap_or_else(|_| panicked(&id, &span));
                span.in_scope(|| graphql::mask::mask(&mut response, id.as_str()));
                let first = !std::mem::replace(&mut begun, true);
                // A first answer without data means that the stream was refused at its start.
                if response.errors.is_empty() {
                    Told::Data(serialise(&response))
                } else if first && response.data == Value::Null {
                    Told::Refused(errors(&response))
                } else {
                    Told::Failed(serialise(&response))
                }
            })
            .boxed()
    }
}

fn serialise(response: &Response) -> Utf8Bytes {
    match serde_json::to_string(response) {
        Ok(payload) => payload.into(),
        Err(_) => json!({ "errors": answer::errors(&answer::internal()) }).to_string().into(),
    }
}

fn errors(response: &Response) -> Utf8Bytes {
    json!(response.errors).to_string().into()
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
