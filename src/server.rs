//! The beginning and the end of a server's life: open the database, and close it in order.
//!
//! The end: no new requests, the sockets closed, requests in progress finished, what the desks have committed, then the
//! database closed. Whatever takes longer than it may is cut off, which loses answers but never facts.

use std::{fs, io, time::Duration};

use sea_orm::DbErr;

use crate::{
    app::App,
    clock::Clock,
    config::{Config, ConfigError},
    error::Fault,
    keys::{KeyFault, SigningKeys},
    store::Store,
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
    /// A trusted document is refused.
    #[error("TESSERA_TRUSTED_DOCUMENTS: {0}")]
    Documents(String),
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
    open_with(config, Clock::system()).await
}

/// The same with a clock of the caller's, which learns the database's time before anything is decided by it.
pub async fn open_with(config: Config, clock: Clock) -> Result<App, StartError> {
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
    let asked = clock.ask();
    if let Some(now) = store.database_time().await? {
        clock.observe(asked, now);
    }
    Ok(App::new(config, store, clock, keys)?)
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
