//! A disk that fails or loses power under a process. `shim.c` is preloaded into the process and intercepts the calls
//! that change files below one directory.
//!
//! Unlike a FUSE file system, a preloaded library needs no privileges and no device, so these tests run everywhere. It
//! sees every change if the process uses libc for all of them. A test proves this for both databases: replaying a
//! complete record gives the same files as the run.

pub(crate) mod buyer;
pub(crate) mod power;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use tempfile::TempDir;

/// The effect on a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It fails with `ENOSPC`.
    Full,
    /// It fails with `EIO`.
    Error,
    /// A write stores its first half and returns its length. A sync fails.
    Short,
    /// A write stores its first half, and the next call fails with `ENOSPC`.
    Torn,
}

/// Calls that fail, counted from the moment when the fault is armed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    /// The effect on each call.
    pub(crate) kind: Kind,
    /// The number of the first call, from 1.
    pub(crate) at: u64,
    /// The number of calls. `None` is all later ones.
    pub(crate) count: Option<u64>,
}

/// Controls which calls of a process fail.
pub(crate) struct Disk {
    dir: TempDir,
    epoch: u64,
}

/// Returns the library. It is compiled once per process.
pub(crate) fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        // PostgreSQL's user must be able to read it.
        let dir =
            tempfile::Builder::new().prefix("tessera-disk-").tempdir_in("/tmp").expect("a directory").keep();
        let library = dir.join("disk.so");
        let compiler = if cfg!(target_env = "gnu") { "cc" } else { panic!("the shim is for glibc") };
        let built = Command::new(compiler)
            .args(["-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o"])
            .arg(&library)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/disk/shim.c"))
            .args(["-ldl", "-lpthread"])
            .output()
            .expect("a C compiler, which scripts/install.sh installs");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let shared = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&dir, shared).expect("its permissions");
        library
    })
}

impl Disk {
    /// Creates a disk without faults.
    pub(crate) fn new() -> Self {
        let disk = Self { dir: tempfile::tempdir().expect("a directory"), epoch: 0 };
        disk.write("none", 0, 0);
        disk
    }

    /// Attaches the disk to a process: all files below `root` are on it.
    pub(crate) fn put_under<'a>(&self, command: &'a mut Command, root: &Path) -> &'a mut Command {
        command
            .env("LD_PRELOAD", library())
            .env("TESSERA_DISK_ROOT", root)
            .env("TESSERA_DISK_CONTROL", self.control())
    }

    /// Makes calls fail from now on.
    pub(crate) fn arm(&mut self, fault: Fault) {
        let kind = match fault.kind {
            Kind::Full => "enospc",
            Kind::Error => "eio",
            Kind::Short => "short",
            Kind::Torn => "torn",
        };
        self.epoch += 1;
        self.write(kind, fault.at, fault.count.unwrap_or(0));
    }

    /// Stops the faults. Returns the calls that failed since they were armed, as `call file`.
    pub(crate) fn disarm(&mut self) -> Vec<String> {
        let hits = self.hits();
        self.epoch += 1;
        self.write("none", 0, 0);
        hits
    }

    /// Returns the calls that failed since the disk was armed.
    pub(crate) fn hits(&self) -> Vec<String> {
        let all = fs::read_to_string(self.control().with_extension("hits")).unwrap_or_default();
        let epoch = format!("{} ", self.epoch);
        let mine = all.lines().filter_map(|line| line.strip_prefix(&epoch)?.split_once(' '));
        mine.map(|(_, call)| call.to_owned()).collect()
    }

    fn control(&self) -> PathBuf {
        self.dir.path().join("control")
    }

    /// Replaces the file atomically, because the process reads it at each call.
    fn write(&self, kind: &str, at: u64, count: u64) {
        let new = self.dir.path().join("control.new");
        fs::write(&new, format!("{} {kind} {at} {count}\n", self.epoch)).expect("the control file");
        fs::rename(new, self.control()).expect("the control file");
    }
}
