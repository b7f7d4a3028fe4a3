//! The terms of a claim: its discount, and what it applies to. They are stored as JSON in the claim's `terms`.
//!
//! A claim keeps its terms when the shop changes the coupon.
//!
//! Invariant: pure. Stored values stay readable. New fields have a default; no field is renamed.

use entity::{
    ShopId,
    coupon::{self, CouponKind, scope},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use entity::coupon::scope::CouponScopeKind as ScopeKind;

use crate::error::{Fault, FaultResult};

/// The terms of a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The shop that issued it, and where alone it can be spent.
    pub shop: ShopId,
    /// The title, which an order shows with the discount.
    pub title: String,
    /// The kind and amount of the discount.
    pub worth: Worth,
    /// The ISO 4217 code of its amounts.
    pub currency: String,
    /// What it applies to. Empty for everything that the shop sells.
    pub scopes: Vec<Scope>,
    /// The least sum of prices that it applies to, in minor units.
    pub minimum_spend: i64,
    /// Whether it excludes other discounts.
    pub exclusive: bool,
    /// The group's name. At most one claim of a group applies to an order.
    pub stacking_group: Option<String>,
    /// The position in the order of application.
    pub position: i32,
    /// Whether its holder may give it to another account. Then any account that has the code may spend it.
    pub shareable: bool,
    /// The description. Empty for claims that are older than this field.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The small print. Empty for claims that are older than this field.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub small_print: String,
}

/// The kind and amount of a discount, in minor units of the currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Worth {
    /// A fixed amount off the sum of what it applies to.
    AmountOff {
        /// The amount.
        amount: i64,
    },
    /// A percentage off the prices.
    PercentOff {
        /// The percentage, in hundredths of a percent.
        basis_points: i32,
        /// The largest discount.
        cap: Option<i64>,
    },
    /// One place or product for free.
    FreeItem,
    /// One place or product at a fixed price.
    FixedPrice {
        /// The price.
        amount: i64,
    },
    /// No discount: it opens hidden tiers.
    AccessCode,
    /// A balance that pays prices and fees.
    GiftCard {
        /// The initial balance.
        face: i64,
    },
}

/// One object that a claim applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// The kind of object.
    pub kind: ScopeKind,
    /// The id of the object.
    pub target: Uuid,
}

impl Terms {
    /// Returns the current terms of the coupon.
    pub fn of(coupon: &coupon::Model, scopes: &[scope::Model]) -> FaultResult<Self> {
        let mut scopes: Vec<Scope> =
            scopes.iter().map(|scope| Scope { kind: scope.kind, target: scope.target }).collect();
        scopes.sort_by_key(|scope| (scope.kind, scope.target));
        Ok(Self {
            shop: coupon.shop_id,
            title: coupon.title.clone(),
            worth: Worth::of(coupon)?,
            currency: coupon.currency.clone(),
            scopes,
            minimum_spend: coupon.minimum_spend_minor,
            exclusive: coupon.exclusive,
            stacking_group: coupon.stacking_group.clone(),
            position: coupon.position,
            shareable: coupon.shareable,
            description: coupon.description.clone(),
            small_print: coupon.terms.clone(),
        })
    }

    /// Returns the terms as a claim stores them.
    pub fn to_json(&self) -> FaultResult<String> {
        serde_json::to_string(self).map_err(Fault::internal)
    }

    /// Reads the terms that a claim stores.
    pub fn from_json(text: &str) -> FaultResult<Self> {
        serde_json::from_str(text).map_err(Fault::internal)
    }
}

impl Worth {
    fn of(coupon: &coupon::Model) -> FaultResult<Self> {
        let lacking = || Fault::internal("the coupon lacks an amount that its kind requires");
        let amount = coupon.amount_minor.ok_or_else(lacking);
        Ok(match coupon.kind {
            CouponKind::AmountOff => Self::AmountOff { amount: amount? },
            CouponKind::PercentOff => Self::PercentOff {
                basis_points: coupon.basis_points.ok_or_else(lacking)?,
                cap: coupon.cap_minor,
            },
            CouponKind::FreeItem => Self::FreeItem,
            CouponKind::FixedPrice => Self::FixedPrice { amount: amount? },
            CouponKind::AccessCode => Self::AccessCode,
            CouponKind::GiftCard => Self::GiftCard { face: amount? },
        })
    }

    /// Returns the initial balance of a gift card, and `None` for other kinds.
    pub fn face(self) -> Option<i64> {
        match self {
            Self::GiftCard { face } => Some(face),
            Self::AmountOff { .. }
            | Self::PercentOff { .. }
            | Self::FreeItem
            | Self::FixedPrice { .. }
            | Self::AccessCode => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Terms as the first version of the server stored them.
    const OLD: &str = r#"{"shop":"01940000-0000-7000-8000-000000000000","title":"Ten off",
        "worth":{"amount_off":{"amount":1000}},"currency":"EUR","scopes":[],"minimum_spend":0,"exclusive":false,
        "stacking_group":null,"position":0,"shareable":true}"#;

    #[test]
    fn terms_without_description_are_still_read() {
        let old = Terms::from_json(OLD).unwrap();
        assert_eq!(
            (old.title.as_str(), old.description.as_str(), old.small_print.as_str()),
            ("Ten off", "", "")
        );
        assert_eq!(Terms::from_json(&old.to_json().unwrap()).unwrap(), old);
        assert!(!old.to_json().unwrap().contains("description"), "empty texts are not stored");
    }
}
