//! Cached responses: equal for all clients that send the same query, never older than an earlier response, and never
//! the response of another viewer.

use std::sync::atomic::Ordering::Relaxed;

use serde_json::{Value, json};
use test_case::test_case;

use crate::support::Database::{self, Postgres, Sqlite};
use crate::support::{World, given::Stage, run_on};

const AVAILABILITY: &str = "query($event: ID!) { event(id: $event) { id availability {
    version available reserved rows { statuses }
    zones { name capacity available lowestPrice { amount } tiers { tier { name } available } }
    tiers { tier { name } available price { amount } lowestPrice { amount currency } } } } }";

async fn asked(world: &World, stage: &Stage) -> Value {
    let answer = world.gql(None, AVAILABILITY, json!({ "event": stage.event })).await.good();
    answer.data("event.availability")
}

fn of_tier<'a>(tiers: &'a Value, name: &str) -> &'a Value {
    let named = |tier: &&Value| tier["tier"]["name"] == name;
    tiers.as_array().expect("tiers").iter().find(named).expect("a tier of this name")
}

fn from_memory(world: &World) -> u64 {
    world.app.counters.answers_from_memory.load(Relaxed)
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn cached_response_is_never_older_than_an_earlier_response(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let first = asked(world, &stage).await;
        assert_eq!(asked(world, &stage).await, first);
        assert_eq!(from_memory(world), 1, "the second time it is not executed");
        let buyers = [world.guest().await, world.guest().await, world.guest().await, world.guest().await];
        for (index, seat) in stage.seats.iter().enumerate() {
            let free = asked(world, &stage).await;
            let id = world.reserve(&buyers[index / 8], &stage.event, &[seat]).await;
            let taken = asked(world, &stage).await;
            assert_eq!(
                (taken["reserved"].as_u64(), taken["version"].as_i64()),
                (free["reserved"].as_u64().map(|n| n + 1), free["version"].as_i64().map(|n| n + 1)),
                "a reservation that was answered is in the next answer"
            );
            assert_eq!(
                taken["rows"][index / 10]["statuses"].as_str().and_then(|row| row.chars().nth(index % 10)),
                Some('R')
            );
            if index % 4 == 0 {
                let release = "mutation($id: ID!) { releaseReservation(input: { reservationId: $id }) { errors { code } } }";
                world.gql(Some(&buyers[index / 8]), release, json!({ "id": id })).await.good();
                assert_eq!(asked(world, &stage).await["reserved"], free["reserved"]);
            }
        }
    });
}

