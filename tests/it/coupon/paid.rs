//! Coupons with a price: reserved, paid, put into the bag, and refunded while unused.

use std::time::Duration;

use entity::{payment::ledger, reservation};
use futures_util::future::join_all;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};
use serde_json::{Value, json};
use tessera::http::Patience;
use test_case::test_case;

use crate::support::Database::{self, Postgres, Sqlite};
use crate::support::{Answer, World, given::Stage, run_on};

const RESERVE: &str = "mutation($coupon: ID!, $quantity: Int!, $key: String!) {
    reserveCoupon(input: { couponId: $coupon, quantity: $quantity, idempotencyKey: $key }) {
        reservation { id quantity total { amount } } errors { code message left limit taken } } }";
const CHECKOUT: &str = "mutation($reservations: [ID!]!, $claims: [ID!]!, $key: String!) {
    checkout(input: { reservationIds: $reservations, claimIds: $claims, idempotencyKey: $key,
        contact: { name: \"A Buyer\", email: \"buyer@tessera.test\" } }) {
        order { id total { amount } discount { amount } tax { amount }
            lines { label discount { amount } coupon { id } event { id } } }
        errors { code message path } } }";
const ORDER: &str = "query($id: ID!) { order(id: $id) { state tickets { state }
    claims { id code status title balance { amount } } } }";
const REFUND: &str = "mutation($id: ID!, $key: String!) {
    refundOrder(input: { orderId: $id, reason: \"rain\", idempotencyKey: $key }) {
        order { state } refund { amount { amount } } errors { code } } }";

/// A gift card of 50.00 that costs 45.00, and what else is said.
async fn gift_card(world: &World, stage: &Stage, with: Value) -> String {
    let mut input = json!({ "title": "Gift card", "kind": "GIFT_CARD", "limitPerBuyer": 5, "stock": 10,
        "amount": { "amount": "50.00", "currency": "EUR" }, "price": { "amount": "45.00", "currency": "EUR" } });
    for (name, value) in with.as_object().into_iter().flatten() {
        input[name] = value.clone();
    }
    world.published(stage, input).await
}

async fn reserve(world: &World, token: &str, coupon: &str, quantity: u32, key: &str) -> Answer {
    let input = json!({ "coupon": coupon, "quantity": quantity, "key": format!("reserve-{key}") });
    world.gql(Some(token), RESERVE, input).await
}

async fn checkout(world: &World, token: &str, of: &[&str], claims: &[&str], key: &str) -> Answer {
    let input = json!({ "reservations": of, "claims": claims, "key": format!("checkout-{key}") });
    world.gql(Some(token), CHECKOUT, input).await
}

async fn order(world: &World, token: &str, id: &str) -> Answer {
    world.gql(Some(token), ORDER, json!({ "id": id })).await.good()
}

async fn refund(world: &World, token: &str, id: &str, key: &str) -> Answer {
    world.gql(Some(token), REFUND, json!({ "id": id, "key": format!("refund-{key}") })).await
}

async fn left(world: &World, coupon: &str) -> Value {
    let document = "query($id: ID!) { coupon(id: $id) { left } }";
    world.gql(None, document, json!({ "id": coupon })).await.good().data("coupon.left")
}

