//! What is free and what is sold: the fields, the filter, the list and the live feed agree, and members of the shop see
//! everything.

use std::time::Duration;

use chrono::TimeDelta;
use entity::{
    coupon::{CouponKind, scope},
    inventory::Column,
};
use futures_util::{StreamExt, stream::BoxStream};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use serde_json::{Value, json};
use tessera::{
    error::FaultResult,
    inventory::{
        Audience,
        feed::{self, Message},
    },
};

use crate::{
    event::hidden_tiers::Map,
    support::{Answer, World, given::Stage, random::Random, run, socket::Socket},
};

const SEEN: &str = "query($event: ID!) { event(id: $event) { status seatsLeft capacity availability {
    version capacity available reserved sold blocked rows { statuses } areas { available } zones { available }
    tiers { tier { name } available } } } }";
const LISTED: &str = "query($status: [EventStatus!], $search: String) {
    events(first: 100, filter: { status: $status, search: $search }) { nodes { id status seatsLeft } } }";
const RESERVE: &str = "mutation($event: ID!, $pick: PickInput!, $code: String, $key: String!) {
    reserveSeats(input: { eventId: $event, pick: $pick, accessCode: $code, idempotencyKey: $key }) {
        reservation { id } errors { code message } } }";
const REFUND: &str = "mutation($id: ID!, $key: String!) {
    refundOrder(input: { orderId: $id, idempotencyKey: $key }) { order { state } errors { code message } } }";
const RELEASE: &str = "mutation($id: ID!) { releaseReservation(input: { reservationId: $id }) {
    reservation { status } errors { code message } } }";

/// An event on sale with a plan of its own.
struct Sale<'a> {
    world: &'a World,
    vendor: &'a str,
    event: String,
    seats: Vec<String>,
    areas: Vec<String>,
}

/// A tier of the event: its name, its categories, and whether it is hidden.
type Tier<'a> = (&'a str, &'a [&'a str], bool);

/// Returns a plan with one row, whose seats have these categories, and areas with a category and a capacity.
fn plan(seats: &str, areas: &[(Option<&str>, u32)]) -> String {
    let seat = |(index, category): (usize, char)| {
        json!({ "seat_guid": format!("s{index}"), "seat_number": (index + 1).to_string(),
            "position": { "x": 20 * index, "y": 0 }, "category": category.to_string() })
    };
    let area = |(index, (category, capacity)): (usize, &(Option<&str>, u32))| {
        let mut area = json!({ "shape": "rectangle", "area_guid": format!("a{index}"), "name": format!("Area {index}"),
            "capacity": capacity, "position": { "x": 0, "y": 80 }, "rectangle": { "width": 50, "height": 40 } });
        if let Some(category) = category {
            area["category"] = json!(category);
        }
        area
    };
    let seats: Vec<Value> = seats.chars().enumerate().map(seat).collect();
    let areas: Vec<Value> = areas.iter().enumerate().map(area).collect();
    let categories = ["A", "B", "C", "D"].map(|name| json!({ "name": name, "color": "#aa0000" }));
    json!({
        "name": "Own plan", "size": { "width": 900, "height": 300 }, "categories": categories,
        "zones": [{ "name": "Hall", "position": { "x": 10, "y": 10 },
            "rows": [{ "row_number": "1", "position": { "x": 0, "y": 0 }, "seats": seats }], "areas": areas }],
    })
    .to_string()
}

fn key(world: &World) -> String {
    uuid::Uuid::from_bytes(world.app.random()).to_string()
}

