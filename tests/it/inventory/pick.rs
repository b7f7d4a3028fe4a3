//! Seat selection: the best free seats, and the orphan rule.

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tessera::http::Patience;
use test_case::test_case;

use crate::support::Database::{self, Postgres, Sqlite};
use crate::support::{Answer, World, given::Stage, run_on};

const BEST: &str = "mutation($event: ID!, $wish: BestAvailableInput!, $key: String!) {
    reserveSeats(input: { eventId: $event, pick: { bestAvailable: $wish }, idempotencyKey: $key }) {
        reservation { id quantity items { seat { id } label basePrice { amount } } }
        errors { code message path available enoughIfSplit } } }";
const RULE: &str = "mutation($event: ID!, $version: Long!, $rule: Boolean!) {
    updateEvent(input: { eventId: $event, expectedVersion: $version, orphanRule: $rule }) {
        event { orphanRule } errors { code } } }";

impl World {
    async fn best(&self, token: &str, event: &str, wish: Value, key: &str) -> Answer {
        self.gql(Some(token), BEST, json!({ "event": event, "wish": wish, "key": key })).await
    }

    /// The id of the tier of the front row.
    async fn front_tier(&self, stage: &Stage) -> Value {
        let document = "query($event: ID!) { event(id: $event) { tiers { id name } } }";
        let tiers =
            self.gql(None, document, json!({ "event": stage.event })).await.good().data("event.tiers");
        let front = tiers.as_array().expect("tiers").iter().find(|tier| tier["name"] == "Front");
        front.expect("a front row")["id"].clone()
    }

    async fn switch_rule(&self, stage: &Stage, rule: bool) {
        let document = "query($event: ID!) { event(id: $event) { version } }";
        let version = self.gql(None, document, json!({ "event": stage.event })).await.data("event.version");
        let input = json!({ "event": stage.event, "version": version, "rule": rule });
        let updated = self.gql(Some(&stage.vendor), RULE, input).await.good();
        assert_eq!(updated.data("updateEvent.event.orphanRule"), rule);
    }
}

