//! Percentages at the checkout: computed on the total, rounded half up, shared by the largest remainders, and refunded
//! exactly.

use chrono::TimeDelta;
use entity::coupon::CouponKind;
use serde_json::{Value, json};

use crate::support::{World, run};

const REFUND: &str = "mutation($id: ID!, $key: String!) {
    refundOrder(input: { orderId: $id, idempotencyKey: $key }) {
        order { state } refund { amount { amount } } errors { code message } } }";
const APPLICABLE: &str = "query($ids: [ID!]!) { applicableCoupons(reservationIds: $ids) {
    saves { amount currency } reason } }";

/// Returns the plan of one row of ten seats.
fn plan() -> String {
    let seat = |number: usize| {
        json!({ "seat_guid": format!("s{number}"), "seat_number": number.to_string(),
            "position": { "x": 20 * number, "y": 0 }, "category": "Seat" })
    };
    json!({
        "name": "Row", "size": { "width": 400, "height": 100 }, "categories": [{ "name": "Seat", "color": "#aa0000" }],
        "zones": [{ "name": "Hall", "position": { "x": 0, "y": 0 }, "rows": [{ "row_number": "1",
            "position": { "x": 0, "y": 0 }, "seats": (1..=10).map(seat).collect::<Vec<_>>() }] }],
    })
    .to_string()
}

/// A shop in a currency with one event, whose seats cost `price`. Returns the event and its seats.
async fn event(
    world: &World,
    (vendor, category): (&str, &str),
    currency: &str,
    price: &str,
) -> (String, Vec<String>) {
    let run = async |document: &str, input: Value, path: &str| {
        world.gql(Some(vendor), document, json!({ "input": input })).await.good().text(path)
    };
    let shop = "mutation($input: CreateShopInput!) { createShop(input: $input) { shop { id } errors { code message } } }";
    let shop =
        run(shop, json!({ "name": format!("Shop {currency}"), "currency": currency }), "createShop.shop.id")
            .await;
    let venue = "mutation($input: CreateVenueInput!) { createVenue(input: $input) { venue { id } errors { code message } } }";
    let input = json!({ "shopId": shop, "name": "Row", "city": "Graz", "country": "AT", "timeZone": "Europe/Vienna" });
    let venue = run(venue, input, "createVenue.venue.id").await;
    world.import(vendor, &venue, &plan()).await;
    let starts = world.app.clock.now() + TimeDelta::days(20);
    let event = "mutation($input: CreateEventInput!) { createEvent(input: $input) { event { id } errors { code message } } }";
    let input = json!({ "shopId": shop, "venueId": venue, "categoryId": category, "name": "Show", "startsAt": starts,
        "endsAt": starts + TimeDelta::hours(2), "refundUntil": starts, "orphanRule": false, "limitPerBuyer": 10 });
    let event = run(event, input, "createEvent.event.id").await;
    let tier = "mutation($input: CreateTierInput!) { createTier(input: $input) { tier { id } errors { code message } } }";
    let input = json!({ "eventId": event, "name": "Seat", "categories": ["Seat"], "taxBasisPoints": 1000,
        "basePrice": { "amount": price, "currency": currency } });
    run(tier, input, "createTier.tier.id").await;
    let publish = "mutation($input: PublishEventInput!) { publishEvent(input: $input) { event { id } errors { code message } } }";
    run(publish, json!({ "eventId": event, "expectedVersion": 1 }), "publishEvent.event.id").await;
    let seats = "query($event: ID!) { event(id: $event) { seatMap { zones { rows { seats { id } } } } } }";
    let seats = world.gql(None, seats, json!({ "event": event })).await.good();
    let seats = seats.data("event.seatMap.zones.0.rows.0.seats");
    let id = |seat: &Value| seat["id"].as_str().expect("an id").to_owned();
    (event, seats.as_array().expect("seats").iter().map(id).collect())
}

