//! Fairness between buyers: limits are exact, and idle reservations end.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entity::inventory::buyer;
use futures_util::future::join_all;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};
use tessera::{
    auth,
    error::Error,
    inventory::{self, Pick, Refusal, Reserve},
};

use crate::support::{Answer, World, given::Stage, run, socket::Socket, world::start_of_time};

const RESERVE: &str = "mutation($event: ID!, $seats: [ID!]!, $key: String!) {
    reserveSeats(input: { eventId: $event, pick: { seatIds: $seats }, idempotencyKey: $key }) {
        reservation { id expiresAt expiresAtLatest }
        errors { code message path retryable availableAt limit taken } } }";
const RELEASE: &str = "mutation($id: ID!) { releaseReservation(input: { reservationId: $id }) {
    reservation { status } errors { code } } }";
const EXTEND: &str = "mutation($id: ID!) { extendReservation(input: { reservationId: $id }) {
    reservation { expiresAt } errors { code } } }";
const REFUND: &str = "mutation($id: ID!, $key: String!) {
    refundOrder(input: { orderId: $id, idempotencyKey: $key }) { order { state } errors { code } } }";
const TERMS: &str = "reservationBudgetSeconds coolDownSeconds version";

/// So many seconds after the beginning, as the API writes it.
fn at(seconds: i64) -> Value {
    json!((start_of_time() + TimeDelta::seconds(seconds)).to_rfc3339())
}

fn time(value: &Value) -> DateTime<Utc> {
    value.as_str().expect("a time").parse().expect("a time")
}

impl World {
    /// Changes the event's terms.
    async fn terms(&self, stage: &Stage, change: Value) -> Answer {
        let document = format!("query($id: ID!) {{ event(id: $id) {{ {TERMS} }} }}");
        let seen = self.gql(None, &document, json!({ "id": stage.event })).await.good();
        let mut input = json!({ "eventId": stage.event, "expectedVersion": seen.data("event.version") });
        for (key, value) in change.as_object().expect("an object") {
            input[key] = value.clone();
        }
        let document = format!(
            "mutation($input: UpdateEventInput!) {{ updateEvent(input: $input) {{
                event {{ {TERMS} }} errors {{ code message path }} }} }}"
        );
        self.gql(Some(&stage.vendor), &document, json!({ "input": input })).await
    }

    async fn wants(&self, token: &str, stage: &Stage, seat: usize, key: &str) -> Answer {
        let input =
            json!({ "event": stage.event, "seats": [stage.seats[seat]], "key": format!("wanted-{key}") });
        self.gql(Some(token), RESERVE, input).await
    }

    async fn drops(&self, token: &str, reserved: &Answer) {
        let id = reserved.data("reserveSeats.reservation.id");
        self.gql(Some(token), RELEASE, json!({ "id": id })).await.good();
    }
}

fn refused_until(answer: &Answer) -> DateTime<Utc> {
    assert_eq!(answer.refusal("reserveSeats").as_deref(), Some("COOLING_DOWN"), "{}", answer.body);
    assert_eq!(answer.data("reserveSeats.errors.0.retryable"), true);
    time(&answer.data("reserveSeats.errors.0.availableAt"))
}

