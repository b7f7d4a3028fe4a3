//! Deleting drafts of events and coupons: what goes with them, what prevents it, and a publication at the same time.

use entity::{event, tier};
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::{Value, json};

use crate::support::{Answer, World, given::Stage, run};

const DELETE: &str = "mutation($event: ID!, $version: Long!) {
    deleteEvent(input: { eventId: $event, expectedVersion: $version }) {
        deletedEventId event { id version } errors { code message path } } }";
const PUBLISH: &str = "mutation($event: ID!, $version: Long!) {
    publishEvent(input: { eventId: $event, expectedVersion: $version }) {
        event { status } errors { code message path } } }";

/// A draft with a tier.
struct Draft {
    event: String,
    tier: String,
}

async fn draft(world: &World, stage: &Stage, name: &str) -> Draft {
    let input = json!({ "shopId": stage.shop, "venueId": stage.venue, "categoryId": stage.category, "name": name,
        "startsAt": "2027-08-01T18:00:00Z", "endsAt": "2027-08-01T22:00:00Z" });
    let document = "mutation($input: CreateEventInput!) { createEvent(input: $input) {
        event { id } errors { code message path } } }";
    let event = world.gql(Some(&stage.vendor), document, json!({ "input": input })).await.good();
    let event = event.text("createEvent.event.id");
    let input = json!({ "eventId": event, "name": "All", "categories": ["Front", "Back"], "areas": [stage.area],
        "basePrice": { "amount": "20.00", "currency": "EUR" } });
    let document = "mutation($input: CreateTierInput!) { createTier(input: $input) {
        tier { id } errors { code message path } } }";
    let tier = world.gql(Some(&stage.vendor), document, json!({ "input": input })).await.good();
    Draft { event, tier: tier.text("createTier.tier.id") }
}

async fn delete(world: &World, token: &str, event: &str, version: i64) -> Answer {
    world.gql(Some(token), DELETE, json!({ "event": event, "version": version })).await
}

/// Returns the numbers of rows of events, tiers, priced things and search words.
async fn counts(world: &World) -> [u64; 4] {
    let db = world.app.store.read();
    [
        event::Entity::find().count(db).await.expect("a count"),
        tier::Entity::find().count(db).await.expect("a count"),
        tier::scope::Entity::find().count(db).await.expect("a count"),
        event::word::Entity::find().count(db).await.expect("a count"),
    ]
}

#[test]
fn deleted_draft_leaves_nothing_but_an_audit_entry() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let before = counts(world).await;
        let Draft { event, tier } = draft(world, &stage, "Mistake").await;
        let deleted = delete(world, &stage.vendor, &event, 1).await.good();
        assert_eq!(deleted.data("deleteEvent.deletedEventId"), event.as_str());
        assert_eq!(deleted.data("deleteEvent.event"), Value::Null);
        assert_eq!(counts(world).await, before);
        let document = "query($event: ID!, $tier: ID!, $shop: ID!) { node(id: $event) { id } tier: node(id: $tier) { id }
            event(id: $event) { id } events(filter: { search: \"Mistake\" }) { totalCount }
            shop(id: $shop) { auditLog(first: 1) { nodes { action objectId } } } }";
        let input = json!({ "event": event, "tier": tier, "shop": stage.shop });
        let seen = world.gql(Some(&stage.vendor), document, input).await.good();
        assert_eq!(
            (seen.data("node"), seen.data("tier"), seen.data("event")),
            (Value::Null, Value::Null, Value::Null)
        );
        assert_eq!(seen.data("events.totalCount"), 0);
        let entry = json!([{ "action": "EVENT_DELETED", "objectId": event }]);
        assert_eq!(seen.data("shop.auditLog.nodes"), entry);
        let again = delete(world, &stage.vendor, &event, 1).await;
        assert_eq!(again.refusal("deleteEvent").as_deref(), Some("NOT_FOUND"), "{}", again.body);
    });
}

