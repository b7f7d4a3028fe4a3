//! Coupons at checkout: the order stores their discounts, and their state follows the order.

use std::time::Duration;

use chrono::TimeDelta;
use entity::{
    claim::ClaimState,
    coupon::{CouponKind, CouponState},
};
use serde_json::{Value, json};

use crate::support::{Answer, World, run};

const ORDER: &str = "query($id: ID!) { order(id: $id) {
    state total { amount } discounts { label amount { amount } } payments { id } tickets { state }
    refunds { state amount { amount } } } }";
const CANCEL: &str = "mutation($id: ID!) { cancelOrder(input: { orderId: $id }) {
    order { state } errors { code } } }";
const REFUND: &str = "mutation($id: ID!, $key: String!) {
    refundOrder(input: { orderId: $id, reason: \"rain\", idempotencyKey: $key }) {
        order { state } refund { state amount { amount } } errors { code } } }";
const APPLICABLE: &str = "query($ids: [ID!]!) { applicableCoupons(reservationIds: $ids) {
    claim { id } saves { amount currency } reason message missing { amount } validFrom } }";

async fn order(world: &World, token: &str, id: &str) -> Answer {
    world.gql(Some(token), ORDER, json!({ "id": id })).await.good()
}

/// All codes of the payload's errors.
fn codes(answer: &Answer) -> Vec<String> {
    let errors = answer.data("checkout.errors");
    let code = |error: &Value| error["code"].as_str().expect("a code").to_owned();
    errors.as_array().expect("errors").iter().map(code).collect()
}

#[test]
fn a_discount_is_frozen_in_the_order_and_its_claim_is_used_up_with_the_payment() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let third = world
            .coupon(|coupon| {
                coupon.kind = CouponKind::PercentOff;
                (coupon.amount_minor, coupon.basis_points) = (None, Some(3_333));
            })
            .await;
        let held = world.given_claim(&third, &buyer).await;
        // 20.00 and 10.00, each with a fee of 1.00.
        let reservation = world.reserve(&buyer, &stage.event, &[&stage.seats[0], &stage.seats[12]]).await;
        let made = world.spend(&buyer, &[&reservation], &[&held], "third-off").await.good();
        let id = made.text("checkout.order.id");
        assert_eq!(made.data("checkout.order.discount.amount"), "10.00", "33.33 % of 30.00, rounded");
        assert_eq!(made.data("checkout.order.total.amount"), "22.00");
        assert_eq!(made.data("checkout.order.fees.amount"), "2.00", "fees stay");
        assert_eq!(made.data("checkout.order.lines.0.discount.amount"), "6.67");
        assert_eq!(made.data("checkout.order.lines.0.total.amount"), "14.33");
        assert_eq!(made.data("checkout.order.lines.0.tax.amount"), "1.30", "10 % contained in 14.33");
        assert_eq!(made.data("checkout.order.lines.1.tax.amount"), "0.70", "10 % contained in 7.67");
        assert_eq!(made.data("checkout.order.discounts.0.label"), "Spring");
        assert_eq!(made.data("checkout.order.discounts.0.claim.id"), held.text);
        assert_eq!(world.claim_row(&held).await.state, ClaimState::Reserved);
        let again = world.spend(&buyer, &[&reservation], &[&held], "third-off").await.good();
        assert_eq!(again.data("checkout.order.id"), id, "same key, same answer");
        let other = world.spend(&buyer, &[&reservation], &[], "third-off").await;
        assert_eq!(codes(&other), ["IDEMPOTENCY_MISMATCH"]);

        world.pay(&buyer, &id, "pm_card_visa", "third-pay").await.good();
        let used = world.claim_row(&held).await;
        assert_eq!((used.state, used.redeemed_at.is_some()), (ClaimState::Redeemed, true));
        let reservation = world.reserve(&buyer, &stage.event, &[&stage.seats[1]]).await;
        let twice = world.spend(&buyer, &[&reservation], &[&held], "third-twice").await;
        assert_eq!(codes(&twice), ["CLAIM_USED"]);

        // Exactly what was paid goes back, and the claim is worth something again.
        let refunded =
            world.gql(Some(&buyer), REFUND, json!({ "id": id, "key": "third-refund" })).await.good();
        assert_eq!(refunded.data("refundOrder.refund.amount.amount"), "22.00");
        assert_eq!(world.claim_row(&held).await.state, ClaimState::Claimed);
        let made = world.spend(&buyer, &[&reservation], &[&held], "third-again").await.good();
        assert_eq!(made.data("checkout.order.discount.amount"), "6.67");
    });
}

