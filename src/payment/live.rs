//! Which orders are being paid, as a query for the slices below.

use entity::{
    OrderId,
    payment::{self, PaymentState},
};
use sea_orm::{
    ColumnTrait,
    sea_query::{Query, SelectStatement},
};

/// Selects the ids of the orders with a payment that has neither failed nor been cancelled: of all orders, or of `one`.
pub(crate) fn orders_being_paid(one: Option<OrderId>) -> SelectStatement {
    Query::select()
        .column(payment::Column::OrderId)
        .from(payment::Entity)
        .and_where(payment::Column::State.is_not_in([PaymentState::Failed, PaymentState::Cancelled]))
        .and_where_option(one.map(|id| payment::Column::OrderId.eq(id)))
        .to_owned()
}
