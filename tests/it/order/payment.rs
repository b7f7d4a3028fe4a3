//! Checkout, payment and refund: a buyer who pays gets a ticket or the money back.

use std::time::Duration;

use serde_json::{Value, json};
use tessera::payment::sandbox::Trouble;

use crate::support::{Answer, World, run};

const ORDER: &str = "query($id: ID!, $token: String) { order(id: $id, accessToken: $token) {
    state total { amount currency } fees { amount } tax { amount } accessToken
    lines { label tierName total { amount } } tickets { id code state label qrSvg qrPng }
    payments { id state failureCode nextActionUrl } refunds { state amount { amount } } } }";
const REFUND: &str = "mutation($id: ID!, $key: String!) {
    refundOrder(input: { orderId: $id, reason: \"rain\", idempotencyKey: $key }) {
        order { state } refund { state amount { amount } } errors { code message } } }";
const CONFIRM: &str = "mutation($id: ID!) { confirmPayment(input: { paymentId: $id }) {
    order { state } payment { state failureCode } errors { code } } }";
const CANCEL_PAYMENT: &str = "mutation($id: ID!) { cancelPayment(input: { paymentId: $id }) {
    order { state } payment { state } errors { code } } }";
const CANCEL_ORDER: &str = "mutation($id: ID!) { cancelOrder(input: { orderId: $id }) {
    order { state } errors { code } } }";

async fn order(world: &World, token: &str, id: &str) -> Answer {
    world.gql(Some(token), ORDER, json!({ "id": id })).await.good()
}

async fn seats_left(world: &World, event: &str) -> Value {
    let document = "query($id: ID!) { event(id: $id) { seatsLeft } }";
    world.gql(None, document, json!({ "id": event })).await.good().data("event.seatsLeft")
}

#[test]
fn a_paid_order_has_a_ticket_for_each_place() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let guest = world.guest().await;
        let id = world.buy(&guest, &stage.event, &[&stage.seats[0], &stage.seats[12]]).await;
        let paid = order(world, &guest, &id).await;
        assert_eq!(paid.data("order.state"), "PAID");
        assert_eq!(paid.data("order.total"), json!({ "amount": "32.00", "currency": "EUR" }));
        assert_eq!(paid.data("order.fees.amount"), "2.00");
        assert_eq!(paid.data("order.tax.amount"), "2.91", "10 % contained in 21.00 and 11.00");
        assert_eq!(paid.data("order.tickets.0.label"), "Hall, Row A, Seat 1");
        assert_eq!(paid.data("order.payments.0.state"), "CAPTURED");
        assert!(
            paid.text("order.tickets.0.qrSvg").starts_with("<svg")
                || paid.text("order.tickets.0.qrSvg").starts_with("<?xml")
        );
        // Whoever has the link reads it too; whoever has neither does not.
        let token = paid.text("order.accessToken");
        let link = world.gql(None, ORDER, json!({ "id": id, "token": token })).await.good();
        assert_eq!(link.data("order.tickets.0.code"), paid.data("order.tickets.0.code"));
        let stranger = world.guest().await;
        for token in [None, Some(stranger.as_str())] {
            let none = world.gql(token, ORDER, json!({ "id": id, "token": "oa_guessed" })).await.good();
            assert!(none.data("order").is_null());
        }
    });
}

