//! The load: buyers who reserve, release, check out, cancel, pay and refund; claims of coupons; and readers.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    calls::{CHECKOUT, PAY, RELEASE, key},
    faults::{
        client::{Answered, Client, Front},
        scene::Scene,
    },
};

/// The acknowledged actions of a buyer on one purchase.
#[derive(Clone, Debug)]
pub(crate) struct Purchase {
    /// The buyer's access token.
    pub(crate) token: String,
    /// The reservation.
    pub(crate) reservation: String,
    /// The order, if it was acknowledged.
    pub(crate) order: Option<String>,
    /// The last acknowledged state.
    pub(crate) state: State,
    /// A call that was refused without a valid reason, or that was never answered.
    pub(crate) broken: Option<String>,
}

/// The last acknowledged state of a purchase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Reserved.
    Reserved,
    /// Released before the checkout.
    Released,
    /// Checked out.
    Ordered,
    /// The order was cancelled.
    Cancelled,
    /// Paid.
    Paid,
    /// Refunded.
    Refunded,
}

/// An acknowledged claim of a coupon.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    /// The buyer's access token.
    pub(crate) token: String,
    /// The claim.
    pub(crate) id: String,
}

/// The memory of all clients after a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    /// Purchases.
    pub(crate) purchases: Vec<Purchase>,
    /// Claims.
    pub(crate) claims: Vec<Claim>,
    /// Calls that were never answered, by their mutation. Their effect is unknown.
    pub(crate) unknown: Vec<String>,
}

const RESERVE_SEATS: &str = "mutation($event: ID!, $seats: [ID!]!, $key: String!) {
    reserveSeats(input: { eventId: $event, pick: { seatIds: $seats }, idempotencyKey: $key }) {
        reservation { id } errors { code } } }";
const CANCEL: &str =
    "mutation($order: ID!) { cancelOrder(input: { orderId: $order }) { order { state } errors { code } } }";
const CONFIRM: &str = "mutation($id: ID!) { confirmPayment(input: { paymentId: $id }) {
    order { state } payment { id state } errors { code } } }";
const REFUND: &str = "mutation($order: ID!, $key: String!) {
    refundOrder(input: { orderId: $order, idempotencyKey: $key }) { order { state } errors { code } } }";
const CLAIM: &str = "mutation($coupon: ID!, $key: String!) {
    claimCoupon(input: { couponId: $coupon, idempotencyKey: $key }) { claim { id } errors { code } } }";
const AVAILABILITY: &str = "query($event: ID!) { event(id: $event) { availability { version available } } }";

/// The number of actions per guest.
const PURCHASES: usize = 15;
/// The number of seats for which all buyers compete.
const WANTED: usize = 120;
/// The pause between two actions of a client.
const PAUSE: Duration = Duration::from_millis(15);
/// The maximum time until a payment is decided after the response to its call.
const DECIDED: Duration = Duration::from_mins(1);

/// Waits until the client can act. Creates a new guest after several actions. Returns `false` when the run ends.
async fn begins(front: &Front, client: &mut Client, (memory, count): (&mut Memory, &mut usize)) -> bool {
    while !front.is_ending() {
        if *count % PURCHASES != 0 || client.become_guest().await {
            *count += 1;
            return true;
        }
        memory.unknown.push("createGuestSession".to_owned());
    }
    false
}

/// Buys until the run ends.
pub(crate) async fn buy(front: Arc<Front>, scene: Arc<Scene>, number: u32) -> Memory {
    let mut client = Client::new(&front, number);
    let mut memory = Memory::default();
    let mut count = 0;
    while begins(&front, &mut client, (&mut memory, &mut count)).await {
        let wanted = WANTED.min(scene.seats.len());
        let seat = &scene.seats[client.random.below(wanted)];
        let input = json!({ "event": scene.event, "seats": [seat], "key": key() });
        match client.ask(RESERVE_SEATS, input).await {
            Answered::Data(data) => {
                let mut purchase = Purchase {
                    token: client.token(),
                    reservation: id(&data, "/reservation/id"),
                    order: None,
                    state: State::Reserved,
                    broken: None,
                };
                let plan = client.random.below(10);
                purchase.broken = go_on(&mut client, &mut purchase, plan).await.err();
                memory.purchases.push(purchase);
            }
            Answered::Refused(_) => {}
            Answered::Never(kind) => memory.unknown.push(format!("reserveSeats: {kind}")),
        }
        sleep(PAUSE).await;
    }
    memory
}

