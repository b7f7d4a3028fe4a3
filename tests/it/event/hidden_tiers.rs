//! Hidden tiers: only members of the shop and buyers with a code can see them and their places.

use std::{collections::BTreeMap, pin::pin, time::Duration};

use entity::TierId;
use futures_util::{StreamExt, future::join_all};
use serde_json::{Value, json};
use tessera::inventory::{
    self,
    feed::{self, Availability, Message, PublicStatus},
};

use crate::{
    coupon::access_code::{hide, opener, reserved},
    support::{Answer, World, given::Stage, random::Random, run, socket::Socket},
};

const SEEN: &str = "query($event: ID!) { event(id: $event) { seatsLeft tiers { name hidden }
    availability { version capacity available reserved sold blocked rows { statuses } areas { capacity available }
        zones { capacity available lowestPrice { amount } tiers { tier { name } available } }
        tiers { tier { name } available lowestPrice { amount } } } } }";
const OPENED: &str = "query($event: ID!, $code: String!) { event(id: $event) {
    tiersOpenedBy(code: $code) { name hidden }
    availability(accessCode: $code) { available reserved blocked rows { statuses } tiers { tier { name } available }
        zones { available lowestPrice { amount } } } } }";
const WATCH: &str =
    "subscription($event: ID!, $after: Long) { seatAvailability(eventId: $event, after: $after) {
    __typename
    ... on AvailabilitySnapshot { version rows { statuses } areas { available } }
    ... on AvailabilityDelta { after version seats { id status } areas { available } } } }";

async fn seen(world: &World, token: Option<&str>, stage: &Stage) -> Value {
    world.gql(token, SEEN, json!({ "event": stage.event })).await.good().data("event")
}

async fn opened(world: &World, token: Option<&str>, stage: &Stage, code: &str) -> Answer {
    world.gql(token, OPENED, json!({ "event": stage.event, "code": code })).await
}

fn seats(stage: &Stage, numbers: &[usize]) -> Value {
    let ids: Vec<&str> = numbers.iter().map(|&number| stage.seats[number].as_str()).collect();
    json!({ "seatIds": ids })
}

/// The names of the tiers, which were made too fast to have an order of their own.
fn names(tiers: &Value) -> Vec<String> {
    let name = |tier: &Value| {
        let named = if tier["tier"].is_null() { tier } else { &tier["tier"] };
        named["name"].as_str().expect("a name").to_owned()
    };
    let mut names: Vec<String> = tiers.as_array().expect("tiers").iter().map(name).collect();
    names.sort();
    names
}

#[test]
fn the_public_sees_neither_a_hidden_tier_nor_its_places() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let before = seen(world, None, &stage).await;
        assert_eq!(before["availability"]["available"], 80);
        let tier = hide(world, &stage, true).await;
        let buyer = world.guest().await;
        let held = opener(world, &tier, &buyer).await;
        // Whatever becomes of the places of the hidden row, nobody sees anything of it.
        let counts = json!({ "capacity": 80, "available": 70, "reserved": 0, "sold": 0, "blocked": 10 });
        for step in 0..2 {
            let stranger = world.guest().await;
            for token in [None, Some(stranger.as_str()), Some(buyer.as_str())] {
                let event = seen(world, token, &stage).await;
                let all = &event["availability"];
                assert_eq!(names(&event["tiers"]), ["Back", "Floor"], "step {step}");
                assert_eq!(names(&all["tiers"]), ["Back", "Floor"]);
                assert_eq!(event["seatsLeft"], 70);
                for (name, value) in counts.as_object().expect("fields") {
                    assert_eq!(&all[name], value, "{name}");
                }
                assert_eq!(all["rows"][0]["statuses"], "XXXXXXXXXX");
                assert_eq!(all["rows"][1]["statuses"], "AAAAAAAAAA");
                assert_eq!(all["zones"][0]["available"], 70);
                assert_eq!(names(&all["zones"][0]["tiers"]), ["Back", "Floor"]);
            }
            // A member of the shop sees everything.
            let event = seen(world, Some(&stage.vendor), &stage).await;
            let all = &event["availability"];
            assert_eq!(names(&event["tiers"]), ["Back", "Floor", "Front"]);
            assert_eq!(names(&all["tiers"]), ["Back", "Floor", "Front"]);
            assert_eq!((&event["seatsLeft"], &all["available"]), (&json!(70), &json!(80 - 2 * step)));
            assert_eq!((&all["reserved"], &all["blocked"]), (&json!(2 * step), &json!(0)));
            assert_eq!(all["rows"][0]["statuses"], ["AAAAAAAAAA", "RRAAAAAAAA"][step]);
            let code = Some(held.code.as_str());
            reserved(world, &buyer, &stage, (seats(&stage, &[step * 2, step * 2 + 1]), code)).await.good();
        }
        hide(world, &stage, false).await;
        let after = seen(world, None, &stage).await;
        assert_eq!(names(&after["tiers"]), ["Back", "Floor", "Front"]);
        assert_eq!(after["availability"]["rows"][0]["statuses"], "RRRRAAAAAA");
        assert_eq!((&after["availability"]["reserved"], &after["seatsLeft"]), (&json!(4), &json!(76)));
    });
}