#[test]
fn a_declined_card_leaves_the_seats_reserved_for_another_try() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let reservation = world.reserve(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let id = world.checkout(&buyer, &[&reservation]).await;
        let declined = world.pay(&buyer, &id, "pm_card_chargeDeclined", "declined-1").await.good();
        assert_eq!(declined.data("payOrder.order.state"), "AWAITING_PAYMENT");
        assert_eq!(declined.data("payOrder.payment.state"), "FAILED");
        assert_eq!(declined.data("payOrder.payment.failureCode"), "card_declined");
        let unknown = world.pay(&buyer, &id, "pm_nonsense", "nonsense-1").await;
        assert_eq!(unknown.refusal("payOrder").as_deref(), Some("UNKNOWN_METHOD"));
        let other = world.guest().await;
        let taken = world.try_reserve(&other, &stage.event, &[&stage.seats[0]], "not-yours").await;
        assert_eq!(taken.refusal("reserveSeats").as_deref(), Some("SEATS_TAKEN"));
        let paid = world.pay(&buyer, &id, "pm_card_visa", "second-try").await.good();
        assert_eq!(paid.data("payOrder.order.state"), "PAID");
        let again = world.pay(&buyer, &id, "pm_card_visa", "second-try").await.good();
        assert_eq!(
            again.data("payOrder.payment.id"),
            paid.data("payOrder.payment.id"),
            "same key, same answer"
        );
        let third = world.pay(&buyer, &id, "pm_card_visa", "third-try").await;
        assert_eq!(third.refusal("payOrder").as_deref(), Some("ALREADY_PAID"));
    });
}

#[test]
fn another_step_keeps_the_seats_until_it_is_taken() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let sandbox = world.app.payment.sandbox.clone().expect("the sandbox");
        for (yes, state) in [(false, "AWAITING_PAYMENT"), (true, "PAID")] {
            let reservation = world.reserve(&buyer, &stage.event, &[&stage.seats[usize::from(yes)]]).await;
            let id = world.checkout(&buyer, &[&reservation]).await;
            let asked =
                world.pay(&buyer, &id, "pm_card_authenticationRequired", &format!("step-{yes}")).await.good();
            assert_eq!(asked.data("payOrder.payment.state"), "REQUIRES_ACTION");
            let url = asked.text("payOrder.payment.nextActionUrl");
            let intent = url.rsplit('/').next().expect("an intent");
            // Longer than the reservation would have lasted: it does not run out while it is being paid.
            world.advance(Duration::from_mins(11));
            world.work().await;
            sandbox.authenticate(intent, yes).await.expect("answered").expect("a step to take");
            let payment = asked.text("payOrder.payment.id");
            let confirmed = world.gql(Some(&buyer), CONFIRM, json!({ "id": payment })).await.good();
            assert_eq!(confirmed.data("confirmPayment.order.state"), state, "{}", confirmed.body);
        }
    });
}

#[test]
fn worker_settles_unconfirmed_payments() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let sandbox = world.app.payment.sandbox.clone().expect("the sandbox");
        let reservation = world.reserve(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let id = world.checkout(&buyer, &[&reservation]).await;
        let asked = world.pay(&buyer, &id, "pm_card_authenticationRequired", "nobody-asks").await.good();
        let url = asked.text("payOrder.payment.nextActionUrl");
        sandbox.authenticate(url.rsplit('/').next().expect("an intent"), true).await.expect("answered");
        world.advance(Duration::from_secs(6));
        world.work().await;
        assert_eq!(order(world, &buyer, &id).await.data("order.state"), "PAID");
    });
}

#[test]
fn abandoned_payment_is_cancelled_and_its_seats_are_released() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let reservation = world.reserve(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let id = world.checkout(&buyer, &[&reservation]).await;
        world.pay(&buyer, &id, "pm_card_authenticationRequired", "abandoned").await.good();
        assert_eq!(seats_left(world, &stage.event).await, 79);
        let refused = world.gql(Some(&buyer), CANCEL_ORDER, json!({ "id": id })).await;
        assert_eq!(refused.refusal("cancelOrder").as_deref(), Some("BEING_PAID"), "{}", refused.body);
        world.advance(Duration::from_secs(901));
        world.work().await;
        world.work().await;
        assert_eq!(seats_left(world, &stage.event).await, 80);
        let ended = order(world, &buyer, &id).await;
        assert_eq!(ended.data("order.state"), "EXPIRED");
        assert_eq!(ended.data("order.payments.0.state"), "CANCELLED");
    });
}

