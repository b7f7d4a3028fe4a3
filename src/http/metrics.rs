//! The listener for Prometheus. It is separate from the API's listener, so clients cannot reach it.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};

use crate::{app::App, telemetry};

/// Open connections. Further ones are closed immediately.
const CONNECTIONS_MAX: usize = 16;
/// The time limit for a request's header.
const HEADER: Duration = Duration::from_secs(5);
/// The time limit for a connection, which has one request.
const WHOLE: Duration = Duration::from_secs(15);
/// The pause after a failed accept, for example without free file descriptors.
const REST: Duration = Duration::from_millis(100);

/// Serves `/metrics` until shutdown.
pub async fn serve_metrics(app: App, listener: TcpListener) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let router = Router::new().route("/metrics", get(metrics)).with_state(app.clone());
    loop {
        let stream = tokio::select! {
            () = app.shutdown.cancelled() => return,
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                stream
            } else {
                sleep(REST).await;
                continue;
            },
        };
        let Ok(slot) = slots.clone().try_acquire_owned() else { continue };
        let (shutdown, router) = (app.shutdown.clone(), router.clone());
        app.spawn(async move {
            let _ = shutdown.run_until_cancelled(timeout(WHOLE, connection(stream, router))).await;
            drop(slot);
        });
    }
}

async fn connection(stream: TcpStream, router: Router) {
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    if let Err(error) = served.await {
        tracing::debug!(%error, "a connection for metrics ended early");
    }
}

async fn metrics(State(app): State<App>, headers: HeaderMap) -> Response {
    telemetry::sample(&app).await;
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    match app.metrics.encode(accept.contains("application/openmetrics-text")) {
        Ok((text, media)) => ([(header::CONTENT_TYPE, media)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
