//! Serving until told to stop.

use std::{io, net::SocketAddr, time::Duration};

use tokio::net::TcpListener;

use super::router;
use crate::{app::App, graphql::Schema};

/// Serves until `stop`, or until the application shuts down by itself; then takes nothing new, closes the sockets, and
/// gives requests in progress the configured time to finish.
pub async fn serve(
    app: &App,
    schema: Schema,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let stopping = app.clone();
    let signal = async move {
        tokio::select! {
            () = stop => {}
            () = stopping.shutdown.cancelled() => {}
        }
        tracing::info!("stopping: no new requests are taken");
        stopping.shutdown.cancel();
    };
    let cut_off = async {
        app.shutdown.cancelled().await;
        tokio::time::sleep(Duration::from_secs(app.config.shutdown_seconds)).await;
    };
    let service = router(app.clone(), schema).into_make_service_with_connect_info::<SocketAddr>();
    tokio::select! {
        served = axum::serve(listener, service).with_graceful_shutdown(signal) => served,
        () = cut_off => {
            tracing::warn!("requests were cut off");
            Ok(())
        }
    }
}
