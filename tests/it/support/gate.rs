//! Fixtures of tests at the gate: events with their own dates and rules, and scans.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{Answer, World, given::Stage};

const CREATE: &str = "mutation($input: CreateEventInput!) { createEvent(input: $input) {
    event { id version } errors { code message path } } }";
const TIER: &str = "mutation($input: CreateTierInput!) { createTier(input: $input) {
    tier { id version } errors { code message path } } }";
const PUBLISH: &str = "mutation($event: ID!) { publishEvent(input: { eventId: $event, expectedVersion: 1 }) {
    event { id } errors { code message path } } }";
const UPDATE: &str = "mutation($input: UpdateEventInput!) { updateEvent(input: $input) {
    event { id version startsAt salesStart salesEnd refundUntil refundMinutesBeforeStart derivedDates status
        admission { doorsAt from until maxEntries entryPeriod reentry } } errors { code message path } } }";
const SCAN: &str = "mutation($input: CheckInInput!) { checkIn(input: $input) {
    ticket { id state version checkedInAt checkedOutAt entries } errors { code kind retryable path ticketId
        ticketVersion ticketLabel eventId earlierCheckIn { at accountId } admissionFrom admissionUntil
        admitsAgainAt } } }";
const LEAVE: &str = "mutation($input: CheckOutInput!) { checkOut(input: $input) {
    ticket { id state version checkedInAt checkedOutAt entries } mayReturn errors { code path ticketId } } }";
const UNDO: &str = "mutation($input: UndoCheckInInput!) { undoCheckIn(input: $input) {
    ticket { id state version checkedInAt checkedOutAt entries code } errors { code path } } }";

/// A published event, and its seats in map order.
pub(crate) struct Show {
    pub(crate) event: String,
    pub(crate) seats: Vec<String>,
}

/// Overwrites fields of an input.
fn with(mut input: Value, more: &Value) -> Value {
    for (key, value) in more.as_object().expect("an object") {
        input[key] = value.clone();
    }
    input
}

impl World {
    /// Returns the time in these hours.
    pub(crate) fn in_hours(&self, hours: i64) -> DateTime<Utc> {
        self.app.clock.now() + TimeDelta::hours(hours)
    }

    /// Creates and publishes an event from hour 3 to hour 5, with 30 seats at 20.00. `more` overwrites its input.
    pub(crate) async fn show(&self, stage: &Stage, more: Value) -> Show {
        self.show_at(stage, &stage.venue, more).await
    }

    /// Does the same at another venue of the shop.
    pub(crate) async fn show_at(&self, stage: &Stage, venue: &str, more: Value) -> Show {
        let input = json!({ "shopId": stage.shop, "venueId": venue, "categoryId": stage.category, "name": "Show",
            "startsAt": self.in_hours(3), "endsAt": self.in_hours(5), "orphanRule": false });
        let vendor = self.sign_in("vendor").await;
        let made = self.gql(Some(&vendor), CREATE, json!({ "input": with(input, &more) })).await.good();
        let event = made.text("createEvent.event.id");
        self.show_tier(&event, json!({ "name": "All", "categories": ["Front", "Back"] })).await;
        self.gql(Some(&vendor), PUBLISH, json!({ "event": event })).await.good();
        let (seats, _) = self.places(&event).await;
        Show { event, seats }
    }

    /// Creates a tier of the event for 20.00.
    pub(crate) async fn show_tier(&self, event: &str, more: Value) -> String {
        let price = json!({ "amount": "20.00", "currency": "EUR" });
        let input = with(json!({ "eventId": event, "basePrice": price }), &more);
        let vendor = self.sign_in("vendor").await;
        let made = self.gql(Some(&vendor), TIER, json!({ "input": input })).await.good();
        made.text("createTier.tier.id")
    }

    /// Changes the event at its current version.
    pub(crate) async fn change_event(&self, event: &str, change: Value) -> Answer {
        let vendor = self.sign_in("vendor").await;
        let seen = "query($id: ID!) { event(id: $id) { version } }";
        let version =
            self.gql(Some(&vendor), seen, json!({ "id": event })).await.good().data("event.version");
        let input = with(json!({ "eventId": event, "expectedVersion": version }), &change);
        with_plain_times(self.gql(Some(&vendor), UPDATE, json!({ "input": input })).await)
    }

    /// Cancels the event.
    pub(crate) async fn cancel_event(&self, event: &str) {
        let vendor = self.sign_in("vendor").await;
        let seen = "query($id: ID!) { event(id: $id) { version } }";
        let version =
            self.gql(Some(&vendor), seen, json!({ "id": event })).await.good().data("event.version");
        let cancel = "mutation($id: ID!, $version: Long!) {
            cancelEvent(input: { eventId: $id, expectedVersion: $version }) { event { status } errors { code } } }";
        self.gql(Some(&vendor), cancel, json!({ "id": event, "version": version })).await.good();
    }

    /// Buys one seat as a new guest. Returns the order, its access token and the code of its ticket.
    pub(crate) async fn bought(&self, event: &str, seat: &str) -> Bought {
        let buyer = self.guest().await;
        let order = self.buy(&buyer, event, &[seat]).await;
        let document = "query($id: ID!) { order(id: $id) { accessToken tickets { code id } } }";
        let answer = self.gql(Some(&buyer), document, json!({ "id": order })).await.good();
        Bought {
            token: answer.text("order.accessToken"),
            code: answer.text("order.tickets.0.code"),
            ticket: answer.text("order.tickets.0.id"),
            order,
        }
    }

    /// Scans a code at the entrance.
    pub(crate) async fn scan(&self, scanner: &str, code: &str) -> Answer {
        self.scan_as(scanner, json!({ "code": code })).await
    }

    /// Scans with this input.
    pub(crate) async fn scan_as(&self, scanner: &str, input: Value) -> Answer {
        with_plain_times(self.gql(Some(scanner), SCAN, json!({ "input": input })).await)
    }

    /// Scans at the exit with this input.
    pub(crate) async fn leave(&self, scanner: &str, input: Value) -> Answer {
        self.gql(Some(scanner), LEAVE, json!({ "input": input })).await
    }

    /// Undoes the check-in of a ticket at this version.
    pub(crate) async fn undo(&self, member: &str, ticket: &str, version: &Value) -> Answer {
        let input = json!({ "ticketId": ticket, "expectedVersion": version, "reason": "the wrong guest" });
        self.gql(Some(member), UNDO, json!({ "input": input })).await
    }
}

/// Writes all times of an answer in the form of [`DateTime`], so that they can be compared.
pub(crate) fn with_plain_times(mut answer: Answer) -> Answer {
    fn convert(value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Ok(time) = text.parse::<DateTime<Utc>>() {
                    *value = json!(time);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(convert),
            Value::Object(fields) => fields.values_mut().for_each(convert),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    convert(&mut answer.body);
    answer
}

/// A paid order of one ticket.
pub(crate) struct Bought {
    pub(crate) order: String,
    pub(crate) token: String,
    pub(crate) code: String,
    pub(crate) ticket: String,
}

/// Returns the result of a scan: the code of its error, or `ADMITTED`.
pub(crate) fn verdict(answer: &Answer) -> String {
    let error = answer.refusal("checkIn").or_else(|| answer.refusal("checkOut")).or_else(|| answer.code());
    let passed = !answer.data("checkIn.ticket").is_null() || !answer.data("checkOut.ticket").is_null();
    assert_eq!(error.is_none(), passed, "{}", answer.body);
    error.unwrap_or_else(|| "ADMITTED".to_owned())
}
