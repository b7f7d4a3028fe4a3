//! Links between objects: a client gets related objects without a second query.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use test_case::test_case;

use crate::support::Database::{self, Postgres, Sqlite};
use crate::support::{Answer, World, given::Stage, run_on};

const RESERVATION: &str = "query($id: ID!) { reservation(id: $id) { order { id } items { label quantity
    tier { id name event { id } } seat { id label } area { id name } } } }";
const ORDER: &str = "query($id: ID!, $token: String) { order(id: $id, accessToken: $token) { id
    lines { id label tierName order { id } event { id } tier { id name } seat { id label } area { id name }
        coupon { id } ticket { id } claim { id code } total { amount } }
    tickets { id code tierName createdAt tier { id name } seat { id label } area { id name }
        price { amount currency } order { id accessToken } line { id label total { amount } } }
    claims { id shop { id } purchase { id order { id } } }
    payments { id order { id } refunds { id } }
    refunds { id order { id } payment { id } } } }";
const TICKETS: &str = "{ viewer { tickets { nodes { id order { id } line { id } price { amount }
    seat { id } area { id } tier { name } } } } }";

/// An order of a seat, two places in an area and a copy of a coupon.
struct Bought {
    buyer: String,
    order: String,
    coupon: String,
}

async fn ordered(world: &World, stage: &Stage) -> Bought {
    let buyer = world.guest().await;
    let coupon = world
        .published(stage, json!({ "title": "Drink", "price": { "amount": "3.00", "currency": "EUR" } }))
        .await;
    let seat = world.reserve(&buyer, &stage.event, &[&stage.seats[0]]).await;
    let reserve = "mutation($event: ID!, $area: ID!) { reserveSeats(input: { eventId: $event,
        idempotencyKey: \"two-places\", pick: { admission: { areaId: $area, quantity: 2 } } }) {
        reservation { id } errors { code message } } }";
    let input = json!({ "event": stage.event, "area": stage.area });
    let places = world.gql(Some(&buyer), reserve, input).await.good();
    let reserve = "mutation($coupon: ID!) { reserveCoupon(input: { couponId: $coupon,
        idempotencyKey: \"one-copy\" }) { reservation { id } errors { code message } } }";
    let copy = world.gql(Some(&buyer), reserve, json!({ "coupon": coupon })).await.good();
    let copy = copy.text("reserveCoupon.reservation.id");
    let order = world.checkout(&buyer, &[&seat, &places.text("reserveSeats.reservation.id"), &copy]).await;
    Bought { buyer, order, coupon }
}

async fn read(world: &World, token: Option<&str>, order: &str, access: Option<&str>) -> Answer {
    world.gql(token, ORDER, json!({ "id": order, "token": access })).await.good()
}

