//! Which orders keep their discounts, as a query for the slices below.

use entity::order::{self, OrderState};
use sea_orm::{
    ColumnTrait,
    sea_query::{Query, SelectStatement},
};

/// Selects the ids of the orders that have not ended and were not refunded. A partial refund gives all discounts of the
/// order back.
pub(crate) fn live_orders() -> SelectStatement {
    let dead =
        [OrderState::Expired, OrderState::Cancelled, OrderState::Refunded, OrderState::PartiallyRefunded];
    Query::select()
        .column(order::Column::Id)
        .from(order::Entity)
        .and_where(order::Column::State.is_not_in(dead))
        .to_owned()
}