/// Buys one copy; the order and the claim.
async fn bought(world: &World, token: &str, coupon: &str, key: &str) -> (String, String) {
    let reserved = reserve(world, token, coupon, 1, key).await.good();
    let own = reserved.text("reserveCoupon.reservation.id");
    let made = checkout(world, token, &[&own], &[], key).await.good();
    let id = made.text("checkout.order.id");
    let paid = world.pay(token, &id, "pm_card_visa", &format!("payment-{key}")).await.good();
    assert_eq!(paid.data("payOrder.order.state"), "PAID");
    let claim = order(world, token, &id).await.text("order.claims.0.id");
    (id, claim)
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn copies_are_bought_with_seats_in_one_order_and_go_back_with_its_refund(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let coupon = gift_card(world, &stage, json!({})).await;
        let reserved = reserve(world, &buyer, &coupon, 2, "two").await.good();
        assert_eq!(reserved.data("reserveCoupon.reservation.total.amount"), "90.00");
        let copies = reserved.text("reserveCoupon.reservation.id");
        let seat = world.reserve(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let made = checkout(world, &buyer, &[&seat, &copies], &[], "mixed").await.good();
        assert_eq!(made.data("checkout.order.total.amount"), "111.00");
        let lines = made.data("checkout.order.lines");
        let lines = lines.as_array().expect("lines");
        assert_eq!(lines.iter().filter(|line| line["coupon"]["id"] == coupon.as_str()).count(), 2);
        assert_eq!(lines.iter().filter(|line| line["event"]["id"] == stage.event.as_str()).count(), 1);
        let id = made.text("checkout.order.id");
        assert_eq!(order(world, &buyer, &id).await.data("order.claims"), json!([]), "not paid yet");
        world.pay(&buyer, &id, "pm_card_visa", "pay-mixed").await.good();
        let paid = order(world, &buyer, &id).await;
        assert_eq!(paid.data("order.claims").as_array().map(Vec::len), Some(2));
        assert_eq!(paid.data("order.claims.0.balance.amount"), "50.00");
        assert_eq!(paid.data("order.tickets").as_array().map(Vec::len), Some(1));
        assert_eq!(left(world, &coupon).await, 8);
        let back = refund(world, &buyer, &id, "mixed").await.good();
        assert_eq!(back.data("refundOrder.refund.amount.amount"), "111.00");
        let after = order(world, &buyer, &id).await;
        assert_eq!(after.data("order.claims.0.status"), "REVOKED");
        assert_eq!(after.data("order.claims.0.code"), Value::Null, "the code is dead");
        assert_eq!(after.data("order.tickets.0.state"), "VOID");
        assert_eq!(left(world, &coupon).await, 10);
        let seat = world.reserve(&buyer, &stage.event, &[&stage.seats[1]]).await;
        let claim = paid.text("order.claims.0.id");
        let spent = checkout(world, &buyer, &[&seat], &[&claim], "revoked").await;
        assert_eq!(spent.refusal("checkout").as_deref(), Some("CLAIM_USED"));
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn used_or_expired_claims_are_not_refunded(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let coupon = gift_card(world, &stage, json!({})).await;
        let (used, claim) = bought(world, &buyer, &coupon, "to-use").await;
        let (old, _) = bought(world, &buyer, &coupon, "to-keep").await;
        let seat = world.reserve(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let made = checkout(world, &buyer, &[&seat], &[&claim], "spend").await.good();
        assert_eq!(made.data("checkout.order.total.amount"), "0.00");
        let spent = made.text("checkout.order.id");
        let bound = refund(world, &buyer, &used, "bound").await;
        assert_eq!(bound.refusal("refundOrder").as_deref(), Some("COUPON_USED"));
        world.pay(&buyer, &spent, "none", "spend-pay").await.good();
        let refused = refund(world, &buyer, &used, "used").await;
        assert_eq!(refused.refusal("refundOrder").as_deref(), Some("COUPON_USED"));
        // What it was spent on goes back, the card is whole again, and so can go back too.
        refund(world, &buyer, &spent, "spent").await.good();
        refund(world, &buyer, &used, "whole-again").await.good();
        world.advance(Duration::from_hours(15 * 24));
        // Guests' sessions are long gone by then; the shop may still give back what it wants.
        let vendor = world.sign_in("vendor").await;
        refund(world, &vendor, &old, "by-the-shop").await.good();
    });
}

/// What is paid is what was promised at that price, whatever the shop makes of the coupon meanwhile.
#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn reserved_copy_keeps_the_terms_of_its_reservation(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let (first, second) = (world.guest().await, world.guest().await);
        let coupon = gift_card(world, &stage, json!({ "validDays": 30 })).await;
        let dear =
            reserve(world, &first, &coupon, 1, "dear").await.good().text("reserveCoupon.reservation.id");
        let cheaper = json!({ "amount": { "amount": "5.00", "currency": "EUR" }, "validDays": 3,
            "price": { "amount": "4.50", "currency": "EUR" }, "title": "Small card" });
        world.update_coupon(&stage.vendor, &coupon, cheaper).await.good();
        let cheap =
            reserve(world, &second, &coupon, 1, "cheap").await.good().text("reserveCoupon.reservation.id");
        let made = checkout(world, &first, &[&dear], &[], "dear").await.good();
        assert_eq!(made.data("checkout.order.total.amount"), "45.00");
        let dear = made.text("checkout.order.id");
        world.pay(&first, &dear, "pm_card_visa", "payment-dear").await.good();
        let made = checkout(world, &second, &[&cheap], &[], "cheap").await.good();
        assert_eq!(made.data("checkout.order.total.amount"), "4.50");
        let cheap = made.text("checkout.order.id");
        world.pay(&second, &cheap, "pm_card_visa", "payment-cheap").await.good();
        let document =
            "query($id: ID!) { order(id: $id) { claims { title balance { amount } validUntil } } }";
        for (buyer, id, title, balance, days) in
            [(&first, &dear, "Gift card", "50.00", 30), (&second, &cheap, "Small card", "5.00", 3)]
        {
            let answer = world.gql(Some(buyer), document, json!({ "id": id })).await.good();
            let claim = answer.data("order.claims.0");
            assert_eq!((&claim["title"], &claim["balance"]["amount"]), (&json!(title), &json!(balance)));
            let until = world.app.clock.now() + chrono::TimeDelta::days(days);
            assert_eq!(claim["validUntil"], json!(until.to_rfc3339()));
        }
    });
}

