//! The goods of a run: a new event and a new coupon of the demo's vendor.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::{
    Outcome,
    caller::{Caller, STAFF, source},
    calls::{MAIN, PASSWORD, SIGN_IN, VENDOR, text},
};

/// An event and a coupon without sales.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    /// The event.
    pub(crate) event: String,
    /// Its slug, which also identifies it in SQL.
    pub(crate) slug: String,
    /// Its seats in the order of `AvailabilitySnapshot.rows`.
    pub(crate) seats: Vec<String>,
    /// The coupon.
    pub(crate) coupon: String,
}

const CREATE_EVENT: &str =
    "mutation($shop: ID!, $venue: ID!, $category: ID!, $slug: String!, $at: DateTime!) {
    createEvent(input: { shopId: $shop, venueId: $venue, categoryId: $category, slug: $slug, name: \"Faults\",
        startsAt: $at, endsAt: $at, refundUntil: $at, limitPerBuyer: 100, orphanRule: false,
        reservationBudgetSeconds: null }) { event { id } errors { code message } } }";
const CREATE_TIER: &str = "mutation($event: ID!) { createTier(input: { eventId: $event, name: \"All\",
    categories: [\"Premium\", \"Stalls\", \"Circle\", \"Box\"],
    basePrice: { amount: \"20.00\", currency: \"EUR\" } }) { tier { id } errors { code message } } }";
const PUBLISH_EVENT: &str = "mutation($id: ID!, $version: Long!) {
    publishEvent(input: { eventId: $id, expectedVersion: $version }) { event { status } errors { code message } } }";
const CREATE_COUPON: &str = "mutation($shop: ID!, $category: ID!, $title: String!) {
    createCoupon(input: { shopId: $shop, categoryId: $category, title: $title, kind: AMOUNT_OFF,
        amount: { amount: \"4.00\", currency: \"EUR\" }, stock: 100000, limitPerBuyer: 100 }) {
        coupon { id version } errors { code message } } }";
const PUBLISH_COUPON: &str = "mutation($id: ID!, $version: Long!) {
    publishCoupon(input: { couponId: $id, expectedVersion: $version }) {
        coupon { state } errors { code message } } }";
const AT: &str = "2990-06-01T18:00:00Z";

impl Scene {
    /// Creates a scene through this instance.
    pub(crate) async fn build(instance: SocketAddr, slug: &str) -> Outcome<Self> {
        let mut vendor = Caller::new(instance, source(STAFF));
        let data = vendor.data(SIGN_IN, json!({ "email": VENDOR, "password": PASSWORD })).await?;
        vendor.token = Some(text(&data, "/signIn/session/accessToken")?.to_owned());
        let document =
            "query($slug: String!) { event(slug: $slug) { shop { id } venue { id } category { id } } }";
        let own = vendor.data(document, json!({ "slug": MAIN })).await?;
        let id = |pointer| text(&own, pointer);
        let (shop, category) = (id("/event/shop/id")?, id("/event/category/id")?);
        let input = json!({ "shop": shop, "venue": id("/event/venue/id")?, "category": category,
            "slug": slug, "at": AT });
        let event = text(&vendor.data(CREATE_EVENT, input).await?, "/createEvent/event/id")?.to_owned();
        vendor.data(CREATE_TIER, json!({ "event": event })).await?;
        let document = "query($id: ID!) { event(id: $id) { version
            seatMap { zones { rows { seats { id } } } } } }";
        let data = vendor.data(document, json!({ "id": event })).await?;
        let input = json!({ "id": event, "version": data["event"]["version"] });
        vendor.data(PUBLISH_EVENT, input).await?;
        let input = json!({ "shop": shop, "category": category, "title": slug });
        let coupon = vendor.data(CREATE_COUPON, input).await?;
        let version = coupon["createCoupon"]["coupon"]["version"].clone();
        let coupon = text(&coupon, "/createCoupon/coupon/id")?.to_owned();
        vendor.data(PUBLISH_COUPON, json!({ "id": coupon, "version": version })).await?;
        let seats = seats(&data["event"]["seatMap"]);
        if seats.is_empty() {
            return Err("the event has no seats".into());
        }
        Ok(Self { event, slug: slug.to_owned(), seats, coupon })
    }
}

/// Returns the ids of all seats in map order.
fn seats(map: &Value) -> Vec<String> {
    let children = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
    let mut ids = Vec::new();
    for zone in children(map, "zones") {
        for row in children(&zone, "rows") {
            for seat in children(&row, "seats") {
                ids.extend(seat["id"].as_str().map(str::to_owned));
            }
        }
    }
    ids
}
