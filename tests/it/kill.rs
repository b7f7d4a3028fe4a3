//! `kill -9` in the middle of purchases: nothing that was answered is gone, and nothing stays stuck.
//!
//! The server is the real binary, a process of its own, killed by its id.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use chrono::{DateTime, Utc};
use entity::inventory::{SeatStatus, seat};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use tessera::clock::Clock;
use tokio_util::task::TaskTracker;

use crate::support::{World, blocking::block_on, given, laws, postgres, sqlite, world::application};

const KILLS: usize = 5;
const CLIENTS: usize = 8;

struct Server {
    child: Child,
    address: String,
}

/// A test that fails leaves no server behind.
impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Server {
    fn start(url: &str, data: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tessera"))
            .args(["--listen", "127.0.0.1:0", "--demo", "false", "--database-url", url])
            .args(["--data-dir", &data.display().to_string()])
            .env("RUST_LOG", "error")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let address = loop {
            let line = lines.next().expect("a line").expect("text");
            if let Some(address) = line.strip_prefix("listening on http://") {
                break address.to_owned();
            }
        };
        Self { child, address }
    }

    fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }

    /// A request over a connection of its own; none when the server died before it answered.
    async fn gql(&self, token: Option<&str>, document: &str, variables: Value) -> Option<Value> {
        request(&self.address, token, document, variables).await
    }
}

