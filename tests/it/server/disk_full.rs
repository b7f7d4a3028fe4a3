//! SQLite on a full disk: acknowledged writes are stored, other calls get `UNAVAILABLE`, and the server recovers when
//! space is free.
//!
//! The disk limit is the maximum page count of the database. It needs no file system and no privileges.

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::support::{Answer, World, given, run_once};

/// More calls than free pages can hold.
const CALLS: usize = 400;

/// Lets the database grow no more, as long as the writer's connection lasts.
async fn fill(world: &World) {
    let tx = world.app.store.begin().await.expect("a transaction");
    tx.execute_unprepared("PRAGMA max_page_count = 1").await.expect("the least");
    tx.commit().await.expect("committed");
}

/// Repeats a mutation until one fails. Returns the ids of those that succeeded.
async fn until_full(call: impl AsyncFn(usize) -> (Answer, &'static str)) -> Vec<Value> {
    let mut acknowledged = Vec::new();
    for number in 0..CALLS {
        let (answer, id) = call(number).await;
        if answer.body["errors"].is_null() {
            acknowledged.push(Value::from(answer.good().text(id)));
        } else {
            assert_eq!(answer.code().as_deref(), Some("UNAVAILABLE"), "{}", answer.body);
            return acknowledged;
        }
    }
    panic!("the disk was never full");
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "one write of each kind, in the order in which they build on each other"
)]
fn every_kind_of_write_is_stored_after_the_disk_was_full() {
    run_once(async |world| {
        let stage = world.stage().await;
        let (vendor, shop) = (stage.vendor.as_str(), stage.shop.as_str());
        let long = "x".repeat(4_000);

        // The disk is full twice, in the middle of each kind of write.
        for round in 0..2 {
            fill(world).await;
            let guests = until_full(async |_| {
                let answer = world
                    .gql(
                        None,
                        "mutation { createGuestSession { session { account { id } } errors { code } } }",
                        json!({}),
                    )
                    .await;
                (answer, "createGuestSession.session.account.id")
            })
            .await;
            fill(world).await;
            let shops = until_full(async |number| {
                let document = "mutation($name: String!, $text: String!) {
                    createShop(input: { name: $name, description: $text, currency: \"EUR\" }) {
                        shop { id } errors { code message path } } }";
                let name = format!("Shop {round} {number}");
                (
                    world.gql(Some(vendor), document, json!({ "name": name, "text": long })).await,
                    "createShop.shop.id",
                )
            })
            .await;
            fill(world).await;
            let venues = until_full(async |number| {
                let document =
                    "mutation($shop: ID!, $name: String!) { createVenue(input: { shopId: $shop, name: $name,
                    city: \"Graz\", country: \"AT\", timeZone: \"Europe/Vienna\" }) {
                    venue { id } errors { code message path } } }";
                let name = format!("Venue {round} {number}");
                (
                    world.gql(Some(vendor), document, json!({ "shop": shop, "name": name })).await,
                    "createVenue.venue.id",
                )
            })
            .await;
            eprintln!("{} guests, {} shops, {} venues", guests.len(), shops.len(), venues.len());

            // There is room again: the writer is a new connection.
            let guest = world.guest().await;
            let seat = stage.seats[round].as_str();
            let order = world.buy(&guest, &stage.event, &[seat]).await;
            let shop = world
                .gql(
                    Some(vendor),
                    "mutation($name: String!) { createShop(input: { name: $name, currency: \"EUR\" }) {
                shop { id } errors { code message path } } }",
                    json!({ "name": format!("After {round}") }),
                )
                .await
                .good();

            // Another process sees all of it.
            let other = World::of(world.second().await, "a second application", &world.url);
            for id in shops.iter().chain([&shop.data("createShop.shop.id")]) {
                let found = other
                    .gql(Some(vendor), "query($id: ID!) { node(id: $id) { id } }", json!({ "id": id }))
                    .await;
                assert_eq!(found.data("node.id"), *id, "{}", found.body);
            }
            for id in &venues {
                let found = other
                    .gql(Some(vendor), "query($id: ID!) { node(id: $id) { id } }", json!({ "id": id }))
                    .await;
                assert_eq!(found.data("node.id"), *id, "{}", found.body);
            }
            let query = "query($id: ID!) { order(id: $id) { state } }";
            let found = other.gql(Some(&guest), query, json!({ "id": order })).await;
            assert_eq!(found.data("order.state"), "PAID", "{}", found.body);
            let refused = other.try_reserve(&guest, &stage.event, &[seat], "another key").await;
            assert_eq!(refused.refusal("reserveSeats").as_deref(), Some("SEATS_TAKEN"), "{}", refused.body);
            other.end().await;
            assert_eq!(world.get("/health/ready").await.status, 200);
        }
    });
}

#[test]
fn a_purchase_that_meets_a_full_disk_can_be_repeated_with_its_keys() {
    run_once(async |world| {
        let stage = world.stage().await;
        let mut full = 0;
        for (number, seat) in stage.seats.iter().take(8).enumerate() {
            let guest = world.guest().await;
            fill(world).await;
            let key = format!("purchase {number}");
            let input = json!({ "event": stage.event, "seats": [seat], "key": key });
            let mut reserved = world.gql(Some(&guest), given::RESERVE, input.clone()).await;
            if !reserved.body["errors"].is_null() {
                assert_eq!(reserved.code().as_deref(), Some("UNAVAILABLE"), "{}", reserved.body);
                full += 1;
                reserved = world.gql(Some(&guest), given::RESERVE, input).await;
            }
            let reservation = reserved.good().text("reserveSeats.reservation.id");
            let order = world.checkout(&guest, &[&reservation]).await;
            let paid = world.pay(&guest, &order, "pm_card_visa", &key).await.good();
            assert_eq!(paid.data("payOrder.order.state"), "PAID", "{}", paid.body);
        }
        eprintln!("full {full} times");
    });
}