impl<'a> Sale<'a> {
    async fn of(world: &'a World, stage: &'a Stage, plan: &str, tiers: &[Tier<'_>]) -> Self {
        let vendor = stage.vendor.as_str();
        let map = world.import(vendor, &stage.venue, plan).await;
        let starts = world.app.clock.now() + TimeDelta::days(30);
        let create = "mutation($input: CreateEventInput!) { createEvent(input: $input) {
            event { id } errors { code message path } } }";
        let input = json!({ "shopId": stage.shop, "venueId": stage.venue, "seatMapId": map,
            "categoryId": stage.category, "name": "Own event", "startsAt": starts,
            "endsAt": starts + TimeDelta::hours(2), "refundUntil": starts, "orphanRule": false,
            "reservationBudgetSeconds": null });
        let made = world.gql(Some(vendor), create, json!({ "input": input })).await.good();
        let event = made.text("createEvent.event.id");
        for (name, categories, hidden) in tiers {
            let create = "mutation($input: CreateTierInput!) { createTier(input: $input) {
                tier { id } errors { code message path } } }";
            let input = json!({ "eventId": event, "name": name, "categories": categories, "hidden": hidden,
                "basePrice": { "amount": "10.00", "currency": "EUR" } });
            world.gql(Some(vendor), create, json!({ "input": input })).await.good();
        }
        let publish = "mutation($event: ID!) { publishEvent(input: { eventId: $event, expectedVersion: 1 }) {
            event { id } errors { code message } } }";
        world.gql(Some(vendor), publish, json!({ "event": event })).await.good();
        let places = "query($event: ID!) { event(id: $event) { seatMap {
            zones { rows { seats { id } } } areas { id } } } }";
        let places = world.gql(None, places, json!({ "event": event })).await.good();
        let ids = |path: &str| -> Vec<String> {
            let all = places.data(path);
            let id = |one: &Value| one["id"].as_str().expect("an id").to_owned();
            all.as_array().expect("a list").iter().map(id).collect()
        };
        let seats = ids("event.seatMap.zones.0.rows.0.seats");
        let areas = ids("event.seatMap.areas");
        Self { world, vendor, event, seats, areas }
    }

    /// Returns the event as the holder of the token sees it.
    async fn seen(&self, token: Option<&str>) -> Value {
        self.world.gql(token, SEEN, json!({ "event": self.event })).await.good().data("event")
    }

    /// Reserves seats by index, or places in an area by index.
    async fn try_reserve(&self, token: &str, pick: Value, code: Option<&str>) -> Answer {
        let input = json!({ "event": self.event, "pick": pick, "code": code, "key": key(self.world) });
        self.world.gql(Some(token), RESERVE, input).await
    }

    fn seats(&self, indices: &[usize]) -> Value {
        json!({ "seatIds": indices.iter().map(|index| self.seats[*index].as_str()).collect::<Vec<_>>() })
    }

    fn area(&self, index: usize, quantity: u32) -> Value {
        json!({ "admission": { "areaId": self.areas[index], "quantity": quantity } })
    }

    async fn buy(&self, token: &str, pick: Value, code: Option<&str>) -> String {
        let reservation =
            self.try_reserve(token, pick, code).await.good().text("reserveSeats.reservation.id");
        let order = self.world.checkout(token, &[&reservation]).await;
        let paid = self.world.pay(token, &order, "pm_card_visa", &key(self.world)).await.good();
        assert_eq!(paid.data("payOrder.order.state"), "PAID");
        order
    }

    /// Changes a tier at its current version.
    async fn change_tier(&self, name: &str, with: Value) {
        let document = "query($id: ID!) { event(id: $id) { tiers { id name version } } }";
        let found = self.world.gql(Some(self.vendor), document, json!({ "id": self.event })).await.good();
        let tiers = found.data("event.tiers");
        let tier = tiers.as_array().expect("tiers").iter().find(|tier| tier["name"] == name).expect("a tier");
        let mut input = with;
        (input["tierId"], input["expectedVersion"]) = (tier["id"].clone(), tier["version"].clone());
        let document = "mutation($input: UpdateTierInput!) { updateTier(input: $input) {
            tier { id } errors { code message path } } }";
        self.world.gql(Some(self.vendor), document, json!({ "input": input })).await.good();
    }

    /// Returns a code that unlocks all tiers, in the bag of the token's account.
    async fn code(&self, token: &str) -> String {
        let document = "query($id: ID!) { event(id: $id) { tiers { id } } }";
        let found = self.world.gql(Some(self.vendor), document, json!({ "id": self.event })).await.good();
        let opening =
            self.world.coupon(|coupon| (coupon.kind, coupon.amount_minor) = (CouponKind::AccessCode, None));
        let opening = opening.await;
        let only: Vec<scope::Model> = found
            .data("event.tiers")
            .as_array()
            .expect("tiers")
            .iter()
            .map(|tier| {
                let id: type_safe_id::TypeSafeId<type_safe_id::DynamicType> =
                    tier["id"].as_str().expect("an id").parse().expect("an id");
                scope::Model { coupon_id: opening.id, kind: scope::CouponScopeKind::Tier, target: id.uuid() }
            })
            .collect();
        self.world.given_claim_of(&opening, &only, token).await.code
    }

    /// Asserts that the field, the filter and the list agree for this viewer. Returns the event as the viewer sees it.
    async fn agreed(&self, token: Option<&str>) -> Value {
        let seen = self.seen(token).await;
        let mut found = 0;
        for status in ["DRAFT", "UPCOMING", "ON_SALE", "SOLD_OUT", "SALES_ENDED", "PAST", "CANCELLED"] {
            let listed = self.world.gql(token, LISTED, json!({ "status": [status] })).await.good();
            let listed = listed.data("events.nodes");
            for node in listed.as_array().expect("nodes").iter().filter(|node| node["id"] == self.event) {
                found += 1;
                assert_eq!((&node["status"], &seen["status"]), (&json!(status), &json!(status)));
                assert_eq!(node["seatsLeft"], seen["seatsLeft"], "the list and the field");
            }
        }
        assert_eq!(found, 1, "the event has one status in the filter");
        assert_eq!(seen["status"] == "SOLD_OUT", seen["seatsLeft"] == 0, "{seen}");
        let all = &seen["availability"];
        let count = |name: &str| all[name].as_u64().expect("a count");
        let counts = ["available", "reserved", "sold", "blocked"].map(count);
        assert_eq!(counts.iter().sum::<u64>(), count("capacity"), "{all}");
        let rows = all["rows"].as_array().expect("rows");
        let letters = |letter: char| -> u64 {
            let statuses = rows.iter().map(|row| row["statuses"].as_str().expect("letters"));
            statuses.map(|row| row.matches(letter).count() as u64).sum()
        };
        let sum = |list: &str| -> u64 {
            let list = all[list].as_array().expect("a list");
            list.iter().map(|one| one["available"].as_u64().expect("a number")).sum()
        };
        assert_eq!(letters('A') + sum("areas"), counts[0], "rows and areas: {all}");
        assert_eq!((sum("zones"), sum("tiers")), (counts[0], counts[0]), "zones and tiers: {all}");
        seen
    }
}