#[test]
fn a_payment_given_up_can_be_paid_another_way() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let reservation = world.reserve(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let id = world.checkout(&buyer, &[&reservation]).await;
        let asked = world.pay(&buyer, &id, "pm_card_authenticationRequired", "given-up").await.good();
        let busy = world.pay(&buyer, &id, "pm_card_visa", "too-early-now").await;
        assert_eq!(busy.refusal("payOrder").as_deref(), Some("BEING_PAID"));
        let payment = asked.text("payOrder.payment.id");
        let given_up = world.gql(Some(&buyer), CANCEL_PAYMENT, json!({ "id": payment })).await.good();
        assert_eq!(given_up.data("cancelPayment.payment.state"), "CANCELLED");
        assert_eq!(given_up.data("cancelPayment.order.state"), "AWAITING_PAYMENT");
        let paid = world.pay(&buyer, &id, "pm_card_visa", "another-way").await.good();
        assert_eq!(paid.data("payOrder.order.state"), "PAID");
    });
}

/// The provider collected or not, nobody knows: the same key is asked again, and everything comes out right.
#[test]
fn lost_answers_and_lost_calls_are_mended() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let sandbox = world.app.payment.sandbox.clone().expect("the sandbox");
        let troubles = [Trouble::LoseAnswer, Trouble::LoseCall];
        let mut seat = 0;
        for first in [None, Some(troubles[0]), Some(troubles[1])] {
            for second in [None, Some(troubles[0]), Some(troubles[1])] {
                let buyer = world.guest().await;
                let reservation = world.reserve(&buyer, &stage.event, &[&stage.seats[seat]]).await;
                seat += 1;
                let id = world.checkout(&buyer, &[&reservation]).await;
                sandbox.trouble(first.into_iter().chain(second));
                world.pay(&buyer, &id, "pm_card_visa", "in-trouble").await.good();
                for _ in 0..4 {
                    world.advance(Duration::from_secs(6));
                    world.work().await;
                }
                let now = order(world, &buyer, &id).await;
                assert_eq!(now.data("order.state"), "PAID", "{first:?} {second:?}: {}", now.body);
                assert_eq!(now.data("order.payments.0.state"), "CAPTURED", "{}", now.body);
                sandbox.trouble(first.into_iter().chain(second));
                world.gql(Some(&buyer), REFUND, json!({ "id": id, "key": "refund-in-trouble" })).await.good();
                for _ in 0..4 {
                    world.advance(Duration::from_secs(25));
                    world.work().await;
                }
                let now = order(world, &buyer, &id).await;
                assert_eq!(
                    now.data("order.refunds.0.state"),
                    "SUCCEEDED",
                    "{first:?} {second:?}: {}",
                    now.body
                );
            }
        }
    });
}

#[test]
fn a_refund_voids_the_tickets_frees_the_seats_and_returns_the_money() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let id = world.buy(&buyer, &stage.event, &[&stage.seats[0], &stage.seats[1]]).await;
        let code = order(world, &buyer, &id).await.text("order.tickets.0.code");
        let stranger = world.guest().await;
        let foreign = world.gql(Some(&stranger), REFUND, json!({ "id": id, "key": "not-my-order" })).await;
        assert_eq!(foreign.refusal("refundOrder").as_deref(), Some("NOT_FOUND"));
        let refunded =
            world.gql(Some(&stage.vendor), REFUND, json!({ "id": id, "key": "rain-rain" })).await.good();
        assert_eq!(refunded.data("refundOrder.order.state"), "REFUNDED");
        assert_eq!(
            refunded.data("refundOrder.refund"),
            json!({ "state": "SUCCEEDED", "amount": { "amount": "42.00" } })
        );
        let again = world.gql(Some(&stage.vendor), REFUND, json!({ "id": id, "key": "rain-again" })).await;
        assert_eq!(again.refusal("refundOrder").as_deref(), Some("ALREADY_REFUNDED"));
        assert_eq!(seats_left(world, &stage.event).await, 80);
        let now = order(world, &buyer, &id).await;
        assert_eq!(now.data("order.tickets.0.state"), "VOID");
        assert!(now.data("order.tickets.0.code").is_null());
        let scan = "mutation($code: String!) { checkIn(input: { code: $code }) { errors { code } } }";
        let void = world.gql(Some(&stage.vendor), scan, json!({ "code": code })).await;
        assert_eq!(void.refusal("checkIn").as_deref(), Some("VOID"));
        // The seat is sold anew; the old code stays dead.
        let next = world.guest().await;
        world.buy(&next, &stage.event, &[&stage.seats[0]]).await;
        let void = world.gql(Some(&stage.vendor), scan, json!({ "code": code })).await;
        assert_eq!(void.refusal("checkIn").as_deref(), Some("VOID"));
    });
}

