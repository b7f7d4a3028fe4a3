//! Shared subscriptions: one execution for all equal subscribers, without gaps, and slow subscribers do not delay
//! others.

use std::{collections::HashMap, sync::atomic::Ordering::Relaxed, time::Duration};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tessera::{
    auth,
    http::{Patience, Timeouts},
    inventory,
};
use test_case::test_case;
use tokio_util::sync::CancellationToken;

use crate::support::Database::{self, Postgres, Sqlite};
use crate::{
    inventory::feed,
    support::{World, given::Stage, run, run_on, run_once, socket::Socket},
};

const WATCH: &str =
    "subscription($event: ID!, $after: Long) { seatAvailability(eventId: $event, after: $after) {
    ... on AvailabilitySnapshot { version rows { statuses } areas { area { id } available } }
    ... on AvailabilityDelta { after version seats { id status } areas { id available } } } }";

fn executions(world: &World) -> u64 {
    world.app.counters.shared_executions.load(Relaxed)
}

/// What a client makes of the stream.
#[derive(Clone, Debug, Default, PartialEq)]
struct Map {
    version: i64,
    /// By id: the letter of its status.
    seats: HashMap<String, char>,
    areas: HashMap<String, u64>,
    messages: usize,
    /// The most versions that one delta covered.
    longest: i64,
}

impl Map {
    fn take(&mut self, message: &Value, stage: &Stage) {
        let version = message["version"].as_i64().expect("a version");
        self.messages += 1;
        if let Some(rows) = message["rows"].as_array() {
            let letters = rows.iter().flat_map(|row| row["statuses"].as_str().expect("a row").chars());
            self.seats = stage.seats.iter().cloned().zip(letters).collect();
            self.areas = message["areas"]
                .as_array()
                .expect("areas")
                .iter()
                .map(|area| (text(&area["area"]["id"]), number(&area["available"])))
                .collect();
            assert!(version >= self.version, "never back: {message}");
        } else {
            let after = message["after"].as_i64().expect("a version");
            assert_eq!(after, self.version, "nothing missed, nothing twice: {message}");
            assert!(version > after, "and something new: {message}");
            self.longest = self.longest.max(version - after);
            for seat in message["seats"].as_array().expect("seats") {
                let letter = match seat["status"].as_str().expect("a status") {
                    "AVAILABLE" => 'A',
                    "RESERVED" => 'R',
                    "SOLD" => 'S',
                    other => panic!("{other}"),
                };
                self.seats.insert(text(&seat["id"]), letter);
            }
            for area in message["areas"].as_array().expect("areas") {
                self.areas.insert(text(&area["id"]), number(&area["available"]));
            }
        }
        self.version = version;
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}

async fn watcher(address: &str, stage: &Stage, after: Option<i64>) -> Socket {
    let mut socket = Socket::open(address, None).await;
    socket.subscribe("map", WATCH, json!({ "event": stage.event, "after": after })).await;
    socket
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn hundred_equal_subscribers_cost_one_execution_per_change(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let address = world.listen().await;
        let buyer = world.guest().await;
        let mut sockets = join_all((0..100).map(|_| watcher(&address, &stage, None))).await;
        let mut maps = vec![Map::default(); 100];
        for (socket, map) in sockets.iter_mut().zip(&mut maps) {
            map.take(&socket.next().await["seatAvailability"], &stage);
        }
        let joined = executions(world);
        assert!((1..20).contains(&joined), "a crowd that joins shares its snapshots: {joined} for 100");
        for seat in &stage.seats[..8] {
            world.reserve(&buyer, &stage.event, &[seat]).await;
            for (socket, map) in sockets.iter_mut().zip(&mut maps) {
                map.take(&socket.next().await["seatAvailability"], &stage);
                assert_eq!(map.seats[seat], 'R');
            }
        }
        assert_eq!(executions(world) - joined, 8, "one for each change");
        assert!(maps.iter().all(|map| *map == maps[0]), "all have the same");

        // Whoever comes with a version gets what follows, made once for all who come with the same.
        let before = executions(world);
        let version = maps[0].version;
        let mut late = join_all((0..20).map(|_| watcher(&address, &stage, Some(version - 3)))).await;
        for socket in &mut late {
            let mut map = Map { version: version - 3, ..Map::default() };
            while map.version < version {
                map.take(&socket.next().await["seatAvailability"], &stage);
            }
        }
        assert_eq!(executions(world), before, "what was told a moment ago is still there");
        // Those who have everything wait for what comes, and what comes is one execution for old and new.
        let mut ready = watcher(&address, &stage, Some(version)).await;
        world.reserve(&world.guest().await, &stage.event, &[&stage.seats[9]]).await;
        let mut map = Map { version, ..Map::default() };
        map.take(&ready.next().await["seatAvailability"], &stage);
        assert_eq!((map.messages, executions(world)), (1, before + 1));
    });
}