#[test]
fn a_vendor_says_how_long_places_may_be_kept_without_buying() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let same = world.terms(&stage, json!({})).await.good();
        assert_eq!(same.data("updateEvent.event.reservationBudgetSeconds"), 2_700);
        assert_eq!(same.data("updateEvent.event.coolDownSeconds"), 300);
        let off = world
            .terms(&stage, json!({ "reservationBudgetSeconds": null, "coolDownSeconds": 60 }))
            .await
            .good();
        assert_eq!(off.data("updateEvent.event.reservationBudgetSeconds"), Value::Null);
        assert_eq!(off.data("updateEvent.event.coolDownSeconds"), 60);
        let left = world.terms(&stage, json!({ "reservationSeconds": 700 })).await.good();
        assert_eq!(left.data("updateEvent.event.reservationBudgetSeconds"), Value::Null, "left out stays");
        for (change, path) in [
            (json!({ "reservationBudgetSeconds": 699 }), "reservationBudgetSeconds"),
            (json!({ "reservationBudgetSeconds": 86_401 }), "reservationBudgetSeconds"),
            (json!({ "coolDownSeconds": 59 }), "coolDownSeconds"),
            (json!({ "coolDownSeconds": 86_401 }), "coolDownSeconds"),
            (json!({ "coolDownSeconds": -1 }), "coolDownSeconds"),
        ] {
            let bad = world.terms(&stage, change).await;
            assert_eq!(bad.refusal("updateEvent").as_deref(), Some("INVALID"), "{}", bad.body);
            assert_eq!(bad.data("updateEvent.errors.0.path"), json!([path]));
        }
        let create = format!(
            "mutation($input: CreateEventInput!) {{ createEvent(input: $input) {{
                event {{ {TERMS} }} errors {{ code message path }} }} }}"
        );
        let input = json!({ "shopId": stage.shop, "venueId": stage.venue, "categoryId": stage.category,
            "name": "Unfair", "startsAt": "2026-08-01T18:00:00Z", "endsAt": "2026-08-01T22:00:00Z",
            "reservationBudgetSeconds": null });
        let made = world.gql(Some(&stage.vendor), &create, json!({ "input": input })).await.good();
        assert_eq!(made.data("createEvent.event.reservationBudgetSeconds"), Value::Null);
        assert_eq!(made.data("createEvent.event.coolDownSeconds"), 300);
    });
}

#[test]
fn deadlines_fall_and_then_the_buyer_cools_down() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        for round in 0..4 {
            let kept = world.wants(&buyer, &stage, round, &format!("round-{round}")).await.good();
            let from = i64::try_from(round).expect("few") * 600;
            assert_eq!(kept.data("reserveSeats.reservation.expiresAt"), at(from + 600));
            world.advance(Duration::from_mins(10));
        }
        // 2,400 of 2,700 seconds are spent: the last one gets what is left, and no more.
        let last = world.wants(&buyer, &stage, 4, "round-4").await.good();
        assert_eq!(last.data("reserveSeats.reservation.expiresAt"), at(2_700));
        assert_eq!(last.data("reserveSeats.reservation.expiresAtLatest"), at(2_700));
        world.advance(Duration::from_secs(200));
        let more = json!({ "id": last.data("reserveSeats.reservation.id") });
        let more = world.gql(Some(&buyer), EXTEND, more).await;
        assert_eq!(more.refusal("extendReservation").as_deref(), Some("NO_MORE_TIME"));
        // Others have an account of their own.
        let other = world.guest().await;
        world.wants(&other, &stage, 20, "other").await.good();
        world.advance(Duration::from_secs(50));
        let beside = world.wants(&buyer, &stage, 5, "beside").await;
        let promised = start_of_time() + TimeDelta::seconds(3_000);
        assert_eq!(refused_until(&beside), promised, "when it ran out, and the cool-down besides");
        world.advance(Duration::from_secs(349));
        assert_eq!(refused_until(&world.wants(&buyer, &stage, 5, "too-early").await), promised);
        assert_eq!(inventory::expire_due(&world.app).await.expect("a round"), 1);
        assert_eq!(
            refused_until(&world.wants(&buyer, &stage, 5, "written-down").await),
            promised,
            "whether somebody wrote it down yet or not"
        );
        world.advance(Duration::from_secs(1));
        let anew = world.wants(&buyer, &stage, 5, "anew").await.good();
        assert_eq!(anew.data("reserveSeats.reservation.expiresAt"), at(3_600));
        assert_eq!(anew.data("reserveSeats.reservation.expiresAtLatest"), at(4_200));
    });
}