/// Returns available, reserved, sold and blocked places.
fn counts(seen: &Value) -> [u64; 4] {
    ["available", "reserved", "sold", "blocked"]
        .map(|name| seen["availability"][name].as_u64().expect("a number"))
}

#[test]
fn event_with_unpriced_seats_sells_out() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let sale = Sale::of(world, &stage, &plan("AAAABBBBBBBB", &[]), &[("Tier", &["A"], false)]).await;
        let buyer = world.guest().await;
        let seen = sale.agreed(None).await;
        assert_eq!((&seen["status"], &seen["seatsLeft"]), (&json!("ON_SALE"), &json!(4)));
        assert_eq!(seen["capacity"], 12);
        let reservation = sale.try_reserve(&buyer, sale.seats(&[0, 1, 2, 3]), None).await.good();
        let seen = sale.agreed(None).await;
        assert_eq!((&seen["status"], counts(&seen)), (&json!("SOLD_OUT"), [0, 4, 0, 8]), "reserved");
        let order = world.checkout(&buyer, &[&reservation.text("reserveSeats.reservation.id")]).await;
        world.pay(&buyer, &order, "pm_card_visa", &key(world)).await.good();
        for token in [None, Some(buyer.as_str()), Some(stage.vendor.as_str())] {
            let seen = sale.agreed(token).await;
            assert_eq!((&seen["status"], &seen["seatsLeft"]), (&json!("SOLD_OUT"), &json!(0)));
            assert_eq!(counts(&seen), [0, 0, 4, 8]);
        }
        // A refund brings them back.
        world.gql(Some(&buyer), REFUND, json!({ "id": order, "key": key(world) })).await.good();
        let seen = sale.agreed(None).await;
        assert_eq!((&seen["status"], &seen["seatsLeft"]), (&json!("ON_SALE"), &json!(4)));
    });
}

/// Seats by category, areas, tiers, what is bought with a code, and then: places left, and what the public and the shop
/// see as available, reserved, sold and blocked.
type Case<'a> = (
    &'a str,
    &'a [(Option<&'a str>, u32)],
    &'a [Tier<'a>],
    (&'a [usize], Option<(usize, u32)>),
    (u64, [u64; 4], [u64; 4]),
);