/// A price that is taken away or asked for is so at once, whatever this process has seen of the coupon before.
#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn price_change_moves_a_coupon_between_claim_and_reservation(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let drink = json!({ "title": "A drink", "kind": "FREE_ITEM", "amount": null, "limitPerBuyer": 9 });
        let drink = world.published(&stage, drink).await;
        let priced = |amount: &str| json!({ "price": { "amount": amount, "currency": "EUR" } });
        world.try_claim(&buyer, &drink, "still-free").await.good();
        world.update_coupon(&stage.vendor, &drink, priced("3.00")).await.good();
        let reserved = reserve(world, &buyer, &drink, 1, "dear").await.good();
        assert_eq!(reserved.data("reserveCoupon.reservation.total.amount"), "3.00");
        let claimed = world.try_claim(&buyer, &drink, "too-dear").await;
        assert_eq!(claimed.refusal("claimCoupon").as_deref(), Some("NOT_FREE"));
        world.update_coupon(&stage.vendor, &drink, priced("0.00")).await.good();
        world.try_claim(&buyer, &drink, "free-again").await.good();
        let reserved = reserve(world, &buyer, &drink, 1, "not-dear").await;
        assert_eq!(reserved.refusal("reserveCoupon").as_deref(), Some("FREE"));
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn payment_after_the_deadline_is_refused(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let until = world.app.clock.now() + chrono::TimeDelta::minutes(4);
        let coupon = gift_card(world, &stage, json!({ "validUntil": until })).await;
        let reserved = reserve(world, &buyer, &coupon, 1, "late").await.good();
        let document = "query { viewer { reservations { expiresAt } } }";
        let own = world.gql(Some(&buyer), document, json!({})).await.good();
        let end = own.text("viewer.reservations.0.expiresAt");
        assert_eq!(end, until.to_rfc3339(), "{}", reserved.body);
    });
}