#[test]
fn deletion_is_refused_with_its_reason() {
    type Reference = fn(&str, &str) -> Value;
    run(async |world: &World| {
        let stage = world.stage().await;
        let Draft { event, .. } = draft(world, &stage, "Gala").await;
        let outdated = delete(world, &stage.vendor, &event, 7).await;
        assert_eq!(outdated.refusal("deleteEvent").as_deref(), Some("STALE"), "{}", outdated.body);
        assert_eq!(outdated.data("deleteEvent.event"), json!({ "id": event, "version": 1 }));
        assert_eq!(outdated.data("deleteEvent.deletedEventId"), Value::Null);
        let stranger = world.user("stranger").await;
        let foreign = delete(world, &stranger, &event, 1).await;
        assert_eq!(foreign.refusal("deleteEvent").as_deref(), Some("NOT_FOUND"), "{}", foreign.body);
        let version = "query($event: ID!) { event(id: $event) { version } }";
        let sold = world.gql(None, version, json!({ "event": stage.event })).await.good();
        let sold = sold.data("event.version").as_i64().expect("a version");
        let published = delete(world, &stage.vendor, &stage.event, sold).await;
        assert_eq!(published.refusal("deleteEvent").as_deref(), Some("NOT_DRAFT"), "{}", published.body);
        let cases: [(&str, Reference); 5] = [
            ("shown with it", |event: &str, _: &str| json!({ "eventId": event })),
            ("that applies to it", |event, _| json!({ "appliesTo": [event] })),
            ("that applies to its tier", |_, tier| json!({ "appliesTo": [tier] })),
            ("for its tier", |event, tier| json!({ "eventId": event, "tierId": tier })),
            ("for it and its tier", |event, tier| json!({ "appliesTo": [tier, event] })),
        ];
        for (name, with) in cases {
            let Draft { event, tier } = draft(world, &stage, name).await;
            world.draft_coupon(&stage, with(&event, &tier)).await;
            let before = counts(world).await;
            let used = delete(world, &stage.vendor, &event, 1).await;
            assert_eq!(used.refusal("deleteEvent").as_deref(), Some("IN_USE"), "{name}: {}", used.body);
            assert_eq!(used.data("deleteEvent.errors.0.path"), json!(["eventId"]));
            assert_eq!(counts(world).await, before, "{name}");
        }
    });
}

#[test]
fn publication_and_deletion_at_the_same_time_have_one_winner() {
    run(async |world: &World| {
        let stage = world.stage().await;
        for round in 0..8 {
            let Draft { event, .. } = draft(world, &stage, &format!("Round {round}")).await;
            let publish = world.gql(Some(&stage.vendor), PUBLISH, json!({ "event": event, "version": 1 }));
            let (deleted, published) = tokio::join!(delete(world, &stage.vendor, &event, 1), publish);
            let codes = (deleted.refusal("deleteEvent"), published.refusal("publishEvent"));
            match (codes.0.as_deref(), codes.1.as_deref()) {
                (None, Some("NOT_FOUND")) => assert!(deleted.data("deleteEvent.deletedEventId").is_string()),
                (Some("STALE" | "NOT_DRAFT"), None) => {
                    assert_eq!(published.data("publishEvent.event.status"), "ON_SALE");
                }
                _ => panic!("{} {}", deleted.body, published.body),
            }
        }
    });
}

#[test]
fn coupon_and_deletion_at_the_same_time_have_one_winner() {
    run(async |world: &World| {
        let stage = world.stage().await;
        for round in 0..8 {
            let Draft { event, .. } = draft(world, &stage, &format!("Round {round}")).await;
            let input = crate::support::given_coupon::five_off(&stage, &json!({ "eventId": event }));
            let coupon = world.try_coupon(&stage.vendor, input);
            let (deleted, coupon) = tokio::join!(delete(world, &stage.vendor, &event, 1), coupon);
            let codes = (deleted.refusal("deleteEvent"), coupon.refusal("createCoupon"));
            match (codes.0.as_deref(), codes.1.as_deref()) {
                (None, Some("INVALID")) => {
                    assert_eq!(
                        coupon.data("createCoupon.errors.0.path"),
                        json!(["eventId"]),
                        "{}",
                        coupon.body
                    );
                }
                (Some("IN_USE"), None) => assert!(coupon.data("createCoupon.coupon.id").is_string()),
                _ => panic!("{} {}", deleted.body, coupon.body),
            }
        }
    });
}

