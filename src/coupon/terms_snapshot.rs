//! The terms of a coupon as they are kept: in memory, in a reservation of copies, and in the desk's command.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use entity::{claim, coupon};
use serde::{Deserialize, Serialize};

use super::terms::Terms;
use crate::{
    error::{Fault, FaultResult},
    inventory::{CouponTerms, NewClaim, NewClaimCode},
};

/// A coupon and its terms at one version.
#[derive(Clone, Debug)]
pub struct TermsSnapshot {
    /// The coupon as it was read.
    pub(super) coupon: coupon::Model,
    pub(super) reserved: ReservedTerms,
    /// The terms as JSON, as a claim stores them.
    pub(super) terms: Arc<str>,
}

/// The part of a snapshot that a reservation of copies stores. It becomes the claim's when the order is paid.
///
/// Invariant: stored values stay readable. New fields have a default; no field is renamed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ReservedTerms {
    pub(super) terms: Terms,
    pub(super) validity: Validity,
}

/// When a claim is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Validity {
    from: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
    /// Days from the beginning of the validity.
    days: Option<i32>,
}

impl TermsSnapshot {
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
    /// Returns the terms of claims on the coupon as it is.
    pub(super) fn of(coupon: &coupon::Model, terms: Terms) -> Self {
        let validity =
            Validity { from: coupon.valid_from, until: coupon.valid_until, days: coupon.valid_days };
        Self { terms, validity }
    }

    /// Reads the terms that a reservation stored.
    pub(super) fn from_json(text: &str) -> FaultResult<Self> {
        serde_json::from_str(text).map_err(Fault::internal)
    }
}

impl Validity {
    /// Returns the beginning and end of the validity of a claim that is made now.
    pub(super) fn starting(&self, now: DateTime<Utc>) -> (DateTime<Utc>, Option<DateTime<Utc>>) {
        let from = self.from.map_or(now, |from| from.max(now));
        let days = self.days.map(|days| from + Duration::days(days.into()));
        (from, self.until.or(days))
    }
}
