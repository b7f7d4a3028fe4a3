//! A payment keeps places at most until the event's hard maximum plus the grace period.

use std::time::Duration;

use serde_json::json;

use crate::support::{World, run};

const ORDER: &str = "query($id: ID!) { order(id: $id) { state tickets { id } payments { state }
    refunds { state } } }";
const LEFT: &str = "query($id: ID!) { event(id: $id) { availability { available } } }";
const EXTEND: &str = "mutation($id: ID!) { extendReservation(input: { reservationId: $id }) {
    reservation { expiresAt } errors { code } } }";
const CANCEL_PAYMENT: &str = "mutation($id: ID!) { cancelPayment(input: { paymentId: $id }) {
    payment { state } errors { code } } }";
const CONFIRM: &str = "mutation($id: ID!) { confirmPayment(input: { paymentId: $id }) {
    order { state } errors { code } } }";
/// The event's hard maximum, and the default grace.
const HARD_MAXIMUM: u64 = 1_200;
const GRACE: u64 = 120;
const STEP: &str = "pm_card_authenticationRequired";

impl World {
    async fn free_places(&self, event: &str) -> i64 {
        let answer = self.gql(None, LEFT, json!({ "id": event })).await.good();
        answer.data("event.availability.available").as_i64().expect("a number")
    }
}

/// The buyer extends, fails and gives up payments, and starts the last one just before the reservation runs out.
#[test]
fn places_are_free_at_the_hard_maximum_plus_the_grace_however_often_an_order_is_paid() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let old = world.reserve(&buyer, &stage.event, &[&stage.seats[0]]).await;
        world.advance(Duration::from_mins(5));
        // The first to reach its maximum counts for all of the order.
        let young = world.reserve(&buyer, &stage.event, &[&stage.seats[1]]).await;
        let mut now = 300;
        for at in [590, 1_000] {
            world.advance(Duration::from_secs(at - now));
            now = at;
            for id in [&old, &young] {
                world.gql(Some(&buyer), EXTEND, json!({ "id": id })).await.good();
            }
        }
        let order = world.checkout(&buyer, &[&old, &young]).await;
        for at in [1_050, 1_100, 1_150] {
            world.advance(Duration::from_secs(at - now));
            now = at;
            let key = format!("declined-{at}");
            let declined = world.pay(&buyer, &order, "pm_card_chargeDeclined", &key).await;
            assert_eq!(declined.data("payOrder.payment.state"), "FAILED");
            let asked = world.pay(&buyer, &order, STEP, &format!("given-up-{at}")).await.good();
            let payment = asked.text("payOrder.payment.id");
            world.gql(Some(&buyer), CANCEL_PAYMENT, json!({ "id": payment })).await.good();
        }
        world.advance(Duration::from_secs(HARD_MAXIMUM - 1 - now));
        let asked = world.pay(&buyer, &order, STEP, "the-last-moment").await.good();
        assert_eq!(asked.data("payOrder.payment.state"), "REQUIRES_ACTION", "{}", asked.body);
        world.advance(Duration::from_secs(GRACE));
        world.work().await;
        assert_eq!(world.free_places(&stage.event).await, 78, "within the grace they are kept");
        world.advance(Duration::from_secs(1));
        world.work().await;
        world.work().await;
        let ended = world.gql(Some(&buyer), ORDER, json!({ "id": order })).await.good();
        assert_eq!(ended.data("order.payments.6.state"), "CANCELLED", "{}", ended.body);
        // The order ends with the first of its reservations, and the younger one is released.
        assert_eq!(world.free_places(&stage.event).await, 80);
        let again = world.pay(&buyer, &order, STEP, "too-late-to-pay").await;
        assert_eq!(again.refusal("payOrder").as_deref(), Some("ORDER_ENDED"), "{}", again.body);
    });
}

/// The buyer takes the step at the bank in the last second, or after the payment was cancelled.
#[test]
fn late_success_becomes_a_ticket_or_is_cancelled() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let sandbox = world.app.payment.sandbox.clone().expect("the sandbox");
        for (late, state, free) in [(false, "PAID", 79), (true, "EXPIRED", 79)] {
            let buyer = world.guest().await;
            let seat = &stage.seats[usize::from(late)];
            let reservation = world.reserve(&buyer, &stage.event, &[seat]).await;
            let order = world.checkout(&buyer, &[&reservation]).await;
            world.advance(Duration::from_secs(599));
            let asked = world.pay(&buyer, &order, STEP, &format!("late-{late}")).await.good();
            let url = asked.text("payOrder.payment.nextActionUrl");
            // 900 seconds for the payment would end at 1499.
            world.advance(Duration::from_secs(HARD_MAXIMUM + GRACE - 599 - 1));
            world.work().await;
            if late {
                world.advance(Duration::from_secs(1));
                world.work().await;
                world.work().await;
            }
            let intent = url.rsplit('/').next().expect("an intent");
            let _ = sandbox.authenticate(intent, true).await.expect("answered");
            let payment = asked.text("payOrder.payment.id");
            world.gql(Some(&buyer), CONFIRM, json!({ "id": payment })).await.good();
            world.work().await;
            let ended = world.gql(Some(&buyer), ORDER, json!({ "id": order })).await.good();
            assert_eq!(ended.data("order.state"), state, "{}", ended.body);
            let tickets = ended.data("order.tickets").as_array().map_or(0, Vec::len);
            assert_eq!(tickets, usize::from(!late), "{}", ended.body);
            assert_eq!(world.free_places(&stage.event).await, free);
        }
    });
}
