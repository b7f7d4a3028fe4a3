//! The state of one inventory at one version: seats, areas, live reservations and buyers.
//!
//! [`Stock`] is the desk's in-memory copy. It changes only by a [`Decision`] (which can be undone while its commit may
//! still fail) or by a [`Change`] from the log. Both lead to the same state.
//!
//! Invariant: pure and synchronous. The counts always equal the sums over seats and areas.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use entity::{
    AccountId, OrderId, ReservationId, TierId, inventory::SeatStatus, reservation::ReservationState,
};
use serde::{Deserialize, Serialize};

pub use super::place::Place;
pub use super::terms::{Terms, TierTerms};
use super::{
    change::{BuyerTally, Change, Decision},
    fairness::IdleTime,
    hoarding::Source,
    totals::KeptTotals,
    unpaid::UnpaidPlaces,
};

/// A seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Its status.
    pub status: SeatStatus,
    /// Incremented by every reservation of the seat.
    pub epoch: u32,
    /// The reservation that has the seat.
    pub reservation: Option<ReservationId>,
}

/// A general-admission area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// Number of places.
    pub capacity: u32,
    /// Number of places reserved or being paid.
    pub reserved: u32,
    /// Number of places sold.
    pub sold: u32,
}

impl Area {
    /// An area without places.
    pub(super) const NOTHING: Self = Self { capacity: 0, reserved: 0, sold: 0 };

    /// Returns the number of free places.
    pub fn available(&self) -> u32 {
        self.capacity - self.reserved - self.sold
    }
}

/// An item of a reservation: one seat, or places of an area, at a fixed price per place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The seat or places.
    pub place: Place,
    /// The tier.
    pub tier: TierId,
    /// Price per place in minor units, including tax.
    pub price: i64,
    /// Fee per place in minor units, including tax.
    pub fee: i64,
    /// Tax contained in price and fee, per place.
    pub tax: i64,
    /// The terms of a coupon's copy, as JSON that the coupon slice reads; `None` for places of an event.
    #[serde(rename = "promised", default, skip_serializing_if = "Option::is_none")]
    pub coupon_terms: Option<String>,
}

/// The state of a reservation, in the desk's stock and in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservationSnapshot {
    /// The reservation's id.
    pub id: ReservationId,
    /// Its buyer.
    pub buyer: AccountId,
    /// Its state. The stock contains only active and paying reservations.
    pub state: ReservationState,
    /// Its items.
    pub items: Vec<Item>,
    /// ISO 4217 code of its prices.
    pub currency: String,
    /// When it expires, while active.
    pub deadline: DateTime<Utc>,
    /// The latest deadline that it can be extended to.
    pub deadline_max: DateTime<Utc>,
    /// Its order, after the checkout.
    pub order: Option<OrderId>,
    /// The network that it was made from; `None` if networks are not counted for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Time of its creation.
    pub created_at: DateTime<Utc>,
    /// The row's version.
    pub version: i64,
}

impl ReservationSnapshot {
    /// Returns the number of places.
    pub fn quantity(&self) -> u32 {
        self.items.iter().map(|item| item.place.quantity()).sum()
    }

    /// Returns the number of places in the area.
    pub fn quantity_in(&self, area: u32) -> u32 {
        let of = |item: &Item| match item.place {
            Place::Area { ordinal, quantity } if ordinal == area => quantity,
            Place::Seat { .. } | Place::Area { .. } => 0,
        };
        self.items.iter().map(of).sum()
    }

    /// Returns the fixed total in minor units, including fees and tax.
    pub fn total(&self) -> i64 {
        self.items.iter().map(|item| i64::from(item.place.quantity()) * (item.price + item.fee)).sum()
    }

    /// Returns whether it occupies its places.
    pub fn is_live(&self) -> bool {
        matches!(self.state, ReservationState::Active | ReservationState::Paying)
    }

    /// Returns whether it has expired. Its places can then be reserved at once, even if its row still says active.
    pub fn is_overdue(&self, now: DateTime<Utc>) -> bool {
        self.state == ReservationState::Active && self.deadline <= now
    }
}

