//! The number of statements for lists: the same for twenty nodes as for two.
//!
//! The documents are generated from the schema, so a new field of a node is counted without a change of this file.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tessera::{app::App, config::Rate, store::Store};

use crate::support::{
    World,
    documents::{Document, LEVELS, Schema},
    given::Stage,
    run,
};

/// The number of objects of each kind, and the length of the longer list.
const MANY: usize = 20;
/// The length of the shorter list.
const FEW: usize = 2;
/// How often each document is executed.
const ROUNDS: usize = 3;
/// Types with too few objects per viewer for this comparison.
const FEW_OBJECTS: &[&str] = &["Account", "Bag"];

/// An application whose reads are counted.
struct Counting {
    world: World,
    reads: Arc<AtomicU64>,
}

/// A second application on the world's database, whose reads are counted.
async fn counted(world: &World) -> Counting {
    let mut store = Store::connect(&world.url, 4).await.expect("a database");
    let reads = store.count_reads();
    let app = &world.app;
    let mut config = app.config.clone();
    // The documents request much more than a client does.
    config.documents.max_cost = 100_000_000;
    config.documents.max_running_cost = Some(1_000_000_000);
    config.documents.max_running_mib = 65_536;
    config.documents.max_response_bytes = 64 * 1024 * 1024;
    config.limits.account_browse = Rate { burst: 10_000_000, per_minute: 10_000_000 };
    let app = App::new(config, store, app.clock.clone(), app.keys.clone()).expect("an app");
    Counting { world: World::of(app, world.backend, &world.url), reads }
}

/// Many objects of each kind, in which any two have all that the others have.
struct Scene {
    stage: Stage,
    buyer: String,
    reservations: Vec<String>,
}

/// Creates [`MANY`] shops, venues, products, events and coupons, and as many refunded orders of a place and of a copy of
/// a coupon, each with a claim.
async fn scene(world: &World) -> Scene {
    let stage = world.stage().await;
    let (vendor, buyer) = (stage.vendor.clone(), world.guest().await);
    let good = async |token: &str, document: &str, input: Value| {
        world.gql(Some(token), document, input).await.good()
    };
    let price =
        json!({ "title": "Drink", "price": { "amount": "3.00", "currency": "EUR" }, "limitPerBuyer": 50 });
    let drink = world.published(&stage, price).await;
    let tier = "query($id: ID!) { event(id: $id) { tiers { id } } }";
    let tier = good(&vendor, tier, json!({ "id": stage.event })).await.text("event.tiers.0.id");
    let mut reservations = Vec::new();
    for number in 0..MANY {
        let name = format!("Number {number}");
        let shop =
            "mutation($name: String!, $category: ID!) { createShop(input: { name: $name, currency: \"EUR\",
            categoryId: $category }) { shop { id } errors { code message } } }";
        good(&vendor, shop, json!({ "name": name, "category": stage.category })).await;
        let venue = "mutation($shop: ID!, $name: String!) { createVenue(input: { shopId: $shop, name: $name,
            city: \"Graz\", country: \"AT\", timeZone: \"Europe/Vienna\" }) { venue { id } errors { code message } } }";
        let venue = good(&vendor, venue, json!({ "shop": stage.shop, "name": name })).await;
        world
            .import(&vendor, &venue.text("createVenue.venue.id"), &crate::support::given::small_plan())
            .await;
        let product =
            "mutation($shop: ID!, $category: ID!, $name: String!) { createProduct(input: { shopId: $shop,
            categoryId: $category, name: $name }) { product { id } errors { code message } } }";
        let input = json!({ "shop": stage.shop, "category": stage.category, "name": name });
        let product = good(&vendor, product, input).await.text("createProduct.product.id");
        let input = json!({ "title": name, "eventId": stage.event, "tierId": tier, "productId": product,
            "categoryId": stage.category, "appliesTo": [stage.shop, tier], "amount": { "amount": "1.00", "currency": "EUR" },
            "budget": { "amount": "100.00", "currency": "EUR" }, "limitPerBuyer": 2 });
        let coupon = world.published(&stage, input).await;
        let event = world.event(&vendor, stage.place(), &name).await;
        let claim = world.claim(&buyer, &coupon).await.0;
        let seat =
            world.try_reserve(&buyer, &event, &[&stage.seats[0]], &format!("reserve-seat-{number}")).await;
        let copy = "mutation($coupon: ID!, $key: String!) { reserveCoupon(input: { couponId: $coupon,
            idempotencyKey: $key }) { reservation { id } errors { code message } } }";
        let key = format!("reserve-copy-{number}");
        let copy = good(&buyer, copy, json!({ "coupon": drink, "key": key })).await;
        let own =
            [seat.good().text("reserveSeats.reservation.id"), copy.text("reserveCoupon.reservation.id")];
        let checkout = "mutation($reservations: [ID!]!, $claims: [ID!]!, $key: String!) { checkout(input: {
            reservationIds: $reservations, claimIds: $claims, idempotencyKey: $key,
            contact: { name: \"A Buyer\", email: \"buyer@tessera.test\" } }) { order { id } errors { code message } } }";
        let input = json!({ "reservations": own, "claims": [claim], "key": format!("checkout-{number}") });
        let order = good(&buyer, checkout, input).await.text("checkout.order.id");
        world.pay(&buyer, &order, "pm_card_visa", &format!("payment-{number}")).await.good();
        let refund =
            "mutation($id: ID!, $key: String!) { refundOrder(input: { orderId: $id, idempotencyKey: $key }) {
            refund { id } errors { code message } } }";
        good(&buyer, refund, json!({ "id": order, "key": format!("refund-{number}") })).await;
        reservations.push(own[0].clone());
        world.advance(Duration::from_millis(1));
    }
    Scene { stage, buyer, reservations }
}

