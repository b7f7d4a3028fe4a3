//! Events: visibility of drafts, tiers, publishing, concurrent edits, lists.

use std::time::Duration;

use serde_json::{Value, json};
use test_case::test_case;

use crate::support::Database::{self, Postgres, Sqlite};
use crate::support::{Answer, World, given::Stage, run_on};

const CREATE: &str = "mutation($input: CreateEventInput!) { createEvent(input: $input) {
    event { id slug status currency version salesStart salesEnd reservationSeconds reservationSecondsMax limitPerBuyer seatsLeft
        capacity priceRange { lowest { amount } } availability { version } }
    errors { code message path } } }";
const TIER: &str = "mutation($input: CreateTierInput!) { createTier(input: $input) {
    tier { id version price { amount currency } categories areas { id } } errors { code message path } } }";
const PUBLISH: &str = "mutation($event: ID!, $version: Long!) {
    publishEvent(input: { eventId: $event, expectedVersion: $version }) {
        event { status version seatsLeft } errors { code } } }";
const SEEN: &str = "query($event: ID!) { event(id: $event) { name status version } }";

impl World {
    async fn draft(&self, stage: &Stage, name: &str) -> Answer {
        let input = json!({ "shopId": stage.shop, "venueId": stage.venue, "categoryId": stage.category,
            "name": name, "startsAt": "2026-08-01T18:00:00Z", "endsAt": "2026-08-01T22:00:00Z" });
        self.gql(Some(&stage.vendor), CREATE, json!({ "input": input })).await
    }

