//! Temporary PostgreSQL clusters, started from the installed binaries and removed with the test process.
//!
//! A cluster has its own directory (in memory if possible) and listens on a socket in it. So it takes no port, only its
//! owner can reach it, and the machine's own server is not affected. It runs as an unprivileged user: the current one,
//! or `postgres` or `nobody` if the current one is root. A watcher, a small shell script in its own process group,
//! starts and stops the server on command. When the pipe from the test process closes, it stops the server and removes
//! the directory. The pipe closes however the test process ends, including by `kill -9`.
//!
//! Under nextest, which runs each test in a process of its own, all processes of a run share one cluster. It ends with nextest.
//!
//! Invariant: a missing PostgreSQL is a panic that says how to install it, never a skipped test.

mod host;
mod watcher;

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::process::parent_id;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use self::host::{binaries, has_room, place};
use self::watcher::{Watcher, start_until_end_of};
use super::blocking::block_on;

/// The instructions to install PostgreSQL.
const INSTALL: &str = "the tests need PostgreSQL 13 or newer: run `apt-get install -y postgresql` \
                       (scripts/test does it without leaving a server running), \
                       or put the directory of `initdb` and `postgres` into PATH";

/// Makes the role that owns the tests' databases.
const CREATE_ROLE: &str = "CREATE ROLE tessera LOGIN";

/// The durability of the cluster's commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Commits are written, but not flushed. They survive a crash of the server only.
    Fast,
    /// The durability of a real server, for tests that measure or verify commits.
    Real,
}

/// A running server and its directory. Dropping it removes both.
pub(crate) struct Cluster {
    dir: PathBuf,
    /// The script that controls the server; `None` if the cluster belongs to a whole run of nextest.
    watcher: Option<Mutex<Watcher>>,
    /// The number of databases that this process has created in the cluster. All clusters of a whole run are the same.
    databases: Arc<AtomicU32>,
}

/// A database. Dropping it drops the database, even if it has connections.
pub(crate) struct Database {
    /// The URL for sqlx, `SeaORM` and `psql`. Its user owns the database and has no other privileges.
    pub(crate) url: String,
    name: String,
    cluster: Arc<Cluster>,
}

/// The cluster that all tests share, started by the first that needs it.
pub(crate) fn shared(durability: Durability) -> &'static Arc<Cluster> {
    static FAST: OnceLock<Arc<Cluster>> = OnceLock::new();
    static REAL: OnceLock<Arc<Cluster>> = OnceLock::new();
    match durability {
        Durability::Fast => FAST.get_or_init(|| match env::var_os("NEXTEST_RUN_ID") {
            Some(run) => Arc::new(Cluster::of_run(&run, parent_id())),
            None => Cluster::start(durability),
        }),
        Durability::Real => REAL.get_or_init(|| Cluster::start(durability)),
    }
}

/// Returns a copy of a template in the shared, fast cluster. See [`Cluster::database`].
pub(crate) fn database(template: &'static str, make: impl AsyncFnOnce(&str) + Send) -> Database {
    shared(Durability::Fast).database(template, make)
}

impl Cluster {
    /// Starts a separate cluster, for tests that stop the server.
    pub(crate) fn start(durability: Durability) -> Arc<Self> {
        let binaries = binaries().unwrap_or_else(|| panic!("{INSTALL}"));
        let dir = place(durability);
        let watcher = Some(Mutex::new(Watcher::start(&dir, &binaries, durability, None)));
        let cluster = Self { dir, watcher, databases: Arc::default() };
        cluster.order("start");
        cluster.execute([CREATE_ROLE.to_owned()]);
        Arc::new(cluster)
    }

    /// Returns the cluster of a test run of several processes, started by the first process that needs it. It ends when the
    /// process `runner` ends.
    pub(crate) fn of_run(run: &OsStr, runner: u32) -> Self {
        static DATABASES: OnceLock<Arc<AtomicU32>> = OnceLock::new();

        let mut name = OsString::from("tessera-postgres-");
        name.push(run);
        let in_memory = Path::new("/dev/shm").join(&name);
        let dir = if in_memory.exists() || has_room("/dev/shm") {
            in_memory
        } else {
            Path::new("/tmp").join(&name)
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)
            .unwrap_or_else(|error| panic!("cannot make a directory for PostgreSQL: {error}"));
        let databases = DATABASES.get_or_init(Arc::default).clone();
        let cluster = Self { dir, watcher: None, databases };
        let _turn = cluster.turn();
        let started = cluster.dir.join("started");
        if !started.exists() {
            let binaries = binaries().unwrap_or_else(|| panic!("{INSTALL}"));
            assert!(
                start_until_end_of(runner, &cluster.dir, &binaries),
                "PostgreSQL did not start:\n{}",
                cluster.log()
            );
            cluster.execute([CREATE_ROLE.to_owned()]);
            note(&started);
        }
        cluster
    }

    /// Starts a standby that follows this cluster, which must be a real one.
    pub(crate) fn standby(&self) -> Arc<Self> {
        let binaries = binaries().unwrap_or_else(|| panic!("{INSTALL}"));
        let dir = place(Durability::Real);
        let watcher = Some(Mutex::new(Watcher::start(&dir, &binaries, Durability::Real, Some(&self.dir))));
        let cluster = Self { dir, watcher, databases: Arc::default() };
        cluster.order("start");
        Arc::new(cluster)
    }

    /// Promotes a standby to primary.
    pub(crate) fn promote(&self) {
        self.order("promote");
    }

