//! Clients of the library that perform random actions of a buyer and record the results.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::{EventId, OrderId, ReservationId, order::OrderState, payment::PaymentState};
use tessera::{
    app::App,
    auth::Viewer,
    error::{Error, Result},
    inventory::{
        self, Pick, Reserve,
        feed::{self, PublicStatus},
    },
    order::{self, Checkout, Contact},
    payment::{self, Pay, RefundOrder},
};

use super::{
    record::{Asked, Recorder},
    seat::{Act, Sight, Stage, Token},
};
use crate::support::random::Random;

/// The number of attempts of a failed call with its idempotency key.
const TRIES: usize = 6;

/// The shared state of all clients of a history.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The instances. Each call goes to a random one.
    pub(crate) apps: Vec<App>,
    /// The event.
    pub(crate) event: EventId,
    /// The number of seats for which all clients compete, from the first.
    pub(crate) seats: usize,
    /// The history.
    pub(crate) record: Recorder,
}

/// A buyer and their reservations.
pub(crate) struct Client {
    shared: Arc<Shared>,
    viewer: Viewer,
    random: Random,
    /// The prefix that makes this client's idempotency keys unique.
    name: String,
    keys: usize,
    mine: Vec<Mine>,
}

/// A reservation of this client and its progress.
#[derive(Clone, Debug)]
struct Mine {
    token: Token,
    id: ReservationId,
    seats: Vec<u32>,
    order: Option<OrderId>,
    is_paid: bool,
}

/// The result of a call that was repeated with one idempotency key.
enum Came<T, R> {
    Answered(T),
    Refused { refusal: R, asked: Asked, is_first: bool },
    Unknown,
}

impl Client {
    /// Creates a client without reservations.
    pub(crate) fn new(shared: Arc<Shared>, viewer: Viewer, seed: u64, name: String) -> Self {
        Self { shared, viewer, random: Random::new(seed), name, keys: 0, mine: Vec::new() }
    }

    /// Performs this number of random actions.
    pub(crate) async fn act(mut self, times: usize) {
        for _ in 0..times {
            // Another instance may show an older state. A single instance must show its own responses.
            if self.shared.apps.len() == 1 && self.random.chance(5) {
                look(&self.shared).await;
            }
            if self.mine.is_empty() || (self.mine.len() < 3 && self.random.chance(35)) {
                self.reserve().await;
                continue;
            }
            let index = self.random.below(self.mine.len());
            let mine = self.mine.swap_remove(index);
            let kept = match (mine.order, mine.is_paid) {
                (Some(order), true) => self.refund(mine, order).await,
                (Some(order), false) => self.settle(mine, order).await,
                (None, _) => Box::pin(self.decide(mine)).await,
            };
            self.mine.extend(kept);
        }
    }

    async fn decide(&mut self, mine: Mine) -> Option<Mine> {
        match self.random.below(100) {
            0..25 => self.extend(mine).await,
            25..55 => self.release(mine).await,
            55..70 => {
                // Simulates two browser tabs that call two instances concurrently.
                let (here, there) = (self.app(), self.app());
                tokio::join!(
                    extend(&self.shared, &here, &self.viewer, &mine),
                    release(&self.shared, &there, &self.viewer, &mine)
                );
                None
            }
            _ => self.checkout(mine).await,
        }
    }

    async fn settle(&mut self, mine: Mine, order: OrderId) -> Option<Mine> {
        match self.random.below(100) {
            0..15 => self.extend(mine).await,
            15..30 => self.cancel(mine, order).await,
            30..45 => self.pay(mine, order, "pm_card_chargeDeclined").await,
            _ => self.pay(mine, order, "pm_card_visa").await,
        }
    }

    async fn reserve(&mut self) {
        let count = 1 + self.random.below(3);
        let seats = self.random.some_below(self.shared.seats, count);
        let (token, key, shared) = (self.shared.record.token(), self.key(), self.shared.clone());
        let pick = Pick::Seats(seats.clone());
        let reserve = Reserve { event: shared.event, pick, key };
        let viewer = self.viewer;
        let first = shared.record.ask();
        let call = |app: App| {
            let (viewer, reserve) = (viewer, reserve.clone());
            async move { inventory::reserve(&app, &viewer, reserve).await }
        };
        let came = self.ask(first, call).await;
        let unknown = Act::Take { by: token, until: None };
        match came {
            Came::Answered(made) => {
                // A call repeated with its key returns the reservation's current state, which is still its first state.
                let until = Some(micros(made.snapshot.deadline));
                shared.record.answered(first, &seats, Act::Take { by: token, until });
                shared.record.acknowledge(token, made.snapshot.id);
                self.mine.push(Mine { token, id: made.snapshot.id, seats, order: None, is_paid: false });
            }
            Came::Refused { refusal, asked, is_first } => {
                if !is_first {
                    shared.record.unknown(first, &seats, unknown);
                }
                if let inventory::Refusal::SeatsTaken { seats: lost, .. } = refusal {
                    let found = |seat| if lost.contains(seat) { Act::FoundTaken } else { Act::FoundFree };
                    shared.record.answered_each(asked, seats.iter().map(|seat| (*seat, found(seat))));
                }
            }
            Came::Unknown => {
                shared.record.unknown(first, &seats, unknown);
                shared.record.abandon();
            }
        }
    }

