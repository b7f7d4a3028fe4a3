//! The terms of a coupon at one version of its row. A claim keeps them, and so does a reservation of copies that are
//! paid.
//!
//! The snapshot is taken before the desk is called, and names the coupon's version. If the coupon has another version
//! by then, the desk refuses the command. So a buyer never gets terms that the vendor has withdrawn, and never pays the
//! price of one version for the terms of another.

use std::sync::Arc;

use entity::{
    AccountId, ClaimId, CouponId, ShopId,
    claim::{self, ClaimState},
    coupon::{self, CouponState},
};

pub(super) use super::terms_snapshot::{ReservedTerms, TermsSnapshot};
use super::{by_id, code::Code, scopes_of, terms::Terms};
use crate::{
    app::App,
    error::{Fault, FaultResult, Object},
};

/// The ids of a new claim and of what it belongs to.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClaimIds {
    pub(super) claim: ClaimId,
    pub(super) coupon: CouponId,
    pub(super) shop: ShopId,
    pub(super) buyer: AccountId,
}

/// Returns the coupon's terms from memory if they pass `is_wanted`, and from the database otherwise. So no buyer is
/// refused because of an earlier version of the coupon.
pub(super) async fn current(
    app: &App,
    id: CouponId,
    is_wanted: impl Fn(&coupon::Model) -> bool,
) -> FaultResult<Arc<TermsSnapshot>> {
    if let Some(snapshot) = app.coupon.offer_terms.get(&id).filter(|snapshot| is_wanted(&snapshot.coupon)) {
        return Ok(snapshot);
    }
    let coupon = by_id(app, id).await?;
    if coupon.state == CouponState::Draft {
        return Err(Fault::NotFound(Object::Coupon));
    }
    let terms = Terms::of(&coupon, &scopes_of(app, vec![id]).await?)?;
    let snapshot = Arc::new(TermsSnapshot {
        terms: terms.to_json()?.into(),
        reserved: ReservedTerms::of(&coupon, terms),
        coupon,
    });
    app.coupon.offer_terms.insert(id, snapshot.clone());
    Ok(snapshot)
}

/// Drops the cached snapshot, because the coupon has changed.
pub(super) fn forget(app: &App, id: CouponId) {
    app.coupon.offer_terms.invalidate(&id);
}

impl TermsSnapshot {
    /// Returns a new claim on these terms.
    pub(super) fn new_claim(&self, app: &App, id: ClaimId, buyer: AccountId) -> claim::Model {
        let ids = ClaimIds { claim: id, coupon: self.coupon.id, shop: self.coupon.shop_id, buyer };
        self.reserved.claim(app, ids, self.terms.as_ref().to_owned())
    }
}

impl ReservedTerms {
    /// Returns a new claim on a copy that was paid.
    pub(super) fn new_claim(&self, app: &App, ids: ClaimIds) -> FaultResult<claim::Model> {
        Ok(self.claim(app, ids, self.terms.to_json()?))
    }

    fn claim(&self, app: &App, ids: ClaimIds, terms: String) -> claim::Model {
        let now = app.clock.now();
        let (valid_from, valid_until) = self.validity.starting(now);
        let face = self.terms.worth.face();
        claim::Model {
            id: ids.claim,
            coupon_id: ids.coupon,
            shop_id: ids.shop,
            account_id: ids.buyer,
            buyer_id: ids.buyer,
            state: ClaimState::Claimed,
            code: Code::generated(app.random()).into_string(),
            epoch: 1,
            terms,
            face_minor: face,
            balance_minor: face,
            valid_from,
            valid_until,
            order_id: None,
            order_line_id: None,
            claimed_at: now,
            redeemed_at: None,
            opened_at: None,
            version: 1,
            updated_at: now,
        }
    }
}
