//! Reservations: created, released, extended and expired.

use std::time::Duration;

use serde_json::json;
use test_case::test_case;

use crate::support::Database::{self, Postgres, Sqlite};
use crate::support::{World, run_on};

const RELEASE: &str = "mutation($id: ID!) { releaseReservation(input: { reservationId: $id }) {
    reservation { status } errors { code message } } }";
const EXTEND: &str = "mutation($id: ID!) { extendReservation(input: { reservationId: $id }) {
    reservation { status expiresAt } errors { code message } } }";
const STAND: &str = "mutation($event: ID!, $area: ID!, $quantity: Int!, $key: String!) {
    reserveSeats(input: { eventId: $event, idempotencyKey: $key,
        pick: { admission: { areaId: $area, quantity: $quantity } } }) {
        reservation { id quantity total { amount } items { label quantity area { id } } }
        errors { code message path available limit taken } } }";

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn a_reservation_holds_its_seats_at_their_prices(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let seats = [stage.seats[0].as_str(), stage.seats[10].as_str()];
        let made = world.try_reserve(&buyer, &stage.event, &seats, "first-key").await.good();
        assert_eq!(
            made.data("reserveSeats.reservation.total"),
            json!({ "amount": "32.00", "currency": "EUR" })
        );
        assert_eq!(made.data("reserveSeats.reservation.status"), "ACTIVE");
        let other = world.guest().await;
        let lost =
            world.try_reserve(&other, &stage.event, &[&stage.seats[0], &stage.seats[1]], "other-key").await;
        assert_eq!(lost.refusal("reserveSeats").as_deref(), Some("SEATS_TAKEN"));
        assert_eq!(
            lost.data("reserveSeats.errors.0.seats"),
            json!([stage.seats[0]]),
            "the lost seat is named"
        );
        // All or nothing: the free seat of the refused pick is still free.
        world.try_reserve(&other, &stage.event, &[&stage.seats[1]], "again-key").await.good();
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn the_same_key_reserves_once(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let seats = [stage.seats[3].as_str()];
        let first = world.try_reserve(&buyer, &stage.event, &seats, "one-key-only").await.good();
        let again = world.try_reserve(&buyer, &stage.event, &seats, "one-key-only").await.good();
        assert_eq!(first.data("reserveSeats.reservation.id"), again.data("reserveSeats.reservation.id"));
        let other = world.try_reserve(&buyer, &stage.event, &[&stage.seats[4]], "one-key-only").await;
        assert_eq!(other.refusal("reserveSeats").as_deref(), Some("IDEMPOTENCY_MISMATCH"));
        let short = world.try_reserve(&buyer, &stage.event, &[&stage.seats[4]], "short").await;
        assert_eq!(short.refusal("reserveSeats").as_deref(), Some("INVALID"));
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn a_lapsed_reservation_can_be_taken_by_another_without_a_sweeper(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let (slow, quick) = (world.guest().await, world.guest().await);
        let lapsed = world.reserve(&slow, &stage.event, &[&stage.seats[5], &stage.seats[6]]).await;
        world.advance(Duration::from_secs(599));
        let early = world.try_reserve(&quick, &stage.event, &[&stage.seats[5]], "too-early").await;
        assert_eq!(early.refusal("reserveSeats").as_deref(), Some("SEATS_TAKEN"));
        world.advance(Duration::from_secs(1));
        world.reserve(&quick, &stage.event, &[&stage.seats[5]]).await;
        let document = "query($id: ID!) { reservation(id: $id) { status } }";
        let seen = world.gql(Some(&slow), document, json!({ "id": lapsed })).await.good();
        assert_eq!(seen.data("reservation.status"), "EXPIRED");
        // The other seat of the lapsed reservation is free as well: all or nothing.
        world.reserve(&quick, &stage.event, &[&stage.seats[6]]).await;
    });
}

