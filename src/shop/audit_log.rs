//! What was changed in a shop, for those who manage it.

use entity::{ShopId, audit as row};

use super::{authorise, rules::Power};
use crate::{
    app::App,
    audit,
    auth::Viewer,
    error::FaultResult,
    page::{Page, Window},
};

/// Returns a page of the shop's audit log, newest first, for its owners and managers.
pub async fn audit_log(
    app: &App,
    viewer: &Viewer,
    shop: ShopId,
    window: Window<i64>,
) -> FaultResult<Page<row::Model>> {
    authorise(app, viewer, shop, Power::Manage).await?;
    audit::of_shop(app, shop, window).await
}
