//! Withdraws a single code from a coupon's list, for example one that was leaked or imported by mistake.
//!
//! A code that is claimed already belongs to its holder and stays. The coupon's stock decreases by one.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use entity::{
    CouponId,
    coupon::{self, CodeSource, code},
};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
use serde_json::json;

use super::{
    by_id,
    code::Code,
    edit::{locked_in_tx, managed, settle_stock_in_tx},
    follow,
    rules::{self, Refusal as CouponRefusal},
};
use crate::{
    app::App,
    audit::{self, Action, By, Entry},
    auth::Viewer,
    error::{Error, Fault, Object, Result},
    idempotency::{self, Attempt, Key},
    store::save_versioned,
};

/// Why a code was not withdrawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The list has no such code.
    UnknownCode,
    /// The code is claimed.
    Claimed,
    /// The coupon's state does not allow it.
    Coupon(CouponRefusal),
}

/// The input of [`withdraw`].
#[derive(Clone, Debug)]
pub struct Withdraw {
    /// The coupon.
    pub coupon: CouponId,
    /// The code as the vendor typed it.
    pub code: String,
    /// The caller's idempotency key.
    pub key: String,
}

/// Removes an unclaimed code from the coupon's list. Returns the coupon with its new stock.
pub async fn withdraw(app: &App, viewer: &Viewer, input: Withdraw) -> Result<coupon::Model, Refusal> {
    let coupon = managed(app, viewer, input.coupon).await?;
    if coupon.codes == CodeSource::Generated {
        return Err(Fault::invalid("couponId", "the coupon generates its codes and has no list").into());
    }
    let key = Key::new(viewer.user()?, "withdrawCouponCode", &input.key, &(input.coupon, &input.code))?;
    let replay = |_| by_id(app, input.coupon);
    let withdrawn =
        idempotency::once(app, &key, replay, Box::pin(attempt(app, viewer, &input, &key))).await?;
    follow(app, input.coupon).await;
    Ok(withdrawn)
}

async fn attempt(app: &App, viewer: &Viewer, input: &Withdraw, key: &Key) -> Attempt<coupon::Model, Refusal> {
    let unknown = || Error::Refused(Refusal::UnknownCode);
    let code = Code::parse(&input.code).ok_or_else(unknown)?;
    let now = app.clock.now();
    let tx = app.store.begin().await?;
    key.claim_in_tx(&tx, input.coupon.0, now).await?;
    let coupon = locked_in_tx(&tx, input.coupon).await?;
    rules::change(&coupon).map_err(|refusal| Error::Refused(Refusal::Coupon(refusal)))?;
    let select = code::Entity::find_by_id((coupon.shop_id, code.as_str().to_owned()));
    let row = select.one(&tx).await?.filter(|row| row.coupon_id == coupon.id).ok_or_else(unknown)?;
    if row.claim_id.is_some() {
        return Err(Error::Refused(Refusal::Claimed).into());
    }
    let row = coupon::ActiveModel {
        id: Set(coupon.id),
        stock: Set(Some(coupon.stock.unwrap_or_default().saturating_sub(1))),
        updated_at: Set(now),
        ..Default::default()
    };
    let coupon = save_versioned::<coupon::Entity>(&tx, row, coupon.version, Object::Coupon).await?;
    // Race: this locks the inventory, as claims do before they take a code. So the code is free from here on, or it is
    // claimed already.
    match settle_stock_in_tx(&tx, &coupon, now).await {
        Ok(()) => {}
        Err(Error::Refused(_)) => return Err(Error::Refused(Refusal::Claimed).into()),
        Err(Error::Fault(fault)) => return Err(fault.into()),
    }
    let deleted = code::Entity::delete_many()
        .filter(code::Column::ShopId.eq(coupon.shop_id))
        .filter(code::Column::Code.eq(code.as_str()))
        .filter(code::Column::ClaimId.is_null())
        .exec(&tx)
        .await?;
    if deleted.rows_affected == 0 {
        return Err(Error::Refused(Refusal::Claimed).into());
    }
    // The log contains no codes. The hash is enough to find the entry of a known code.
    let hash = URL_SAFE_NO_PAD.encode(digest(&SHA256, code.as_str().as_bytes()));
    let details = json!({ "codeSha256": hash, "stock": coupon.stock });
    let entry = Entry::new(Action::CouponCodeWithdrawn, coupon.id, details).of_shop(coupon.shop_id);
    audit::record_in_tx(&tx, app, By::Viewer(*viewer), entry).await?;
    tx.commit().await?;
    Ok(coupon)
}
