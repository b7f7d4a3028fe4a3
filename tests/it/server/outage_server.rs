//! A server whose database is slow, hangs, is unreachable or has a locked row: it answers in time and recovers by
//! itself.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use crate::support::{
    blocking::block_on,
    link::New,
    postgres,
    random::Random,
    scene::{DEADLINE, RECOVERY, Scene, WATCH, Wish, ask, browse, eventually, guest, reserve, watching},
    socket::Socket,
    world::migrate,
};

/// One way: a round trip takes twice as long.
const DELAY: Duration = Duration::from_millis(50);
/// Events whose stock no server has loaded, and subscriptions that are dropped.
const EVENTS: usize = 100;
const QUERIES: usize = 500;
/// Clients that ask side by side, as many as a server has connections for readers.
const LANES: usize = 8;
/// Events that are watched before.
const WARM: usize = 24;
/// An attempt of a client that tries again.
const ATTEMPT: Duration = Duration::from_secs(3);
/// Longer than a session is believed (3 seconds) and two checks of a socket's session after that (2 seconds each).
const OUTAGE: Duration = Duration::from_secs(9);

const LISTENERS: &str = "SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND query LIKE 'LISTEN%'";

async fn scene(events: usize) -> Scene {
    Scene::on(postgres::database("migrated", migrate), events).await
}

/// Does the work for each of the numbers, in several lanes side by side, and returns all results.
async fn in_lanes<T>(numbers: std::ops::Range<usize>, work: impl AsyncFn(usize) -> T) -> Vec<T> {
    let lane = async |lane: usize| {
        let mut results = Vec::new();
        for number in numbers.clone().skip(lane).step_by(LANES) {
            results.push(work(number).await);
        }
        results
    };
    join_all((0..LANES).map(&lane)).await.into_iter().flatten().collect()
}

/// Subscribes to the event, and leaves after this many milliseconds, whatever comes until then.
async fn subscribe_and_leave(address: &str, event: &str, millis: usize) {
    let mut socket = Socket::open(address, None).await;
    socket.subscribe("map", WATCH, json!({ "event": event })).await;
    let until = Duration::from_millis(millis as u64);
    drop(timeout(until, async { while socket.heard().await.is_some() {} }).await);
}

#[test]
fn dropped_subscriptions_leave_no_transaction_behind() {
    block_on(async || {
        let scene = scene(WARM + EVENTS).await;
        let server = scene.server();
        let event = |number: usize| &*scene.goods.events[number];
        scene.link.delay(DELAY);
        let is_served = async |number: usize| {
            timeout(DEADLINE, watching(&server.address, None, event(number))).await.is_ok()
        };
        // From now on every connection knows the statements, and each of them takes one round trip.
        in_lanes(0..WARM, is_served).await;
        for first in (WARM..WARM + EVENTS).step_by(LANES) {
            let last = (first + LANES).min(WARM + EVENTS);
            in_lanes(first..last, async |number| {
                // Half of them while the first or the second statement is under way, half while a later one is.
                let (from, span) = if number % 2 == 0 { (110, 91) } else { (201, 300) };
                let millis = from + Random::new(number as u64).below(span);
                subscribe_and_leave(&server.address, event(number), millis).await;
            })
            .await;
            // What follows on a connection could end what was left behind.
            scene.no_transaction_is_left().await;
        }
        let answers = in_lanes(0..QUERIES, async |number| {
            // Another text each time: answers to the same text are kept for a moment.
            let query = format!(
                "query Q{number}($event: ID!) {{ event(id: $event) {{ version availability {{ available }} }} }}"
            );
            let event = event(WARM + number % EVENTS);
            ask(&server.address, None, (&query, json!({ "event": event })), DEADLINE).await
        })
        .await;
        let failed: Vec<_> = answers.iter().filter(|seen| !seen.is_answer()).collect();
        assert!(failed.is_empty(), "{} of {QUERIES} failed: {:?}", failed.len(), failed[0]);
        let results = in_lanes(WARM..WARM + EVENTS, is_served).await;
        assert_eq!(results.iter().filter(|is_good| **is_good).count(), EVENTS, "subscriptions that work");
        scene.no_transaction_is_left().await;
        scene.link.delay(Duration::ZERO);
        server.stop();
        scene.laws_hold().await;
    });
}

