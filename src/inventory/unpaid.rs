//! Unpaid places by source: the stock's counts, and the rules of `hoarding.rs` for a new reservation.
//!
//! Invariant: pure and synchronous. The counts always equal the sums over the live reservations.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use entity::{ReservationId, reservation::ReservationState};

use super::{
    command::Refusal,
    draft::{Draft, coarse},
    hoarding::{Excess, Source},
    state::{ReservationSnapshot, Stock},
};

/// The unpaid places of one source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnpaidPlaces {
    /// Number of places.
    pub places: u32,
    /// Its live reservations.
    pub reservations: BTreeSet<ReservationId>,
}

impl Stock {
    /// Counts a live reservation once.
    pub(super) fn count_source(&mut self, reservation: &ReservationSnapshot) {
        let Some(source) = reservation.source else { return };
        let unpaid = self.sources.entry(source).or_default();
        if unpaid.reservations.insert(reservation.id) {
            unpaid.places += reservation.quantity();
        }
    }

    /// Stops counting a reservation.
    pub(super) fn uncount_source(&mut self, reservation: &ReservationSnapshot) {
        let Some(source) = reservation.source else { return };
        let Some(unpaid) = self.sources.get_mut(&source) else { return };
        if unpaid.reservations.remove(&reservation.id) {
            unpaid.places -= reservation.quantity();
        }
        if unpaid.reservations.is_empty() {
            self.sources.remove(&source);
        }
    }
}

impl Draft<'_> {
    /// Refuses `wanted` more places to a source that would exceed a limit. Overdue reservations do not count, even if
    /// they have not been expired yet.
    pub(super) fn limit_source(&mut self, source: Option<Source>, wanted: u32) -> Result<(), Refusal> {
        let Some(source) = source else { return Ok(()) };
        if self.excess(source, wanted).is_none() {
            return Ok(());
        }
        self.expire_source(source);
        if self.excess(source, wanted) == Some(Excess::Crowded) {
            self.expire_where(|_| true);
        }
        let Some(excess) = self.excess(source, wanted) else { return Ok(()) };
        let free = self.stock.free_in_tiers() + self.ended().map(ReservationSnapshot::quantity).sum::<u32>();
        if excess == Excess::Crowded && free < wanted {
            // The limit is not the problem: the pick will be refused, with the actual reason.
            return Ok(());
        }
        let mut ends: Vec<_> = self.deadlines(source).collect();
        ends.sort_unstable();
        Err(match excess {
            Excess::Source { limit } => Refusal::TooManyUnpaid {
                limit,
                unpaid: self.unpaid_of(source),
                at: ends.first().copied().map(coarse),
            },
            Excess::Crowded => Refusal::Crowded { at: ends.last().copied().map(coarse) },
        })
    }

    fn excess(&self, source: Source, wanted: u32) -> Option<Excess> {
        let all = self.stock.counts.reserved - self.ended().map(ReservationSnapshot::quantity).sum::<u32>();
        self.stock.terms.hoarding.excess(self.unpaid_of(source), all, wanted)
    }

    fn unpaid_of(&self, source: Source) -> u32 {
        let places = self.stock.sources.get(&source).map(|unpaid| unpaid.places).unwrap_or_default();
        let ended = self.ended().filter(|reservation| reservation.source == Some(source));
        places - ended.map(ReservationSnapshot::quantity).sum::<u32>()
    }

    /// Returns the reservations that this decision ends.
    fn ended(&self) -> impl Iterator<Item = &ReservationSnapshot> {
        self.reservations.values().filter(|reservation| !reservation.is_live())
    }

    /// Returns the deadlines of the source's active reservations.
    fn deadlines(&self, source: Source) -> impl Iterator<Item = DateTime<Utc>> {
        let unpaid = self.stock.sources.get(&source);
        let ids = unpaid.into_iter().flat_map(|unpaid| &unpaid.reservations);
        let live = ids.filter_map(|id| self.stock.reservations.get(id));
        let active = live.filter(|reservation| {
            reservation.state == ReservationState::Active && !reservation.is_overdue(self.now)
        });
        active.map(|reservation| reservation.deadline)
    }

    fn expire_source(&mut self, source: Source) {
        let stock = self.stock;
        let Some(unpaid) = stock.sources.get(&source) else { return };
        for reservation in unpaid.reservations.iter().filter_map(|id| stock.reservations.get(id)) {
            if reservation.is_overdue(self.now) {
                self.expire_all_of(reservation.buyer);
            }
        }
    }
}