    async fn extend(&mut self, mine: Mine) -> Option<Mine> {
        let app = self.app();
        extend(&self.shared, &app, &self.viewer, &mine).await.then_some(mine)
    }

    async fn release(&mut self, mine: Mine) -> Option<Mine> {
        let app = self.app();
        release(&self.shared, &app, &self.viewer, &mine).await;
        None
    }

    async fn checkout(&mut self, mine: Mine) -> Option<Mine> {
        let (by, key, shared) = (mine.token, self.key(), self.shared.clone());
        let contact =
            Contact { name: "A Buyer".to_owned(), email: "buyer@tessera.test".to_owned(), phone: None };
        let (claims, codes) = (Vec::new(), Vec::new());
        let input = Checkout { reservations: vec![mine.id], claims, codes, contact, key };
        let viewer = self.viewer;
        let first = shared.record.ask();
        let call = |app: App| {
            let (viewer, input) = (viewer, input.clone());
            async move { order::checkout(&app, &viewer, input).await }
        };
        match self.ask(first, call).await {
            Came::Answered(order) => {
                shared.record.answered(first, &mine.seats, Act::Attach { by });
                Some(Mine { order: Some(order.id), ..mine })
            }
            Came::Refused { refusal, asked, is_first } => {
                if !is_first {
                    shared.record.unknown(first, &mine.seats, Act::Attach { by });
                }
                let ended = order::ReservationRefusal::Ended;
                if matches!(refusal, order::Refusal::Reservation { why, .. } if why == ended) {
                    shared.record.answered(asked, &mine.seats, Act::Gone { by });
                }
                None
            }
            Came::Unknown => {
                shared.record.unknown(first, &mine.seats, Act::Attach { by });
                None
            }
        }
    }

    async fn pay(&mut self, mine: Mine, order: OrderId, method: &str) -> Option<Mine> {
        let (by, key, shared) = (mine.token, self.key(), self.shared.clone());
        let pay = Pay { order, access_token: None, method: Some(method.to_owned()), key };
        let viewer = self.viewer;
        let first = shared.record.ask();
        let (record, seats) = (&shared.record, &mine.seats);
        let call = |app: App| {
            let (viewer, pay) = (viewer, pay.clone());
            async move { payment::pay(&app, &viewer, pay).await }
        };
        match self.ask(first, call).await {
            Came::Answered(paid) => {
                let state = paid.payment.map(|payment| payment.state);
                match (paid.order.state, state) {
                    (OrderState::Paid, _) => {
                        record.answered(first, seats, Act::Begin { by });
                        record.answered(first, seats, Act::Sell { by });
                        return Some(Mine { is_paid: true, ..mine });
                    }
                    (_, Some(PaymentState::Failed | PaymentState::Cancelled)) => {
                        record.answered(first, seats, Act::Begin { by });
                        record.answered(first, seats, Act::End { by });
                        return Some(mine);
                    }
                    // The payment is undecided. A later settlement determines its result.
                    _ => {
                        record.answered(first, seats, Act::Begin { by });
                        record.unknown(first, seats, Act::Sell { by });
                        record.unknown(first, seats, Act::End { by });
                    }
                }
            }
            Came::Refused { refusal, asked, is_first } => {
                if !is_first {
                    unknown_payment(&shared, first, &mine);
                }
                if refusal == payment::Refusal::OrderEnded {
                    record.answered(asked, seats, Act::Gone { by });
                }
            }
            Came::Unknown => unknown_payment(&shared, first, &mine),
        }
        None
    }

    async fn cancel(&mut self, mine: Mine, order: OrderId) -> Option<Mine> {
        let act = Act::GiveUp { by: mine.token };
        let app = self.app();
        let asked = self.shared.record.ask();
        match order::cancel(&app, &self.viewer, None, order).await {
            Ok(_) => self.shared.record.answered(asked, &mine.seats, act),
            Err(Error::Refused(_)) => {}
            Err(Error::Fault(_)) => self.shared.record.unknown(asked, &mine.seats, act),
        }
        None
    }