#[test]
fn many_reservations_at_once_cost_as_much_as_one() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        for round in 0..4 {
            for seat in 0..8 {
                world.wants(&buyer, &stage, seat, &format!("round-{round}-{seat}")).await.good();
            }
            world.advance(Duration::from_mins(10));
        }
        let last = world.wants(&buyer, &stage, 0, "last").await.good();
        assert_eq!(last.data("reserveSeats.reservation.expiresAt"), at(2_700));
    });
}

#[test]
fn a_slip_of_the_finger_is_cheap_but_a_hundred_are_not() {
    run(async |world: &World| {
        let stage = world.stage().await;
        world.terms(&stage, json!({ "reservationBudgetSeconds": 600, "coolDownSeconds": 900 })).await.good();
        let (clumsy, spinner) = (world.guest().await, world.guest().await);
        for slip in 0..3 {
            let wrong = world.wants(&clumsy, &stage, 20, &format!("slip-{slip}")).await.good();
            world.drops(&clumsy, &wrong).await;
        }
        let right = world.wants(&clumsy, &stage, 21, "right").await.good();
        assert_eq!(right.data("reserveSeats.reservation.expiresAt"), at(585), "5 seconds each");
        let mut dropped = 0;
        let refused = loop {
            let reserved = world.wants(&spinner, &stage, 0, &format!("spin-{dropped}")).await;
            if reserved.refusal("reserveSeats").is_some() {
                break reserved;
            }
            world.drops(&spinner, &reserved).await;
            dropped += 1;
            assert!(dropped < 1_000, "nobody stops them");
        };
        assert_eq!(dropped, 109, "until less than a minute is left of ten");
        assert_eq!(refused_until(&refused), start_of_time() + TimeDelta::seconds(900));
        assert_eq!(refused.data("reserveSeats.errors.0.path"), json!([]));
    });
}

#[test]
fn purchase_clears_idle_time() {
    run(async |world: &World| {
        let stage = world.stage().await;
        world.terms(&stage, json!({ "reservationBudgetSeconds": 600 })).await.good();
        let buyer = world.user("buyer").await;
        world.wants(&buyer, &stage, 0, "hesitates").await.good();
        world.advance(Duration::from_secs(500));
        world.buy(&buyer, &stage.event, &[&stage.seats[1]]).await;
        // The first reservation still runs: it counts from the purchase on.
        world.advance(Duration::from_secs(50));
        let next = world.wants(&buyer, &stage, 2, "next").await.good();
        assert_eq!(next.data("reserveSeats.reservation.expiresAt"), at(1_100));
    });
}

#[test]
fn a_payment_that_fails_too_late_was_idle_until_the_deadline() {
    run(async |world: &World| {
        let stage = world.stage().await;
        world.terms(&stage, json!({ "reservationBudgetSeconds": 700 })).await.good();
        let buyer = world.user("buyer").await;
        let reserved = world.wants(&buyer, &stage, 0, "to-be-paid").await.good();
        let id = reserved.text("reserveSeats.reservation.id");
        let order = world.checkout(&buyer, &[&id]).await;
        let asked = world.pay(&buyer, &order, "pm_card_authenticationRequired", "asks-the-bank").await.good();
        world.advance(Duration::from_secs(800));
        world.work().await;
        let url = asked.text("payOrder.payment.nextActionUrl");
        let sandbox = world.app.payment.sandbox.clone().expect("the sandbox");
        sandbox.authenticate(url.rsplit('/').next().expect("an intent"), false).await.expect("answered");
        let confirm = "mutation($id: ID!) { confirmPayment(input: { paymentId: $id }) {
            order { state } payment { state } errors { code } } }";
        let id = asked.data("payOrder.payment.id");
        let failed = world.gql(Some(&buyer), confirm, json!({ "id": id })).await;
        assert_eq!(failed.data("confirmPayment.payment.state"), "FAILED", "{}", failed.body);
        let next = world.wants(&buyer, &stage, 1, "next").await.good();
        assert_eq!(next.data("reserveSeats.reservation.expiresAt"), at(900), "600 of 700 seconds are spent");
    });
}

