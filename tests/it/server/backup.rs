//! Backups of a running database. After a restore all laws hold, and newer cursors get a snapshot.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use serde_json::{Value, json};
use tessera::clock::Clock;
use test_case::test_case;

use crate::support::Database::{self, Postgres, Sqlite};
use crate::support::{
    World,
    command::{Ended, tessera},
    given::Stage,
    postgres::{self, Durability},
    run_on, run_on_postgres, run_once,
    socket::Socket,
    world::{application, start_of_time},
};

const WATCH: &str =
    "subscription($event: ID!, $after: Long) { seatAvailability(eventId: $event, after: $after) {
    __typename
    ... on AvailabilitySnapshot { version }
    ... on AvailabilityDelta { after version } } }";

fn backup(url: &str, file: &Path) -> Ended {
    let data = tempfile::tempdir().expect("a directory");
    tessera(url, data.path(), &["backup", &file.display().to_string()])
}

/// The first message to a client that has this version.
async fn first_message(world: &World, event: &str, after: Option<i64>) -> (Socket, Value) {
    let address = world.listen().await;
    let mut socket = Socket::open(&address, None).await;
    socket.subscribe("watch", WATCH, json!({ "event": event, "after": after })).await;
    let message = socket.next().await["seatAvailability"].clone();
    (socket, message)
}

async fn version(world: &World, event: &str) -> i64 {
    let (_, message) = first_message(world, event, None).await;
    message["version"].as_i64().expect("a version")
}

/// Sells some seats, and returns the version after that.
async fn sell(world: &World, stage: &Stage, seats: std::ops::Range<usize>) -> i64 {
    for seat in &stage.seats[seats] {
        let buyer = world.guest().await;
        world.buy(&buyer, &stage.event, &[seat]).await;
    }
    version(world, &stage.event).await
}

/// Opens the restored database. A client knows a version that it does not have.
async fn after_restore(url: &str, backend: &'static str, stage: &Stage, (restored, known): (i64, i64)) {
    assert!(known > restored, "sold after the backup");
    let world = World::of(application(url, Clock::manual(start_of_time())).await, backend, url);
    for after in [known, known + 10_000] {
        let (mut socket, message) = first_message(&world, &stage.event, Some(after)).await;
        assert_eq!(message["__typename"], "AvailabilitySnapshot", "{message}");
        assert_eq!(message["version"], restored, "{message}");
        // And from there it goes on without a gap, also past the version that the client had.
        if after == known {
            let now = sell(&world, stage, 200..203).await;
            let mut last = restored;
            while last < now {
                let message = socket.next().await["seatAvailability"].clone();
                assert_eq!(message["after"], last, "{message}");
                last = message["version"].as_i64().expect("a version");
            }
            return world.end().await;
        }
    }
}

#[test]
fn backup_of_a_sqlite_file_in_use_is_whole() {
    run_once(async |world: &World| {
        let stage = world.large_stage().await;
        let before = sell(world, &stage, 0..3).await;
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("backup's copy.db");
        // Buyers go on buying while it is made.
        let url = world.url.clone();
        let copy = file.clone();
        let copying = tokio::task::spawn_blocking(move || backup(&url, &copy));
        let mut seat = 3;
        while !copying.is_finished() {
            sell(world, &stage, seat..seat + 1).await;
            seat += 1;
        }
        let finished = copying.await.expect("no panic");
        assert!(finished.status.success() && finished.output.contains("sound copy"), "{}", finished.log);
        let known = sell(world, &stage, seat..seat + 2).await;
        let mode = fs::metadata(&file).expect("the copy").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let names: Vec<_> = fs::read_dir(dir.path()).expect("a directory").flatten().collect();
        assert_eq!(names.len(), 1, "nothing else is left: {names:?}");
        let bytes = fs::read(&file).expect("the copy");
        let again = backup(&world.url, &file);
        assert_eq!(again.status.code(), Some(1));
        assert!(again.log.contains("overwrites nothing"), "{}", again.log);
        assert_eq!(fs::read(&file).expect("the copy"), bytes, "nothing was overwritten");
        // The restore is a copy to where the database was.
        let restored = dir.path().join("tessera.db");
        fs::copy(&file, &restored).expect("copied");
        let url = format!("sqlite://{}", restored.display());
        let app = application(&url, Clock::manual(start_of_time())).await;
        let copy = World::of(app, "a copy", &url);
        let version = version(&copy, &stage.event).await;
        copy.end().await;
        assert!((before..known).contains(&version), "{before} <= {version} < {known}");
        after_restore(&url, "a restored SQLite file", &stage, (version, known)).await;
    });
}

#[test]
fn backup_without_a_sqlite_file_explains_the_alternative() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("copy.db");
    let ended = backup("postgres://localhost/tessera", &file);
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.log.contains("pg_dump"), "{}", ended.log);
    let missing = dir.path().join("missing.db");
    let ended = backup(&format!("sqlite://{}", missing.display()), &file);
    assert_eq!(ended.status.code(), Some(1));
    assert!(!missing.exists() && !file.exists(), "nothing was made");
    let garbage = dir.path().join("garbage.db");
    fs::write(&garbage, [b'x'; 8_192]).expect("written");
    let ended = backup(&format!("sqlite://{}", garbage.display()), &file);
    assert_eq!(ended.status.code(), Some(1));
    assert!(!file.exists(), "no copy of what is no database");
}

#[test]
fn restored_dump_of_postgres_keeps_the_laws_and_answers_newer_cursors() {
    run_on_postgres(async |world: &World| {
        let stage = world.large_stage().await;
        let restored = sell(world, &stage, 0..3).await;
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("tessera.dump").display().to_string();
        postgres::program("pg_dump", &["--format=custom", "--file", &file, "--dbname", &world.url]);
        let known = sell(world, &stage, 3..5).await;
        let empty = postgres::shared(Durability::Fast).empty();
        postgres::program("pg_restore", &["--exit-on-error", "--no-owner", "--dbname", &empty.url, &file]);
        after_restore(&empty.url, "a restored PostgreSQL", &stage, (restored, known)).await;
    });
}

/// A client knows a version of the history that was lost; meanwhile the restored database has another of that number.
#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn after_a_restore_no_client_goes_on_from_a_lost_history(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.large_stage().await;
        let first = sell(world, &stage, 0..2).await;
        let data = tempfile::tempdir().expect("a directory");
        let done = tessera(&world.url, data.path(), &["after-restore"]);
        assert!(done.status.success(), "{}", done.log);
        assert!(done.output.contains("1 events"), "{}", done.output);
        let restored =
            World::of(application(&world.url, Clock::manual(start_of_time())).await, "restored", &world.url);
        let now = sell(&restored, &stage, 2..6).await;
        assert!(now > first + 1_000_000, "{now}");
        for lost in [first - 1, first, first + 3, now - 1_000_000] {
            let (_, message) = first_message(&restored, &stage.event, Some(lost)).await;
            assert_eq!(message["__typename"], "AvailabilitySnapshot", "after {lost}: {message}");
        }
        let (_, message) = first_message(&restored, &stage.event, Some(now - 1)).await;
        assert_eq!(message["__typename"], "AvailabilityDelta", "{message}");
        restored.end().await;
        // This world's memory is of before.
        tessera::inventory::follow_others(&world.app).await.expect("followed");
    });
}