/// Executes the document with few and with many nodes, and compares the numbers of statements. Returns an error if the
/// list is too short.
async fn compare(
    counting: &Counting,
    token: &str,
    document: &Document,
    variables: [Value; 2],
) -> Result<(), String> {
    let Document { name, text, path } = document;
    let mut counts = [Vec::new(), Vec::new()];
    for ((length, variables), counts) in [FEW, MANY].into_iter().zip(variables).zip(&mut counts) {
        for _ in 0..ROUNDS {
            // Who asks is known from now on, for a moment.
            counting.world.gql(Some(token), "{ viewer { account { id } } }", json!({})).await.good();
            counting.reads.store(0, Relaxed);
            let answer = counting.world.gql(Some(token), text, variables.clone()).await;
            // Some fields of a node are for the buyer or the shop only.
            for error in answer.body["errors"].as_array().into_iter().flatten() {
                let is_kept =
                    matches!(error["extensions"]["code"].as_str(), Some("FORBIDDEN" | "UNAUTHENTICATED"));
                assert!(is_kept, "{name}: {error} for {text}");
            }
            let nodes = answer.data(path);
            let nodes = nodes.as_array().into_iter().flatten().filter(|node| !node.is_null()).count();
            if nodes < length {
                return Err(format!("{name}: {nodes} nodes"));
            }
            counts.push(counting.reads.load(Relaxed));
        }
    }
    // Two fields that need the same kind of object share a statement if they ask at the same time, which is up to chance.
    // A statement for each node would be at least as many more as there are more nodes.
    let [few, many] = counts;
    let (few, many) = (few.iter().max().expect("a round"), many.iter().min().expect("a round"));
    let more = u64::try_from(MANY - FEW).expect("few");
    assert!(
        *few > 0 && *many < few + more / 2,
        "{name}: {many} statements for many nodes, {few} for few: {text}"
    );
    Ok(())
}

#[test]
fn lists_take_as_many_statements_for_twenty_nodes_as_for_two() {
    run(async |world: &World| {
        let scene = scene(world).await;
        let (schema, counting) = (Schema::read(), counted(world).await);
        connections(&scene, &schema, &counting).await;
        nodes(world, &scene, &schema, &counting).await;
        counting.world.end().await;
    });
}