#[test]
fn places_are_counted_once_by_the_same_rule() {
    let cases: &[Case] = &[
        // All priced.
        ("AABB", &[], &[("T", &["A", "B"], false)], (&[0], None), (3, [3, 0, 1, 0], [3, 0, 1, 0])),
        // An area without a tier.
        ("AA", &[(None, 30)], &[("T", &["A"], false)], (&[0, 1], None), (0, [0, 0, 2, 30], [0, 0, 2, 30])),
        // Only an area has a tier.
        (
            "AAAA",
            &[(Some("B"), 2)],
            &[("T", &["B"], false)],
            (&[], Some((0, 2))),
            (0, [0, 0, 2, 4], [0, 0, 2, 4]),
        ),
        // A hidden tier keeps the public sold out, and members see it.
        (
            "AABBB",
            &[],
            &[("T", &["A"], false), ("H", &["B"], true)],
            (&[0, 1, 2], None),
            (0, [0, 0, 2, 3], [2, 0, 3, 0]),
        ),
        // Everything is hidden.
        (
            "AAA",
            &[(Some("A"), 5)],
            &[("H", &["A"], true)],
            (&[1], Some((0, 2))),
            (0, [0, 0, 0, 8], [5, 0, 3, 0]),
        ),
        // A hidden area, a priced area and unpriced seats.
        (
            "CCCC",
            &[(Some("A"), 3), (Some("B"), 4), (None, 5)],
            &[("T", &["A"], false), ("H", &["B"], true)],
            (&[], Some((1, 4))),
            (3, [3, 0, 0, 13], [3, 0, 4, 9]),
        ),
    ];
    run(async |world: &World| {
        let stage = world.stage().await;
        for (seats, areas, tiers, (picked, area), (left, public, shop)) in cases {
            let sale = Sale::of(world, &stage, &plan(seats, areas), tiers).await;
            let buyer = world.guest().await;
            let code = sale.code(&buyer).await;
            // A code is refused if it unlocks nothing.
            let code = tiers.iter().any(|(_, _, hidden)| *hidden).then_some(code.as_str());
            if !picked.is_empty() {
                sale.buy(&buyer, sale.seats(picked), code).await;
            }
            if let Some((index, quantity)) = area {
                sale.buy(&buyer, sale.area(*index, *quantity), code).await;
            }
            let seen = sale.agreed(None).await;
            assert_eq!((&seen["seatsLeft"], counts(&seen)), (&json!(left), *public), "{seats} {tiers:?}");
            let seen = sale.agreed(Some(&stage.vendor)).await;
            assert_eq!(seen["seatsLeft"], json!(left), "the number is the same for all");
            assert_eq!(counts(&seen), *shop, "a member of the shop sees {seats} {tiers:?}");
            // No one else gets the member's response, and no member the public one.
            let stranger = world.user(&format!("stranger-{}", key(world))).await;
            assert_eq!(counts(&sale.seen(Some(&stranger)).await), *public);
            assert_eq!(counts(&sale.seen(None).await), *public);
            assert_eq!(counts(&sale.seen(Some(&stage.vendor)).await), *shop);
        }
    });
}

#[test]
fn change_of_a_tiers_places_never_changes_what_is_sold() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let tiers: &[Tier] = &[("T", &["A", "B"], false), ("H", &["C"], true)];
        let sale = Sale::of(world, &stage, &plan("AABBCC", &[(Some("D"), 5)]), tiers).await;
        let buyer = world.guest().await;
        let code = sale.code(&buyer).await;
        sale.buy(&buyer, sale.seats(&[0, 2, 4]), Some(&code)).await;
        let held = sale.try_reserve(&buyer, sale.seats(&[3]), None).await.good();
        let shop = Some(stage.vendor.as_str());
        assert_eq!(counts(&sale.agreed(shop).await), [2, 1, 3, 5]);
        // Seats 2 and 3, one sold and one reserved, lose their tier. The public sees that they are taken, too.
        sale.change_tier("T", json!({ "categories": ["A"] })).await;
        assert_eq!(counts(&sale.agreed(shop).await), [2, 1, 3, 5]);
        let public = sale.agreed(None).await;
        assert_eq!(counts(&public), [1, 1, 2, 7]);
        assert_eq!(public["availability"]["rows"][0]["statuses"], "SASRXX");
        // The reserved seat is released: nobody can reserve it now.
        let id = held.text("reserveSeats.reservation.id");
        world.gql(Some(&buyer), RELEASE, json!({ "id": id })).await.good();
        assert_eq!(counts(&sale.agreed(shop).await), [2, 0, 3, 6]);
        assert_eq!(sale.agreed(None).await["availability"]["rows"][0]["statuses"], "SASXXX");
        // The rest of the tier moves to the area, then back; the hidden tier is shown, then takes the sold seats.
        for (tier, with, left, expected) in [
            ("T", json!({ "categories": ["D"] }), 5, [6, 0, 3, 2]),
            ("T", json!({ "categories": ["A", "B", "D"] }), 7, [8, 0, 3, 0]),
            ("H", json!({ "hidden": false }), 8, [8, 0, 3, 0]),
            ("T", json!({ "categories": ["D"] }), 6, [6, 0, 3, 2]),
            ("H", json!({ "categories": ["A", "B"], "hidden": true }), 5, [7, 0, 3, 1]),
        ] {
            sale.change_tier(tier, with.clone()).await;
            let seen = sale.agreed(shop).await;
            assert_eq!((&seen["seatsLeft"], counts(&seen)), (&json!(left), expected), "{tier} {with}");
            assert_eq!(sale.agreed(None).await["seatsLeft"], left, "{tier} {with}");
        }
    });
}

