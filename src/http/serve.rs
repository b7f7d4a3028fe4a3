//! Serving until told to stop.

use std::{convert::Infallible, future, time::Duration};

use super::{
    connection::{self, Listener, Timeouts},
    router,
};
use crate::{app::App, graphql::Schema};

/// Serves until `stop`, or until the application shuts down by itself.
///
/// After `stop` it drains: it is not ready any more, so that balancers send new clients elsewhere, and goes on for the
/// configured time, in which they notice. Then it takes nothing new, closes the sockets, and gives requests in progress
/// the configured time to finish.
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
                tracing::info!(seconds = drain.as_secs(), "not ready any more; stopping soon");
                tokio::time::sleep(drain).await;
            }
        };
        tokio::select! {
            () = drained => {}
            () = app.shutdown.cancelled() => {}
        }
        tracing::info!("stopping: no new requests are taken");
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
        () = cut_off => tracing::warn!("requests were cut off"),
        never = signal => match never {},
    }
}
