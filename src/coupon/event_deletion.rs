//! Deletes drafts of events that no coupon refers to. This slice does it, because events do not know coupons.

use entity::{
    EventId, coupon,
    coupon::scope::{self, CouponScopeKind},
    tier,
};
use futures_util::{FutureExt, future::BoxFuture};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect, QueryTrait,
    sea_query::SelectStatement,
};

use crate::{
    app::App,
    auth::Viewer,
    error::{FaultResult, Result},
    event::{delete, rules::Refusal},
    store::Tx,
};

/// Deletes the draft if its version is still `seen`. A coupon that refers to the event or to one of its tiers prevents
/// it.
pub async fn delete_event(app: &App, viewer: &Viewer, id: EventId, seen: i64) -> Result<(), Refusal> {
    delete::delete(app, viewer, id, seen, count_references).await
}

fn count_references(tx: &Tx, event: EventId) -> BoxFuture<'_, FaultResult<u64>> {
    async move {
        let refers = Condition::any()
            .add(coupon::Column::EventId.eq(event))
            .add(coupon::Column::Id.in_subquery(applied_to(event)));
        Ok(coupon::Entity::find().filter(refers).count(tx).await?)
    }
    .boxed()
}

/// Returns a query for the coupons that apply to the event or to one of its tiers.
fn applied_to(event: EventId) -> SelectStatement {
    let tiers = tier::Entity::find()
        .select_only()
        .column(tier::Column::Id)
        .filter(tier::Column::EventId.eq(event))
        .into_query();
    let is_event = Condition::all()
        .add(scope::Column::Kind.eq(CouponScopeKind::Event))
        .add(scope::Column::Target.eq(event.0));
    let is_tier = Condition::all()
        .add(scope::Column::Kind.eq(CouponScopeKind::Tier))
        .add(scope::Column::Target.in_subquery(tiers));
    scope::Entity::find()
        .select_only()
        .column(scope::Column::CouponId)
        .filter(Condition::any().add(is_event).add(is_tier))
        .into_query()
}
