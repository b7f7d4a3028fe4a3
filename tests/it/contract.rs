//! The contract of mutations and of restricted fields: a failing field does not affect its siblings.

use async_graphql::parser::{
    parse_schema,
    types::{TypeKind, TypeSystemDefinition},
};
use serde_json::{Value, json};
use tessera::graphql;

use crate::support::{World, run};

#[test]
fn every_root_mutation_field_is_nullable() {
    let mutations = parse_schema(graphql::sdl()).expect("good SDL").definitions.into_iter();
    let mutations = mutations.filter_map(|definition| match definition {
        TypeSystemDefinition::Type(definition) if definition.node.name.node == "Mutation" => {
            Some(definition.node.kind)
        }
        _ => None,
    });
    let Some(TypeKind::Object(mutation)) = mutations.last() else { panic!("no mutations") };
    assert!(mutation.fields.len() > 50, "{}", mutation.fields.len());
    for field in mutation.fields {
        assert!(field.node.ty.node.nullable, "{} is not nullable", field.node.name.node);
    }
}

#[test]
fn failed_mutation_keeps_the_results_of_the_others() {
    run(async |world: &World| {
        let document = "mutation { refused: signOut { errors { code } }
            made: createGuestSession { session { accessToken } errors { code } } }";
        let answer = world.gql(None, document, json!({})).await;
        assert_eq!(answer.body["data"]["refused"], Value::Null, "{}", answer.body);
        assert!(answer.body["data"].as_object().expect("data").contains_key("refused"), "{}", answer.body);
        assert_eq!(answer.code().as_deref(), Some("UNAUTHENTICATED"));
        assert_eq!(answer.body["errors"][0]["path"], json!(["refused"]));
        assert_eq!(answer.body["errors"].as_array().map(Vec::len), Some(1));
        // The token is shown only once, and it is valid.
        let token = answer.text("made.session.accessToken");
        let viewer = world.gql(Some(&token), "{ viewer { account { kind } } }", json!({})).await.good();
        assert_eq!(viewer.data("viewer.account.kind"), "GUEST");
    });
}

/// Checks that each field is null, and has one error with this code at its path.
fn refused(body: &Value, object: &str, fields: &[&str], code: &str) {
    for field in fields {
        assert_eq!(body["data"][object].get(field), Some(&Value::Null), "{field}: {body}");
        let errors = body["errors"].as_array().expect("errors").iter();
        let mut errors = errors.filter(|error| error["path"] == json!([object, field]));
        let error = errors.next().unwrap_or_else(|| panic!("{field} has no error: {body}"));
        assert_eq!(error["extensions"]["code"], code, "{field}: {body}");
        assert!(errors.next().is_none(), "{field}: {body}");
    }
    assert_eq!(body["errors"].as_array().map(Vec::len), Some(fields.len()), "{body}");
}

#[test]
fn restricted_field_is_null_with_an_error_at_its_path() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let coupon = world.published(&stage, json!({})).await;
        let (guest, user) = (world.guest().await, world.user("stranger").await);
        let shop = "query($id: ID!) { shop(id: $id) { name members { email } orders { nodes { id } }
            auditLog { nodes { id } } } }";
        let about_coupon =
            "query($id: ID!) { coupon(id: $id) { title budget { amount } stages { created } } }";
        let map = "query($id: ID!) { seatMap(id: $id) { id plan } }";
        let cases: [(&str, &str, &str, &[&str]); 3] = [
            (shop, &stage.shop, "shop", &["members", "orders", "auditLog"]),
            (about_coupon, &coupon, "coupon", &["budget", "stages"]),
            (map, &stage.map, "seatMap", &["plan"]),
        ];
        for (document, id, object, fields) in cases {
            for (token, code) in
                [(None, "UNAUTHENTICATED"), (Some(&guest), "FORBIDDEN"), (Some(&user), "FORBIDDEN")]
            {
                let answer = world.gql(token.map(String::as_str), document, json!({ "id": id })).await;
                refused(&answer.body, object, fields, code);
            }
            world.gql(Some(&stage.vendor), document, json!({ "id": id })).await.good();
        }
    });
}

#[test]
fn buyers_data_is_null_with_an_error_for_the_shop() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let coupon = world.published(&stage, json!({})).await;
        let (claim, _) = world.claim(&buyer, &coupon).await;
        let reservation = world.reserve(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let checkout =
            "mutation($reservation: ID!, $claim: ID!) { checkout(input: { reservationIds: [$reservation],
            claimIds: [$claim], contact: { name: \"A Buyer\", email: \"buyer@tessera.test\" },
            idempotencyKey: \"with-a-claim\" }) { order { id } errors { code message } } }";
        let input = json!({ "reservation": reservation, "claim": claim });
        let order = world.gql(Some(&buyer), checkout, input).await.good().text("checkout.order.id");
        world.pay(&buyer, &order, "pm_card_visa", "pay-for-it").await.good();
        let document =
            "query($id: ID!) { order(id: $id) { number accessToken tickets { id code } claims { id }
            discounts { label claim { id } } } }";
        let own = world.gql(Some(&buyer), document, json!({ "id": order })).await.good();
        let ticket = own.text("order.tickets.0.code");
        let seen = world.gql(Some(&stage.vendor), document, json!({ "id": order })).await;
        let errors: Vec<_> = seen.body["errors"].as_array().expect("errors").iter().collect();
        for path in [
            json!(["order", "accessToken"]),
            json!(["order", "tickets"]),
            json!(["order", "claims"]),
            json!(["order", "discounts", 0, "claim"]),
        ] {
            let error = errors.iter().find(|error| error["path"] == path);
            let error = error.unwrap_or_else(|| panic!("no error at {path}: {}", seen.body));
            assert_eq!(error["extensions"]["code"], "FORBIDDEN", "{}", seen.body);
        }
        assert_eq!(errors.len(), 4, "{}", seen.body);
        assert_eq!(seen.data("order.tickets"), Value::Null, "no empty list");
        assert_eq!(seen.data("order.discounts.0.claim"), Value::Null);
        // The scanner gets the object, but not the code.
        let scan = "mutation($code: String!) { checkIn(input: { code: $code }) { ticket { id code } errors { code } } }";
        let scanned = world.gql(Some(&stage.vendor), scan, json!({ "code": ticket })).await;
        assert_eq!(scanned.data("checkIn.ticket.id"), own.data("order.tickets.0.id"), "{}", scanned.body);
        assert_eq!(scanned.body["errors"][0]["path"], json!(["checkIn", "ticket", "code"]));
        assert_eq!(scanned.code().as_deref(), Some("FORBIDDEN"));
    });
}
