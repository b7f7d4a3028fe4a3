//! Answers health checks while the server waits for its database: it is alive, but not ready.
//!
//! Without this, an orchestrator would kill a server that waits.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_util::task::TaskTracker;

use super::{Listener, protocol, proxy_protocol};
use crate::{config::Config, http::answer};

/// Open connections. Further ones are closed immediately.
const CONNECTIONS_MAX: usize = 64;
/// The time limit for a connection, which has one request.
const WHOLE: Duration = Duration::from_secs(5);
/// The pause after a failed accept.
const REST: Duration = Duration::from_millis(100);

/// Answers that the server is not ready, until `opening` is done.
pub async fn serve_while_starting<T>(
    listener: &Listener,
    config: &Config,
    opening: impl Future<Output = T>,
) -> T {
    tokio::select! {
        opened = opening => opened,
        never = answer_all(listener, config) => match never {},
    }
}

async fn answer_all(listener: &Listener, config: &Config) -> Infallible {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let router = Router::new().route("/health/live", get(live)).fallback(unavailable);
    // A connection may finish its response after the wait.
    let tasks = TaskTracker::new();
    loop {
        let Ok((stream, peer)) = listener.tcp.accept().await else {
            sleep(REST).await;
            continue;
        };
        let Ok(slot) = slots.clone().try_acquire_owned() else { continue };
        let is_proxied =
            config.network.proxy_protocol && config.network.is_trusted_proxy(peer.ip().to_canonical());
        let (tls, router) = (listener.tls.clone(), router.clone());
        tasks.spawn(async move {
            let served = async {
                let stream = after_header(stream, is_proxied).await?;
                match &tls {
                    Some(tls) => http(tls.acceptor.accept(stream).await?, router).await,
                    None => http(stream, router).await,
                }
                Ok::<_, io::Error>(())
            };
            if let Ok(Err(error)) = timeout(WHOLE, served).await {
                tracing::debug!(%error, "a connection during the start ends");
            }
            drop(slot);
        });
    }
}

async fn after_header(mut stream: TcpStream, is_proxied: bool) -> io::Result<TcpStream> {
    if is_proxied {
        proxy_protocol::read(&mut stream).await?;
    }
    Ok(stream)
}

async fn http(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, router: Router) {
    let builder = protocol::builder(TaskTracker::new());
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection during the start broke");
    }
}

async fn live() -> Response {
    closing(Json(json!({ "status": "ok" })).into_response())
}

async fn unavailable() -> Response {
    closing(answer::unavailable("The server is starting. Try again in a few seconds."))
}

/// Makes the connection close after the response, so that the next request reaches the server.
fn closing(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
