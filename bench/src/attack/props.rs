//! The data that attacks need on the server: the demo's events, vendors, guests and tickets.

use std::{net::Ipv4Addr, sync::Arc};

use serde_json::{Value, json};

use crate::{
    Outcome,
    attack::target::Target,
    caller::{Caller, STAFF, source},
    calls::text,
};

pub(crate) use crate::calls::{
    CHECKOUT, GUEST, MAIN, PASSWORD, PAY, RELEASE, RESERVE, SIGN_IN, VENDOR, guest, key,
};

/// The demo's event in the stadium.
pub(crate) const DERBY: &str = "harbour-derby";
/// A member who may only check tickets in.
pub(crate) const SCANNER: &str = "scanner@tessera.example";
/// An account with two tickets.
pub(crate) const BUYER: &str = "buyer@tessera.example";
const STARTS: &str = "2990-06-01T18:00:00Z";

/// The same mutation with a device token, for servers that recognise devices.
pub(crate) const SIGN_IN_AGAIN: &str = "mutation($email: String!, $password: String!, $device: String) {
    signIn(input: { email: $email, password: $password, deviceToken: $device }) {
        session { accessToken refreshToken deviceToken } errors { code retryAfterMs } } }";

/// An event of the demo.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// Its id.
    pub(crate) id: String,
    /// The number of its places.
    pub(crate) capacity: i64,
}

/// Finds an event by its slug.
pub(crate) async fn event(target: &Target, slug: &str) -> Outcome<Event> {
    let document = "query($slug: String!) { event(slug: $slug) { id capacity } }";
    let data = target.caller(STAFF).data(document, json!({ "slug": slug })).await?;
    let capacity = data.pointer("/event/capacity").and_then(Value::as_i64).ok_or("no capacity")?;
    Ok(Event { id: text(&data, "/event/id")?.to_owned(), capacity })
}

/// Returns the number of reserved and unpaid places of an event.
pub(crate) async fn reserved(caller: &mut Caller, event: &str) -> Outcome<i64> {
    let document = "query($event: ID!) { event(id: $event) { availability { reserved } } }";
    let data = caller.data(document, json!({ "event": event })).await?;
    Ok(data.pointer("/event/availability/reserved").and_then(Value::as_i64).ok_or("no count")?)
}

/// Signs in from the address of this number. Returns the access token.
pub(crate) async fn sign_in(target: &Target, number: u32, email: &str) -> Outcome<String> {
    let mut caller = Caller::new(target.address, source(number));
    let data = caller.data(SIGN_IN, json!({ "email": email, "password": PASSWORD })).await?;
    Ok(text(&data, "/signIn/session/accessToken")?.to_owned())
}

/// The demo's vendor, with the ids of the vendor's objects.
pub(crate) struct Vendor {
    /// The access token.
    pub(crate) token: Arc<str>,
    source: Ipv4Addr,
    /// The shop.
    pub(crate) shop: String,
    venue: String,
    category: String,
}