/// Eight tabs on two instances spin seats until they are stopped: every drop is counted, on whichever instance.
#[test]
fn idle_time_is_exact_over_tabs_and_instances() {
    run(async |world: &World| {
        let stage = world.stage().await;
        world.terms(&stage, json!({ "reservationBudgetSeconds": 600 })).await.good();
        let event = world.only_event().await;
        let second = world.second().await;
        let apps = [world.app.clone(), second.clone()];
        let token = world.guest().await;
        let viewer = auth::authenticate(&world.app, Some(&token)).await.expect("a viewer");
        let tabs = (0..8_u32).map(|tab| {
            let (app, viewer) = (apps[tab as usize % 2].clone(), viewer);
            world.app.spawn(async move {
                for round in 0..1_000_u32 {
                    let key = format!("tab-{tab}-round-{round}");
                    match inventory::reserve(
                        &app,
                        &viewer,
                        Reserve { event, pick: Pick::Seats(vec![tab]), key },
                    )
                    .await
                    {
                        Ok(made) => {
                            inventory::release(&app, &viewer, made.snapshot.id).await.expect("released");
                        }
                        Err(Error::Refused(Refusal::CoolingDown { .. })) => return round,
                        Err(other) => panic!("{other:?}"),
                    }
                }
                panic!("nobody stops them")
            })
        });
        let dropped: u32 = join_all(tabs).await.into_iter().map(|tab| tab.expect("no panic")).sum();
        assert!((109..109 + 8).contains(&dropped), "the last eight may run at once: {dropped}");
        let rows =
            buyer::Entity::find().filter(buyer::Column::AccountId.eq(viewer.account().expect("one").0));
        let row = rows.one(world.app.store.read()).await.expect("read").expect("a row");
        assert_eq!(row.idle_ms, i64::from(dropped) * 5_000, "each drop is counted, and once");
        assert_eq!(row.cools_until, Some(start_of_time() + TimeDelta::seconds(300)));
        // An instance that comes later knows it from the database.
        let third = world.second().await;
        let reserve = Reserve { event, pick: Pick::Seats(vec![9]), key: "somewhere-else".to_owned() };
        let refused = inventory::reserve(&third, &viewer, reserve).await;
        assert!(matches!(refused, Err(Error::Refused(Refusal::CoolingDown { .. }))), "{refused:?}");
        for app in [second, third] {
            tessera::server::close(app, Duration::from_secs(10)).await;
        }
    });
}

#[test]
fn guest_keeps_the_buyer_identity_after_sign_up() {
    run(async |world: &World| {
        let stage = world.stage().await;
        world.terms(&stage, json!({ "reservationBudgetSeconds": 600 })).await.good();
        let guest = world.guest().await;
        let seats: Vec<&str> = stage.seats[..5].iter().map(String::as_str).collect();
        world.buy(&guest, &stage.event, &seats).await;
        world.wants(&guest, &stage, 5, "as-a-guest").await.good();
        world.advance(Duration::from_secs(400));
        let document = "mutation { signUp(input: { email: \"guest@tessera.test\",
            password: \"correct horse battery\", name: \"No longer a guest\" }) {
            session { accessToken } errors { code message } } }";
        let user =
            world.gql(Some(&guest), document, json!({})).await.good().text("signUp.session.accessToken");
        // Five bought and one reserved as a guest: two more, within the time that is left.
        let two = [stage.seats[6].as_str(), stage.seats[7].as_str(), stage.seats[8].as_str()];
        let input = json!({ "event": stage.event, "seats": two, "key": "three-more" });
        let over = world.gql(Some(&user), RESERVE, input).await;
        assert_eq!(over.refusal("reserveSeats").as_deref(), Some("LIMIT_EXCEEDED"), "{}", over.body);
        assert_eq!(over.data("reserveSeats.errors.0.taken"), 6);
        let input = json!({ "event": stage.event, "seats": &two[..2], "key": "two-more-" });
        let fits = world.gql(Some(&user), RESERVE, input).await.good();
        assert_eq!(fits.data("reserveSeats.reservation.expiresAt"), at(600), "400 of 600 seconds are spent");
    });
}

