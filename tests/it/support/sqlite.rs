//! `SQLite` databases for tests: copies of templates, which are created once per process and kept in memory.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};
use tempfile::TempDir;

use super::blocking::block_on;

/// A database file. Dropping it removes the file and the files that SQLite keeps next to it.
pub(crate) struct Database {
    /// The URL for sqlx and `SeaORM`.
    pub(crate) url: String,
    dir: TempDir,
}

impl Database {
    /// Returns the path of the file.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("tessera.db")
    }
}

/// Returns a copy of a template. The first call creates the template: `make` gets the URL of an empty database.
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

/// Returns the location of a database that does not exist yet.
pub(crate) fn empty() -> Database {
    // Inside the target directory, so that files of killed tests are removed with it.
    let dir = fs::create_dir_all(env!("CARGO_TARGET_TMPDIR"))
        .and_then(|()| tempfile::Builder::new().prefix("sqlite-").tempdir_in(env!("CARGO_TARGET_TMPDIR")))
        .unwrap_or_else(|error| panic!("cannot create a directory for SQLite: {error}"));
    Database { url: url(&dir.path().join("tessera.db")), dir }
}

/// Creates a template. `VACUUM INTO` gives one complete file, including the content of the write-ahead log.
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
    .unwrap_or_else(|error: sqlx::Error| panic!("cannot create the template: {error}"));
    fs::read(&whole).unwrap_or_else(|error| panic!("cannot read the template: {error}")).into()
}

fn url(path: &Path) -> String {
    format!("sqlite://{}?mode=rwc", path.display())
}
