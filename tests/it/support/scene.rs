//! Events on sale at real servers whose database is behind a [`Link`], and the results that their clients see.

use std::{fmt::Debug, fs, path::Path, process::Command, time::Duration};

use serde_json::{Value, json};
use tempfile::TempDir;
use tessera::clock::Clock;
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use super::{
    World, given, laws,
    link::Link,
    postgres::Database,
    process::{Server, exchange},
    socket::Socket,
    world::application,
};

/// The password of all users.
pub(crate) const PASSWORD: &str = "correct horse battery";
/// Longer than any operation may take: its deadline of 10 seconds, plus a margin for a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(15);
/// The maximum time until everything works after new connections succeed: 10 seconds, plus a margin for a busy machine.
pub(crate) const RECOVERY: Duration = Duration::from_secs(15);
/// The pause between two checks.
const PAUSE: Duration = Duration::from_millis(50);

/// Watches an event.
pub(crate) const WATCH: &str = "subscription($event: ID!) { seatAvailability(eventId: $event) {
    __typename
    ... on AvailabilitySnapshot { version }
    ... on AvailabilityDelta { version seats { id status } } } }";

/// Reads the caller, which needs the session, and the event, which needs its inventory.
pub(crate) const BROWSE: &str = "query($event: ID!) { viewer { account { id } reservations { id } }
    event(id: $event) { name version availability { available reserved } } }";

/// The events on sale.
pub(crate) struct Goods {
    /// The events, all with the same seat map. The first has no hold budget.
    pub(crate) events: Vec<String>,
    /// The seats of that map.
    pub(crate) seats: Vec<String>,
}

/// Creates events with 300 seats each, and signs up `buyer@tessera.test`.
pub(crate) async fn put_on_sale(url: &str, events: usize) -> Goods {
    let world = World::of(application(url, Clock::system()).await, "beside the servers", url);
    let stage = world.large_stage().await;
    world.without_reservation_budget(&stage.vendor, &stage.event).await;
    world.user("buyer").await;
    let mut all = vec![stage.event.clone()];
    for number in 1..events {
        all.push(world.event(&stage.vendor, stage.place(), &format!("Concert {number}")).await);
    }
    world.end().await;
    Goods { events: all, seats: stage.seats }
}

/// A PostgreSQL database with events on sale, and a link to it.
pub(crate) struct Scene {
    /// The events on sale.
    pub(crate) goods: Goods,
    /// The link to the database.
    pub(crate) link: Link,
    /// The servers' data directory. The servers share their keys.
    pub(crate) data: TempDir,
    /// The database itself.
    pub(crate) database: Database,
}

impl Scene {
    /// Creates this number of events on sale.
    pub(crate) async fn on(database: Database, events: usize) -> Self {
        let goods = put_on_sale(&database.url, events).await;
        let data = tempfile::tempdir().expect("a directory");
        Self { goods, link: Link::to(&database), data, database }
    }

    /// Starts a server that connects to the database through the link.
    pub(crate) fn server(&self) -> Server {
        Server::start(&self.link.url, self.data.path())
    }

    /// Does the same with further settings.
    pub(crate) fn server_with(&self, settings: impl FnOnce(&mut Command) -> &mut Command) -> Server {
        Server::start_with(&self.link.url, self.data.path(), settings)
    }

    /// Starts a server that connects to the database directly.
    pub(crate) fn direct_server(&self) -> Server {
        Server::start(&self.database.url, self.data.path())
    }

    /// Returns the event without a hold budget.
    pub(crate) fn event(&self) -> &str {
        &self.goods.events[0]
    }

    /// Returns the single number of a query. Does not use the link.
    pub(crate) fn count(&self, query: &'static str) -> i64 {
        self.database.cluster().count(self.database.name(), query)
    }

    /// Waits until no transaction is open. Does not use the link.
    pub(crate) async fn no_transaction_is_left(&self) {
        no_transaction_is_left(&self.database).await;
    }

    /// Checks the invariants, including the work in progress when the servers ended.
    pub(crate) async fn laws_hold(&self) {
        laws::hold_once_settled(&self.database.url).await;
    }
}

/// Waits until no connection of the server is idle in a transaction. An abandoned transaction is idle until its
/// connection is used again, or until PostgreSQL ends it after 10 seconds.
pub(crate) async fn no_transaction_is_left(database: &Database) {
    let idle = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
        AND application_name = 'tessera' AND state LIKE 'idle in transaction%'";
    eventually(Duration::from_secs(3), "no transaction is left open", async || {
        match database.cluster().count(database.name(), idle) {
            0 => Ok(()),
            count => Err(count),
        }
    })
    .await;
}

/// The result of a request as a client sees it.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    /// A response.
    Answered { status: u16, body: Value },
    /// No connection, or a broken one.
    Closed,
    /// No response within the client's timeout.
    Silent,
}

