//! Reservations while another session locks the row of their event: answered in time, without delaying readers.

use std::{fs::File, time::Duration};

use futures_util::future::join_all;
use serde_json::json;
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::support::{
    blocking::block_on,
    given, laws,
    peer::Peer,
    postgres,
    process::Server,
    scene::{
        DEADLINE, Goods, RECOVERY, Wish, ask, browse, eventually, guest, is_of_level, log, put_on_sale,
        reserve, watching,
    },
    sqlite,
    world::migrate,
};

/// How long readers of an event may wait while its row is locked.
const READING: Duration = Duration::from_secs(2);

/// Another session's lock, as a connection of either database that has it.
enum Lock {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

impl Lock {
    /// Locks the one inventory row; on SQLite, which knows no other lock, the database against writers.
    async fn take(url: &str) -> Self {
        if url.starts_with("sqlite:") {
            let mut connection = SqliteConnection::connect(url).await.expect("a connection");
            sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut connection).await.expect("the lock");
            return Self::Sqlite(connection);
        }
        let mut connection = PgConnection::connect(url).await.expect("a connection");
        let lock = "BEGIN; SELECT 1 FROM inventory FOR UPDATE";
        sqlx::raw_sql(lock).execute(&mut connection).await.expect("the lock");
        Self::Postgres(connection)
    }

    async fn release(self) {
        match self {
            Self::Postgres(mut connection) => {
                sqlx::raw_sql("ROLLBACK").execute(&mut connection).await.expect("released");
                connection.close().await.expect("closed");
            }
            Self::Sqlite(mut connection) => {
                sqlx::raw_sql("ROLLBACK").execute(&mut connection).await.expect("released");
                connection.close().await.expect("closed");
            }
        }
    }
}

/// Reads the availability and subscribes to it again and again until `ended`. Returns what was not answered in time.
async fn read_availability(address: &str, event: &str, ended: &CancellationToken) -> Vec<String> {
    let (mut number, mut problems) = (0, Vec::new());
    while !ended.is_cancelled() || number == 0 {
        number += 1;
        // Another text each time: answers to the same text are kept for a moment.
        let query = format!(
            "query Q{number}($event: ID!) {{ event(id: $event) {{ availability {{ version available }} }} }}"
        );
        let seen = ask(address, None, (&query, json!({ "event": event })), READING).await;
        if !seen.is_answer() || !seen.data("/event/availability/available").is_number() {
            problems.push(format!("query {number} is not answered within {READING:?}: {seen:?}"));
        }
        if timeout(READING, watching(address, None, event)).await.is_err() {
            problems.push(format!("subscription {number} has no result within {READING:?}"));
        }
        drop(timeout(Duration::from_millis(100), ended.cancelled()).await);
    }
    problems
}