const WATCH: &str = "subscription($event: ID!, $all: Boolean!) {
    seatAvailability(eventId: $event, allTiers: $all) { __typename
    ... on AvailabilitySnapshot { version sold available rows { statuses } }
    ... on AvailabilityDelta { version sold available seats { status } } } }";

#[test]
fn members_follow_hidden_tiers_live_and_nobody_else_does() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let tiers: &[Tier] = &[("T", &["A"], false), ("H", &["B"], true)];
        let sale = Sale::of(world, &stage, &plan("AABB", &[]), tiers).await;
        let (buyer, stranger) = (world.guest().await, world.user("stranger").await);
        let code = sale.code(&buyer).await;
        let address = world.listen().await;
        let mut member = Socket::open(&address, Some(&stage.vendor)).await;
        member.subscribe("all", WATCH, json!({ "event": sale.event, "all": true })).await;
        let first = member.next().await["seatAvailability"].clone();
        assert_eq!((&first["available"], &first["rows"][0]["statuses"]), (&json!(4), &json!("AAAA")));
        let mut public = Socket::open(&address, Some(&stage.vendor)).await;
        public.subscribe("public", WATCH, json!({ "event": sale.event, "all": false })).await;
        let first = public.next().await["seatAvailability"].clone();
        assert_eq!((&first["available"], &first["rows"][0]["statuses"]), (&json!(2), &json!("AAXX")));
        sale.buy(&buyer, sale.seats(&[2]), Some(&code)).await;
        let sold = async |socket: &mut Socket| {
            loop {
                let message = socket.next().await["seatAvailability"].clone();
                let version = message["version"].as_i64().expect("a version");
                if version >= sale.seen(None).await["availability"]["version"].as_i64().expect("a version") {
                    return (message["sold"].clone(), message["available"].clone());
                }
            }
        };
        assert_eq!(sold(&mut member).await, (json!(1), json!(3)));
        assert_eq!(sold(&mut public).await, (json!(0), json!(2)));
        for token in [None, Some(buyer.as_str()), Some(stranger.as_str())] {
            let mut socket = Socket::open(&address, token).await;
            socket.subscribe("all", WATCH, json!({ "event": sale.event, "all": true })).await;
            let refused = socket.message().await.to_string();
            assert!(refused.contains("FORBIDDEN") || refused.contains("UNAUTHENTICATED"), "{refused}");
        }
    });
}

/// An earlier program version did not store the number.
#[test]
fn places_of_events_published_before_an_upgrade_are_counted_at_the_start() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let sale = Sale::of(world, &stage, &plan("AABBB", &[]), &[("T", &["A"], false)]).await;
        let buyer = world.guest().await;
        sale.buy(&buyer, sale.seats(&[0, 1]), None).await;
        let tx = world.app.store.begin().await.expect("begun");
        entity::inventory::Entity::update_many()
            .col_expr(Column::PublicAvailable, Expr::value(Option::<i32>::None))
            .filter(Column::Version.gt(0))
            .exec(&tx)
            .await
            .expect("an old row");
        tx.commit().await.expect("committed");
        assert_eq!(sale.seen(None).await["seatsLeft"], 3, "the old number, until it is counted");
        world.work().await;
        let seen = sale.agreed(None).await;
        assert_eq!((&seen["status"], &seen["seatsLeft"]), (&json!("SOLD_OUT"), &json!(0)));
    });
}

