//! Claims: created, released and expired, with live messages.

use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use test_case::test_case;

use crate::support::Database::{self, Postgres, Sqlite};
use crate::support::{World, run_on, socket::Socket};

const BAG: &str = "{ viewer { bag { claims { nodes { id status code } } tickets { nodes { id } } } } }";

async fn bag(world: &World, token: &str) -> Value {
    world.gql(Some(token), BAG, json!({})).await.good().data("viewer.bag.claims.nodes")
}

async fn release(world: &World, token: &str, claim: &str) -> crate::support::Answer {
    let document = "mutation($id: ID!) { releaseClaim(input: { claimId: $id }) {
        claim { status code } errors { code } } }";
    world.gql(Some(token), document, json!({ "id": claim })).await
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn a_free_coupon_is_claimed_once_under_one_key(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let id = world.published(&stage, json!({ "stock": 5, "limitPerBuyer": 2 })).await;
        let buyer = world.guest().await;
        let first = world.try_claim(&buyer, &id, "the-one-key").await.good();
        let again = world.try_claim(&buyer, &id, "the-one-key").await.good();
        assert_eq!(first.data("claimCoupon.claim.id"), again.data("claimCoupon.claim.id"));
        assert_eq!(first.data("claimCoupon.claim.code"), again.data("claimCoupon.claim.code"));
        assert_eq!(again.data("claimCoupon.claim.coupon"), json!({ "left": 4, "viewerTaken": 1 }));
        let code = first.text("claimCoupon.claim.code");
        let groups: Vec<usize> = code.split('-').map(str::len).collect();
        assert_eq!(groups, [4, 4, 4, 4, 1], "{code}");
        let other = world.published(&stage, json!({})).await;
        let mismatch = world.try_claim(&buyer, &other, "the-one-key").await;
        assert_eq!(mismatch.refusal("claimCoupon").as_deref(), Some("IDEMPOTENCY_MISMATCH"));
        world.try_claim(&buyer, &id, "another-key").await.good();
        let full = world.try_claim(&buyer, &id, "a-third-key").await;
        assert_eq!(full.refusal("claimCoupon").as_deref(), Some("LIMIT_REACHED"), "{}", full.body);
        assert_eq!(
            (full.data("claimCoupon.errors.0.limit"), full.data("claimCoupon.errors.0.taken")),
            (json!(2), json!(2))
        );
        assert_eq!(bag(world, &buyer).await.as_array().map(Vec::len), Some(2));
        // Whoever is not its holder sees nothing of it.
        let stranger = world.guest().await;
        let claim = "query($id: ID!) { claim(id: $id) { code } node(id: $id) { id } }";
        let seen = world
            .gql(Some(&stranger), claim, json!({ "id": first.text("claimCoupon.claim.id") }))
            .await
            .good();
        assert_eq!((seen.data("claim"), seen.data("node")), (Value::Null, Value::Null));
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn the_terms_are_those_of_the_claim(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let id = world.published(&stage, json!({ "limitPerBuyer": 3 })).await;
        let buyer = world.guest().await;
        let (first, _) = world.claim(&buyer, &id).await;
        world
            .update_coupon(
                &stage.vendor,
                &id,
                json!({ "title": "Ten off", "amount": { "amount": "10.00", "currency": "EUR" } }),
            )
            .await
            .good();
        let second =
            world.try_claim(&buyer, &id, "after-the-change").await.good().text("claimCoupon.claim.id");
        let title = async |id: &str| {
            let document = "query($id: ID!) { claim(id: $id) { title coupon { title } } }";
            world.gql(Some(&buyer), document, json!({ "id": id })).await.good().data("claim")
        };
        assert_eq!(title(&first).await, json!({ "title": "Five off", "coupon": { "title": "Ten off" } }));
        assert_eq!(title(&second).await, json!({ "title": "Ten off", "coupon": { "title": "Ten off" } }));
        // Another instance, which has not followed yet, makes the claim out upon the new terms too.
        let other = World::of(world.second().await, world.backend, &world.url);
        let third = other.try_claim(&buyer, &id, "at-another-instance").await.good();
        assert_eq!(third.data("claimCoupon.claim.title"), "Ten off");
        world
            .update_coupon(&stage.vendor, &id, json!({ "title": "Twenty off", "limitPerBuyer": 9 }))
            .await
            .good();
        let fourth = other.try_claim(&buyer, &id, "at-another-instance-again").await.good();
        assert_eq!(fourth.data("claimCoupon.claim.title"), "Twenty off");
        tessera::server::close(other.app, Duration::from_secs(5)).await;
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn released_claim_can_be_claimed_by_another_account_with_a_new_code(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let id = world.published(&stage, json!({ "stock": 1 })).await;
        let (buyer, other) = (world.guest().await, world.guest().await);
        let (claim, code) = world.claim(&buyer, &id).await;
        assert_eq!(
            world.try_claim(&other, &id, "none-left").await.refusal("claimCoupon").as_deref(),
            Some("SOLD_OUT")
        );
        let foreign = release(world, &other, &claim).await;
        assert_eq!(foreign.refusal("releaseClaim").as_deref(), Some("NOT_FOUND"));
        let released = release(world, &buyer, &claim).await.good();
        assert_eq!(released.data("releaseClaim.claim"), json!({ "status": "RELEASED", "code": null }));
        release(world, &buyer, &claim).await.good();
        assert_eq!(bag(world, &buyer).await, json!([]));
        let (_, anothers) = world.claim(&other, &id).await;
        assert_ne!(code, anothers);
        assert_eq!(
            world.try_claim(&buyer, &id, "once-more").await.refusal("claimCoupon").as_deref(),
            Some("SOLD_OUT")
        );
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn a_claim_expires_by_its_deadline_written_down_or_not(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let days = world.published(&stage, json!({ "validDays": 2, "stock": 10 })).await;
        let (buyer, _) = (world.user("buyer").await, world.user("other").await);
        let (claim, _) = world.claim(&buyer, &days).await;
        world.advance(Duration::from_hours(24));
        world.claim(&world.sign_in("other").await, &days).await;
        world.advance(Duration::from_hours(24));
        let (buyer, other) = (world.sign_in("buyer").await, world.sign_in("other").await);
        let vendor = world.sign_in("vendor").await;
        let states = async |token: &str| bag(world, token).await[0].clone();
        assert_eq!(states(&buyer).await["status"], "EXPIRED", "before anybody wrote it down");
        assert_eq!(states(&buyer).await["code"], Value::Null);
        assert_eq!(states(&other).await["status"], "CLAIMED");
        assert_eq!(release(world, &buyer, &claim).await.refusal("releaseClaim").as_deref(), Some("EXPIRED"));
        let document = "query($id: ID!) { coupon(id: $id) { counts { created published reserved claimed redeemed expired released } } }";
        let look = async || {
            world.gql(Some(&vendor), document, json!({ "id": days })).await.good().data("coupon.counts")
        };
        let expected = json!({ "created": 10, "published": 8, "reserved": 0, "claimed": 1, "redeemed": 0, "expired": 1, "released": 0 });
        assert_eq!(look().await, expected);
        let buyers = world.gql(Some(&buyer), document, json!({ "id": days })).await;
        assert_eq!(buyers.code().as_deref(), Some("FORBIDDEN"), "{}", buyers.body);
        assert_eq!(buyers.data("coupon.counts"), Value::Null);
        assert_eq!(tessera::coupon::claim::expire_due(&world.app).await.expect("expired"), 1);
        assert_eq!(tessera::coupon::claim::expire_due(&world.app).await.expect("nothing"), 0);
        assert_eq!(look().await, expected);
        assert_eq!(states(&buyer).await["status"], "EXPIRED");
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn claim_changes_reach_holders_vendors_and_the_public(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let id = world.published(&stage, json!({ "stock": 2, "limitPerBuyer": 2 })).await;
        world.app.spawn(tessera::outbox::tail(world.app.clone()));
        let address = world.listen().await;
        let buyer = world.guest().await;
        let mut holder = Socket::open(&address, Some(&buyer)).await;
        holder.subscribe("b", "subscription { bag { id claims { nodes { status } } } }", json!({})).await;
        let bag = holder.next().await["bag"].clone();
        assert_eq!(bag["claims"]["nodes"], json!([]));
        let own = "query($id: ID!) { viewer { bag { id } } node(id: $id) { id __typename } }";
        let input = json!({ "id": bag["id"] });
        let own = world.gql(Some(&buyer), own, input.clone()).await.good();
        assert_eq!(own.data("viewer.bag.id"), bag["id"]);
        assert_eq!(own.data("node"), json!({ "id": bag["id"], "__typename": "Bag" }));
        let other = "query($id: ID!) { node(id: $id) { id } }";
        let other = world.gql(Some(&stage.vendor), other, input).await.good();
        assert_eq!(other.data("node"), Value::Null, "the bag of another account");
        let mut vendor = Socket::open(&address, Some(&stage.vendor)).await;
        let watch = "subscription($id: ID!) { couponCounts(couponId: $id) { id counts { published claimed released } } }";
        vendor.subscribe("s", watch, json!({ "id": id })).await;
        assert_eq!(
            vendor.next().await["couponCounts"],
            json!({ "id": id, "counts": { "published": 2, "claimed": 0, "released": 0 } })
        );
        let mut anybody = Socket::open(&address, None).await;
        let left = "subscription($id: ID!, $after: Long) { couponAvailability(couponId: $id, after: $after) {
            after version left coupon { id left } } }";
        anybody.subscribe("l", left, json!({ "id": id })).await;
        let snapshot = anybody.next().await["couponAvailability"].clone();
        assert_eq!((&snapshot["after"], &snapshot["left"]), (&Value::Null, &json!(2)));
        assert_eq!(snapshot["coupon"], json!({ "id": id, "left": 2 }));
        let (claim, _) = world.claim(&buyer, &id).await;
        assert_eq!(holder.next().await["bag"]["claims"]["nodes"], json!([{ "status": "CLAIMED" }]));
        assert_eq!(
            vendor.next().await["couponCounts"]["counts"],
            json!({ "published": 1, "claimed": 1, "released": 0 })
        );
        let delta = anybody.next().await["couponAvailability"].clone();
        assert_eq!((&delta["after"], &delta["left"]), (&snapshot["version"], &json!(1)));
        assert_eq!(delta["coupon"], json!({ "id": id, "left": 1 }));
        release(world, &buyer, &claim).await.good();
        assert_eq!(holder.next().await["bag"]["claims"]["nodes"], json!([]));
        assert_eq!(anybody.next().await["couponAvailability"]["left"], 2);
        let mut counts = vendor.next().await["couponCounts"]["counts"].clone();
        if counts["released"] == 0 {
            counts = vendor.next().await["couponCounts"]["counts"].clone();
        }
        assert_eq!(counts, json!({ "published": 2, "claimed": 0, "released": 1 }));
        // Whoever comes back hears what they missed.
        let mut again = Socket::open(&address, None).await;
        again.subscribe("l", left, json!({ "id": id, "after": snapshot["version"] })).await;
        let mut missed = again.next().await["couponAvailability"].clone();
        assert_eq!(missed["after"], snapshot["version"]);
        while missed["left"] != 2 {
            let next = again.next().await["couponAvailability"].clone();
            assert_eq!(next["after"], missed["version"], "nothing missed");
            missed = next;
        }
        // A raised stock is told too.
        world.update_coupon(&stage.vendor, &id, json!({ "stock": 7 })).await.good();
        assert_eq!(anybody.next().await["couponAvailability"]["left"], 7);
        let draft = world.draft_coupon(&stage, json!({})).await;
        let mut nothing = Socket::open(&address, None).await;
        nothing.subscribe("l", left, json!({ "id": draft })).await;
        assert_eq!(nothing.message().await["type"], "error");
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn claim_keeps_its_terms_when_the_coupon_changes(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let with = json!({ "title": "Fifteen", "kind": "PERCENT_OFF", "amount": null, "basisPoints": 1500,
            "cap": { "amount": "8.00", "currency": "EUR" }, "minimumSpend": { "amount": "20.00", "currency": "EUR" },
            "description": "Off the concert", "terms": "Not on Sundays", "appliesTo": [stage.event],
            "exclusive": true });
        let id = world.published(&stage, with).await;
        let buyer = world.guest().await;
        let (claim, _) = world.claim(&buyer, &id).await;
        let changed = json!({ "title": "Ten", "basisPoints": 1000, "description": "", "terms": "Never", "appliesTo": [] });
        world.update_coupon(&stage.vendor, &id, changed).await.good();
        let document =
            "query($id: ID!) { claim(id: $id) { terms { title description smallPrint kind amount { amount }
            basisPoints cap { amount } currency minimumSpend { amount } appliesTo { __typename ... on Node { id } } exclusive
            stackingGroup position shareable } coupon { title terms } } }";
        let seen = world.gql(Some(&buyer), document, json!({ "id": claim })).await.good();
        assert_eq!(
            seen.data("claim.terms"),
            json!({ "title": "Fifteen", "description": "Off the concert", "smallPrint": "Not on Sundays",
                "kind": "PERCENT_OFF", "amount": null, "basisPoints": 1500, "cap": { "amount": "8.00" },
                "currency": "EUR", "minimumSpend": { "amount": "20.00" },
                "appliesTo": [{ "__typename": "Event", "id": stage.event }], "exclusive": true, "stackingGroup": null,
                "position": 0, "shareable": false })
        );
        assert_eq!(seen.data("claim.coupon"), json!({ "title": "Ten", "terms": "Never" }));
    });
}

