//! The terms of a coupon at one version of its row. A claim keeps them, and so does a reservation of copies that are
//! paid.
//!
//! The snapshot is taken before the desk is called, and names the coupon's version. If the coupon has another version
//! by then, the desk refuses the command. So a buyer never gets terms that the vendor has withdrawn, and never pays the
//! price of one version for the terms of another.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use entity::{
    AccountId, ClaimId, CouponId, ShopId,
    claim::{self, ClaimState},
    coupon::{self, CouponState},
};
use serde::{Deserialize, Serialize};

use super::{by_id, code::Code, scopes_of, terms::Terms};
use crate::{
    app::App,
    error::{Fault, FaultResult, Object},
    inventory::{CouponTerms, NewClaim, NewClaimCode},
};

/// The ids of a new claim and of what it belongs to.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClaimIds {
    pub(super) claim: ClaimId,
    pub(super) coupon: CouponId,
    pub(super) shop: ShopId,
    pub(super) buyer: AccountId,
}

/// A coupon and its terms at one version.
#[derive(Clone, Debug)]
pub struct TermsSnapshot {
    /// The coupon as it was read.
    pub(super) coupon: coupon::Model,
    pub(super) reserved: ReservedTerms,
    /// The terms as JSON, as a claim stores them.
    terms: Arc<str>,
}

/// The part of a snapshot that a reservation of copies stores. It becomes the claim's when the order is paid.
///
/// Invariant: stored values stay readable. New fields have a default; no field is renamed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ReservedTerms {
    terms: Terms,
    validity: Validity,
}

/// When a claim is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Validity {
    from: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
    /// Days from the beginning of the validity.
    days: Option<i32>,
}

/// Returns the coupon's terms from memory if they pass `is_wanted`, and from the database otherwise. So no buyer is
/// refused because of an earlier version of the coupon.
pub(super) async fn current(
    app: &App,
    id: CouponId,
    is_wanted: impl Fn(&coupon::Model) -> bool,
) -> FaultResult<Arc<TermsSnapshot>> {
    if let Some(snapshot) = app.offer_terms.get(&id).filter(|snapshot| is_wanted(&snapshot.coupon)) {
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
    app.offer_terms.insert(id, snapshot.clone());
    Ok(snapshot)
}

/// Drops the cached snapshot, because the coupon has changed.
pub(super) fn forget(app: &App, id: CouponId) {
    app.offer_terms.invalidate(&id);
}

impl TermsSnapshot {
    /// Returns a new claim on these terms.
    pub(super) fn new_claim(&self, app: &App, id: ClaimId, buyer: AccountId) -> claim::Model {
        let ids = ClaimIds { claim: id, coupon: self.coupon.id, shop: self.coupon.shop_id, buyer };
        self.reserved.claim(app, ids, self.terms.as_ref().to_owned())
    }

    /// Returns the claim as the desk's command carries it.
    pub(super) fn granted(&self, row: &claim::Model, code: NewClaimCode) -> NewClaim {
        NewClaim {
            id: row.id,
            shop: row.shop_id,
            buyer: row.buyer_id,
            code,
            revision: self.coupon.version,
            terms: self.terms.clone(),
            face: row.face_minor,
            valid_from: row.valid_from,
            valid_until: row.valid_until,
            at: row.claimed_at,
        }
    }

    /// Returns the terms as a reservation stores them.
    pub(super) fn for_reservation(&self) -> FaultResult<CouponTerms> {
        let text = serde_json::to_string(&self.reserved).map_err(Fault::internal)?;
        Ok(CouponTerms { revision: self.coupon.version, text })
    }
}

impl ReservedTerms {
    fn of(coupon: &coupon::Model, terms: Terms) -> Self {
        let validity =
            Validity { from: coupon.valid_from, until: coupon.valid_until, days: coupon.valid_days };
        Self { terms, validity }
    }

    /// Reads the terms that a reservation stored.
    pub(super) fn from_json(text: &str) -> FaultResult<Self> {
        serde_json::from_str(text).map_err(Fault::internal)
    }

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

impl Validity {
    /// Returns the beginning and end of the validity of a claim that is made now.
    fn starting(&self, now: DateTime<Utc>) -> (DateTime<Utc>, Option<DateTime<Utc>>) {
        let from = self.from.map_or(now, |from| from.max(now));
        let days = self.days.map(|days| from + Duration::days(days.into()));
        (from, self.until.or(days))
    }
}