/// The independent model of an event: the state of each place, and the categories of each tier.
struct Model {
    seats: Vec<(char, State)>,
    /// Category, capacity, reserved and sold.
    areas: Vec<(Option<char>, u32, u32, u32)>,
    tiers: [(Vec<char>, bool); 2],
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Free,
    Reserved,
    Sold,
}

/// The places of a reservation or an order.
#[derive(Clone)]
enum Places {
    Seats(Vec<usize>),
    Area(usize, u32),
}

impl Model {
    /// Returns whether a place of the category is in a tier, and whether in a hidden one.
    fn tier(&self, category: Option<char>) -> Option<bool> {
        let category = category?;
        self.tiers.iter().find(|(categories, _)| categories.contains(&category)).map(|(_, hidden)| *hidden)
    }

    fn counts(&self, is_shop: bool) -> [u64; 4] {
        let mut counts = [0; 4];
        let mut add = |category: Option<char>, state: State, number: u32| {
            let place = match (self.tier(category), state) {
                (Some(true), _) if !is_shop => 3,
                (None, State::Free) => 3,
                (_, State::Free) => 0,
                (_, State::Reserved) => 1,
                (_, State::Sold) => 2,
            };
            counts[place] += u64::from(number);
        };
        for (category, state) in &self.seats {
            add(Some(*category), *state, 1);
        }
        for (category, capacity, reserved, sold) in &self.areas {
            add(*category, State::Free, capacity - reserved - sold);
            add(*category, State::Reserved, *reserved);
            add(*category, State::Sold, *sold);
        }
        counts
    }

    fn set(&mut self, places: &Places, from: State, to: State) {
        match places {
            Places::Seats(seats) => seats.iter().for_each(|seat| self.seats[*seat].1 = to),
            Places::Area(area, quantity) => {
                let (_, _, reserved, sold) = &mut self.areas[*area];
                match from {
                    State::Free => {}
                    State::Reserved => *reserved -= quantity,
                    State::Sold => *sold -= quantity,
                }
                match to {
                    State::Free => {}
                    State::Reserved => *reserved += quantity,
                    State::Sold => *sold += quantity,
                }
            }
        }
    }
}

