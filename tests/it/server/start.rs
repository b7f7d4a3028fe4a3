//! Start of a server: it waits for the database, names the cause of a failure, and is the only server of its SQLite
//! file.

use std::fs;

use crate::support::{
    blocking::block_on,
    command::{Process, free_address, tessera},
    peer,
    postgres::{self, Cluster, Durability},
    sqlite,
    world::migrate,
};

const FAIL_AT_ONCE: [&str; 2] = ["--database-wait-seconds", "0"];

/// What the server at this address answers to a `GET`.
fn get(address: &str, path: &str) -> String {
    block_on(async || peer::ask(address, path, &[&format!("host: {address}")]).await)
}

#[test]
fn server_waits_for_the_database_and_answers_probes_meanwhile() {
    let cluster = Cluster::start(Durability::Fast);
    let database = cluster.database("migrated", migrate);
    cluster.stop_server();
    let data = tempfile::tempdir().expect("a directory");
    let address = free_address();
    let mut server = Process::start(&database.url, data.path(), &["--listen", &address]);
    let line = server.logged("waiting for the database");
    assert!(line.contains("connection refused"), "{line}");
    let probe = get(&address, "/health/live");
    assert_eq!(peer::status(&probe), 200, "{probe}");
    for path in ["/health/ready", "/graphql?query=%7B__typename%7D"] {
        let answer = get(&address, path);
        assert_eq!(peer::status(&answer), 503, "{answer}");
        assert!(answer.contains("UNAVAILABLE") && answer.contains("retry-after"), "{answer}");
    }
    cluster.start_server();
    server.printed("listening on");
    assert_eq!(peer::status(&get(&address, "/health/ready")), 200);
    assert_eq!(peer::status(&get(&address, "/health/live")), 200);
    server.signal("-TERM");
    assert!(server.end().status.success());
}

#[test]
fn stop_signal_ends_the_wait_for_the_database() {
    let data = tempfile::tempdir().expect("a directory");
    let url = format!("postgres://tessera@{}/tessera", free_address());
    let mut server = Process::start(&url, data.path(), &["--listen", "127.0.0.1:0"]);
    server.logged("waiting for the database");
    server.signal("-TERM");
    assert!(server.end().status.success());
}

#[test]
fn start_that_waits_in_vain_names_the_cause_and_the_setting() {
    let data = tempfile::tempdir().expect("a directory");
    let address = free_address();
    let url = format!("postgres://tessera@{address}/tessera");
    let ended = tessera(&url, data.path(), &["--listen", "127.0.0.1:0", "--database-wait-seconds", "1"]);
    assert_eq!(ended.status.code(), Some(1));
    for part in [&*address, "connection refused", "TESSERA_DATABASE_WAIT_SECONDS"] {
        assert!(ended.log.contains(part), "{part} in {}", ended.log);
    }
    assert_eq!(ended.log.matches("waiting for the database").count(), 1, "one line: {}", ended.log);
}

#[test]
fn failed_start_names_the_real_cause() {
    let cluster = Cluster::start(Durability::Fast);
    let database = cluster.database("migrated", migrate);
    cluster.administer("CREATE ROLE crowded LOGIN CONNECTION LIMIT 0");
    cluster.administer("CREATE ROLE guarded LOGIN PASSWORD 'right'");
    let rules = cluster.dir().join("data/pg_hba.conf");
    let trusting = fs::read_to_string(&rules).expect("the rules");
    fs::write(&rules, format!("local all guarded scram-sha-256\n{trusting}")).expect("written");
    cluster.administer("SELECT pg_reload_conf()");
    let data = tempfile::tempdir().expect("a directory");
    let url = |role: &str, name: &str| cluster.address(role, name);
    let wrong = url("guarded", database.name()).replace("guarded@", "guarded:wrong@");
    let gone = format!("postgres://tessera@{}/tessera", free_address());
    // Only the first two may pass; the others are not waited for, although the default is to wait a minute.
    let causes = [
        (url("crowded", database.name()), "too many connections", true),
        (gone, "connection refused", true),
        (wrong, "password authentication failed", false),
        (url("nobody", database.name()), "role \"nobody\" does not exist", false),
        (url("tessera", "nothing"), "database \"nothing\" does not exist", false),
        (
            "postgres://tessera@h1,h2/tessera?target_session_attrs=standby".to_owned(),
            "must be read-write, primary or any",
            false,
        ),
    ];
    for (url, cause, is_passing) in causes {
        let args = if is_passing { &FAIL_AT_ONCE[..] } else { &[] };
        let ended = tessera(&url, data.path(), &[&["--listen", "127.0.0.1:0"], args].concat());
        assert_eq!(ended.status.code(), Some(1), "{cause}");
        let message = ended.log.lines().find(|line| line.starts_with("tessera: ")).expect("a message");
        assert!(message.contains(cause), "{cause} in {message}");
        assert!(!ended.log.contains("pool timed out"), "{}", ended.log);
        assert!(!message.contains("wrong@"), "no password: {message}");
    }
}

#[test]
fn second_server_on_a_sqlite_file_is_refused() {
    let database = sqlite::database("migrated", migrate);
    let data = tempfile::tempdir().expect("a directory");
    let start = || Process::start(&database.url, data.path(), &["--listen", "127.0.0.1:0"]);
    let mut first = start();
    first.printed("listening on");
    let other = tempfile::tempdir().expect("a directory");
    for args in [&["--listen", "127.0.0.1:0"][..], &["migrate"], &["migrate", "down"]] {
        let ended = tessera(&database.url, other.path(), args);
        assert_eq!(ended.status.code(), Some(1), "{args:?}: {}", ended.output);
        assert!(ended.log.contains("is in use by another Tessera (process"), "{}", ended.log);
        assert!(ended.log.contains("for several, use PostgreSQL"), "{}", ended.log);
    }
    // Readers and small commands are not kept out.
    assert!(tessera(&database.url, other.path(), &["migrate", "status"]).status.success());
    let ended = tessera(&database.url, other.path(), &["operator", "nobody@tessera.test"]);
    assert!(!ended.log.contains("in use"), "{}", ended.log);
    // Neither a kill nor an orderly stop leaves a stale lock.
    drop(first);
    let mut second = start();
    second.printed("listening on");
    second.signal("-TERM");
    assert!(second.end().status.success());
    let mut third = start();
    third.printed("listening on");
}

#[test]
fn several_instances_that_start_at_once_migrate_one_after_the_other() {
    let database = postgres::shared(Durability::Fast).empty();
    let data = tempfile::tempdir().expect("a directory");
    // The keys first, so that only the schema is raced for.
    let listen = ["--listen", "127.0.0.1:0"];
    assert!(tessera("sqlite::memory:", data.path(), &["keys"]).status.success());
    let mut servers: Vec<_> = (0..4).map(|_| Process::start(&database.url, data.path(), &listen)).collect();
    for server in &mut servers {
        server.printed("listening on");
    }
    assert!(tessera(&database.url, data.path(), &["migrate", "status"]).status.success());
}