/// Reserves while another session has the lock, which must be answered within `bound`, and again after that. `is_warm`: the
/// server has the stock in memory.
async fn reserve_behind_a_lock(url: &str, seconds: Option<u64>, bound: Duration, is_warm: bool) {
    let Goods { events, seats } = put_on_sale(url, 1).await;
    let (data, event) = (tempfile::tempdir().expect("a directory"), &*events[0]);
    let server = Server::start_with(url, data.path(), |command| {
        command
            .env("RUST_LOG", "off")
            .envs(seconds.map(|seconds| ("TESSERA_MUTATION_SECONDS", seconds.to_string())))
    });
    let token = guest(&server.address).await;
    if is_warm {
        let seen = browse(&server.address, &token, event, DEADLINE).await;
        assert_eq!(seen.data("/event/availability/reserved"), 0, "{seen:?}");
    }
    let lock = Lock::take(url).await;
    let answered = CancellationToken::new();
    let (begun, patience) = (Instant::now(), Duration::from_mins(1));
    let reserving = async {
        let seen =
            reserve(&server.address, &token, Wish { event, seat: &seats[0], key: "key" }, patience).await;
        answered.cancel();
        (seen, begun.elapsed())
    };
    let reading = read_availability(&server.address, event, &answered);
    let ((seen, took), mut problems) = tokio::join!(reserving, reading);
    if took >= bound {
        problems.insert(0, format!("a reservation is answered after {took:?}: {seen:?}"));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    seen.is_unavailable();
    seen.says_when_to_come_back();
    lock.release().await;
    let reserved = async || {
        let seen =
            reserve(&server.address, &token, Wish { event, seat: &seats[0], key: "key" }, DEADLINE).await;
        let id = seen.data("/reserveSeats/reservation/id");
        id.as_str().map(str::to_owned).ok_or(seen)
    };
    let first = eventually(RECOVERY, "the same key reserves", reserved).await;
    assert_eq!(reserved().await.ok(), Some(first), "the same key, the same reservation");
    let seen = browse(&server.address, &token, event, DEADLINE).await;
    assert_eq!(seen.data("/event/availability/reserved"), 1, "reserved once: {seen:?}");
    assert_eq!(seen.data("/viewer/reservations/1"), serde_json::Value::Null, "reserved once: {seen:?}");
    server.stop();
    laws::hold_once_settled(url).await;
}

/// The default deadline is 10 seconds.
#[test]
fn reservation_behind_a_locked_row_is_answered_within_the_default_deadline() {
    let database = postgres::database("migrated", migrate);
    block_on(async || reserve_behind_a_lock(&database.url, None, DEADLINE, true).await);
}

#[test]
fn reservation_behind_a_locked_row_is_answered_within_its_deadline() {
    let database = postgres::database("migrated", migrate);
    block_on(async || reserve_behind_a_lock(&database.url, Some(5), Duration::from_secs(9), false).await);
}

#[test]
fn reservation_behind_a_locked_file_is_answered_within_its_deadline() {
    let database = sqlite::database("migrated", migrate);
    block_on(async || reserve_behind_a_lock(&database.url, Some(5), Duration::from_secs(9), true).await);
}

/// Reserves a seat in a request with this id, and waits for its answer.
async fn reserve_as(address: &str, token: &str, (event, seat, id): (&str, &str, &str)) {
    let variables = json!({ "event": event, "seats": [seat], "key": format!("key-{id}") });
    let body = json!({ "query": given::RESERVE, "variables": variables }).to_string();
    let mut peer = Peer::connect(address).await;
    peer.send(format!(
        "POST /graphql HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\nx-request-id: {id}\r\n\
         authorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ))
    .await;
    let answer = peer.text().await;
    assert!(answer.contains("UNAVAILABLE"), "{id}: {answer}");
}

#[test]
fn failed_batches_are_logged_with_the_ids_of_their_requests() {
    let database = postgres::database("migrated", migrate);
    block_on(async || {
        let Goods { events, seats } = put_on_sale(&database.url, 1).await;
        let data = tempfile::tempdir().expect("a directory");
        let file = data.path().join("log");
        let server = Server::start_with(&database.url, data.path(), |command| {
            let log = File::create(&file).expect("a log");
            command.env_remove("RUST_LOG").env("TESSERA_MUTATION_SECONDS", "5").stderr(log)
        });
        let token = guest(&server.address).await;
        let lock = Lock::take(&database.url).await;
        let ids = ["reserve-first", "reserve-second", "reserve-third"];
        let requests = ids.iter().zip(&seats);
        join_all(requests.map(|(id, seat)| reserve_as(&server.address, &token, (&events[0], seat, id))))
            .await;
        lock.release().await;
        server.stop();
        let lines = log(&file);
        for id in ids {
            let tells = |line: &String| {
                is_of_level(line, &["WARN", "ERROR"]) && line.contains("batch") && line.contains(id)
            };
            assert!(lines.iter().any(tells), "no failed batch with the request {id}:\n{}", lines.join("\n"));
        }
        laws::hold_once_settled(&database.url).await;
    });
}
