//! Online backup of a SQLite database.
//!
//! `VACUUM INTO` writes the state at its start and does not block writers. The copy has a temporary name until it is
//! checked and synced, so a file with the final name is always complete.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    process,
    str::FromStr,
    time::Duration,
};

use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection, sqlite::SqliteConnectOptions};

use super::files;

/// How long the copy waits for a lock of the database.
const PATIENCE: Duration = Duration::from_secs(30);

/// Reasons why no backup was made.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The address is not a SQLite file.
    #[error(
        "`tessera backup` copies SQLite files: for PostgreSQL use pg_dump or continuous archiving, \
         see docs/operations.md, \"Backup and restore\""
    )]
    NoFile,
    /// The database file does not exist.
    #[error("there is no database at {}", .0.display())]
    Missing(PathBuf),
    /// The target exists. Backups never overwrite a file.
    #[error("{} exists already: a backup overwrites nothing", .0.display())]
    Exists(PathBuf),
    /// The copy fails SQLite's integrity check.
    #[error("the copy is damaged, and so perhaps is the database: {0}")]
    Damaged(String),
    /// The database failed.
    #[error("the database cannot be copied: {0}")]
    Database(#[from] sqlx::Error),
    /// The file system failed.
    #[error("the copy cannot be kept: {0}")]
    Io(#[from] io::Error),
}

/// Copies the SQLite database at the address into a new file that only its owner can read. Returns the copy's size in
/// bytes.
pub async fn backup(url: &str, to: &Path) -> Result<u64, BackupError> {
    let Some(from) = files::database_file(url) else { return Err(BackupError::NoFile) };
    if to.symlink_metadata().is_ok() {
        return Err(BackupError::Exists(to.to_path_buf()));
    }
    let mut name = to.as_os_str().to_owned();
    name.push(format!(".{}.partial", process::id()));
    let partial = PathBuf::from(name);
    let copied = copy(url, &from, &partial, to).await;
    if copied.is_err() {
        for path in [partial.clone(), beside(&partial, "-journal")] {
            drop(fs::remove_file(path));
        }
    }
    copied
}

async fn copy(url: &str, from: &Path, partial: &Path, to: &Path) -> Result<u64, BackupError> {
    if !from.is_file() {
        return Err(BackupError::Missing(from.to_path_buf()));
    }
    let mut options = OpenOptions::new();
    drop(files::owner_only(options.write(true).create_new(true)).open(partial)?);
    let source = SqliteConnectOptions::from_str(url)?.create_if_missing(false).busy_timeout(PATIENCE);
    let mut source = source.disable_statement_logging().connect().await?;
    let into = format!("VACUUM INTO '{}'", partial.display().to_string().replace('\'', "''"));
    sqlx::raw_sql(AssertSqlSafe(into)).execute(&mut source).await?;
    source.close().await?;
    check(partial).await?;
    let file = File::open(partial)?;
    file.sync_all()?;
    // Fails if another process created the file first. A rename would overwrite it.
    if let Err(error) = fs::hard_link(partial, to) {
        if error.kind() == io::ErrorKind::AlreadyExists {
            return Err(BackupError::Exists(to.to_path_buf()));
        }
        fs::rename(partial, to)?;
    } else {
        fs::remove_file(partial)?;
    }
    let dir = to.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(dir)?.sync_all()?;
    Ok(file.metadata()?.len())
}

/// Reads the whole copy and checks its integrity.
async fn check(path: &Path) -> Result<(), BackupError> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true).immutable(true);
    let mut copy = options.disable_statement_logging().connect().await?;
    let found: Result<Vec<String>, _> =
        sqlx::query_scalar("PRAGMA integrity_check(20)").fetch_all(&mut copy).await;
    copy.close().await?;
    match found?.join("; ") {
        found if found == "ok" => Ok(()),
        found => Err(BackupError::Damaged(found)),
    }
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}
