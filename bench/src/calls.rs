//! The calls of the API that clients of several measurements make, and what they know of the demo data.

use serde_json::{Value, json};

use crate::{Outcome, caller::Caller};

/// The demo's main event, of 941 seats.
pub(crate) const MAIN: &str = "a-midsummer-night";
/// The account that owns the demo's shops.
pub(crate) const VENDOR: &str = "vendor@tessera.example";
/// The password of all accounts of the demo.
pub(crate) const PASSWORD: &str = "tessera-demo";
/// Signs in.
pub(crate) const SIGN_IN: &str = "mutation($email: String!, $password: String!) {
    signIn(input: { email: $email, password: $password }) {
        session { accessToken refreshToken } errors { code retryAfterMs } } }";
/// Makes a guest.
pub(crate) const GUEST: &str =
    "mutation { createGuestSession { session { accessToken accessTokenExpiresAt } errors { code } } }";
/// Reserves the best places.
pub(crate) const RESERVE: &str = "mutation($event: ID!, $quantity: Int!, $split: Boolean!, $key: String!) {
    reserveSeats(input: { eventId: $event, pick: { bestAvailable: { quantity: $quantity, split: $split } },
        idempotencyKey: $key }) { reservation { id } errors { code } } }";
/// Gives a reservation back.
pub(crate) const RELEASE: &str = "mutation($id: ID!) {
    releaseReservation(input: { reservationId: $id }) { reservation { id } errors { code } } }";
/// Binds a reservation to an order.
pub(crate) const CHECKOUT: &str = "mutation($id: ID!, $key: String!) {
    checkout(input: { reservationIds: [$id], idempotencyKey: $key,
        contact: { name: \"A Buyer\", email: \"a.buyer@example.org\" } }) { order { id } errors { code } } }";
/// Pays an order.
pub(crate) const PAY: &str = "mutation($order: ID!, $method: String!, $key: String!) {
    payOrder(input: { orderId: $order, method: $method, idempotencyKey: $key }) {
        order { state } payment { id state failureCode } errors { code } } }";

/// Makes a guest at this caller's address. Returns the access token, or `None` if the server refuses.
pub(crate) async fn guest(caller: &mut Caller) -> Option<String> {
    let answer = caller.gql(GUEST, json!({})).await;
    text(&answer.json(), "/data/createGuestSession/session/accessToken").ok().map(str::to_owned)
}

/// A key that no other call has.
pub(crate) fn key() -> String {
    format!("bench-{}", uuid::Uuid::new_v4())
}

/// A value in a JSON document.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> Outcome<&'a str> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.ok_or_else(|| {
        format!("no {pointer} in {}", &value.to_string()[..200.min(value.to_string().len())]).into()
    })
}
