//! Amounts in the API: prices include fees, sums add up, and every amount has its currency.

use async_graphql::parser::{
    parse_schema,
    types::{BaseType, Type, TypeKind, TypeSystemDefinition},
};
use serde_json::{Value, json};
use tessera::graphql;
use test_case::test_case;

use crate::support::Database::{self, Postgres, Sqlite};
use crate::support::{World, run, run_on};

const AMOUNTS: &str = "subtotal { amount } fees { amount } tax { amount } total { amount }";

/// Returns an amount with two decimal places in cents.
fn cents(of: &Value, field: &str) -> i64 {
    let amount = of[field]["amount"].as_str().unwrap_or_else(|| panic!("{field} in {of}"));
    amount.replace('.', "").parse().unwrap_or_else(|_| panic!("{amount} has two decimal places"))
}

fn sum(of: &Value, field: &str) -> i64 {
    of.as_array().expect("a list").iter().map(|one| cents(one, field)).sum()
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn tier_prices_include_the_fee(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let document =
            "query($id: ID!) { event(id: $id) { priceRange { lowest { amount } highest { amount } }
            tiers { price { amount } basePrice { amount } fee { amount } }
            availability { tiers { price { amount } tier { price { amount } } } } } }";
        let shown = world.gql(None, document, json!({ "id": stage.event })).await.good();
        let tiers = shown.data("event.tiers");
        let prices: Vec<i64> =
            tiers.as_array().expect("tiers").iter().map(|tier| cents(tier, "price")).collect();
        for (tier, price) in tiers.as_array().expect("tiers").iter().zip(&prices) {
            assert_eq!((cents(tier, "basePrice") + cents(tier, "fee"), cents(tier, "fee")), (*price, 100));
        }
        let range = shown.data("event.priceRange");
        let bounds = (Some(cents(&range, "lowest")), Some(cents(&range, "highest")));
        assert_eq!(bounds, (prices.iter().min().copied(), prices.iter().max().copied()));
        for tier in shown.data("event.availability.tiers").as_array().expect("tiers") {
            assert_eq!(tier["price"], tier["tier"]["price"]);
        }
    });
}

