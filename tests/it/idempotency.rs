//! Idempotency keys: every mutation that takes one has one effect for calls with the same key and input.
//!
//! A new mutation with a key fails `every_mutation_with_a_key_is_in_the_table` until it is in [`TABLE`].

use std::collections::BTreeSet;

use async_graphql::parser::{
    parse_schema,
    types::{BaseType, TypeKind, TypeSystemDefinition},
};
use chrono::TimeDelta;
use entity::outbox::idempotency;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::{Value, json};
use tessera::graphql;

use crate::support::{
    Answer, World,
    given::{Stage, small_plan},
    given_coupon::five_off,
    run,
};

/// The mutations that take a key, with the fields of their payloads that show which effect they had.
const TABLE: &[(&str, &str)] = &[
    ("reserveSeats", "reservation { id }"),
    ("checkout", "order { id }"),
    ("payOrder", "payment { id }"),
    ("refundOrder", "order { id } refund { id }"),
    ("claimCoupon", "claim { id }"),
    ("claimCode", "claim { id }"),
    ("reserveCoupon", "reservation { id }"),
    ("redeemClaim", "claim { id balance { amount } }"),
    ("importCouponCodes", "coupon { id } imported"),
    ("generateCouponCodes", "coupon { id } generated"),
    ("withdrawCouponCode", "coupon { id stock }"),
    ("createCategory", "category { id }"),
    ("createShop", "shop { id }"),
    ("createVenue", "venue { id }"),
    ("importSeatMap", "seatMap { id revision }"),
    ("createEvent", "event { id }"),
    ("duplicateEvent", "event { id }"),
    ("createEvents", "event { id seriesId } events { id }"),
    ("createTier", "tier { id }"),
    ("createProduct", "product { id }"),
    ("createCoupon", "coupon { id }"),
    ("checkIn", "ticket { id state checkedInAt }"),
    ("checkOut", "ticket { id state checkedOutAt }"),
];

/// How often each race is run.
const ROUNDS: usize = 3;

/// A call that succeeds.
struct Call {
    /// The caller's token.
    token: String,
    /// The input without the key.
    input: Value,
    /// Fields of the input that differ in a call that misuses the key.
    changed: Value,
}

#[test]
fn every_mutation_with_a_key_is_in_the_table() {
    let document = parse_schema(graphql::sdl()).expect("valid SDL");
    let mut with_key = BTreeSet::new();
    let mut mutations = Vec::new();
    for definition in document.definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        match definition.node.kind {
            TypeKind::InputObject(input)
                if input.fields.iter().any(|field| field.node.name.node == "idempotencyKey") =>
            {
                with_key.insert(definition.node.name.node.to_string());
            }
            TypeKind::Object(object) if definition.node.name.node == "Mutation" => mutations = object.fields,
            TypeKind::InputObject(_)
            | TypeKind::Object(_)
            | TypeKind::Scalar
            | TypeKind::Interface(_)
            | TypeKind::Union(_)
            | TypeKind::Enum(_) => {}
        }
    }
    let takes_key = |field: &async_graphql::parser::types::FieldDefinition| {
        field.arguments.iter().any(|argument| match &argument.node.ty.node.base {
            BaseType::Named(name) => {
                with_key.contains(name.as_str()) || argument.node.name.node == "idempotencyKey"
            }
            BaseType::List(_) => false,
        })
    };
    let expected: BTreeSet<String> = mutations
        .iter()
        .filter(|field| takes_key(&field.node))
        .map(|field| field.node.name.node.to_string())
        .collect();
    let listed: BTreeSet<String> = TABLE.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert!(expected.len() >= 10, "the SDL was not understood: {expected:?}");
    assert_eq!(listed, expected);
}

