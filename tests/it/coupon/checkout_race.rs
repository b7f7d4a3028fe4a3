//! Concurrent checkouts with coupons on two instances: every limit is exact. Most cases are known failures of other
//! systems.

use std::time::Duration;

use entity::claim::ClaimState;
use futures_util::future::join_all;
use serde_json::json;
use tessera::http::Patience;

use crate::support::{Answer, World, coupons::ClaimHandle, run};

/// The other instance believes the first one's tokens as long.
const BESIDE: &[&str] = &["--access-seconds", "3600"];
const CONFIRM: &str = "mutation($id: ID!) { confirmPayment(input: { paymentId: $id }) {
    order { state } errors { code } } }";
const CANCEL: &str = "mutation($id: ID!) { cancelOrder(input: { orderId: $id }) {
    order { state } errors { code } } }";

/// Made or refused, never broken: the order's discount, or the refusal's code.
fn made(answer: &Answer) -> Result<i64, String> {
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.code().is_none(), "{}", answer.body);
    assert_ne!(answer.refusal("checkout").as_deref(), Some("NOT_FOUND"), "{}", answer.body);
    if let Some(code) = answer.refusal("checkout") {
        return Err(code);
    }
    let amount = answer.text("checkout.order.discount.amount");
    Ok(amount.replace('.', "").parse().expect("an amount"))
}

/// saleor#15849, #15855, #15862: one cart with a limited voucher completed twice at once; the loser was refunded, and
/// the winner kept the order, so that goods were given away. Here one claim, two carts, two instances, and then one
/// order paid by many calls at once.
#[test]
fn double_complete_same_cart() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let other = world.beside(BESIDE, Patience::default()).await;
        let coupon = world.coupon(|coupon| coupon.budget_minor = Some(100_000)).await;
        for round in 0..6 {
            let buyer = world.guest().await;
            let held = world.given_claim(&coupon, &buyer).await;
            let one = world.reserve(&buyer, &stage.event, &[&stage.seats[2 * round]]).await;
            let two = world.reserve(&buyer, &stage.event, &[&stage.seats[2 * round + 1]]).await;
            let (first, second) = (format!("double-{round}-1"), format!("double-{round}-2"));
            let claims = [&held];
            let (a, b) = ([one.as_str()], [two.as_str()]);
            let answers = tokio::join!(
                world.spend(&buyer, &a, &claims, &first),
                other.spend(&buyer, &b, &claims, &second),
                world.spend(&buyer, &a, &claims, &first),
            );
            let (a, b) = (made(&answers.0), made(&answers.1));
            assert_eq!(a, made(&answers.2), "the same call is answered alike");
            let winner = match (&a, &b) {
                (Ok(1_000), Err(code)) if code == "CLAIM_IN_USE" => &answers.0,
                (Err(code), Ok(1_000)) if code == "CLAIM_IN_USE" => &answers.1,
                both => panic!("one wins, and the other is told why: {both:?}"),
            };
            let order = winner.text("checkout.order.id");
            let pay = async |at: &World, key: usize| {
                at.pay(&buyer, &order, "pm_card_visa", &format!("pay-for-{round}-{key}")).await
            };
            join_all((0..6).map(|key| pay(if key % 2 == 0 { world } else { &other }, key))).await;
            assert_eq!(world.claim_row(&held).await.state, ClaimState::Redeemed);
            assert_eq!(world.spent(&coupon).await, 1_000 * (i64::try_from(round).expect("few") + 1));
        }
        other.end().await;
    });
}

/// Buyers with a claim each, all of one coupon.
async fn holders(world: &World, coupon: &entity::coupon::Model, count: usize) -> Vec<(String, ClaimHandle)> {
    let mut holders = Vec::with_capacity(count);
    for _ in 0..count {
        let token = world.guest().await;
        let held = world.given_claim(coupon, &token).await;
        holders.push((token, held));
    }
    holders
}