#[test]
fn access_code_shows_the_hidden_tier_to_its_holder_only() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let tier = hide(world, &stage, true).await;
        let (buyer, other) = (world.guest().await, world.guest().await);
        let held = opener(world, &tier, &buyer).await;
        let plain = world.given_claim(&world.coupon(|_| {}).await, &buyer).await;
        let code = held.code.as_str();
        reserved(world, &buyer, &stage, (seats(&stage, &[0]), Some(code))).await.good();
        let answer = opened(world, Some(&buyer), &stage, code).await.good();
        assert_eq!(answer.data("event.tiersOpenedBy"), json!([{ "name": "Front", "hidden": true }]));
        assert_eq!(answer.data("event.availability.rows.0.statuses"), "RAAAAAAAAA");
        let tiers = answer.data("event.availability.tiers");
        assert_eq!(names(&tiers), ["Back", "Floor", "Front"]);
        let front = tiers.as_array().expect("tiers").iter().find(|tier| tier["tier"]["name"] == "Front");
        assert_eq!(front.expect("the front")["available"], 9);
        let counts = ["available", "reserved", "blocked"];
        let counts = counts.map(|name| answer.data(&format!("event.availability.{name}")));
        assert_eq!(counts, [json!(79), json!(1), json!(0)]);
        // The next one who asks the same without a code gets nothing of that.
        assert_eq!(seen(world, None, &stage).await["availability"]["rows"][0]["statuses"], "XXXXXXXXXX");
        // Somebody else's code, one that does not exist and one that opens nothing are answered alike.
        let nobody = opened(world, None, &stage, code).await;
        assert_eq!(nobody.code().as_deref(), Some("UNAUTHENTICATED"), "{}", nobody.body);
        let strange = opened(world, Some(&other), &stage, code).await.good();
        assert_eq!(strange.data("event.tiersOpenedBy"), json!([]));
        assert_eq!(strange.data("event.availability.rows.0.statuses"), "XXXXXXXXXX");
        for (token, code) in [(&other, "NO-SUCH-CODE"), (&buyer, plain.code.as_str())] {
            let same = opened(world, Some(token), &stage, code).await.good();
            assert_eq!(same.body, strange.body, "{code}");
        }
        // Two fields of each of two questions were four wrong codes.
        for _ in 0..3 {
            opened(world, Some(&other), &stage, code).await.good();
        }
        let one_too_many = opened(world, Some(&other), &stage, code).await;
        assert_eq!(one_too_many.code().as_deref(), Some("RATE_LIMITED"), "{}", one_too_many.body);
        let after = one_too_many.body["errors"][0]["extensions"]["retryAfterMs"].as_u64();
        assert!(after.is_some_and(|after| after > 3_500_000), "{}", one_too_many.body);
        for _ in 0..12 {
            opened(world, Some(&buyer), &stage, code).await.good();
        }
    });
}

#[test]
fn subscribers_do_not_see_hidden_places() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let tier = hide(world, &stage, true).await;
        let buyer = world.guest().await;
        let held = opener(world, &tier, &buyer).await;
        let code = Some(held.code.as_str());
        let address = world.listen().await;
        let mut watchers = join_all((0..3).map(|_| Socket::open(&address, None))).await;
        let mut version = 0;
        for watcher in &mut watchers {
            watcher.subscribe("map", WATCH, json!({ "event": stage.event })).await;
            let first = watcher.next().await["seatAvailability"].clone();
            assert_eq!(first["rows"][0]["statuses"], "XXXXXXXXXX");
            version = first["version"].as_i64().expect("a version");
        }
        reserved(world, &buyer, &stage, (seats(&stage, &[3]), code)).await.good();
        reserved(world, &buyer, &stage, (seats(&stage, &[4, 15]), code)).await.good();
        // A client that resumes gets the same messages.
        let mut late = Socket::open(&address, None).await;
        late.subscribe("map", WATCH, json!({ "event": stage.event, "after": version })).await;
        watchers.push(late);
        for watcher in &mut watchers {
            let mut last = version;
            let mut changed = Vec::new();
            while last < version + 2 {
                let delta = watcher.next().await["seatAvailability"].clone();
                assert_eq!(
                    (&delta["__typename"], &delta["after"]),
                    (&json!("AvailabilityDelta"), &json!(last))
                );
                changed.extend(delta["seats"].as_array().expect("seats").iter().cloned());
                last = delta["version"].as_i64().expect("a version");
            }
            assert_eq!(changed, [json!({ "id": stage.seats[15], "status": "RESERVED" })]);
        }
        // Shown, and hidden again: each time everybody gets a new snapshot.
        for (hidden, row) in [(false, "AAARRAAAAA"), (true, "XXXXXXXXXX")] {
            hide(world, &stage, hidden).await;
            for watcher in &mut watchers {
                let snapshot = watcher.next().await["seatAvailability"].clone();
                assert_eq!(snapshot["__typename"], "AvailabilitySnapshot", "{snapshot}");
                assert_eq!(snapshot["rows"][0]["statuses"], row);
            }
        }
    });
}

