//! What is known of one inventory at one version: seats, areas, live reservations, and what each buyer has.
//!
//! [`Stock`] is the desk's memory. It changes only by a [`Decision`] of `decide.rs` (which can be undone while its
//! commit may still fail) or by a [`Change`] read from the log, and both lead to the same state.
//!
//! Invariant: pure and synchronous. The counts always equal what the seats and areas say.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use entity::{
    AccountId, OrderId, ReservationId, TierId, inventory::SeatStatus, reservation::ReservationState,
};
use serde::{Deserialize, Serialize};

pub use super::terms::{Terms, TierTerms};
use super::{
    change::{Change, Decision, BuyerTally},
    fairness::Idle,
    hoarding::Source,
    unpaid::Unpaid,
};

/// One seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Where it stands.
    pub status: SeatStatus,
    /// Raised by every take.
    pub epoch: u32,
    /// Who has it.
    pub reservation: Option<ReservationId>,
}

/// One general-admission area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// All places.
    pub capacity: u32,
    /// Reserved or being paid.
    pub reserved: u32,
    /// Sold.
    pub sold: u32,
}

impl Area {
    /// One of which there is nothing to be had.
    pub(super) const NOTHING: Self = Self { capacity: 0, reserved: 0, sold: 0 };

    /// Places free to reserve.
    pub fn available(&self) -> u32 {
        self.capacity - self.reserved - self.sold
    }
}

/// What a reservation holds: one seat, or some places of an area, at a frozen price per place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// What it is.
    pub place: Place,
    /// The price level.
    pub tier: TierId,
    /// Price per place in minor units, tax included.
    pub price: i64,
    /// Fee per place in minor units, tax included.
    pub fee: i64,
    /// Tax contained in both, per place.
    pub tax: i64,
    /// What a copy of a coupon promises, as JSON that the coupon slice reads; none of a place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promised: Option<String>,
}

/// A seat or some places of an area.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// A numbered seat.
    Seat {
        /// Index in map order.
        ordinal: u32,
        /// The seat's epoch while it is reservation.
        epoch: u32,
    },
    /// Places of an area.
    Area {
        /// Index in map order.
        ordinal: u32,
        /// How many.
        quantity: u32,
    },
}

impl Place {
    /// How many places it is.
    pub fn quantity(&self) -> u32 {
        match self {
            Self::Seat { .. } => 1,
            Self::Area { quantity, .. } => *quantity,
        }
    }
}

/// A reservation, as the desk knows it and as the log tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservationSnapshot {
    /// Which reservation.
    pub id: ReservationId,
    /// Whose.
    pub buyer: AccountId,
    /// Where it stands; only active and paying ones are in the stock.
    pub state: ReservationState,
    /// What it holds.
    pub items: Vec<Item>,
    /// ISO 4217 code of its prices.
    pub currency: String,
    /// When it runs out, while active.
    pub deadline: DateTime<Utc>,
    /// Beyond this it cannot be extended.
    pub deadline_max: DateTime<Utc>,
    /// The order it belongs to, from the checkout on.
    pub order: Option<OrderId>,
    /// Where it was made from; `None` if that does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// The row's version.
    pub version: i64,
}

impl ReservationSnapshot {
    /// How many places it holds.
    pub fn quantity(&self) -> u32 {
        self.items.iter().map(|item| item.place.quantity()).sum()
    }

    /// How many places of the area it holds.
    pub fn quantity_in(&self, area: u32) -> u32 {
        let of = |item: &Item| match item.place {
            Place::Area { ordinal, quantity } if ordinal == area => quantity,
            Place::Seat { .. } | Place::Area { .. } => 0,
        };
        self.items.iter().map(of).sum()
    }

    /// Its frozen total in minor units, fees and tax included.
    pub fn total(&self) -> i64 {
        self.items.iter().map(|item| i64::from(item.place.quantity()) * (item.price + item.fee)).sum()
    }

    /// Whether it is in the way of others.
    pub fn is_live(&self) -> bool {
        matches!(self.state, ReservationState::Active | ReservationState::Paying)
    }

    /// Whether its time is up: it may be taken from at once, written down or not.
    pub fn is_overdue(&self, now: DateTime<Utc>) -> bool {
        self.state == ReservationState::Active && self.deadline <= now
    }
}

/// What one buyer has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Buyer {
    /// What is counted of them.
    pub tally: Tally,
    /// The buyer's live reservations.
    pub reservations: BTreeSet<ReservationId>,
}

/// What is counted of one buyer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Places reserved, being paid or sold.
    pub taken: u32,
    /// The time for which they reservation places and bought none.
    pub idle: Idle,
}

/// How many places stand where; they always add up to the capacity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Free to reserve.
    pub available: u32,
    /// Reserved or being paid.
    pub reserved: u32,
    /// Sold.
    pub sold: u32,
    /// Withheld.
    pub blocked: u32,
}

