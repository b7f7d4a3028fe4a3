//! Coupons: what shops publish, the claims of buyers, and the discounts that claims give.
//!
//! A coupon's stock is an inventory, as an event's seats are. It has one area, whose places are copies. A claim is a
//! command to the coupon's desk. Later changes of a claim are guarded by the claim's own version.

pub mod access;
pub mod bag;
mod budget;
pub mod claim;
pub mod claim_code;
pub mod code;
pub mod code_list;
pub mod counts;
pub mod csv;
pub mod delete;
pub mod details;
pub mod discount;
pub mod edit;
pub mod event_deletion;
pub mod export;
pub mod find;
pub mod issue;
pub mod offer_terms;
pub mod order_claims;
pub mod parts;
pub mod product;
pub mod redeem;
mod references;
mod refusal;
pub mod rules;
pub mod share;
mod shared_counts;
pub mod spend;
pub mod state;
pub mod terms;
mod terms_snapshot;
mod throttle;
pub mod upload;
pub mod withdraw;
mod worth;

use entity::{
    CouponId,
    coupon::{self, scope},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use crate::{
    app::App,
    error::{Fault, FaultResult, Object},
    inventory, page,
    telemetry::log_fault,
};

/// The mutations of claims that have priority over reservations under load: buyers wait at a counter, and released
/// copies can be claimed again.
pub const URGENT_MUTATIONS: &[&str] = &["redeemClaim", "releaseClaim"];
/// The mutations of coupons that accept a large text.
pub const LARGE_MUTATIONS: &[&str] = &["importCouponCodes"];

/// Returns the coupon. Checks no rights.
pub(crate) async fn by_id(app: &App, id: CouponId) -> FaultResult<coupon::Model> {
    coupon::Entity::find_by_id(id).one(app.store.read()).await?.ok_or(Fault::NotFound(Object::Coupon))
}

/// The columns with the long texts, which lists leave out.
const TEXTS: [coupon::Column; 2] = [coupon::Column::Description, coupon::Column::Terms];

/// Returns the coupons with these ids. Checks no rights. The long texts are empty: see [`descriptions`] and
/// [`terms_of`].
pub(crate) async fn by_ids(app: &App, ids: Vec<CouponId>) -> FaultResult<Vec<coupon::Model>> {
    let select = coupon::Entity::find().filter(coupon::Column::Id.is_in(ids));
    Ok(page::without(select, &TEXTS).all(app.store.read()).await?)
}

/// Returns the coupons' ids and descriptions.
pub(crate) async fn descriptions(app: &App, ids: Vec<CouponId>) -> FaultResult<Vec<(CouponId, String)>> {
    texts(app, coupon::Column::Description, ids).await
}

/// Returns the coupons' ids and terms.
pub(crate) async fn terms_of(app: &App, ids: Vec<CouponId>) -> FaultResult<Vec<(CouponId, String)>> {
    texts(app, coupon::Column::Terms, ids).await
}

async fn texts(
    app: &App,
    column: coupon::Column,
    ids: Vec<CouponId>,
) -> FaultResult<Vec<(CouponId, String)>> {
    let select = coupon::Entity::find().filter(coupon::Column::Id.is_in(ids)).select_only();
    Ok(select.columns([coupon::Column::Id, column]).into_tuple().all(app.store.read()).await?)
}

/// Returns what the coupons apply to.
pub async fn scopes_of(app: &App, ids: Vec<CouponId>) -> FaultResult<Vec<scope::Model>> {
    Ok(scope::Entity::find().filter(scope::Column::CouponId.is_in(ids)).all(app.store.read()).await?)
}

/// Updates the desk of this process after a committed change of the coupon. A fault is only logged: the change is
/// committed, and the poll of all open inventories repeats the update.
async fn follow(app: &App, id: CouponId) {
    if let Err(fault) = inventory::catch_up(app, id).await {
        log_fault!(&fault, coupon.id = %id.0, "cannot update the desk of a changed coupon; the poll of open inventories repeats it");
    }
}
