//! Fixtures of tests, created through the API: users, and an event on sale.

use chrono::TimeDelta;
use serde_json::json;

use super::World;

/// Returns a plan of three rows of ten seats, with two wheelchair places, and a standing area.
pub(crate) fn small_plan() -> String {
    plan(10)
}

/// Returns a plan of three rows.
fn plan(seats_per_row: i32) -> String {
    let row = |name: &str, y: i32, category: &str| {
        let seats: Vec<_> = (1..=seats_per_row)
            .map(|number| {
                json!({
                    "seat_guid": format!("{name}-{number}"),
                    "seat_number": number.to_string(),
                    "position": { "x": 20 * number, "y": 0 },
                    "category": category,
                    "wheelchair": name == "C" && number <= 2,
                })
            })
            .collect();
        json!({ "row_number": name, "position": { "x": 0, "y": y }, "seats": seats })
    };
    json!({
        "name": "Small hall",
        "size": { "width": 20 * seats_per_row + 100, "height": 200 },
        "categories": [
            { "name": "Front", "color": "#aa0000" },
            { "name": "Back", "color": "#0000aa" },
            { "name": "Floor", "color": "#00aa00" }
        ],
        "zones": [{
            "name": "Hall",
            "position": { "x": 10, "y": 10 },
            "rows": [row("A", 0, "Front"), row("B", 20, "Back"), row("C", 40, "Back")],
            "areas": [
                { "shape": "rectangle", "area_guid": "floor", "name": "Floor", "capacity": 50, "category": "Floor",
                  "position": { "x": 0, "y": 80 }, "rectangle": { "width": 200, "height": 40 } },
                { "shape": "text", "position": { "x": 100, "y": 150 }, "text": { "text": "Stage" } }
            ]
        }]
    })
    .to_string()
}

/// An event on sale, its shop, and the shop's owner.
pub(crate) struct Stage {
    /// The owner's token.
    pub(crate) vendor: String,
    /// The category.
    pub(crate) category: String,
    /// The shop.
    pub(crate) shop: String,
    /// The venue.
    pub(crate) venue: String,
    /// The seat map.
    pub(crate) map: String,
    /// The event, published.
    pub(crate) event: String,
    /// Its seats in map order.
    pub(crate) seats: Vec<String>,
    /// Its standing area with 50 places.
    pub(crate) area: String,
}

/// Where an event takes place, and its category.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) shop: &'a str,
    pub(crate) venue: &'a str,
    pub(crate) category: &'a str,
}

impl Stage {
    /// The place of the stage's event.
    pub(crate) fn place(&self) -> Place<'_> {
        Place { shop: &self.shop, venue: &self.venue, category: &self.category }
    }
}

impl World {
    /// Signs up a user and returns the token.
    pub(crate) async fn user(&self, name: &str) -> String {
        let document = "mutation($email: String!) {
            signUp(input: { email: $email, password: \"correct horse battery\", name: \"Somebody\" }) {
                session { accessToken } errors { code message path } } }";
        let answer =
            self.gql(None, document, json!({ "email": format!("{name}@tessera.test") })).await.good();
        answer.text("signUp.session.accessToken")
    }

    /// The current version of a shop.
    pub(crate) async fn shop_version(&self, shop: &str) -> serde_json::Value {
        let document = "query($id: ID!) { shop(id: $id) { version } }";
        self.gql(None, document, json!({ "id": shop })).await.good().data("shop.version")
    }

    /// Creates a guest and returns the token.
    pub(crate) async fn guest(&self) -> String {
        self.gql(None, GUEST, json!({})).await.good().text("createGuestSession.session.accessToken")
    }

    /// Creates an operator and returns the token.
    pub(crate) async fn operator(&self) -> String {
        let token = self.user("operator").await;
        tessera::account::make_operator(&self.app, "operator@tessera.test").await.expect("an operator");
        token
    }

    /// Creates an event on sale with the small plan: 30 seats at 20.00 and 10.00 with a fee of 1.00, and 50 standing
    /// places at 5.00. A buyer may have 8 places. Refunds are possible until the start, and tickets admit from now on.
    pub(crate) async fn stage(&self) -> Stage {
        self.stage_on(&small_plan()).await
    }

    /// Does the same with 300 seats.
    pub(crate) async fn large_stage(&self) -> Stage {
        self.stage_on(&plan(100)).await
    }

