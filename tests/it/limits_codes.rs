//! Limits on wrong codes, claims and declined cards, per account and per network.

use std::time::Duration;

use serde_json::json;
use tessera::http::Patience;

use crate::support::{
    Answer, World,
    given::{PAY, Stage},
    given_coupon::CLAIM,
    run,
};

const STRANGER: &str = "203.0.113.66";
const HOME: &str = "198.51.100.20";

async fn guess(world: &World, address: &str, (token, shop): (&str, &str), code: &str) -> Answer {
    let document = "mutation($shop: ID!, $code: String!, $key: String!) {
        claimCode(input: { shopId: $shop, code: $code, idempotencyKey: $key }) {
            claim { id } errors { code retryAfterMs } } }";
    let input = json!({ "shop": shop, "code": code, "key": format!("guess-{address}-{code}") });
    world.gql_from(address, Some(token), (document, input)).await
}

#[test]
fn new_guests_of_one_network_have_no_new_guesses() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let strict = world
            .beside(&["--network-code-failures", "5:60", "--access-seconds", "3600"], Patience::default())
            .await;
        for number in 0..6 {
            let guest = world.guest().await;
            let answer = guess(&strict, STRANGER, (&guest, &stage.shop), &format!("WRONG-{number}")).await;
            let expected = if number < 5 { "UNKNOWN_CODE" } else { "TOO_MANY_ATTEMPTS" };
            assert_eq!(answer.refusal("claimCode").as_deref(), Some(expected), "{}", answer.body);
        }
        let guest = world.guest().await;
        let other = guess(&strict, HOME, (&guest, &stage.shop), "WRONG-7").await;
        assert_eq!(other.refusal("claimCode").as_deref(), Some("UNKNOWN_CODE"));
        world.advance(Duration::from_hours(1));
        let later = guess(&strict, STRANGER, (&guest, &stage.shop), "WRONG-8").await;
        assert_eq!(later.refusal("claimCode").as_deref(), Some("UNKNOWN_CODE"));
        strict.end().await;
    });
}

#[test]
fn one_network_gets_only_its_part_of_a_free_coupon() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let coupon = world.published(&stage, json!({ "stock": 100, "limitPerBuyer": 1 })).await;
        let claim = async |address: &str, token: &str, key: &str| {
            world.gql_from(address, Some(token), (CLAIM, json!({ "coupon": coupon, "key": key }))).await
        };
        let mut last = String::new();
        for number in 0..40 {
            last = world.guest().await;
            claim(STRANGER, &last, &format!("claim-number-{number}")).await.good();
        }
        // Refused claims do not count, and a repeated call has its answer.
        claim(STRANGER, &last, "claim-number-39").await.good();
        let guest = world.guest().await;
        let refused = claim(STRANGER, &guest, "one-too-many").await;
        assert_eq!(refused.code().as_deref(), Some("RATE_LIMITED"), "{}", refused.body);
        claim(HOME, &guest, "from-elsewhere").await.good();
        let other = world.published(&stage, json!({})).await;
        let input = json!({ "coupon": other, "key": "another-coupon" });
        world.gql_from(STRANGER, Some(&guest), (CLAIM, input)).await.good();
    });
}

#[test]
fn unknown_ticket_codes_are_bounded_and_known_ones_are_not() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let order = world.buy(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let document = "query($id: ID!) { order(id: $id) { tickets { code } } }";
        let bought = world.gql(Some(&buyer), document, json!({ "id": order })).await.good();
        let ticket = bought.text("order.tickets.0.code");
        let scan = async |code: &str| {
            let document = "mutation($code: String!) { checkIn(input: { code: $code }) { errors { code } } }";
            world.gql(Some(&stage.vendor), document, json!({ "code": code })).await
        };
        scan(&ticket).await.good();
        for _ in 0..100 {
            assert_ne!(
                scan(&ticket).await.refusal("checkIn").as_deref(),
                None,
                "used, but a ticket of the shop's"
            );
        }
        for number in 0..30 {
            let answer = scan(&format!("guess-{number}")).await;
            assert_eq!(answer.refusal("checkIn").as_deref(), Some("UNREADABLE"), "{}", answer.body);
        }
        assert_eq!(scan("guess-30").await.code().as_deref(), Some("RATE_LIMITED"));
        world.advance(Duration::from_mins(1));
        assert_eq!(scan("guess-31").await.refusal("checkIn").as_deref(), Some("UNREADABLE"));
    });
}

