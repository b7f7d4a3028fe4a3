//! A client of `graphql-transport-ws` over a real socket.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest, http::HeaderValue},
};

/// The timeout of all waits. Longer than any operation in these tests.
const PATIENCE: Duration = Duration::from_secs(20);

/// An open web socket.
pub(crate) struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    /// Connects and authenticates.
    pub(crate) async fn open(address: &str, token: Option<&str>) -> Self {
        let mut socket = Self::connect(address, &[]).await.expect("a socket");
        let payload = token.map_or(json!({}), |token| json!({ "Authorization": format!("Bearer {token}") }));
        socket.say(json!({ "type": "connection_init", "payload": payload })).await;
        assert_eq!(socket.message().await["type"], "connection_ack");
        socket
    }

    /// Connects with small buffers, so that the server soon notices a client that does not read.
    pub(crate) async fn narrow(address: &str) -> Self {
        let narrow = TcpSocket::new_v4().expect("a socket");
        narrow.set_recv_buffer_size(4_096).expect("a small buffer");
        let stream = narrow.connect(address.parse().expect("an address")).await.expect("a connection");
        let mut socket = Self::over(stream, address, &[]).await.expect("a socket");
        socket.say(json!({ "type": "connection_init" })).await;
        assert_eq!(socket.message().await["type"], "connection_ack");
        socket
    }

    /// Connects with these headers of the handshake, and sends no message.
    pub(crate) async fn connect(address: &str, headers: &[(&'static str, &str)]) -> Result<Self, Error> {
        Self::over(TcpStream::connect(address).await?, address, headers).await
    }

    async fn over(stream: TcpStream, address: &str, headers: &[(&'static str, &str)]) -> Result<Self, Error> {
        let mut request = format!("ws://{address}/graphql").into_client_request()?;
        let known = request.headers_mut();
        known.insert("sec-websocket-protocol", HeaderValue::from_static("graphql-transport-ws"));
        for (name, value) in headers {
            known.insert(*name, HeaderValue::from_str(value)?);
        }
        Ok(Self(client_async(request, stream).await?.0))
    }

    /// Starts an operation.
    pub(crate) async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        let payload = json!({ "query": query, "variables": variables });
        self.say(json!({ "id": id, "type": "subscribe", "payload": payload })).await;
    }

    /// Returns the next message of the protocol.
    pub(crate) async fn message(&mut self) -> Value {
        match self.frame().await {
            Some(Message::Text(text)) => serde_json::from_str(&text).expect("JSON"),
            other => panic!("not a message: {other:?}"),
        }
    }

    /// Returns the next message of the protocol, or `None` if the connection broke.
    pub(crate) async fn heard(&mut self) -> Option<Value> {
        let Message::Text(text) = self.frame().await? else { return None };
        Some(serde_json::from_str(&text).expect("JSON"))
    }

    /// Returns the next message of the protocol. Returns `Err` with the close code, or `Err(None)` if the connection
    /// broke. Returns `None` after the timeout.
    pub(crate) async fn within(&mut self, time: Duration) -> Option<Result<Value, Option<u16>>> {
        let next = async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).expect("JSON")),
                    Some(Ok(Message::Close(frame))) => return Err(frame.map(|frame| frame.code.into())),
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Err(None),
                }
            }
        };
        timeout(time, next).await.ok()
    }

    /// Returns the data of the next result.
    pub(crate) async fn next(&mut self) -> Value {
        let message = self.message().await;
        assert_eq!(message["type"], "next", "{message}");
        message["payload"]["data"].clone()
    }

    /// Sends a message of the protocol.
    pub(crate) async fn say(&mut self, message: Value) {
        self.send(Message::text(message.to_string())).await;
    }

    /// Sends any frame. The server may have disconnected already. Then its last message tells the reason.
    pub(crate) async fn send(&mut self, frame: Message) {
        let _ = self.0.send(frame).await;
    }

    /// Reads until the server closes. Returns the code and the reason, or `None` if the connection broke.
    pub(crate) async fn closed(&mut self) -> Option<(u16, String)> {
        loop {
            match self.frame().await {
                Some(Message::Close(Some(frame))) => {
                    return Some((frame.code.into(), frame.reason.to_string()));
                }
                Some(Message::Close(None)) | None => return None,
                Some(_) => {}
            }
        }
    }

    async fn frame(&mut self) -> Option<Message> {
        loop {
            match timeout(PATIENCE, self.0.next()).await.expect("a frame in time") {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(frame)) => return Some(frame),
                Some(Err(_)) | None => return None,
            }
        }
    }
}
