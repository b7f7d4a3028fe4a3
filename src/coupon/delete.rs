//! Deleting drafts of coupons.

use entity::{
    CouponId,
    coupon::{self, CouponState, budget, code, scope},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::json;

use super::{
    edit::{check_version, locked_in_tx, managed},
    rules::Refusal,
};
use crate::{
    app::App,
    audit,
    auth::Viewer,
    error::{Error, Result},
};

/// Deletes the draft with its codes, budget and search words if its version is still `seen`. Nobody has a claim of a
/// draft, because no coupon becomes a draft again.
///
/// Race: the row is locked, so a publication or an upload of codes at the same time comes first or finds nothing.
pub async fn delete(app: &App, viewer: &Viewer, id: CouponId, seen: i64) -> Result<(), Refusal> {
    managed(app, viewer, id).await?;
    let tx = app.store.begin().await?;
    let coupon = locked_in_tx(&tx, id).await?;
    check_version(&coupon, seen)?;
    if coupon.state != CouponState::Draft {
        return Err(Error::Refused(Refusal::NotDraft));
    }
    let entry = audit::Entry::new(audit::Action::CouponDeleted, id, json!({})).of_shop(coupon.shop_id);
    audit::record_in_tx(&tx, app, audit::By::Viewer(*viewer), entry).await?;
    code::Entity::delete_many().filter(code::Column::CouponId.eq(id)).exec(&tx).await?;
    budget::Entity::delete_by_id(id).exec(&tx).await?;
    scope::Entity::delete_many().filter(scope::Column::CouponId.eq(id)).exec(&tx).await?;
    // The search words go with the coupon.
    coupon::Entity::delete_by_id(id).exec(&tx).await?;
    tx.commit().await?;
    Ok(())
}