#[test]
fn only_equal_subscriptions_are_shared() {
    run_once(async |world: &World| {
        let stage = world.stage().await;
        let address = world.listen().await;
        let mut socket = Socket::open(&address, None).await;
        let version = "subscription($event: ID!) { seatAvailability(eventId: $event) {
            __typename ... on AvailabilitySnapshot { version } ... on AvailabilityDelta { version } } }";
        // The price level's categories are in no inventory's version.
        let own = "subscription($event: ID!) { seatAvailability(eventId: $event) {
            ... on AvailabilitySnapshot { version tiers { tier { categories } } }
            ... on AvailabilityDelta { version } } }";
        for (id, document) in [("a", version), ("b", version), ("c", WATCH), ("d", own)] {
            socket.subscribe(id, document, json!({ "event": stage.event })).await;
        }
        let mut first = HashMap::new();
        while first.len() < 4 {
            let message = socket.message().await;
            first.insert(text(&message["id"]), message["payload"]["data"]["seatAvailability"].clone());
        }
        assert_eq!(first["a"], first["b"]);
        let tiers = first["d"]["tiers"].as_array().expect("tiers");
        assert!(tiers.iter().any(|tier| tier["tier"]["categories"] == json!(["Front"])), "{tiers:?}");
        let before = executions(world);
        let buyer = world.guest().await;
        world.reserve(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let mut second = HashMap::new();
        while second.len() < 4 {
            let message = socket.message().await;
            second.insert(text(&message["id"]), message["payload"]["data"]["seatAvailability"].clone());
        }
        assert_eq!(executions(world) - before, 2, "one for `a` and `b`, one for `c`; `d` is its own");
        assert_eq!(second["c"]["seats"], json!([{ "id": stage.seats[0], "status": "RESERVED" }]));
        for id in ["a", "b", "d"] {
            assert_eq!(second[id]["version"], second["c"]["version"], "{id}");
        }
    });
}

#[test]
fn a_shared_stream_that_cannot_begin_is_refused_to_all_and_tried_anew_by_the_next() {
    run_once(async |world: &World| {
        let address = world.listen().await;
        let nowhere = json!({ "event": "event_01h455vb4pex5vsknk084sn02q" });
        for after in [Value::Null, json!(3)] {
            let refused = async || {
                let mut socket = Socket::open(&address, None).await;
                let mut variables = nowhere.clone();
                variables["after"] = after.clone();
                socket.subscribe("1", WATCH, variables).await;
                let message = socket.message().await;
                assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!("1")), "{message}");
                assert_eq!(message["payload"][0]["extensions"]["code"], "NOT_FOUND");
            };
            join_all((0..10).map(|_| refused())).await;
            refused().await;
        }
        let mut socket = Socket::open(&address, None).await;
        socket.subscribe("1", WATCH, json!({ "event": nowhere["event"], "after": "x" })).await;
        let message = socket.message().await;
        assert_eq!(message["payload"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED", "{message}");
    });
}

/// Sockets come and go so that the topic's last member leaves while its first one comes, over and over: whoever is there
/// gets the map and the next change, and when all are gone nothing is left.
#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn the_last_to_leave_and_the_first_to_come_do_not_miss_each_other(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let address = world.listen().await;
        let idle = world.app.tasks.len();
        let come_and_go = async |turns: usize| {
            let mut socket = Socket::open(&address, None).await;
            for turn in 0..turns {
                socket.subscribe("map", WATCH, json!({ "event": stage.event })).await;
                let mut map = Map::default();
                map.take(&socket.next().await["seatAvailability"], &stage);
                socket.say(json!({ "id": "map", "type": "complete" })).await;
                if turn % 7 == 6 {
                    socket = Socket::open(&address, None).await;
                }
                // Whatever was on its way is not for the operation that comes next under this id.
                socket.say(json!({ "type": "ping" })).await;
                while socket.message().await["type"] != "pong" {}
            }
        };
        join_all([25, 25, 25, 25].map(come_and_go)).await;
        let ended = async {
            // The server's connections, and the desk.
            while world.app.tasks.len() > idle + 1 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), ended).await.expect("nobody watches, so nothing runs");
        let mut socket = watcher(&address, &stage, None).await;
        let mut map = Map::default();
        map.take(&socket.next().await["seatAvailability"], &stage);
        world.reserve(&world.guest().await, &stage.event, &[&stage.seats[0]]).await;
        map.take(&socket.next().await["seatAvailability"], &stage);
        assert_eq!(map.seats[&stage.seats[0]], 'R');
    });
}

