//! Events on sale at real servers whose database can be reached through a [`Link`], and what their clients see.

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
/// Longer than any operation may take: its deadline of 10 seconds, and room for a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(15);
/// How soon all has to work again once a new connection would succeed: 10 seconds, and room for a busy machine.
pub(crate) const RECOVERY: Duration = Duration::from_secs(15);
/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// Watches an event.
pub(crate) const WATCH: &str = "subscription($event: ID!) { seatAvailability(eventId: $event) {
    __typename
    ... on AvailabilitySnapshot { version }
    ... on AvailabilityDelta { version seats { id status } } } }";

/// Reads the caller, for which the session is looked up, and the event, for which the stock is.
pub(crate) const BROWSE: &str = "query($event: ID!) { viewer { account { id } reservations { id } }
    event(id: $event) { name version availability { available reserved } } }";

/// What was put on sale.
pub(crate) struct Goods {
    /// The events, all on the same seat map. The first has no hold budget.
    pub(crate) events: Vec<String>,
    /// The seats of that map.
    pub(crate) seats: Vec<String>,
}

/// Puts events with 300 seats each on sale, and signs up `buyer@tessera.test`.
pub(crate) async fn put_on_sale(url: &str, events: usize) -> Goods {
    let world = World::of(application(url, Clock::system()).await, "beside the servers", url);
    let stage = world.large_stage().await;
    world.without_hold_budget(&stage.vendor, &stage.event).await;
    world.user("buyer").await;
    let mut all = vec![stage.event.clone()];
    for number in 1..events {
        all.push(world.event(&stage.vendor, stage.place(), &format!("Concert {number}")).await);
    }
    world.end().await;
    Goods { events: all, seats: stage.seats }
}

/// A database on PostgreSQL with events on sale, and a link to it.
pub(crate) struct Scene {
    /// What is on sale.
    pub(crate) goods: Goods,
    /// The link, through which the database is reached.
    pub(crate) link: Link,
    /// The servers' data directory: they have the same keys.
    pub(crate) data: TempDir,
    /// The database itself.
    pub(crate) database: Database,
}

impl Scene {
    /// Puts this number of events on sale.
    pub(crate) async fn on(database: Database, events: usize) -> Self {
        let goods = put_on_sale(&database.url, events).await;
        let data = tempfile::tempdir().expect("a directory");
        Self { goods, link: Link::to(&database), data, database }
    }

    /// Starts a server that reaches the database through the link.
    pub(crate) fn server(&self) -> Server {
        Server::start(&self.link.url, self.data.path())
    }

    /// The same with further settings.
    pub(crate) fn server_with(&self, settings: impl FnOnce(&mut Command) -> &mut Command) -> Server {
        Server::start_with(&self.link.url, self.data.path(), settings)
    }

    /// Starts a server that reaches the database directly.
    pub(crate) fn direct_server(&self) -> Server {
        Server::start(&self.database.url, self.data.path())
    }

    /// The event without a hold budget.
    pub(crate) fn event(&self) -> &str {
        &self.goods.events[0]
    }

    /// Returns the one number that a query gives, whatever the link does.
    pub(crate) fn count(&self, query: &'static str) -> i64 {
        self.database.cluster().count(self.database.name(), query)
    }

    /// Waits until no transaction is left open, whatever the link does.
    pub(crate) async fn no_transaction_is_left(&self) {
        no_transaction_is_left(&self.database).await;
    }

    /// Asserts the laws, also about what was under way when the servers ended.
    pub(crate) async fn laws_hold(&self) {
        laws::hold_once_settled(&self.database.url).await;
    }
}

/// Waits for a moment at which no connection of the server is idle in a transaction. One that was left behind is idle until
/// it is used again, or until PostgreSQL ends it after 10 seconds.
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

/// What a client sees of one request.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    /// An answer.
    Answered { status: u16, body: Value },
    /// No connection, or one that broke.
    Closed,
    /// No answer within the client's patience.
    Silent,
}

impl Seen {
    /// The top-level errors.
    pub(crate) fn errors(&self) -> &[Value] {
        match self {
            Self::Answered { body, .. } => body["errors"].as_array().map_or(&[], Vec::as_slice),
            Self::Closed | Self::Silent => &[],
        }
    }

    /// The code of the first top-level error; empty if there is none.
    pub(crate) fn code(&self) -> &str {
        self.errors().first().map_or("", |error| error["extensions"]["code"].as_str().unwrap_or("NONE"))
    }

    /// The HTTP status; 0 if there is no answer.
    pub(crate) fn status(&self) -> u16 {
        if let Self::Answered { status, .. } = self { *status } else { 0 }
    }

    /// The value in the data at a JSON pointer; null if there is none.
    pub(crate) fn data(&self, pointer: &str) -> Value {
        match self {
            Self::Answered { body, .. } => body["data"].pointer(pointer).cloned().unwrap_or_default(),
            Self::Closed | Self::Silent => Value::Null,
        }
    }

    /// Returns whether there is an answer without top-level errors.
    pub(crate) fn is_answer(&self) -> bool {
        matches!(self, Self::Answered { status: 200, .. }) && self.errors().is_empty()
    }

    /// Asserts that the client is told that this is not possible now.
    #[track_caller]
    pub(crate) fn is_unavailable(&self) {
        assert_eq!(self.code(), "UNAVAILABLE", "{self:?}");
    }

    /// Asserts that the client is told when to come back.
    #[track_caller]
    pub(crate) fn says_when_to_come_back(&self) {
        let after = self.errors()[0]["extensions"]["retryAfterMs"].as_u64();
        assert!(after.is_some_and(|after| after > 0), "retryAfterMs is missing: {self:?}");
    }
}

/// Asks the server at this address, over a connection of its own.
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

/// Watches an event; returns the socket after the first result, with its version.
pub(crate) async fn watching(address: &str, token: Option<&str>, event: &str) -> (Socket, i64) {
    let mut socket = Socket::open(address, token).await;
    socket.subscribe("map", WATCH, json!({ "event": event })).await;
    let first = socket.next().await;
    let version = first["seatAvailability"]["version"].as_i64();
    (socket, version.unwrap_or_else(|| panic!("no version: {first}")))
}

/// Asks again and again until the answer is `Ok`. Panics with the last other answer after this time.
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

/// The log of a server, line by line.
pub(crate) fn log(file: &Path) -> Vec<String> {
    fs::read_to_string(file).expect("the log").lines().map(str::to_owned).collect()
}

/// Returns whether a line of the log has one of these levels.
pub(crate) fn is_of_level(line: &str, levels: &[&str]) -> bool {
    line.split_whitespace().nth(1).is_some_and(|level| levels.contains(&level))
}
