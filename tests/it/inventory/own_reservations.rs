//! Refusals that are about the buyer's own reservations: a second tab learns that the seats are its own, and limit errors
//! tell reserved and bought places apart. Nobody learns the reservations of others.

use serde_json::{Value, json};

use crate::support::{Answer, World, given::Stage, run};

const RESERVE: &str = "mutation($event: ID!, $pick: PickInput!, $key: String!) {
    reserveSeats(input: { eventId: $event, pick: $pick, idempotencyKey: $key }) {
        reservation { id } errors { code message seats available limit taken reserved bought ownReservationIds } } }";
const CLAIM: &str = "mutation($coupon: ID!, $key: String!) {
    claimCoupon(input: { couponId: $coupon, idempotencyKey: $key }) {
        claim { id } errors { code message left limit taken reserved claimed ownReservationIds } } }";
const COPIES: &str = "mutation($coupon: ID!, $quantity: Int!, $key: String!) {
    reserveCoupon(input: { couponId: $coupon, quantity: $quantity, idempotencyKey: $key }) {
        reservation { id } errors { code message left limit taken reserved claimed ownReservationIds } } }";

fn key(world: &World) -> String {
    uuid::Uuid::from_bytes(world.app.random()).to_string()
}

async fn reserve(world: &World, token: &str, stage: &Stage, pick: Value) -> Answer {
    let input = json!({ "event": stage.event, "pick": pick, "key": key(world) });
    world.gql(Some(token), RESERVE, input).await
}

fn seats(stage: &Stage, numbers: &[usize]) -> Value {
    json!({ "seatIds": numbers.iter().map(|number| stage.seats[*number].as_str()).collect::<Vec<_>>() })
}

fn standing(stage: &Stage, quantity: u32) -> Value {
    json!({ "admission": { "areaId": stage.area, "quantity": quantity } })
}

async fn reserved(world: &World, token: &str, stage: &Stage, pick: Value) -> String {
    reserve(world, token, stage, pick).await.good().text("reserveSeats.reservation.id")
}

async fn bought(world: &World, token: &str, reservation: &str) {
    let order = world.checkout(token, &[reservation]).await;
    world.pay(token, &order, "pm_card_visa", &key(world)).await.good();
}

#[test]
fn taken_seats_name_the_buyers_own_reservation() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let (buyer, other) = (world.guest().await, world.guest().await);
        let first = reserved(world, &buyer, &stage, seats(&stage, &[0, 1])).await;
        let second = reserved(world, &buyer, &stage, seats(&stage, &[5])).await;
        let foreign = reserved(world, &other, &stage, seats(&stage, &[7])).await;
        let mut both = [first.as_str(), second.as_str()];
        both.sort_unstable();
        let cases = [
            // The same pick in a second tab.
            (&buyer, vec![0, 1], vec![first.as_str()]),
            // A part of it, and a free seat.
            (&buyer, vec![1, 2], vec![first.as_str()]),
            // Seats of two reservations.
            (&buyer, vec![0, 5], both.to_vec()),
            // An own seat and another buyer's.
            (&buyer, vec![5, 7], vec![second.as_str()]),
            // Only another buyer's.
            (&buyer, vec![7], vec![]),
            // The other buyer learns nothing about these.
            (&other, vec![0, 5], vec![]),
            (&other, vec![0, 7], vec![foreign.as_str()]),
        ];
        for (token, numbers, own) in cases {
            let refused = reserve(world, token, &stage, seats(&stage, &numbers)).await;
            let error = refused.data("reserveSeats.errors.0");
            assert_eq!(error["code"], "SEATS_TAKEN", "{}", refused.body);
            assert_eq!(error["ownReservationIds"], json!(own), "{numbers:?}");
            let says_own = error["message"].as_str().is_some_and(|message| message.contains("yourself"));
            assert_eq!(says_own, !own.is_empty(), "{error}");
        }
        // Being paid, it is still the buyer's; bought or expired, it is no reservation any more.
        let order = world.checkout(&buyer, &[&first]).await;
        let paying = world.pay(&buyer, &order, "pm_card_authenticationRequired", &key(world)).await.good();
        assert_eq!(paying.data("payOrder.payment.state"), "REQUIRES_ACTION", "{}", paying.body);
        let refused = reserve(world, &buyer, &stage, seats(&stage, &[0])).await;
        assert_eq!(refused.data("reserveSeats.errors.0.ownReservationIds"), json!([first]));
        bought(world, &buyer, &second).await;
        let refused = reserve(world, &buyer, &stage, seats(&stage, &[5])).await;
        assert_eq!(refused.data("reserveSeats.errors.0.ownReservationIds"), json!([]));
        world.advance(std::time::Duration::from_mins(11));
        reserved(world, &buyer, &stage, seats(&stage, &[7])).await;
    });
}