#[test]
fn a_used_ticket_is_not_refunded() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let id = world.buy(&buyer, &stage.event, &[&stage.seats[0], &stage.seats[1]]).await;
        let code = order(world, &buyer, &id).await.text("order.tickets.1.code");
        let scan = "mutation($code: String!) { checkIn(input: { code: $code }) { ticket { state } errors { code } } }";
        world.gql(Some(&stage.vendor), scan, json!({ "code": code })).await.good();
        let refused =
            world.gql(Some(&stage.vendor), REFUND, json!({ "id": id, "key": "too-late-now" })).await;
        assert_eq!(refused.refusal("refundOrder").as_deref(), Some("TICKET_USED"));
        assert_eq!(order(world, &buyer, &id).await.data("order.state"), "PAID", "nothing was changed");
    });
}

#[test]
fn an_unpaid_order_expires_with_its_reservations() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.user("buyer").await;
        let reservation = world.reserve(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let id = world.checkout(&buyer, &[&reservation]).await;
        let twice = world
            .gql(
                Some(&buyer),
                crate::support::given::CHECKOUT,
                json!({ "reservations": [reservation], "key": "a-second-order" }),
            )
            .await;
        assert_eq!(twice.refusal("checkout").as_deref(), Some("ALREADY_ORDERED"));
        world.advance(Duration::from_secs(599));
        world.work().await;
        assert_eq!(order(world, &buyer, &id).await.data("order.state"), "AWAITING_PAYMENT");
        world.advance(Duration::from_secs(2));
        world.work().await;
        assert_eq!(order(world, &buyer, &id).await.data("order.state"), "EXPIRED");
    });
}

#[test]
fn a_cancelled_order_gives_its_seats_back() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let reservation = world.reserve(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let id = world.checkout(&buyer, &[&reservation]).await;
        world.gql(Some(&buyer), CANCEL_ORDER, json!({ "id": id })).await.good();
        assert_eq!(seats_left(world, &stage.event).await, 80);
        let late = world.pay(&buyer, &id, "pm_card_visa", "after-all").await;
        assert_eq!(late.refusal("payOrder").as_deref(), Some("ORDER_ENDED"));
    });
}

/// Two events, one order: their seats are sold in one commit or not at all.
#[test]
fn an_order_may_hold_reservations_of_two_events() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let other = world.event(&stage.vendor, stage.place(), "Matinee").await;
        let buyer = world.guest().await;
        let first = world.reserve(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let key = "of-the-other-event";
        let second = world.try_reserve(&buyer, &other, &[&stage.seats[0]], key).await.good();
        let second = second.text("reserveSeats.reservation.id");
        let id = world.checkout(&buyer, &[&first, &second]).await;
        let paid = world.pay(&buyer, &id, "pm_card_visa", "both-at-once").await.good();
        assert_eq!(paid.data("payOrder.order.state"), "PAID", "{}", paid.body);
        assert_eq!(paid.data("payOrder.order.tickets").as_array().map(Vec::len), Some(2));
        world.gql(Some(&buyer), REFUND, json!({ "id": id, "key": "both-back" })).await.good();
        assert_eq!(seats_left(world, &stage.event).await, 80);
        assert_eq!(seats_left(world, &other).await, 80);
    });
}