/// Guests lose their sessions; what they bought is in the link that they were mailed, until they give it away.
#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn order_link_gives_access_to_its_codes(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let (buyer, friend) = (world.guest().await, world.guest().await);
        let coupon = gift_card(world, &stage, json!({ "shareable": true })).await;
        let (id, claim) = bought(world, &buyer, &coupon, "mailed").await;
        let document = "query($id: ID!, $token: String) { order(id: $id, accessToken: $token) {
            accessToken claims { code balance { amount } } } }";
        let own = world.gql(Some(&buyer), document, json!({ "id": id })).await.good();
        let token = own.text("order.accessToken");
        let mailed = world.gql(None, document, json!({ "id": id, "token": token })).await.good();
        assert_eq!(mailed.text("order.claims.0.code"), own.text("order.claims.0.code"));
        let by_shop = world.gql(Some(&stage.vendor), document, json!({ "id": id })).await;
        assert_eq!(by_shop.code().as_deref(), Some("FORBIDDEN"), "{}", by_shop.body);
        assert_eq!(
            by_shop.data("order"),
            json!({ "accessToken": null, "claims": null }),
            "the shop sells it, and has no code of it"
        );
        let share = "mutation($id: ID!) { shareClaim(input: { claimId: $id }) { token errors { code } } }";
        let offer = world.gql(Some(&buyer), share, json!({ "id": claim })).await.good();
        let accept = "mutation($token: String!) { acceptClaim(input: { token: $token }) { claim { id } errors { code } } }";
        let token_of_offer = json!({ "token": offer.text("shareClaim.token") });
        world.gql(Some(&friend), accept, token_of_offer).await.good();
        for given in [
            world.gql(Some(&buyer), document, json!({ "id": id })).await.good(),
            world.gql(None, document, json!({ "id": id, "token": token })).await.good(),
        ] {
            assert_eq!(given.data("order.claims"), json!([]), "it is the friend's now");
        }
    });
}

/// Without a session: the link in the buyer's mail is good for longer.
#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn buyers_give_coupons_back_within_two_weeks(database: Database) {
    const BACK: &str = "mutation($id: ID!, $token: String!, $key: String!) {
        refundOrder(input: { orderId: $id, accessToken: $token, idempotencyKey: $key }) {
            order { state } errors { code } } }";
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let coupon = gift_card(world, &stage, json!({})).await;
        let mut orders = Vec::new();
        for key in ["in-time", "too-late"] {
            let (id, _) = bought(world, &buyer, &coupon, key).await;
            let document = "query($id: ID!) { order(id: $id) { accessToken } }";
            let token =
                world.gql(Some(&buyer), document, json!({ "id": id })).await.good().text("order.accessToken");
            orders.push(json!({ "id": id, "token": token, "key": format!("back-{key}") }));
        }
        world.advance(Duration::from_hours(14 * 24) - Duration::from_secs(1));
        let back = world.gql(None, BACK, orders[0].clone()).await.good();
        assert_eq!(back.data("refundOrder.order.state"), "REFUNDED");
        world.advance(Duration::from_secs(1));
        let late = world.gql(None, BACK, orders[1].clone()).await;
        assert_eq!(late.refusal("refundOrder").as_deref(), Some("REFUND_CLOSED"));
    });
}

