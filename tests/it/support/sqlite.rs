//! `SQLite` files of one's own, each a copy of a template that is made once in a process and kept in memory.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};
use tempfile::TempDir;

use super::blocking::block_on;

/// A database file of one's own, removed with this value together with whatever lies beside it.
pub(crate) struct Database {
    /// Where it is, for sqlx and `SeaORM` alike.
    pub(crate) url: String,
    dir: TempDir,
}

impl Database {
    /// The file itself.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("tessera.db")
    }
}

/// A fresh copy of a template, which the first who asks makes: `make` gets the URL of an empty database.
pub(crate) fn database(template: &'static str, make: impl AsyncFnOnce(&str) + Send) -> Database {
    static TEMPLATES: Mutex<BTreeMap<&str, Arc<[u8]>>> = Mutex::new(BTreeMap::new());
    let bytes = {
        let mut templates = TEMPLATES.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(templates.entry(template).or_insert_with(|| made(make)))
    };
    let database = empty();
    if let Err(error) = fs::write(database.path(), bytes) {
        panic!("cannot copy the template: {error}");
    }
    database
}

/// A place for a database that is not there yet.
pub(crate) fn empty() -> Database {
    // Inside the target directory, so that what a killed test leaves is nobody's litter.
    let dir = fs::create_dir_all(env!("CARGO_TARGET_TMPDIR"))
        .and_then(|()| tempfile::Builder::new().prefix("sqlite-").tempdir_in(env!("CARGO_TARGET_TMPDIR")))
        .unwrap_or_else(|error| panic!("cannot make a directory for SQLite: {error}"));
    Database { url: url(&dir.path().join("tessera.db")), dir }
}

/// Makes a template. `VACUUM INTO` gives one whole file, whatever is still in the write-ahead log.
fn made(make: impl AsyncFnOnce(&str) + Send) -> Arc<[u8]> {
    let scratch = empty();
    let whole = scratch.dir.path().join("template.db");
    block_on(async || {
        make(&scratch.url).await;
        let mut connection = SqliteConnection::connect(&scratch.url).await?;
        let statement = format!("VACUUM INTO '{}'", whole.display());
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
        connection.close().await
    })
    .unwrap_or_else(|error: sqlx::Error| panic!("cannot make the template: {error}"));
    fs::read(&whole).unwrap_or_else(|error| panic!("cannot read the template: {error}")).into()
}

fn url(path: &Path) -> String {
    format!("sqlite://{}?mode=rwc", path.display())
}
