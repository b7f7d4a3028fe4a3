//! What clients say about reservations, and what they are answered.

use async_graphql::{Context, ID, InputObject, SimpleObject};
use entity::EventId;

use super::{
    Reservation, map_of,
    pick::PickInput,
    refusal::{ReservationError, Told},
};
use crate::{
    coupon::access,
    error::Error,
    graphql::{context::ContextExt, id::decode},
    inventory::{self, Reserve, ReserveOptions},
};

/// What to reserve.
#[derive(Debug, InputObject)]
pub struct ReserveSeatsInput {
    /// Of which event.
    pub event_id: ID,
    /// Which places.
    pub pick: PickInput,
    /// The code of an access coupon of the event's shop that opens hidden tiers of the event to you: one in your bag, or
    /// one that nobody claimed yet, which is claimed for you first and stays in your bag whatever becomes of this. It is
    /// looked at before any place is, and is good for further reservations; but once it opened one, it is yours for good.
    pub access_code: Option<String>,
    /// The solution of a `reservationChallenge` of this event, as the ALTCHA widget gives it: base64. Needed where the
    /// event's `buyerRequirement` is `PROOF_OF_WORK`. It is good for one reservation; if nothing was reserved, it can be
    /// used again.
    pub proof: Option<String>,
    /// Your own key, 8 to 255 characters, a UUID for instance: the same call with the same key has its effect once,
    /// and the same answer, for 7 days.
    pub idempotency_key: String,
}

impl ReserveSeatsInput {
    /// Reserves what is named.
    pub(super) async fn reserve(self, ctx: &Context<'_>) -> Result<inventory::Reservation, Error<Told>> {
        let event: EventId = decode(&self.event_id, "eventId")?;
        let map = map_of(ctx, event).await?;
        let pick = self.pick.parse(ctx, event, &map).await?;
        let reserve = Reserve { event, pick, key: self.idempotency_key };
        if let Some(code) = self.access_code {
            return access::reserve(ctx.app(), ctx.viewer(), (reserve, self.proof), &code)
                .await
                .map_err(|error| error.map_refusal(|refusal| Told::with_code(refusal, map)));
        }
        let options = ReserveOptions { proof: self.proof, ..ReserveOptions::default() };
        inventory::reserve_with(ctx.app(), ctx.viewer(), reserve, options)
            .await
            .map_err(|error| error.map_refusal(|refusal| Told::Places(refusal, Some(map))))
    }
}

/// What came of it.
#[derive(Debug, SimpleObject)]
pub struct ReserveSeatsPayload {
    /// The reservation, if it was made.
    pub reservation: Option<Reservation>,
    /// Why it was not made.
    pub errors: Vec<ReservationError>,
}

/// Which reservation to give back.
#[derive(Debug, InputObject)]
pub struct ReleaseReservationInput {
    /// The reservation.
    pub reservation_id: ID,
}

/// What came of it.
#[derive(Debug, SimpleObject)]
pub struct ReleaseReservationPayload {
    /// The reservation, released.
    pub reservation: Option<Reservation>,
    /// Why it was not released.
    pub errors: Vec<ReservationError>,
}

/// Which reservation to give more time.
#[derive(Debug, InputObject)]
pub struct ExtendReservationInput {
    /// The reservation.
    pub reservation_id: ID,
}

/// What came of it.
#[derive(Debug, SimpleObject)]
pub struct ExtendReservationPayload {
    /// The reservation, with its new deadline.
    pub reservation: Option<Reservation>,
    /// Why it was not extended.
    pub errors: Vec<ReservationError>,
}