#[test]
fn limit_tells_reserved_and_bought_places_apart() {
    run(async |world: &World| {
        let stage = world.stage().await;
        // Bought, reserved as seats, reserved in the area, wanted. A buyer may have 8.
        for (index, (sold, held, standing_held, wanted)) in
            [(0, 8, 0, 1), (8, 0, 0, 1), (3, 2, 0, 4), (2, 1, 4, 2), (0, 0, 6, 3), (1, 3, 3, 2)]
                .into_iter()
                .enumerate()
        {
            let stage = Stage {
                event: world.event(&stage.vendor, stage.place(), &format!("Night {index}")).await,
                ..stage_of(&stage)
            };
            let (places, area) = world.places(&stage.event).await;
            let stage = Stage { seats: places, area, ..stage };
            let buyer = world.guest().await;
            if sold > 0 {
                let all: Vec<usize> = (0..sold).collect();
                let reservation = reserved(world, &buyer, &stage, seats(&stage, &all)).await;
                bought(world, &buyer, &reservation).await;
            }
            let mut own = Vec::new();
            if held > 0 {
                let all: Vec<usize> = (10..10 + held).collect();
                own.push(reserved(world, &buyer, &stage, seats(&stage, &all)).await);
            }
            if standing_held > 0 {
                own.push(reserved(world, &buyer, &stage, standing(&stage, standing_held)).await);
            }
            own.sort_unstable();
            let refused = reserve(world, &buyer, &stage, standing(&stage, wanted)).await;
            let error = refused.data("reserveSeats.errors.0");
            assert_eq!(error["code"], "LIMIT_EXCEEDED", "{}", refused.body);
            let held = held + standing_held as usize;
            assert_eq!(
                ["limit", "taken", "reserved", "bought"].map(|field| error[field].clone()),
                [json!(8), json!(sold + held), json!(held), json!(sold)]
            );
            assert_eq!(error["ownReservationIds"], json!(own), "{error}");
        }
    });
}

/// Returns the stage's names for an event of its own.
fn stage_of(stage: &Stage) -> Stage {
    let text = str::to_owned;
    Stage {
        vendor: text(&stage.vendor),
        category: text(&stage.category),
        shop: text(&stage.shop),
        venue: text(&stage.venue),
        map: text(&stage.map),
        event: String::new(),
        seats: Vec::new(),
        area: String::new(),
    }
}

#[test]
fn full_area_names_the_buyers_own_reservations() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let mut buyers = Vec::new();
        // Seven buyers take 49 of the 50 places.
        for _ in 0..7 {
            let buyer = world.guest().await;
            let id = reserved(world, &buyer, &stage, standing(&stage, 7)).await;
            buyers.push((buyer, id));
        }
        let (buyer, own) = &buyers[3];
        let refused = reserve(world, buyer, &stage, standing(&stage, 2)).await;
        // The limit of 8 is checked after the places.
        let error = refused.data("reserveSeats.errors.0");
        assert_eq!(
            (&error["code"], &error["available"]),
            (&json!("AREA_FULL"), &json!(1)),
            "{}",
            refused.body
        );
        assert_eq!(error["ownReservationIds"], json!([own]));
        let stranger = world.guest().await;
        let refused = reserve(world, &stranger, &stage, standing(&stage, 2)).await;
        assert_eq!(refused.refusal("reserveSeats").as_deref(), Some("AREA_FULL"));
        assert_eq!(refused.data("reserveSeats.errors.0.ownReservationIds"), json!([]));
    });
}

#[test]
fn coupon_limit_tells_reserved_and_claimed_copies_apart() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let claim = async |coupon: &str| {
            world.gql(Some(&buyer), CLAIM, json!({ "coupon": coupon, "key": key(world) })).await
        };
        let copies = async |coupon: &str, quantity: u32| {
            let input = json!({ "coupon": coupon, "quantity": quantity, "key": key(world) });
            world.gql(Some(&buyer), COPIES, input).await
        };
        let numbers = |error: &Value| {
            ["limit", "taken", "reserved", "claimed"].map(|field| error[field].as_u64().unwrap_or(99))
        };
        // A free coupon: all copies are claimed.
        let free = world.published(&stage, json!({ "limitPerBuyer": 2 })).await;
        claim(&free).await.good();
        claim(&free).await.good();
        let refused = claim(&free).await;
        let error = refused.data("claimCoupon.errors.0");
        assert_eq!(error["code"], "LIMIT_REACHED", "{}", refused.body);
        assert_eq!((numbers(&error), &error["ownReservationIds"]), ([2, 2, 0, 2], &json!([])));
        // A coupon with a price: one bought, two reserved.
        let price = json!({ "amount": "4.00", "currency": "EUR" });
        let paid = world.published(&stage, json!({ "limitPerBuyer": 3, "price": price })).await;
        let first = copies(&paid, 1).await.good().text("reserveCoupon.reservation.id");
        let refused = copies(&paid, 3).await;
        let error = refused.data("reserveCoupon.errors.0");
        assert_eq!((numbers(&error), &error["ownReservationIds"]), ([3, 1, 1, 0], &json!([first])));
        bought(world, &buyer, &first).await;
        let second = copies(&paid, 2).await.good().text("reserveCoupon.reservation.id");
        let refused = copies(&paid, 1).await;
        let error = refused.data("reserveCoupon.errors.0");
        assert_eq!(error["code"], "LIMIT_REACHED", "{}", refused.body);
        assert_eq!((numbers(&error), &error["ownReservationIds"]), ([3, 3, 2, 1], &json!([second])));
        // The last copies are in an own reservation.
        let few = world.published(&stage, json!({ "limitPerBuyer": 9, "stock": 2, "price": price })).await;
        let third = copies(&few, 2).await.good().text("reserveCoupon.reservation.id");
        let refused = copies(&few, 1).await;
        let error = refused.data("reserveCoupon.errors.0");
        assert_eq!((&error["code"], &error["left"]), (&json!("SOLD_OUT"), &json!(0)), "{}", refused.body);
        assert_eq!(error["ownReservationIds"], json!([third]));
    });
}