    /// Returns a copy of a template. The first call creates the template: `make` gets the URL of an empty database.
    pub(crate) fn database(
        self: &Arc<Self>,
        template: &'static str,
        make: impl AsyncFnOnce(&str) + Send,
    ) -> Database {
        let _turn = self.turn();
        let marker = self.dir.join(format!("made-{template}"));
        if !marker.exists() {
            self.execute([
                format!("DROP DATABASE IF EXISTS template_{template} WITH (FORCE)"),
                format!("CREATE DATABASE template_{template} OWNER tessera"),
            ]);
            let url = self.url("tessera", &format!("template_{template}"));
            block_on(async || make(&url).await);
            // Connections left by `make` would prevent copies.
            self.execute([format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'template_{template}'"
            )]);
            note(&marker);
        }
        self.copy(&format!("template_{template}"))
    }

    /// Creates an empty database.
    pub(crate) fn empty(self: &Arc<Self>) -> Database {
        let _turn = self.turn();
        self.copy("template1")
    }

    /// Waits until no other test makes a database in this cluster: a template that is being copied cannot be copied by
    /// another (`source database is being accessed by other users`). The turn ends when the file is closed.
    fn turn(&self) -> File {
        let file = File::create(self.dir.join("turn"));
        file.and_then(|file| file.lock().map(|()| file))
            .unwrap_or_else(|error| panic!("cannot wait for a turn at PostgreSQL: {error}"))
    }

    /// Ends the server at once, as a crash would: every connection breaks, every committed transaction stays.
    pub(crate) fn stop_server(&self) {
        self.order("stop");
    }

    /// Restarts the server after [`Self::stop_server`]. It recovers as after a crash.
    pub(crate) fn start_server(&self) {
        self.order("start");
    }

    /// Executes a statement as the cluster's superuser, in the database `postgres`.
    pub(crate) fn administer(&self, statement: &str) {
        self.execute([statement.to_owned()]);
    }

    /// Returns the URL of a database for a role.
    pub(crate) fn address(&self, role: &str, database: &str) -> String {
        self.url(role, database)
    }

    /// Returns the cluster's directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    fn copy(self: &Arc<Self>, template: &str) -> Database {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{}_{number}", process::id());
        self.execute([format!("CREATE DATABASE {name} OWNER tessera TEMPLATE {template}")]);
        Database { url: self.url("tessera", &name), name, cluster: Arc::clone(self) }
    }

    fn url(&self, user: &str, database: &str) -> String {
        let dir = self.dir.display();
        format!("postgres://{user}@localhost/{database}?host={dir}&port=5432&sslmode=disable")
    }

    /// Sets the environment variables of future starts of the server.
    pub(crate) fn set_environment(&self, variables: &[(&str, &Path)]) {
        let line = |(name, value): &(&str, &Path)| format!("export {name}='{}'\n", value.display());
        let text: String = variables.iter().map(line).collect();
        fs::write(self.dir.join("environment"), text)
            .unwrap_or_else(|error| panic!("cannot write PostgreSQL's environment: {error}"));
    }

    /// Returns the single number that a query returns to the superuser.
    pub(crate) fn count(&self, database: &str, query: &'static str) -> i64 {
        block_on(async || {
            let mut connection = PgConnection::connect(&self.url("postgres", database)).await?;
            let count = sqlx::query_scalar(query).fetch_one(&mut connection).await?;
            connection.close().await?;
            Ok(count)
        })
        .unwrap_or_else(|error: sqlx::Error| panic!("{query}: {error}"))
    }

    /// Executes statements as the superuser.
    pub(crate) fn execute<const N: usize>(&self, statements: [String; N]) {
        if let Err(error) = self.try_execute(statements) {
            panic!("PostgreSQL refused the harness: {error}\n{}", self.log());
        }
    }

    /// Uses a new connection for each call: a connection cannot outlive its runtime, and each test has its own runtime.
    fn try_execute<const N: usize>(&self, statements: [String; N]) -> Result<(), sqlx::Error> {
        block_on(async || {
            let mut connection = PgConnection::connect(&self.url("postgres", "postgres")).await?;
            for statement in statements {
                sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
            }
            connection.close().await
        })
    }

    fn order(&self, order: &str) {
        let watcher = self.watcher.as_ref().expect("other processes use this cluster: start another one");
        let done = watcher.lock().unwrap_or_else(PoisonError::into_inner).order(order);
        assert!(done, "PostgreSQL did not {order}:\n{}", self.log());
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }
}

impl Database {
    /// Returns its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns its cluster.
    pub(crate) fn cluster(&self) -> &Arc<Cluster> {
        &self.cluster
    }
}

/// Runs one of PostgreSQL's programs, such as `pg_dump`, and returns what it prints.
pub(crate) fn program(name: &str, arguments: &[&str]) -> Vec<u8> {
    let binaries = binaries().unwrap_or_else(|| panic!("{INSTALL}"));
    let output = Command::new(binaries.join(name)).args(arguments).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{name} does not run: {error}"));
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

impl Drop for Database {
    /// A remaining database only wastes space until the cluster ends. So a failure is only reported, in order not to
    /// hide others.
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        if let Err(error) = self.cluster.try_execute([drop]) {
            eprintln!("cannot drop {}, which stays until the cluster is removed: {error}", self.name);
        }
    }
}

/// Makes an empty file, which tells other tests that something is done.
fn note(path: &Path) {
    fs::write(path, "").unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
}