/// One buyer, many tabs, two instances: reservations, orders and tickets all count, and what is refunded does not.
#[test]
fn the_limit_counts_orders_and_a_refund_frees_it() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let event = world.only_event().await;
        let buyer = world.user("buyer").await;
        let first =
            world.buy(&buyer, &stage.event, &[&stage.seats[0], &stage.seats[1], &stage.seats[2]]).await;
        let second = world.buy(&buyer, &stage.event, &[&stage.seats[3], &stage.seats[4]]).await;
        let reserved = world.reserve(&buyer, &stage.event, &[&stage.seats[5]]).await;
        world.checkout(&buyer, &[&reserved]).await;
        let apps = [world.app.clone(), world.second().await];
        let viewer = auth::authenticate(&world.app, Some(&buyer)).await.expect("a viewer");
        let tabs = async |seats: std::ops::Range<u32>, round: &str| {
            let tries = seats.map(|seat| {
                let (app, viewer) = (apps[seat as usize % 2].clone(), viewer);
                let key = format!("{round}-{seat}-tab");
                world.app.spawn(async move {
                    inventory::reserve(&app, &viewer, Reserve { event, pick: Pick::Seats(vec![seat]), key })
                        .await
                })
            });
            let mut made = 0;
            for outcome in join_all(tries).await {
                match outcome.expect("no panic") {
                    Ok(_) => made += 1,
                    Err(Error::Refused(Refusal::LimitExceeded { limit, taken, .. })) => {
                        assert_eq!(limit, 8);
                        assert!((6..=8).contains(&taken), "{taken}");
                    }
                    Err(other) => panic!("{other:?}"),
                }
            }
            made
        };
        assert_eq!(tabs(6..14, "first").await, 2, "six of eight were had already");
        world.gql(Some(&buyer), REFUND, json!({ "id": second, "key": "refund-second" })).await.good();
        assert_eq!(tabs(14..22, "second").await, 2, "two were given back");
        world.gql(Some(&buyer), REFUND, json!({ "id": first, "key": "refund-first" })).await.good();
        assert_eq!(tabs(22..30, "third").await, 3, "three were given back");
        let [_, other] = apps;
        tessera::server::close(other, Duration::from_secs(10)).await;
    });
}