/// Returns the one line of the order for which `field` is not null.
fn only<'a>(lines: &'a Value, field: &str) -> &'a Value {
    let mut with = lines.as_array().expect("lines").iter().filter(|line| !line[field].is_null());
    let line = with.next().unwrap_or_else(|| panic!("a line with {field} in {lines}"));
    assert!(with.next().is_none(), "one line with {field} in {lines}");
    line
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn reservation_items_link_to_tiers_and_places(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let id = world.reserve(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let read = async || world.gql(Some(&buyer), RESERVATION, json!({ "id": id })).await.good();
        let reserved = read().await;
        let item = reserved.data("reservation.items.0");
        assert_eq!(item["seat"], json!({ "id": stage.seats[0], "label": item["label"] }));
        assert_eq!((&item["area"], &item["tier"]["name"]), (&Value::Null, &json!("Front")));
        assert_eq!(item["tier"]["event"]["id"], stage.event.as_str());
        assert_eq!(reserved.data("reservation.order"), Value::Null, "before the checkout");
        let order = world.checkout(&buyer, &[&id]).await;
        assert_eq!(read().await.data("reservation.order.id"), order.as_str());
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn order_lines_link_to_places_tickets_and_claims(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let Bought { buyer, order, coupon } = ordered(world, &stage).await;
        let unpaid = read(world, Some(&buyer), &order, None).await.data("order.lines");
        for line in unpaid.as_array().expect("lines") {
            assert_eq!((&line["ticket"], &line["claim"]), (&Value::Null, &Value::Null), "not paid yet");
        }
        world.pay(&buyer, &order, "pm_card_visa", "pay-for-all").await.good();
        let paid = read(world, Some(&buyer), &order, None).await;
        let lines = paid.data("order.lines");
        assert_eq!(lines.as_array().map(Vec::len), Some(4));
        let seat = only(&lines, "seat");
        assert_eq!(seat["seat"], json!({ "id": stage.seats[0], "label": seat["label"] }));
        assert_eq!((&seat["tier"]["name"], &seat["tierName"]), (&json!("Front"), &json!("Front")));
        assert_eq!(
            (&seat["area"], &seat["coupon"], &seat["claim"]),
            (&Value::Null, &Value::Null, &Value::Null)
        );
        let copy = only(&lines, "claim");
        assert_eq!(copy["coupon"]["id"], coupon.as_str());
        for absent in ["tierName", "tier", "event", "seat", "area", "ticket"] {
            assert_eq!(copy[absent], Value::Null, "{absent} of a coupon");
        }
        let tickets = paid.data("order.tickets");
        let mut areas = 0;
        for (line, ticket) in lines
            .as_array()
            .expect("lines")
            .iter()
            .filter(|line| !line["ticket"].is_null())
            .zip(tickets.as_array().expect("tickets"))
        {
            assert_eq!(line["order"]["id"], order.as_str());
            assert_eq!(line["ticket"]["id"], ticket["id"], "tickets are in the order of the lines");
            assert_eq!(ticket["line"]["id"], line["id"]);
            for link in ["seat", "area", "tier", "tierName"] {
                assert_eq!(ticket[link], line[link], "{link}");
            }
            areas += usize::from(line["area"] == json!({ "id": stage.area, "name": "Floor" }));
            assert_eq!(ticket["price"], json!({ "amount": line["total"]["amount"], "currency": "EUR" }));
            assert!(ticket["createdAt"].is_string());
        }
        assert_eq!((tickets.as_array().map(Vec::len), areas), (Some(3), 2));
        let claim = paid.data("order.claims.0");
        assert_eq!((&claim["id"], &claim["shop"]["id"]), (&copy["claim"]["id"], &json!(stage.shop)));
        assert_eq!(claim["purchase"], json!({ "id": copy["id"], "order": { "id": order } }));
        let own = world.gql(Some(&buyer), TICKETS, json!({})).await.good();
        for ticket in own.data("viewer.tickets.nodes").as_array().expect("tickets") {
            assert_eq!(ticket["order"]["id"], order.as_str());
            assert!(ticket["line"]["id"].is_string() && ticket["price"]["amount"].is_string(), "{ticket}");
        }
    });
}

