//! Start and stop of a server: opens the database, and closes it in order.
//!
//! The order of a stop: refuse new requests, close the sockets, finish requests in progress, commit the desks' pending
//! work, close the database. Steps that exceed their time are abandoned. This loses responses, but no committed facts.

use std::{io, path::PathBuf, time::Duration};

use sea_orm::DbErr;

use crate::{
    app::App,
    clock::Clock,
    config::{Config, ConfigError, Migrate, Problem, Problems},
    demo,
    error::Fault,
    event,
    keys::{KeyFault, SigningKeys},
    search_text,
    store::{BackupError, ConnectError, LockError, SchemaError, Store, files},
};

/// The reason why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings are invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The settings are not safe for production.
    #[error(transparent)]
    Unsafe(#[from] Problems),
    /// The command needs an existing database, and the file does not exist.
    #[error("there is no database file {}", .0.display())]
    NoDatabase(PathBuf),
    /// The database is unreachable, or it does not belong to Tessera.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The schema is not the one that this version needs.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// Another server has locked the SQLite file.
    #[error(transparent)]
    Locked(#[from] LockError),
    /// The backup failed.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The database failed.
    #[error("the database failed: {0}")]
    Database(#[from] DbErr),
    /// The keys are missing or invalid.
    #[error("the keys cannot be read: {0}")]
    Keys(#[from] KeyFault),
    /// A trusted document is refused.
    #[error("TESSERA_TRUSTED_DOCUMENTS: {0}")]
    Documents(String),
    /// A file or the listening address is not available.
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

/// The purpose of opening the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Serves requests. Locks a SQLite file exclusively.
    Serve,
    /// Migrates the schema, regardless of the setting for the start. Locks a SQLite file exclusively.
    Migrate,
    /// Changes a few rows. If a server has locked the SQLite file, the command works without the lock and only checks
    /// the schema.
    Command,
}

/// Opens the database to serve, migrates or checks its schema, and creates the application.
pub async fn open(config: Config) -> Result<App, StartError> {
    open_for(Purpose::Serve, config, Clock::system()).await
}

/// Does the same as [`open`] with the caller's clock. The clock first reads the database's time.
pub async fn open_with(config: Config, clock: Clock) -> Result<App, StartError> {
    open_for(Purpose::Serve, config, clock).await
}

/// Does the same as [`open_with`] for any purpose.
pub async fn open_for(purpose: Purpose, config: Config, clock: Clock) -> Result<App, StartError> {
    config.validate()?;
    let url = config.database_url();
    let mut problems = [config.production_problems(), file_problems(&config)].concat();
    let is_new = files::database_file(&url).is_some_and(|file| !file.exists());
    if config.is_production() && !problems.is_empty() && is_new {
        // A refused start creates no empty database.
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
    if migrate != Migrate::Off {
        search_text::fill(&store).await?;
        event::tier_names::fill(&store).await?;
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

/// Opens the database for a command that only needs the schema. The database must exist.
pub async fn open_store(purpose: Purpose, config: &Config) -> Result<Store, StartError> {
    config.validate()?;
    if let Some(file) = files::database_file(&config.database_url())
        && !file.exists()
    {
        return Err(StartError::NoDatabase(file));
    }
    Ok(locked(purpose, config, config.lifecycle.database_wait()).await?.0)
}

/// Locks and opens the database. Returns it with the treatment of its schema.
async fn locked(
    purpose: Purpose,
    config: &Config,
    patience: Duration,
) -> Result<(Store, Migrate), StartError> {
    let url = config.database_url();
    // Lock first, because opening a SQLite file recovers a crashed transaction.
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

/// Loads the signing keys. Development generates them. Production only reads keys that an operator created.
fn load_keys(config: &Config) -> Result<SigningKeys, KeyFault> {
    let dir = config.keys_dir();
    if config.is_production() {
        SigningKeys::load_or_create(&dir)
    } else {
        SigningKeys::for_development(&dir)
    }
}

/// Returns the problems of keys and files in production: missing keys, development keys, and files that other users can
/// access.
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

/// Restricts database files that an older version created to their owner. The data directory may contain other files,
/// so it is only reported.
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

/// Stops all tasks and closes the database. Waits for the tasks for at most `grace`.
pub async fn close(app: App, grace: Duration) {
    app.shutdown.cancel();
    app.drained.cancel();
    app.tasks.close();
    if tokio::time::timeout(grace, app.tasks.wait()).await.is_err() {
        tracing::warn!(tasks = app.tasks.len(), "tasks did not stop in time");
    }
    if let Err(error) = app.store.clone().close().await {
        tracing::warn!(%error, "cannot close the database in order");
    }
    tracing::info!("stopped");
}
