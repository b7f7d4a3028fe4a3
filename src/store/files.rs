//! The database file and its directory: made for their owner alone, and checked at the start.
//!
//! SQLite gives its side files (`-wal`, `-shm`) the mode of the database file, so making that file first decides about
//! all of them. Everything here blocks: call it while starting up.

use std::{
    fs, io,
    path::{Path, PathBuf},
    str::FromStr,
};

use sqlx::sqlite::SqliteConnectOptions;

/// Makes a directory that its owner alone may use, with its missing parents. An existing directory stays as it is.
pub fn create_private_dir(dir: &Path) -> io::Result<()> {
    let is_missing = |dir: &&Path| !dir.as_os_str().is_empty() && !dir.exists();
    let missing: Vec<&Path> = dir.ancestors().take_while(is_missing).collect();
    let mut builder = fs::DirBuilder::new();
    owner_only_dir(&mut builder).recursive(true).create(dir)?;
    // The name of a new directory is lost in a power cut, with everything in it, unless its parent is synced.
    for parent in missing.iter().filter_map(|dir| dir.parent()) {
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        if let Ok(parent) = fs::File::open(parent) {
            drop(parent.sync_all());
        }
    }
    Ok(())
}

/// Returns the file that a database's address names; `None` for PostgreSQL and for a database in memory.
pub fn database_file(url: &str) -> Option<PathBuf> {
    if !url.starts_with("sqlite:") || url.contains(":memory:") || url.contains("mode=memory") {
        return None;
    }
    let options = SqliteConnectOptions::from_str(url).ok()?;
    Some(options.get_filename().to_path_buf())
}

/// Makes the database file, readable by its owner alone, unless it exists. SQLite reports what cannot be made.
pub(super) fn create_database_file(url: &str) {
    if url.contains("mode=ro") || url.contains("mode=rw&") || url.ends_with("mode=rw") {
        return;
    }
    if let Some(path) = database_file(url) {
        let mut options = fs::OpenOptions::new();
        drop(owner_only(options.write(true).create_new(true)).open(path));
    }
}

/// Returns those files that exist of: the database, SQLite's side files, and the lock of a server.
pub fn database_files(url: &str) -> Vec<PathBuf> {
    let Some(file) = database_file(url) else { return Vec::new() };
    let beside = |end: &str| {
        let mut name = file.clone().into_os_string();
        name.push(end);
        PathBuf::from(name)
    };
    [file.clone(), beside("-wal"), beside("-shm"), beside("-journal"), beside(".lock")]
        .into_iter()
        .filter(|path| path.exists())
        .collect()
}

/// Returns the permission bits of a file or directory if they give other users of the machine something; `None` if
/// they do not, or there is no such file.
pub fn exposed_mode(path: &Path) -> Option<u32> {
    mode(path).filter(|mode| mode & 0o077 != 0)
}

/// Takes a file's or directory's permissions from everybody but its owner.
pub fn restrict(path: &Path) -> io::Result<()> {
    set_mode(path, if path.is_dir() { 0o700 } else { 0o600 })
}

#[cfg(unix)]
pub(super) fn owner_only(options: &mut fs::OpenOptions) -> &mut fs::OpenOptions {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600)
}

#[cfg(unix)]
fn owner_only_dir(builder: &mut fs::DirBuilder) -> &mut fs::DirBuilder {
    std::os::unix::fs::DirBuilderExt::mode(builder, 0o700)
}

#[cfg(unix)]
fn mode(path: &Path) -> Option<u32> {
    let metadata = fs::metadata(path).ok()?;
    Some(std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o7777)
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))
}

#[cfg(not(unix))]
pub(super) fn owner_only(options: &mut fs::OpenOptions) -> &mut fs::OpenOptions {
    options
}

#[cfg(not(unix))]
fn owner_only_dir(builder: &mut fs::DirBuilder) -> &mut fs::DirBuilder {
    builder
}

#[cfg(not(unix))]
fn mode(_: &Path) -> Option<u32> {
    None
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_its_file() {
        let file = |url| database_file(url).map(|path| path.display().to_string());
        assert_eq!(file("sqlite://data/tessera.db").as_deref(), Some("data/tessera.db"));
        assert_eq!(file("sqlite:///var/lib/t.db?mode=rwc").as_deref(), Some("/var/lib/t.db"));
        for url in ["sqlite::memory:", "sqlite://:memory:", "postgres://localhost/tessera"] {
            assert_eq!(file(url), None, "{url}");
        }
    }

    #[tokio::test]
    async fn a_new_database_and_its_side_files_are_their_owners_alone() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("a/data");
        create_private_dir(&dir).unwrap();
        assert_eq!(mode(&dir), Some(0o700));
        let url = format!("sqlite://{}", dir.join("tessera.db").display());
        let lock = super::super::Store::lock(&url).unwrap();
        let store = super::super::Store::connect(&url, 2).await.unwrap().keep(lock);
        store.migrate().await.unwrap();
        let files = database_files(&url);
        assert_eq!(files.len(), 4, "{files:?}");
        for file in &files {
            assert_eq!(mode(file), Some(0o600), "{}", file.display());
            assert_eq!(exposed_mode(file), None);
        }
        store.close().await.unwrap();
    }

    #[test]
    fn what_others_can_read_is_found_and_restricted() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("tessera.db");
        fs::write(&file, "").unwrap();
        for open in [0o640, 0o604, 0o620, 0o601] {
            set_mode(&file, open).unwrap();
            assert_eq!(exposed_mode(&file), Some(open));
        }
        restrict(&file).unwrap();
        assert_eq!((mode(&file), exposed_mode(&file)), (Some(0o600), None));
        assert_eq!(exposed_mode(&home.path().join("nothing")), None);
    }
}