    async fn tier(&self, stage: &Stage, event: &str, more: Value) -> Answer {
        let mut input =
            json!({ "eventId": event, "name": "Tier", "basePrice": { "amount": "9.5", "currency": "EUR" } });
        for (key, value) in more.as_object().expect("an object") {
            input[key] = value.clone();
        }
        self.gql(Some(&stage.vendor), TIER, json!({ "input": input })).await
    }
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn a_vendor_makes_prices_and_publishes_an_event(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let made = world.draft(&stage, "Die Zauberflöte").await.good();
        let event = made.data("createEvent.event");
        assert_eq!((&event["status"], &event["currency"]), (&json!("DRAFT"), &json!("EUR")));
        assert_eq!(
            (&event["reservationSeconds"], &event["reservationSecondsMax"]),
            (&json!(600), &json!(1200))
        );
        assert_eq!((&event["seatsLeft"], &event["capacity"]), (&Value::Null, &json!(80)));
        assert_eq!((&event["priceRange"], &event["availability"]), (&Value::Null, &Value::Null));
        assert!(event["slug"].as_str().is_some_and(|slug| slug.starts_with("die-zauberfl")), "{event}");
        let id = made.text("createEvent.event.id");

        let early = world.gql(Some(&stage.vendor), PUBLISH, json!({ "event": id, "version": 1 })).await;
        assert_eq!(early.refusal("publishEvent").as_deref(), Some("NOTHING_FOR_SALE"));
        let bad = world.tier(&stage, &id, json!({ "categories": ["Middle"] })).await;
        assert_eq!(bad.data("createTier.errors.0.path"), json!(["categories", "0"]), "{}", bad.body);
        assert!(bad.text("createTier.errors.0.message").contains("Front, Back, Floor"));
        let bad = world
            .tier(
                &stage,
                &id,
                json!({ "categories": ["Back"],
            "basePrice": { "amount": "1.00", "currency": "USD" } }),
            )
            .await;
        assert_eq!(bad.refusal("createTier").as_deref(), Some("INVALID"));

        let more = json!({ "categories": ["Back"], "areas": [stage.area], "fee": { "amount": "0.5", "currency": "EUR" } });
        let tier = world.tier(&stage, &id, more).await.good();
        assert_eq!(tier.data("createTier.tier.price"), json!({ "amount": "10.00", "currency": "EUR" }));
        assert_eq!(tier.data("createTier.tier.areas"), json!([{ "id": stage.area }]));
        let twice =
            world.tier(&stage, &id, json!({ "name": "Other", "categories": ["Front", "Back"] })).await;
        assert_eq!(twice.refusal("createTier").as_deref(), Some("ALREADY_PRICED"));
        assert_eq!(twice.data("createTier.errors.0.path"), json!(["categories", "1"]));
        let twice = world.tier(&stage, &id, json!({ "categories": ["Front"] })).await;
        assert_eq!(twice.refusal("createTier").as_deref(), Some("TIER_NAME_TAKEN"));

        let published =
            world.gql(Some(&stage.vendor), PUBLISH, json!({ "event": id, "version": 1 })).await.good();
        assert_eq!(published.data("publishEvent.event.status"), "ON_SALE");
        let again = world.gql(Some(&stage.vendor), PUBLISH, json!({ "event": id, "version": 2 })).await;
        assert_eq!(again.refusal("publishEvent").as_deref(), Some("NOT_DRAFT"));

        let document = "query($event: ID!) { event(id: $event) { availability {
            version capacity available blocked rows { zone row statuses } areas { capacity available }
            tiers { available price { amount } } } } }";
        let seen = world.gql(None, document, json!({ "event": id })).await.good();
        let free = seen.data("event.availability");
        assert_eq!(
            (&free["capacity"], &free["available"], &free["blocked"]),
            (&json!(80), &json!(70), &json!(10))
        );
        assert_eq!(free["rows"][0], json!({ "zone": "Hall", "row": "A", "statuses": "XXXXXXXXXX" }));
        assert_eq!(free["rows"][1]["statuses"], "AAAAAAAAAA");
        assert_eq!(free["tiers"], json!([{ "available": 70, "price": { "amount": "10.00" } }]));
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn a_draft_is_its_shop_s_alone(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let stranger = world.user("stranger").await;
        let draft = world.draft(&stage, "Secret").await.good().text("createEvent.event.id");
        let list = "query { events { totalCount nodes { name } } }";
        for token in [None, Some(stranger.as_str())] {
            let seen = world.gql(token, SEEN, json!({ "event": draft })).await.good();
            assert_eq!(seen.data("event"), Value::Null);
            let all = world.gql(token, list, json!({})).await.good();
            assert_eq!(all.data("events"), json!({ "totalCount": 1, "nodes": [{ "name": "Concert" }] }));
        }
        let seen = world.gql(Some(&stage.vendor), SEEN, json!({ "event": draft })).await.good();
        assert_eq!(seen.data("event.status"), "DRAFT");
        let all = world.gql(Some(&stage.vendor), list, json!({})).await.good();
        assert_eq!(all.data("events.totalCount"), 2);
        for (document, name) in [
            ("mutation($event: ID!) { updateEvent(input: { eventId: $event, expectedVersion: 1, name: \"Mine\" }) {
                errors { code } } }", "updateEvent"),
            ("mutation($event: ID!) { publishEvent(input: { eventId: $event, expectedVersion: 1 }) {
                errors { code } } }", "publishEvent"),
            ("mutation($event: ID!) { cancelEvent(input: { eventId: $event, expectedVersion: 1 }) {
                errors { code } } }", "cancelEvent"),
            ("mutation($event: ID!) { createTier(input: { eventId: $event, name: \"T\", categories: [\"Front\"],
                basePrice: { amount: \"1\", currency: \"EUR\" } }) { errors { code } } }", "createTier"),
        ] {
            let answer = world.gql(Some(&stranger), document, json!({ "event": draft })).await;
            assert_eq!(answer.refusal(name).as_deref(), Some("NOT_FOUND"), "{}", answer.body);
            let answer = world.gql(None, document, json!({ "event": draft })).await;
            assert_eq!(answer.code().as_deref(), Some("UNAUTHENTICATED"), "{}", answer.body);
        }
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn a_change_needs_the_version_that_was_read_and_reaches_buyers_at_once(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let event = world.gql(None, SEEN, json!({ "event": stage.event })).await.good();
        let version = event.data("event.version");
        let document = "mutation($input: UpdateEventInput!) { updateEvent(input: $input) {
            event { name limitPerBuyer version refundUntil } errors { code path } } }";
        let input = json!({ "input": { "eventId": stage.event, "expectedVersion": version, "limitPerBuyer": 1,
            "name": "Gala", "refundUntil": null } });
        let changed = world.gql(Some(&stage.vendor), document, input.clone()).await.good();
        assert_eq!(changed.data("updateEvent.event.refundUntil"), Value::Null);
        let late = world.gql(Some(&stage.vendor), document, input).await;
        assert_eq!(late.refusal("updateEvent").as_deref(), Some("STALE"));

        let guest = world.guest().await;
        let seats: Vec<&str> = stage.seats.iter().take(2).map(String::as_str).collect();
        let answer = world.try_reserve(&guest, &stage.event, &seats, "key-for-two").await;
        assert_eq!(answer.refusal("reserveSeats").as_deref(), Some("LIMIT_EXCEEDED"), "{}", answer.body);

        let input = json!({ "event": stage.event, "version": changed.data("updateEvent.event.version") });
        let document = "mutation($event: ID!, $version: Long!) {
            cancelEvent(input: { eventId: $event, expectedVersion: $version }) {
                event { status } errors { code } } }";
        let cancelled = world.gql(Some(&stage.vendor), document, input).await.good();
        assert_eq!(cancelled.data("cancelEvent.event.status"), "CANCELLED");
        let answer = world.try_reserve(&guest, &stage.event, &seats[..1], "key-for-one").await;
        assert_eq!(answer.refusal("reserveSeats").as_deref(), Some("NOT_OPEN"), "{}", answer.body);
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn a_tier_s_new_price_holds_for_new_reservations_and_not_for_old_ones(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let guest = world.guest().await;
        let total = |answer: Answer| answer.good().data("reserveSeats.reservation.total.amount");
        let before = world.try_reserve(&guest, &stage.event, &[&stage.seats[0]], "key-before").await;
        assert_eq!(total(before), "21.00");
        let document =
            "query($event: ID!) { event(id: $event) { priceRange { lowest { amount } highest { amount } }
            tiers { id name version categories } } }";
        let tiers = world.gql(None, document, json!({ "event": stage.event })).await.good();
        assert_eq!(
            tiers.data("event.priceRange"),
            json!({ "lowest": { "amount": "6.00" }, "highest": { "amount": "21.00" } })
        );
        let tiers = tiers.data("event.tiers");
        let front =
            tiers.as_array().expect("tiers").iter().find(|tier| tier["name"] == "Front").expect("a tier");
        let document = "mutation($input: UpdateTierInput!) { updateTier(input: $input) {
            tier { version categories } errors { code path } } }";
        let input = json!({ "input": { "tierId": front["id"], "expectedVersion": front["version"],
            "basePrice": { "amount": "30.00", "currency": "EUR" } } });
        let changed = world.gql(Some(&stage.vendor), document, input.clone()).await.good();
        assert_eq!(changed.data("updateTier.tier.categories"), json!(["Front"]));
        let late = world.gql(Some(&stage.vendor), document, input).await;
        assert_eq!(late.refusal("updateTier").as_deref(), Some("STALE"));
        let after = world.try_reserve(&guest, &stage.event, &[&stage.seats[1]], "key-after").await;
        assert_eq!(total(after), "31.00");
        let document = "mutation($tier: ID!) { deleteTier(input: { tierId: $tier, expectedVersion: 2 }) {
            errors { code } } }";
        let answer = world.gql(Some(&stage.vendor), document, json!({ "tier": front["id"] })).await;
        assert_eq!(answer.refusal("deleteTier").as_deref(), Some("NOT_DRAFT"));
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn lists_are_filtered_ordered_and_paged(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        for name in ["Aida", "Boris", "Carmen"] {
            world.advance(Duration::from_secs(1));
            world.event(&stage.vendor, stage.place(), name).await;
        }
        let document =
            "query($filter: EventFilter, $sort: EventSort, $first: Int, $after: String, $last: Int,
                $before: String) {
            events(filter: $filter, sort: $sort, first: $first, after: $after, last: $last, before: $before) {
                totalCount nodes { name seatsLeft shop { name } venue { name } category { name }
                    priceRange { lowest { amount } } tiers { name } status }
                pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";
        let names = |answer: &Answer| {
            let nodes = answer.data("events.nodes");
            let nodes = nodes.as_array().expect("nodes").clone();
            nodes.iter().map(|node| node["name"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
        };
        for (field, direction, expected) in [
            ("NAME", "ASC", ["Aida", "Boris", "Carmen", "Concert"]),
            ("CREATED_AT", "DESC", ["Carmen", "Boris", "Aida", "Concert"]),
            ("STARTS_AT", "ASC", ["Concert", "Aida", "Boris", "Carmen"]),
            ("STARTS_AT", "DESC", ["Carmen", "Boris", "Aida", "Concert"]),
        ] {
            let order = json!({ "field": field, "direction": direction });
            let (mut seen, mut after) = (Vec::new(), Value::Null);
            loop {
                let input = json!({ "sort": order, "first": 1, "after": after });
                let page = world.gql(None, document, input).await.good();
                seen.extend(names(&page));
                assert_eq!(page.data("events.totalCount"), 4);
                after = page.data("events.pageInfo.endCursor");
                if page.data("events.pageInfo.hasNextPage") == false {
                    break;
                }
            }
            assert_eq!(seen, expected, "{order}");
            let last = world.gql(None, document, json!({ "sort": order, "last": 2 })).await.good();
            assert_eq!(names(&last), expected[2..], "{order}");
            let other = json!({ "field": if field == "NAME" { "CREATED_AT" } else { "NAME" } });
            let wrong = world.gql(None, document, json!({ "sort": other, "after": after })).await;
            assert_eq!(wrong.code().as_deref(), Some("BAD_USER_INPUT"), "{}", wrong.body);
        }
        for (filter, count) in [
            (json!({ "shopId": stage.shop, "categoryId": stage.category, "venueId": stage.venue }), 4),
            (json!({ "search": "CAR hall" }), 1),
            (json!({ "search": "a'; --" }), 1),
            (json!({ "status": "ON_SALE" }), 4),
            (json!({ "status": ["SOLD_OUT", "DRAFT"] }), 0),
            (json!({ "from": "2027-01-01T00:00:00Z" }), 0),
            (json!({ "until": "9999-12-31T23:59:59Z", "from": "0001-01-01T00:00:00Z" }), 4),
        ] {
            let all = world.gql(None, document, json!({ "filter": filter })).await.good();
            assert_eq!(all.data("events.totalCount"), count, "{filter}");
        }
    });
}
