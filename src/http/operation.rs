//! Runs one operation, whichever transport brought it: the guard first, then the executor, then the mask.
//!
//! A query ends at its deadline, and when nobody waits for it any more: its client went away, or completed it. It runs in
//! a task of its own, and is not dropped with its client, because a statement may be under way on a pooled connection.
//! Its [`Budget`] stops it between two fields instead. A mutation is given up at its deadline unless it has begun to
//! [commit](Call); then it goes on, whoever waits for it.

use super::{
    admission::{Admission, Class, Load},
    answer,
    answers::Answers,
    documents::{Document, Documents},
    guard::{Cost, Refusal},
    limit,
    observe::{Observed, Transport},
    params::Params,
    persisted::Persisted,
    request_id::RequestId,
    shared::Hub,
};
use crate::{
    app::App,
    auth::Viewer,
    call::Call,
    graphql::{
        self, Batches, Run, Schema,
        budget::{Budget, Spent},
        mask_errors::{Detail, mask_errors},
        null_completion::Shape,
        progress::Progress,
        size,
    },
    limits::Charges,
};
use async_graphql::{Request, Response, ServerError, Value, Variables, parser::types::OperationType, value};
use axum::extract::ws::Utf8Bytes;
use futures_util::{StreamExt, future::ready, stream, stream::BoxStream};
use serde_json::{Map, json};
use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};
use tokio::{
    sync::Semaphore,
    task::{JoinError, JoinHandle},
    time::timeout,
};
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
    /// The documents that requests may name.
    pub persisted: Persisted,
    /// How many operations may run at once.
    pub admission: Admission,
    /// How many large bodies may be in memory at once.
    pub large_bodies: Arc<Semaphore>,
    /// The schema's objects, by which incomplete answers are completed.
    pub shape: Arc<Shape>,
    /// The streams that are run once for all who watch them.
    pub hub: Arc<Hub>,
    /// The answers that are the same for everybody.
    pub answers: Arc<Answers>,
}

/// How much longer a mutation may take that has begun to commit: about as long as one statement may.
const COMMIT_GRACE: Duration = Duration::from_secs(5);
/// How many times as large as a query's response a mutation's may be.
const MUTATION_BYTES: u64 = 4;

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
    /// As the caller asked for it; the text of the variables is gone.
    pub params: Params,
    /// The variables that the document declares.
    pub variables: Map<String, serde_json::Value>,
    /// What it is expected to cost.
    pub cost: Cost,
    /// What it costs its caller.
    pub charges: Charges,
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

    /// The caller that it runs for.
    pub(super) fn viewer(&self) -> &Viewer {
        &self.caller.viewer
    }

    /// A request that runs it.
    fn request(&self, app: &App, run: Run) -> (Request, Batches) {
        let variables = serde_json::Value::Object(self.variables.clone());
        let request = Request::new(String::new())
            .variables(Variables::from_json(variables))
            .data(self.caller.id.clone());
        let viewer = self.caller.viewer.of_request(self.caller.id.as_str());
        let (mut request, batches) = graphql::prepare(app, request, viewer, run);
        request.operation_name.clone_from(&self.params.operation_name);
        request.set_parsed_query(self.document.parsed.clone());
        (request, batches)
    }
}

impl Engine {
    /// Lets an operation through the guard.
    pub(super) fn prepare(&self, mut params: Params, caller: &Caller) -> Result<Prepared, Refusal> {
        self.persisted.check_trusted(&params.query)?;
        let name = params.operation_name.as_deref();
        let document = self.documents.admit(&params.query, name)?;
        let variables = params.declared(document.variables())?;
        let cost = self.documents.price(&document, name, &variables)?;
        let charges = limit::charges_of(&document.parsed, name, limit::weight_of(cost.work));
        let span = tracing::info_span!(
            "graphql",
            request.id = %caller.id,
            operation.kind = %document.kind,
            operation.name = name.unwrap_or_default().get(..64).or(name),
        );
        // It may be large, and all that is wanted of it is in the values.
        params.variables = String::new();
        Ok(Prepared { document, params, variables, cost, charges, caller: caller.clone(), span })
    }

