//! Access codes: hidden price levels are sold to those only who have a code that opens them.

use std::time::Duration;

use chrono::TimeDelta;
use entity::coupon::{CouponKind, scope};
use serde_json::{Value, json};

use crate::support::{Answer, World, given::Stage, run};

const RESERVE: &str = "mutation($event: ID!, $pick: PickInput!, $code: String, $key: String!) {
    reserveSeats(input: { eventId: $event, pick: $pick, accessCode: $code, idempotencyKey: $key }) {
        reservation { id quantity } errors { code path seats retryAfterSeconds } } }";

/// The number of places that were reserved, or why none were.
async fn reserved(world: &World, token: &str, stage: &Stage, (pick, code): (Value, Option<&str>)) -> Answer {
    let key = uuid::Uuid::from_bytes(world.app.random()).to_string();
    let input = json!({ "event": stage.event, "pick": pick, "code": code, "key": key });
    world.gql(Some(token), RESERVE, input).await
}

/// Hides the event's dearest tier; its id.
async fn hide(world: &World, stage: &Stage) -> String {
    let document = "query($id: ID!) { event(id: $id) { tiers { id name version } } }";
    let event = world.gql(Some(&stage.vendor), document, json!({ "id": stage.event })).await.good();
    let tiers = event.data("event.tiers");
    let front = tiers.as_array().expect("tiers").iter().find(|tier| tier["name"] == "Front");
    let front = front.expect("the front").clone();
    let document = "mutation($id: ID!, $version: Long!) {
        updateTier(input: { tierId: $id, expectedVersion: $version, hidden: true }) {
            tier { hidden } errors { code message } } }";
    let tier = front["id"].as_str().expect("an id").to_owned();
    let input = json!({ "id": tier, "version": front["version"] });
    let hidden = world.gql(Some(&stage.vendor), document, input).await.good();
    assert_eq!(hidden.data("updateTier.tier.hidden"), true);
    tier
}

#[test]
fn hidden_tiers_are_sold_to_those_only_who_have_a_code() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let tier = hide(world, &stage).await;
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
        let held = world.held_of(&opening, &only, &buyer).await;
        let plain = world.held(&world.coupon(|_| {}).await, &buyer).await;
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
