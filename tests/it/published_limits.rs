//! The published limits are the enforced ones: at each limit a call succeeds, and one step beyond it fails.

use serde_json::{Value, json};
use tessera::http::Patience;

use crate::support::{World, run, run_once, socket::Socket, wire::JSON};

const LIMITS: &str = "{ limits { pageSize defaultPageSize
    documents { bytes tokens depth aliases fragments queryFields mutationFields cost }
    requests { bodyBytes importBodyBytes responseBytes querySeconds mutationSeconds }
    sockets { messageBytes operations runningOperations perAccount perNetwork }
    purchases { placesPerReservation reservationsPerOrder claimsPerOrder }
    uploads { seatMapBytes seatsPerSeatMap areasPerSeatMap tiersPerEvent eventsPerCall codesPerUpload codesBytes codesPerCoupon }
    texts { name description shopDescription address reason idempotencyKeyMin idempotencyKeyMax }
    rates { class perNetwork { burst perMinute } perAccount { burst perMinute } } } }";

async fn limits(world: &World) -> Value {
    world.gql(None, LIMITS, json!({})).await.good().data("limits")
}

fn number(limits: &Value, path: &str) -> usize {
    let value = limits.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("{path} in {limits}"));
    usize::try_from(value).expect("a size")
}

#[test]
fn every_limit_is_a_positive_number() {
    run_once(async |world: &World| {
        let limits = limits(world).await;
        let groups = limits.as_object().expect("limits");
        assert_eq!(groups.len(), 9);
        let numbers = |value: &Value| -> Vec<Value> {
            value.as_object().map_or_else(|| vec![value.clone()], |all| all.values().cloned().collect())
        };
        for (name, value) in groups.iter().filter(|(name, _)| *name != "rates") {
            for number in numbers(value) {
                assert!(
                    number.as_i64().is_some_and(|number| number > 0 && number < i64::from(i32::MAX)),
                    "{name}: {value}"
                );
            }
        }
        let classes: Vec<_> =
            limits["rates"].as_array().expect("rates").iter().map(|rate| &rate["class"]).collect();
        assert_eq!(classes, ["PAY", "RESERVE", "SIGN_IN", "BROWSE", "VENDOR"]);
    });
}

#[test]
fn pages_have_the_published_size() {
    run_once(async |world: &World| {
        let limits = limits(world).await;
        let most = number(&limits, "/pageSize");
        let page = "query($first: Int) { events(first: $first) { totalCount } }";
        world.gql(None, page, json!({ "first": most })).await.good();
        let refused = world.gql(None, page, json!({ "first": most + 1 })).await;
        assert_eq!(refused.code().as_deref(), Some("BAD_USER_INPUT"), "{}", refused.body);
        let owner = world.user("owner").await;
        let usual = number(&limits, "/defaultPageSize");
        for _ in 0..=usual {
            let shop = "mutation { createShop(input: { name: \"Hall\", currency: \"EUR\" }) { shop { id } errors { code } } }";
            world.gql(Some(&owner), shop, json!({})).await.good();
        }
        let shops = world.gql(None, "{ shops { totalCount nodes { id } } }", json!({})).await.good();
        assert_eq!(shops.data("shops.totalCount"), usual + 1);
        assert_eq!(shops.data("shops.nodes").as_array().map(Vec::len), Some(usual));
    });
}

#[test]
fn documents_have_the_published_limits() {
    run_once(async |world: &World| {
        let limits = limits(world).await;
        let accepted = async |document: &str| {
            let reply = world.ask(document).await;
            assert!(reply.json()["errors"].is_null(), "{}", reply.text);
        };
        let refused = async |document: &str, code: &str| {
            let reply = world.ask(document).await;
            assert_eq!(reply.json()["errors"][0]["extensions"]["code"], code, "{}", reply.text);
        };
        let bytes = number(&limits, "/documents/bytes");
        let filled = |bytes: usize| format!("{{__typename}}{}", " ".repeat(bytes - "{__typename}".len()));
        accepted(&filled(bytes)).await;
        refused(&filled(bytes + 1), "DOCUMENT_TOO_LARGE").await;
        let with_aliases = |count: usize| {
            let fields: Vec<String> = (0..count).map(|n| format!("a{n}:__typename")).collect();
            format!("{{{}}}", fields.join(" "))
        };
        let most = number(&limits, "/documents/aliases");
        accepted(&with_aliases(most)).await;
        refused(&with_aliases(most + 1), "TOO_MANY_ALIASES").await;
        let deep = |depth: usize| {
            // The root field and the innermost one are two of the levels.
            let parents = depth - 2;
            format!("{{category(slug:\"none\"){}{{id}}{}}}", "{parent".repeat(parents), "}".repeat(parents))
        };
        let depth = number(&limits, "/documents/depth");
        accepted(&deep(depth)).await;
        refused(&deep(depth + 1), "DOCUMENT_TOO_DEEP").await;
        let reply = world
            .post(&[JSON], json!({ "query": "{__typename}", "extensions": { "cost": true } }).to_string());
        let cost = reply.await.json()["extensions"]["cost"]["limit"].clone();
        assert_eq!(cost, limits["documents"]["cost"]);
    });
}

