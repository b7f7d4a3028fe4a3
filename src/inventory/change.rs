//! What changes a stock: decisions, which can be undone, and the changes that the log keeps.
//!
//! Invariant: pure and synchronous.

use std::{collections::BTreeSet, sync::Arc};

use entity::{AccountId, ReservationId, inventory::SeatStatus};
use serde::{Deserialize, Serialize};

use super::{
    command::Granted,
    fairness::Idle,
    state::{Area, ReservationSnapshot, Seat, Stock, Tally},
};

/// A value before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write<K, V> {
    /// Which one.
    pub key: K,
    /// The value decided upon.
    pub before: V,
    /// The new value.
    pub after: V,
}

/// What a command does to the stock, ready to be applied, undone, and written down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Seats.
    pub seats: Vec<Write<u32, Seat>>,
    /// Areas.
    pub areas: Vec<Write<u32, Area>>,
    /// Reservations; none before means that it is new.
    pub reservations: Vec<Write<ReservationId, Option<ReservationSnapshot>>>,
    /// What is counted of buyers.
    pub buyers: Vec<Write<AccountId, Tally>>,
    /// Claims, which are written down and not remembered: copies are counted, not told apart.
    pub claims: Vec<Arc<Granted>>,
}

/// What a version changed: the new values. This is what the log keeps, and what other instances apply.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Change {
    /// The event's terms changed: reload them.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub terms: bool,
    /// Ordinal, status, epoch, reservation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub seats: Vec<(u32, SeatStatus, u32, Option<ReservationId>)>,
    /// Ordinal, available, reserved, sold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub areas: Vec<(u32, u32, u32, u32)>,
    /// Whole reservations; those no longer live leave the stock.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reservations: Vec<ReservationSnapshot>,
    /// What is counted of buyers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub buyers: Vec<BuyerTally>,
    /// Those of the seats, by ordinal and ascending, that were not for sale to everybody then: nobody is told of them.
    /// Written down here because terms change: what is told of a version later must be what was told of it then.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hidden_seats: Vec<u32>,
    /// Those of the areas, likewise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hidden_areas: Vec<u32>,
}

/// Buyer, places taken, and idle time if there is any. (Short, because there is one in almost every change.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuyerTally(pub AccountId, pub u32, #[serde(default, skip_serializing_if = "Idle::is_nothing")] pub Idle);

/// A committed version, as subscribers get it.
#[derive(Debug)]
pub(crate) struct Version {
    /// Its number.
    pub(crate) number: i64,
    /// What it changed.
    pub(crate) change: Change,
}

impl Version {
    /// Stands for all that was not told one by one: whoever gets it looks anew.
    pub(super) fn of_everything(number: i64) -> Self {
        Self { number, change: Change { terms: true, ..Change::default() } }
    }

    /// Whether the reservation was, or may have been, written in it.
    pub(crate) fn is_about(&self, reservation: ReservationId) -> bool {
        self.change.terms || self.change.reservations.iter().any(|snapshot| snapshot.id == reservation)
    }
}

impl Decision {
    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.seats.is_empty()
            && self.areas.is_empty()
            && self.reservations.is_empty()
            && self.buyers.is_empty()
    }
}

impl Stock {
    /// What the decisions, all applied, changed together.
    pub fn change_of<'a>(&self, decisions: &(impl Iterator<Item = &'a Decision> + Clone)) -> Change {
        let all = || decisions.clone();
        let seats: BTreeSet<u32> = all().flat_map(|d| d.seats.iter().map(|w| w.key)).collect();
        let areas: BTreeSet<u32> = all().flat_map(|d| d.areas.iter().map(|w| w.key)).collect();
        let buyers: BTreeSet<AccountId> = all().flat_map(|d| d.buyers.iter().map(|w| w.key)).collect();
        // The last write of a reservation in the batch holds, whether it is still live or not.
        let mut reservations: Vec<&ReservationSnapshot> = Vec::new();
        let mut seen = BTreeSet::new();
        let written: Vec<_> = all().flat_map(|d| &d.reservations).collect();
        for write in written.into_iter().rev() {
            if seen.insert(write.key) {
                reservations.extend(write.after.as_ref());
            }
        }
        let hidden = |ordinals: &BTreeSet<u32>, tiers: &[Option<u16>]| -> Vec<u32> {
            let tier = |ordinal: u32| tiers.get(ordinal as usize).copied().flatten();
            ordinals.iter().copied().filter(|&ordinal| !self.terms.is_open_to(tier(ordinal), &[])).collect()
        };
        Change {
            terms: false,
            hidden_seats: hidden(&seats, &self.terms.seat_tiers),
            hidden_areas: hidden(&areas, &self.terms.area_tiers),
            seats: seats
                .into_iter()
                .map(|ordinal| {
                    let seat = self.seats[ordinal as usize];
                    (ordinal, seat.status, seat.epoch, seat.reservation)
                })
                .collect(),
            areas: areas
                .into_iter()
                .map(|ordinal| {
                    let area = self.areas[ordinal as usize];
                    (ordinal, area.available(), area.reserved, area.sold)
                })
                .collect(),
            reservations: reservations.into_iter().rev().cloned().collect(),
            buyers: buyers
                .into_iter()
                .map(|buyer| {
                    let Tally { taken, idle } = self.tally(buyer);
                    BuyerTally(buyer, taken, idle)
                })
                .collect(),
        }
    }
}