#[test]
fn unpaid_order_releases_its_claims_and_budgets() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let now = world.app.clock.now();
        let coupon = world
            .coupon(|coupon| {
                coupon.budget_minor = Some(1_500);
                coupon.valid_until = Some(now + TimeDelta::minutes(25));
            })
            .await;
        let held = world.given_claim(&coupon, &buyer).await;
        let seat = |number: usize| [stage.seats[number].as_str()];
        let reservation = world.reserve(&buyer, &stage.event, &seat(0)).await;
        let made = world.spend(&buyer, &[&reservation], &[&held], "to-cancel").await.good();
        assert_eq!(world.spent(&coupon).await, 1_000);
        let id = made.text("checkout.order.id");
        for _ in 0..2 {
            world.gql(Some(&buyer), CANCEL, json!({ "id": id })).await.good();
            world.work().await;
        }
        assert_eq!(
            (world.claim_row(&held).await.state, world.spent(&coupon).await),
            (ClaimState::Claimed, 0)
        );

        // A declined card is not the end: the claim stays bound for the next try.
        let reservation = world.reserve(&buyer, &stage.event, &seat(1)).await;
        let made = world.spend(&buyer, &[&reservation], &[&held], "to-expire").await.good();
        let id = made.text("checkout.order.id");
        world.pay(&buyer, &id, "pm_card_chargeDeclined", "declined").await.good();
        assert_eq!(world.claim_row(&held).await.state, ClaimState::Reserved);
        world.advance(Duration::from_mins(11));
        world.work().await;
        assert_eq!(order(world, &buyer, &id).await.data("order.state"), "EXPIRED");
        assert_eq!(
            (world.claim_row(&held).await.state, world.spent(&coupon).await),
            (ClaimState::Claimed, 0)
        );

        // Its own time runs out while it is bound: then there is nothing to come back to.
        let reservation = world.reserve(&buyer, &stage.event, &seat(2)).await;
        let made = world.spend(&buyer, &[&reservation], &[&held], "to-run-out").await.good();
        world.advance(Duration::from_mins(15));
        world.work().await;
        let id = made.text("checkout.order.id");
        assert_eq!(order(world, &buyer, &id).await.data("order.state"), "EXPIRED");
        assert_eq!(
            (world.claim_row(&held).await.state, world.spent(&coupon).await),
            (ClaimState::Expired, 0)
        );
    });
}

/// R11: an order that reserved its claim in time finishes, whatever becomes of the claim's time or the coupon.
#[test]
fn a_claim_that_was_reserved_in_time_is_good_until_its_order_ends() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let now = world.app.clock.now();
        let coupon = world.coupon(|coupon| coupon.valid_until = Some(now + TimeDelta::minutes(5))).await;
        let held = world.given_claim(&coupon, &buyer).await;
        let reservation = world.reserve(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let made = world.spend(&buyer, &[&reservation], &[&held], "in-time").await.good();
        world.advance(Duration::from_mins(6));
        world.work().await;
        let id = made.text("checkout.order.id");
        let paid = world.pay(&buyer, &id, "pm_card_visa", "in-time-pay").await.good();
        assert_eq!(paid.data("payOrder.order.state"), "PAID");
        assert_eq!(world.claim_row(&held).await.state, ClaimState::Redeemed);
        world.gql(Some(&buyer), REFUND, json!({ "id": id, "key": "too-late" })).await.good();
        assert_eq!(world.claim_row(&held).await.state, ClaimState::Expired, "nothing to come back to");
    });
}

/// A card is money: what a refund gives back to it can be spent, although its time was up.
#[test]
fn expired_gift_card_gets_time_to_spend_a_refund() {
    run(async |world: &World| {
        let stage = world.stage().await;
        for face in [2_100, 3_000] {
            let buyer = world.guest().await;
            let coupon = world
                .coupon(|coupon| {
                    coupon.kind = CouponKind::GiftCard;
                    coupon.amount_minor = Some(face);
                    coupon.valid_days = Some(1);
                })
                .await;
            let card = world.given_claim(&coupon, &buyer).await;
            let seat = usize::try_from(face / 1_000).expect("few");
            let reservation = world.reserve(&buyer, &stage.event, &[&stage.seats[seat]]).await;
            let key = format!("card-{face}");
            let made = world.spend(&buyer, &[&reservation], &[&card], &key).await.good();
            let id = made.text("checkout.order.id");
            world.pay(&buyer, &id, "none", &format!("{key}-pay")).await.good();
            world.advance(Duration::from_hours(25));
            world.work().await;
            let vendor = world.sign_in("vendor").await;
            world.gql(Some(&vendor), REFUND, json!({ "id": id, "key": key })).await.good();
            let row = world.claim_row(&card).await;
            assert_eq!((row.state, row.balance_minor), (ClaimState::Claimed, Some(face)));
            assert!(row.valid_until.is_some_and(|until| until > world.app.clock.now() + TimeDelta::days(80)));
        }
    });
}