/// Readers that ask all the time share answers, and what each of them reserves is in what it asks next.
#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn concurrent_buyers_find_their_reservations(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let buyer = async |seats: &[String]| {
            let token = world.guest().await;
            for seat in seats {
                world.reserve(&token, &stage.event, &[seat]).await;
                let index = stage.seats.iter().position(|other| other == seat).expect("a seat");
                for _ in 0..5 {
                    let answer = asked(world, &stage).await;
                    let row = answer["rows"][index / 10]["statuses"].as_str().expect("a row").to_owned();
                    assert_eq!(row.chars().nth(index % 10), Some('R'), "{seat} in {row}");
                }
            }
        };
        let crowds = stage.seats.chunks(5).map(buyer);
        futures_util::future::join_all(crowds).await;
        assert!(from_memory(world) > 0, "answers were shared");
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn new_prices_and_the_end_of_sales_are_seen_at_once(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let before = asked(world, &stage).await;
        assert_eq!(
            of_tier(&before["tiers"], "Front")["lowestPrice"],
            json!({ "amount": "21.00", "currency": "EUR" })
        );
        let tiers = "query($event: ID!) { event(id: $event) { tiers { id name version } } }";
        let tiers = world.gql(None, tiers, json!({ "event": stage.event })).await.good().data("event.tiers");
        let tier = tiers
            .as_array()
            .expect("tiers")
            .iter()
            .find(|tier| tier["name"] == "Front")
            .expect("a tier")
            .clone();
        let update = "mutation($id: ID!, $version: Long!) { updateTier(input: { tierId: $id, expectedVersion: $version,
            basePrice: { amount: \"30.00\", currency: \"EUR\" } }) { errors { code } } }";
        let input = json!({ "id": tier["id"], "version": tier["version"] });
        world.gql(Some(&stage.vendor), update, input).await.good();
        let after = asked(world, &stage).await;
        assert_eq!(of_tier(&after["tiers"], "Front")["price"], json!({ "amount": "31.00" }));
        assert_eq!(after["zones"][0]["lowestPrice"], json!({ "amount": "6.00" }), "the floor is cheapest");

        let version = "query($event: ID!) { event(id: $event) { version } }";
        let version =
            world.gql(None, version, json!({ "event": stage.event })).await.good().data("event.version");
        let cancel = "mutation($event: ID!, $version: Long!) {
            cancelEvent(input: { eventId: $event, expectedVersion: $version }) { errors { code } } }";
        let input = json!({ "event": stage.event, "version": version });
        world.gql(Some(&stage.vendor), cancel, input).await.good();
        let cancelled = asked(world, &stage).await;
        assert_ne!(cancelled["version"], after["version"]);
        let kept = from_memory(world);
        assert_eq!(asked(world, &stage).await, cancelled);
        assert_eq!(from_memory(world), kept, "of an event that is called off nothing is kept");
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn draft_is_not_cached_and_invalid_token_is_refused(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let draft = "mutation($shop: ID!, $venue: ID!, $category: ID!) { createEvent(input: { shopId: $shop,
            venueId: $venue, categoryId: $category, name: \"Secret\", startsAt: \"2026-10-01T12:00:00Z\",
            endsAt: \"2026-10-01T14:00:00Z\" }) { event { id } errors { code message } } }";
        let input = json!({ "shop": stage.shop, "venue": stage.venue, "category": stage.category });
        let draft = world.gql(Some(&stage.vendor), draft, input).await.good().text("createEvent.event.id");
        let both = "query($draft: ID!, $event: ID!) { draft: event(id: $draft) { id }
            event(id: $event) { availability { version } } }";
        let input = json!({ "draft": draft, "event": stage.event });
        for _ in 0..2 {
            let seen = world.gql(Some(&stage.vendor), both, input.clone()).await.good();
            assert_eq!(seen.data("draft.id"), json!(draft));
            let hidden = world.gql(None, both, input.clone()).await.good();
            assert_eq!(hidden.data("draft"), Value::Null, "the member's answer is the member's");
        }
        // With a field of the viewer's own in it, nothing is shared.
        let own =
            "query($event: ID!) { viewer { account { id } } event(id: $event) { availability { version } } }";
        let [a, b] = [world.user("ada").await, world.user("bob").await];
        let me = async |token: &str| {
            world
                .gql(Some(token), own, json!({ "event": stage.event }))
                .await
                .good()
                .text("viewer.account.id")
        };
        assert_ne!(me(&a).await, me(&b).await);
        assert_eq!(from_memory(world), 0);

        asked(world, &stage).await;
        let refused = world.gql(Some("wrong"), AVAILABILITY, json!({ "event": stage.event })).await;
        assert_eq!((refused.status, refused.code().as_deref()), (401, Some("UNAUTHENTICATED")));
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn sections_add_up_to_the_whole(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        world.reserve(&buyer, &stage.event, &[&stage.seats[0], &stage.seats[15]]).await;
        let all = asked(world, &stage).await;
        let zone = &all["zones"][0];
        assert_eq!(
            (&zone["name"], &zone["capacity"], &zone["available"], &zone["lowestPrice"]["amount"]),
            (&json!("Hall"), &json!(80), &json!(78), &json!("6.00"))
        );
        for (tier, available) in [("Front", 9), ("Back", 19), ("Floor", 50)] {
            assert_eq!(of_tier(&zone["tiers"], tier)["available"], available, "{tier}");
            assert_eq!(of_tier(&all["tiers"], tier)["available"], available, "{tier}");
        }
    });
}