/// Nobody loses the price of a seat because of a drink.
#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn partial_refund_keeps_the_used_part(database: Database) {
    const REST: &str = "mutation($id: ID!, $token: String, $key: String!) {
        refundOrder(input: { orderId: $id, accessToken: $token, leaveUsedCoupons: true, idempotencyKey: $key }) {
            order { state accessToken } refund { amount { amount } } errors { code } } }";
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let coupon = gift_card(world, &stage, json!({})).await;
        let off = world.published(&stage, json!({ "limitPerBuyer": 2 })).await;
        let seat = world.reserve(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let cards =
            reserve(world, &buyer, &coupon, 2, "two").await.good().text("reserveCoupon.reservation.id");
        let (off, _) = world.claim(&buyer, &off).await;
        let made = checkout(world, &buyer, &[&seat, &cards], &[&off], "mixed").await.good();
        assert_eq!(made.data("checkout.order.total.amount"), "106.00");
        let id = made.text("checkout.order.id");
        world.pay(&buyer, &id, "pm_card_visa", "payment-mixed").await.good();
        let card = order(world, &buyer, &id).await.text("order.claims.0.id");
        let seat = world.reserve(&buyer, &stage.event, &[&stage.seats[1]]).await;
        let made = checkout(world, &buyer, &[&seat], &[&card], "spend").await.good();
        world.pay(&buyer, &made.text("checkout.order.id"), "none", "payment-spend").await.good();
        let whole = refund(world, &buyer, &id, "whole").await;
        assert_eq!(whole.refusal("refundOrder").as_deref(), Some("COUPON_USED"));
        let rest = |key: &str| json!({ "id": id, "key": key });
        let back = world.gql(Some(&buyer), REST, rest("the-rest")).await.good();
        assert_eq!(back.data("refundOrder.order.state"), "PARTIALLY_REFUNDED");
        assert_eq!(back.data("refundOrder.refund.amount.amount"), "61.00", "16.00 of the seat, and one card");
        let after = order(world, &buyer, &id).await;
        let states = |of: &str| after.data(of).as_array().cloned().unwrap_or_default();
        let claims: Vec<_> = states("order.claims").iter().map(|claim| claim["status"].clone()).collect();
        assert_eq!(claims, ["CLAIMED", "REVOKED"], "what is left of the used one can be spent");
        assert_eq!(after.data("order.tickets.0.state"), "VOID");
        assert_eq!(left(world, &coupon).await, 9);
        let twice = world.gql(Some(&buyer), REST, rest("twice-over")).await;
        assert_eq!(twice.refusal("refundOrder").as_deref(), Some("ALREADY_REFUNDED"));
        let bag = "query($id: ID!) { claim(id: $id) { status } }";
        let spent = world.gql(Some(&buyer), bag, json!({ "id": off })).await.good();
        assert_eq!(spent.data("claim.status"), "CLAIMED", "it was for the seat");
    });
}

/// A card paid for the seat, money for what stays: no money goes back, the card gets what it paid, and the fee is booked back.
#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn refund_returns_the_unused_part_to_the_card(database: Database) {
    const REST: &str = "mutation($id: ID!) {
        refundOrder(input: { orderId: $id, leaveUsedCoupons: true, idempotencyKey: \"the-rest\" }) {
            order { state } refund { id } errors { code } } }";
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let dear = gift_card(world, &stage, json!({})).await;
        let small = json!({ "amount": { "amount": "21.00", "currency": "EUR" } });
        let small = gift_card(world, &stage, small).await;
        let (_, card) = bought(world, &buyer, &small, "card").await;
        let seat = world.reserve(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let copy = reserve(world, &buyer, &dear, 1, "copy").await.good().text("reserveCoupon.reservation.id");
        let made = checkout(world, &buyer, &[&seat, &copy], &[&card], "mixed").await.good();
        let id = made.text("checkout.order.id");
        assert_eq!(made.data("checkout.order.total.amount"), "45.00", "no card pays for another");
        world.pay(&buyer, &id, "pm_card_visa", "payment-mixed").await.good();
        let code = order(world, &buyer, &id).await.text("order.claims.0.code");
        let redeem =
            "mutation($code: String!) { redeemClaim(input: { code: $code, idempotencyKey: \"a-drink-key\",
            amount: { amount: \"6.00\", currency: \"EUR\" } }) { claim { status } errors { code } } }";
        world.gql(Some(&stage.vendor), redeem, json!({ "code": code })).await.good();
        let back = world.gql(Some(&buyer), REST, json!({ "id": id })).await.good();
        assert_eq!(back.data("refundOrder.order.state"), "PARTIALLY_REFUNDED");
        assert!(back.data("refundOrder.refund").is_null(), "no money was paid for the seat");
        let seen = "query($id: ID!) { claim(id: $id) { status balance { amount } } }";
        let card = world.gql(Some(&buyer), seen, json!({ "id": card })).await.good();
        assert_eq!(card.data("claim"), json!({ "status": "CLAIMED", "balance": { "amount": "21.00" } }));
    });
}

