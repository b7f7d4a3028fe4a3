//! An operation that passed the guard, and its caller.

use super::{documents::Document, guard::Cost, params::Params, request_id::RequestId, transport::Transport};
use crate::{
    app::App,
    auth::Viewer,
    graphql::{self, Batches, Run},
    limits::Charges,
};
use async_graphql::{Request, Variables};
use serde_json::Map;
use std::sync::Arc;
use tracing::Span;

/// The viewer of an operation, and its request id.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// The viewer.
    pub viewer: Viewer,
    /// The id of the request, or of the request that opened the socket.
    pub id: RequestId,
    /// The transport of the operation.
    pub transport: Transport,
}

/// An operation that passed the guard. It can be executed several times.
pub(super) struct Prepared {
    /// The document.
    pub document: Arc<Document>,
    /// The span of its log lines.
    pub span: Span,
    /// The request's parameters, without the text of the variables.
    pub params: Params,
    /// The variables that the document declares.
    pub variables: Map<String, serde_json::Value>,
    /// The estimated cost.
    pub cost: Cost,
    /// What it counts for the caller's limits.
    pub charges: Charges,
    pub(super) caller: Caller,
}

impl Prepared {
    /// Removes the viewer from a public operation.
    pub(super) fn anonymous(mut self) -> Self {
        self.caller.viewer = Viewer::ANONYMOUS;
        self
    }

    /// Returns the viewer.
    pub(super) fn viewer(&self) -> &Viewer {
        &self.caller.viewer
    }

    /// Returns the library's request for this operation.
    pub(super) fn request(&self, app: &App, run: Run) -> (Request, Batches) {
        let variables = serde_json::Value::Object(self.variables.clone());
        let request = Request::new(String::new())
            .variables(Variables::from_json(variables))
            .data(self.caller.id.clone());
        let viewer = self.caller.viewer.of_request(self.caller.id.as_str());
        let (mut request, batches) = graphql::prepare(app, request, viewer, run);
        request.operation_name.clone_from(&self.params.operation_name);
        request.set_parsed_query(self.document.bound(&self.variables));
        (request, batches)
    }
}