impl Seen {
    /// Returns the top-level errors.
    pub(crate) fn errors(&self) -> &[Value] {
        match self {
            Self::Answered { body, .. } => body["errors"].as_array().map_or(&[], Vec::as_slice),
            Self::Closed | Self::Silent => &[],
        }
    }

    /// Returns the code of the first top-level error. Empty if there is none.
    pub(crate) fn code(&self) -> &str {
        self.errors().first().map_or("", |error| error["extensions"]["code"].as_str().unwrap_or("NONE"))
    }

    /// Returns the HTTP status, or 0 without a response.
    pub(crate) fn status(&self) -> u16 {
        if let Self::Answered { status, .. } = self { *status } else { 0 }
    }

    /// Returns the value in the data at a JSON pointer. Null if there is none.
    pub(crate) fn data(&self, pointer: &str) -> Value {
        match self {
            Self::Answered { body, .. } => body["data"].pointer(pointer).cloned().unwrap_or_default(),
            Self::Closed | Self::Silent => Value::Null,
        }
    }

    /// Returns whether there is a response without top-level errors.
    pub(crate) fn is_answer(&self) -> bool {
        matches!(self, Self::Answered { status: 200, .. }) && self.errors().is_empty()
    }

    /// Asserts that the response says that the service is unavailable.
    #[track_caller]
    pub(crate) fn is_unavailable(&self) {
        assert_eq!(self.code(), "UNAVAILABLE", "{self:?}");
    }

    /// Asserts that the response says when to retry.
    #[track_caller]
    pub(crate) fn says_when_to_come_back(&self) {
        let after = self.errors()[0]["extensions"]["retryAfterMs"].as_u64();
        assert!(after.is_some_and(|after| after > 0), "retryAfterMs is missing: {self:?}");
    }
}

/// Sends a request to the server at this address over a new connection.
pub(crate) async fn ask(
    address: &str,
    token: Option<&str>,
    (document, variables): (&str, Value),
    patience: Duration,
) -> Seen {
    let answer = async {
        let stream = TcpStream::connect(address).await.ok()?;
        exchange(stream, address, token, (document, &variables)).await
    };
    match timeout(patience, answer).await {
        Ok(Some((status, body))) => Seen::Answered { status, body },
        Ok(None) => Seen::Closed,
        Err(_) => Seen::Silent,
    }
}

/// Signs in as a new guest.
pub(crate) async fn guest(address: &str) -> String {
    let seen = ask(address, None, (given::GUEST, json!({})), DEADLINE).await;
    let token = seen.data("/createGuestSession/session/accessToken");
    token.as_str().unwrap_or_else(|| panic!("no guest: {seen:?}")).to_owned()
}

/// A seat to reserve under a key.
#[derive(Clone, Copy)]
pub(crate) struct Wish<'a> {
    pub(crate) event: &'a str,
    pub(crate) seat: &'a str,
    /// Part of the idempotency key.
    pub(crate) key: &'a str,
}

/// Reserves a seat under a key.
pub(crate) async fn reserve(address: &str, token: &str, wish: Wish<'_>, patience: Duration) -> Seen {
    let Wish { event, seat, key } = wish;
    // A key has at least eight characters.
    let input = json!({ "event": event, "seats": [seat], "key": format!("outage-{key}") });
    ask(address, Some(token), (given::RESERVE, input), patience).await
}

/// Browses an event as a guest.
pub(crate) async fn browse(address: &str, token: &str, event: &str, patience: Duration) -> Seen {
    ask(address, Some(token), (BROWSE, json!({ "event": event })), patience).await
}

/// Watches an event. Returns the socket after the first result, with its version.
pub(crate) async fn watching(address: &str, token: Option<&str>, event: &str) -> (Socket, i64) {
    let mut socket = Socket::open(address, token).await;
    socket.subscribe("map", WATCH, json!({ "event": event })).await;
    let first = socket.next().await;
    let version = first["seatAvailability"]["version"].as_i64();
    (socket, version.unwrap_or_else(|| panic!("no version: {first}")))
}

/// Repeats the call until it returns `Ok`. Panics with the last error after this time.
pub(crate) async fn eventually<T, E: Debug>(
    bound: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let begun = Instant::now();
    loop {
        match look().await {
            Ok(found) => return found,
            Err(other) => {
                assert!(begun.elapsed() < bound, "not within {bound:?}: {what}; the last was {other:?}");
            }
        }
        sleep(PAUSE).await;
    }
}

/// Returns the lines of a server's log.
pub(crate) fn log(file: &Path) -> Vec<String> {
    fs::read_to_string(file).expect("the log").lines().map(str::to_owned).collect()
}

/// Returns whether a line of the log has one of these levels.
pub(crate) fn is_of_level(line: &str, levels: &[&str]) -> bool {
    line.split_whitespace().nth(1).is_some_and(|level| levels.contains(&level))
}
