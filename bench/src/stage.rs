//! The goods: a shop, a hall and events, created through the API as a vendor does, and guests who buy.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    Outcome,
    bench::Bench,
    http::Connection,
    server::{self, Home, Server},
};

/// The number of seats per row.
const SEATS_PER_ROW: u32 = 100;
/// The number of connections that create guests.
const DOORS: u32 = 16;
/// The start of all events, so late that sales stay open during all measurements.
const STARTS: &str = "2990-06-01T18:00:00Z";
const OPERATOR: &str = "operator@bench.test";
const PASSWORD: &str = "correct horse battery";

/// A shop and its owner.
pub(crate) struct Stage {
    connection: Connection,
    address: String,
    vendor: String,
    shop: String,
    category: String,
}

/// A hall with its seat map.
pub(crate) struct Hall {
    venue: String,
    map: String,
}

/// An event on sale.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// Its id.
    pub(crate) id: String,
    /// Its seats in map order. A seat with an even index and the next one are adjacent.
    pub(crate) seats: Arc<[String]>,
}

impl Event {
    /// Returns the version of its availability on this server.
    pub(crate) async fn version(&self, address: &str) -> Outcome<i64> {
        // Use a new connection, because the stage's server may have been restarted.
        let mut connection = Connection::open(address).await?;
        let document = "query($event: ID!) { event(id: $event) { availability { version } } }";
        let answer = connection.gql(None, document, json!({ "event": self.id })).await?;
        let version = answer.pointer("/event/availability/version");
        Ok(version.and_then(Value::as_i64).ok_or_else(|| format!("no version in {answer}"))?)
    }
}

impl Stage {
    /// Creates a shop on a server with an empty database.
    pub(crate) async fn open(bench: &Bench, home: &Home, server: &Server) -> Outcome<Self> {
        let mut connection = Connection::open(&server.address).await?;
        sign_up(&mut connection, OPERATOR).await?;
        server::run(bench, home, &["operator", OPERATOR])?;
        let sign_in = "mutation($email: String!, $password: String!) {
            signIn(input: { email: $email, password: $password }) { session { accessToken } errors { code } } }";
        let input = json!({ "email": OPERATOR, "password": PASSWORD });
        let operator = connection.gql(None, sign_in, input).await?;
        let operator = text(&operator, "/signIn/session/accessToken")?;
        let vendor = sign_up(&mut connection, "vendor@bench.test").await?;
        let document = "mutation { createCategory(input: { name: \"Music\", slug: \"music\" }) {
            category { id } errors { code } } }";
        let category = connection.gql(Some(&operator), document, json!({})).await?;
        let document = "mutation { createShop(input: { name: \"The Hall\", currency: \"EUR\" }) {
            shop { id } errors { code } } }";
        let shop = connection.gql(Some(&vendor), document, json!({})).await?;
        Ok(Self {
            connection,
            address: server.address.clone(),
            vendor,
            shop: text(&shop, "/createShop/shop/id")?,
            category: text(&category, "/createCategory/category/id")?,
        })
    }

    /// Creates a hall with this number of rows of 100 seats.
    pub(crate) async fn hall(&mut self, rows: u32) -> Outcome<Hall> {
        let document = "mutation($shop: ID!) { createVenue(input: { shopId: $shop, name: \"Hall\",
            city: \"Graz\", country: \"AT\", timeZone: \"Europe/Vienna\" }) { venue { id } errors { code } } }";
        let venue = self.vendor(document, json!({ "shop": self.shop })).await?;
        let venue = text(&venue, "/createVenue/venue/id")?;
        let document = "mutation($venue: ID!, $plan: String!) {
            importSeatMap(input: { venueId: $venue, plan: $plan }) { seatMap { id } errors { code message } } }";
        let map = self.vendor(document, json!({ "venue": venue, "plan": plan(rows) })).await?;
        Ok(Hall { venue, map: text(&map, "/importSeatMap/seatMap/id")? })
    }

    /// Creates an event on sale in the hall.
    pub(crate) async fn event(&mut self, hall: &Hall) -> Outcome<Event> {
        let document = "mutation($shop: ID!, $venue: ID!, $map: ID!, $category: ID!, $starts: DateTime!) {
            createEvent(input: { shopId: $shop, venueId: $venue, seatMapId: $map, categoryId: $category,
                name: \"Concert\", startsAt: $starts, endsAt: $starts, reservationSeconds: 1200, limitPerBuyer: 100,
                reservationBudgetSeconds: 86400 }) {
                event { id } errors { code message } } }";
        let input = json!({ "shop": self.shop, "venue": hall.venue, "map": hall.map, "category": self.category,
            "starts": STARTS });
        let event = text(&self.vendor(document, input).await?, "/createEvent/event/id")?;
        let document = "mutation($event: ID!) { createTier(input: { eventId: $event, name: \"Hall\",
            categories: [\"Hall\"], taxBasisPoints: 1000, basePrice: { amount: \"20.00\", currency: \"EUR\" },
            fee: { amount: \"1.00\", currency: \"EUR\" } }) { tier { id } errors { code message } } }";
        self.vendor(document, json!({ "event": event })).await?;
        let document = "query($event: ID!) { event(id: $event) { version } }";
        let version = self.vendor(document, json!({ "event": event })).await?["event"]["version"].take();
        let document = "mutation($event: ID!, $version: Long!) {
            publishEvent(input: { eventId: $event, expectedVersion: $version }) {
                event { status } errors { code message } } }";
        self.vendor(document, json!({ "event": event, "version": version })).await?;
        let document =
            "query($event: ID!) { event(id: $event) { seatMap { zones { rows { seats { id } } } } } }";
        let map = self.vendor(document, json!({ "event": event })).await?;
        let seats = seats_of(&map).ok_or("an event without seats")?;
        Ok(Event { id: event, seats: seats.into() })
    }

    /// Publishes a free coupon with this number of copies, up to a thousand per buyer. Returns its id.
    pub(crate) async fn coupon(&mut self, copies: u32) -> Outcome<String> {
        let document = "mutation($shop: ID!, $category: ID!, $copies: Int!) {
            createCoupon(input: { shopId: $shop, categoryId: $category, title: \"Free drink\", kind: AMOUNT_OFF,
                amount: { amount: \"4.00\", currency: \"EUR\" }, stock: $copies, limitPerBuyer: 1000 }) {
                coupon { id version } errors { code message } } }";
        let input = json!({ "shop": self.shop, "category": self.category, "copies": copies });
        let mut made = self.vendor(document, input).await?;
        let coupon = text(&made, "/createCoupon/coupon/id")?;
        let version = made["createCoupon"]["coupon"]["version"].take();
        let document = "mutation($coupon: ID!, $version: Long!) {
            publishCoupon(input: { couponId: $coupon, expectedVersion: $version }) {
                coupon { state } errors { code message } } }";
        let published = self.vendor(document, json!({ "coupon": coupon, "version": version })).await?;
        if published["publishCoupon"]["coupon"]["state"] != "PUBLISHED" {
            return Err(format!("not published: {published}").into());
        }
        Ok(coupon)
    }

    /// Creates guests. Returns their access tokens.
    pub(crate) async fn guests(&self, count: u32) -> Outcome<Vec<String>> {
        let mut doors = JoinSet::new();
        for _ in 0..DOORS {
            let mut connection = Connection::open(&self.address).await?;
            doors.spawn(async move {
                let document = "mutation { createGuestSession { session { accessToken } errors { code } } }";
                let mut tokens = Vec::new();
                for _ in 0..count.div_ceil(DOORS) {
                    let guest = connection.gql(None, document, json!({})).await?;
                    tokens.push(text(&guest, "/createGuestSession/session/accessToken")?);
                }
                Outcome::Ok(tokens)
            });
        }
        let mut tokens = Vec::new();
        while let Some(some) = doors.join_next().await {
            tokens.extend(some??);
        }
        Ok(tokens)
    }

    async fn vendor(&mut self, document: &str, variables: Value) -> Outcome<Value> {
        self.connection.gql(Some(&self.vendor), document, variables).await
    }
}