/// The answer to the first call was lost, so we do not know the provider's name for the payment: giving it up must not
/// be what charges the card.
#[test]
fn abandoning_a_payment_with_a_lost_response_charges_nothing() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let sandbox = world.app.payment.sandbox.clone().expect("the sandbox");
        for (trouble, seat) in [(Trouble::LoseAnswer, 0), (Trouble::LoseCall, 1)] {
            let reservation = world.reserve(&buyer, &stage.event, &[&stage.seats[seat]]).await;
            let id = world.checkout(&buyer, &[&reservation]).await;
            sandbox.trouble([trouble]);
            let lost = world.pay(&buyer, &id, "pm_card_visa", &format!("lost-answer-{seat}")).await.good();
            assert_eq!(lost.data("payOrder.payment.state"), "CREATED");
            let payment = lost.text("payOrder.payment.id");
            let given_up = world.gql(Some(&buyer), CANCEL_PAYMENT, json!({ "id": payment })).await.good();
            assert_eq!(given_up.data("cancelPayment.payment.state"), "CANCELLED", "{trouble:?}");
            assert_eq!(given_up.data("cancelPayment.order.state"), "AWAITING_PAYMENT", "{trouble:?}");
        }
    });
}

#[test]
fn cancelled_event_stops_sales_and_allows_refunds() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let sold = world.buy(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let ordered = world.reserve(&buyer, &stage.event, &[&stage.seats[1]]).await;
        let unpaid = world.checkout(&buyer, &[&ordered]).await;
        let loose = world.reserve(&buyer, &stage.event, &[&stage.seats[2]]).await;
        let version = "query($id: ID!) { event(id: $id) { version } }";
        let version =
            world.gql(None, version, json!({ "id": stage.event })).await.good().data("event.version");
        let cancel = "mutation($id: ID!, $version: Long!) {
            cancelEvent(input: { eventId: $id, expectedVersion: $version }) { event { status } errors { code } } }";
        world.gql(Some(&stage.vendor), cancel, json!({ "id": stage.event, "version": version })).await.good();
        let pay = world.pay(&buyer, &unpaid, "pm_card_visa", "after-the-end").await;
        assert_eq!(pay.refusal("payOrder").as_deref(), Some("ORDER_ENDED"), "{}", pay.body);
        let input = json!({ "reservations": [loose], "key": "after-the-end" });
        let checkout = world.gql(Some(&buyer), crate::support::given::CHECKOUT, input).await;
        assert_eq!(checkout.refusal("checkout").as_deref(), Some("RESERVATION_ENDED"), "{}", checkout.body);
        // After the buyers' time for refunds, which no longer counts.
        world.advance(Duration::from_hours(93 * 24));
        let token = order_token(world, &sold).await;
        let back =
            "mutation($id: ID!, $token: String!) { refundOrder(input: { orderId: $id, accessToken: $token,
            idempotencyKey: \"called-off\" }) { order { state } errors { code } } }";
        let back = world.gql(None, back, json!({ "id": sold, "token": token })).await.good();
        assert_eq!(back.data("refundOrder.order.state"), "REFUNDED");
    });
}

/// The token in the mail that the buyer got.
async fn order_token(world: &World, order: &str) -> String {
    let (_, suffix) = order.split_once('_').expect("a TypeID");
    let id: type_safe_id::TypeSafeId<type_safe_id::DynamicType> =
        format!("order_{suffix}").parse().expect("an id");
    tessera::order::access::token(&world.app, entity::OrderId(id.uuid())).expect("a token")
}

#[test]
fn an_ordered_reservation_ends_only_with_its_order() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let reservation = world.reserve(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let order = world.checkout(&buyer, &[&reservation]).await;
        let release =
            "mutation($id: ID!) { releaseReservation(input: { reservationId: $id }) { errors { code } } }";
        let refused = world.gql(Some(&buyer), release, json!({ "id": reservation })).await;
        assert_eq!(refused.refusal("releaseReservation").as_deref(), Some("ALREADY_ORDERED"));
        world.gql(Some(&buyer), CANCEL_ORDER, json!({ "id": order })).await.good();
        assert_eq!(seats_left(world, &stage.event).await, 80);
    });
}
