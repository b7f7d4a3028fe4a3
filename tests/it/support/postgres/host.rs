//! What the machine offers to a cluster: a directory, a user and the installed programs.

use std::{
    env, fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::Durability;

/// A new directory for a cluster.
///
/// Creating and dropping a database creates and removes hundreds of files, which is five times as fast in memory.
/// `TMPDIR` is not used: a socket's path must be short, and another user must have access.
pub(super) fn place(durability: Durability) -> PathBuf {
    let mut builder = tempfile::Builder::new();
    builder.prefix("tessera-postgres-");
    let in_memory = match durability {
        Durability::Fast if has_room("/dev/shm") => builder.tempdir_in("/dev/shm").ok(),
        Durability::Fast | Durability::Real => None,
    };
    in_memory
        .map_or_else(|| builder.tempdir_in("/tmp"), Ok)
        .unwrap_or_else(|error| panic!("cannot create a directory for PostgreSQL: {error}"))
        .keep()
}

/// Returns whether the file system exists and has 2 GiB free, much more than a cluster needs.
pub(super) fn has_room(path: &str) -> bool {
    let table = printed("df", &["-Pk", path]).unwrap_or_default();
    let available = table.lines().nth(1).and_then(|line| line.split_whitespace().nth(3)?.parse::<u64>().ok());
    available.is_some_and(|kib| kib >= 2 * 1024 * 1024)
}

/// Returns the user and group that run PostgreSQL if the current user is root, which PostgreSQL refuses. Otherwise
/// returns `None`.
pub(super) fn someone_else(made_by_us: &Path) -> Option<(u32, u32)> {
    let owner = fs::metadata(made_by_us)
        .unwrap_or_else(|error| panic!("cannot read the metadata of {}: {error}", made_by_us.display()))
        .uid();
    if owner != 0 {
        return None;
    }
    let id = |flag, user| printed("id", &[flag, user])?.parse().ok();
    let user = ["postgres", "nobody"].into_iter().find_map(|user| Some((id("-u", user)?, id("-g", user)?)));
    Some(
        user.unwrap_or_else(|| panic!("root cannot run PostgreSQL, and there is no user postgres or nobody")),
    )
}

/// Returns the directory of PostgreSQL's server programs: from PATH, from `pg_config`, or the newest of Debian's.
pub(super) fn binaries() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut debian: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    debian.sort_by_key(|dir| dir.file_name()?.to_str()?.parse::<u32>().ok());
    let reported = printed("pg_config", &["--bindir"]).map(PathBuf::from);
    env::split_paths(&path)
        .chain(reported)
        .chain(debian.into_iter().rev().map(|dir| dir.join("bin")))
        // PATH may contain links to single programs. So resolve the link to find the directory with all of them.
        .filter_map(|dir| Some(dir.join("initdb").canonicalize().ok()?.parent()?.to_owned()))
        .find(|dir| dir.join("postgres").exists())
}

/// Returns the output of a program, or `None` if it is missing or fails.
fn printed(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim_end().to_owned())
}
