//! Access codes: a hidden tier is sold only to buyers with a code that unlocks it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entity::coupon::{CouponKind, scope};
use futures_util::future::join_all;
use serde_json::{Value, json};
use test_case::test_case;

use crate::support::Database::{self, Postgres, Sqlite};
use crate::support::{Answer, World, coupons::ClaimHandle, given::Stage, run_on};

const RESERVE: &str = "mutation($event: ID!, $pick: PickInput!, $code: String, $key: String!) {
    reserveSeats(input: { eventId: $event, pick: $pick, accessCode: $code, idempotencyKey: $key }) {
        reservation { id quantity } errors { code path seats retryAfterMs } } }";

/// The number of places that were reserved, or why none were.
pub(crate) async fn reserved(
    world: &World,
    token: &str,
    stage: &Stage,
    (pick, code): (Value, Option<&str>),
) -> Answer {
    let key = uuid::Uuid::from_bytes(world.app.random()).to_string();
    let input = json!({ "event": stage.event, "pick": pick, "code": code, "key": key });
    world.gql(Some(token), RESERVE, input).await
}

/// Hides the event's dearest tier, or shows it again; its id.
pub(crate) async fn hide(world: &World, stage: &Stage, hidden: bool) -> String {
    let document = "query($id: ID!) { event(id: $id) { tiers { id name version } } }";
    let event = world.gql(Some(&stage.vendor), document, json!({ "id": stage.event })).await.good();
    let tiers = event.data("event.tiers");
    let front = tiers.as_array().expect("tiers").iter().find(|tier| tier["name"] == "Front");
    let front = front.expect("the front").clone();
    let document = "mutation($id: ID!, $version: Long!, $hidden: Boolean!) {
        updateTier(input: { tierId: $id, expectedVersion: $version, hidden: $hidden }) {
            tier { hidden } errors { code message } } }";
    let tier = front["id"].as_str().expect("an id").to_owned();
    let input = json!({ "id": tier, "version": front["version"], "hidden": hidden });
    let changed = world.gql(Some(&stage.vendor), document, input).await.good();
    assert_eq!(changed.data("updateTier.tier.hidden"), hidden);
    tier
}

/// A code that opens the tier, in the bag of whoever has the token.
pub(crate) async fn opener(world: &World, tier: &str, token: &str) -> ClaimHandle {
    let opening =
        world.coupon(|coupon| (coupon.kind, coupon.amount_minor) = (CouponKind::AccessCode, None)).await;
    let id: type_safe_id::TypeSafeId<type_safe_id::DynamicType> = tier.parse().expect("an id");
    let only =
        [scope::Model { coupon_id: opening.id, kind: scope::CouponScopeKind::Tier, target: id.uuid() }];
    world.given_claim_of(&opening, &only, token).await
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn hidden_tiers_require_an_access_code(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let tier = hide(world, &stage, true).await;
        let (buyer, other) = (world.guest().await, world.guest().await);
        let now = world.app.clock.now();
        let opening = world
            .coupon(|coupon| {
                (coupon.kind, coupon.amount_minor) = (CouponKind::AccessCode, None);
                coupon.valid_until = Some(now + TimeDelta::minutes(30));
            })
            .await;
        let id: type_safe_id::TypeSafeId<type_safe_id::DynamicType> = tier.parse().expect("an id");
        let only =
            [scope::Model { coupon_id: opening.id, kind: scope::CouponScopeKind::Tier, target: id.uuid() }];
        let held = world.given_claim_of(&opening, &only, &buyer).await;
        let plain = world.given_claim(&world.coupon(|_| {}).await, &buyer).await;
        let front = |number: usize| json!({ "seatIds": [stage.seats[number]] });
        let best = json!({ "bestAvailable": { "quantity": 2 } });
        let best_front = json!({ "bestAvailable": { "quantity": 2, "tierIds": [tier] } });

        // Without a code there is nothing to be had at it, by name or as the best there is.
        let refused = reserved(world, &buyer, &stage, (front(0), None)).await;
        assert_eq!(refused.refusal("reserveSeats").as_deref(), Some("NOT_FOR_SALE"));
        let refused = reserved(world, &buyer, &stage, (best_front.clone(), None)).await;
        assert_eq!(refused.refusal("reserveSeats").as_deref(), Some("NOT_ENOUGH_LEFT"));
        reserved(world, &other, &stage, (best, None)).await.good();
        let seats: Vec<String> = world.reservation_labels(&other).await;
        assert!(seats.iter().all(|label| !label.contains("Row A")), "{seats:?}");
        // The code is looked at first, whatever the places are.
        for (token, code, expected) in [
            (&other, held.code.as_str(), "UNKNOWN_ACCESS_CODE"),
            (&buyer, "NO-SUCH-CODE", "UNKNOWN_ACCESS_CODE"),
            (&buyer, plain.code.as_str(), "ACCESS_CODE_NOT_VALID"),
        ] {
            let refused = reserved(world, token, &stage, (front(0), Some(code))).await;
            assert_eq!(refused.refusal("reserveSeats").as_deref(), Some(expected), "{code}");
            assert_eq!(refused.data("reserveSeats.errors.0.path"), json!(["accessCode"]));
        }
        // With it, there is; and it is not used up.
        let code = Some(held.code.as_str());
        reserved(world, &buyer, &stage, (front(0), code)).await.good();
        reserved(world, &buyer, &stage, (best_front, code)).await.good();
        let seats = world.reservation_labels(&buyer).await;
        assert_eq!(seats.iter().filter(|label| label.contains("Row A")).count(), 3, "{seats:?}");
        // It takes nothing off.
        let own = world.reserve(&buyer, &stage.event, &[&stage.seats[15]]).await;
        let spent = world.spend(&buyer, &[&own], &[&held], "no-discount").await;
        assert_eq!(spent.refusal("checkout").as_deref(), Some("NO_DISCOUNT"));
        world.advance(Duration::from_mins(31));
        let late = reserved(world, &buyer, &stage, (front(5), code)).await;
        assert_eq!(late.refusal("reserveSeats").as_deref(), Some("ACCESS_CODE_NOT_VALID"));
    });
}

