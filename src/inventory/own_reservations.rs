//! The buyer's own reservations that a refusal is about, so that a second tab learns that the places are its own.
//!
//! Invariant: pure and synchronous. A refusal reaches only its buyer.

use entity::AccountId;

use super::{
    command::{OwnReservations, Refusal},
    draft::Draft,
    state::{Place, ReservationSnapshot, Tally},
};

impl Draft<'_> {
    /// Counts more places of the buyer. Refuses if they exceed the limit per buyer.
    pub(super) fn count_taken(&mut self, buyer: AccountId, wanted: u32) -> Result<(), Refusal> {
        let limit = self.stock.terms.limit_per_buyer;
        let Tally { taken, idle } = self.tally(buyer);
        if taken.saturating_add(wanted) > limit {
            return Err(Refusal::LimitExceeded { limit, taken, own: self.own(buyer, |_| true) });
        }
        self.buyers.insert(buyer, Tally { taken: taken + wanted, idle });
        Ok(())
    }

    /// Returns the buyer's live reservations that satisfy the condition.
    pub(super) fn own(
        &self,
        buyer: AccountId,
        is_wanted: impl Fn(&ReservationSnapshot) -> bool,
    ) -> OwnReservations {
        let ids = self.stock.buyers.get(&buyer).into_iter().flat_map(|buyer| &buyer.reservations);
        let now = ids.filter_map(|id| self.reservations.get(id).or_else(|| self.stock.reservations.get(id)));
        let mut own = OwnReservations::default();
        for reservation in now.filter(|reservation| reservation.is_live() && is_wanted(reservation)) {
            own.ids.push(reservation.id);
            own.places += reservation.quantity();
        }
        own
    }

    /// Adds the buyer's own reservations to a refusal because of taken seats.
    pub(super) fn with_own(&self, refusal: Refusal, buyer: AccountId) -> Refusal {
        let Refusal::SeatsTaken { seats, at, .. } = refusal else { return refusal };
        let is_lost = |place: Place| matches!(place, Place::Seat { ordinal, .. } if seats.contains(&ordinal));
        let own = self.own(buyer, |reservation| reservation.items.iter().any(|item| is_lost(item.place)));
        Refusal::SeatsTaken { seats, at, own }
    }
}