/// eventyay#1398: a voucher for three uses, used five times in parallel. And pretix#6067: what is left was read before
/// the lock. Here a budget of three times 10.00, and of half a time more, which the fourth gets.
#[test]
fn one_voucher_three_uses_five_parallel() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let other = world.beside(BESIDE, Patience::default()).await;
        for (round, (budget, expected)) in
            [(3_000, vec![1_000, 1_000, 1_000]), (3_500, vec![500, 1_000, 1_000, 1_000])]
                .into_iter()
                .enumerate()
        {
            let coupon = world.coupon(|coupon| coupon.budget_minor = Some(budget)).await;
            let holders = holders(world, &coupon, 5).await;
            let mut reservations = Vec::new();
            for (index, (token, _)) in holders.iter().enumerate() {
                let seat = stage.seats[5 * round + index].as_str();
                reservations.push(world.reserve(token, &stage.event, &[seat]).await);
            }
            let tries =
                holders.iter().zip(&reservations).enumerate().map(async |(index, ((token, held), own))| {
                    let at = if index.is_multiple_of(2) { world } else { &other };
                    made(&at.spend(token, &[own], &[held], &format!("five-{round}-{index}")).await)
                });
            let mut given = Vec::new();
            for answer in join_all(tries).await {
                match answer {
                    Ok(amount) => given.push(amount),
                    Err(code) => assert_eq!(code, "BUDGET_SPENT"),
                }
            }
            given.sort_unstable();
            assert_eq!(given, expected, "the budget is spent to the cent");
            assert_eq!(world.spent(&coupon).await, budget);
        }
        other.end().await;
    });
}

/// eventyay#1359, #1378: the last ticket, two checkouts at once, each with a voucher. Who gets no place spends nothing.
#[test]
fn the_last_place_and_two_vouchers() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let other = world.beside(BESIDE, Patience::default()).await;
        let coupon = world.coupon(|coupon| coupon.budget_minor = Some(100_000)).await;
        for round in 0..5 {
            let holders = holders(world, &coupon, 2).await;
            let seat = stage.seats[round].as_str();
            let tries = holders.iter().enumerate().map(async |(index, (token, held))| {
                let at = if index == 0 { world } else { &other };
                let key = format!("last-one-{round}-{index}");
                let reserved = at.try_reserve(token, &stage.event, &[seat], &key).await;
                if let Some(code) = reserved.refusal("reserveSeats") {
                    assert_eq!(code, "SEATS_TAKEN");
                    return false;
                }
                let own = reserved.text("reserveSeats.reservation.id");
                let spent = at.spend(token, &[&own], &[held], &key).await.good();
                let order = spent.text("checkout.order.id");
                at.pay(token, &order, "pm_card_visa", &key).await.good();
                true
            });
            let won = join_all(tries).await;
            assert_eq!(won.iter().filter(|won| **won).count(), 1, "one place, one ticket");
            for ((_, held), won) in holders.iter().zip(won) {
                let expected = if won { ClaimState::Redeemed } else { ClaimState::Claimed };
                assert_eq!(world.claim_row(held).await.state, expected);
            }
        }
        other.end().await;
    });
}

/// saleor#8219, #7588: a voucher counted twice when the payment took a second step.
#[test]
fn a_payment_in_two_steps_uses_a_voucher_once() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let other = world.beside(BESIDE, Patience::default()).await;
        let buyer = world.guest().await;
        let coupon = world.coupon(|coupon| coupon.budget_minor = Some(1_000)).await;
        let held = world.given_claim(&coupon, &buyer).await;
        let sandbox = world.app.payment.sandbox.clone().expect("the sandbox");
        let reservation = world.reserve(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let order = world.spend(&buyer, &[&reservation], &[&held], "two-steps").await.good();
        let order = order.text("checkout.order.id");
        for (yes, after) in [(false, ClaimState::Reserved), (true, ClaimState::Redeemed)] {
            let key = format!("step-{yes}");
            let asked = world.pay(&buyer, &order, "pm_card_authenticationRequired", &key).await.good();
            assert_eq!(asked.data("payOrder.payment.state"), "REQUIRES_ACTION");
            let row = world.claim_row(&held).await;
            assert_eq!((row.state, world.spent(&coupon).await), (ClaimState::Reserved, 1_000));
            let url = asked.text("payOrder.payment.nextActionUrl");
            let intent = url.rsplit('/').next().expect("an intent");
            sandbox.authenticate(intent, yes).await.expect("answered").expect("a step to take");
            let payment = asked.data("payOrder.payment.id");
            let confirm = async |at: &World| at.gql(Some(&buyer), CONFIRM, json!({ "id": payment })).await;
            join_all(
                (0..6).map(|index: usize| confirm(if index.is_multiple_of(2) { world } else { &other })),
            )
            .await;
            world.advance(Duration::from_secs(6));
            world.work().await;
            assert_eq!((world.claim_row(&held).await.state, world.spent(&coupon).await), (after, 1_000));
        }
        other.end().await;
    });
}