    /// Does the same with 900 seats, about as many as the demo's theatre.
    pub(crate) async fn theatre_stage(&self) -> Stage {
        self.stage_on(&plan(300)).await
    }

    async fn stage_on(&self, plan: &str) -> Stage {
        let operator = self.operator().await;
        let vendor = self.user("vendor").await;
        let document = "mutation { createCategory(input: { name: \"Music\", slug: \"music\" }) {
            category { id } errors { code message path } } }";
        let category =
            self.gql(Some(&operator), document, json!({})).await.good().text("createCategory.category.id");
        let document = "mutation { createShop(input: { name: \"The Hall\", currency: \"EUR\" }) {
            shop { id } errors { code message path } } }";
        let shop = self.gql(Some(&vendor), document, json!({})).await.good().text("createShop.shop.id");
        let document = "mutation($shop: ID!) { createVenue(input: { shopId: $shop, name: \"Small hall\",
            city: \"Graz\", country: \"AT\", timeZone: \"Europe/Vienna\" }) {
            venue { id } errors { code message path } } }";
        let venue = self.gql(Some(&vendor), document, json!({ "shop": shop })).await.good();
        let venue = venue.text("createVenue.venue.id");
        let map = self.import(&vendor, &venue, plan).await;
        let event =
            self.event(&vendor, Place { shop: &shop, venue: &venue, category: &category }, "Concert").await;
        let (seats, area) = self.places(&event).await;
        Stage { vendor, category, shop, venue, map, event, seats, area }
    }

    /// Lets buyers reserve and drop as often as they like: for tests in which few of them do it all the time.
    pub(crate) async fn without_reservation_budget(&self, vendor: &str, event: &str) {
        let seen = "query($id: ID!) { event(id: $id) { version } }";
        let version = self.gql(Some(vendor), seen, json!({ "id": event })).await.good().data("event.version");
        let document = "mutation($id: ID!, $version: Long!) { updateEvent(input: { eventId: $id,
            expectedVersion: $version, reservationBudgetSeconds: null }) { event { id } errors { code message path } } }";
        self.gql(Some(vendor), document, json!({ "id": event, "version": version })).await.good();
    }

    /// Imports a plan and returns the seat map's id.
    pub(crate) async fn import(&self, vendor: &str, venue: &str, plan: &str) -> String {
        let document = "mutation($venue: ID!, $plan: String!) {
            importSeatMap(input: { venueId: $venue, plan: $plan }) {
                seatMap { id } errors { code message path } } }";
        let answer = self.gql(Some(vendor), document, json!({ "venue": venue, "plan": plan })).await.good();
        answer.text("importSeatMap.seatMap.id")
    }

    /// Another event on sale at the same venue, without the orphan rule: most tests pick whatever seats they like.
    pub(crate) async fn event(&self, vendor: &str, place: Place<'_>, name: &str) -> String {
        let Place { shop, venue, category } = place;
        let document = "mutation($shop: ID!, $venue: ID!, $category: ID!, $name: String!, $starts: DateTime!,
            $ends: DateTime!, $now: DateTime!) {
            createEvent(input: { shopId: $shop, venueId: $venue, categoryId: $category, name: $name,
                startsAt: $starts, endsAt: $ends, refundUntil: $starts, orphanRule: false, admission: { from: $now } }) {
                event { id version } errors { code message path } } }";
        let starts = self.app.clock.now() + TimeDelta::hours(92 * 24 + 6);
        let ends = starts + TimeDelta::hours(3);
        let input = json!({ "shop": shop, "venue": venue, "category": category, "name": name,
            "starts": starts, "ends": ends, "now": self.app.clock.now() });
        let event = self.gql(Some(vendor), document, input).await.good().text("createEvent.event.id");
        for (name, price, scope) in
            [("Front", "20.00", "Front"), ("Back", "10.00", "Back"), ("Floor", "5.00", "Floor")]
        {
            let document = "mutation($event: ID!, $name: String!, $price: Decimal!, $scope: [String!]!) {
                createTier(input: { eventId: $event, name: $name, categories: $scope, taxBasisPoints: 1000,
                    basePrice: { amount: $price, currency: \"EUR\" }, fee: { amount: \"1.00\", currency: \"EUR\" } }) {
                    tier { id } errors { code message path } } }";
            let input = json!({ "event": event, "name": name, "price": price, "scope": [scope] });
            self.gql(Some(vendor), document, input).await.good();
        }
        let version = self
            .gql(
                Some(vendor),
                "query($event: ID!) { event(id: $event) { version } }",
                json!({ "event": event }),
            )
            .await
            .good()
            .data("event.version");
        let document = "mutation($event: ID!, $version: Long!) {
            publishEvent(input: { eventId: $event, expectedVersion: $version }) {
                event { status } errors { code message path } } }";
        self.gql(Some(vendor), document, json!({ "event": event, "version": version })).await.good();
        event
    }

    /// Returns the ids of an event's seats in map order, and of its first area.
    pub(crate) async fn places(&self, event: &str) -> (Vec<String>, String) {
        let document = "query($event: ID!) { event(id: $event) {
            seatMap { zones { rows { seats { id } } } areas { id } } } }";
        let answer = self.gql(None, document, json!({ "event": event })).await.good();
        let mut seats = Vec::new();
        for zone in answer.data("event.seatMap.zones").as_array().expect("zones") {
            for row in zone["rows"].as_array().expect("rows") {
                for seat in row["seats"].as_array().expect("seats") {
                    seats.push(seat["id"].as_str().expect("an id").to_owned());
                }
            }
        }
        let area = answer.text("event.seatMap.areas.0.id");
        (seats, area)
    }

    /// Tries to reserve seats with an idempotency key.
    pub(crate) async fn try_reserve(
        &self,
        token: &str,
        event: &str,
        seats: &[&str],
        key: &str,
    ) -> super::Answer {
        self.gql(Some(token), RESERVE, json!({ "event": event, "seats": seats, "key": key })).await
    }

    /// Reserves seats and returns the reservation's id.
    pub(crate) async fn reserve(&self, token: &str, event: &str, seats: &[&str]) -> String {
        let key = format!("reserve-{}", seats.join("-"));
        self.try_reserve(token, event, seats, &key[..key.len().min(200)])
            .await
            .good()
            .text("reserveSeats.reservation.id")
    }

    /// Checks reservations out and returns the order's id.
    pub(crate) async fn checkout(&self, token: &str, reservations: &[&str]) -> String {
        let key = format!("checkout-{}", reservations.join("-"));
        let input = json!({ "reservations": reservations, "key": &key[..key.len().min(200)] });
        self.gql(Some(token), CHECKOUT, input).await.good().text("checkout.order.id")
    }

    /// Pays an order by a method with an idempotency key.
    pub(crate) async fn pay(&self, token: &str, order: &str, method: &str, key: &str) -> super::Answer {
        self.gql(Some(token), PAY, json!({ "order": order, "method": method, "key": key })).await
    }

    /// Reserves, checks out and pays seats. Returns the order's id.
    pub(crate) async fn buy(&self, token: &str, event: &str, seats: &[&str]) -> String {
        let reservation = self.reserve(token, event, seats).await;
        let order = self.checkout(token, &[&reservation]).await;
        let paid = self.pay(token, &order, "pm_card_visa", &format!("pay-{order}")).await.good();
        assert_eq!(paid.data("payOrder.order.state"), "PAID", "{}", paid.body);
        order
    }
}

/// Reserves seats.
pub(crate) const RESERVE: &str = "mutation($event: ID!, $seats: [ID!]!, $key: String!) {
    reserveSeats(input: { eventId: $event, pick: { seatIds: $seats }, idempotencyKey: $key }) {
        reservation { id status version expiresAt total { amount currency } quantity }
        errors { code message path retryable seats available limit taken } } }";

/// Creates a guest session.
pub(crate) const GUEST: &str = "mutation { createGuestSession { session { accessToken } errors { code } } }";
/// Checks reservations out.
pub(crate) const CHECKOUT: &str = "mutation($reservations: [ID!]!, $key: String!) {
    checkout(input: { reservationIds: $reservations, idempotencyKey: $key,
        contact: { name: \"A Buyer\", email: \"buyer@tessera.test\" } }) {
        order { id state number accessToken total { amount } fees { amount } tax { amount }
            lines { label tierName total { amount } } }
        errors { code message path } } }";

/// Pays an order.
pub(crate) const PAY: &str = "mutation($order: ID!, $method: String!, $key: String!) {
    payOrder(input: { orderId: $order, method: $method, idempotencyKey: $key }) {
        order { id state tickets { id code label state } }
        payment { id state failureCode nextActionUrl }
        errors { code message path } } }";