/// What a client makes of the feed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Map {
    pub(crate) version: i64,
    seats: Vec<PublicStatus>,
    areas: Vec<u32>,
    pub(crate) counts: inventory::Counts,
    tiers: BTreeMap<TierId, u32>,
}

impl Map {
    pub(crate) fn of(all: &Availability) -> Self {
        let areas = all.areas.iter().map(inventory::Area::available).collect();
        let tiers = all.tiers.iter().copied().collect();
        Self { version: all.version, seats: all.seats.clone(), areas, counts: all.counts, tiers }
    }

    /// Returns the number of free places, place by place.
    pub(crate) fn free(&self) -> u32 {
        let seats = self.seats.iter().filter(|seat| **seat == PublicStatus::Available).count();
        u32::try_from(seats).expect("few") + self.areas.iter().sum::<u32>()
    }

    pub(crate) fn take(&mut self, message: Message) {
        match message {
            Message::Snapshot(all) => *self = Self::of(&all),
            Message::Delta(delta) => {
                assert_eq!(delta.after, self.version, "nothing missed, nothing twice");
                self.version = delta.version;
                for (seat, status) in delta.seats {
                    self.seats[seat as usize] = status;
                }
                for (area, available) in delta.areas {
                    self.areas[area as usize] = available;
                }
                self.counts = delta.counts;
                for (tier, available) in delta.tiers {
                    assert!(self.tiers.insert(tier, available).is_some(), "no hidden tier");
                }
            }
        }
    }
}

/// Buyers with codes reserve and drop hidden and shown places while the tier is hidden and shown: at every version a
/// reader has exactly what a snapshot of that version says, however it came there.
#[test]
fn every_delta_applied_to_a_snapshot_gives_the_next_snapshot() {
    run(async |world: &World| {
        let stage = world.stage().await;
        world.without_reservation_budget(&stage.vendor, &stage.event).await;
        let event = world.only_event().await;
        let tier = hide(world, &stage, true).await;
        let mut buyers = Vec::new();
        for _ in 0..3 {
            let token = world.guest().await;
            let code = opener(world, &tier, &token).await.code;
            buyers.push((token, code));
        }
        let mut random = Random::new(7);
        let mut truth: BTreeMap<i64, Map> = BTreeMap::new();
        let mut live = pin!(feed::subscribe(&world.app, event.into(), None));
        let mut map: Option<Map> = None;
        for round in 0..120 {
            let now = Map::of(&feed::availability(&world.app, event.into()).await.expect("a snapshot"));
            // Every third round the reader comes back, from where it was.
            if round % 3 == 0 && map.is_some() {
                live.set(feed::subscribe(&world.app, event.into(), map.as_ref().map(|map| map.version)));
            }
            while map.as_ref().is_none_or(|map| map.version < now.version) {
                let message = tokio::time::timeout(Duration::from_secs(20), live.next()).await;
                let message = message.expect("a message").expect("the feed goes on").expect("no fault");
                match (&mut map, message) {
                    (Some(map), message) => map.take(message),
                    (none, Message::Snapshot(all)) => *none = Some(Map::of(&all)),
                    (None, delta @ Message::Delta(_)) => panic!("nothing to change: {delta:?}"),
                }
            }
            assert_eq!(map.as_ref(), Some(&now), "round {round}");
            truth.insert(now.version, now);
            let (token, code) = &buyers[random.below(3)];
            match random.below(10) {
                0 => drop(hide(world, &stage, random.below(2) == 0).await),
                1..=3 => {
                    for id in world.reservations(token).await {
                        let release =
                            "mutation($id: ID!) { releaseReservation(input: { reservationId: $id }) {
                            errors { code } } }";
                        world.gql(Some(token), release, json!({ "id": id })).await.good();
                    }
                }
                4 => {
                    let floor = json!({ "admission": { "areaId": stage.area, "quantity": 2 } });
                    reserved(world, token, &stage, (floor, Some(code))).await;
                }
                _ => {
                    // One hidden, one shown.
                    let pick = seats(&stage, &[random.below(10), 10 + random.below(20)]);
                    reserved(world, token, &stage, (pick, Some(code))).await;
                }
            }
        }
        // And from every version to every later one at once.
        for (after, from) in &truth {
            for (until, to) in truth.range(after + 1..) {
                let mut map = from.clone();
                let message =
                    feed::between(&world.app, event.into(), *after, *until).await.expect("no fault");
                let is_delta = matches!(message, Message::Delta(_));
                map.take(message);
                if is_delta {
                    assert_eq!(map, *to, "from {after} to {until}");
                } else {
                    assert!(map.version >= *until, "a snapshot is never older");
                }
            }
        }
    });
}
