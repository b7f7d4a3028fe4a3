//! Loaders for lists of orders and claims, read once per list.

use std::collections::HashMap;

use async_graphql::{Context, dataloader::Loader};
use entity::{
    OrderId, OrderLineId, claim,
    order::{self, discount, line},
};

use crate::{
    coupon::issue,
    error::FaultResult,
    graphql::{
        context::ContextExt,
        loader::{Batch, Shared, keyed},
    },
    order::lists,
};

/// Loader key: an order, if the viewer may see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct VisibleOrder(pub(crate) OrderId);

/// Loader key: the lines of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct LinesOf(pub(super) OrderId);

/// Loader key: the discounts of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct DiscountsOf(pub(super) OrderId);

/// Loader key: the claim that was issued for an order line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct IssuedFor(OrderLineId);

/// Returns the claims that were issued for the lines that are copies of coupons, oldest first.
pub(super) async fn issued_for(ctx: &Context<'_>, lines: &[line::Model]) -> FaultResult<Vec<claim::Model>> {
    let copies = lines.iter().filter(|line| line.coupon_id.is_some()).map(|line| IssuedFor(line.id));
    let issued = ctx.loaders().many(copies.collect()).await?;
    let mut issued: Vec<_> = issued.into_values().collect();
    issued.sort_by_key(|claim| claim.id);
    Ok(issued)
}

impl Loader<VisibleOrder> for Batch {
    type Value = order::Model;
    type Error = Shared;

    async fn load(&self, keys: &[VisibleOrder]) -> Result<HashMap<VisibleOrder, order::Model>, Shared> {
        let ids = keys.iter().map(|key| key.0).collect();
        Ok(keyed(lists::visible(&self.app, &self.viewer, ids).await?, |row| VisibleOrder(row.id)))
    }
}

impl Loader<LinesOf> for Batch {
    type Value = Vec<line::Model>;
    type Error = Shared;

    async fn load(&self, keys: &[LinesOf]) -> Result<HashMap<LinesOf, Vec<line::Model>>, Shared> {
        let ids = keys.iter().map(|key| key.0).collect();
        let mut all: HashMap<LinesOf, Vec<line::Model>> = HashMap::new();
        for line in lists::lines(&self.app, ids).await? {
            all.entry(LinesOf(line.order_id)).or_default().push(line);
        }
        Ok(all)
    }
}

impl Loader<DiscountsOf> for Batch {
    type Value = Vec<discount::Model>;
    type Error = Shared;

    async fn load(&self, keys: &[DiscountsOf]) -> Result<HashMap<DiscountsOf, Vec<discount::Model>>, Shared> {
        let ids = keys.iter().map(|key| key.0).collect();
        let mut all: HashMap<DiscountsOf, Vec<discount::Model>> = HashMap::new();
        for discount in lists::discounts(&self.app, ids).await? {
            all.entry(DiscountsOf(discount.order_id)).or_default().push(discount);
        }
        Ok(all)
    }
}

impl Loader<IssuedFor> for Batch {
    type Value = claim::Model;
    type Error = Shared;

    async fn load(&self, keys: &[IssuedFor]) -> Result<HashMap<IssuedFor, claim::Model>, Shared> {
        let lines = keys.iter().map(|key| key.0).collect();
        let issued = issue::of_order(&self.app, lines).await?;
        Ok(issued.into_iter().filter_map(|claim| Some((IssuedFor(claim.order_line_id?), claim))).collect())
    }
}