const DELETE_COUPON: &str = "mutation($coupon: ID!, $version: Long!) {
    deleteCoupon(input: { couponId: $coupon, expectedVersion: $version }) {
        deletedCouponId coupon { id version } errors { code message path } } }";

async fn delete_coupon(world: &World, token: &str, coupon: &str, version: i64) -> Answer {
    world.gql(Some(token), DELETE_COUPON, json!({ "coupon": coupon, "version": version })).await
}

#[test]
fn draft_of_a_coupon_is_deleted_with_its_codes_and_frees_its_event() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let Draft { event, .. } = draft(world, &stage, "Gala").await;
        let listed = json!({ "eventId": event, "codes": "UPLOADED", "appliesTo": [event],
            "budget": { "amount": "100.00", "currency": "EUR" } });
        let coupon = world.draft_coupon(&stage, listed).await;
        world.import_codes(&stage.vendor, &coupon, "code\nGALA-1\nGALA-2\n").await.good();
        let used = delete(world, &stage.vendor, &event, 1).await;
        assert_eq!(used.refusal("deleteEvent").as_deref(), Some("IN_USE"), "{}", used.body);
        let version = "query($id: ID!) { coupon(id: $id) { version } }";
        let version = world.gql(Some(&stage.vendor), version, json!({ "id": coupon })).await.good();
        let version = version.data("coupon.version").as_i64().expect("a version");
        let outdated = delete_coupon(world, &stage.vendor, &coupon, version + 1).await;
        assert_eq!(outdated.refusal("deleteCoupon").as_deref(), Some("STALE"), "{}", outdated.body);
        assert_eq!(outdated.data("deleteCoupon.coupon"), json!({ "id": coupon, "version": version }));
        let stranger = world.user("stranger").await;
        let foreign = delete_coupon(world, &stranger, &coupon, version).await;
        assert_eq!(foreign.refusal("deleteCoupon").as_deref(), Some("NOT_FOUND"), "{}", foreign.body);

        let deleted = delete_coupon(world, &stage.vendor, &coupon, version).await.good();
        assert_eq!(deleted.data("deleteCoupon.deletedCouponId"), coupon.as_str());
        let document = "query($coupon: ID!, $shop: ID!) { node(id: $coupon) { id }
            coupons(filter: { search: \"Five\" }) { totalCount }
            shop(id: $shop) { auditLog(first: 1) { nodes { action objectId } } } }";
        let input = json!({ "coupon": coupon, "shop": stage.shop });
        let seen = world.gql(Some(&stage.vendor), document, input).await.good();
        assert_eq!((seen.data("node"), seen.data("coupons.totalCount")), (Value::Null, json!(0)));
        assert_eq!(
            seen.data("shop.auditLog.nodes"),
            json!([{ "action": "COUPON_DELETED", "objectId": coupon }])
        );
        // Its codes are free for another coupon, and nothing refers to the event any more.
        let other = world.draft_coupon(&stage, json!({ "codes": "UPLOADED" })).await;
        world.import_codes(&stage.vendor, &other, "code\nGALA-1\nGALA-2\n").await.good();
        delete(world, &stage.vendor, &event, 1).await.good();

        let published = world.published(&stage, json!({})).await;
        let refused = delete_coupon(world, &stage.vendor, &published, 2).await;
        assert_eq!(refused.refusal("deleteCoupon").as_deref(), Some("NOT_DRAFT"), "{}", refused.body);
    });
}
