//! Inputs and payloads of reservation mutations.

use async_graphql::{Context, ID, InputObject, SimpleObject};
use entity::EventId;

use super::{
    Reservation,
    pick::PickInput,
    refusal::{ReservationCause, ReservationError, ReserveSeatsError, with_code, with_map},
};
use crate::{
    coupon::access::{self, CodedReserve},
    error::Error,
    event as events,
    graphql::{context::ContextExt, id::decode},
    inventory::{self, Reserve},
};

/// Input of `reserveSeats`.
#[derive(Debug, InputObject)]
pub struct ReserveSeatsInput {
    /// The id of the event.
    pub event_id: ID,
    /// The places to reserve.
    pub pick: PickInput,
    /// The code of an access coupon that unlocks hidden tiers of the event. It is one in your bag, or an unclaimed one.
    /// An unclaimed code is claimed for you first and stays in your bag even if the reservation fails. The code can be
    /// used for further reservations. After its first reservation, its claim cannot be shared, released or refunded.
    pub access_code: Option<String>,
    /// The base64 solution of a `reservationChallenge` of this event, as the ALTCHA widget returns it. Required if the
    /// event's `buyerRequirement` is `PROOF_OF_WORK`. A solution is valid for one reservation; if the reservation
    /// fails, it can be used again.
    pub proof: Option<String>,
    /// Your own key, 8 to 255 characters, for instance a UUID. Repeated calls with the same key and input have one
    /// effect and the same result, for 7 days.
    pub idempotency_key: String,
}

impl ReserveSeatsInput {
    /// Reserves the given places.
    pub(super) async fn reserve(
        self,
        ctx: &Context<'_>,
    ) -> Result<inventory::Reservation, Error<ReservationCause>> {
        let event: EventId = decode(&self.event_id, "eventId")?;
        let map = events::find::seat_map(ctx.app(), ctx.viewer(), event).await?;
        let pick = self.pick.parse(ctx, event, &map).await?;
        let reserve = Reserve { event, pick, key: self.idempotency_key };
        if let Some(code) = self.access_code {
            let reserve = CodedReserve { input: reserve, proof: self.proof, map: map.id };
            return access::reserve(ctx.app(), ctx.viewer(), reserve, &code)
                .await
                .map_err(|error| with_code(error, &map));
        }
        inventory::reserve_on_map(ctx.app(), ctx.viewer(), reserve, self.proof, Some(map.id))
            .await
            .map_err(|error| with_map(error, Some(&map)))
    }
}

/// The result of `reserveSeats`.
#[derive(Debug, SimpleObject)]
pub struct ReserveSeatsPayload {
    /// The reservation. Null if `errors` is not empty.
    pub reservation: Option<Reservation>,
    /// Why the mutation failed. Empty if it succeeded.
    pub errors: Vec<ReserveSeatsError>,
}

/// Input of `releaseReservation`.
#[derive(Debug, InputObject)]
pub struct ReleaseReservationInput {
    /// The id of the reservation.
    pub reservation_id: ID,
}

/// The result of `releaseReservation`.
#[derive(Debug, SimpleObject)]
pub struct ReleaseReservationPayload {
    /// The released reservation. Null if `errors` is not empty.
    pub reservation: Option<Reservation>,
    /// Why the mutation failed. Empty if it succeeded.
    pub errors: Vec<ReservationError>,
}

/// Input of `extendReservation`.
#[derive(Debug, InputObject)]
pub struct ExtendReservationInput {
    /// The id of the reservation.
    pub reservation_id: ID,
}

/// The result of `extendReservation`.
#[derive(Debug, SimpleObject)]
pub struct ExtendReservationPayload {
    /// The reservation with its new deadline. Null if `errors` is not empty.
    pub reservation: Option<Reservation>,
    /// Why the mutation failed. Empty if it succeeded.
    pub errors: Vec<ReservationError>,
}
