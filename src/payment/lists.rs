//! Payments and refunds for lists, read for many orders at once. No function checks access.

use entity::{
    OrderId, PaymentId, RefundId,
    payment::{self, refund},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::{app::App, error::FaultResult};

/// Returns the orders' payments, oldest first.
pub async fn payments_of(app: &App, orders: Vec<OrderId>) -> FaultResult<Vec<payment::Model>> {
    let select = payment::Entity::find().filter(payment::Column::OrderId.is_in(orders));
    Ok(select.order_by_asc(payment::Column::Id).all(app.store.read()).await?)
}

/// Returns the payments with these ids.
pub async fn payments_by_ids(app: &App, ids: Vec<PaymentId>) -> FaultResult<Vec<payment::Model>> {
    Ok(payment::Entity::find().filter(payment::Column::Id.is_in(ids)).all(app.store.read()).await?)
}

/// Returns the orders' refunds, oldest first.
pub async fn refunds_of(app: &App, orders: Vec<OrderId>) -> FaultResult<Vec<refund::Model>> {
    let select = refund::Entity::find().filter(refund::Column::OrderId.is_in(orders));
    Ok(select.order_by_asc(refund::Column::Id).all(app.store.read()).await?)
}

/// Returns the refunds with these ids.
pub async fn refunds_by_ids(app: &App, ids: Vec<RefundId>) -> FaultResult<Vec<refund::Model>> {
    Ok(refund::Entity::find().filter(refund::Column::Id.is_in(ids)).all(app.store.read()).await?)
}
