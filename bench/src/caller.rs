//! A client of a server on loopback: one connection from a selected loopback address, complete responses, and timeouts.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::{Outcome, http::find};

/// The default timeout of a response.
const PATIENCE: Duration = Duration::from_mins(1);
/// The head of an [`Answer`] after a timeout.
pub(crate) const NO_ANSWER: &str = "no answer in time";
/// The number of bytes of a response that are kept. Further bytes are read and discarded.
const KEPT: usize = 4 * 1024 * 1024;

/// Connects from the loopback address `source`.
pub(crate) async fn connect(target: SocketAddr, source: Ipv4Addr) -> Outcome<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((source, 0)))?;
    let stream = timeout(Duration::from_secs(5), socket.connect(target)).await??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Returns a loopback address for each number. Different numbers are different client addresses.
pub(crate) fn source(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 1, 0, 1)) + number)
}

/// Addresses from this number on are exempt from limits per network. They belong to clients that prepare an attack's
/// scene.
pub(crate) const STAFF: u32 = (200 - 1) << 16;
/// The addresses of [`STAFF`], for the server's settings.
pub(crate) const STAFF_NETWORK: &str = "127.200.0.0/16";

/// A client with an address and, optionally, an access token.
#[derive(Debug)]
pub(crate) struct Caller {
    target: SocketAddr,
    source: Ipv4Addr,
    stream: Option<TcpStream>,
    patience: Duration,
    /// The access token.
    pub(crate) token: Option<String>,
}

/// A response, or its absence.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    /// The status. 0 if the server closed the connection or the response timed out.
    pub(crate) status: u16,
    /// The number of bytes of the body.
    pub(crate) length: usize,
    /// The first bytes of the body.
    pub(crate) body: Vec<u8>,
    /// The head, or the reason for its absence.
    pub(crate) head: String,
}

impl Caller {
    /// Creates an anonymous client at this address. It connects with its first request.
    pub(crate) fn new(target: SocketAddr, source: Ipv4Addr) -> Self {
        Self { target, source, stream: None, patience: PATIENCE, token: None }
    }

    /// Returns the client with an access token.
    pub(crate) fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// Returns the client with this timeout of responses.
    pub(crate) fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Makes its next requests go to this server.
    pub(crate) fn move_to(&mut self, target: SocketAddr) {
        if self.target != target {
            self.target = target;
            self.stream = None;
        }
    }

    /// Sends a GraphQL request.
    pub(crate) async fn gql(&mut self, document: &str, variables: Value) -> Answer {
        self.post(json!({ "query": document, "variables": variables }).to_string().as_bytes()).await
    }

    /// Sends a GraphQL request that must succeed. Returns its `data`.
    pub(crate) async fn data(&mut self, document: &str, variables: Value) -> Outcome<Value> {
        let answer = self.gql(document, variables).await;
        let mut value = answer.json();
        let refused = value["data"].as_object().is_some_and(|data| {
            data.values().any(|field| field["errors"].as_array().is_some_and(|errors| !errors.is_empty()))
        });
        if answer.status != 200 || !value["errors"].is_null() || refused {
            let text: String = document.split_whitespace().take(4).collect::<Vec<_>>().join(" ");
            return Err(format!("`{text} …`: {} {}", answer.summary(), answer.text(600)).into());
        }
        Ok(value["data"].take())
    }

    /// Sends a body to `/graphql`.
    pub(crate) async fn post(&mut self, body: &[u8]) -> Answer {
        let request = self.request(body);
        self.raw(&request).await
    }

    /// Returns the bytes of a request with this body.
    pub(crate) fn request(&self, body: &[u8]) -> Vec<u8> {
        let mut request = format!(
            "POST /graphql HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
            self.target,
            body.len()
        );
        if let Some(token) = &self.token {
            request.push_str("authorization: Bearer ");
            request.push_str(token);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        [request.as_bytes(), body].concat()
    }

    /// Sends a GET request.
    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.target);
        self.raw(request.as_bytes()).await
    }

    /// Sends raw bytes on the open connection, or on a new one, and reads one response.
    pub(crate) async fn raw(&mut self, request: &[u8]) -> Answer {
        match timeout(self.patience, self.exchange(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(failure)) => {
                self.stream = None;
                Answer { head: failure.to_string(), ..Answer::default() }
            }
            Err(_) => {
                self.stream = None;
                Answer { head: NO_ANSWER.to_owned(), ..Answer::default() }
            }
        }
    }

    async fn exchange(&mut self, request: &[u8]) -> Outcome<Answer> {
        let mut stream = match self.stream.take() {
            Some(stream) if !has_ended(&stream) => stream,
            _ => connect(self.target, self.source).await?,
        };
        // A server may respond and close before it has read the request. Then its response counts, not the broken pipe.
        let (mut reader, mut writer) = stream.split();
        let mut buffer = Vec::with_capacity(16 * 1024);
        let send = async {
            if writer.write_all(request).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let (answer, reusable) = {
            let read = read_answer(&mut reader, &mut buffer);
            tokio::pin!(read);
            tokio::select! {
                answer = &mut read => (answer?, false),
                () = send => (read.await?, true),
            }
        };
        if reusable && !answer.head.to_ascii_lowercase().contains("connection: close") {
            self.stream = Some(stream);
        }
        Ok(answer)
    }
}

