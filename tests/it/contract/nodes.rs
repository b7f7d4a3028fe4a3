//! `node` and `nodes`: every object can be read by its global id by permitted viewers, and is null for others.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tessera::graphql;
use test_case::test_case;

use crate::support::Database::{self, Postgres, Sqlite};
use crate::support::{World, given::small_plan, run_on};

const NODE: &str = "query($id: ID!) { node(id: $id) { __typename id } }";
const NODES: &str =
    "query($ids: [ID!]!, $token: String) { nodes(ids: $ids, accessToken: $token) { __typename id } }";

/// The viewers that may see the object of a table row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// Only the buyer.
    Buyer,
    /// The buyer and the shop's sellers.
    BuyerAndShop,
    /// Members of the shop.
    Shop,
    /// All clients.
    All,
}

use Seen::{All, Buyer, BuyerAndShop, Shop};

/// Objects of all types that implement `Node`, each with the viewers that see it.
struct Objects {
    vendor: String,
    buyer: String,
    /// The access token of the order.
    access: String,
    /// An event on sale.
    event: String,
    table: BTreeMap<&'static str, (String, Seen)>,
}

async fn objects(world: &World) -> Objects {
    let stage = world.stage().await;
    let (vendor, buyer) = (stage.vendor.clone(), world.guest().await);
    // A draft at a venue without published events: only its shop sees it, its venue and its seat map.
    let document =
        "mutation($shop: ID!) { createVenue(input: { shopId: $shop, name: \"Studio\", city: \"Graz\",
        country: \"AT\", timeZone: \"Europe/Vienna\" }) { venue { id } errors { code message } } }";
    let venue = world.gql(Some(&vendor), document, json!({ "shop": stage.shop })).await.good();
    let venue = venue.text("createVenue.venue.id");
    let map = world.import(&vendor, &venue, &small_plan()).await;
    let document = "mutation($shop: ID!, $venue: ID!, $category: ID!) { createEvent(input: { shopId: $shop,
        venueId: $venue, categoryId: $category, name: \"Draft\", startsAt: \"2026-09-01T18:00:00Z\",
        endsAt: \"2026-09-01T21:00:00Z\" }) { event { id } errors { code message } } }";
    let input = json!({ "shop": stage.shop, "venue": venue, "category": stage.category });
    let draft = world.gql(Some(&vendor), document, input).await.good().text("createEvent.event.id");
    let document = "mutation($event: ID!) { createTier(input: { eventId: $event, name: \"All\",
        categories: [\"Front\"], basePrice: { amount: \"20.00\", currency: \"EUR\" } }) {
        tier { id } errors { code message } } }";
    let tier = world.gql(Some(&vendor), document, json!({ "event": draft })).await.good();
    let document = "query($map: ID!) { seatMap(id: $map) { areas { id } zones { rows { seats { id } } } } }";
    let places = world.gql(Some(&vendor), document, json!({ "map": map })).await.good();
    let document = "mutation($shop: ID!, $category: ID!) { createProduct(input: { shopId: $shop,
        categoryId: $category, name: \"Espresso\" }) { product { id } errors { code message } } }";
    let input = json!({ "shop": stage.shop, "category": stage.category });
    let product = world.gql(Some(&vendor), document, input).await.good().text("createProduct.product.id");
    let coupon = world.draft_coupon(&stage, json!({})).await;

    // A refunded order of a seat and a copy of a coupon, and a reservation.
    let price = json!({ "title": "Drink", "price": { "amount": "3.00", "currency": "EUR" } });
    let sold = world.published(&stage, price).await;
    let document = "mutation($coupon: ID!) { reserveCoupon(input: { couponId: $coupon,
        idempotencyKey: \"one-copy\" }) { reservation { id } errors { code message } } }";
    let copy = world.gql(Some(&buyer), document, json!({ "coupon": sold })).await.good();
    let seat = world.reserve(&buyer, &stage.event, &[&stage.seats[0]]).await;
    let order = world.checkout(&buyer, &[&seat, &copy.text("reserveCoupon.reservation.id")]).await;
    world.pay(&buyer, &order, "pm_card_visa", "pay-the-order").await.good();
    let document =
        "mutation($id: ID!) { refundOrder(input: { orderId: $id, idempotencyKey: \"refund-all\" }) {
        refund { id } errors { code message } } }";
    world.gql(Some(&buyer), document, json!({ "id": order })).await.good();
    let document =
        "query($id: ID!) { viewer { account { id } bag { id } } order(id: $id) { accessToken lines { id }
        tickets { id } payments { id } refunds { id } claims { id } } }";
    let bought = world.gql(Some(&buyer), document, json!({ "id": order })).await.good();
    let reservation = world.reserve(&buyer, &stage.event, &[&stage.seats[1]]).await;

    let table = BTreeMap::from([
        ("Account", (bought.text("viewer.account.id"), Buyer)),
        ("Area", (places.text("seatMap.areas.0.id"), Shop)),
        ("Bag", (bought.text("viewer.bag.id"), Buyer)),
        ("Category", (stage.category, All)),
        ("Claim", (bought.text("order.claims.0.id"), Buyer)),
        ("Coupon", (coupon, Shop)),
        ("Event", (draft, Shop)),
        ("Order", (order, BuyerAndShop)),
        ("OrderLine", (bought.text("order.lines.1.id"), BuyerAndShop)),
        ("Payment", (bought.text("order.payments.0.id"), BuyerAndShop)),
        ("Product", (product, All)),
        ("Refund", (bought.text("order.refunds.0.id"), BuyerAndShop)),
        ("Reservation", (reservation, Buyer)),
        ("Seat", (places.text("seatMap.zones.0.rows.2.seats.9.id"), Shop)),
        ("SeatMap", (map, Shop)),
        ("Shop", (stage.shop, All)),
        ("Ticket", (bought.text("order.tickets.0.id"), Buyer)),
        ("Tier", (tier.text("createTier.tier.id"), Shop)),
        ("Venue", (venue, Shop)),
    ]);
    Objects { vendor, buyer, access: bought.text("order.accessToken"), event: stage.event, table }
}

