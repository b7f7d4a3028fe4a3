//! Coupons: what shops publish, what buyers hold of it, and what it is worth.
//!
//! A coupon's stock is an inventory, as an event's seats are: one area, whose places are copies. Claiming is a command
//! to its desk; what becomes of a claim afterwards is guarded by the claim's own version.

pub mod access;
pub mod bag;
mod budget;
pub mod claim;
pub mod claim_code;
pub mod code;
pub mod counts;
pub mod csv;
pub mod details;
pub mod discount;
pub mod edit;
pub mod export;
pub mod find;
pub mod issue;
pub mod offer_terms;
pub mod order_claims;
pub mod product;
pub mod redeem;
mod references;
mod refusal;
pub mod rules;
pub mod share;
pub mod spend;
pub mod state;
pub mod terms;
mod throttle;
pub mod upload;
mod worth;

use entity::{
    CouponId,
    coupon::{self, scope},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use crate::{
    app::App,
    error::{Fault, Faulty},
    inventory, page,
    telemetry::log_fault,
};

/// The coupon, whoever may see it.
pub(crate) async fn by_id(app: &App, id: CouponId) -> Faulty<coupon::Model> {
    coupon::Entity::find_by_id(id).one(app.store.read()).await?.ok_or(Fault::NotFound("coupon"))
}

/// The columns with a coupon's long texts.
const TEXTS: [coupon::Column; 2] = [coupon::Column::Description, coupon::Column::Terms];

/// The coupons with these ids, also those that the viewer may not see. Their long texts are left empty: see
/// [`descriptions`] and [`terms_of`].
pub(crate) async fn by_ids(app: &App, ids: Vec<CouponId>) -> Faulty<Vec<coupon::Model>> {
    let select = coupon::Entity::find().filter(coupon::Column::Id.is_in(ids));
    Ok(page::without(select, &TEXTS).all(app.store.read()).await?)
}

/// The descriptions of the coupons, each with the coupon's id.
pub(crate) async fn descriptions(app: &App, ids: Vec<CouponId>) -> Faulty<Vec<(CouponId, String)>> {
    texts(app, coupon::Column::Description, ids).await
}

/// The terms of the coupons, each with the coupon's id.
pub(crate) async fn terms_of(app: &App, ids: Vec<CouponId>) -> Faulty<Vec<(CouponId, String)>> {
    texts(app, coupon::Column::Terms, ids).await
}

async fn texts(app: &App, column: coupon::Column, ids: Vec<CouponId>) -> Faulty<Vec<(CouponId, String)>> {
    let select = coupon::Entity::find().filter(coupon::Column::Id.is_in(ids)).select_only();
    Ok(select.columns([coupon::Column::Id, column]).into_tuple().all(app.store.read()).await?)
}

/// What the coupons apply to.
pub async fn scopes_of(app: &App, ids: Vec<CouponId>) -> Faulty<Vec<scope::Model>> {
    Ok(scope::Entity::find().filter(scope::Column::CouponId.is_in(ids)).all(app.store.read()).await?)
}

/// Follows a committed change of the coupon's terms in this process. What fails here is made up for by the poll of all
/// open inventories; the change itself is a fact, and must not be told as a failure.
async fn follow(app: &App, id: CouponId) {
    if let Err(fault) = inventory::catch_up(app, id).await {
        log_fault!(&fault, coupon.id = %id.0, "an inventory could not follow its coupon yet");
    }
}
