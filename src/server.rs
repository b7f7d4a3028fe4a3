//! The beginning and the end of a server's life: open the database, and close it in order.
//!
//! The end: no new requests, the sockets closed, requests in progress finished, what the desks have committed, then the
//! database closed. Whatever takes longer than it may is cut off, which loses answers but never facts.

use std::{io, path::PathBuf, time::Duration};

use sea_orm::DbErr;

use crate::{
    app::App,
    clock::Clock,
    config::{Config, ConfigError, Migrate, Problem, Problems},
    demo,
    error::Fault,
    keys::{KeyFault, SigningKeys},
    store::{BackupError, ConnectError, LockError, SchemaError, Store, files},
};

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings are not good.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Production would be unsafe.
    #[error(transparent)]
    Unsafe(#[from] Problems),
    /// A command that makes no database found none.
    #[error("there is no database file {}", .0.display())]
    NoDatabase(PathBuf),
    /// The database is not there, or not ours.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The schema is not the one that this version needs.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// Another server has the SQLite file.
    #[error(transparent)]
    Locked(#[from] LockError),
    /// There is no backup.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The database failed.
    #[error("the database failed: {0}")]
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

/// What the database is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To serve. Nobody else may have a SQLite file.
    Serve,
    /// To bring the schema up to date, whatever the settings say about a start. Nobody else may have a SQLite file.
    Migrate,
    /// To change a few rows, also beside a server. Then the schema is that server's, and is only checked.
    Command,
}

/// Opens the database to serve, brings its schema up to date, and puts the application together.
pub async fn open(config: Config) -> Result<App, StartError> {
    open_for(Purpose::Serve, config, Clock::system()).await
}

/// The same with a clock of the caller's, which learns the database's time before anything is decided by it.
pub async fn open_with(config: Config, clock: Clock) -> Result<App, StartError> {
    open_for(Purpose::Serve, config, clock).await
}

/// The same for another purpose.
pub async fn open_for(purpose: Purpose, config: Config, clock: Clock) -> Result<App, StartError> {
    config.validate()?;
    let url = config.database_url();
    let mut problems = [config.production_problems(), file_problems(&config)].concat();
    let is_new = files::database_file(&url).is_some_and(|file| !file.exists());
    if config.is_production() && !problems.is_empty() && is_new {
        // A start that is refused leaves no empty database behind.
        return Err(Problems(problems).into());
    }
    if config.database_url.is_none() || !config.is_production() {
        files::create_private_dir(&config.data_dir)?;
    }
    let patience = if problems.is_empty() { config.lifecycle.database_wait() } else { Duration::ZERO };
    let (store, migrate) = match locked(purpose, &config, patience).await {
        Ok(opened) => opened,
        Err(_) if !problems.is_empty() => return Err(Problems(problems).into()),
        Err(error) => return Err(error),
    };
    if config.is_production() {
        problems.extend(database_problems(&config, &store).await?);
        if !problems.is_empty() {
            store.close().await?;
            return Err(Problems(problems).into());
        }
    }
    let keys = load_keys(&config)?;
    match migrate {
        Migrate::Auto => store.migrate().await?,
        Migrate::Check => store.check_schema().await?,
        Migrate::Off => {}
    }
    if !config.is_production() {
        restrict_files(&config);
    }
    let asked = clock.ask();
    if let Some(now) = store.database_time().await? {
        clock.observe(asked, now);
    }
    Ok(App::new(config, store, clock, keys)?)
}

/// Opens the database, which must exist, for commands that are about nothing but its schema.
pub async fn open_store(purpose: Purpose, config: &Config) -> Result<Store, StartError> {
    config.validate()?;
    if let Some(file) = files::database_file(&config.database_url())
        && !file.exists()
    {
        return Err(StartError::NoDatabase(file));
    }
    Ok(locked(purpose, config, config.lifecycle.database_wait()).await?.0)
}

/// Locks and opens the database; and says what to do about its schema.
async fn locked(
    purpose: Purpose,
    config: &Config,
    patience: Duration,
) -> Result<(Store, Migrate), StartError> {
    let url = config.database_url();
    // Before anything is opened: opening recovers what a crash left.
    let (lock, migrate) = match (purpose, Store::lock(&url)) {
        (Purpose::Migrate, lock) => (lock?, Migrate::Auto),
        (Purpose::Serve, lock) => (lock?, config.lifecycle.migrate),
        (Purpose::Command, Ok(lock)) => (lock, config.lifecycle.migrate),
        (Purpose::Command, Err(LockError::InUse { .. })) => (None, Migrate::Check),
        (Purpose::Command, Err(error)) => return Err(error.into()),
    };
    let store = Store::connect_within(&url, config.database_connections, patience).await?;
    Ok((store.keep(lock), migrate))
}

/// Development makes the keys that it needs; production only reads what an operator made.
fn load_keys(config: &Config) -> Result<SigningKeys, KeyFault> {
    let dir = config.keys_dir();
    if config.is_production() {
        SigningKeys::load_or_create(&dir)
    } else {
        SigningKeys::for_development(&dir)
    }
}

/// What other users of this machine can use although they must not, and keys that strangers may have.
fn file_problems(config: &Config) -> Vec<Problem> {
    if !config.is_production() {
        return Vec::new();
    }
    let mut problems = Vec::new();
    let keys = config.keys_dir();
    if config.keys_dir.is_some() && !keys.is_dir() {
        problems.push(Problem::KeysMissing(keys.clone()));
    }
    if SigningKeys::are_for_development(&keys) {
        problems.push(Problem::DevelopmentKeys(keys.clone()));
    }
    let url = config.database_url();
    let secrets = files::database_files(&url).into_iter().chain(SigningKeys::exposed(&keys));
    let data = files::database_file(&url).is_some().then(|| config.data_dir.clone());
    problems.extend(data.into_iter().chain(secrets).filter_map(|path| {
        let needed = if path.is_dir() { 0o700 } else { 0o600 };
        files::exposed_mode(&path).map(|mode| Problem::Exposed { path, mode, needed })
    }));
    problems
}

async fn database_problems(config: &Config, store: &Store) -> Result<Vec<Problem>, StartError> {
    let mut problems = Vec::new();
    if let Some(why) = store.not_durable().await? {
        problems.push(Problem::NotDurable(why));
    }
    // A database without tables has no accounts.
    let has_demo = demo::is_in(store).await.unwrap_or(false);
    if has_demo && !config.production.allow_demo {
        problems.push(Problem::DemoData);
    }
    Ok(problems)
}

/// Repairs the database's files that an older version made. The directory may hold other things, so it is only named.
fn restrict_files(config: &Config) {
    let url = config.database_url();
    for path in files::database_files(&url) {
        if let Some(mode) = files::exposed_mode(&path) {
            let path_shown = path.display();
            match files::restrict(&path) {
                Ok(()) => {
                    tracing::info!(path = %path_shown, mode = format!("{mode:04o}"), "restricted a database file to its owner");
                }
                Err(error) => {
                    tracing::warn!(path = %path_shown, %error, "other users of this machine can read the database");
                }
            }
        }
    }
    if files::database_file(&url).is_some() && files::exposed_mode(&config.data_dir).is_some() {
        let path = config.data_dir.display();
        tracing::warn!(%path, "other users of this machine can enter the data directory; production would refuse to start");
    }
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