/// Whoever is too late learns when the places come back, to the minute; sold ones do not.
#[test]
fn a_refusal_says_when_to_come_back() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let (first, late) = (world.user("first").await, world.guest().await);
        world.reserve(&first, &stage.event, &[&stage.seats[0]]).await;
        world.advance(Duration::from_secs(90));
        let second = world.reserve(&first, &stage.event, &[&stage.seats[1]]).await;
        let wants = async |seats: &[&str], key: &str| {
            let input = json!({ "event": stage.event, "seats": seats, "key": format!("late-{key}") });
            let lost = world.gql(Some(&late), RESERVE, input).await;
            assert_eq!(lost.refusal("reserveSeats").as_deref(), Some("SEATS_TAKEN"), "{}", lost.body);
            let at = lost.data("reserveSeats.errors.0.availableAt");
            assert_eq!(lost.data("reserveSeats.errors.0.retryable"), !at.is_null());
            at
        };
        let [one, two] = [stage.seats[0].as_str(), stage.seats[1].as_str()];
        assert_eq!(wants(&[one], "one-seat").await, at(600));
        assert_eq!(wants(&[two], "other-seat").await, at(720), "690, to the minute");
        assert_eq!(wants(&[one, two, &stage.seats[2]], "both-seats").await, at(720), "the last of them");
        let order = world.checkout(&first, &[&second]).await;
        world.pay(&first, &order, "pm_card_visa", "bought-it").await.good();
        assert_eq!(wants(&[two], "sold").await, Value::Null);
        assert_eq!(wants(&[one, two], "one-sold").await, Value::Null);

        let stand = async |token: &str, quantity: u32, key: &str| {
            let document = "mutation($event: ID!, $area: ID!, $quantity: Int!, $key: String!) {
                reserveSeats(input: { eventId: $event, idempotencyKey: $key,
                    pick: { admission: { areaId: $area, quantity: $quantity } } }) {
                    reservation { id } errors { code message availableAt retryable available } } }";
            let input = json!({ "event": stage.event, "area": stage.area, "quantity": quantity, "key": key });
            world.gql(Some(token), document, input).await
        };
        for number in 0..6 {
            let buyer = world.guest().await;
            stand(&buyer, 8, &format!("standing-{number}")).await.good();
            world.advance(Duration::from_mins(1));
        }
        // Two of 50 are left; the first eight come back at 690 seconds, the next a minute later.
        for (quantity, back) in [(3, at(720)), (8, at(720))] {
            let full = stand(&late, quantity, &format!("late-{quantity}-places")).await;
            assert_eq!(full.refusal("reserveSeats").as_deref(), Some("AREA_FULL"), "{}", full.body);
            assert_eq!(full.data("reserveSeats.errors.0.availableAt"), back);
            assert_eq!(full.data("reserveSeats.errors.0.retryable"), true);
        }
        world.terms(&stage, json!({ "limitPerBuyer": 100 })).await.good();
        let more = stand(&late, 11, "late-11-places").await;
        assert_eq!(more.data("reserveSeats.errors.0.availableAt"), at(780), "the first and the second eight");
        let never = stand(&late, 51, "late-51-places").await;
        assert_eq!(never.data("reserveSeats.errors.0.availableAt"), Value::Null);
        assert_eq!(never.data("reserveSeats.errors.0.retryable"), false);
    });
}

/// A place that comes back is announced: what ran out within one round of the worker, what another took at once.
#[test]
fn watchers_hear_of_places_that_come_back() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let address = world.listen().await;
        let (slow, quick) = (world.guest().await, world.guest().await);
        world.reserve(&slow, &stage.event, &[&stage.seats[0], &stage.seats[1]]).await;
        world.reserve(&slow, &stage.event, &[&stage.seats[2]]).await;
        let mut watcher = Socket::open(&address, None).await;
        let watch = "subscription($event: ID!) { seatAvailability(eventId: $event) { __typename
            ... on AvailabilitySnapshot { rows { statuses } }
            ... on AvailabilityDelta { seats { id status } } } }";
        watcher.subscribe("map", watch, json!({ "event": stage.event })).await;
        let snapshot = watcher.next().await;
        assert_eq!(snapshot["seatAvailability"]["rows"][0]["statuses"], "RRRAAAAAAA");
        world.advance(Duration::from_mins(10));
        // Nobody wrote it down yet; whoever takes one of two seats takes it at once, and both are in one change.
        world.reserve(&quick, &stage.event, &[&stage.seats[0]]).await;
        let changed = watcher.next().await["seatAvailability"]["seats"].clone();
        assert_eq!(
            changed,
            json!([
                { "id": stage.seats[0], "status": "RESERVED" },
                { "id": stage.seats[1], "status": "AVAILABLE" },
                { "id": stage.seats[2], "status": "AVAILABLE" }
            ])
        );
        world.reserve(&slow, &stage.event, &[&stage.seats[3]]).await;
        assert_eq!(watcher.next().await["seatAvailability"]["seats"][0]["status"], "RESERVED");
        world.advance(Duration::from_mins(10));
        tessera::worker::expire(&world.app).await.expect("one round");
        let changed = watcher.next().await["seatAvailability"]["seats"].clone();
        assert_eq!(
            changed,
            json!([
                { "id": stage.seats[0], "status": "AVAILABLE" },
                { "id": stage.seats[3], "status": "AVAILABLE" }
            ])
        );
    });
}
