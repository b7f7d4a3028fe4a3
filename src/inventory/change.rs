//! Changes of a stock: decisions, which can be undone, and changes, which the log keeps.
//!
//! Invariant: pure and synchronous.

use std::{collections::BTreeSet, sync::Arc};

use entity::{AccountId, ReservationId, inventory::SeatStatus};
use serde::{Deserialize, Serialize};

use super::{
    command::NewClaim,
    fairness::IdleTime,
    state::{Area, ReservationSnapshot, Seat, Stock, Tally},
    totals::{Audience, Offer, Totals},
};

/// A value before and after a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write<K, V> {
    /// The key of the value.
    pub key: K,
    /// The value that the decision is based on.
    pub before: V,
    /// The new value.
    pub after: V,
}

/// The effect of a command on the stock, ready to be applied, undone and written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Seats.
    pub seats: Vec<Write<u32, Seat>>,
    /// Areas.
    pub areas: Vec<Write<u32, Area>>,
    /// Reservations; no value before means a new one.
    pub reservations: Vec<Write<ReservationId, Option<ReservationSnapshot>>>,
    /// The buyers' tallies.
    pub buyers: Vec<Write<AccountId, Tally>>,
    /// New claims. The stock counts copies and does not store claims.
    pub claims: Vec<Arc<NewClaim>>,
}

/// The new values of one version. The log stores it and other instances apply it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Change {
    /// The event's terms changed and must be reloaded.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub terms: bool,
    /// Ordinal, status, epoch and reservation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub seats: Vec<(u32, SeatStatus, u32, Option<ReservationId>)>,
    /// Ordinal and numbers of available, reserved and sold places.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub areas: Vec<(u32, u32, u32, u32)>,
    /// Whole reservations. Those that are no longer live leave the stock.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reservations: Vec<ReservationSnapshot>,
    /// The buyers' tallies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub buyers: Vec<BuyerTally>,
    /// The changed seats, ascending by ordinal, that the public could not buy at that time. The feed omits those in a
    /// hidden tier. Stored here because terms change: a version must look the same to later readers as to earlier ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hidden_seats: Vec<u32>,
    /// Those of them, ascending, that were in no tier. The feed shows them as blocked when they are free.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unpriced_seats: Vec<u32>,
    /// The changed areas that the public could not buy at that time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hidden_areas: Vec<u32>,
    /// The changed areas that were in no tier.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unpriced_areas: Vec<u32>,
    /// The public totals after this version. `None` if the terms changed, and in rows of earlier program versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub totals: Option<Totals>,
    /// The totals for members of the shop, if they differ from the public ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shop_totals: Option<Totals>,
}

/// Buyer, number of places, and idle time if there is any. (Short, because almost every change contains one.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuyerTally(
    pub AccountId,
    pub u32,
    #[serde(default, skip_serializing_if = "IdleTime::is_nothing")] pub IdleTime,
);

/// A committed version, as subscribers receive it.
#[derive(Debug)]
pub(crate) struct Version {
    /// Its number.
    pub(crate) number: i64,
    /// What it changed.
    pub(crate) change: Change,
}

impl Version {
    /// Returns a version that stands for all missed ones: receivers read everything again.
    pub(super) fn of_everything(number: i64) -> Self {
        Self { number, change: Change { terms: true, ..Change::default() } }
    }

    /// Returns whether the version wrote, or may have written, the reservation.
    pub(crate) fn is_about(&self, reservation: ReservationId) -> bool {
        self.change.terms || self.change.reservations.iter().any(|snapshot| snapshot.id == reservation)
    }
}

impl Decision {
    /// Returns whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.seats.is_empty()
            && self.areas.is_empty()
            && self.reservations.is_empty()
            && self.buyers.is_empty()
    }
}

impl Stock {
    /// Returns the combined change of the applied decisions.
    pub fn change_of<'a>(&self, decisions: &(impl Iterator<Item = &'a Decision> + Clone)) -> Change {
        let all = || decisions.clone();
        let seats: BTreeSet<u32> = all().flat_map(|d| d.seats.iter().map(|w| w.key)).collect();
        let areas: BTreeSet<u32> = all().flat_map(|d| d.areas.iter().map(|w| w.key)).collect();
        let buyers: BTreeSet<AccountId> = all().flat_map(|d| d.buyers.iter().map(|w| w.key)).collect();
        // The last write of a reservation in the batch counts, live or not.
        let mut reservations: Vec<&ReservationSnapshot> = Vec::new();
        let mut seen = BTreeSet::new();
        let written: Vec<_> = all().flat_map(|d| &d.reservations).collect();
        for write in written.into_iter().rev() {
            if seen.insert(write.key) {
                reservations.extend(write.after.as_ref());
            }
        }
        let offer = |ordinal: &u32| self.terms.seat_offer(*ordinal, Audience::PUBLIC);
        let area_offer = |ordinal: &u32| self.terms.area_offer(*ordinal, Audience::PUBLIC);
        let (totals, shop_totals) = self.totals_of(&seats, &areas);
        Change {
            terms: false,
            totals: Some(totals),
            shop_totals,
            hidden_seats: seats.iter().copied().filter(|seat| offer(seat).tier().is_none()).collect(),
            unpriced_seats: seats.iter().copied().filter(|seat| offer(seat) == Offer::Unpriced).collect(),
            unpriced_areas: areas
                .iter()
                .copied()
                .filter(|area| area_offer(area) == Offer::Unpriced)
                .collect(),
            hidden_areas: areas.iter().copied().filter(|area| area_offer(area).tier().is_none()).collect(),
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