impl Vendor {
    /// Signs in the vendor from the address of this number.
    pub(crate) async fn sign_in(target: &Target, number: u32) -> Outcome<Self> {
        let token = sign_in(target, number, VENDOR).await?;
        let document = "query($slug: String!) {
            event(slug: $slug) { shop { id } venue { id } category { id } } }";
        let data = target.caller(number).data(document, json!({ "slug": MAIN })).await?;
        let id = |pointer: &str| text(&data, pointer).map(str::to_owned);
        Ok(Self {
            token: token.into(),
            source: source(number),
            shop: id("/event/shop/id")?,
            venue: id("/event/venue/id")?,
            category: id("/event/category/id")?,
        })
    }

    /// Returns a caller with the vendor's token.
    pub(crate) fn caller(&self, target: &Target) -> Caller {
        Caller::new(target.address, self.source).with_token(&self.token)
    }

    /// Publishes `count` events with this description.
    pub(crate) async fn many_events(&self, target: &Target, count: u32, description: &str) -> Outcome<()> {
        let mut caller = self.caller(target);
        for _ in 0..count {
            self.event(&mut caller, description, 8).await?;
        }
        Ok(())
    }

    /// Publishes an event in the demo's main hall. Returns its id.
    async fn event(&self, caller: &mut Caller, description: &str, limit: u32) -> Outcome<String> {
        let document = "mutation($shop: ID!, $venue: ID!, $category: ID!, $starts: DateTime!,
                $description: String!, $limit: Int!) {
            createEvent(input: { shopId: $shop, venueId: $venue, categoryId: $category, name: \"Attacked\",
                description: $description, startsAt: $starts, endsAt: $starts, limitPerBuyer: $limit }) {
                event { id } errors { code message } } }";
        let input = json!({ "shop": self.shop, "venue": self.venue, "category": self.category,
            "starts": STARTS, "description": description, "limit": limit });
        let event = text(&caller.data(document, input).await?, "/createEvent/event/id")?.to_owned();
        let document = "mutation($event: ID!) { createTier(input: { eventId: $event, name: \"All\",
            categories: [\"Premium\", \"Stalls\", \"Circle\", \"Box\"],
            basePrice: { amount: \"20.00\", currency: \"EUR\" } }) { tier { id } errors { code message } } }";
        caller.data(document, json!({ "event": event })).await?;
        let document = "query($event: ID!) { event(id: $event) { version } }";
        let version = caller.data(document, json!({ "event": event })).await?["event"]["version"].take();
        let document = "mutation($event: ID!, $version: Long!) {
            publishEvent(input: { eventId: $event, expectedVersion: $version }) {
                event { status } errors { code message } } }";
        caller.data(document, json!({ "event": event, "version": version })).await?;
        Ok(event)
    }

    /// Publishes a free coupon with this stock, one copy per buyer. Returns its id.
    pub(crate) async fn coupon(&self, target: &Target, copies: u32) -> Outcome<String> {
        let mut caller = self.caller(target);
        let document = "mutation($shop: ID!, $category: ID!, $copies: Int!) {
            createCoupon(input: { shopId: $shop, categoryId: $category, title: \"Free drink\", kind: AMOUNT_OFF,
                amount: { amount: \"4.00\", currency: \"EUR\" }, stock: $copies, limitPerBuyer: 1 }) {
                coupon { id version } errors { code message } } }";
        let input = json!({ "shop": self.shop, "category": self.category, "copies": copies });
        let mut data = caller.data(document, input).await?;
        let coupon = text(&data, "/createCoupon/coupon/id")?.to_owned();
        let version = data["createCoupon"]["coupon"]["version"].take();
        let document = "mutation($coupon: ID!, $version: Long!) {
            publishCoupon(input: { couponId: $coupon, expectedVersion: $version }) {
                coupon { state } errors { code message } } }";
        caller.data(document, json!({ "coupon": coupon, "version": version })).await?;
        Ok(coupon)
    }

    /// Buys a hundred places for the demo's buyer. Returns the buyer's access token.
    pub(crate) async fn hundred_tickets(&self, target: &Target) -> Outcome<String> {
        let mut caller = self.caller(target);
        let token = sign_in(target, STAFF + 1, BUYER).await?;
        let mut buyer = target.caller(STAFF + 1).with_token(&token);
        // Ten orders of ten places, each for another event, so that no limit of unpaid places applies.
        for _ in 0..10 {
            let event = self.event(&mut caller, "An event.", 100).await?;
            let order = order(&mut buyer, &event, 10).await?;
            let input = json!({ "order": order, "method": "pm_card_visa", "key": key() });
            buyer.data(PAY, input).await?;
        }
        Ok(token)
    }
}

/// Reserves places and checks them out. Returns the order's id.
pub(crate) async fn order(buyer: &mut Caller, event: &str, quantity: u32) -> Outcome<String> {
    let input = json!({ "event": event, "quantity": quantity, "split": true, "key": key() });
    let data = buyer.data(RESERVE, input).await?;
    let reservation = text(&data, "/reserveSeats/reservation/id")?.to_owned();
    let data = buyer.data(CHECKOUT, json!({ "id": reservation, "key": key() })).await?;
    Ok(text(&data, "/checkout/order/id")?.to_owned())
}
