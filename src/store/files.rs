//! The database file and its directory: created for their owner only, and checked at startup.
//!
//! SQLite gives its side files (`-wal`, `-shm`) the mode of the database file, so creating that file first sets the
//! mode of all. All functions block: call them during startup.

use std::{
    fs, io,
    path::{Path, PathBuf},
    str::FromStr,
};

use sqlx::sqlite::SqliteConnectOptions;

/// Creates a directory and its missing parents with access for the owner only. An existing directory is unchanged.
pub fn create_private_dir(dir: &Path) -> io::Result<()> {
    let is_missing = |dir: &&Path| !dir.as_os_str().is_empty() && !dir.exists();
    let missing: Vec<&Path> = dir.ancestors().take_while(is_missing).collect();
    let mut builder = fs::DirBuilder::new();
    owner_only_dir(&mut builder).recursive(true).create(dir)?;
    // Unless its parent is synced, a power cut can remove a new directory with its content.
    for parent in missing.iter().filter_map(|dir| dir.parent()) {
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        if let Ok(parent) = fs::File::open(parent) {
            drop(parent.sync_all());
        }
    }
    Ok(())
}

/// Returns the file that a database address names; `None` for PostgreSQL and for an in-memory database.
pub fn database_file(url: &str) -> Option<PathBuf> {
    if !url.starts_with("sqlite:") || url.contains(":memory:") || url.contains("mode=memory") {
        return None;
    }
    let options = SqliteConnectOptions::from_str(url).ok()?;
    Some(options.get_filename().to_path_buf())
}

/// Creates the database file, readable by its owner only, unless it exists. SQLite reports errors later.
pub(super) fn create_database_file(url: &str) {
    if url.contains("mode=ro") || url.contains("mode=rw&") || url.ends_with("mode=rw") {
        return;
    }
    if let Some(path) = database_file(url) {
        let mut options = fs::OpenOptions::new();
        drop(owner_only(options.write(true).create_new(true)).open(path));
    }
}

/// Returns the existing files among the database file, SQLite's side files and the server's lock file.
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

/// Returns the permission bits of a file or directory if other users have any access; otherwise `None`. Also `None` if
/// there is no such file.
pub fn exposed_mode(path: &Path) -> Option<u32> {
    mode(path).filter(|mode| mode & 0o077 != 0)
}

/// Removes all permissions of a file or directory except the owner's.
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
    fn address_names_its_file() {
        let file = |url| database_file(url).map(|path| path.display().to_string());
        assert_eq!(file("sqlite://data/tessera.db").as_deref(), Some("data/tessera.db"));
        assert_eq!(file("sqlite:///var/lib/t.db?mode=rwc").as_deref(), Some("/var/lib/t.db"));
        for url in ["sqlite::memory:", "sqlite://:memory:", "postgres://localhost/tessera"] {
            assert_eq!(file(url), None, "{url}");
        }
    }

    #[tokio::test]
    async fn new_database_and_its_side_files_are_private() {
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
    fn exposed_files_are_found_and_restricted() {
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