/// No worker runs here: an order whose time is up keeps nothing from its holder.
#[test]
fn an_overdue_order_keeps_no_claim() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let coupon = world.coupon(|coupon| coupon.budget_minor = Some(1_000)).await;
        let held = world.given_claim(&coupon, &buyer).await;
        let reservation = world.reserve(&buyer, &stage.event, &[&stage.seats[0]]).await;
        world.spend(&buyer, &[&reservation], &[&held], "abandoned").await.good();
        let reservation = world.reserve(&buyer, &stage.event, &[&stage.seats[1]]).await;
        let early = world.spend(&buyer, &[&reservation], &[&held], "too-early").await;
        assert_eq!(codes(&early), ["CLAIM_IN_USE"]);
        world.advance(Duration::from_mins(11));
        let reservation = world.reserve(&buyer, &stage.event, &[&stage.seats[2]]).await;
        let made = world.spend(&buyer, &[&reservation], &[&held], "now-it-is-free").await.good();
        assert_eq!(made.data("checkout.order.discount.amount"), "10.00");
    });
}

#[test]
fn gift_cards_pay_prices_and_fees_and_keep_the_balance() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let (giver, buyer) = (world.guest().await, world.guest().await);
        let coupon = world.gift_card(5_000).await;
        let card = world.given_claim(&coupon, &giver).await;
        let bought = async |seats: &[&str], key: &str| {
            let reservation = world.reserve(&buyer, &stage.event, seats).await;
            // Whoever has the code of a card that may be given away can spend it.
            let code = card.code.to_lowercase().replace('-', " ");
            world.spend_codes(&buyer, &[&reservation], &[&code], key).await
        };
        // 20.00 + 1.00: nothing is left to pay, and no provider is asked.
        let made = bought(&[&stage.seats[0]], "card-first").await.good();
        assert_eq!(made.data("checkout.order.total.amount"), "0.00");
        assert_eq!(made.data("checkout.order.tax.amount"), "1.91", "a card pays, it does not make cheaper");
        let first = made.text("checkout.order.id");
        let paid = world.pay(&buyer, &first, "none", "card-first-pay").await.good();
        assert_eq!(paid.data("payOrder.order.state"), "PAID");
        assert!(paid.data("payOrder.payment").is_null());
        let row = world.claim_row(&card).await;
        assert_eq!((row.state, row.balance_minor), (ClaimState::Claimed, Some(2_900)));
        // 2 × 21.00: the card pays 29.00 of them and is empty.
        let made = bought(&[&stage.seats[1], &stage.seats[2]], "card-second").await.good();
        assert_eq!(made.data("checkout.order.total.amount"), "13.00");
        assert_eq!(made.data("checkout.order.lines.0.discount.amount"), "14.50");
        let second = made.text("checkout.order.id");
        world.pay(&buyer, &second, "pm_card_visa", "card-second-pay").await.good();
        let row = world.claim_row(&card).await;
        assert_eq!((row.state, row.balance_minor), (ClaimState::Redeemed, Some(0)));
        assert_eq!(codes(&bought(&[&stage.seats[3]], "card-third").await), ["UNKNOWN_CODE"]);
        // The money goes back where it came from.
        let refund = async |id: &str| {
            world.gql(Some(&buyer), REFUND, json!({ "id": id, "key": format!("refund-{id}") })).await.good()
        };
        let back = refund(&second).await;
        assert_eq!(back.data("refundOrder.refund.amount.amount"), "13.00");
        let row = world.claim_row(&card).await;
        assert_eq!((row.state, row.balance_minor), (ClaimState::Claimed, Some(2_900)));
        let back = refund(&first).await;
        assert!(back.data("refundOrder.refund").is_null(), "no money was paid");
        assert_eq!(back.data("refundOrder.order.state"), "REFUNDED");
        assert_eq!(world.claim_row(&card).await.balance_minor, Some(5_000));
    });
}