    async fn refund(&mut self, mine: Mine, order: OrderId) -> Option<Mine> {
        let (act, key, shared) = (Act::TakeBack { by: mine.token }, self.key(), self.shared.clone());
        let input =
            RefundOrder { order, access_token: None, reason: "rain".to_owned(), leave_used: false, key };
        let viewer = self.viewer;
        let first = shared.record.ask();
        let call = |app: App| {
            let (viewer, input) = (viewer, input.clone());
            async move { payment::refund_order(&app, &viewer, input).await }
        };
        match self.ask(first, call).await {
            Came::Answered(_) => shared.record.answered(first, &mine.seats, act),
            Came::Refused { refusal, is_first, .. } => {
                assert!(!is_first, "a refund was refused: {refusal:?}");
                shared.record.unknown(first, &mine.seats, act);
            }
            Came::Unknown => shared.record.unknown(first, &mine.seats, act),
        }
        None
    }

    /// Calls random instances until the result is known.
    async fn ask<T, R, F>(&mut self, first: Asked, call: impl Fn(App) -> F) -> Came<T, R>
    where
        F: Future<Output = Result<T, R>>,
    {
        let mut asked = first;
        for round in 0..TRIES {
            match call(self.app()).await {
                Ok(answer) => return Came::Answered(answer),
                Err(Error::Refused(refusal)) => {
                    return Came::Refused { refusal, asked, is_first: round == 0 };
                }
                Err(Error::Fault(_)) => asked = self.shared.record.ask(),
            }
        }
        Came::Unknown
    }

    fn app(&mut self) -> App {
        self.random.one(&self.shared.apps).clone()
    }

    fn key(&mut self) -> String {
        self.keys += 1;
        format!("{}-{}", self.name, self.keys)
    }
}

/// Reads the availability and records it.
async fn look(shared: &Shared) {
    let asked = shared.record.ask();
    if let Ok(all) = feed::availability(&shared.apps[0], shared.event.into()).await {
        let sight = |visible| match visible {
            PublicStatus::Available | PublicStatus::Blocked => Sight::Free,
            PublicStatus::Reserved => Sight::Held(None),
            PublicStatus::Sold => Sight::Sold(None),
        };
        let seen =
            (0..).zip(&all.seats[..shared.seats]).map(|(seat, visible)| (seat, Act::Seen(sight(*visible))));
        shared.record.answered_each(asked, seen);
    }
}

/// Extends a reservation. Returns whether it may still exist.
async fn extend(shared: &Shared, app: &App, viewer: &Viewer, mine: &Mine) -> bool {
    let by = mine.token;
    let asked = shared.record.ask();
    let (act, goes_on) = match order::extend_reservation(app, viewer, mine.id).await {
        Ok(more) => (Act::Extend { by, until: Some(micros(more.snapshot.deadline)) }, true),
        Err(Error::Refused(inventory::Refusal::NoMoreTime)) => (Act::NoMoreTime { by }, true),
        Err(Error::Refused(inventory::Refusal::BeingPaid)) => (Act::At { by, stage: Stage::Paying }, true),
        Err(Error::Refused(inventory::Refusal::ReservationEnded)) => (Act::Gone { by }, false),
        Err(Error::Refused(other)) => panic!("an extension was refused: {other:?}"),
        Err(Error::Fault(_)) => {
            shared.record.unknown(asked, &mine.seats, Act::Extend { by, until: None });
            return false;
        }
    };
    shared.record.answered(asked, &mine.seats, act);
    goes_on
}

async fn release(shared: &Shared, app: &App, viewer: &Viewer, mine: &Mine) {
    let act = Act::Release { by: mine.token };
    let asked = shared.record.ask();
    let act = match inventory::release(app, viewer, mine.id).await {
        Ok(_) => act,
        Err(Error::Refused(inventory::Refusal::ReservationEnded)) => Act::Gone { by: mine.token },
        Err(Error::Refused(other)) => panic!("a release was refused: {other:?}"),
        Err(Error::Fault(_)) => return shared.record.unknown(asked, &mine.seats, act),
    };
    shared.record.answered(asked, &mine.seats, act);
}

fn unknown_payment(shared: &Shared, first: Asked, mine: &Mine) {
    let by = mine.token;
    for act in [Act::Begin { by }, Act::Sell { by }, Act::End { by }] {
        shared.record.unknown(first, &mine.seats, act);
    }
}

/// Converts a time to the model's unit, microseconds.
pub(crate) fn micros(time: DateTime<Utc>) -> i64 {
    time.timestamp_micros()
}
