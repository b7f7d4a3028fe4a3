//! What clients say about reservations, and what they are answered.

use async_graphql::{Context, ID, InputObject, OneofObject, SimpleObject};
use entity::EventId;

use super::{
    Reservation, map_of,
    refusal::{ReservationError, Told},
};
use crate::{
    error::{Error, Fault, Faulty},
    graphql::{
        context::ContextExt,
        id::{self, decode},
    },
    inventory::{self, Pick, Reserve},
    venue::SeatMap,
};

/// What to reserve.
#[derive(Debug, InputObject)]
pub struct ReserveSeatsInput {
    /// Of which event.
    pub event_id: ID,
    /// Which places.
    pub pick: PickInput,
    /// Your own key, 8 to 255 characters, a UUID for instance: the same call with the same key has its effect once,
    /// and the same answer, for 7 days.
    pub idempotency_key: String,
}

impl ReserveSeatsInput {
    /// Reserves what is named.
    pub(super) async fn reserve(self, ctx: &Context<'_>) -> Result<inventory::Reservation, Error<Told>> {
        let event: EventId = decode(&self.event_id, "eventId")?;
        let map = map_of(ctx, event).await?;
        let pick = self.pick.parse(&map)?;
        let reserve = Reserve { event, pick, key: self.idempotency_key };
        inventory::reserve(ctx.app(), ctx.viewer(), reserve)
            .await
            .map_err(|error| error.map_refusal(|refusal| Told(refusal, Some(map))))
    }
}

/// Which places: exactly one of these.
#[derive(Debug, OneofObject)]
pub enum PickInput {
    /// These seats, all or none.
    SeatIds(Vec<ID>),
    /// Places of an area without numbered seats.
    Admission(AdmissionInput),
}

impl PickInput {
    /// The places by their ordinals on the map.
    fn parse(&self, map: &SeatMap) -> Faulty<Pick> {
        match self {
            Self::SeatIds(ids) => {
                let mut ordinals = Vec::with_capacity(ids.len().min(inventory::PLACES_MAX));
                for (index, id) in ids.iter().enumerate() {
                    let path = format!("pick.seatIds.{index}");
                    let seat = id::decode_as(id::SEAT, id, &path)?;
                    let ordinal =
                        map.ordinal(seat).filter(|&ordinal| (ordinal as usize) < map.plan.seats.len());
                    ordinals
                        .push(ordinal.ok_or_else(|| Fault::invalid(&path, "is not a seat of this event"))?);
                }
                Ok(Pick::Seats(ordinals))
            }
            Self::Admission(admission) => {
                let path = "pick.admission.areaId";
                let area = id::decode_as(id::AREA, &admission.area_id, path)?;
                let area = map.ordinal(area).filter(|&ordinal| (ordinal as usize) < map.plan.areas.len());
                let area = area.ok_or_else(|| Fault::invalid(path, "is not an area of this event"))?;
                Ok(Pick::Admission { area, quantity: admission.quantity })
            }
        }
    }
}

/// Places of an area without numbered seats.
#[derive(Debug, InputObject)]
pub struct AdmissionInput {
    /// The area.
    pub area_id: ID,
    /// How many places.
    pub quantity: u32,
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
