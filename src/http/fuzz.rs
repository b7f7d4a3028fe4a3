//! Entry points of the private message formats for the fuzz targets in `fuzz/`. Nothing else calls them.

use super::{
    connection::{address, proxy_protocol},
    guard::{self, Costs, Introspection, Refusal},
    json, message,
    params::Params,
    persisted::Name,
    session::{Session, Step},
};
use crate::limits::protocol::SOCKET_OPERATIONS;
use axum::http::{HeaderMap, HeaderValue};
use futures_util::FutureExt;
use serde_json::{Map, Value};
use std::net::IpAddr;
use tokio_util::sync::CancellationToken;

/// The guard with the costs of the current schema.
#[derive(Debug)]
pub struct Guard(Costs);

impl Guard {
    /// Reads the costs from a schema in SDL.
    pub fn new(sdl: &str) -> Self {
        Self(Costs::of(sdl))
    }

    /// Runs all gates on a document. Returns whether it is admitted.
    pub fn admits(&self, text: &str, operation_name: Option<&str>) -> Result<(), Refusal> {
        let admitted = guard::admit(text, operation_name, Introspection::Allowed, &self.0)?;
        self.0.check(&admitted.merged, operation_name, &Map::new()).map(drop)
    }
}

/// Reads a PROXY header from the beginning of a connection. Returns the client's address and what is left, if the header
/// is good.
pub fn proxy_header(bytes: &[u8]) -> Option<(Option<IpAddr>, &[u8])> {
    let mut rest = bytes;
    let read = proxy_protocol::read(&mut rest).now_or_never()?.ok()?;
    Some((read, rest))
}

/// The client's address behind proxies in `10.0.0.0/8` and `fd00::/8`, by the lines of a header. `None` if they are no
/// header lines.
pub fn client_address(peer: IpAddr, name: &'static str, lines: &[&[u8]]) -> Option<IpAddr> {
    let is_trusted = |address: IpAddr| match address {
        IpAddr::V4(address) => address.octets()[0] == 10,
        IpAddr::V6(address) => address.octets()[0] == 0xfd,
    };
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(name, HeaderValue::from_bytes(line).ok()?);
    }
    Some(address::client(peer, &headers, is_trusted))
}

/// The parameters of a request.
#[derive(Clone, Debug)]
pub struct Request {
    /// The document, empty if the request only names it.
    pub query: String,
    /// The document's name, as the member `documentId` or `extensions` of another request with the same name.
    pub name: Option<(&'static str, Value)>,
    /// The operation to execute.
    pub operation_name: Option<String>,
    /// All variables.
    pub variables: Map<String, Value>,
}

/// Parses a request body.
pub fn params(body: &[u8]) -> Result<Request, Refusal> {
    let params = Params::from_body(body)?;
    let names: Vec<String> = match json::members(&params.variables) {
        Ok(members) => members.iter().map(|member| member.name.to_string()).collect(),
        Err(_) => Vec::new(),
    };
    let variables = params.declared(names.iter().map(String::as_str))?;
    let name = params.document.map(|name| match name {
        Name::Id(id) => ("documentId", Value::String(id)),
        Name::Hash(hash) => {
            ("extensions", serde_json::json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } }))
        }
    });
    Ok(Request { query: params.query, name, operation_name: params.operation_name, variables })
}

/// A WebSocket session without a socket.
pub struct Socket {
    session: Session,
    running: Vec<super::session::Operation>,
}

/// The result of a message: the frame to send, or why the socket closes.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing is sent.
    Nothing,
    /// This text frame is sent.
    Frame(String),
    /// The socket closes.
    Closed,
}

impl Default for Socket {
    fn default() -> Self {
        Self { session: Session::new(CancellationToken::new()), running: Vec::new() }
    }
}

impl Socket {
    /// Receives a text message. Every `connection_init` is acknowledged.
    pub fn receive(&mut self, text: &str) -> Reply {
        match self.session.receive(text) {
            Step::Continue => Reply::Nothing,
            Step::Authenticate(_) => Reply::Frame(self.session.acknowledge().to_string()),
            Step::Start(operation, _) => {
                self.running.push(operation);
                Reply::Nothing
            }
            Step::Send(frame) => Reply::Frame(frame.to_string()),
            Step::Close(_) => Reply::Closed,
        }
    }

    /// Ends the oldest operation. Returns its last two frames, if the client did not end it before.
    pub fn finish_oldest(&mut self) -> Option<[String; 2]> {
        if self.running.is_empty() {
            return None;
        }
        let operation = self.running.remove(0);
        let id = operation.id().clone();
        let payload = serde_json::json!({ "data": id.as_ref() }).to_string();
        operation
            .finish()
            .then(|| [message::next(&id, &payload).to_string(), message::complete(&id).to_string()])
    }

    /// Returns whether no more operations run than one socket may have.
    pub fn is_within_limit(&self) -> bool {
        self.running.iter().filter(|operation| !operation.stop().is_cancelled()).count() <= SOCKET_OPERATIONS
    }
}