#[test]
fn free_order_is_paid_without_a_provider() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let free = world.coupon(|coupon| (coupon.kind, coupon.amount_minor) = (CouponKind::FreeItem, None));
        let (free, card) = (free.await, world.gift_card(100).await);
        let (free, card) = (world.given_claim(&free, &buyer).await, world.given_claim(&card, &buyer).await);
        let reservation = world.reserve(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let made = world.spend(&buyer, &[&reservation], &[&card, &free], "for-nothing").await.good();
        assert_eq!(made.data("checkout.order.total.amount"), "0.00");
        assert_eq!(made.data("checkout.order.discounts.0.amount.amount"), "20.00", "discounts come first");
        assert_eq!(made.data("checkout.order.discounts.1.amount.amount"), "1.00");
        let id = made.text("checkout.order.id");
        let paid = world.pay(&buyer, &id, "none", "for-nothing-pay").await.good();
        assert_eq!(paid.data("payOrder.order.state"), "PAID");
        assert_eq!(order(world, &buyer, &id).await.data("order.payments"), json!([]));
        assert_eq!(world.claim_row(&free).await.state, ClaimState::Redeemed);
        assert_eq!(world.claim_row(&card).await.state, ClaimState::Redeemed);
    });
}

/// F6: whoever guesses learns nothing, and soon waits.
#[test]
fn unknown_foreign_malformed_and_used_codes_are_answered_alike_and_guessing_is_throttled() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let (owner, guesser) = (world.guest().await, world.guest().await);
        let personal = world.coupon(|_| {}).await;
        let held = world.given_claim(&personal, &owner).await;
        let gone = world.gift_card(100).await;
        let gone = world.given_claim(&gone, &owner).await;
        let reservation = world.reserve(&owner, &stage.event, &[&stage.seats[5]]).await;
        let made = world.spend(&owner, &[&reservation], &[&gone], "use-it").await.good();
        world.pay(&owner, &made.text("checkout.order.id"), "pm_card_visa", "use-it-pay").await.good();

        let reservation = world.reserve(&guesser, &stage.event, &[&stage.seats[0]]).await;
        let wrong = ["2345-6789-ABCD-EFGH-J", &held.code, "?", "SUMMER-2026", &gone.code];
        let answer = world.spend_codes(&guesser, &[&reservation], &wrong, "guess-1").await;
        assert_eq!(codes(&answer), ["UNKNOWN_CODE"; 5]);
        let messages = answer.data("checkout.errors");
        let distinct: std::collections::BTreeSet<_> =
            messages.as_array().expect("errors").iter().map(|error| error["message"].to_string()).collect();
        assert_eq!(distinct.len(), 1, "{distinct:?}");
        assert_eq!(answer.data("checkout.errors.4.path"), json!(["codes", "4"]));
        let claim = world.spend(&guesser, &[&reservation], &[&held], "not-mine").await;
        assert_eq!(codes(&claim), ["NOT_FOUND"]);
        let answer = world.spend_codes(&guesser, &[&reservation], &wrong, "guess-2").await;
        assert_eq!(codes(&answer), ["UNKNOWN_CODE"; 5]);
        // What cannot be a code is no guess, so there were eight.
        let more = ["NO-CODE-1", "NO-CODE-2"];
        let answer = world.spend_codes(&guesser, &[&reservation], &more, "guess-3").await;
        assert_eq!(codes(&answer), ["UNKNOWN_CODE"; 2]);
        let answer = world.spend_codes(&guesser, &[&reservation], &["SUMMER-2026"], "guess-4").await;
        assert_eq!(codes(&answer), ["TOO_MANY_CODES"]);
        assert_eq!(answer.data("checkout.errors.0.retryAfterMs"), 3_601_000);
        // The owner is not concerned, and may type it as it comes.
        let reservation = world.reserve(&owner, &stage.event, &[&stage.seats[1]]).await;
        let typed = format!(" {} ", held.code.to_lowercase());
        let both = [typed.as_str(), held.code.as_str()];
        let made = world.spend_codes(&owner, &[&reservation], &both, "own-code").await.good();
        assert_eq!(made.data("checkout.order.discount.amount"), "10.00", "named twice, spent once");
    });
}