/// All connections that are reached from the root, for the buyer and for the vendor.
async fn connections(scene: &Scene, schema: &Schema, counting: &Counting) {
    let Scene { stage, buyer, .. } = scene;
    let ids = BTreeMap::from([
        ("shop.id", stage.shop.as_str()),
        ("event.id", &stage.event),
        ("venue.id", &stage.venue),
        ("venues.shopId", &stage.shop),
        ("category.slug", "music"),
    ]);
    let connections = schema.connections(&ids);
    assert!(connections.len() >= 10, "{} connections", connections.len());
    let mut short = Vec::new();
    for document in &connections {
        let variables = [FEW, MANY].map(|first| json!({ "first": first }));
        let mut counted = Vec::new();
        // A list may be complete for one of the two only.
        for token in [buyer, &stage.vendor] {
            counted.push(compare(counting, token, document, variables.clone()).await);
        }
        if counted.iter().all(Result::is_err) {
            short.push(counted);
        }
    }
    assert!(short.is_empty(), "the scene needs more objects: {short:?}");
}

/// `nodes` with ids of each type.
async fn nodes(world: &World, scene: &Scene, schema: &Schema, counting: &Counting) {
    let Scene { stage, buyer, reservations } = scene;
    let documents = [
        "{ viewer { orders(first: 20) { nodes { id lines { id } tickets { id } payments { id } refunds { id }
            claims { id } } } } }",
        "{ events(first: 20) { nodes { id tiers { id } } } coupons(first: 20) { nodes { id } }
            shops(first: 20) { nodes { id } } }",
        "query($shop: ID!) { shop(id: $shop) { products(first: 20) { nodes { id } } }
            venues(shopId: $shop, first: 20) { nodes { id seatMaps { id areas { id } } } } }",
    ];
    let mut ids: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (token, document) in [buyer, &stage.vendor, &stage.vendor].into_iter().zip(documents) {
        let answer = world.gql(Some(token), document, json!({ "shop": stage.shop })).await.good();
        collect(&answer.body, &mut ids);
    }
    ids.insert("reservation".to_owned(), reservations.clone());
    ids.insert("seat".to_owned(), stage.seats.clone());
    ids.insert("category".to_owned(), categories(world).await);
    for of in schema.members["Node"].iter().filter(|of| !FEW_OBJECTS.contains(&of.as_str())) {
        let ids = ids.get(&of.to_lowercase()).cloned().unwrap_or_default();
        assert!(ids.len() >= MANY, "{of}: {} objects", ids.len());
        let selection = schema.selection(of, LEVELS);
        let text = format!("query($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on {of} {selection} }} }}");
        let document = Document { name: of.clone(), text, path: "nodes".to_owned() };
        let is_own = matches!(of.as_str(), "Claim" | "Reservation" | "Ticket");
        let token = if is_own { buyer } else { &stage.vendor };
        let variables = [FEW, MANY].map(|length| json!({ "ids": ids[..length] }));
        compare(counting, token, &document, variables).await.expect("nodes");
    }
}

/// Collects all values of `id` by their prefix.
fn collect(value: &Value, ids: &mut BTreeMap<String, Vec<String>>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value.as_str().filter(|_| key == "id").and_then(|id| Some((id, id.split_once('_')?.0)))
                {
                    Some((id, prefix)) => ids.entry(prefix.to_owned()).or_default().push(id.to_owned()),
                    None => collect(value, ids),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, ids)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Creates many categories. Returns their ids.
async fn categories(world: &World) -> Vec<String> {
    let operator = world.sign_in("operator").await;
    let mut ids = Vec::new();
    for number in 0..MANY {
        let create = "mutation($name: String!) { createCategory(input: { name: $name, slug: $name }) {
            category { id } errors { code message } } }";
        let made =
            world.gql(Some(&operator), create, json!({ "name": format!("category-{number}") })).await.good();
        ids.push(made.text("createCategory.category.id"));
    }
    ids
}
