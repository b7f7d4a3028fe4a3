//! The limit per buyer in the slow model, and the buyer's own reservations that a refusal names.

use entity::AccountId;

use super::model::{Model, Refusals};
use crate::inventory::{OwnReservations, Place, Refusal};

impl Model {
    /// Refuses a buyer who would have too many places.
    pub(super) fn limit_buyer(&self, buyer: AccountId, wanted: u32) -> Result<(), Refusals> {
        let (limit, taken) = (self.limit, self.taken(buyer));
        if taken + wanted > limit {
            let own = self.own(buyer, |_| true);
            return Err(vec![Refusal::LimitExceeded { limit, taken, own }]);
        }
        Ok(())
    }

    /// Returns the buyer's live reservations with such a place.
    pub(super) fn own(&self, buyer: AccountId, is_wanted: impl Fn(&Place) -> bool) -> OwnReservations {
        let mut own = OwnReservations::default();
        for (id, reserved) in self.live().filter(|(_, reserved)| reserved.buyer == buyer) {
            if reserved.places.iter().any(&is_wanted) {
                own.ids.push(id);
                own.places += reserved.places.iter().map(Place::quantity).sum::<u32>();
            }
        }
        own
    }
}
