//! Bare servers for comparison: the web framework alone with the same bytes, each as a process.

use std::{fs, path::Path, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    extract::{
        Path as Segments, State,
        ws::{Message, Utf8Bytes, WebSocketUpgrade},
    },
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    sync::broadcast::{self, Sender},
};

use crate::Outcome;

/// The maximum number of messages that wait for the slowest socket.
const WAITING: usize = 1_024;
/// The same size as in the server. The library's default is 32 times as large for every socket.
const BUFFER_BYTES: usize = 4 * 1024;

/// Sends each POST to `/send/{version}/{bytes}` to all sockets at `/graphql`, as text of that many bytes.
pub(crate) fn broadcast() -> Outcome<bool> {
    let (sender, _) = broadcast::channel(WAITING);
    let router = Router::new()
        .route("/graphql", get(listen))
        .route("/send/{version}/{bytes}", post(send))
        .with_state(sender);
    serve(router)
}

async fn listen(State(sender): State<Sender<Utf8Bytes>>, upgrade: WebSocketUpgrade) -> Response {
    upgrade
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .protocols(["graphql-transport-ws"])
        .on_upgrade(async move |mut socket| {
            let mut messages = sender.subscribe();
            let mut next = Ok(message(0, 0));
            while let Ok(text) = next {
                if socket.send(Message::Text(text)).await.is_err() {
                    return;
                }
                next = messages.recv().await;
            }
        })
}

async fn send(
    State(sender): State<Sender<Utf8Bytes>>,
    Segments((version, bytes)): Segments<(u64, usize)>,
) -> StatusCode {
    match sender.send(message(version, bytes)) {
        Ok(_) => StatusCode::OK,
        Err(_) => StatusCode::GONE,
    }
}

/// Returns a message of `bytes` bytes with a version at the place where subscribers look for it.
fn message(version: u64, bytes: usize) -> Utf8Bytes {
    let head = format!("{{\"version\":{version},\"rest\":\"");
    let rest = "x".repeat(bytes.saturating_sub(head.len() + 2));
    format!("{head}{rest}\"}}").into()
}

/// Responds to every request with the file's bytes and the headers of the server's own responses.
pub(crate) fn fixed(file: &Path) -> Outcome<bool> {
    let body = Bytes::from(fs::read(file)?);
    serve(Router::new().route("/graphql", post(answer)).with_state(Arc::new(body)))
}

async fn answer(State(body): State<Arc<Bytes>>, _asked: Bytes) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::VARY, HeaderValue::from_static("accept-encoding, origin")),
        (
            HeaderName::from_static("x-request-id"),
            HeaderValue::from_static("00000000-0000-4000-8000-000000000000"),
        ),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
        ),
    ];
    (headers, Bytes::clone(&body)).into_response()
}

#[expect(clippy::print_stdout, reason = "the parent process reads the address")]
fn serve(router: Router) -> Outcome<bool> {
    Runtime::new()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("listening on http://{}", listener.local_addr()?);
        axum::serve(listener, router).await?;
        Ok(true)
    })
}
