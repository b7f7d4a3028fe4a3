//! The life of a server: open the database, serve, and end in order.
//!
//! The end: stop accepting and close the sockets, let requests in progress finish, let the desks commit what they have,
//! then close the database. Whatever takes longer than it may is cut off, which loses answers but never facts.

use std::{fs, io, time::Duration};

use axum::Router;
use sea_orm::DbErr;
use tokio::net::TcpListener;

use crate::{
    app::App,
    clock::Clock,
    config::{Config, ConfigError},
    error::Fault,
    keys::{KeyFault, SigningKeys},
    store::Store,
    worker,
};

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings are not good.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database is not there, or not ours.
    #[error("the database cannot be opened: {0}")]
    Database(#[from] DbErr),
    /// There are no good keys.
    #[error("the keys cannot be read: {0}")]
    Keys(#[from] KeyFault),
    /// A file or the address cannot be had.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A step of the start failed.
    #[error("the start failed: {0:?}")]
    Fault(Fault),
}

impl From<Fault> for StartError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Opens the database, brings its schema up to date, and puts the application together.
pub async fn open(config: Config) -> Result<App, StartError> {
    config.validate()?;
    let keys_dir = config.keys_dir();
    if config.is_production() && !keys_dir.is_dir() {
        return Err(ConfigError::KeysMissing.into());
    }
    if config.database_url.is_none() || !config.is_production() {
        fs::create_dir_all(&config.data_dir)?;
    }
    let keys = SigningKeys::load_or_create(&keys_dir)?;
    let store = Store::connect(&config.database_url(), config.database_connections).await?;
    store.migrate().await?;
    let clock = Clock::system();
    if let Some(now) = store.database_time().await? {
        clock.observe(now);
    }
    Ok(App::new(config, store, clock, keys)?)
}

/// Serves until `stop`, then ends in order.
pub async fn serve(
    app: App,
    router: Router,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    worker::start(&app);
    let grace = Duration::from_secs(app.config.shutdown_seconds);
    let stopping = app.clone();
    let signal = async move {
        tokio::select! {
            () = stop => {}
            () = stopping.shutdown.cancelled() => {}
        }
        tracing::info!("stopping: no new requests are taken");
        stopping.shutdown.cancel();
    };
    let shutdown = app.shutdown.clone();
    let serving = axum::serve(listener, router).with_graceful_shutdown(signal);
    let cut_off = async {
        shutdown.cancelled().await;
        tokio::time::sleep(grace).await;
    };
    tokio::select! {
        served = serving => served?,
        () = cut_off => tracing::warn!("requests were cut off"),
    }
    close(app, grace).await;
    Ok(())
}

/// Lets all tasks end and closes the database.
pub async fn close(app: App, grace: Duration) {
    app.shutdown.cancel();
    app.drained.cancel();
    app.tasks.close();
    if tokio::time::timeout(grace, app.tasks.wait()).await.is_err() {
        tracing::warn!(tasks = app.tasks.len(), "tasks were cut off");
    }
    if let Err(error) = app.store.clone().close().await {
        tracing::warn!(%error, "the database was not closed in order");
    }
    tracing::info!("stopped");
}