    /// Runs a query or a mutation.
    ///
    /// It runs in a task of its own, which shutdown waits for: a caller who goes away does not cut a mutation in
    /// the middle, nor drop a database transaction that is busy.
    pub(super) async fn answer(&self, prepared: &Prepared, progress: Progress) -> Response {
        let Prepared { document, caller, params, span, .. } = prepared;
        let id = &caller.id;
        let observed = Observed::begin(&self.app, prepared);
        let mut response = if document.faults.is_empty() {
            let class = Class::of(document.kind, document.is_urgent, &caller.viewer);
            let Some(permit) = self.admission.admit(class, Load::one(prepared.cost)).await else {
                let response = graphql::error::overloaded(&self.app);
                observed.end(&response);
                return response;
            };
            let budget = self.budget(prepared);
            let (request, batches) = prepared.request(&self.app, Run { progress, budget: budget.clone() });
            let schema = self.schema.clone();
            let work = async move {
                let response = batches.run(schema.execute(request)).await;
                drop(permit);
                response
            };
            let work = work.instrument(span.clone());
            let _stop = (document.kind == OperationType::Query).then(|| StopWhenDropped(budget.clone()));
            let ended = if document.kind == OperationType::Query {
                let patience = Duration::from_secs(self.app.config.documents.query_seconds);
                timeout(patience, self.app.spawn(work))
                    .await
                    .map_err(|_| graphql::error::spent(Spent::Stopped))
            } else {
                let patience = self.app.config.documents.mutation_time();
                let call = Call::new(id.as_str(), patience);
                in_time(&call, patience, self.app.spawn(call.clone().scope(work))).await
            };
            match ended {
                Ok(Ok(response)) => Self::within(&budget, response),
                Ok(Err(_)) => panicked(id, span),
                Err(response) => response,
            }
        } else {
            Response::from_errors(document.faults.clone())
        };
        self.shape.complete_nulls(&document.parsed, params.operation_name.as_deref(), &mut response);
        document.order.restore(&mut response.data);
        span.in_scope(|| mask_errors(&mut response, id.as_str(), self.detail()));
        observed.end(&response);
        if params.wants_cost {
            let (cost, limit) = (prepared.cost, self.documents.cost_limit());
            let told = value!({ "estimated": cost.work, "estimatedBytes": cost.bytes, "limit": limit });
            response.extensions.insert("cost".to_owned(), told);
        }
        response
    }

    /// What an operation may use. A mutation must tell what it did, so it may tell more.
    fn budget(&self, prepared: &Prepared) -> Budget {
        match prepared.document.kind {
            OperationType::Query => {
                let most = self.app.config.documents.max_response_bytes;
                let bytes = prepared.caller.transport.payload_max().map_or(most, |payload| payload.min(most));
                Budget::new(self.documents.cost_limit(), bytes)
            }
            OperationType::Mutation => {
                let most = self.app.config.documents.max_response_bytes;
                Budget::new(u64::MAX, most.saturating_mul(MUTATION_BYTES))
            }
            OperationType::Subscription => Budget::unlimited(),
        }
    }

    /// The response, or why it is too large. What was built of it is thrown away before it is written.
    fn within(budget: &Budget, response: Response) -> Response {
        let is_too_large = || size::exceeds(&response.data, budget.written_max()).then_some(Spent::Bytes);
        match budget.check().err().or_else(is_too_large) {
            Some(spent) => graphql::error::spent(spent),
            None => response,
        }
    }

    fn detail(&self) -> Detail {
        if self.app.config.answers_introspection() { Detail::Full } else { Detail::Own }
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
        let (id, span, detail) = (prepared.caller.id.clone(), prepared.span.clone(), self.detail());
        if !prepared.document.faults.is_empty() {
            let mut response = Response::from_errors(prepared.document.faults.clone());
            span.in_scope(|| mask_errors(&mut response, id.as_str(), detail));
            return stream::once(ready(Told::Refused(errors(&response)))).boxed();
        }
        let run = Run { progress, budget: self.budget(prepared) };
        let (request, batches) = prepared.request(&self.app, run);
        let responses = batches.run_stream(self.schema.execute_stream(request));
        let responses = AssertUnwindSafe(responses).catch_unwind();
        let mut begun = false;
        let document = prepared.document.clone();
        responses
            .map(move |caught| {
                let mut response = caught.unwrap_or_else(|_| panicked(&id, &span));
                document.order.restore(&mut response.data);
                span.in_scope(|| mask_errors(&mut response, id.as_str(), detail));
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

/// Waits for a mutation. At its deadline it is given up if it has not begun to commit. Otherwise it gets a little longer:
/// its outcome is worth waiting for.
async fn in_time<T>(
    call: &Call,
    patience: Duration,
    mut running: JoinHandle<T>,
) -> Result<Result<T, JoinError>, Response> {
    if let Ok(ended) = timeout(patience, &mut running).await {
        return Ok(ended);
    }
    if call.give_up() {
        return Err(graphql::error::given_up());
    }
    timeout(COMMIT_GRACE, running).await.map_err(|_| graphql::error::outcome_unknown())
}

/// Stops a query when nobody waits for it any more.
struct StopWhenDropped(Budget);

impl Drop for StopWhenDropped {
    fn drop(&mut self) {
        self.0.stop();
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