/// Nobody has written down that its time is up, and nobody else wants its seat.
#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn a_lapsed_reservation_is_not_sold(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let seats = [stage.seats[0].as_str(), stage.seats[1].as_str()];
        for (seat, seconds) in seats.iter().zip([599, 600]) {
            let reservation = world.reserve(&buyer, &stage.event, &[seat]).await;
            let order = world.checkout(&buyer, &[&reservation]).await;
            world.advance(Duration::from_secs(seconds));
            let paid = world.pay(&buyer, &order, "pm_card_visa", &format!("after-{seconds}")).await;
            let refused = (seconds == 600).then_some("ORDER_ENDED");
            assert_eq!(paid.refusal("payOrder").as_deref(), refused, "{}", paid.body);
        }
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn worker_records_expired_reservations(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        world.reserve(&buyer, &stage.event, &[&stage.seats[0]]).await;
        world.advance(Duration::from_secs(601));
        assert_eq!(tessera::inventory::expire_due(&world.app).await.expect("a round"), 1);
        assert_eq!(tessera::inventory::expire_due(&world.app).await.expect("a round"), 0, "done is done");
        let document = "query($id: ID!) { event(id: $id) { seatsLeft } }";
        let left = world.gql(None, document, json!({ "id": stage.event })).await.good();
        assert_eq!(left.data("event.seatsLeft"), 80);
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn a_reservation_is_extended_but_never_beyond_the_maximum(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let id = world.reserve(&buyer, &stage.event, &[&stage.seats[0]]).await;
        world.advance(Duration::from_mins(9));
        let more = world.gql(Some(&buyer), EXTEND, json!({ "id": id })).await.good();
        assert_eq!(more.data("extendReservation.reservation.expiresAt"), "2026-06-01T12:19:00+00:00");
        world.advance(Duration::from_mins(9));
        let last = world.gql(Some(&buyer), EXTEND, json!({ "id": id })).await.good();
        assert_eq!(last.data("extendReservation.reservation.expiresAt"), "2026-06-01T12:20:00+00:00");
        let none = world.gql(Some(&buyer), EXTEND, json!({ "id": id })).await;
        assert_eq!(none.refusal("extendReservation").as_deref(), Some("NO_MORE_TIME"));
        world.advance(Duration::from_mins(2));
        let over = world.gql(Some(&buyer), EXTEND, json!({ "id": id })).await;
        assert_eq!(over.refusal("extendReservation").as_deref(), Some("RESERVATION_ENDED"));
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn a_released_seat_is_free_at_once(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let (first, second) = (world.guest().await, world.guest().await);
        let id = world.reserve(&first, &stage.event, &[&stage.seats[0]]).await;
        let foreign = world.gql(Some(&second), RELEASE, json!({ "id": id })).await;
        assert_eq!(foreign.refusal("releaseReservation").as_deref(), Some("NOT_FOUND"));
        world.gql(Some(&first), RELEASE, json!({ "id": id })).await.good();
        world.gql(Some(&first), RELEASE, json!({ "id": id })).await.good();
        world.reserve(&second, &stage.event, &[&stage.seats[0]]).await;
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn the_limit_per_buyer_counts_seats_and_places_together(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let seats: Vec<&str> = stage.seats[..6].iter().map(String::as_str).collect();
        let held = world.reserve(&buyer, &stage.event, &seats).await;
        let stand = json!({ "event": stage.event, "area": stage.area, "quantity": 3, "key": "standing-3" });
        let over = world.gql(Some(&buyer), STAND, stand).await;
        assert_eq!(over.refusal("reserveSeats").as_deref(), Some("LIMIT_EXCEEDED"));
        assert_eq!(over.data("reserveSeats.errors.0.limit"), 8);
        assert_eq!(over.data("reserveSeats.errors.0.taken"), 6);
        let stand = json!({ "event": stage.event, "area": stage.area, "quantity": 2, "key": "standing-2" });
        let fits = world.gql(Some(&buyer), STAND, stand).await.good();
        assert_eq!(fits.data("reserveSeats.reservation.total.amount"), "12.00");
        // What lapses does not count any more, whether somebody wrote it down or not.
        world.advance(Duration::from_mins(10));
        world.reserve(&buyer, &stage.event, &[&stage.seats[29]]).await;
        let gone = world.gql(Some(&buyer), RELEASE, json!({ "id": held })).await;
        assert_eq!(gone.refusal("releaseReservation").as_deref(), Some("RESERVATION_ENDED"));
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn an_area_never_holds_more_than_its_capacity(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        for number in 0..6 {
            let buyer = world.guest().await;
            let stand = json!({ "event": stage.event, "area": stage.area, "quantity": 8, "key": format!("standing-{number}") });
            world.gql(Some(&buyer), STAND, stand).await.good();
        }
        let late = world.guest().await;
        let stand = json!({ "event": stage.event, "area": stage.area, "quantity": 3, "key": "late-three" });
        let full = world.gql(Some(&late), STAND, stand).await;
        assert_eq!(full.refusal("reserveSeats").as_deref(), Some("AREA_FULL"));
        assert_eq!(full.data("reserveSeats.errors.0.available"), 2);
        world.advance(Duration::from_mins(10));
        let stand = json!({ "event": stage.event, "area": stage.area, "quantity": 3, "key": "after-lapse" });
        world.gql(Some(&late), STAND, stand).await.good();
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn invalid_picks_are_refused_without_effect(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let twice = [stage.seats[0].as_str(), stage.seats[0].as_str()];
        let foreign = stage.event.as_str();
        for (seats, key) in [
            (&twice[..], "twice-twice"),
            (&[][..], "none-none"),
            (&[foreign][..], "foreign-id"),
            (&["nonsense"][..], "nonsense-id"),
        ] {
            let bad = world.try_reserve(&buyer, &stage.event, seats, key).await;
            assert_eq!(bad.refusal("reserveSeats").as_deref(), Some("INVALID"), "{}", bad.body);
        }
        let missing = "event_01h455vb4pex5vsknk084sn02q";
        let none = world.try_reserve(&buyer, missing, &[&stage.seats[0]], "no-such-event").await;
        assert_eq!(none.refusal("reserveSeats").as_deref(), Some("NOT_FOUND"));
        for quantity in [-1, 0, 101, 1_000_000] {
            let stand = json!({ "event": stage.event, "area": stage.area, "quantity": quantity, "key": "bad-quantity" });
            let bad = world.gql(Some(&buyer), STAND, stand).await;
            assert_eq!(bad.refusal("reserveSeats").as_deref(), Some("INVALID"), "{}", bad.body);
        }
        let anonymous = world
            .gql(
                None,
                crate::support::given::RESERVE,
                json!({ "event": stage.event, "seats": [stage.seats[0]], "key": "anonymous" }),
            )
            .await;
        assert_eq!(anonymous.code().as_deref(), Some("UNAUTHENTICATED"));
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn sales_are_refused_outside_the_sales_window(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        world.advance(Duration::from_hours(92 * 24 + 6));
        let buyer = world.guest().await;
        let late = world.try_reserve(&buyer, &stage.event, &[&stage.seats[0]], "after-the-end").await;
        assert_eq!(late.refusal("reserveSeats").as_deref(), Some("SALES_ENDED"), "{}", late.body);
    });
}