async fn request(address: &str, token: Option<&str>, document: &str, variables: Value) -> Option<Value> {
    let body = json!({ "query": document, "variables": variables }).to_string();
    let authorization = token.map_or(String::new(), |token| format!("authorization: Bearer {token}\r\n"));
    let head = format!(
        "POST /graphql HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n{authorization}\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(format!("{head}{body}").as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    let text = String::from_utf8(answer).ok()?;
    let (_, body) = text.split_once("\r\n\r\n")?;
    // An answer that was cut off is none.
    serde_json::from_str(body.trim()).ok()
}

/// What the server answered, and so must be true ever after.
#[derive(Default)]
struct Promises {
    reservations: Vec<(String, String)>,
    paid: Vec<(String, String)>,
}

#[test]
fn kill_nine_loses_nothing_answered_on_sqlite() {
    let database = sqlite::database("migrated_kill", migrate);
    let data = tempfile::tempdir().expect("a directory");
    block_on(async || survive(&database.url, data.path()).await);
}

#[test]
fn kill_nine_loses_nothing_answered_on_postgres() {
    let database = postgres::database("migrated_kill", migrate);
    let data = tempfile::tempdir().expect("a directory");
    block_on(async || survive(&database.url, data.path()).await);
}

async fn migrate(url: &str) {
    let store = tessera::store::Store::connect(url, 1).await.expect("a database");
    store.migrate().await.expect("the schema");
    store.close().await.expect("closed");
}

async fn survive(url: &str, data: &Path) {
    let promises = Arc::new(Mutex::new(Promises::default()));
    let mut server = Server::start(url, data);
    let (event, seats) = stage(&server, url).await;
    for round in 0..KILLS {
        let clients = TaskTracker::new();
        for client in 0..CLIENTS {
            let (address, event, promises) = (server.address.clone(), event.clone(), promises.clone());
            let seats: Vec<String> =
                seats.iter().skip(round * CLIENTS * 6 + client * 6).take(6).cloned().collect();
            clients.spawn(async move { shop(&address, &event, &seats, &promises).await });
        }
        clients.close();
        // Killed when some are through and others are in the middle, wherever that is.
        let wanted = promises.lock().expect("promises").paid.len() + 3 + round;
        while promises.lock().expect("promises").paid.len() < wanted && !clients.is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        server.kill();
        clients.wait().await;
        server = Server::start(url, data);
        check(&server, &promises).await;
    }
    settled(url).await;
    server.kill();
    let promises = promises.lock().expect("promises");
    assert!(
        promises.paid.len() >= KILLS * 3,
        "the kills came in the middle of purchases: {}",
        promises.paid.len()
    );
}

/// Buys seat after seat until the server dies.
async fn shop(address: &str, event: &str, seats: &[String], promises: &Mutex<Promises>) -> Option<()> {
    let guest = "mutation { createGuestSession { session { accessToken } errors { code } } }";
    let token = request(address, None, guest, json!({})).await?;
    let token = token["data"]["createGuestSession"]["session"]["accessToken"].as_str()?.to_owned();
    for seat in seats {
        let input = json!({ "event": event, "seats": [seat], "key": format!("key-{seat}") });
        let reserved = request(address, Some(&token), given::RESERVE, input).await?;
        let id = reserved["data"]["reserveSeats"]["reservation"]["id"].as_str()?.to_owned();
        promises.lock().expect("promises").reservations.push((token.clone(), id.clone()));
        let input = json!({ "reservations": [id], "key": format!("out-{seat}") });
        let order = request(address, Some(&token), given::CHECKOUT, input).await?;
        let order = order["data"]["checkout"]["order"]["id"].as_str()?.to_owned();
        let input = json!({ "order": order, "method": "pm_card_visa", "key": format!("pay-{seat}") });
        let paid = request(address, Some(&token), given::PAY, input).await?;
        if paid["data"]["payOrder"]["order"]["state"] == "PAID" {
            promises.lock().expect("promises").paid.push((token.clone(), order));
        }
    }
    Some(())
}

/// Whatever was answered is still true.
async fn check(server: &Server, promises: &Mutex<Promises>) {
    let (reservations, paid) = {
        let promises = promises.lock().expect("promises");
        (promises.reservations.clone(), promises.paid.clone())
    };
    for (token, id) in reservations {
        let document = "query($id: ID!) { reservation(id: $id) { state } }";
        let answer = server.gql(Some(&token), document, json!({ "id": id })).await.expect("an answer");
        let state = answer["data"]["reservation"]["state"].as_str().expect("the reservation is there");
        assert!(matches!(state, "ACTIVE" | "PAYING" | "CONVERTED"), "{id} is {state}");
    }
    for (token, id) in paid {
        let document = "query($id: ID!) { order(id: $id) { state tickets { code } } }";
        let answer = server.gql(Some(&token), document, json!({ "id": id })).await.expect("an answer");
        assert_eq!(answer["data"]["order"]["state"], "PAID", "{id}");
        assert!(answer["data"]["order"]["tickets"][0]["code"].is_string(), "{id}");
    }
}

/// In a world whose clock is past every deadline, all that was left undecided is decided, and the laws hold.
async fn settled(url: &str) {
    let app = application(url, Clock::manual(in_an_hour())).await;
    for _ in 0..5 {
        tessera::worker::settle(&app).await.expect("settled");
        tessera::worker::expire(&app).await.expect("expired");
        app.clock.advance(Duration::from_mins(1));
    }
    let stuck = seat::Entity::find()
        .filter(seat::Column::Status.is_in([SeatStatus::Reserved, SeatStatus::Paying]))
        .all(app.store.read())
        .await
        .expect("seats");
    assert!(stuck.is_empty(), "seats stuck beyond their deadlines: {stuck:?}");
    laws::hold(&app).await;
    tessera::server::close(app, Duration::from_secs(10)).await;
}

/// An hour from now: beyond every deadline of this test.
#[expect(clippy::disallowed_methods, reason = "the server is a real process with the real time")]
fn in_an_hour() -> DateTime<Utc> {
    Utc::now() + chrono::Duration::hours(1)
}

/// An event on sale with seats enough, made in the database by an application beside the server.
async fn stage(server: &Server, url: &str) -> (String, Vec<String>) {
    let app = application(url, Clock::system()).await;
    let world = World::of(app, "beside the server", url);
    let stage = world.large_stage().await;
    world.end().await;
    let left = "query($id: ID!) { event(id: $id) { seatsLeft } }";
    let answer = server.gql(None, left, json!({ "id": stage.event })).await.expect("an answer");
    assert_eq!(answer["data"]["event"]["seatsLeft"], 350);
    (stage.event, stage.seats)
}
