//! What a coupon promises at one version of its row: to whoever claims it, and to whoever reserves a copy to pay for it.
//!
//! A promise is made before the desk is asked and names its version; the desk refuses one that is no longer the coupon's.
//! So nobody gets terms that the vendor took back, and nobody pays the price of one version for what another promised.

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
    error::{Fault, Faulty},
    inventory::{CouponTerms, NewClaim, NewClaimCode},
};

/// What a coupon promises at one version of it.
#[derive(Clone, Debug)]
pub struct Promise {
    /// The coupon as it was read.
    pub(super) coupon: coupon::Model,
    pub(super) lasting: Lasting,
    /// The terms, as a claim keeps them.
    terms: Arc<str>,
}

/// What is left of a promise in the reservation of a copy, and becomes the claim's when that is paid.
///
/// Invariant: what was written once is read for ever: fields are added with a default, never renamed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lasting {
    terms: Terms,
    validity: Validity,
}

/// When a claim is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Validity {
    from: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
    /// So many days from its beginning.
    days: Option<i32>,
}

/// What the coupon promises, as it was last seen here; read anew where that is not `wanted`, so that nobody is refused
/// for what the coupon once was.
pub(super) async fn current(
    app: &App,
    id: CouponId,
    wanted: impl Fn(&coupon::Model) -> bool,
) -> Faulty<Arc<Promise>> {
    if let Some(promise) = app.promises.get(&id).filter(|promise| wanted(&promise.coupon)) {
        return Ok(promise);
    }
    let coupon = by_id(app, id).await?;
    if coupon.state == CouponState::Draft {
        return Err(Fault::NotFound("coupon"));
    }
    let terms = Terms::of(&coupon, &scopes_of(app, vec![id]).await?)?;
    let promise =
        Arc::new(Promise { terms: terms.to_json()?.into(), lasting: Lasting::of(&coupon, terms), coupon });
    app.promises.insert(id, promise.clone());
    Ok(promise)
}

/// What was promised is no longer what the coupon says: the next who asks reads it anew.
pub(super) fn forget(app: &App, id: CouponId) {
    app.promises.invalidate(&id);
}

impl Promise {
    /// A claim on what is promised.
    pub(super) fn made_out(&self, app: &App, id: ClaimId, buyer: AccountId) -> claim::Model {
        self.lasting.claim(
            app,
            (id, self.coupon.id, self.coupon.shop_id),
            self.terms.as_ref().to_owned(),
            buyer,
        )
    }

    /// The claim as the desk writes it down.
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

    /// What a reservation of copies keeps of it.
    pub(super) fn promised(&self) -> Faulty<CouponTerms> {
        let text = serde_json::to_string(&self.lasting).map_err(Fault::internal)?;
        Ok(CouponTerms { revision: self.coupon.version, text })
    }
}

impl Lasting {
    fn of(coupon: &coupon::Model, terms: Terms) -> Self {
        let validity =
            Validity { from: coupon.valid_from, until: coupon.valid_until, days: coupon.valid_days };
        Self { terms, validity }
    }

    /// What a reservation kept.
    pub(super) fn from_json(text: &str) -> Faulty<Self> {
        serde_json::from_str(text).map_err(Fault::internal)
    }

    /// A claim on a copy that was paid.
    pub(super) fn made_out(
        &self,
        app: &App,
        of: (ClaimId, CouponId, ShopId),
        buyer: AccountId,
    ) -> Faulty<claim::Model> {
        Ok(self.claim(app, of, self.terms.to_json()?, buyer))
    }

    fn claim(
        &self,
        app: &App,
        (id, coupon, shop): (ClaimId, CouponId, ShopId),
        terms: String,
        buyer: AccountId,
    ) -> claim::Model {
        let now = app.clock.now();
        let (valid_from, valid_until) = self.validity.from(now);
        let face = self.terms.worth.face();
        claim::Model {
            id,
            coupon_id: coupon,
            shop_id: shop,
            account_id: buyer,
            buyer_id: buyer,
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
    /// From when to when a claim that is made now is valid.
    fn from(&self, now: DateTime<Utc>) -> (DateTime<Utc>, Option<DateTime<Utc>>) {
        let from = self.from.map_or(now, |from| from.max(now));
        let days = self.days.map(|days| from + Duration::days(days.into()));
        (from, self.until.or(days))
    }
}
