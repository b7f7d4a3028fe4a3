//! The live seat map: a snapshot and contiguous deltas, also after a reconnect and under load.

use std::{collections::HashMap, pin::pin, time::Duration};

use entity::{EventId, TierId};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tessera::{
    auth::{self, Viewer},
    error::Error,
    inventory::{self, Counts, Pick, Refusal, Reserve, feed, feed::Message},
};
use test_case::test_case;

use crate::support::Database::{self, Postgres, Sqlite};
use crate::support::{World, run_on, socket::Socket};

const WATCH: &str =
    "subscription($event: ID!, $after: Long) { seatAvailability(eventId: $event, after: $after) {
    __typename
    ... on AvailabilitySnapshot { version rows { statuses } areas { available }
        capacity available reserved sold blocked tiers { tier { id } available } }
    ... on AvailabilityDelta { after version seats { id status } areas { available }
        capacity available reserved sold blocked tiers { id available } } } }";

/// What a client makes of the feed: the map, and the version that it has.
#[derive(Debug, Default)]
struct Map {
    version: i64,
    seats: Vec<feed::PublicStatus>,
    areas: HashMap<u32, u32>,
    counts: Counts,
    tiers: HashMap<TierId, u32>,
    snapshots: usize,
}

impl Map {
    fn take(&mut self, message: Message) {
        match message {
            Message::Snapshot(all) => {
                self.snapshots += 1;
                self.version = all.version;
                self.seats = all.seats;
                self.areas = (0..).zip(all.areas.iter().map(tessera::inventory::Area::available)).collect();
                (self.counts, self.tiers) = (all.counts, all.tiers.into_iter().collect());
            }
            Message::Delta(delta) => {
                assert_eq!(delta.after, self.version, "nothing missed, nothing twice");
                assert!(delta.version > delta.after, "and something new");
                self.version = delta.version;
                for (seat, status) in delta.seats {
                    self.seats[seat as usize] = status;
                }
                self.areas.extend(delta.areas);
                self.counts = delta.counts;
                self.tiers.extend(delta.tiers);
            }
        }
    }
}

/// A thousand random reservations and releases by two instances, while a reader comes and goes with the version that it
/// has: it misses nothing, sees nothing twice, and ends with the truth.
#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn reconnected_reader_gets_each_version_once(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let event = world.only_event().await;
        let second = world.second().await;
        let apps = [world.app.clone(), second.clone()];
        let mut buyers = Vec::new();
        for _ in 0..12 {
            let token = world.guest().await;
            buyers.push(auth::authenticate(&world.app, Some(&token)).await.expect("a viewer"));
        }
        let seats = u32::try_from(stage.seats.len()).expect("few");
        let work = world.app.spawn(async move {
            for round in 0..1_000_u32 {
                act(&apps[round as usize % 2], &buyers[round as usize % 12], event, round, seats).await;
            }
        });
        let follower = world.app.clone();
        let mut map = Map::default();
        let mut reconnects = 0;
        while !work.is_finished() {
            let after = (map.version > 0).then_some(map.version);
            let mut stream = pin!(feed::subscribe(&world.app, event.into(), after));
            for _ in 0..=reconnects % 37 {
                // Other instances' writes come through the log, which the worker follows.
                inventory::follow_others(&follower).await.expect("followed");
                match tokio::time::timeout(Duration::from_millis(50), stream.next()).await {
                    Ok(message) => map.take(message.expect("the feed goes on").expect("no fault")),
                    Err(_) => break,
                }
            }
            reconnects += 1;
        }
        work.await.expect("no panic");
        inventory::follow_others(&follower).await.expect("followed");
        let truth = feed::availability(&world.app, event.into()).await.expect("the truth");
        let mut stream = pin!(feed::subscribe(&world.app, event.into(), Some(map.version)));
        while map.version < truth.version {
            map.take(stream.next().await.expect("the feed goes on").expect("no fault"));
        }
        assert_eq!(map.seats, truth.seats, "the reader has the truth");
        assert_eq!(
            (map.counts, map.tiers),
            (truth.counts, truth.tiers.into_iter().collect()),
            "and the totals"
        );
        assert!(
            map.snapshots == 1,
            "one snapshot at the beginning, then only deltas; {} snapshots",
            map.snapshots
        );
        assert!(reconnects > 10, "it did come and go: {reconnects}");
        tessera::server::close(second, Duration::from_secs(10)).await;
    });
}