/// One inventory at one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stock {
    /// The version that this is the state of.
    pub version: i64,
    /// What may be sold and how.
    pub terms: Terms,
    /// By ordinal.
    pub seats: Vec<Seat>,
    /// By ordinal.
    pub areas: Vec<Area>,
    /// The live reservations.
    pub reservations: HashMap<ReservationId, ReservationSnapshot>,
    /// Everybody who has something, or of whom idle time is to be remembered.
    pub buyers: HashMap<AccountId, Buyer>,
    /// Every source that has unpaid places.
    pub sources: HashMap<Source, Unpaid>,
    /// Sums over seats and areas.
    pub counts: Counts,
}

impl Stock {
    /// Makes the decision's values the current ones.
    pub fn apply(&mut self, decision: &Decision) {
        for write in &decision.seats {
            self.set_seat(write.key, write.after);
        }
        for write in &decision.areas {
            self.set_area(write.key, write.after);
        }
        for write in &decision.reservations {
            self.set_reservation(write.key, write.after.as_ref());
        }
        for write in &decision.buyers {
            self.set_tally(write.key, write.after);
        }
    }

    /// Takes the decision back; decisions are undone in the reverse order of their application.
    pub fn undo(&mut self, decision: &Decision) {
        for write in &decision.seats {
            self.set_seat(write.key, write.before);
        }
        for write in &decision.areas {
            self.set_area(write.key, write.before);
        }
        for write in &decision.reservations {
            self.forget_reservation(write.key, write.after.as_ref());
            self.set_reservation(write.key, write.before.as_ref());
        }
        for write in &decision.buyers {
            self.set_tally(write.key, write.before);
        }
    }

    /// Applies the next version of the log. The version must be the one after the stock's.
    pub fn follow(&mut self, version: i64, change: &Change) {
        debug_assert_eq!(version, self.version + 1, "versions are applied without a gap");
        for &(ordinal, status, epoch, reservation) in &change.seats {
            self.set_seat(ordinal, Seat { status, epoch, reservation });
        }
        for &(ordinal, available, reserved, sold) in &change.areas {
            self.set_area(ordinal, Area { capacity: available + reserved + sold, reserved, sold });
        }
        for reservation in &change.reservations {
            self.set_reservation(reservation.id, Some(reservation));
        }
        for &BuyerTally(buyer, taken, idle) in &change.buyers {
            self.set_tally(buyer, Tally { taken, idle });
        }
        self.version = version;
    }

    /// How many places the buyer has.
    pub fn taken(&self, buyer: AccountId) -> u32 {
        self.tally(buyer).taken
    }

    /// What is counted of the buyer.
    pub fn tally(&self, buyer: AccountId) -> Tally {
        self.buyers.get(&buyer).map(|buyer| buyer.tally).unwrap_or_default()
    }

    /// The counts, summed anew from seats and areas.
    pub fn recount(&self) -> Counts {
        let mut counts = Counts::default();
        for seat in &self.seats {
            *counts.of(seat.status) += 1;
        }
        for area in &self.areas {
            counts.available += area.available();
            counts.reserved += area.reserved;
            counts.sold += area.sold;
        }
        counts
    }

    fn set_seat(&mut self, ordinal: u32, after: Seat) {
        let seat = &mut self.seats[ordinal as usize];
        *self.counts.of(seat.status) -= 1;
        *self.counts.of(after.status) += 1;
        *seat = after;
    }

    fn set_area(&mut self, ordinal: u32, after: Area) {
        let area = &mut self.areas[ordinal as usize];
        self.counts.available = self.counts.available - area.available() + after.available();
        self.counts.reserved = self.counts.reserved - area.reserved + after.reserved;
        self.counts.sold = self.counts.sold - area.sold + after.sold;
        *area = after;
    }

    fn set_reservation(&mut self, id: ReservationId, after: Option<&ReservationSnapshot>) {
        match after {
            Some(reservation) if reservation.is_live() => {
                self.buyers.entry(reservation.buyer).or_default().reservations.insert(id);
                self.count_source(reservation);
                self.reservations.insert(id, reservation.clone());
            }
            ended => self.forget_reservation(id, ended),
        }
    }

    fn forget_reservation(&mut self, id: ReservationId, reservation: Option<&ReservationSnapshot>) {
        self.reservations.remove(&id);
        if let Some(reservation) = reservation {
            self.discount_source(reservation);
        }
        if let Some(reservation) = reservation
            && let Some(buyer) = self.buyers.get_mut(&reservation.buyer)
        {
            buyer.reservations.remove(&id);
            self.forget_if_nobody(reservation.buyer);
        }
    }

    fn set_tally(&mut self, buyer: AccountId, tally: Tally) {
        self.buyers.entry(buyer).or_default().tally = tally;
        self.forget_if_nobody(buyer);
    }

    /// A buyer who has nothing and of whom nothing is counted is as one who never came.
    fn forget_if_nobody(&mut self, id: AccountId) {
        if self.buyers.get(&id).is_some_and(|buyer| *buyer == Buyer::default()) {
            self.buyers.remove(&id);
        }
    }
}

impl Counts {
    /// The count that a seat of this status belongs to.
    pub fn of(&mut self, status: SeatStatus) -> &mut u32 {
        match status {
            SeatStatus::Available => &mut self.available,
            SeatStatus::Reserved | SeatStatus::Paying => &mut self.reserved,
            SeatStatus::Sold => &mut self.sold,
            SeatStatus::Blocked => &mut self.blocked,
        }
    }
}