/// A thousand random commits by two instances, over real sockets: to those who read at once, to one who does not read for
/// a long while, and to one who comes and goes with the version that it has. Nobody sees a gap, and all end with the truth.
#[test]
#[expect(clippy::too_many_lines, reason = "three readers of one history, told in order")]
fn fast_slow_and_returning_readers_all_see_everything() {
    run(async |world: &World| {
        let stage = world.large_stage().await;
        let event = world.only_event().await;
        // How long a thousand commits take on a busy machine nobody knows; the slow one reads nothing meanwhile.
        let write = Duration::from_mins(5);
        let other = world.beside(&[], Patience { write, ..Patience::default() }).await;
        let address = other.listen_with(Timeouts { write, ..Timeouts::DEFAULT }).await;
        let mut buyers = Vec::new();
        for _ in 0..12 {
            let token = world.guest().await;
            buyers.push(auth::authenticate(&world.app, Some(&token)).await.expect("a viewer"));
        }
        // A document that says the same over and over fills the buffers of a socket that nobody reads.
        let much = (0..8).map(|n| format!("s{n}: seats {{ id status }}")).collect::<Vec<_>>().join(" ");
        let much = format!(
            "subscription($event: ID!) {{ seatAvailability(eventId: $event) {{
            ... on AvailabilitySnapshot {{ version rows {{ statuses }} areas {{ area {{ id }} available }} }}
            ... on AvailabilityDelta {{ after version seats {{ id status }} areas {{ id available }} {much} }} }} }}"
        );
        let mut slow = Socket::narrow(&address).await;
        slow.subscribe("map", &much, json!({ "event": stage.event })).await;
        let mut slow_map = Map::default();
        slow_map.take(&slow.next().await["seatAvailability"], &stage);
        let mut quick = watcher(&address, &stage, None).await;
        let mut quick_map = Map::default();
        quick_map.take(&quick.next().await["seatAvailability"], &stage);

        let done = CancellationToken::new();
        let work = {
            let (apps, done) = ([world.app.clone(), other.app.clone()], done.clone());
            let seats = u32::try_from(stage.seats.len()).expect("few");
            async move {
                for round in 0..1_000_u32 {
                    feed::act(&apps[round as usize % 2], &buyers[round as usize % 12], event, round, seats)
                        .await;
                    if round % 3 == 0 {
                        inventory::follow_others(&apps[1]).await.expect("followed");
                    }
                }
                inventory::follow_others(&apps[1]).await.expect("followed");
                done.cancel();
            }
        };
        let returning = async {
            let mut map = Map::default();
            let mut returns = 0;
            while !done.is_cancelled() {
                let after = (map.version > 0).then_some(map.version);
                let mut socket = watcher(&address, &stage, after).await;
                for _ in 0..=returns % 23 {
                    tokio::select! {
                        message = socket.next() => map.take(&message["seatAvailability"], &stage),
                        () = done.cancelled() => break,
                    }
                }
                returns += 1;
            }
            (map, returns)
        };
        let reading = async {
            while !done.is_cancelled() {
                tokio::select! {
                    message = quick.next() => quick_map.take(&message["seatAvailability"], &stage),
                    () = done.cancelled() => {}
                }
            }
        };
        let (mut returned, returns) = tokio::join!(work, reading, returning).2;
        let truth = inventory::feed::availability(&other.app, event.into()).await.expect("the truth").version;
        while quick_map.version < truth {
            quick_map.take(&quick.next().await["seatAvailability"], &stage);
        }
        while slow_map.version < truth {
            slow_map.take(&slow.next().await["seatAvailability"], &stage);
        }
        let mut socket = watcher(&address, &stage, Some(returned.version)).await;
        while returned.version < truth {
            returned.take(&socket.next().await["seatAvailability"], &stage);
        }
        let mut late = watcher(&address, &stage, None).await;
        let mut whole = Map::default();
        whole.take(&late.next().await["seatAvailability"], &stage);
        while whole.version < truth {
            whole.take(&late.next().await["seatAvailability"], &stage);
        }
        for (who, map) in [("quick", &quick_map), ("slow", &slow_map), ("returned", &returned)] {
            assert_eq!((&map.seats, &map.areas), (&whole.seats, &whole.areas), "the {who} one has the truth");
        }
        assert!(returns > 10, "it did come and go: {returns}");
        assert!(
            slow_map.longest > quick_map.longest && slow_map.messages < quick_map.messages,
            "the slow one got more at a time: {} {} {} {}",
            slow_map.longest,
            quick_map.longest,
            slow_map.messages,
            quick_map.messages
        );
        drop((quick, slow, socket, late));
        other.end().await;
    });
}