pub(crate) async fn act(app: &tessera::app::App, viewer: &Viewer, event: EventId, round: u32, seats: u32) {
    let mut state = u64::from(round).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    state ^= state >> 31;
    let first = u32::try_from(state % u64::from(seats)).expect("small");
    let pick = if round.is_multiple_of(5) {
        Pick::Admission { area: 0, quantity: 1 + round % 3 }
    } else {
        Pick::Seats(vec![first, (first + 1) % seats])
    };
    let reserve = Reserve { event, pick, key: format!("feed-round-{round}") };
    match inventory::reserve(app, viewer, reserve).await {
        Ok(_) | Err(Error::Refused(Refusal::SeatsTaken { .. } | Refusal::AreaFull { .. })) => {}
        Err(Error::Refused(Refusal::LimitExceeded { .. })) => {
            for reservation in inventory::live_of(app, viewer).await.expect("read") {
                inventory::release(app, viewer, reservation.snapshot.id).await.expect("released");
            }
        }
        Err(other) => panic!("{other:?}"),
    }
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn the_seat_map_is_live_over_a_socket(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let address = world.listen().await;
        let buyer = world.guest().await;
        let mut watcher = Socket::open(&address, None).await;
        watcher.subscribe("map", WATCH, json!({ "event": stage.event })).await;
        let snapshot = watcher.next().await["seatAvailability"].clone();
        assert_eq!(snapshot["__typename"], "AvailabilitySnapshot");
        assert_eq!(
            snapshot["rows"],
            json!([{ "statuses": "AAAAAAAAAA" }, { "statuses": "AAAAAAAAAA" }, { "statuses": "AAAAAAAAAA" }])
        );
        let version = snapshot["version"].as_i64().expect("a version");
        let id = world.reserve(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let delta = watcher.next().await["seatAvailability"].clone();
        assert_eq!(
            delta,
            json!({ "__typename": "AvailabilityDelta", "after": version, "version": version + 1,
            "seats": [{ "id": stage.seats[0], "status": "RESERVED" }], "areas": [],
            "capacity": 80, "available": 79, "reserved": 1, "sold": 0, "blocked": 0,
            "tiers": [{ "id": delta["tiers"][0]["id"], "available": 9 }] })
        );
        let totals =
            ["capacity", "available", "reserved", "sold", "blocked"].map(|name| snapshot[name].clone());
        assert_eq!(totals, [80, 80, 0, 0, 0].map(Value::from));
        let tiers = snapshot["tiers"].as_array().expect("tiers");
        let front =
            tiers.iter().find(|tier| tier["tier"]["id"] == delta["tiers"][0]["id"]).expect("the tier");
        assert_eq!(front["available"], 10, "the other tiers did not change");
        let release =
            "mutation($id: ID!) { releaseReservation(input: { reservationId: $id }) { errors { code } } }";
        world.gql(Some(&buyer), release, json!({ "id": id })).await.good();
        // Another watcher that had seen the snapshot resumes after it.
        let mut late = Socket::open(&address, Some(&buyer)).await;
        late.subscribe("map", WATCH, json!({ "event": stage.event, "after": version })).await;
        let mut has = json!(version);
        while has != json!(version + 2) {
            let delta = late.next().await["seatAvailability"].clone();
            assert_eq!(delta["after"], has, "{delta}");
            has = delta["version"].clone();
        }
        assert_eq!(watcher.next().await["seatAvailability"]["seats"][0]["status"], "AVAILABLE");
        // A version from the future, or from before the log, gets a snapshot.
        late.subscribe("future", WATCH, json!({ "event": stage.event, "after": 99_999 })).await;
        assert_eq!(late.next().await["seatAvailability"]["__typename"], "AvailabilitySnapshot");
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn a_reservation_and_its_order_can_be_watched(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let address = world.listen().await;
        world.app.spawn(tessera::outbox::tail(world.app.clone()));
        let buyer = world.guest().await;
        let id = world.reserve(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let mut socket = Socket::open(&address, Some(&buyer)).await;
        let document = "subscription($id: ID!) { reservation(id: $id) { status } }";
        socket.subscribe("reservation", document, json!({ "id": id })).await;
        assert_eq!(socket.next().await, json!({ "reservation": { "status": "ACTIVE" } }));
        let mut stranger = Socket::open(&address, None).await;
        stranger.subscribe("foreign", document, json!({ "id": id })).await;
        let refused = stranger.message().await;
        assert_eq!(refused["type"], "error", "{refused}");
        world.advance(Duration::from_secs(601));
        world.work().await;
        assert_eq!(socket.next().await, json!({ "reservation": { "status": "EXPIRED" } }));
        assert_eq!(socket.message().await["type"], "complete", "it has ended");

        let reservation = world.reserve(&buyer, &stage.event, &[&stage.seats[1]]).await;
        let order = world.checkout(&buyer, &[&reservation]).await;
        let document = "subscription($id: ID!) { order(id: $id) { state } }";
        socket.subscribe("order", document, json!({ "id": order })).await;
        assert_eq!(socket.next().await, json!({ "order": { "state": "AWAITING_PAYMENT" } }));
        world.pay(&buyer, &order, "pm_card_visa", "while-watched").await.good();
        let mut last = Value::Null;
        while last != json!({ "order": { "state": "PAID" } }) {
            last = socket.next().await;
        }
    });
}
