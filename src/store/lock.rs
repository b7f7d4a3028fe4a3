//! Allows one server per SQLite file. A second server would sell from its own memory, which the first does not follow.
//!
//! The lock is an operating-system lock on a file next to the database. It ends with the process, so stale locks cannot
//! occur. SQLite does not know it: `tessera backup` and `sqlite3` still work. The database file itself cannot be
//! locked, because closing any handle of it releases SQLite's own locks.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    path::PathBuf,
    process,
};

use super::files;

/// The lock of a SQLite file. Dropping it releases the lock.
#[derive(Debug)]
pub struct FileLock(#[expect(dead_code, reason = "closing the file gives the lock back")] File);

/// Reasons why the lock of a SQLite file was not acquired.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds the lock.
    #[error(
        "{} is in use by another Tessera{}: one server per SQLite file; for several, use PostgreSQL", path.display(),
        process.map_or(String::new(), |id| format!(" (process {id})"))
    )]
    InUse {
        /// The database file.
        path: PathBuf,
        /// The id of that process, read from the lock file.
        process: Option<u32>,
    },
    /// The lock file cannot be created.
    #[error("{} cannot be locked: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The reason.
        error: io::Error,
    },
}

/// Locks the SQLite file of the address, and creates it if it is missing. Returns `None` for a database without a file.
pub(super) fn lock(url: &str) -> Result<Option<FileLock>, LockError> {
    files::create_database_file(url);
    let Some(path) = files::database_file(url) else { return Ok(None) };
    // Resolve symbolic links, so that all paths of a file share one lock.
    let path = path.canonicalize().unwrap_or(path);
    let mut name = path.clone().into_os_string();
    name.push(".lock");
    let lock = PathBuf::from(name);
    let failed = |error| LockError::Io { path: lock.clone(), error };
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let mut file = files::owner_only(&mut options).open(&lock).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let read = (&mut file).take(32).read_to_string(&mut text);
            let process = read.ok().and_then(|_| text.trim().parse().ok());
            return Err(LockError::InUse { path, process });
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    // The process id is needed only for the error message above.
    let written = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| file.write_all(format!("{}\n", process::id()).as_bytes()));
    written.map_err(failed)?;
    Ok(Some(FileLock(file)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_is_locked_once_by_any_path() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tessera.db");
        let url = |path: &std::path::Path| format!("sqlite://{}", path.display());
        let first = lock(&url(&file)).unwrap();
        assert!(first.is_some());
        let link = dir.path().join("link.db");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        for path in [&file, &link] {
            let error = lock(&url(path)).unwrap_err().to_string();
            assert!(error.contains(&format!("process {}", process::id())), "{error}");
            assert!(error.contains("use PostgreSQL"), "{error}");
        }
        drop(first);
        assert!(lock(&url(&link)).unwrap().is_some());
    }

    #[test]
    fn database_without_a_file_is_not_locked() {
        for url in ["sqlite::memory:", "postgres://localhost/tessera"] {
            assert!(lock(url).unwrap().is_none(), "{url}");
        }
    }
}