async fn node(world: &World, viewer: Option<&str>, id: &str) -> Value {
    world.gql(viewer, NODE, json!({ "id": id })).await.good().data("node")
}

/// Reads one object with the access token of an order. `node` has no such argument, because Relay allows none.
async fn opened(world: &World, viewer: Option<&str>, id: &str, access: &str) -> Value {
    world.gql(viewer, NODES, json!({ "ids": [id], "token": access })).await.good().data("nodes.0")
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn table_contains_all_types_that_implement_node(database: Database) {
    run_on(database, async |world: &World| {
        let sdl = graphql::sdl();
        let types = sdl.lines().filter_map(|line| {
            let (name, interfaces) = line.strip_prefix("type ")?.split_once(" implements ")?;
            let interfaces = interfaces.trim_end_matches('{');
            interfaces.split('&').any(|interface| interface.trim() == "Node").then_some(name)
        });
        let mut types: Vec<&str> = types.collect();
        types.sort_unstable();
        let objects = objects(world).await;
        assert_eq!(objects.table.keys().copied().collect::<Vec<_>>(), types);
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn objects_are_refetched_by_those_who_may_see_them(database: Database) {
    run_on(database, async |world: &World| {
        let Objects { vendor, buyer, table, .. } = objects(world).await;
        // Another vendor, who has the same rights in another shop.
        let other = world.user("other").await;
        let shop = "mutation { createShop(input: { name: \"The Barn\", currency: \"EUR\" }) {
            shop { id } errors { code message } } }";
        world.gql(Some(&other), shop, json!({})).await.good();
        let guest = world.guest().await;
        let viewers = [
            ("the buyer", Some(&buyer), [All, Buyer, BuyerAndShop].as_slice()),
            ("the vendor", Some(&vendor), &[All, BuyerAndShop, Shop]),
            ("another vendor", Some(&other), &[All]),
            ("a guest", Some(&guest), &[All]),
            ("a client without a token", None, &[All]),
        ];
        for (name, viewer, sees) in viewers {
            let viewer = viewer.map(String::as_str);
            let mut expected = Vec::new();
            for (of, (id, seen)) in &table {
                let one =
                    if sees.contains(seen) { json!({ "__typename": of, "id": id }) } else { Value::Null };
                assert_eq!(node(world, viewer, id).await, one, "{of} for {name}");
                expected.push(one);
            }
            let ids: Vec<&String> = table.values().map(|(id, _)| id).collect();
            let all = world.gql(viewer, NODES, json!({ "ids": ids })).await.good();
            assert_eq!(all.data("nodes"), Value::Array(expected), "all for {name}");
        }
    });
}

/// The access token gives a client without the buyer's session what the order contains, and nothing else.
#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn access_token_opens_the_objects_of_its_order(database: Database) {
    run_on(database, async |world: &World| {
        let Objects { access, event, table, .. } = objects(world).await;
        let other = world.guest().await;
        let seats = world.places(&event).await.0;
        let foreign = world.buy(&other, &event, &[&seats[5]]).await;
        let types = ["Claim", "Order", "OrderLine", "Payment", "Refund", "Ticket"];
        for viewer in [None, Some(other.as_str())] {
            for (of, (id, seen)) in table.iter().filter(|(_, (_, seen))| *seen != All) {
                let is_opened = types.contains(of);
                let expected = if is_opened { json!({ "__typename": of, "id": id }) } else { Value::Null };
                assert_eq!(opened(world, viewer, id, &access).await, expected, "{of}, {seen:?}");
                let wrong = opened(world, viewer, id, "oa_wrong").await;
                assert_eq!(wrong, Value::Null, "{of}: a wrong token");
            }
        }
        assert_eq!(opened(world, None, &foreign, &access).await, Value::Null, "another order");
        let ids = json!([table["Order"].0, foreign, table["Ticket"].0]);
        let some = world.gql(None, NODES, json!({ "ids": ids, "token": access })).await.good();
        let types: Vec<Value> = (0..3).map(|at| some.data(&format!("nodes.{at}.__typename"))).collect();
        assert_eq!(types, [json!("Order"), Value::Null, json!("Ticket")]);
        let buyer = "query($id: ID!, $token: String) { nodes(ids: [$id], accessToken: $token) {
            ... on Order { accessToken tickets { order { accessToken } } } } }";
        let input = json!({ "id": table["Order"].0, "token": access });
        let rights = world.gql(None, buyer, input).await.good();
        for path in ["nodes.0.accessToken", "nodes.0.tickets.0.order.accessToken"] {
            assert_eq!(rights.text(path), access, "the bearer has the buyer's rights");
        }
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn hidden_tier_is_refetched_by_its_shop_only(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let tiers = "query($id: ID!) { event(id: $id) { tiers { id version } } }";
        let tiers = world.gql(None, tiers, json!({ "id": stage.event })).await.good();
        let tier = tiers.text("event.tiers.0.id");
        assert_eq!(node(world, None, &tier).await["__typename"], "Tier", "a public tier");
        let hide = "mutation($id: ID!, $version: Long!) { updateTier(input: { tierId: $id,
            expectedVersion: $version, hidden: true }) { errors { code message } } }";
        let input = json!({ "id": tier, "version": tiers.data("event.tiers.0.version") });
        world.gql(Some(&stage.vendor), hide, input).await.good();
        assert_eq!(node(world, None, &tier).await, Value::Null);
        assert_eq!(node(world, Some(&stage.vendor), &tier).await["id"], tier.as_str());
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn ids_without_an_object_are_null(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        // The last characters of a seat's id are its number.
        let beyond = format!("{}zzzzzz", &stage.seats[0][..stage.seats[0].len() - 6]);
        let seat_as_area = stage.seats[5].replace("seat_", "area_");
        let ids = [
            stage.event.as_str(),
            "event_01h455vb4pex5vsknk084sn02q",
            "nothing_01h455vb4pex5vsknk084sn02q",
            "not an id",
            "",
            &beyond,
            &seat_as_area,
            &stage.seats[0],
            &stage.event,
        ];
        let answer = world.gql(None, NODES, json!({ "ids": ids })).await.good();
        let found: Vec<Value> = (0..ids.len()).map(|at| answer.data(&format!("nodes.{at}.id"))).collect();
        let expected = ids.map(|id| {
            if [&stage.event, &stage.seats[0]].contains(&&id.to_owned()) { json!(id) } else { Value::Null }
        });
        assert_eq!(found, expected);
        assert_eq!(world.gql(None, NODES, json!({ "ids": [] })).await.good().data("nodes"), json!([]));
        let many = vec![stage.shop; 101];
        assert_eq!(
            world.gql(None, NODES, json!({ "ids": many[..100] })).await.good().data("nodes.99.__typename"),
            "Shop"
        );
        let refused = world.gql(None, NODES, json!({ "ids": many })).await;
        assert_eq!(refused.code().as_deref(), Some("BAD_USER_INPUT"), "{}", refused.body);
        assert_eq!(refused.body["errors"][0]["path"], json!(["nodes"]));
    });
}