/// The bearer of the access token follows the same links as the buyer. A seller sees neither tickets nor claims.
#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn links_keep_the_rights_of_the_order(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let Bought { buyer, order, .. } = ordered(world, &stage).await;
        world.pay(&buyer, &order, "pm_card_visa", "pay-for-all").await.good();
        let own = read(world, Some(&buyer), &order, None).await;
        let token = own.text("order.tickets.0.order.accessToken");
        let bearer = read(world, None, &order, Some(&token)).await;
        assert_eq!(bearer.data("order"), own.data("order"));
        let seller = world.gql(Some(&stage.vendor), ORDER, json!({ "id": order })).await;
        for error in seller.body["errors"].as_array().expect("errors") {
            assert_eq!(error["extensions"]["code"], "FORBIDDEN", "{error}");
        }
        assert_eq!((seller.data("order.tickets"), seller.data("order.claims")), (Value::Null, Value::Null));
        for line in seller.data("order.lines").as_array().expect("lines") {
            assert_eq!((&line["ticket"], &line["claim"]), (&Value::Null, &Value::Null));
            assert!(line["id"].is_string());
        }
        assert!(seller.data("order.payments.0.order.id").is_string());
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn scanner_does_not_see_the_order_of_a_ticket(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let order = world.buy(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let code = read(world, Some(&buyer), &order, None).await.text("order.tickets.0.code");
        let scanner = world.user("scanner").await;
        let join = "mutation($shop: ID!, $version: Long!) { setShopMember(input: { shopId: $shop, expectedVersion: $version,
            email: \"scanner@tessera.test\", role: SCANNER }) { errors { code message } } }";
        let version = world.shop_version(&stage.shop).await;
        world.gql(Some(&stage.vendor), join, json!({ "shop": stage.shop, "version": version })).await.good();
        let scan = "mutation($code: String!) { checkIn(input: { code: $code }) { errors { code }
            ticket { label order { id } line { id } price { amount } seat { id } } } }";
        let checked_in = world.gql(Some(&scanner), scan, json!({ "code": code })).await;
        let ticket = checked_in.data("checkIn.ticket");
        let errors = checked_in.body["errors"].as_array().into_iter().flatten();
        // Errors come in any order.
        let fields: BTreeSet<&str> = errors.filter_map(|error| error["path"][2].as_str()).collect();
        assert_eq!(fields, BTreeSet::from(["line", "order"]), "{}", checked_in.body);
        assert_eq!(checked_in.code().as_deref(), Some("FORBIDDEN"));
        assert_eq!((&ticket["order"], &ticket["line"]), (&Value::Null, &Value::Null));
        assert_eq!(
            (&ticket["seat"]["id"], &ticket["price"]["amount"]),
            (&json!(stage.seats[0]), &json!("21.00"))
        );
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn payments_and_refunds_link_to_each_other(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let order = world.buy(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let refund =
            "mutation($id: ID!) { refundOrder(input: { orderId: $id, idempotencyKey: \"refund-all\" }) {
            refund { id order { id } payment { id } } errors { code message } } }";
        let refunded = world.gql(Some(&buyer), refund, json!({ "id": order })).await.good();
        let all = read(world, Some(&buyer), &order, None).await;
        let (payment, refund) = (all.data("order.payments.0"), all.data("order.refunds.0"));
        assert_eq!(refund, refunded.data("refundOrder.refund"));
        let of_order = json!({ "id": order });
        assert_eq!((&payment["order"], &refund["order"]), (&of_order, &of_order));
        assert_eq!(payment["refunds"], json!([{ "id": refund["id"] }]));
        assert_eq!(refund["payment"]["id"], payment["id"]);
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn coupons_link_to_their_tier_unless_it_is_hidden(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let tiers = "query($id: ID!) { event(id: $id) { tiers { id name version } } }";
        let tiers = world.gql(None, tiers, json!({ "id": stage.event })).await.good();
        let tier = tiers.data("event.tiers.0");
        let coupon = world.published(&stage, json!({ "eventId": stage.event, "tierId": tier["id"] })).await;
        let shown = async |token: Option<&str>| {
            let document = "query($id: ID!) { coupon(id: $id) { tier { id name } } }";
            world.gql(token, document, json!({ "id": coupon })).await.good().data("coupon.tier")
        };
        let expected = json!({ "id": tier["id"], "name": tier["name"] });
        assert_eq!(shown(None).await, expected);
        let hide = "mutation($id: ID!, $version: Long!) { updateTier(input: { tierId: $id,
            expectedVersion: $version, hidden: true }) { errors { code message } } }";
        let input = json!({ "id": tier["id"], "version": tier["version"] });
        world.gql(Some(&stage.vendor), hide, input).await.good();
        assert_eq!((shown(None).await, shown(Some(&stage.vendor)).await), (Value::Null, expected));
    });
}
