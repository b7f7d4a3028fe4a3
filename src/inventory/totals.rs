//! The totals of a stock as the public sees them.
//!
//! Places that are not for sale to the public count as blocked, regardless of their status. The stock keeps its totals
//! up to date with every change of a place, so that each version in the log has its own without a count over all places.
//!
//! Invariant: pure and synchronous.

use std::collections::BTreeSet;

use entity::{TierId, inventory::SeatStatus};
use serde::{Deserialize, Serialize};

use super::state::{Area, Counts, Stock};

/// The public totals of a stock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublicTotals {
    /// Number of places by status.
    pub counts: Counts,
    /// Number of available places by index of the tier in the terms; 0 for hidden tiers.
    pub tiers: Vec<u32>,
}

/// The public totals after a version: the number of available, reserved, sold and blocked places, and the number of
/// available places of each tier with a changed place. (Short, because every change contains them.)
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals(pub [u32; 4], pub Vec<(TierId, u32)>);

impl Totals {
    /// Returns the number of places by status.
    pub fn counts(&self) -> Counts {
        let [available, reserved, sold, blocked] = self.0;
        Counts { available, reserved, sold, blocked }
    }
}

impl PublicTotals {
    /// Notes the new status of a seat in this public tier.
    fn set_seat(&mut self, tier: usize, before: SeatStatus, after: SeatStatus) {
        *self.counts.of(before) -= 1;
        *self.counts.of(after) += 1;
        if let Some(available) = self.tiers.get_mut(tier) {
            *available -= u32::from(before == SeatStatus::Available);
            *available += u32::from(after == SeatStatus::Available);
        }
    }

    /// Notes the new numbers of an area in this public tier.
    fn set_area(&mut self, tier: usize, before: Area, after: Area) {
        let Counts { available, reserved, sold, .. } = &mut self.counts;
        *available = *available - before.available() + after.available();
        *reserved = *reserved - before.reserved + after.reserved;
        *sold = *sold - before.sold + after.sold;
        if let Some(available) = self.tiers.get_mut(tier) {
            *available = *available - before.available() + after.available();
        }
    }
}

impl Stock {
    /// Returns the index of the tier if the public may buy from it.
    fn public_tier(&self, tier: Option<&Option<u16>>) -> Option<usize> {
        let tier = tier.copied().flatten();
        tier.filter(|_| self.terms.is_open_to(tier, &[])).map(usize::from)
    }

    /// Returns the public totals, computed from seats and areas.
    pub fn public_totals(&self) -> PublicTotals {
        let mut totals = PublicTotals { counts: Counts::default(), tiers: vec![0; self.terms.tiers.len()] };
        for (ordinal, seat) in self.seats.iter().enumerate() {
            match self.public_tier(self.terms.seat_tiers.get(ordinal)) {
                Some(tier) => {
                    *totals.counts.of(seat.status) += 1;
                    totals.tiers[tier] += u32::from(seat.status == SeatStatus::Available);
                }
                None => totals.counts.blocked += 1,
            }
        }
        for (ordinal, area) in self.areas.iter().enumerate() {
            match self.public_tier(self.terms.area_tiers.get(ordinal)) {
                Some(tier) => {
                    totals.counts.available += area.available();
                    totals.counts.reserved += area.reserved;
                    totals.counts.sold += area.sold;
                    totals.tiers[tier] += area.available();
                }
                None => totals.counts.blocked += area.capacity,
            }
        }
        totals
    }

    /// Updates the public totals for a seat's new status.
    pub(super) fn total_seat(&mut self, ordinal: u32, before: SeatStatus, after: SeatStatus) {
        let tier = self.public_tier(self.terms.seat_tiers.get(ordinal as usize));
        if let (Some(totals), Some(tier)) = (&mut self.public, tier) {
            totals.set_seat(tier, before, after);
        }
    }

    /// Updates the public totals for an area's new numbers.
    pub(super) fn total_area(&mut self, ordinal: u32, before: Area, after: Area) {
        let tier = self.public_tier(self.terms.area_tiers.get(ordinal as usize));
        let Some(totals) = &mut self.public else { return };
        match tier {
            Some(tier) => totals.set_area(tier, before, after),
            None => totals.counts.blocked = totals.counts.blocked - before.capacity + after.capacity,
        }
    }

    /// Returns the totals for a change of these seats and areas, which are already applied.
    pub(super) fn totals_of(&self, seats: &BTreeSet<u32>, areas: &BTreeSet<u32>) -> Totals {
        let counted;
        let totals = if let Some(totals) = &self.public {
            totals
        } else {
            counted = self.public_totals();
            &counted
        };
        let tier_of = |tiers: &[Option<u16>], ordinal: u32| self.public_tier(tiers.get(ordinal as usize));
        let seats = seats.iter().filter_map(|seat| tier_of(&self.terms.seat_tiers, *seat));
        let areas = areas.iter().filter_map(|area| tier_of(&self.terms.area_tiers, *area));
        let tiers: BTreeSet<usize> = seats.chain(areas).collect();
        let Counts { available, reserved, sold, blocked } = totals.counts;
        let tiers = tiers
            .into_iter()
            .map(|tier| (self.terms.tiers[tier].id, totals.tiers.get(tier).copied().unwrap_or_default()));
        Totals([available, reserved, sold, blocked], tiers.collect())
    }
}