/// An order of a guest's for one seat; the guest's token and the order's id.
async fn order(world: &World, stage: &Stage, guest: &str, seat: usize) -> String {
    let reservation = world.reserve(guest, &stage.event, &[&stage.seats[seat]]).await;
    world.checkout(guest, &[&reservation]).await
}

/// An attempt to pay an order.
#[derive(Clone, Copy)]
struct Attempt<'a> {
    order: &'a str,
    method: &'a str,
    key: &'a str,
}

async fn pay(world: &World, address: &str, guest: &str, attempt: Attempt<'_>) -> Answer {
    let Attempt { order, method, key } = attempt;
    let input = json!({ "order": order, "method": method, "key": format!("payment-{key}") });
    world.gql_from(address, Some(guest), (PAY, input)).await
}

#[test]
fn a_buyer_has_five_declined_payments_an_hour() {
    run(async |world: &World| {
        let stage = world.stage().await;
        world.without_reservation_budget(&stage.vendor, &stage.event).await;
        let guest = world.guest().await;
        let first = order(world, &stage, &guest, 0).await;
        let second = order(world, &stage, &guest, 1).await;
        for number in 0..5 {
            let declined =
                world.pay(&guest, &first, "pm_card_chargeDeclined", &format!("decline-{number}")).await;
            assert_eq!(declined.data("payOrder.payment.state"), "FAILED", "{}", declined.body);
        }
        for order in [&first, &second] {
            let refused = world.pay(&guest, order, "pm_card_visa", &format!("sixth-{order}")).await;
            assert_eq!(refused.refusal("payOrder").as_deref(), Some("TOO_MANY_DECLINES"), "{}", refused.body);
        }
        let repeated = world.pay(&guest, &first, "pm_card_chargeDeclined", "decline-4").await;
        assert_eq!(repeated.data("payOrder.payment.state"), "FAILED", "the same call has its answer");
        let other = world.guest().await;
        world.buy(&other, &stage.event, &[&stage.seats[2]]).await;
        world.advance(Duration::from_hours(1));
        world.work().await;
        world.buy(&guest, &stage.event, &[&stage.seats[3]]).await;
    });
}

#[test]
fn declined_payments_count_for_the_network_until_some_succeed() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let known = world.guest().await;
        world.buy(&known, &stage.event, &[&stage.seats[0]]).await;
        for seat in 1..=5 {
            let guest = world.guest().await;
            let order = order(world, &stage, &guest, seat).await;
            let declined = pay(
                world,
                STRANGER,
                &guest,
                Attempt { order: &order, method: "pm_card_chargeDeclined", key: "once-only" },
            )
            .await;
            assert_eq!(declined.data("payOrder.payment.state"), "FAILED", "{}", declined.body);
        }
        let guest = world.guest().await;
        let own = order(world, &stage, &guest, 6).await;
        let refused =
            pay(world, STRANGER, &guest, Attempt { order: &own, method: "pm_card_visa", key: "refused-one" })
                .await;
        assert_eq!(refused.refusal("payOrder").as_deref(), Some("TOO_MANY_DECLINES"), "{}", refused.body);
        // A buyer who paid before may pay from everywhere, and makes room for another one.
        let again = order(world, &stage, &known, 7).await;
        let paid = pay(
            world,
            STRANGER,
            &known,
            Attempt { order: &again, method: "pm_card_visa", key: "known-buyer" },
        )
        .await
        .good();
        assert_eq!(paid.data("payOrder.order.state"), "PAID");
        let paid =
            pay(world, STRANGER, &guest, Attempt { order: &own, method: "pm_card_visa", key: "second-try" })
                .await
                .good();
        assert_eq!(paid.data("payOrder.order.state"), "PAID");
    });
}
