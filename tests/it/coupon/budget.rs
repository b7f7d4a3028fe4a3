//! The budget of a coupon: set, raised, removed and set again during orders and redemptions.

use serde_json::{Value, json};
use test_case::test_case;

use crate::support::Database::{self, Postgres, Sqlite};
use crate::support::{Answer, World, run_on};

const CANCEL: &str =
    "mutation($id: ID!) { cancelOrder(input: { orderId: $id }) { order { state } errors { code } } }";
const REFUND: &str =
    "mutation($id: ID!) { refundOrder(input: { orderId: $id, idempotencyKey: \"refund-key\" }) {
    order { state } errors { code } } }";
const REDEEM: &str = "mutation($shop: ID!, $code: String!) {
    redeemClaim(input: { shopId: $shop, code: $code, idempotencyKey: $code }) {
        claim { status } errors { code } } }";

fn euros(amount: &str) -> Value {
    json!({ "budget": { "amount": amount, "currency": "EUR" } })
}

fn refusal(answer: &Answer) -> Option<String> {
    answer.refusal("updateCoupon")
}

/// Whatever is said of the budget meanwhile: orders that were made without one end, and are refunded.
#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn budget_includes_discounts_given_before_it_was_set(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let off = world.published(&stage, json!({ "limitPerBuyer": 9 })).await;
        let spend = async |seat: usize, key: &str| {
            let claimed = world.try_claim(&buyer, &off, &format!("claim-{key}")).await.good();
            let claim = claimed.text("claimCoupon.claim.id");
            let reservation = world.reserve(&buyer, &stage.event, &[&stage.seats[seat]]).await;
            let input =
                json!({ "reservations": [reservation], "claims": [claim], "key": format!("spend-{key}") });
            let made = world.gql(Some(&buyer), SPEND, input).await;
            (made.data("checkout.order.id").as_str().map(str::to_owned), made.refusal("checkout"))
        };
        let (paid, _) = spend(0, "paid").await;
        world.pay(&buyer, paid.as_deref().expect("an order"), "pm_card_visa", "payment-key").await.good();
        let (left, _) = spend(1, "left").await;
        let less = world.update_coupon(&stage.vendor, &off, euros("9.99")).await;
        assert_eq!(refusal(&less).as_deref(), Some("BUDGET_SPENT"), "two orders have 5.00 each");
        world.update_coupon(&stage.vendor, &off, euros("14.00")).await.good();
        let (_, over) = spend(2, "over").await;
        assert_eq!(over, None, "4.00 are left of it, and are given");
        let (_, over) = spend(3, "nothing").await;
        assert_eq!(over.as_deref(), Some("BUDGET_SPENT"));
        world.update_coupon(&stage.vendor, &off, json!({ "budget": null })).await.good();
        let (unbounded, _) = spend(4, "unbounded").await;
        assert!(unbounded.is_some());
        let forgotten = world.update_coupon(&stage.vendor, &off, euros("18.99")).await;
        assert_eq!(refusal(&forgotten).as_deref(), Some("BUDGET_SPENT"), "nothing was forgotten meanwhile");
        world.update_coupon(&stage.vendor, &off, euros("19.00")).await.good();
        let cancelled = world.gql(Some(&buyer), CANCEL, json!({ "id": left })).await.good();
        assert_eq!(cancelled.data("cancelOrder.order.state"), "CANCELLED");
        let refunded = world.gql(Some(&buyer), REFUND, json!({ "id": paid })).await.good();
        assert_eq!(refunded.data("refundOrder.order.state"), "REFUNDED");
        // 9.00 of 19.00 are given now: the order with 4.00, and the one without bounds.
        let less = world.update_coupon(&stage.vendor, &off, euros("8.99")).await;
        assert_eq!(refusal(&less).as_deref(), Some("BUDGET_SPENT"));
        world.update_coupon(&stage.vendor, &off, euros("9.00")).await.good();
    });
}

const SPEND: &str = "mutation($reservations: [ID!]!, $claims: [ID!]!, $key: String!) {
    checkout(input: { reservationIds: $reservations, claimIds: $claims, idempotencyKey: $key,
        contact: { name: \"A Buyer\", email: \"buyer@tessera.test\" } }) {
        order { id } errors { code } } }";

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn counters_give_of_the_budget_too(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let redeem = async |code: &str| {
            world.gql(Some(&stage.vendor), REDEEM, json!({ "shop": stage.shop, "code": code })).await
        };
        let off =
            world.published(&stage, json!({ "limitPerBuyer": 3, "budget": euros("10.00")["budget"] })).await;
        let mut codes = Vec::new();
        for key in ["claim-one", "claim-two", "claim-three"] {
            codes.push(world.try_claim(&buyer, &off, key).await.good().text("claimCoupon.claim.code"));
        }
        redeem(&codes[0]).await.good();
        redeem(&codes[1]).await.good();
        assert_eq!(redeem(&codes[2]).await.refusal("redeemClaim").as_deref(), Some("BUDGET_SPENT"));
        world.update_coupon(&stage.vendor, &off, json!({ "budget": null })).await.good();
        let less = world.update_coupon(&stage.vendor, &off, euros("9.99")).await;
        assert_eq!(refusal(&less).as_deref(), Some("BUDGET_SPENT"), "what counters gave was given");
        world.update_coupon(&stage.vendor, &off, euros("15.00")).await.good();
        let third = redeem(&codes[2]).await.good();
        assert_eq!(third.data("redeemClaim.claim.status"), "REDEEMED");
        // How much a share or a drink comes to, a counter does not say.
        let drink = json!({ "title": "A drink", "kind": "FREE_ITEM", "amount": null, "limitPerBuyer": 2 });
        let drink = world.published(&stage, drink).await;
        let claim = async |key: &str| {
            world.try_claim(&buyer, &drink, key).await.good().text("claimCoupon.claim.code")
        };
        let (first, second) = (claim("drink-one").await, claim("drink-two").await);
        redeem(&first).await.good();
        world.update_coupon(&stage.vendor, &drink, euros("100.00")).await.good();
        assert_eq!(redeem(&second).await.refusal("redeemClaim").as_deref(), Some("NOT_AT_COUNTER"));
    });
}