async fn sign_up(connection: &mut Connection, email: &str) -> Outcome<String> {
    let document = "mutation($email: String!, $password: String!) {
        signUp(input: { email: $email, password: $password, name: \"Somebody\" }) {
            session { accessToken } errors { code message } } }";
    let session = connection.gql(None, document, json!({ "email": email, "password": PASSWORD })).await?;
    text(&session, "/signUp/session/accessToken")
}

fn text(value: &Value, pointer: &str) -> Outcome<String> {
    let text = value.pointer(pointer).and_then(Value::as_str);
    Ok(text.ok_or_else(|| format!("no {pointer} in {value}"))?.to_owned())
}

fn seats_of(map: &Value) -> Option<Vec<String>> {
    let mut seats = Vec::new();
    for zone in map["event"]["seatMap"]["zones"].as_array()? {
        for row in zone["rows"].as_array()? {
            for seat in row["seats"].as_array()? {
                seats.push(seat["id"].as_str()?.to_owned());
            }
        }
    }
    Some(seats)
}

/// Returns a plan of one zone with rows of 100 seats.
pub(crate) fn plan(rows: u32) -> String {
    let row = |row: u32| {
        let seat = |number: u32| {
            json!({ "seat_guid": format!("{row}-{number}"), "seat_number": number.to_string(),
                "position": { "x": 20 * number, "y": 0 }, "category": "Hall" })
        };
        let seats: Vec<_> = (1..=SEATS_PER_ROW).map(seat).collect();
        json!({ "row_number": row.to_string(), "position": { "x": 0, "y": 20 * row }, "seats": seats })
    };
    let rows_of_it: Vec<_> = (1..=rows).map(row).collect();
    json!({
        "name": "Hall",
        "size": { "width": 20 * SEATS_PER_ROW + 100, "height": 20 * rows + 100 },
        "categories": [{ "name": "Hall", "color": "#aa0000" }],
        "zones": [{ "name": "Hall", "position": { "x": 10, "y": 10 }, "rows": rows_of_it, "areas": [] }],
    })
    .to_string()
}
