//! The test harness: databases are isolated, and nothing is left behind.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};
use std::{env, fs, io, thread};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};

use crate::support::blocking::block_on;
use crate::support::link::{Link, New};
use crate::support::panics::{self, Watcher};
use crate::support::postgres::{self, Cluster, Durability};
use crate::support::sqlite;

/// How many tests ask for a database at the same moment.
const CROWD: usize = 20;

/// The variable that makes a test process a victim: the file into which it writes where its cluster is.
const VICTIM: &str = "TESSERA_HARNESS_VICTIM";

async fn pg(url: &str, statement: &str) -> Result<u64, sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    let done = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
    Ok(done.rows_affected())
}

async fn lite(url: &str, statement: &str) -> Result<u64, sqlx::Error> {
    let mut connection = SqliteConnection::connect(url).await?;
    let done = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
    Ok(done.rows_affected())
}

/// Asks for [`CROWD`] databases at once, each on a thread with a runtime of its own, as tests do.
fn crowd(one: impl AsyncFn(usize) + Sync) {
    let together = Barrier::new(CROWD);
    thread::scope(|scope| {
        for number in 0..CROWD {
            let (one, together) = (&one, &together);
            scope.spawn(move || {
                together.wait();
                block_on(async || one(number).await);
            });
        }
    });
}

#[test]
fn many_tests_get_postgres_databases_of_their_own_at_once() {
    crowd(async |number| {
        let database = postgres::database("harness", async |url| {
            pg(url, "CREATE TABLE thing (id int PRIMARY KEY)").await.expect("the template can be made");
        });
        let insert = format!("INSERT INTO thing VALUES ({number})");
        assert_eq!(pg(&database.url, &insert).await.expect("the copy has the table"), 1);
        assert_eq!(
            pg(&database.url, "DELETE FROM thing").await.expect("the table is there"),
            1,
            "nobody else's"
        );
    });
}

#[test]
fn many_tests_get_sqlite_databases_of_their_own_at_once() {
    crowd(async |number| {
        let database = sqlite::database("harness", async |url| {
            let wal = "PRAGMA journal_mode = WAL; CREATE TABLE thing (id int PRIMARY KEY)";
            lite(url, wal).await.expect("the template can be made");
        });
        let insert = format!("INSERT INTO thing VALUES ({number})");
        assert_eq!(lite(&database.url, &insert).await.expect("the copy has the table"), 1);
        assert_eq!(lite(&database.url, "DELETE FROM thing").await.expect("it is there"), 1, "nobody else's");
    });
}

#[test]
fn a_dropped_sqlite_database_is_gone() {
    let database = sqlite::empty();
    let path = database.path();
    block_on(async || lite(&database.url, "CREATE TABLE thing (id int)").await).expect("it can be made");
    assert!(path.exists());
    drop(database);
    assert!(!path.exists());
}

#[test]
fn a_dropped_postgres_database_is_gone_with_the_connections_to_it() {
    let database = postgres::shared(Durability::Fast).empty();
    let url = database.url.clone();
    block_on(async || {
        let mut connection = PgConnection::connect(&url).await.expect("it is there");
        drop(database);
        connection.ping().await.expect_err("the connection was ended");
        PgConnection::connect(&url).await.expect_err("the database is gone");
    });
}

#[test]
fn a_template_that_failed_is_made_again_by_the_next() {
    let cluster = postgres::shared(Durability::Fast);
    let failing = || cluster.database("failing", async |_| panic!("planted"));
    thread::scope(|scope| scope.spawn(failing).join())
        .err()
        .expect("the panic of the template comes through");
    let database = cluster.database("failing", async |url| {
        pg(url, "CREATE TABLE thing (id int)").await.expect("it is empty again");
    });
    block_on(async || pg(&database.url, "DELETE FROM thing").await).expect("the copy has the table");
}

#[test]
fn only_a_real_cluster_flushes_its_commits() {
    for (durability, flushes) in [(Durability::Fast, "off"), (Durability::Real, "on")] {
        let database = postgres::shared(durability).empty();
        let setting = block_on(async || {
            let mut connection = PgConnection::connect(&database.url).await?;
            sqlx::query_scalar::<_, String>("SHOW fsync").fetch_one(&mut connection).await
        });
        assert_eq!(setting.expect("the server is up"), flushes);
    }
}

#[test]
fn restarted_server_has_all_committed_facts() {
    let cluster = Cluster::start(Durability::Fast);
    let database = cluster.empty();
    block_on(async || {
        let made = "CREATE TABLE thing (id int); INSERT INTO thing VALUES (1)";
        pg(&database.url, made).await.expect("the server is up");
        cluster.stop_server();
        pg(&database.url, "DELETE FROM thing").await.expect_err("the server is down");
        cluster.start_server();
        assert_eq!(pg(&database.url, "DELETE FROM thing").await.expect("the server is up again"), 1);
    });
    let (dir, server) = (cluster.dir().to_owned(), server(cluster.dir()));
    assert!(is_running(&server));
    drop((database, cluster));
    assert!(!dir.exists() && !is_running(&server), "the cluster ends with its last user");
}

