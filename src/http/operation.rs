//! Executes one operation, for all transports: first the guard, then the executor, then the error mask.
//!
//! A query ends at its deadline, or when its client disconnects or completes it. It runs in a task of its own and is
//! not dropped with its client, because a statement may be in progress on a pooled connection. Its [`Budget`] stops it
//! between two fields instead. A mutation is stopped at its deadline unless it has begun to [commit](Call). Then it
//! continues, even if the client has disconnected.

use super::{
    admission::{Admission, Class, Load},
    answer,
    documents::Documents,
    guard::Refusal,
    limit,
    observe::Observed,
    params::Params,
    persisted::Persisted,
    prepared::{Caller, Prepared},
    request_id::RequestId,
};
use crate::{
    app::App,
    call::Call,
    graphql::{
        self, Run, Schema,
        budget::{Budget, Spent},
        code::ApiCode,
        mask_errors::{Detail, about_input, locate, mask_errors},
        null_completion::Shape,
        progress::Progress,
        size,
    },
};
use async_graphql::{Response, ServerError, Value, parser::types::OperationType, value};
use axum::extract::ws::Utf8Bytes;
use futures_util::{StreamExt, future::ready, stream, stream::BoxStream};
use serde_json::json;
use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};
use tokio::{
    sync::Semaphore,
    task::{JoinError, JoinHandle},
    time::timeout,
};
use tracing::{Instrument, Span};

/// What handlers need to execute operations.
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
    /// Limits the operations that run at the same time.
    pub admission: Admission,
    /// Limits the large bodies in memory.
    pub large_bodies: Arc<Semaphore>,
    /// The schema's objects, for completing partial responses.
    pub shape: Arc<Shape>,
}

/// The additional time for a mutation that has begun to commit: about the time limit of one statement.
const COMMIT_GRACE: Duration = Duration::from_secs(5);
/// The estimated work above which a query runs at low priority, in microseconds. Its task may occupy a core for a few
/// milliseconds, and must not delay other operations meanwhile.
const HEAVY: u64 = 10_000;
/// The size limit of a mutation's response, as a multiple of a query's.
const MUTATION_BYTES: u64 = 4;

/// The payloads of one operation, each a serialised GraphQL response. An `Err` has the errors, a JSON list, of an
/// operation that did not start. It is the last item.
pub(super) type Payloads = BoxStream<'static, Result<Utf8Bytes, Utf8Bytes>>;

/// One response of a subscription.
pub(super) enum StreamItem {
    /// A response without errors.
    Data(Utf8Bytes),
    /// A response with errors.
    Failed(Utf8Bytes),
    /// The operation did not start. The value is a JSON list of errors.
    Refused(Utf8Bytes),
}

impl Engine {
    /// Checks an operation with the guard.
    pub(super) fn prepare(&self, mut params: Params, caller: &Caller) -> Result<Prepared, Refusal> {
        self.persisted.check_trusted(&params.query)?;
        let name = params.operation_name.as_deref();
        let document = self.documents.admit(&params.query, name)?;
        let variables = params.declared(document.variables())?;
        document.rules.check(&variables)?;
        let cost = self.documents.price(&document, name, &variables)?;
        let charges = limit::charges_of(&document.parsed, name, limit::weight_of(cost.work));
        let span = tracing::info_span!(
            "graphql",
            request.id = %caller.id,
            operation.kind = %document.kind,
            operation.name = name.unwrap_or_default().get(..64).or(name),
        );
        // The text may be large, and the parsed values replace it.
        params.variables = String::new();
        Ok(Prepared { document, params, variables, cost, charges, caller: caller.clone(), span })
    }

    /// Executes a query or a mutation.
    ///
    /// It runs in a task of its own, which shutdown waits for. A client that disconnects does not interrupt a mutation,
    /// and does not drop a transaction in progress.
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
                let running = if prepared.cost.work > HEAVY {
                    self.app.spawn_low_priority(work)
                } else {
                    self.app.spawn(work)
                };
                timeout(patience, running).await.map_err(|_| graphql::error::spent(Spent::Stopped))
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
        let unreadable = about_input(&response);
        span.in_scope(|| mask_errors(&mut response, id.as_str(), self.detail()));
        if !unreadable.is_empty()
            && let Some(path) =
                self.documents.misfit(document, params.operation_name.as_deref(), &prepared.variables)
        {
            locate(&mut response, &unreadable, &path);
        }
        observed.end(&response);
        if params.wants_cost {
            let (cost, limit) = (prepared.cost, self.documents.cost_limit());
            let cost = value!({ "estimated": cost.work, "estimatedBytes": cost.bytes, "limit": limit });
            response.extensions.insert("cost".to_owned(), cost);
        }
        response
    }

    /// Returns the limits of the operation. A mutation must report its result, so its limit is higher.
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

    /// Returns the response, or a refusal if it is too large.
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

    /// Executes any operation and returns its payloads.
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
                .map(|item| match item {
                    StreamItem::Data(payload) | StreamItem::Failed(payload) => Ok(payload),
                    StreamItem::Refused(errors) => Err(errors),
                })
                .boxed(),
        }
    }

    /// Executes a subscription.
    pub(super) fn stream(&self, prepared: &Prepared, progress: Progress) -> BoxStream<'static, StreamItem> {
        let (id, span, detail) = (prepared.caller.id.clone(), prepared.span.clone(), self.detail());
        if !prepared.document.faults.is_empty() {
            let mut response = Response::from_errors(prepared.document.faults.clone());
            span.in_scope(|| mask_errors(&mut response, id.as_str(), detail));
            return stream::once(ready(StreamItem::Refused(errors(&response)))).boxed();
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
                // A first response without data means that the subscription was refused.
                if response.errors.is_empty() {
                    StreamItem::Data(serialise(&response))
                } else if first && response.data == Value::Null {
                    StreamItem::Refused(errors(&response))
                } else {
                    StreamItem::Failed(serialise(&response))
                }
            })
            .boxed()
    }
}

/// Waits for a mutation until its deadline. A mutation that has begun to commit gets [`COMMIT_GRACE`] more, so that the
/// client learns the outcome.
async fn in_time<T>(
    call: &Call,
    patience: Duration,
    mut running: JoinHandle<T>,
) -> Result<Result<T, JoinError>, Response> {
    if let Ok(ended) = timeout(patience, &mut running).await {
        return Ok(ended);
    }
    if call.abandon() {
        return Err(graphql::error::given_up());
    }
    timeout(COMMIT_GRACE, running).await.map_err(|_| graphql::error::outcome_unknown())
}

/// Stops a query when its client has disconnected.
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

/// Returns the response of an operation that panicked. The mask turns it into an internal error.
fn panicked(id: &RequestId, span: &Span) -> Response {
    span.in_scope(|| tracing::error!(request.id = %id, "an operation panicked"));
    let mut error = ServerError::new("An internal error occurred.", None);
    let mut extensions = async_graphql::ErrorExtensionValues::default();
    extensions.set("code", ApiCode::Internal.as_str());
    extensions.set("requestId", id.as_str());
    error.extensions = Some(extensions);
    Response::from_errors(vec![error])
}