/// Weeks later the event is called off: the places come back, the card is too old to.
#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn expired_claims_do_not_block_a_refund_of_seats(database: Database) {
    const REST: &str = "mutation($id: ID!, $token: String, $key: String!, $leave: Boolean!) {
        refundOrder(input: { orderId: $id, accessToken: $token, leaveUsedCoupons: $leave, idempotencyKey: $key }) {
            order { state } refund { amount { amount } } errors { code } } }";
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let coupon = gift_card(world, &stage, json!({})).await;
        let seat = world.reserve(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let card =
            reserve(world, &buyer, &coupon, 1, "one").await.good().text("reserveCoupon.reservation.id");
        let made = checkout(world, &buyer, &[&seat, &card], &[], "mixed").await.good();
        let id = made.text("checkout.order.id");
        let document = "query($id: ID!) { order(id: $id) { accessToken } }";
        let token = world.gql(Some(&buyer), document, json!({ "id": id })).await.good();
        let token = token.text("order.accessToken");
        world.pay(&buyer, &id, "pm_card_visa", "payment-mixed").await.good();
        world.advance(Duration::from_hours(15 * 24));
        let back =
            |leave: bool| json!({ "id": id, "token": token, "leave": leave, "key": format!("back-{leave}") });
        let whole = world.gql(None, REST, back(false)).await;
        assert_eq!(whole.refusal("refundOrder").as_deref(), Some("REFUND_CLOSED"));
        let rest = world.gql(None, REST, back(true)).await.good();
        assert_eq!(rest.data("refundOrder.order.state"), "PARTIALLY_REFUNDED");
        assert_eq!(rest.data("refundOrder.refund.amount.amount"), "21.00");
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn discounts_do_not_apply_to_gift_cards(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let card = gift_card(world, &stage, json!({})).await;
        let drink = json!({ "title": "A drink", "kind": "FREE_ITEM", "amount": null, "taxBasisPoints": 2_000,
            "price": { "amount": "6.00", "currency": "EUR" } });
        let drink = world.published(&stage, drink).await;
        let off = world.published(&stage, json!({})).await;
        let (off, _) = world.claim(&buyer, &off).await;
        let own = reserve(world, &buyer, &card, 1, "card").await.good().text("reserveCoupon.reservation.id");
        let refused = checkout(world, &buyer, &[&own], &[&off], "card").await;
        assert_eq!(refused.refusal("checkout").as_deref(), Some("OTHER_ITEMS"));
        let own =
            reserve(world, &buyer, &drink, 1, "drink").await.good().text("reserveCoupon.reservation.id");
        let made = checkout(world, &buyer, &[&own], &[&off], "drink").await.good();
        assert_eq!(made.data("checkout.order.discount.amount"), "5.00");
        assert_eq!(made.data("checkout.order.total.amount"), "1.00");
        assert_eq!(made.data("checkout.order.tax.amount"), "0.17", "20 % contained in 1.00");
    });
}

