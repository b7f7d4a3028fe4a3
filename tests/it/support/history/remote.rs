//! Clients of real servers that are killed under their hands: they ask another one until they are answered.

use std::{sync::Mutex, time::Duration};

use entity::ReservationId;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use type_safe_id::{DynamicType, TypeSafeId};

use super::{
    record::{Asked, Recorder},
    seat::{Act, Token},
};
use crate::support::{
    given,
    process::{Came, request},
    random::Random,
};

/// A client that was not answered waits so long, and so often, before it calls the whole thing off.
const PAUSE: Duration = Duration::from_millis(4);
const PAUSES: usize = 5_000;
/// Purchases of one guest, who may not have more than eight places.
const PURCHASES: usize = 7;

const RELEASE: &str = "mutation($id: ID!) { releaseReservation(input: { reservationId: $id }) {
    reservation { status } errors { code } } }";
const STAND: &str = "mutation($event: ID!, $area: ID!, $key: String!) {
    reserveSeats(input: { eventId: $event, idempotencyKey: $key, pick: { admission: { areaId: $area, quantity: 1 } } }) {
        reservation { id } errors { code } } }";
const CONFIRM: &str = "mutation($id: ID!) { confirmPayment(input: { paymentId: $id }) {
    order { state } payment { id state } errors { code } } }";
const REFUND: &str = "mutation($id: ID!, $key: String!) {
    refundOrder(input: { orderId: $id, idempotencyKey: $key }) { order { state } errors { code } } }";

/// What all clients share.
#[derive(Debug)]
pub(crate) struct Front {
    /// Where the servers listen now.
    pub(crate) addresses: Mutex<Vec<String>>,
    /// The history.
    pub(crate) record: Recorder,
    /// No more is begun.
    pub(crate) ended: CancellationToken,
    /// The event, its seats in map order, and its area.
    pub(crate) event: String,
    /// The seats.
    pub(crate) seats: Vec<String>,
    /// The area.
    pub(crate) area: String,
    /// Orders, with the token of their buyer, and the state in which they must be for ever.
    pub(crate) promises: Mutex<Vec<(String, String, &'static str)>>,
}

/// An answer, after how many questions.
pub(crate) struct Answered {
    body: Value,
    first: Asked,
    last: Asked,
    /// Whether nobody was asked the same before.
    is_first: bool,
}

/// One client.
pub(crate) struct Remote<'a> {
    front: &'a Front,
    random: Random,
    name: String,
    token: String,
    keys: usize,
}

impl Front {
    /// Where one of the servers listens.
    pub(crate) fn address(&self, random: &mut Random) -> String {
        random.one(&self.addresses.lock().expect("the addresses")).clone()
    }
}

impl<'a> Remote<'a> {
    /// A client without a session.
    pub(crate) fn new(front: &'a Front, name: String, seed: u64) -> Self {
        Self { front, random: Random::new(seed), name, token: String::new(), keys: 0 }
    }

    /// Reserves and releases the first seats, and standing places, until the end.
    pub(crate) async fn hammer(mut self, seats: usize) {
        self.sign_in().await;
        while !self.front.ended.is_cancelled() {
            if self.random.chance(15) {
                self.stand().await;
                continue;
            }
            let count = 1 + self.random.below(2);
            let seats = self.random.some_below(seats, count);
            if let Some((by, id)) = self.reserve(&seats).await {
                let released = self.release(&id).await;
                self.front.record.answered(released.first, &seats, Act::Release { by });
            }
        }
    }

    /// Buys seats beyond the first, and gives most of them back, until the end.
    pub(crate) async fn buy(mut self, beyond: usize) {
        for purchase in 0.. {
            if self.front.ended.is_cancelled() {
                return;
            }
            if purchase % PURCHASES == 0 {
                self.sign_in().await;
            }
            let seat = beyond + self.random.below(self.front.seats.len() - beyond);
            let seats = [u32::try_from(seat).expect("few")];
            if let Some((by, id)) = self.reserve(&seats).await {
                self.purchase(&seats, by, &id).await;
            }
        }
    }