#[test]
fn inapplicable_claims_are_refused_with_all_reasons() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let later = world.app.clock.now() + TimeDelta::days(1);
        let good = world.coupon(|_| {}).await;
        let early = world.coupon(|coupon| coupon.valid_from = Some(later)).await;
        let dear = world.coupon(|coupon| coupon.minimum_spend_minor = 3_550).await;
        let alone = world.coupon(|coupon| coupon.exclusive = true).await;
        let broke = world.coupon(|coupon| coupon.budget_minor = Some(0)).await;
        let good = world.given_claim(&good, &buyer).await;
        let (early, dear) = (world.given_claim(&early, &buyer).await, world.given_claim(&dear, &buyer).await);
        let (alone, broke) =
            (world.given_claim(&alone, &buyer).await, world.given_claim(&broke, &buyer).await);
        let reservation = world.reserve(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let all = [&good, &early, &dear, &alone];
        let answer = world.spend(&buyer, &[&reservation], &all, "too-much").await;
        let mut found = codes(&answer);
        found.sort();
        assert_eq!(found, ["EXCLUSIVE", "MINIMUM_NOT_MET", "NOT_YET_VALID"]);
        let errors = answer.data("checkout.errors");
        let of = |code: &str| {
            let errors = errors.as_array().expect("errors");
            errors.iter().find(|error| error["code"] == code).expect("there").clone()
        };
        assert_eq!(of("MINIMUM_NOT_MET")["missing"], json!({ "amount": "15.50", "currency": "EUR" }));
        assert_eq!(of("MINIMUM_NOT_MET")["path"], json!(["claimIds", "2"]));
        assert_eq!(of("NOT_YET_VALID")["path"], json!(["claimIds", "1"]));
        assert!(of("NOT_YET_VALID")["validFrom"].is_string());
        assert_eq!(codes(&world.spend(&buyer, &[&reservation], &[&broke], "broke").await), ["BUDGET_SPENT"]);
        for held in [&good, &early, &dear, &alone, &broke] {
            assert_eq!(world.claim_row(held).await.state, ClaimState::Claimed, "nothing was spent");
        }
        world.spend(&buyer, &[&reservation], &[&good], "good-alone").await.good();
    });
}

#[test]
fn preview_lists_savings_and_reasons_per_claim() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let (buyer, stranger) = (world.guest().await, world.guest().await);
        let ten = world.coupon(|coupon| coupon.exclusive = true).await;
        let half = world
            .coupon(|coupon| {
                coupon.kind = CouponKind::PercentOff;
                (coupon.amount_minor, coupon.basis_points) = (None, Some(5_000));
                // What was promised stays promised.
                coupon.state = CouponState::Ended;
            })
            .await;
        let dear = world.coupon(|coupon| coupon.minimum_spend_minor = 5_000).await;
        let ten = world.given_claim(&ten, &buyer).await;
        let half = world.given_claim(&half, &buyer).await;
        let dear = world.given_claim(&dear, &buyer).await;
        world.given_claim(&world.coupon(|_| {}).await, &stranger).await;
        let reservation = world.reserve(&buyer, &stage.event, &[&stage.seats[0], &stage.seats[12]]).await;
        let asked = world.gql(Some(&buyer), APPLICABLE, json!({ "ids": [reservation] })).await.good();
        let all = asked.data("applicableCoupons");
        let reported: Vec<_> = all
            .as_array()
            .expect("a list")
            .iter()
            .map(|one| (one["claim"]["id"].clone(), one["saves"]["amount"].clone(), one["reason"].clone()))
            .collect();
        let null = Value::Null;
        assert_eq!(
            reported,
            [
                (json!(half.text), json!("15.00"), null.clone()),
                (json!(ten.text), json!("10.00"), null.clone()),
                (json!(dear.text), null, json!("MINIMUM_NOT_MET")),
            ]
        );
        assert_eq!(asked.data("applicableCoupons.2.missing.amount"), "20.00");
        let foreign = world.gql(Some(&stranger), APPLICABLE, json!({ "ids": [reservation] })).await;
        assert_eq!(foreign.code().as_deref(), Some("NOT_FOUND"));
        let made = world.spend(&buyer, &[&reservation], &[&half], "as-reported").await.good();
        assert_eq!(made.data("checkout.order.discount.amount"), "15.00");
        // Of the order the same is told as of its reservation: what it spends now is the buyer's to spend anew.
        let of_order = "query($id: ID!) { applicableCoupons(orderId: $id) {
            claim { id } saves { amount currency } reason message missing { amount } validFrom } }";
        let id = json!({ "id": made.text("checkout.order.id") });
        let anew = world.gql(Some(&buyer), of_order, id.clone()).await.good();
        assert_eq!(anew.data("applicableCoupons"), all);
        let foreign = world.gql(Some(&stranger), of_order, id.clone()).await;
        assert_eq!(foreign.code().as_deref(), Some("NOT_FOUND"));
        world.pay(&buyer, &made.text("checkout.order.id"), "pm_card_visa", "as-reported-pay").await.good();
        assert_eq!(world.gql(Some(&buyer), of_order, id).await.code().as_deref(), Some("BAD_USER_INPUT"));
    });
}