/// Stock and limit of what is paid are as exact as those of what is claimed: more buyers than copies, two instances.
#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn as_many_copies_are_paid_as_there_are(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let other = world.beside(&["--access-seconds", "3600"], Patience::default()).await;
        let coupon = gift_card(world, &stage, json!({ "stock": 3, "limitPerBuyer": 1 })).await;
        let buyers = join_all((0..6).map(|_| world.guest())).await;
        let tries = (0..12).map(async |index: usize| {
            let (at, buyer) = (if index.is_multiple_of(2) { world } else { &other }, &buyers[index / 2]);
            let key = format!("race-for-{index}");
            let reserved = reserve(at, buyer, &coupon, 1, &key).await;
            assert!(reserved.code().is_none(), "{}", reserved.body);
            if let Some(code) = reserved.refusal("reserveCoupon") {
                assert!(["SOLD_OUT", "LIMIT_REACHED"].contains(&code.as_str()), "{code}");
                return false;
            }
            let own = reserved.text("reserveCoupon.reservation.id");
            let made = checkout(at, buyer, &[&own], &[], &key).await.good();
            let paid = at.pay(buyer, &made.text("checkout.order.id"), "pm_card_visa", &key).await.good();
            assert_eq!(paid.data("payOrder.order.state"), "PAID");
            true
        });
        let won = join_all(tries).await;
        assert_eq!(won.iter().filter(|won| **won).count(), 3);
        assert_eq!(left(world, &coupon).await, 0);
        other.end().await;
    });
}

/// The whole way through the API: claim, spend, refund, and the claim is there again.
#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn a_claim_is_spent_refunded_and_back(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let coupon =
            world.published(&stage, json!({ "budget": { "amount": "5.00", "currency": "EUR" } })).await;
        let (claim, code) = world.claim(&buyer, &coupon).await;
        assert!(!code.is_empty());
        for round in 0..2 {
            let seat = world.reserve(&buyer, &stage.event, &[&stage.seats[round]]).await;
            let key = format!("round-{round}");
            let made = checkout(world, &buyer, &[&seat], &[&claim], &key).await.good();
            assert_eq!(made.data("checkout.order.total.amount"), "16.00");
            let id = made.text("checkout.order.id");
            world.pay(&buyer, &id, "pm_card_visa", &format!("payment-{key}")).await.good();
            let released = "mutation($id: ID!) { releaseClaim(input: { claimId: $id }) { errors { code } } }";
            let released = world.gql(Some(&buyer), released, json!({ "id": claim })).await;
            assert!(released.refusal("releaseClaim").is_some(), "{}", released.body);
            let back = refund(world, &buyer, &id, &key).await.good();
            assert_eq!(back.data("refundOrder.refund.amount.amount"), "16.00");
        }
    });
}

/// Whoever updates the server has reservations, and orders that claims paid for, of the version before.
#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn rows_of_the_previous_version_can_be_sold_and_refunded(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let coupon = gift_card(world, &stage, json!({})).await;
        let own = reserve(world, &buyer, &coupon, 1, "old").await.good().text("reserveCoupon.reservation.id");
        let made = checkout(world, &buyer, &[&own], &[], "old").await.good();
        let tx = world.app.store.begin().await.expect("begun");
        let row = reservation::Entity::find().one(&tx).await.expect("read").expect("a reservation");
        let mut items: Value = serde_json::from_str(&row.items).expect("JSON");
        assert!(items[0].as_object_mut().expect("an item").remove("promised").is_some());
        let items = Set(items.to_string());
        let stripped = reservation::ActiveModel { items, ..row.into_active_model() };
        reservation::Entity::update(stripped).exec(&tx).await.expect("updated");
        tx.commit().await.expect("committed");
        let id = made.text("checkout.order.id");
        world.pay(&buyer, &id, "pm_card_visa", "payment-old").await.good();
        let card = order(world, &buyer, &id).await;
        assert_eq!(card.data("order.claims.0.balance.amount"), "50.00");
        // Of an order that costs nothing no fee was booked; so none goes back.
        let seat = world.reserve(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let made = checkout(world, &buyer, &[&seat], &[&card.text("order.claims.0.id")], "free").await.good();
        let id = made.text("checkout.order.id");
        world.pay(&buyer, &id, "none", "payment-free").await.good();
        let tx = world.app.store.begin().await.expect("begun");
        let fees = ledger::Entity::delete_many().filter(ledger::Column::PaymentId.is_null());
        assert_eq!(fees.exec(&tx).await.expect("deleted").rows_affected, 2);
        tx.commit().await.expect("committed");
        refund(world, &buyer, &id, "free").await.good();
    });
}