    async fn purchase(&mut self, seats: &[u32], by: Token, id: &str) {
        let record = &self.front.record;
        let input = json!({ "reservations": [id], "key": self.key() });
        let checkout = self.ask(given::CHECKOUT, &input).await;
        let order = text(&checkout.body, "/checkout/order/id");
        record.answered(checkout.first, seats, Act::Attach { by });
        let input = json!({ "order": order, "method": "pm_card_visa", "key": self.key() });
        let paid = self.ask(given::PAY, &input).await;
        let payment = text(&paid.body, "/payOrder/payment/id");
        let mut state = paid.body["payOrder"]["order"]["state"].clone();
        while state != "PAID" {
            // Under way when the server died: whoever asks, as the buyer's page does, sees to it.
            let confirmed = self.ask(CONFIRM, &json!({ "id": payment })).await;
            state = confirmed.body["confirmPayment"]["order"]["state"].clone();
        }
        record.answered(paid.first, seats, Act::Begin { by });
        record.answered(paid.first, seats, Act::Sell { by });
        let mut promise = "PAID";
        if self.random.chance(60) {
            let input = json!({ "id": order, "key": self.key() });
            let refund = self.ask(REFUND, &input).await;
            assert_eq!(refund.body["refundOrder"]["order"]["state"], "REFUNDED", "{}", refund.body);
            record.answered(refund.first, seats, Act::TakeBack { by });
            promise = "REFUNDED";
        }
        self.front.promises.lock().expect("the promises").push((self.token.clone(), order, promise));
    }

    async fn reserve(&mut self, seats: &[u32]) -> Option<(Token, String)> {
        let record = &self.front.record;
        let by = record.token();
        let ids: Vec<&String> = seats.iter().map(|seat| &self.front.seats[*seat as usize]).collect();
        let input = json!({ "event": self.front.event, "seats": ids, "key": self.key() });
        let reserved = self.ask(given::RESERVE, &input).await;
        let payload = &reserved.body["reserveSeats"];
        if let Some(id) = payload["reservation"]["id"].as_str() {
            record.answered(reserved.first, seats, Act::Take { by, until: None });
            record.acknowledge(by, reservation_id(id));
            return Some((by, id.to_owned()));
        }
        if !reserved.is_first {
            record.unknown(reserved.first, seats, Act::Take { by, until: None });
        }
        if payload["errors"][0]["code"] == "SEATS_TAKEN" {
            let lost = payload["errors"][0]["seats"].as_array().expect("the lost seats");
            let is_lost = |seat: u32| lost.iter().any(|lost| *lost == self.front.seats[seat as usize]);
            let found = |seat| if is_lost(seat) { Act::FoundTaken } else { Act::FoundFree };
            record.answered_each(reserved.last, seats.iter().map(|seat| (*seat, found(*seat))));
        }
        None
    }

    /// Reserves a standing place and gives it back: places have no names, so a call that acted twice would not be refused.
    async fn stand(&mut self) {
        let by = self.front.record.token();
        let input = json!({ "event": self.front.event, "area": self.front.area, "key": self.key() });
        let reserved = self.ask(STAND, &input).await;
        if let Some(id) = reserved.body["reserveSeats"]["reservation"]["id"].as_str() {
            self.front.record.acknowledge(by, reservation_id(id));
            self.release(id).await;
        }
    }

    async fn release(&mut self, id: &str) -> Answered {
        let released = self.ask(RELEASE, &json!({ "id": id })).await;
        let state = &released.body["releaseReservation"]["reservation"]["status"];
        assert_eq!(state, "RELEASED", "{}", released.body);
        released
    }

    async fn sign_in(&mut self) {
        self.token.clear();
        let session = self.ask(given::GUEST, &json!({})).await;
        self.token = text(&session.body, "/createGuestSession/session/accessToken");
    }

    /// Asks one server after another until one answers.
    async fn ask(&mut self, document: &str, variables: &Value) -> Answered {
        let first = self.front.record.ask();
        let (mut last, mut is_first) = (first, true);
        for _ in 0..PAUSES {
            let address = self.front.address(&mut self.random);
            let token = Some(self.token.as_str()).filter(|token| !token.is_empty());
            match request(&address, token, document, variables).await {
                Came::Answered(answer) if answer["errors"].is_null() => {
                    return Answered { body: answer["data"].clone(), first, last, is_first };
                }
                // Whatever the server could not do now: it may have done it all the same.
                Came::Answered(_) | Came::Lost => is_first = false,
                Came::NotSent => {}
            }
            tokio::time::sleep(PAUSE).await;
            last = self.front.record.ask();
        }
        panic!("{} was never answered: {document}", self.name);
    }

    fn key(&mut self) -> String {
        self.keys += 1;
        format!("{}-key-{}", self.name, self.keys)
    }
}

fn text(body: &Value, path: &str) -> String {
    let text = body.pointer(path).and_then(Value::as_str);
    text.unwrap_or_else(|| panic!("no text at {path} in {body}")).to_owned()
}

fn reservation_id(id: &str) -> ReservationId {
    ReservationId(id.parse::<TypeSafeId<DynamicType>>().expect("an id").uuid())
}