/// The test starts itself again as the victim, which starts a cluster and waits, and kills it with SIGKILL.
#[test]
fn a_killed_test_process_leaves_no_server_and_no_directory() {
    if let Some(note) = env::var_os(VICTIM) {
        let cluster = Cluster::start(Durability::Fast);
        fs::write(note, cluster.dir().display().to_string()).expect("the note can be written");
        io::stdin().read_line(&mut String::new()).expect("the killer lets us wait");
        return;
    }
    let scratch = tempfile::tempdir().expect("a directory can be made");
    let note = scratch.path().join("note");
    let mut victim = Command::new(env::current_exe().expect("we are a file"))
        .args(["--exact", "server::harness::a_killed_test_process_leaves_no_server_and_no_directory"])
        .env(VICTIM, &note)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("the victim starts");
    eventually("the victim's cluster is up", || fs::read(&note).is_ok_and(|text| !text.is_empty()));
    let dir = PathBuf::from(fs::read_to_string(&note).expect("the note is there"));
    let server = server(&dir);
    assert!(is_running(&server));

    victim.kill().expect("it can be killed");
    victim.wait().expect("it is dead");

    eventually("the directory is gone", || !dir.exists());
    assert!(!is_running(&server), "the server went before the directory");
}

/// Under nextest, several processes join one cluster. The runner is a shell that waits here.
#[test]
fn processes_of_a_run_share_a_cluster_that_ends_with_the_runner() {
    let mut runner =
        Command::new("sh").args(["-c", "read line"]).stdin(Stdio::piped()).spawn().expect("a shell");
    let run = OsString::from(format!("test-{}", process::id()));
    let joined = [(); 2].map(|()| Arc::new(Cluster::of_run(&run, runner.id())));
    assert_eq!(joined[0].dir(), joined[1].dir());
    let make = async |url: &str| {
        pg(url, "CREATE TABLE thing (id int)").await.expect("the template is made once");
    };
    let first = joined[0].database("joined", make);
    let second = joined[1].database("joined", make);
    block_on(async || {
        assert_eq!(pg(&first.url, "INSERT INTO thing VALUES (1)").await.expect("a table"), 1);
        assert_eq!(pg(&second.url, "DELETE FROM thing").await.expect("a table"), 0, "a database of its own");
    });
    let (dir, server) = (joined[0].dir().to_owned(), server(joined[0].dir()));
    drop((first, second, joined));
    assert!(is_running(&server), "other processes may use it");

    runner.kill().expect("it can be killed");
    runner.wait().expect("it is dead");
    eventually("the directory is gone", || !dir.exists());
    assert!(!is_running(&server), "the server ended before the directory was removed");
}

async fn one(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar("SELECT 1").fetch_one(connection).await
}

#[test]
fn link_delays_stalls_and_cuts_connections() {
    let database = postgres::shared(Durability::Fast).empty();
    let link = Link::to(&database);
    block_on(async || {
        let soon = Duration::from_millis(300);
        let connect = async || PgConnection::connect(&link.url).await;
        let mut first = connect().await.expect("a connection");
        assert_eq!(one(&mut first).await.expect("an answer"), 1);
        link.delay(Duration::from_millis(50));
        let start = Instant::now();
        one(&mut first).await.expect("an answer");
        assert!(start.elapsed() >= Duration::from_millis(100), "a round trip has two delays");
        link.delay(Duration::ZERO);
        // Old connections hang and new ones work.
        link.stall(New::Pass);
        let mut second = connect().await.expect("a connection");
        one(&mut second).await.expect("an answer");
        {
            let hanging = one(&mut first);
            let mut hanging = std::pin::pin!(hanging);
            assert!(tokio::time::timeout(soon, &mut hanging).await.is_err(), "the connection hangs");
            link.stall(New::Stall);
            assert!(tokio::time::timeout(soon, connect()).await.is_err(), "a new one hangs");
            link.resume();
            assert_eq!(hanging.await.expect("an answer"), 1, "what was sent meanwhile arrives");
        }
        one(&mut second).await.expect("an answer");
        link.cut(New::Refuse);
        assert_eq!(link.open(), 0);
        assert!(one(&mut first).await.is_err() && one(&mut second).await.is_err(), "both are reset");
        assert!(connect().await.is_err(), "a new one is refused");
        link.heal();
        one(&mut connect().await.expect("a connection")).await.expect("an answer");
    });
}

#[test]
fn panics_of_all_tasks_of_a_server_are_recorded() {
    panics::watch();
    let [ours, others] = [(); 2].map(|()| tokio::runtime::Runtime::new().expect("a runtime"));
    ours.block_on(async {
        tokio::runtime::Handle::current()
            .spawn(async { panic!("planted in a task") })
            .await
            .expect_err("it panics");
        tokio::task::spawn_blocking(|| panic!("planted in a thread")).await.expect_err("it panics");
        // A contained panic, as the router contains those of its handlers.
        std::panic::catch_unwind(|| panic!("planted in a handler")).expect_err("it panics");
    });
    let seen = panics::of(ours.handle().id()).join("\n");
    for place in ["a task", "a thread", "a handler"] {
        assert!(seen.contains(&format!("planted in {place}")), "{place}: {seen}");
    }
    assert!(!panics::of(others.handle().id()).join("\n").contains("planted"), "of another test");
}

#[test]
fn panic_in_the_log_of_a_server_process_fails_the_test() {
    let judged = |log: &'static [u8]| std::panic::catch_unwind(|| Watcher::of(log).judge()).is_ok();
    assert!(judged(b"listening\n"));
    assert!(!judged(b"listening\nthread 'tokio' panicked at src/http/files.rs:91:5:\n"));
}

/// The process id of the server that lives in a directory.
fn server(dir: &Path) -> String {
    let file = fs::read_to_string(dir.join("data/postmaster.pid")).unwrap_or_default();
    file.lines().next().map_or_else(|| panic!("no server in {}", dir.display()), str::to_owned)
}

fn is_running(process: &str) -> bool {
    Command::new("kill")
        .args(["-0", process])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Waits for what other processes do, which no clock of ours drives.
fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_mins(1), "not within a minute: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
