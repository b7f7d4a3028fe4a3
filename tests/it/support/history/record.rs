//! Records a history: the requests with their times and their responses.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Mutex,
        atomic::{AtomicU32, AtomicU64, Ordering::SeqCst},
    },
};

use entity::{
    EventId, InventoryId, ReservationId,
    inventory::{SeatStatus, seat},
    reservation,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use tessera::app::App;

use super::{
    check::{Operation, linearisable},
    seat::{Act, Rules, Seat, Sight, Token},
};

/// A history in progress. An operation on several seats is recorded for each of them.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    ticks: AtomicU64,
    tokens: AtomicU32,
    unknown: AtomicU64,
    acknowledged: Mutex<HashMap<ReservationId, Token>>,
    abandoned: AtomicU64,
    /// The operations with their seats. `None` is all seats.
    acts: Mutex<Vec<(Option<u32>, Operation<Act>)>>,
}

/// The time of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked(u64);

impl Recorder {
    /// Returns a new token for a reservation that is about to be requested.
    pub(crate) fn token(&self) -> Token {
        self.tokens.fetch_add(1, SeqCst)
    }

    /// Records the time of a request.
    pub(crate) fn ask(&self) -> Asked {
        Asked(self.ticks.fetch_add(1, SeqCst))
    }

    /// Returns the number of requests and responses so far.
    pub(crate) fn ticks(&self) -> u64 {
        self.ticks.load(SeqCst)
    }

    /// Returns the number of operations whose outcome is unknown.
    pub(crate) fn unknown_count(&self) -> u64 {
        self.unknown.load(SeqCst)
    }

    /// Records that a client knows the id of a reservation.
    pub(crate) fn acknowledge(&self, token: Token, id: ReservationId) {
        self.acknowledged.lock().expect("the record").insert(id, token);
    }

    /// Records that a client gave up on a reservation without knowing its outcome.
    pub(crate) fn abandon(&self) {
        self.abandoned.fetch_add(1, SeqCst);
    }

    /// Returns the token of a reservation that a client knows.
    pub(crate) fn token_of(&self, id: ReservationId) -> Option<Token> {
        self.acknowledged.lock().expect("the record").get(&id).copied()
    }

    /// Panics if there are reservations that no client knows: a repeated call must not reserve twice.
    pub(crate) async fn every_reservation_is_acknowledged(&self, app: &App, event: EventId, what: &str) {
        let reservations = reservation::Entity::find()
            .filter(reservation::Column::InventoryId.eq(InventoryId::from(event)))
            .all(app.store.read())
            .await
            .expect("reservations");
        let unknown: Vec<_> = reservations.iter().filter(|row| self.token_of(row.id).is_none()).collect();
        let allowed = usize::try_from(self.abandoned.load(SeqCst)).expect("few");
        assert!(unknown.len() <= allowed, "{what}: no client knows {unknown:#?}");
    }

    /// Records the final holders of all seats.
    pub(crate) async fn look(&self, app: &App, event: EventId) {
        let asked = self.ask();
        let of_event = seat::Column::InventoryId.eq(InventoryId::from(event));
        let seats = seat::Entity::find().filter(of_event).all(app.store.read()).await.expect("seats");
        let sights = seats.into_iter().map(|seat| {
            let who = seat.reservation_id.and_then(|id| self.token_of(id));
            let sight = match seat.status {
                SeatStatus::Available | SeatStatus::Blocked => Sight::Free,
                SeatStatus::Reserved | SeatStatus::Paying => Sight::Held(who),
                SeatStatus::Sold => Sight::Sold(who),
            };
            (u32::try_from(seat.ordinal).expect("few"), Act::Seen(sight))
        });
        self.answered_each(asked, sights);
    }

    /// Records that the request succeeded now, with the same result for each seat.
    pub(crate) fn answered(&self, asked: Asked, seats: &[u32], act: Act) {
        self.answered_each(asked, seats.iter().map(|seat| (*seat, act)));
    }

    /// Records that the request succeeded now, with a separate result for each seat.
    pub(crate) fn answered_each(&self, asked: Asked, acts: impl IntoIterator<Item = (u32, Act)>) {
        let answered = Some(self.ticks.fetch_add(1, SeqCst));
        let operation = |(seat, act)| (Some(seat), Operation { asked: asked.0, answered, act });
        self.acts.lock().expect("the record").extend(acts.into_iter().map(operation));
    }

    /// Records that the outcome of the request is unknown.
    pub(crate) fn unknown(&self, asked: Asked, seats: &[u32], act: Act) {
        self.unknown.fetch_add(1, SeqCst);
        let operation = |seat: &u32| (Some(*seat), Operation { asked: asked.0, answered: None, act });
        self.acts.lock().expect("the record").extend(seats.iter().map(operation));
    }

    /// Records that the clock moved to `now`, for all seats.
    pub(crate) fn clock(&self, asked: Asked, now: i64) {
        let answered = Some(self.ticks.fetch_add(1, SeqCst));
        let operation = Operation { asked: asked.0, answered, act: Act::Clock(now) };
        self.acts.lock().expect("the record").push((None, operation));
    }

    /// Panics unless every seat's history is linearisable. Returns the number of operations.
    pub(crate) fn prove(self, rules: Rules, start: i64, what: &str) -> usize {
        let acts = self.acts.into_inner().expect("the record");
        let (of_all, of_one): (Vec<_>, Vec<_>) = acts.into_iter().partition(|(seat, _)| seat.is_none());
        let mut by_seat: BTreeMap<u32, Vec<Operation<Act>>> = BTreeMap::new();
        let count = of_one.len();
        for (seat, operation) in of_one {
            by_seat.entry(seat.unwrap_or_default()).or_default().push(operation);
        }
        for (seat, mut operations) in by_seat {
            operations.extend(of_all.iter().map(|(_, operation)| operation.clone()));
            if let Err(stuck) = linearisable(&rules, Seat::new(start), operations.clone()) {
                let whole = listing(operations);
                panic!(
                    "{what}: the history of seat {seat} is not linearisable: {stuck}\nAll of it:\n{whole}"
                );
            }
        }
        count
    }
}

/// Formats a history as lines, ordered by the times of the requests.
fn listing(mut operations: Vec<Operation<Act>>) -> String {
    operations.sort_by_key(|operation| operation.asked);
    operations.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