#[test]
fn concurrent_and_repeated_calls_have_one_effect_and_other_input_is_refused() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let second = World::of(world.second().await, world.backend, &world.url);
        for (mutation, selection) in TABLE {
            for round in 0..ROUNDS {
                let call = call(world, &stage, mutation, round).await;
                let key = format!("one-key-{mutation}-{round}");
                let send = async |world: &World, input: &Value| {
                    let mut input = input.clone();
                    input["idempotencyKey"] = key.clone().into();
                    world
                        .gql(Some(&call.token), &document(mutation, selection), json!({ "input": input }))
                        .await
                };
                // Race: two servers receive the same call at the same time.
                let (first, other) = tokio::join!(send(world, &call.input), send(&second, &call.input));
                let effect = effect(&first.good(), mutation);
                assert_eq!(
                    self::effect(&other.good(), mutation),
                    effect,
                    "the concurrent call of {mutation}"
                );
                // Replay: the client lost the answer and calls again.
                let again = send(world, &call.input).await.good();
                assert_eq!(self::effect(&again, mutation), effect, "the repeated call of {mutation}");
                let uses = idempotency::Entity::find().filter(idempotency::Column::Key.eq(&key));
                let uses = uses.count(world.app.store.read()).await.expect("a count");
                assert_eq!(uses, 1, "{mutation} stores its key once");
                // Mismatch: the same key with another input.
                let mut misused = call.input.clone();
                for (name, value) in call.changed.as_object().expect("an object") {
                    misused[name] = value.clone();
                }
                let refused = send(world, &misused).await;
                let code = refused.refusal(mutation);
                assert_eq!(code.as_deref(), Some("IDEMPOTENCY_MISMATCH"), "{mutation}: {}", refused.body);
            }
        }
        second.end().await;
    });
}

/// Returns the document of a mutation with the type of its input.
fn document(mutation: &str, selection: &str) -> String {
    let (head, tail) = mutation.split_at(1);
    let input = format!("{}{tail}Input", head.to_uppercase());
    format!(
        "mutation($input: {input}!) {{ {mutation}(input: $input) {{ {selection} errors {{ code message path }} }} }}"
    )
}

fn effect(answer: &Answer, mutation: &str) -> Value {
    let payload = answer.data(mutation);
    let has_object = payload.as_object().expect("a payload").values().any(Value::is_object);
    assert!(has_object, "{mutation} returns no object: {payload}");
    payload
}

/// Returns the input of a draft event.
fn draft(world: &World, stage: &Stage, name: &str) -> Value {
    let at = world.app.clock.now() + TimeDelta::days(90);
    json!({ "shopId": stage.shop, "venueId": stage.venue, "categoryId": stage.category, "name": name,
        "startsAt": at, "endsAt": at })
}

/// Prepares a call of the mutation that succeeds.
#[expect(clippy::too_many_lines, reason = "one arm for each mutation of the table")]
async fn call(world: &World, stage: &Stage, mutation: &str, round: usize) -> Call {
    let guest = world.guest().await;
    let seat = |nth: usize| stage.seats[nth * ROUNDS + round].as_str();
    let contact = |name: &str| json!({ "name": name, "email": "buyer@tessera.test" });
    match mutation {
        "reserveSeats" => Call {
            token: guest,
            input: json!({ "eventId": stage.event, "pick": { "seatIds": [seat(0)] } }),
            changed: json!({ "pick": { "seatIds": [seat(4), seat(5)] } }),
        },
        "checkout" => {
            let reservation = world.reserve(&guest, &stage.event, &[seat(1)]).await;
            Call {
                token: guest,
                input: json!({ "reservationIds": [reservation], "contact": contact("A Buyer") }),
                changed: json!({ "contact": contact("Another Buyer") }),
            }
        }
        "payOrder" => {
            let reservation = world.reserve(&guest, &stage.event, &[seat(2)]).await;
            let order = world.checkout(&guest, &[&reservation]).await;
            Call {
                token: guest,
                input: json!({ "orderId": order, "method": "pm_card_visa" }),
                changed: json!({ "method": "pm_card_other" }),
            }
        }
        "refundOrder" => {
            let order = world.buy(&guest, &stage.event, &[seat(3)]).await;
            Call {
                token: guest,
                input: json!({ "orderId": order, "reason": "rain" }),
                changed: json!({ "reason": "snow" }),
            }
        }
        "claimCoupon" => {
            let coupon = world.published(stage, json!({})).await;
            let other = world.published(stage, json!({})).await;
            Call { token: guest, input: json!({ "couponId": coupon }), changed: json!({ "couponId": other }) }
        }
        "claimCode" => {
            let code = format!("CODE-OF-ROUND-{round}");
            world.published_with(stage, &format!("code\n{code}\n"), json!({})).await;
            Call {
                token: guest,
                input: json!({ "shopId": stage.shop, "code": code }),
                changed: json!({ "code": "CODE-OF-NO-ROUND" }),
            }
        }
        "reserveCoupon" => {
            let price = json!({ "price": { "amount": "4.50", "currency": "EUR" } });
            let coupon = world.published(stage, price).await;
            Call {
                token: guest,
                input: json!({ "couponId": coupon, "quantity": 1 }),
                changed: json!({ "quantity": 2 }),
            }
        }
        "redeemClaim" => {
            let gift_card =
                json!({ "kind": "GIFT_CARD", "amount": { "amount": "50.00", "currency": "EUR" } });
            let coupon = world.published(stage, gift_card).await;
            let (_, code) = world.claim(&guest, &coupon).await;
            let amount = |amount: &str| json!({ "amount": amount, "currency": "EUR" });
            Call {
                token: stage.vendor.clone(),
                input: json!({ "shopId": stage.shop, "code": code, "amount": amount("20.00") }),
                changed: json!({ "amount": amount("21.00") }),
            }
        }
        "importCouponCodes" => {
            let coupon = world.draft_coupon(stage, json!({ "codes": "UPLOADED" })).await;
            Call {
                token: stage.vendor.clone(),
                input: json!({ "couponId": coupon, "csv": format!("code\nIMPORTED-{round}-1\nIMPORTED-{round}-2\n") }),
                changed: json!({ "csv": format!("code\nIMPORTED-{round}-3\n") }),
            }
        }
        "generateCouponCodes" => {
            let coupon = world.draft_coupon(stage, json!({ "codes": "UPLOADED" })).await;
            Call {
                token: stage.vendor.clone(),
                input: json!({ "couponId": coupon, "count": 7 }),
                changed: json!({ "count": 8 }),
            }
        }
        "withdrawCouponCode" => {
            let coupon = world.draft_coupon(stage, json!({ "codes": "UPLOADED" })).await;
            let codes = format!("GONE-{round}-1\nGONE-{round}-2\n");
            world.import_codes(&stage.vendor, &coupon, &codes).await.good();
            Call {
                token: stage.vendor.clone(),
                input: json!({ "couponId": coupon, "code": format!("GONE-{round}-1") }),
                changed: json!({ "code": format!("GONE-{round}-2") }),
            }
        }
        other => created(world, stage, other, round).await,
    }
}