/// saleor#14885: completing a checkout and the provider's notice at the same time waited for each other. Here orders that
/// share a budget are paid, settled, confirmed and cancelled at once: all end, nobody is told to come back.
#[test]
fn checkout_racing_settlement_does_not_deadlock() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let other = world.beside(BESIDE, Patience::default()).await;
        let (low, high) = (
            world.coupon(|coupon| coupon.budget_minor = Some(100_000)).await,
            world
                .coupon(|coupon| (coupon.budget_minor, coupon.amount_minor) = (Some(100_000), Some(50)))
                .await,
        );
        let ways = (0..8).map(async |index: usize| {
            let (at, beside) = if index.is_multiple_of(2) { (world, &other) } else { (&other, world) };
            let token = at.guest().await;
            let (one, two) = (at.given_claim(&low, &token).await, at.given_claim(&high, &token).await);
            let claims = if index.is_multiple_of(3) { [&one, &two] } else { [&two, &one] };
            let own = at.reserve(&token, &stage.event, &[&stage.seats[index]]).await;
            let spent = at.spend(&token, &[&own], &claims, &format!("race-{index}")).await.good();
            let order = spent.text("checkout.order.id");
            let key = format!("race-pay-{index}");
            let (paid, cancelled, ()) = tokio::join!(
                at.pay(&token, &order, "pm_card_visa", &key),
                beside.gql(Some(&token), CANCEL, json!({ "id": order })),
                beside.work(),
            );
            for answer in [&paid, &cancelled] {
                assert!(answer.code().is_none(), "{}", answer.body);
            }
            (token, order, [one, two])
        });
        let made = join_all(ways).await;
        world.advance(Duration::from_mins(31));
        for _ in 0..3 {
            world.work().await;
        }
        for (token, order, claims) in made {
            let document = "query($id: ID!) { order(id: $id) { state } }";
            let answer = world.gql(Some(&token), document, json!({ "id": order })).await.good();
            let expected = match answer.text("order.state").as_str() {
                "PAID" => ClaimState::Redeemed,
                "CANCELLED" | "EXPIRED" => ClaimState::Claimed,
                other => panic!("an order has not ended: {other}"),
            };
            for held in claims {
                assert_eq!(world.claim_row(&held).await.state, expected);
            }
        }
        other.end().await;
    });
}

/// pretix#1238: a voucher deleted on a sold-out quota minted stock. Here a budget is given back once, however often and by
/// whomever an order is ended.
#[test]
fn release_happens_once() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let other = world.beside(BESIDE, Patience::default()).await;
        let coupon = world.coupon(|coupon| coupon.budget_minor = Some(1_500)).await;
        let holders = holders(world, &coupon, 2).await;
        let (keeper, kept) = &holders[0];
        let reservation = world.reserve(keeper, &stage.event, &[&stage.seats[0]]).await;
        world.spend(keeper, &[&reservation], &[kept], "kept").await.good();
        let (token, held) = &holders[1];
        for round in 1..5 {
            let reservation = world.reserve(token, &stage.event, &[&stage.seats[round]]).await;
            let key = format!("back-{round}");
            let spent = world.spend(token, &[&reservation], &[held], &key).await.good();
            assert_eq!(spent.data("checkout.order.discount.amount"), "5.00", "what the other one left");
            let order = spent.text("checkout.order.id");
            let cancel = async |at: &World| at.gql(Some(token), CANCEL, json!({ "id": order })).await;
            tokio::join!(cancel(world), cancel(&other), cancel(world), other.work(), world.work());
            assert_eq!(world.spent(&coupon).await, 1_000);
            assert_eq!(world.claim_row(held).await.state, ClaimState::Claimed);
        }
        other.end().await;
    });
}
