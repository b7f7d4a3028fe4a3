//! Keeps a history while it happens: who asked what, when, and what was answered.

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

/// A history in the making. Operations on several seats are written down for each of them.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    ticks: AtomicU64,
    tokens: AtomicU32,
    unknown: AtomicU64,
    acknowledged: Mutex<HashMap<ReservationId, Token>>,
    abandoned: AtomicU64,
    /// None for what happens to all seats.
    acts: Mutex<Vec<(Option<u32>, Operation<Act>)>>,
}

/// The moment at which something was asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked(u64);

impl Recorder {
    /// Names a reservation that is about to be asked for.
    pub(crate) fn token(&self) -> Token {
        self.tokens.fetch_add(1, SeqCst)
    }

    /// Something is about to be asked.
    pub(crate) fn ask(&self) -> Asked {
        Asked(self.ticks.fetch_add(1, SeqCst))
    }

    /// How much was asked and answered so far.
    pub(crate) fn ticks(&self) -> u64 {
        self.ticks.load(SeqCst)
    }

    /// How many operations came to an end that nobody knows.
    pub(crate) fn unknown_count(&self) -> u64 {
        self.unknown.load(SeqCst)
    }

    /// Somebody was told of a reservation.
    pub(crate) fn acknowledge(&self, token: Token, id: ReservationId) {
        self.acknowledged.lock().expect("the record").insert(id, token);
    }

    /// Somebody gave up asking what became of a reservation.
    pub(crate) fn abandon(&self) {
        self.abandoned.fetch_add(1, SeqCst);
    }

    /// The name of a reservation that somebody was told of.
    pub(crate) fn token_of(&self, id: ReservationId) -> Option<Token> {
        self.acknowledged.lock().expect("the record").get(&id).copied()
    }

    /// Panics if there are reservations that nobody was told of: a repeated call must not reserve twice.
    pub(crate) async fn every_reservation_is_acknowledged(&self, app: &App, event: EventId, what: &str) {
        let reservations = reservation::Entity::find()
            .filter(reservation::Column::InventoryId.eq(InventoryId::from(event)))
            .all(app.store.read())
            .await
            .expect("reservations");
        let unknown: Vec<_> = reservations.iter().filter(|row| self.token_of(row.id).is_none()).collect();
        let allowed = usize::try_from(self.abandoned.load(SeqCst)).expect("few");
        assert!(unknown.len() <= allowed, "{what}: nobody was told of {unknown:#?}");
    }

    /// Writes down, as the last thing seen of them, who has the seats.
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

    /// It was answered just now.
    pub(crate) fn answered(&self, asked: Asked, seats: &[u32], act: Act) {
        self.answered_each(asked, seats.iter().map(|seat| (*seat, act)));
    }

    /// It was answered just now, differently for each seat.
    pub(crate) fn answered_each(&self, asked: Asked, acts: impl IntoIterator<Item = (u32, Act)>) {
        let answered = Some(self.ticks.fetch_add(1, SeqCst));
        let operation = |(seat, act)| (Some(seat), Operation { asked: asked.0, answered, act });
        self.acts.lock().expect("the record").extend(acts.into_iter().map(operation));
    }

    /// Nobody knows whether it happened, or will.
    pub(crate) fn unknown(&self, asked: Asked, seats: &[u32], act: Act) {
        self.unknown.fetch_add(1, SeqCst);
        let operation = |seat: &u32| (Some(*seat), Operation { asked: asked.0, answered: None, act });
        self.acts.lock().expect("the record").extend(seats.iter().map(operation));
    }

    /// The clock was moved to here, for all seats.
    pub(crate) fn clock(&self, asked: Asked, now: i64) {
        let answered = Some(self.ticks.fetch_add(1, SeqCst));
        let operation = Operation { asked: asked.0, answered, act: Act::Clock(now) };
        self.acts.lock().expect("the record").push((None, operation));
    }

    /// Panics unless every seat's history is linearisable. Tells how many operations the histories have.
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

/// A history in lines, by the moments at which things were asked.
fn listing(mut operations: Vec<Operation<Act>>) -> String {
    operations.sort_by_key(|operation| operation.asked);
    operations.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
