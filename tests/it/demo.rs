//! The demo data is complete and is created once.

use std::time::Duration;

use serde_json::{Value, json};
use tessera::{demo, server};

use crate::support::{World, run};

async fn sign_in(world: &World, email: &str) -> String {
    let document = "mutation($email: String!, $password: String!) {
        signIn(input: { email: $email, password: $password }) { session { accessToken } errors { code } } }";
    let input = json!({ "email": email, "password": demo::PASSWORD });
    world.gql(None, document, input).await.good().text("signIn.session.accessToken")
}

async fn count(world: &World, token: Option<&str>, status: &str) -> Value {
    let document = format!("{{ events(filter: {{ status: [{status}] }}) {{ totalCount }} }}");
    world.gql(token, &document, json!({})).await.good().data("events.totalCount")
}

/// A server's two starts, and another's at the same moment: one of them fills the database.
#[test]
fn an_empty_database_is_filled_once() {
    run(async |world: &World| {
        let second = world.second().await;
        let (one, other) = tokio::join!(demo::fill(&world.app), demo::fill(&second));
        let (one, other) = (one.expect("filled or left"), other.expect("filled or left"));
        assert!(one != other, "one of two fills: {one} {other}");
        assert!(!demo::fill(&world.app).await.expect("left"), "a filled database stays as it is");
        server::close(second, Duration::from_secs(10)).await;

        for (status, events) in [
            ("ON_SALE", 9),
            ("UPCOMING", 2),
            ("SOLD_OUT", 1),
            ("SALES_ENDED", 1),
            ("PAST", 1),
            ("CANCELLED", 1),
            ("DRAFT", 0),
        ] {
            assert_eq!(count(world, None, status).await, json!(events), "{status}");
        }
        everybody_finds_their_own(world).await;
        the_halls_are_as_planned(world).await;
    });
}

async fn everybody_finds_their_own(world: &World) {
    for (email, _) in demo::SIGN_INS {
        sign_in(world, email).await;
    }
    let document = "{ viewer { account { isOperator } shops { role shop { currency } }
        orders(first: 9) { nodes { state total { amount currency } tickets { state event { slug } } } } } }";
    let vendor = sign_in(world, "vendor@tessera.example").await;
    let answer = world.gql(Some(&vendor), document, json!({})).await.good();
    let shop = |currency: &str| json!({ "role": "OWNER", "shop": { "currency": currency } });
    assert_eq!(answer.data("viewer.shops"), json!([shop("JPY"), shop("USD"), shop("EUR")]));
    assert_eq!(count(world, Some(&vendor), "DRAFT").await, json!(1));

    for (name, role) in [("seller", "SELLER"), ("scanner", "SCANNER")] {
        let token = sign_in(world, &format!("{name}@tessera.example")).await;
        let answer = world.gql(Some(&token), document, json!({})).await.good();
        assert_eq!(answer.data("viewer.shops"), json!([{ "role": role, "shop": { "currency": "EUR" } }]));
    }

    let buyer = sign_in(world, "buyer@tessera.example").await;
    let answer = world.gql(Some(&buyer), document, json!({})).await.good();
    let ticket = json!({ "state": "ISSUED", "event": { "slug": "a-midsummer-night" } });
    let order = json!({ "state": "PAID", "total": { "amount": "183.00", "currency": "EUR" },
        "tickets": [ticket, ticket] });
    assert_eq!(answer.data("viewer.orders.nodes"), json!([order]));

    let operator = sign_in(world, "operator@tessera.example").await;
    let answer = world.gql(Some(&operator), document, json!({})).await.good();
    assert_eq!(answer.data("viewer.account.isOperator"), json!(true));
}

async fn the_halls_are_as_planned(world: &World) {
    let document = "query($slug: String!) { event(slug: $slug) {
        capacity seatsLeft seatMap { seatCount } priceRange { lowest { amount currency } } } }";
    for (slug, [seats, capacity, left], (price, currency)) in [
        ("a-midsummer-night", [941, 941, 926], ("41.50", "EUR")),
        ("harbour-derby", [20_224, 25_124, 25_114], ("3530", "JPY")),
        ("jazz-at-midnight", [40, 40, 0], ("19.00", "EUR")),
        ("open-rehearsal", [40, 40, 40], ("0.00", "EUR")),
        ("late-night-laughter", [941, 941, 941], ("35.25", "USD")),
    ] {
        let answer = world.gql(None, document, json!({ "slug": slug })).await.good();
        let lowest = json!({ "amount": price, "currency": currency });
        let event = json!({ "capacity": capacity, "seatsLeft": left, "seatMap": { "seatCount": seats },
            "priceRange": { "lowest": lowest } });
        assert_eq!(answer.data("event"), event, "{slug}");
    }
    let document = "{ categories { slug depth } }";
    let tree = world.gql(None, document, json!({})).await.good();
    let tree = tree.data("categories").as_array().expect("categories").clone();
    assert_eq!(tree.len(), 14);
    assert!(tree.iter().any(|category| category["depth"] == 3), "three levels: {tree:?}");
}
