//! The queries that the slice gets from higher slices.

use entity::OrderId;
use sea_orm::sea_query::SelectStatement;

/// The orders' part of the application.
pub struct OrderParts {
    /// Selects the ids of the orders that are being paid, or that of one order if it is. The payment slice provides it.
    pub(crate) being_paid: fn(Option<OrderId>) -> SelectStatement,
}

impl OrderParts {
    /// Creates the part.
    pub(crate) fn new(being_paid: fn(Option<OrderId>) -> SelectStatement) -> Self {
        Self { being_paid }
    }
}
