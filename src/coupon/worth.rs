//! Audit entries about a coupon's terms and budget.

use entity::coupon;
use serde_json::{Value, json};

use crate::{
    app::App,
    audit::{self, Action, By, Entry},
    auth::Viewer,
    error::FaultResult,
    store::Tx,
};

/// Returns the audited terms: the discount, the price, the stock and the limits.
fn terms(coupon: &coupon::Model) -> Value {
    json!({
        "kind": coupon.kind,
        "amount": coupon.amount_minor,
        "basisPoints": coupon.basis_points,
        "cap": coupon.cap_minor,
        "price": coupon.price_minor,
        "minimumSpend": coupon.minimum_spend_minor,
        "stock": coupon.stock,
        "limitPerBuyer": coupon.limit_per_buyer,
        "exclusive": coupon.exclusive,
    })
}

/// Records that a coupon was published.
pub(super) async fn record_publication_in_tx(
    tx: &Tx,
    app: &App,
    viewer: &Viewer,
    coupon: &coupon::Model,
) -> FaultResult<()> {
    let details = json!({ "terms": terms(coupon), "budget": coupon.budget_minor });
    let entry = Entry::new(Action::CouponPublished, coupon.id, details).of_shop(coupon.shop_id);
    audit::record_in_tx(tx, app, By::Viewer(*viewer), entry).await
}

/// Records changes of a coupon's terms or budget from the first row to the second.
pub(super) async fn record_change_in_tx(
    tx: &Tx,
    app: &App,
    viewer: &Viewer,
    (before, after): (&coupon::Model, &coupon::Model),
) -> FaultResult<()> {
    let record = async |action, from: Value, to: Value| {
        if from == to {
            return Ok(());
        }
        let details = json!({ "from": from, "to": to });
        let entry = Entry::new(action, after.id, details).of_shop(after.shop_id);
        audit::record_in_tx(tx, app, By::Viewer(*viewer), entry).await
    };
    record(Action::CouponTermsChanged, terms(before), terms(after)).await?;
    record(Action::CouponBudgetChanged, before.budget_minor.into(), after.budget_minor.into()).await
}