/// Browses and reserves until both are answered, each time with the same key.
async fn works_again(scene: &Scene, address: &str, token: &str, (seat, key): (usize, &str)) {
    let event = scene.event();
    let works = async || {
        let browsed = browse(address, token, event, ATTEMPT).await;
        if browsed.data("/event/version").is_null() {
            return Err(browsed);
        }
        let seen =
            reserve(address, token, Wish { event, seat: &scene.goods.seats[seat], key }, ATTEMPT).await;
        if seen.data("/reserveSeats/reservation/id").is_string() { Ok(()) } else { Err(seen) }
    };
    eventually(RECOVERY, "queries and reservations work again", works).await;
}

/// Waits until a subscriber hears of a version after this one.
async fn hears(socket: &mut Socket, after: i64) {
    let hears = async {
        loop {
            let message = socket.next().await;
            let version = message["seatAvailability"]["version"].as_i64();
            if version.is_some_and(|version| version > after) {
                return;
            }
        }
    };
    timeout(RECOVERY, hears).await.expect("the subscriber hears of a change");
}

/// The version of the event at a server.
async fn version(scene: &Scene, address: &str, token: &str) -> i64 {
    let query = "query($event: ID!) { event(id: $event) { availability { version } } }";
    let seen = ask(address, Some(token), (query, json!({ "event": scene.event() })), DEADLINE).await;
    seen.data("/event/availability/version").as_i64().unwrap_or_else(|| panic!("no version: {seen:?}"))
}

#[test]
fn stalled_connections_are_replaced() {
    block_on(async || {
        let scene = scene(1).await;
        let (server, other) = (scene.server(), scene.direct_server());
        let token = guest(&server.address).await;
        let (mut socket, _) = watching(&server.address, Some(&token), scene.event()).await;
        works_again(&scene, &server.address, &token, (0, "before")).await;
        let both_listen = async || if scene.count(LISTENERS) == 2 { Ok(()) } else { Err("not both listen") };
        eventually(RECOVERY, "both servers listen for hints", both_listen).await;
        scene.link.stall(New::Pass);
        let begun = Instant::now();
        works_again(&scene, &server.address, &token, (1, "after")).await;
        // The stalled listener stays where it is, because its end does not arrive.
        let listens = async || {
            let count = scene.count(LISTENERS);
            if count >= 3 { Ok(()) } else { Err(count) }
        };
        let left = RECOVERY.saturating_sub(begun.elapsed());
        eventually(left, "the server listens on a new connection", listens).await;
        let buyer = guest(&other.address).await;
        let before = version(&scene, &other.address, &buyer).await;
        works_again(&scene, &other.address, &buyer, (2, "elsewhere")).await;
        hears(&mut socket, before).await;
        server.stop();
        other.stop();
        scene.laws_hold().await;
    });
}

/// Stalls old and new connections until a client is told so, and then ends that.
fn recovers_from_a_blackout(end: impl Fn(&Scene) + Sync) {
    block_on(async || {
        let scene = scene(1).await;
        let (server, other) = (scene.server(), scene.direct_server());
        let token = guest(&server.address).await;
        let (mut socket, _) = watching(&server.address, Some(&token), scene.event()).await;
        works_again(&scene, &server.address, &token, (0, "before")).await;
        scene.link.stall(New::Stall);
        let (event, seat) = (scene.event(), &*scene.goods.seats[1]);
        let requests = (0..8).map(async |number| match number % 2 {
            0 => browse(&server.address, &token, event, DEADLINE).await,
            _ => reserve(&server.address, &token, Wish { event, seat, key: "during" }, DEADLINE).await,
        });
        let seen = join_all(requests).await;
        for seen in seen.iter().filter(|seen| !seen.is_answer()) {
            seen.is_unavailable();
        }
        assert!(!seen[1].is_answer(), "a reservation cannot be written: {:?}", seen[1]);
        end(&scene);
        works_again(&scene, &server.address, &token, (1, "during")).await;
        let buyer = guest(&other.address).await;
        let before = version(&scene, &other.address, &buyer).await;
        works_again(&scene, &other.address, &buyer, (2, "elsewhere")).await;
        hears(&mut socket, before).await;
        server.stop();
        other.stop();
        scene.laws_hold().await;
    });
}

#[test]
fn server_recovers_from_a_blackout_whose_connections_stay_dead() {
    recovers_from_a_blackout(|scene| scene.link.heal());
}

