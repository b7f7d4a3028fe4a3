//! Serving until a stop signal.

use std::{convert::Infallible, future, time::Duration};

use super::{
    connection::{self, Listener, Timeouts},
    router,
};
use crate::{app::App, graphql::Schema};

/// Serves until `stop`, or until the application shuts down by itself.
///
/// After `stop` the server drains: it reports that it is not ready, and serves as before for the configured time, in
/// which load balancers react. Then it accepts no new requests, closes the sockets, and gives requests in progress the
/// configured time to finish.
pub async fn serve(
    app: &App,
    schema: Schema,
    listener: Listener,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let signal = async {
        let drained = async {
            stop.await;
            app.draining.cancel();
            let drain = app.config.drain();
            if !drain.is_zero() {
                tracing::info!(seconds = drain.as_secs(), "draining: no longer ready");
                tokio::time::sleep(drain).await;
            }
        };
        tokio::select! {
            () = drained => {}
            () = app.shutdown.cancelled() => {}
        }
        tracing::info!("stopping: no new requests are accepted");
        app.shutdown.cancel();
        future::pending::<Infallible>().await
    };
    let cut_off = async {
        app.shutdown.cancelled().await;
        tokio::time::sleep(Duration::from_secs(app.config.shutdown_seconds)).await;
    };
    let timeouts = Timeouts { idle: app.config.network.idle(), ..Timeouts::DEFAULT };
    tokio::select! {
        () = connection::serve(app, router(app.clone(), schema), listener, timeouts) => {}
        () = cut_off => tracing::warn!("some requests did not finish in time"),
        never = signal => match never {},
    }
}