#[test]
fn texts_keys_and_reservations_have_the_published_limits() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let limits = limits(world).await;
        let category = async |name: usize| {
            let document = "mutation($shop: ID!, $category: ID!, $name: String!, $text: String!) {
                createProduct(input: { shopId: $shop, categoryId: $category, name: $name, description: $text }) {
                    product { id } errors { code path } } }";
            let text = number(&limits, "/texts/description") + name - number(&limits, "/texts/name");
            let input = json!({ "shop": stage.shop, "category": stage.category, "name": "ä".repeat(name),
                "text": "ö".repeat(text) });
            world.gql(Some(&stage.vendor), document, input).await
        };
        let name = number(&limits, "/texts/name");
        category(name).await.good();
        let long = category(name + 1).await;
        assert_eq!(long.data("createProduct.errors.0.path"), json!(["name"]), "{}", long.body);
        assert_eq!(long.data("createProduct.errors.1.path"), json!(["description"]), "{}", long.body);

        let buyer = world.guest().await;
        let seats = [stage.seats[0].as_str()];
        for (length, is_good) in [
            (number(&limits, "/texts/idempotencyKeyMin"), true),
            (number(&limits, "/texts/idempotencyKeyMin") - 1, false),
            (number(&limits, "/texts/idempotencyKeyMax"), true),
            (number(&limits, "/texts/idempotencyKeyMax") + 1, false),
        ] {
            let answer = world.try_reserve(&buyer, &stage.event, &seats, &"k".repeat(length)).await;
            let is_invalid = answer.refusal("reserveSeats").as_deref() == Some("INVALID");
            assert_eq!(is_invalid, !is_good, "{length}: {}", answer.body);
        }

        let admission = async |quantity: usize| {
            let document = "mutation($event: ID!, $area: ID!, $quantity: Int!) { reserveSeats(input: { eventId: $event,
                pick: { admission: { areaId: $area, quantity: $quantity } }, idempotencyKey: \"so-many-places\" }) {
                reservation { id } errors { code path } } }";
            let input = json!({ "event": stage.event, "area": stage.area, "quantity": quantity });
            world.gql(Some(&buyer), document, input).await.refusal("reserveSeats")
        };
        let places = number(&limits, "/purchases/placesPerReservation");
        let refusal = admission(places).await;
        assert!(matches!(refusal.as_deref(), Some("LIMIT_EXCEEDED" | "AREA_FULL")), "{refusal:?}");
        assert_eq!(admission(places + 1).await.as_deref(), Some("INVALID"));
    });
}

#[test]
fn sockets_have_the_published_number_of_operations() {
    run_once(async |world: &World| {
        let limits = limits(world).await;
        let buyer = world.guest().await;
        let address = world.listen().await;
        let mut socket = Socket::open(&address, Some(&buyer)).await;
        let operations = number(&limits, "/sockets/operations");
        for operation in 0..operations {
            socket.subscribe(&operation.to_string(), "subscription { bag { id } }", json!({})).await;
            assert!(socket.next().await["bag"]["id"].is_string());
        }
        socket.subscribe("one-more", "subscription { bag { id } }", json!({})).await;
        let refused = socket.message().await;
        assert_eq!((&refused["type"], &refused["id"]), (&json!("error"), &json!("one-more")), "{refused}");
    });
}

#[test]
fn configured_limits_are_published_as_configured() {
    run_once(async |world: &World| {
        let args = [
            "--max-cost",
            "20000",
            "--max-sockets-per-account",
            "3",
            "--network-browse",
            "7000:8000",
            "--account-pay",
            "5:6",
        ];
        let other = world.beside(&args, Patience::default()).await;
        let limits = limits(&other).await;
        assert_eq!(number(&limits, "/documents/cost"), 20_000);
        assert_eq!(number(&limits, "/sockets/perAccount"), 3);
        let rate = |class: &str| {
            let rates = limits["rates"].as_array().expect("rates");
            rates.iter().find(|rate| rate["class"] == class).expect("the class").clone()
        };
        assert_eq!(rate("BROWSE")["perNetwork"], json!({ "burst": 7_000, "perMinute": 8_000 }));
        assert_eq!(rate("PAY")["perAccount"], json!({ "burst": 5, "perMinute": 6 }));
        other.end().await;
    });
}