#[test]
fn server_recovers_from_a_blackout_whose_connections_go_on() {
    recovers_from_a_blackout(|scene| scene.link.resume());
}

#[test]
fn stop_is_bounded_while_all_connections_hang() {
    const SHUTDOWN: u64 = 5;
    block_on(async || {
        let scene = scene(1).await;
        let mut server = scene.server_with(|command| {
            command.env("RUST_LOG", "off").env("TESSERA_SHUTDOWN_SECONDS", SHUTDOWN.to_string())
        });
        let token = guest(&server.address).await;
        let (_socket, _) = watching(&server.address, Some(&token), scene.event()).await;
        works_again(&scene, &server.address, &token, (0, "before")).await;
        scene.link.stall(New::Stall);
        // Requests that hang when the signal comes.
        let (event, seat) = (scene.event(), &*scene.goods.seats[1]);
        let requests = (0..8).map(async |number| match number % 2 {
            0 => browse(&server.address, &token, event, Duration::from_secs(1)).await,
            _ => {
                reserve(&server.address, &token, Wish { event, seat, key: "during" }, Duration::from_secs(1))
                    .await
            }
        });
        join_all(requests).await;
        // Development does not drain.
        let bound = Duration::from_secs(SHUTDOWN + 10);
        let status = server.stop_within(bound);
        assert!(status.is_some(), "still runs {bound:?} after SIGTERM");
        assert!(status.is_some_and(|status| status.success()), "an orderly end: {status:?}");
        drop(server);
        scene.laws_hold().await;
    });
}

/// A signed-in client that watches through an outage.
struct Watcher {
    token: String,
    socket: Socket,
    /// With which code the server closed the socket; 0 if the connection just broke.
    closed: Option<u16>,
}

impl Watcher {
    /// Takes what comes at once: nothing, or the end of the socket.
    async fn look(&mut self) {
        if self.closed.is_some() {
            return;
        }
        match self.socket.within(Duration::from_millis(20)).await {
            None => {}
            Some(Ok(message)) => panic!("nothing happened, and yet: {message}"),
            Some(Err(code)) => self.closed = Some(code.unwrap_or(0)),
        }
    }
}

#[test]
fn sessions_outlast_an_outage() {
    block_on(async || {
        let scene = scene(1).await;
        let (server, other) = (scene.server(), scene.direct_server());
        let mut watchers = Vec::new();
        for _ in 0..4 {
            let token = guest(&server.address).await;
            let (socket, _) = watching(&server.address, Some(&token), scene.event()).await;
            watchers.push(Watcher { token, socket, closed: None });
        }
        // A session that the first server has never looked up.
        let fresh = guest(&other.address).await;
        scene.link.cut(New::Refuse);
        let begun = Instant::now();
        while begun.elapsed() < OUTAGE {
            let seen = browse(&server.address, &fresh, scene.event(), DEADLINE).await;
            assert_eq!(seen.status(), 503, "{seen:?}");
            seen.is_unavailable();
            for watcher in &mut watchers {
                watcher.look().await;
                let seen = browse(&server.address, &watcher.token, scene.event(), DEADLINE).await;
                assert_ne!(seen.status(), 401, "{seen:?}");
                assert!(matches!(seen.code(), "" | "UNAVAILABLE"), "{seen:?}");
            }
            sleep(Duration::from_millis(100)).await;
        }
        for watcher in &watchers {
            assert!(
                watcher.closed.is_none_or(|code| code == 1013),
                "closed with {:?} by an outage",
                watcher.closed
            );
        }
        scene.link.heal();
        works_again(&scene, &server.address, &fresh, (0, "healed")).await;
        let before = version(&scene, &other.address, &fresh).await;
        for watcher in &mut watchers {
            if watcher.closed.is_some() {
                watcher.socket = watching(&server.address, Some(&watcher.token), scene.event()).await.0;
            }
        }
        works_again(&scene, &other.address, &fresh, (1, "elsewhere")).await;
        for watcher in &mut watchers {
            hears(&mut watcher.socket, before).await;
            let seen = browse(&server.address, &watcher.token, scene.event(), DEADLINE).await;
            assert_ne!(seen.data("/viewer/account/id"), Value::Null, "still signed in: {seen:?}");
        }
        server.stop();
        other.stop();
        scene.laws_hold().await;
    });
}