#[test]
fn percentage_of_an_order_is_exact() {
    // Currency, price, seats, hundredths of a percent, discount, total.
    let cases = [
        ("EUR", "19.99", 1, 2_500, "5.00", "14.99"),
        ("EUR", "12.35", 8, 1_000, "9.88", "88.92"),
        ("JPY", "19", 10, 500, "10", "180"),
        ("EUR", "0.04", 10, 1_000, "0.04", "0.36"),
        ("EUR", "3.33", 3, 3_333, "3.33", "6.66"),
        ("EUR", "8.90", 7, 1_250, "7.79", "54.51"),
        ("JPY", "999", 3, 1_500, "450", "2547"),
        ("EUR", "0.01", 1, 5_000, "0.01", "0.00"),
        ("EUR", "99.99", 2, 9_999, "199.96", "0.02"),
    ];
    run(async |world: &World| {
        let stage = world.stage().await;
        for (index, (currency, price, count, basis_points, off, total)) in cases.into_iter().enumerate() {
            let (event, seats) = event(world, (&stage.vendor, &stage.category), currency, price).await;
            let buyer = world.guest().await;
            let document = "query($id: ID!) { event(id: $id) { shop { id } } }";
            let shop = world.gql(None, document, json!({ "id": event })).await.good().text("event.shop.id");
            let shop: type_safe_id::TypeSafeId<type_safe_id::DynamicType> = shop.parse().expect("a shop");
            let coupon = world
                .coupon(|coupon| {
                    coupon.shop_id = entity::ShopId(shop.uuid());
                    currency.clone_into(&mut coupon.currency);
                    coupon.kind = CouponKind::PercentOff;
                    (coupon.amount_minor, coupon.basis_points) = (None, Some(basis_points));
                })
                .await;
            let claim = world.given_claim(&coupon, &buyer).await;
            let picked: Vec<&str> = seats[..count].iter().map(String::as_str).collect();
            let reservation = world.reserve(&buyer, &event, &picked).await;
            let saves = world.gql(Some(&buyer), APPLICABLE, json!({ "ids": [reservation] })).await.good();
            assert_eq!(saves.data("applicableCoupons.0.saves.amount"), off, "the preview, {}", saves.body);
            let made =
                world.spend(&buyer, &[&reservation], &[&claim], &format!("round-{index}")).await.good();
            let order = made.data("checkout.order");
            assert_eq!(order["discount"]["amount"], off, "{basis_points} off {count} × {price}: {order}");
            assert_eq!(order["total"]["amount"], total, "{basis_points} off {count} × {price}");
            let lines = order["lines"].as_array().expect("lines");
            let minor = |of: &Value| -> i64 {
                of["amount"].as_str().expect("an amount").replace('.', "").parse().expect("digits")
            };
            let parts: Vec<i64> = lines.iter().map(|line| minor(&line["discount"])).collect();
            assert_eq!(parts.iter().sum::<i64>(), minor(&order["discount"]));
            let spread = parts.iter().max().expect("lines") - parts.iter().min().expect("lines");
            assert!(spread <= 1, "equal lines get equal shares up to one unit: {parts:?}");
            for line in lines {
                let (rest, tax) = (minor(&line["total"]), minor(&line["tax"]));
                assert_eq!(tax, (2 * rest + 11) / 22, "10 % contained in {rest}");
            }
            // What was paid goes back, to the cent.
            let id = made.text("checkout.order.id");
            let pay = "mutation($id: ID!, $key: String!) { payOrder(input: { orderId: $id, method: \"pm_card_visa\",
                idempotencyKey: $key }) { order { state } errors { code message } } }";
            let key = format!("round-pay-{index}");
            let paid = world.gql(Some(&buyer), pay, json!({ "id": id, "key": key })).await.good();
            assert_eq!(paid.data("payOrder.order.state"), "PAID");
            let key = format!("round-refund-{index}");
            let back = world.gql(Some(&buyer), REFUND, json!({ "id": id, "key": key })).await.good();
            let refunded = back.data("refundOrder.refund.amount.amount");
            let nothing = minor(&order["total"]) == 0;
            assert_eq!(refunded, if nothing { Value::Null } else { json!(total) });
        }
    });
}