/// An access coupon of the shop for the tier; `with` says what is different.
async fn access_coupon(world: &World, stage: &Stage, tier: &str, with: Value) -> String {
    let mut input = json!({ "title": "Members", "kind": "ACCESS_CODE", "amount": null, "appliesTo": [tier] });
    for (name, value) in with.as_object().into_iter().flatten() {
        input[name] = value.clone();
    }
    world.published(stage, input).await
}

const SHARE: &str =
    "mutation($claim: ID!) { shareClaim(input: { claimId: $claim }) { token errors { code } } }";
const ACCEPT: &str = "mutation($token: String!) { acceptClaim(input: { token: $token }) { claim { id code } errors { code } } }";
const RELEASE: &str =
    "mutation($claim: ID!) { releaseClaim(input: { claimId: $claim }) { claim { status } errors { code } } }";
const CLAIM: &str = "query($id: ID!) { claim(id: $id) { status code openedAt } }";

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn an_access_code_is_its_holders_and_used_once_it_opened_places(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let tier = hide(world, &stage, true).await;
        let coupon = access_coupon(world, &stage, &tier, json!({ "shareable": true })).await;
        let (first, second) = (world.guest().await, world.guest().await);
        let (claim, code) = world.claim(&first, &coupon).await;
        let front = |number: usize| json!({ "seatIds": [stage.seats[number]] });
        // Shareable or not, whoever merely knows it cannot use it.
        let refused = reserved(world, &second, &stage, (front(0), Some(&code))).await;
        assert_eq!(refused.refusal("reserveSeats").as_deref(), Some("UNKNOWN_ACCESS_CODE"));
        // Passed on, it opens to the other one, by its new code only.
        let offer = world.gql(Some(&first), SHARE, json!({ "claim": claim })).await.good();
        let offer = offer.text("shareClaim.token");
        let taken = world.gql(Some(&second), ACCEPT, json!({ "token": offer })).await.good();
        let passed = taken.text("acceptClaim.claim.code");
        for (token, dead) in [(&first, &code), (&first, &passed), (&second, &code)] {
            let refused = reserved(world, token, &stage, (front(0), Some(dead))).await;
            assert_eq!(refused.refusal("reserveSeats").as_deref(), Some("UNKNOWN_ACCESS_CODE"));
        }
        let seen = world.gql(Some(&second), CLAIM, json!({ "id": claim })).await.good();
        assert_eq!(seen.data("claim.openedAt"), Value::Null, "nothing was opened yet");
        // An offer that is made before the code is used dies with the use.
        let offer = world.gql(Some(&second), SHARE, json!({ "claim": claim })).await.good();
        let offer = offer.text("shareClaim.token");
        reserved(world, &second, &stage, (front(0), Some(&passed))).await.good();
        let seen = world.gql(Some(&second), CLAIM, json!({ "id": claim })).await.good();
        let at: DateTime<Utc> = seen.text("claim.openedAt").parse().expect("a time");
        assert_eq!(at, world.app.clock.now());
        assert_eq!((seen.data("claim.status"), seen.data("claim.code")), (json!("CLAIMED"), json!(passed)));
        for (token, mutation, document, input) in [
            (&first, "acceptClaim", ACCEPT, json!({ "token": offer })),
            (&second, "shareClaim", SHARE, json!({ "claim": claim })),
            (&second, "releaseClaim", RELEASE, json!({ "claim": claim })),
        ] {
            let refused = world.gql(Some(token), document, input).await;
            assert_eq!(refused.refusal(mutation).as_deref(), Some("USED"), "{}", refused.body);
        }
        // It goes on opening places, and the trace stays what it was.
        let version = world.gql(
            Some(&second),
            "query($id: ID!) { claim(id: $id) { version } }",
            json!({ "id": claim }),
        );
        let version = version.await.good().data("claim.version");
        reserved(world, &second, &stage, (front(1), Some(&passed))).await.good();
        let again = world.gql(
            Some(&second),
            "query($id: ID!) { claim(id: $id) { version } }",
            json!({ "id": claim }),
        );
        assert_eq!(again.await.good().data("claim.version"), version);
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn unused_access_code_can_be_released(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let tier = hide(world, &stage, true).await;
        let coupon = access_coupon(world, &stage, &tier, json!({})).await;
        let buyer = world.guest().await;
        let (claim, code) = world.claim(&buyer, &coupon).await;
        let everything = json!({ "seatIds": stage.seats[..10] });
        let refused = reserved(world, &buyer, &stage, (everything, Some(&code))).await;
        assert_eq!(refused.refusal("reserveSeats").as_deref(), Some("LIMIT_EXCEEDED"), "{}", refused.body);
        // Nor do places that anybody may have leave one.
        let ordinary = json!({ "seatIds": [stage.seats[12]] });
        reserved(world, &buyer, &stage, (ordinary, Some(&code))).await.good();
        let released = world.gql(Some(&buyer), RELEASE, json!({ "claim": claim })).await.good();
        assert_eq!(released.data("releaseClaim.claim.status"), "RELEASED");
    });
}

