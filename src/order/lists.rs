//! Data for lists of orders, read for all of them at once.

use std::collections::BTreeSet;

use entity::{
    OrderId,
    order::{self, discount, line},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::is_buyer;
use crate::{
    app::App,
    auth::Viewer,
    error::FaultResult,
    shop::{
        self,
        rules::{self, Power},
    },
};

/// Returns the orders that the viewer may see, as their buyer or as a seller of their shops.
pub async fn visible(app: &App, viewer: &Viewer, ids: Vec<OrderId>) -> FaultResult<Vec<order::Model>> {
    let orders = order::Entity::find().filter(order::Column::Id.is_in(ids)).all(app.store.read()).await?;
    let (mut seen, others): (Vec<_>, Vec<_>) = orders.into_iter().partition(|order| is_buyer(order, viewer));
    let shops: BTreeSet<_> = others.iter().map(|order| order.shop_id).collect();
    if !shops.is_empty() {
        let roles = shop::roles_in(app, viewer, shops.into_iter().collect()).await?;
        let sells = |order: &order::Model| {
            roles.get(&order.shop_id).is_some_and(|role| rules::has(*role, Power::Sell))
        };
        seen.extend(others.into_iter().filter(sells));
    }
    Ok(seen)
}

/// Returns the lines of the orders, sorted by order and position.
pub async fn lines(app: &App, ids: Vec<OrderId>) -> FaultResult<Vec<line::Model>> {
    Ok(line::Entity::find()
        .filter(line::Column::OrderId.is_in(ids))
        .order_by_asc(line::Column::OrderId)
        .order_by_asc(line::Column::Position)
        .all(app.store.read())
        .await?)
}

/// Returns the discounts of the orders, sorted by order and position of application.
pub async fn discounts(app: &App, ids: Vec<OrderId>) -> FaultResult<Vec<discount::Model>> {
    Ok(discount::Entity::find()
        .filter(discount::Column::OrderId.is_in(ids))
        .order_by_asc(discount::Column::OrderId)
        .order_by_asc(discount::Column::Position)
        .all(app.store.read())
        .await?)
}