/// Releases, cancels, pays or refunds. The error names a call with a wrong response.
async fn go_on(client: &mut Client, purchase: &mut Purchase, plan: usize) -> Result<(), String> {
    if plan < 4 {
        acknowledged("release", client.ask(RELEASE, json!({ "id": purchase.reservation })).await)?;
        purchase.state = State::Released;
        return Ok(());
    }
    let input = json!({ "id": purchase.reservation, "key": key() });
    let data = acknowledged("checkout", client.ask(CHECKOUT, input).await)?;
    let order = id(&data, "/order/id");
    purchase.order = Some(order.clone());
    purchase.state = State::Ordered;
    if plan == 4 {
        acknowledged("cancel", client.ask(CANCEL, json!({ "order": order })).await)?;
        purchase.state = State::Cancelled;
        return Ok(());
    }
    let input = json!({ "order": order, "method": "pm_card_visa", "key": key() });
    let mut data = acknowledged("pay", client.ask(PAY, input).await)?;
    let payment = id(&data, "/payment/id");
    let until = Instant::now() + DECIDED;
    while data["order"]["state"] != "PAID" {
        if Instant::now() > until {
            return Err(format!("pay: undecided, {data}"));
        }
        sleep(Duration::from_millis(100)).await;
        data = acknowledged("confirm", client.ask(CONFIRM, json!({ "id": payment })).await)?;
    }
    purchase.state = State::Paid;
    if plan < 9 {
        acknowledged("refund", client.ask(REFUND, json!({ "order": order, "key": key() })).await)?;
        purchase.state = State::Refunded;
    }
    Ok(())
}

/// Claims coupons until the run ends.
pub(crate) async fn claim(front: Arc<Front>, scene: Arc<Scene>, number: u32) -> Memory {
    let mut client = Client::new(&front, number);
    let mut memory = Memory::default();
    let mut count = 0;
    while begins(&front, &mut client, (&mut memory, &mut count)).await {
        match client.ask(CLAIM, json!({ "coupon": scene.coupon, "key": key() })).await {
            Answered::Data(data) => {
                memory.claims.push(Claim { token: client.token(), id: id(&data, "/claim/id") });
            }
            Answered::Refused(code) => memory.unknown.push(format!("claimCoupon was refused: {code}")),
            Answered::Never(kind) => memory.unknown.push(format!("claimCoupon: {kind}")),
        }
        sleep(PAUSE * 2).await;
    }
    memory
}

/// Reads the availability until the run ends, and records the slowest response.
pub(crate) async fn browse(front: Arc<Front>, scene: Arc<Scene>, number: u32) -> Memory {
    let mut client = Client::new(&front, number);
    while !front.is_ending() {
        let begun = Instant::now();
        if let Answered::Data(_) = client.read(AVAILABILITY, json!({ "event": scene.event })).await {
            let mut tally = front.tally();
            tally.slowest_read = tally.slowest_read.max(begun.elapsed());
        }
        sleep(PAUSE * 4).await;
    }
    Memory::default()
}

fn acknowledged(call: &str, answered: Answered) -> Result<Value, String> {
    match answered {
        Answered::Data(data) => Ok(data),
        Answered::Refused(code) => Err(format!("{call} was refused: {code}")),
        Answered::Never(kind) => Err(format!("{call} was never answered: {kind}")),
    }
}

fn id(data: &Value, pointer: &str) -> String {
    data.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

impl Memory {
    /// Adds the memory of another client.
    pub(crate) fn extend(&mut self, other: Self) {
        self.purchases.extend(other.purchases);
        self.claims.extend(other.claims);
        self.unknown.extend(other.unknown);
    }
}
