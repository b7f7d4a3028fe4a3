//! Which events are public, as queries for the slices below. They correlate with a table of the outer query.

use entity::{
    SeatMapId,
    event::{self, EventState},
    venue::{self, seat_map},
};
use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter, QuerySelect, QueryTrait, Select,
    sea_query::{Expr, ExprTrait, SelectStatement},
};

use crate::venue::parts::PublicEvents;

/// The queries for public events.
pub(crate) const PUBLIC_EVENTS: PublicEvents = PublicEvents { at_venue, on_map, all_on_map };

fn at_venue() -> SelectStatement {
    let here = (event::Entity, event::Column::VenueId);
    public_events().filter(Expr::col(here).equals((venue::Entity, venue::Column::Id))).into_query()
}

fn on_map() -> SelectStatement {
    let venue_of_event = (event::Entity, event::Column::VenueId);
    let map_of_event = (event::Entity, event::Column::SeatMapId);
    public_events()
        .filter(Expr::col(venue_of_event).equals((seat_map::Entity, seat_map::Column::VenueId)))
        .filter(Expr::col(map_of_event).equals((seat_map::Entity, seat_map::Column::Id)))
        .into_query()
}

fn all_on_map(id: SeatMapId) -> SelectStatement {
    let events = event::Entity::find().select_only().column(event::Column::Id);
    events.filter(event::Column::SeatMapId.eq(id)).into_query()
}

fn public_events() -> Select<event::Entity> {
    event::Entity::find()
        .select_only()
        .column(event::Column::Id)
        .filter(event::Column::State.ne(EventState::Draft))
}