/// Returns whether the server has closed an idle connection.
fn has_ended(stream: &TcpStream) -> bool {
    let mut byte = [0];
    match stream.try_read(&mut byte) {
        Ok(_) => true,
        Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
    }
}

/// Reads one response.
pub(crate) async fn read_answer<R>(stream: &mut R, buffer: &mut Vec<u8>) -> Outcome<Answer>
where
    R: AsyncReadExt + Unpin,
{
    let end = loop {
        if let Some(end) = find(buffer, b"\r\n\r\n") {
            break end + 4;
        }
        if buffer.len() > 64 * 1024 || stream.read_buf(buffer).await? == 0 {
            return Err("the connection ended without a response".into());
        }
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    let status = head.get(9..12).and_then(|status| status.parse().ok()).ok_or("no status")?;
    let mut body = buffer.split_off(end);
    buffer.clear();
    let field = |name: &str| {
        head.lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().to_ascii_lowercase())
    };
    let mut length = body.len();
    if status == 101 {
        *buffer = body;
        return Ok(Answer { status, length: 0, body: Vec::new(), head });
    }
    let announced = field("content-length").and_then(|length| length.parse::<usize>().ok());
    let chunked = field("transfer-encoding").is_some_and(|value| value.contains("chunked"));
    let mut tail = tail_of(&body);
    while !(announced.is_some_and(|whole| length >= whole) || (chunked && tail.ends_with(b"0\r\n\r\n"))) {
        let mut piece = Vec::with_capacity(64 * 1024);
        if stream.read_buf(&mut piece).await? == 0 {
            break;
        }
        length += piece.len();
        tail.extend_from_slice(&piece);
        tail = tail_of(&tail);
        if body.len() < KEPT {
            body.extend_from_slice(&piece);
        }
    }
    Ok(Answer { status, length, body, head })
}

fn tail_of(bytes: &[u8]) -> Vec<u8> {
    bytes[bytes.len().saturating_sub(5)..].to_vec()
}

impl Answer {
    /// Returns the body as JSON. Null if it is not JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// Returns the distinct `"code":"…"` of the body, at most four.
    pub(crate) fn codes(&self) -> Vec<String> {
        let mut codes: Vec<String> = Vec::new();
        let mut rest = self.body.as_slice();
        while let Some(at) = find(rest, b"\"code\":\"") {
            rest = &rest[at + 8..];
            let Some(end) = find(rest, b"\"") else { break };
            let code = String::from_utf8_lossy(&rest[..end]).into_owned();
            if !codes.contains(&code) {
                codes.push(code);
            }
            if codes.len() == 4 {
                break;
            }
        }
        codes
    }

    /// Returns whether the call was refused because of load, at the transport level or in the payload.
    pub(crate) fn is_limited(&self) -> bool {
        const CODES: [&str; 6] =
            ["RATE_LIMITED", "TOO_MANY", "UNAVAILABLE", "OVERLOADED", "HUMAN_CHECK", "LIMIT_REACHED"];
        matches!(self.status, 0 | 429 | 503)
            || self.codes().iter().any(|code| CODES.iter().any(|limit| code.contains(limit)))
    }

    /// Returns a short summary of status, codes and size.
    pub(crate) fn summary(&self) -> String {
        let codes = self.codes().join(", ");
        match (self.status, codes.is_empty()) {
            (0, _) => format!("closed ({})", self.head.trim()),
            (status, true) => format!("{status}, {}", size(self.length)),
            (status, false) => format!("{status} {codes}, {}", size(self.length)),
        }
    }

    /// Returns the first bytes of the body as text.
    pub(crate) fn text(&self, most: usize) -> String {
        String::from_utf8_lossy(&self.body[..self.body.len().min(most)]).into_owned()
    }
}

/// Formats a size in a suitable unit.
pub(crate) fn size(bytes: usize) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{} kB", bytes / 1_000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}