/// Reads the feed until it has this version.
async fn follow(live: &mut BoxStream<'_, FaultResult<Message>>, map: &mut Option<Map>, version: i64) {
    while map.as_ref().is_none_or(|map| map.version < version) {
        let message = tokio::time::timeout(Duration::from_secs(20), live.next()).await;
        let message = message.expect("a message").expect("the feed goes on").expect("no fault");
        match (&mut *map, message) {
            (Some(map), message) => map.take(message),
            (none, Message::Snapshot(all)) => *none = Some(Map::of(&all)),
            (None, delta @ Message::Delta(_)) => panic!("nothing to change: {delta:?}"),
        }
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one random history")]
fn field_filter_list_and_live_feed_agree_at_every_step_of_a_random_history() {
    run(async |world: &World| {
        let stage = world.stage().await;
        for seed in 0..3 {
            let mut random = Random::new(seed);
            let row: String = (0..12).map(|_| *random.one(&['A', 'B', 'C', 'D'])).collect();
            let areas = [(Some("D"), 6), (None, 4), (Some("B"), 5)];
            let tiers: [Tier; 2] = [("T", &["A", "D"], false), ("H", &["B"], seed % 2 == 0)];
            let sale = Sale::of(world, &stage, &plan(&row, &areas), &tiers).await;
            let mut model = Model {
                seats: row.chars().map(|category| (category, State::Free)).collect(),
                areas: areas
                    .iter()
                    .map(|(category, capacity)| {
                        (category.and_then(|name| name.chars().next()), *capacity, 0, 0)
                    })
                    .collect(),
                tiers: [(vec!['A', 'D'], false), (vec!['B'], seed % 2 == 0)],
            };
            let mut buyers = Vec::new();
            for _ in 0..4 {
                let token = world.guest().await;
                let code = sale.code(&token).await;
                buyers.push((token, code));
            }
            let id: type_safe_id::TypeSafeId<type_safe_id::DynamicType> =
                sale.event.parse().expect("an event");
            let inventory = entity::EventId(id.uuid()).into();
            let streams = [Audience::PUBLIC, Audience::Shop]
                .map(|audience| (feed::subscribe_for(&world.app, inventory, None, audience).boxed(), None));
            let mut streams: [(BoxStream<'_, FaultResult<Message>>, Option<Map>); 2] = streams;
            let (mut held, mut bought) = (Vec::new(), Vec::new());
            for step in 0..40 {
                let (token, code) = random.one(&buyers).clone();
                match random.below(10) {
                    0..=3 => {
                        let (places, pick) = if random.chance(60) {
                            let seats: Vec<usize> =
                                random.some_below(12, 2).into_iter().map(|seat| seat as usize).collect();
                            (Places::Seats(seats.clone()), sale.seats(&seats))
                        } else {
                            let (area, quantity) = (random.below(3), if random.chance(50) { 1 } else { 2 });
                            (Places::Area(area, quantity), sale.area(area, quantity))
                        };
                        // A code is refused if it unlocks nothing.
                        let is_sent = random.chance(70) && model.tiers[1].1;
                        let code = is_sent.then_some(code.as_str());
                        let made = sale.try_reserve(&token, pick, code).await;
                        if made.refusal("reserveSeats").is_none() {
                            model.set(&places, State::Free, State::Reserved);
                            held.push((made.text("reserveSeats.reservation.id"), token, places));
                        }
                    }
                    4 | 5 if !held.is_empty() => {
                        let (id, token, places) = held.swap_remove(random.below(held.len()));
                        let order = world.checkout(&token, &[&id]).await;
                        world.pay(&token, &order, "pm_card_visa", &key(world)).await.good();
                        model.set(&places, State::Reserved, State::Sold);
                        bought.push((order, token, places));
                    }
                    6 if !held.is_empty() => {
                        let (id, token, places) = held.swap_remove(random.below(held.len()));
                        world.gql(Some(&token), RELEASE, json!({ "id": id })).await.good();
                        model.set(&places, State::Reserved, State::Free);
                    }
                    7 if !bought.is_empty() => {
                        let (id, token, places): (String, String, Places) =
                            bought.swap_remove(random.below(bought.len()));
                        world.gql(Some(&token), REFUND, json!({ "id": id, "key": key(world) })).await.good();
                        model.set(&places, State::Sold, State::Free);
                    }
                    8 => {
                        let hidden = random.chance(50);
                        sale.change_tier("H", json!({ "hidden": hidden })).await;
                        model.tiers[1].1 = hidden;
                    }
                    _ => {
                        // Each tier chooses among its own two categories, so that no place is in two tiers.
                        let tier = random.below(2);
                        let choices: [&[char]; 3] = if tier == 0 {
                            [&['A'], &['D'], &['A', 'D']]
                        } else {
                            [&['B'], &['C'], &['B', 'C']]
                        };
                        let categories = (*random.one(&choices)).to_vec();
                        let names: Vec<String> = categories.iter().map(char::to_string).collect();
                        let name = if tier == 0 { "T" } else { "H" };
                        sale.change_tier(name, json!({ "categories": names })).await;
                        model.tiers[tier].0 = categories;
                    }
                }
                let public = sale.agreed(None).await;
                let shop = sale.agreed(Some(&stage.vendor)).await;
                let context = format!("seed {seed}, step {step}: {row} {:?}", model.tiers);
                assert_eq!(counts(&public), model.counts(false), "the public, {context}");
                assert_eq!(counts(&shop), model.counts(true), "the shop, {context}");
                assert_eq!(public["seatsLeft"], json!(model.counts(false)[0]), "{context}");
                let version = public["availability"]["version"].as_i64().expect("a version");
                for (is_shop, (live, map)) in [false, true].into_iter().zip(&mut streams) {
                    follow(live, map, version).await;
                    let (fed, sum) = map.as_ref().map(|map| (map.counts, map.free())).expect("a map");
                    let fed = [fed.available, fed.reserved, fed.sold, fed.blocked].map(u64::from);
                    assert_eq!(fed, model.counts(is_shop), "the live feed, {is_shop}, {context}");
                    assert_eq!(u64::from(sum), fed[0], "the sum over the feed's places, {context}");
                }
            }
        }
    });
}