/// Whoever bought a code and its seats cannot have the money of the code back, but for an unused one they can.
#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn paid_access_code_is_refundable_only_while_unused(database: Database) {
    const RESERVE_COUPON: &str = "mutation($coupon: ID!, $key: String!) {
        reserveCoupon(input: { couponId: $coupon, quantity: 1, idempotencyKey: $key }) {
            reservation { id } errors { code } } }";
    const REFUND: &str = "mutation($id: ID!, $key: String!) {
        refundOrder(input: { orderId: $id, reason: \"rain\", idempotencyKey: $key }) {
            order { state } errors { code } } }";
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let tier = hide(world, &stage, true).await;
        let price = json!({ "price": { "amount": "15.00", "currency": "EUR" } });
        let coupon = access_coupon(world, &stage, &tier, price).await;
        for (name, is_used) in [("a-user", true), ("nobody", false)] {
            let buyer = world.guest().await;
            let key = format!("reserve-{name}");
            let copy =
                world.gql(Some(&buyer), RESERVE_COUPON, json!({ "coupon": coupon, "key": key })).await.good();
            let copy = copy.text("reserveCoupon.reservation.id");
            let order = world.checkout(&buyer, &[&copy]).await;
            world.pay(&buyer, &order, "pm_card_visa", &format!("pay-{name}")).await.good();
            let claims = "query($id: ID!) { order(id: $id) { claims { id code } } }";
            let claims = world.gql(Some(&buyer), claims, json!({ "id": order })).await.good();
            let code = claims.text("order.claims.0.code");
            if is_used {
                let front = json!({ "seatIds": [stage.seats[0]] });
                reserved(world, &buyer, &stage, (front, Some(&code))).await.good();
            }
            let back = json!({ "id": order, "key": format!("refund-{name}") });
            let back = world.gql(Some(&buyer), REFUND, back).await;
            assert_eq!(back.refusal("refundOrder").is_some(), is_used, "{}", back.body);
            if !is_used {
                assert_eq!(back.data("refundOrder.order.state"), "REFUNDED");
                let front = json!({ "seatIds": [stage.seats[1]] });
                let refused = reserved(world, &buyer, &stage, (front, Some(&code))).await;
                assert_eq!(refused.refusal("reserveSeats").as_deref(), Some("UNKNOWN_ACCESS_CODE"));
            }
        }
    });
}

/// The code opens places and is given back at the same moment: one of the two wins, never both.
#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn a_code_is_used_or_given_back_but_not_both(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let tier = hide(world, &stage, true).await;
        let coupon = access_coupon(world, &stage, &tier, json!({ "limitPerBuyer": 1 })).await;
        for round in 0..8 {
            let buyer = world.guest().await;
            let (claim, code) = world.claim(&buyer, &coupon).await;
            let use_of = async |number: usize| {
                let pick = json!({ "seatIds": [stage.seats[number]] });
                reserved(world, &buyer, &stage, (pick, Some(&code))).await
            };
            // Two reservations may both be the first.
            let uses = join_all([use_of(round % 10), use_of((round + 1) % 10)]);
            let release = world.gql(Some(&buyer), RELEASE, json!({ "claim": claim }));
            let (uses, released) = futures_util::future::join(uses, release).await;
            let is_used = uses.iter().any(|answer| answer.refusal("reserveSeats").is_none());
            let is_released = released.refusal("releaseClaim").is_none();
            assert!(!(is_used && is_released), "{uses:?} {}", released.body);
            let after = world.gql(Some(&buyer), CLAIM, json!({ "id": claim })).await.good();
            assert_eq!(after.data("claim.openedAt").is_string(), is_used, "{}", after.body);
            assert_eq!(after.data("claim.status"), if is_released { "RELEASED" } else { "CLAIMED" });
            for reservation in world.reservations(&buyer).await {
                let release = "mutation($id: ID!) { releaseReservation(input: { reservationId: $id }) { errors { code } } }";
                world.gql(Some(&buyer), release, json!({ "id": reservation })).await.good();
            }
        }
    });
}