#[test]
#[expect(clippy::too_many_lines, reason = "one purchase with all kinds of amounts")]
fn sums_of_reservations_and_orders_add_up() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let five_off = world.published(&stage, json!({})).await;
        let card = json!({ "title": "Card", "kind": "GIFT_CARD", "amount": { "amount": "26.50", "currency": "EUR" } });
        let card = world.published(&stage, card).await;
        let five_off = world.claim(&buyer, &five_off).await.0;
        let card = world.claim(&buyer, &card).await.0;

        // Two seats at 20.00 and three places at 5.00, each with a fee of 1.00.
        let seats = world.reserve(&buyer, &stage.event, &[&stage.seats[0], &stage.seats[1]]).await;
        let reserve = "mutation($event: ID!, $area: ID!) { reserveSeats(input: { eventId: $event,
            idempotencyKey: \"three-places\", pick: { admission: { areaId: $area, quantity: 3 } } }) {
            reservation { id } errors { code message } } }";
        let input = json!({ "event": stage.event, "area": stage.area });
        let places = world.gql(Some(&buyer), reserve, input).await.good();
        let places = places.text("reserveSeats.reservation.id");
        let document = format!(
            "query($id: ID!) {{ reservation(id: $id) {{ {AMOUNTS} items {{ quantity price {{ amount }}
                basePrice {{ amount }} fee {{ amount }} tax {{ amount }} total {{ amount }} }} }} }}"
        );
        for (id, expected) in [(&seats, [4_000, 200, 4_200]), (&places, [1_500, 300, 1_800])] {
            let reserved = world.gql(Some(&buyer), &document, json!({ "id": id })).await.good();
            let reserved = reserved.data("reservation");
            assert_eq!(["subtotal", "fees", "total"].map(|field| cents(&reserved, field)), expected);
            assert_eq!(sum(&reserved["items"], "total"), cents(&reserved, "total"));
            let mut tax = 0;
            for item in reserved["items"].as_array().expect("items") {
                let [price, base, fee, total] =
                    ["price", "basePrice", "fee", "total"].map(|field| cents(item, field));
                let quantity = item["quantity"].as_i64().expect("a number");
                assert_eq!((base + fee, quantity * price), (price, total), "{item}");
                tax += quantity * cents(item, "tax");
            }
            assert_eq!(cents(&reserved, "tax"), tax);
        }

        let checkout = format!(
            "mutation($reservations: [ID!]!, $claims: [ID!]!, $key: String!) {{ checkout(input: {{
                reservationIds: $reservations, claimIds: $claims, idempotencyKey: $key,
                contact: {{ name: \"A Buyer\", email: \"buyer@tessera.test\" }} }}) {{
                order {{ {AMOUNTS} discount {{ amount }} discounts {{ amount {{ amount }} }}
                    lines {{ price {{ amount }} basePrice {{ amount }} fee {{ amount }} discount {{ amount }}
                        tax {{ amount }} total {{ amount }} }} }}
                errors {{ code message }} }} }}"
        );
        let cases = [
            (&seats, vec![&five_off, &card], [4_000, 200, 3_150, 1_050]),
            (&places, vec![], [1_500, 300, 0, 1_800]),
        ];
        for (reservation, claims, expected) in cases {
            let input = json!({ "reservations": [reservation], "claims": claims, "key": reservation });
            let order = world.gql(Some(&buyer), &checkout, input).await.good().data("checkout.order");
            let [subtotal, fees, discount, total] =
                ["subtotal", "fees", "discount", "total"].map(|field| cents(&order, field));
            assert_eq!([subtotal, fees, discount, total], expected);
            assert_eq!(subtotal + fees - discount, total);
            let lines = &order["lines"];
            for (of_lines, of_order) in [
                ("basePrice", "subtotal"),
                ("fee", "fees"),
                ("discount", "discount"),
                ("tax", "tax"),
                ("total", "total"),
            ] {
                assert_eq!(sum(lines, of_lines), cents(&order, of_order), "{of_lines}");
            }
            assert_eq!(sum(&order["discounts"], "amount"), discount);
            for line in lines.as_array().expect("lines") {
                let [price, base, fee, discount, total] =
                    ["price", "basePrice", "fee", "discount", "total"].map(|field| cents(line, field));
                assert_eq!((base + fee, price - discount), (price, total), "{line}");
            }
        }
    });
}

/// The fields and input fields with these names are amounts of money.
const MONEY: &[&str] = &[
    "amount",
    "balance",
    "basePrice",
    "budget",
    "cap",
    "discount",
    "face",
    "fee",
    "fees",
    "highest",
    "lowest",
    "lowestPrice",
    "minimumSpend",
    "missing",
    "price",
    "saves",
    "subtotal",
    "tax",
    "total",
];

#[test]
fn amounts_have_a_currency() {
    let sdl = graphql::sdl();
    assert!(!sdl.contains("minor unit"), "amounts are of the type Money");
    let (mut amounts, mut wrong) = (0, Vec::new());
    let mut check = |of: &str, field: &str, ty: &Type, money: &str| {
        let is_inside = matches!(of, "Money" | "MoneyInput");
        if MONEY.contains(&field) && !is_inside {
            amounts += 1;
            if !matches!(&ty.base, BaseType::Named(name) if name == money) {
                wrong.push(format!("{of}.{field}: {ty}"));
            }
        }
    };
    for definition in parse_schema(&sdl).expect("good SDL").definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        let name = definition.node.name.node.to_string();
        match &definition.node.kind {
            TypeKind::Object(object) => {
                for field in &object.fields {
                    check(&name, field.node.name.node.as_str(), &field.node.ty.node, "Money");
                }
            }
            TypeKind::InputObject(input) => {
                for field in &input.fields {
                    check(&name, field.node.name.node.as_str(), &field.node.ty.node, "MoneyInput");
                }
            }
            TypeKind::Interface(_) | TypeKind::Union(_) | TypeKind::Scalar | TypeKind::Enum(_) => {}
        }
    }
    assert!(wrong.is_empty() && amounts > 40, "amounts without a currency among {amounts}: {wrong:?}");
}