/// However many watch, and however fast claims come: a coupon is counted once a second, and everybody ends with the truth.
#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn subscribers_of_a_coupon_share_its_counts(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let id = world.published(&stage, json!({})).await;
        world.app.spawn(tessera::outbox::tail(world.app.clone()));
        let address = world.listen().await;
        let watch = "subscription($id: ID!) { couponCounts(couponId: $id) { id counts { claimed } } }";
        let begun = Instant::now();
        let mut vendors = Vec::new();
        for _ in 0..10 {
            let mut vendor = Socket::open(&address, Some(&stage.vendor)).await;
            vendor.subscribe("s", watch, json!({ "id": id })).await;
            assert_eq!(vendor.next().await["couponCounts"]["counts"]["claimed"], 0);
            vendors.push(vendor);
        }
        for _ in 0..40 {
            let buyer = world.guest().await;
            world.claim(&buyer, &id).await;
        }
        for vendor in &mut vendors {
            while vendor.next().await["couponCounts"]["counts"]["claimed"] != 40 {}
        }
        let counted = world.app.counters.coupons_counted.load(Relaxed);
        let most = begun.elapsed().as_secs() + 1;
        assert!((1..=most).contains(&counted), "counted {counted} times in {:?}", begun.elapsed());
        // One who comes late is told the same.
        let mut late = Socket::open(&address, Some(&stage.vendor)).await;
        late.subscribe("s", watch, json!({ "id": id })).await;
        assert_eq!(late.next().await["couponCounts"]["counts"]["claimed"], 40);
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn priced_coupons_are_reserved_and_free_ones_are_claimed(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let paid = json!({ "stock": 3, "limitPerBuyer": 3, "taxBasisPoints": 2000,
            "price": { "amount": "12.00", "currency": "EUR" } });
        let paid = world.published(&stage, paid).await;
        let free = world.published(&stage, json!({})).await;
        let (buyer, other) = (world.guest().await, world.guest().await);
        let document = "mutation($coupon: ID!, $quantity: Int!, $key: String!) { reserveCoupon(input: {
            couponId: $coupon, quantity: $quantity, idempotencyKey: $key }) {
            reservation { id status quantity total { amount } event { id } coupon { left viewerTaken }
                items { label quantity price { amount } basePrice { amount } tax { amount } seat { id } area { id } tier { id } } }
            errors { code message left limit taken availableAt retryable } } }";
        let reserve = async |token: &str, coupon: &str, quantity: u32, key: &str| {
            let input = json!({ "coupon": coupon, "quantity": quantity, "key": key });
            world.gql(Some(token), document, input).await
        };
        let claimed = world.try_claim(&buyer, &paid, "without-paying").await;
        assert_eq!(claimed.refusal("claimCoupon").as_deref(), Some("NOT_FREE"));
        let refused = reserve(&buyer, &free, 1, "for-nothing-key").await;
        assert_eq!(refused.refusal("reserveCoupon").as_deref(), Some("FREE"));
        let made = reserve(&buyer, &paid, 2, "two-of-them").await.good();
        let reservation = made.data("reserveCoupon.reservation");
        assert_eq!(reservation["total"]["amount"], "24.00");
        assert_eq!(reservation["coupon"], json!({ "left": 1, "viewerTaken": 2 }));
        assert_eq!(reservation["event"], Value::Null);
        assert_eq!(
            reservation["items"],
            json!([{ "label": "Five off", "quantity": 2, "price": { "amount": "12.00" }, "basePrice": { "amount": "12.00" }, "tax": { "amount": "2.00" },
                "seat": null, "area": null, "tier": null }])
        );
        let again = reserve(&buyer, &paid, 2, "two-of-them").await.good();
        assert_eq!(again.data("reserveCoupon.reservation.id"), reservation["id"]);
        let full = reserve(&other, &paid, 2, "more-than-left").await;
        assert_eq!(full.refusal("reserveCoupon").as_deref(), Some("SOLD_OUT"));
        assert_eq!(full.data("reserveCoupon.errors.0.left"), 1);
        assert!(full.data("reserveCoupon.errors.0.availableAt").is_string(), "they may come back");
        let too_many = reserve(&buyer, &paid, 101, "far-too-many").await;
        assert_eq!(too_many.refusal("reserveCoupon").as_deref(), Some("INVALID"));
        // Unpaid they come back by themselves.
        world.advance(Duration::from_mins(11));
        reserve(&other, &paid, 3, "all-of-them").await.good();
        let release = "mutation($id: ID!) { releaseReservation(input: { reservationId: $id }) {
            reservation { status } errors { code } } }";
        let ended = world.gql(Some(&buyer), release, json!({ "id": reservation["id"] })).await;
        assert_eq!(ended.refusal("releaseReservation").as_deref(), Some("RESERVATION_ENDED"));
        world.work().await;
    });
}
