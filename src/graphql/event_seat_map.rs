//! The mutation that moves an event to another seat map.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::{
    context::ContextExt,
    error::{ApiResult, edited},
    event::{ChangeEventSeatMapError, Event},
    event_edit::current,
    id::decode,
    scalar::Long,
};
use crate::event::seat_map;

/// Input of `changeEventSeatMap`.
#[derive(Debug, InputObject)]
pub struct ChangeEventSeatMapInput {
    /// The id of the event. You must be an owner or manager of its shop.
    event_id: ID,
    /// The event's `version` when you last read it. If it has changed since, nothing is stored and the error is
    /// `STALE`.
    expected_version: Long,
    /// The id of a seat map of the event's venue.
    seat_map_id: ID,
}

/// The result of `changeEventSeatMap`.
#[derive(Debug, SimpleObject)]
pub struct ChangeEventSeatMapPayload {
    /// The event after the change. With the error `STALE`, the current event. Null with other errors.
    event: Option<Event>,
    /// Why the mutation failed. Empty if it succeeded.
    errors: Vec<ChangeEventSeatMapError>,
}

/// The mutations of this file.
#[derive(Debug, Default)]
pub struct EventSeatMapMutation;

#[Object]
impl EventSeatMapMutation {
    /// Moves a draft, or a published event without reservations and orders, to another revision of its venue's seat map.
    /// The seat map must have all categories and areas that the event's tiers price; areas are found by their guid. Seats
    /// get new ids, and subscribers of `seatAvailability` get a snapshot. Reservations that ended without an order are
    /// deleted.
    async fn change_event_seat_map(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `changeEventSeatMap`.")] input: ChangeEventSeatMapInput,
    ) -> ApiResult<Option<ChangeEventSeatMapPayload>> {
        ctx.viewer().user()?;
        let ChangeEventSeatMapInput { event_id, expected_version, seat_map_id } = input;
        let ids = decode(&event_id, "eventId").and_then(|id| Ok((id, decode(&seat_map_id, "seatMapId")?)));
        let result = match ids {
            Ok((id, map)) => seat_map::change(ctx.app(), ctx.viewer(), id, expected_version.0, map).await,
            Err(fault) => Err(fault.into()),
        };
        let (event, errors) = edited(result.map(Event::from), current(ctx, &event_id)).await?;
        Ok(Some(ChangeEventSeatMapPayload { event, errors }))
    }
}