/// Prepares a call of a vendor's mutation that succeeds.
async fn created(world: &World, stage: &Stage, mutation: &str, round: usize) -> Call {
    let name = format!("Number {round}");
    let other = json!({ "name": "Another name" });
    let mut token = stage.vendor.clone();
    let (input, changed) = match mutation {
        "createCategory" => {
            token = world.sign_in("operator").await;
            (json!({ "name": name }), other)
        }
        "createShop" => (json!({ "name": name, "currency": "EUR" }), other),
        "createVenue" => {
            let (city, country, zone) = ("Linz", "AT", "Europe/Vienna");
            (
                json!({ "shopId": stage.shop, "name": name, "city": city, "country": country, "timeZone": zone }),
                other,
            )
        }
        "importSeatMap" => {
            let changed = json!({ "plan": small_plan().replace("Small hall", "Another hall") });
            (json!({ "venueId": stage.venue, "plan": small_plan() }), changed)
        }
        "createEvent" => (draft(world, stage, &name), other),
        "duplicateEvent" => {
            (json!({ "eventId": stage.event, "startsAt": "2027-05-01T18:00:00Z", "name": name }), other)
        }
        "createEvents" => {
            let day = 10 * round + 1;
            let starts = [0, 1, 2].map(|more| format!("2027-05-{:02}T18:00:00Z", day + more));
            (json!({ "eventId": stage.event, "dates": { "startsAt": starts }, "name": name }), other)
        }
        "createTier" => {
            let document = document("createEvent", "event { id }");
            let draft = json!({ "input": draft(world, stage, &format!("Draft for {name}")) });
            let event = world.gql(Some(&stage.vendor), &document, draft).await.good();
            let price = json!({ "amount": "3.00", "currency": "EUR" });
            let input = json!({ "eventId": event.text("createEvent.event.id"), "name": name, "basePrice": price,
                "categories": ["Front"] });
            (input, other)
        }
        "createProduct" => {
            (json!({ "shopId": stage.shop, "categoryId": stage.category, "name": name }), other)
        }
        "createCoupon" => (five_off(stage, &json!({})), json!({ "title": "Another title" })),
        "checkIn" | "checkOut" => {
            let nth = if mutation == "checkIn" { 6 } else { 7 };
            let bought = world.bought(&stage.event, &stage.seats[nth * ROUNDS + round]).await;
            if mutation == "checkOut" {
                world.scan(&stage.vendor, &bought.code).await.good();
            }
            (json!({ "code": bought.code }), json!({ "eventId": stage.event }))
        }
        other => panic!("{other} is in the table, but has no call here"),
    };
    Call { token, input, changed }
}