/// A buyer's data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Buyer {
    /// The buyer's counters.
    pub tally: Tally,
    /// The buyer's live reservations.
    pub reservations: BTreeSet<ReservationId>,
}

/// A buyer's counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Number of places reserved, being paid or sold.
    pub taken: u32,
    /// The time in which the buyer had reservations without buying.
    pub idle: IdleTime,
}

/// Numbers of places by status. They always add up to the capacity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Free to reserve.
    pub available: u32,
    /// Reserved or being paid.
    pub reserved: u32,
    /// Sold.
    pub sold: u32,
    /// Withheld from sale.
    pub blocked: u32,
}

/// An inventory at one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stock {
    /// The version of this state.
    pub version: i64,
    /// The terms of sale.
    pub terms: Terms,
    /// By ordinal.
    pub seats: Vec<Seat>,
    /// By ordinal.
    pub areas: Vec<Area>,
    /// The live reservations.
    pub reservations: HashMap<ReservationId, ReservationSnapshot>,
    /// Buyers that have places or idle time.
    pub buyers: HashMap<AccountId, Buyer>,
    /// Sources that have unpaid places.
    pub sources: HashMap<Source, UnpaidPlaces>,
    /// Totals over seats and areas.
    pub counts: Counts,
    /// The totals as the public and the shop see them; `None` if they are not kept and must be computed.
    pub totals: Option<KeptTotals>,
}

impl Stock {
    /// Replaces the terms of sale.
    pub fn set_terms(&mut self, terms: Terms) {
        self.terms = terms;
        self.totals = Some(self.count_totals());
    }

    /// Applies a decision.
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

    /// Reverts a decision. Decisions are reverted in the reverse order of their application.
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

    /// Applies the next version of the log. It must follow the stock's version.
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

    /// Returns the number of places that the buyer has reserved, is paying for or has bought.
    pub fn taken(&self, buyer: AccountId) -> u32 {
        self.tally(buyer).taken
    }

    /// Returns the buyer's counters.
    pub fn tally(&self, buyer: AccountId) -> Tally {
        self.buyers.get(&buyer).map(|buyer| buyer.tally).unwrap_or_default()
    }

    /// Returns the counts, computed again from seats and areas.
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
        let before = std::mem::replace(&mut self.seats[ordinal as usize], after);
        *self.counts.of(before.status) -= 1;
        *self.counts.of(after.status) += 1;
        self.total_seat(ordinal, before.status, after.status);
    }

    fn set_area(&mut self, ordinal: u32, after: Area) {
        let before = std::mem::replace(&mut self.areas[ordinal as usize], after);
        self.counts.available = self.counts.available - before.available() + after.available();
        self.counts.reserved = self.counts.reserved - before.reserved + after.reserved;
        self.counts.sold = self.counts.sold - before.sold + after.sold;
        self.total_area(ordinal, before, after);
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
            self.uncount_source(reservation);
        }
        if let Some(reservation) = reservation
            && let Some(buyer) = self.buyers.get_mut(&reservation.buyer)
        {
            buyer.reservations.remove(&id);
            self.remove_if_empty(reservation.buyer);
        }
    }

    fn set_tally(&mut self, buyer: AccountId, tally: Tally) {
        self.buyers.entry(buyer).or_default().tally = tally;
        self.remove_if_empty(buyer);
    }

    /// Removes a buyer without any data.
    fn remove_if_empty(&mut self, id: AccountId) {
        if self.buyers.get(&id).is_some_and(|buyer| *buyer == Buyer::default()) {
            self.buyers.remove(&id);
        }
    }
}

impl Counts {
    /// Returns the number of all places.
    pub fn capacity(&self) -> u32 {
        self.available + self.reserved + self.sold + self.blocked
    }

    /// Returns the counter for seats of this status.
    pub fn of(&mut self, status: SeatStatus) -> &mut u32 {
        match status {
            SeatStatus::Available => &mut self.available,
            SeatStatus::Reserved | SeatStatus::Paying => &mut self.reserved,
            SeatStatus::Sold => &mut self.sold,
            SeatStatus::Blocked => &mut self.blocked,
        }
    }
}