/// The seats of the reservation that was made, by their place in map order.
fn seats(answer: &Answer, stage: &Stage) -> Vec<usize> {
    let items = answer.data("reserveSeats.reservation.items");
    let seat = |item: &Value| stage.seats.iter().position(|id| item["seat"]["id"] == **id).expect("a seat");
    items.as_array().expect("items").iter().map(seat).collect()
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn a_pick_that_leaves_an_orphan_is_refused_while_the_event_says_so(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let (buyer, other) = (world.guest().await, world.guest().await);
        world.switch_rule(&stage, true).await;
        let refused = world.try_reserve(&buyer, &stage.event, &[&stage.seats[1]], "leaves-one").await;
        assert_eq!(refused.refusal("reserveSeats").as_deref(), Some("LEAVES_ORPHANS"), "{}", refused.body);
        assert_eq!(refused.data("reserveSeats.errors.0.seats"), json!([stage.seats[0]]));
        let both = [stage.seats[3].as_str(), stage.seats[6].as_str()];
        world.try_reserve(&buyer, &stage.event, &both, "leaves-two-and-two").await.good();
        // Of the two in between, one of them alone has no other way; the other completes the row.
        world.reserve(&other, &stage.event, &[&stage.seats[4]]).await;
        world.reserve(&other, &stage.event, &[&stage.seats[5]]).await;
        // Three seats are left on both sides: their middle is an orphan's neighbour on both of its own.
        let refused = world.try_reserve(&other, &stage.event, &[&stage.seats[8]], "leaves-two").await;
        assert_eq!(
            refused.data("reserveSeats.errors.0.seats"),
            json!([stage.seats[7], stage.seats[9]]),
            "{}",
            refused.body
        );
        // Wheelchair places are none of the rule's.
        world.reserve(&other, &stage.event, &[&stage.seats[21]]).await;
        // When the seats around run out, nothing would be left alone.
        world.advance(Duration::from_mins(10));
        world
            .try_reserve(&other, &stage.event, &[&stage.seats[8], &stage.seats[9]], "at-the-end")
            .await
            .good();
        world.switch_rule(&stage, false).await;
        world.reserve(&other, &stage.event, &[&stage.seats[1]]).await;
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn a_new_event_has_the_rule_unless_it_says_otherwise(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let document = "mutation($input: CreateEventInput!) { createEvent(input: $input) {
            event { orphanRule } errors { code } } }";
        for (rule, expected) in [(json!({}), true), (json!({ "orphanRule": false }), false)] {
            let mut input = json!({ "shopId": stage.shop, "venueId": stage.venue, "categoryId": stage.category,
                "name": "Gala", "startsAt": "2026-08-01T18:00:00Z", "endsAt": "2026-08-01T22:00:00Z" });
            input.as_object_mut().expect("an object").extend(rule.as_object().expect("an object").clone());
            let made = world.gql(Some(&stage.vendor), document, json!({ "input": input })).await.good();
            assert_eq!(made.data("createEvent.event.orphanRule"), expected);
        }
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn the_best_seats_are_chosen_once_for_a_key(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let (buyer, other) = (world.guest().await, world.guest().await);
        // The stage is behind the last row, and the first two places of that are for wheelchairs.
        let first = world.best(&buyer, &stage.event, json!({ "quantity": 2 }), "the-best-two").await.good();
        assert_eq!(seats(&first, &stage), [24, 25]);
        assert_eq!(first.data("reserveSeats.reservation.items.0.label"), "Hall, Row C, Seat 5");
        let again = world.best(&buyer, &stage.event, json!({ "quantity": 2 }), "the-best-two").await.good();
        assert_eq!(first.data("reserveSeats.reservation"), again.data("reserveSeats.reservation"));
        let wish = json!({ "quantity": 2, "split": true });
        let mismatch = world.best(&buyer, &stage.event, wish, "the-best-two").await;
        assert_eq!(mismatch.refusal("reserveSeats").as_deref(), Some("IDEMPOTENCY_MISMATCH"));
        // Whoever asks next gets what is best then: in the front row, when they want its tier.
        let front = world.front_tier(&stage).await;
        let wish = json!({ "quantity": 3, "tierIds": [front], "zones": ["Hall"] });
        let front = world.best(&other, &stage.event, wish, "three-in-front").await.good();
        assert_eq!(seats(&front, &stage).len(), 3);
        assert!(seats(&front, &stage).iter().all(|&seat| seat < 10), "in the front row");
        assert_eq!(front.data("reserveSeats.reservation.items.2.basePrice.amount"), "20.00");
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn expired_and_missing_reservations_are_reported(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let (slow, quick) = (world.guest().await, world.guest().await);
        let tier = world.front_tier(&stage).await;
        let front =
            |quantity: u32, split: bool| json!({ "quantity": quantity, "split": split, "tierIds": [tier] });
        let middle: Vec<&str> = stage.seats[3..8].iter().map(String::as_str).collect();
        world.reserve(&slow, &stage.event, &middle).await;
        let together = world.best(&quick, &stage.event, front(4, false), "four-together").await;
        assert_eq!(together.refusal("reserveSeats").as_deref(), Some("NOT_ENOUGH_TOGETHER"));
        assert_eq!(together.data("reserveSeats.errors.0.available"), 3);
        assert_eq!(together.data("reserveSeats.errors.0.enoughIfSplit"), true);
        let many = world.best(&quick, &stage.event, front(6, true), "six-of-five").await;
        assert_eq!(many.refusal("reserveSeats").as_deref(), Some("NOT_ENOUGH_LEFT"));
        assert_eq!(many.data("reserveSeats.errors.0.available"), 5);
        // What was refused took nothing, and its key is free to try again.
        let parted = world.best(&quick, &stage.event, front(4, true), "four-together").await.good();
        let parted: BTreeSet<usize> = seats(&parted, &stage).into_iter().collect();
        assert_eq!(parted.len(), 4);
        assert!(parted.iter().all(|seat| [0, 1, 2, 8, 9].contains(seat)), "{parted:?}");
        world.advance(Duration::from_mins(10));
        // Nobody wrote down that the time is up.
        let all = world.best(&quick, &stage.event, front(8, false), "eight-together").await.good();
        let all = seats(&all, &stage);
        assert!(all.windows(2).all(|pair| pair[1] == pair[0] + 1) && all[7] < 10, "{all:?}");
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn an_accessible_party_gets_its_places(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let (buyer, other) = (world.guest().await, world.guest().await);
        let party = |places: u32, companions: u32, quantity: u32| json!({ "quantity": quantity, "accessible": { "wheelchairPlaces": places, "companions": companions } });
        let three = world.best(&buyer, &stage.event, party(2, 1, 3), "two-and-one").await.good();
        let mut three = seats(&three, &stage);
        three.sort_unstable();
        assert_eq!(three, [20, 21, 22], "both wheelchair places, and the seat beside");
        let none = world.best(&other, &stage.event, party(1, 0, 1), "one-more").await;
        assert_eq!(none.refusal("reserveSeats").as_deref(), Some("NOT_ENOUGH_LEFT"));
        assert_eq!(none.data("reserveSeats.errors.0.available"), 0);
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn bad_wishes_are_refused_where_they_are_wrong(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let tier = "tier_01h455vb4pex5vsknk084sn02q";
        let table = [
            (json!({ "quantity": 0 }), json!(["pick", "bestAvailable", "quantity"])),
            (json!({ "quantity": 101 }), json!(["pick", "bestAvailable", "quantity"])),
            (json!({ "quantity": 1, "tierIds": [tier] }), json!(["pick", "bestAvailable", "tierIds", "0"])),
            (
                json!({ "quantity": 1, "tierIds": [stage.event] }),
                json!(["pick", "bestAvailable", "tierIds", "0"]),
            ),
            (
                json!({ "quantity": 1, "zones": ["Hall", "Circle"] }),
                json!(["pick", "bestAvailable", "zones", "1"]),
            ),
            (
                json!({ "quantity": 1, "accessible": { "wheelchairPlaces": 0 } }),
                json!(["pick", "bestAvailable", "accessible", "wheelchairPlaces"]),
            ),
            (
                json!({ "quantity": 2, "accessible": { "wheelchairPlaces": 1, "companions": 2 } }),
                json!(["pick", "bestAvailable", "accessible"]),
            ),
        ];
        for (wish, path) in table {
            let bad = world.best(&buyer, &stage.event, wish.clone(), "a-bad-wish").await;
            assert_eq!(bad.refusal("reserveSeats").as_deref(), Some("INVALID"), "{wish}: {}", bad.body);
            assert_eq!(bad.data("reserveSeats.errors.0.path"), path, "{wish}");
        }
        let limit = world.best(&buyer, &stage.event, json!({ "quantity": 9 }), "nine-of-eight").await;
        assert_eq!(limit.refusal("reserveSeats").as_deref(), Some("LIMIT_EXCEEDED"), "{}", limit.body);
        let two = json!({ "event": stage.event, "key": "two-picks-at-once", "seats": [stage.seats[0]] });
        let document = "mutation($event: ID!, $seats: [ID!]!, $key: String!) {
            reserveSeats(input: { eventId: $event, idempotencyKey: $key,
                pick: { seatIds: $seats, bestAvailable: { quantity: 1 } } }) { errors { code } } }";
        let both = world.gql(Some(&buyer), document, two).await;
        assert_eq!(both.code().as_deref(), Some("GRAPHQL_VALIDATION_FAILED"), "{}", both.body);
    });
}

/// 64 parties of 1 to 6 ask at once, half of them another server: no seat is given twice, and all sit together.
#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn parties_that_ask_at_once_sit_together_and_apart(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let second = world.beside(&["--access-seconds", "3600"], Patience::default()).await;
        let servers = [world, &second];
        let mut parties = Vec::new();
        for index in 0..64_usize {
            let quantity = 1 + index * 37 % 6;
            parties.push((index, quantity, world.guest().await));
        }
        let asked = parties.iter().map(async |(index, quantity, token)| {
            let (server, key) = (servers[index % 2], format!("party-number-{index}"));
            let answer = server.best(token, &stage.event, json!({ "quantity": quantity }), &key).await;
            (*quantity, answer)
        });
        let mut taken = BTreeSet::new();
        let mut refused = Vec::new();
        for (quantity, answer) in join_all(asked).await {
            match answer.refusal("reserveSeats").as_deref() {
                None => {
                    let seats = seats(&answer.good(), &stage);
                    assert_eq!(seats.len(), quantity);
                    let beside = |pair: &[usize]| pair[1] == pair[0] + 1 && !pair[1].is_multiple_of(10);
                    assert!(seats.windows(2).all(beside), "{seats:?} are not neighbours");
                    for seat in seats {
                        assert!(![20, 21].contains(&seat), "a wheelchair place");
                        assert!(taken.insert(seat), "seat {seat} twice");
                    }
                }
                Some("NOT_ENOUGH_TOGETHER" | "NOT_ENOUGH_LEFT") => refused.push(quantity),
                Some(_) => panic!("{}", answer.body),
            }
        }
        // Nothing was given back meanwhile: who was refused would find no room now either.
        let free: Vec<usize> =
            (0..30).filter(|seat| ![20, 21].contains(seat) && !taken.contains(seat)).collect();
        let stretches = free.chunk_by(|a, b| b - a == 1 && !b.is_multiple_of(10));
        let longest = stretches.map(<[usize]>::len).max().unwrap_or_default();
        assert!(
            refused.iter().all(|&quantity| quantity > longest),
            "{free:?} are left, {refused:?} were refused"
        );
        assert!(!refused.is_empty() && taken.len() > 20, "the parties are more than the hall");
        second.end().await;
    });
}
