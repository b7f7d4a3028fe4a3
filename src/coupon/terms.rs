//! What a claim is worth and for what, as it was promised when it was claimed: the JSON in the claim's `terms`.
//!
//! A shop may edit its coupon; who holds one keeps what was promised.
//!
//! Invariant: pure. What was written once is read for ever: fields are added with a default, never renamed.

use entity::{
    ShopId,
    coupon::{self, CouponKind, scope},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use entity::coupon::scope::CouponScopeKind as ScopeKind;

use crate::error::{Fault, Faulty};

/// What a claim promises.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Whose promise it is; it is worth something there only.
    pub shop: ShopId,
    /// What it is called, on the discount's line of an order.
    pub title: String,
    /// What it is worth.
    pub worth: Worth,
    /// ISO 4217 code of its amounts.
    pub currency: String,
    /// What it applies to; none: whatever the shop sells.
    pub scopes: Vec<Scope>,
    /// What has to be bought of that, in minor units.
    pub minimum_spend: i64,
    /// Whether it applies alone only.
    pub exclusive: bool,
    /// Of one group at most one applies.
    pub stacking_group: Option<String>,
    /// Order in which several apply.
    pub position: i32,
    /// Whether its holder may give it to somebody else, and so whoever has the code may spend it.
    pub shareable: bool,
    /// Description; empty for what was claimed before this was kept.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The small print, likewise.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub small_print: String,
}

/// What a claim is worth, in minor units of its currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Worth {
    /// So much less, over everything it applies to.
    AmountOff {
        /// How much.
        amount: i64,
    },
    /// A share of the prices less.
    PercentOff {
        /// The share, in hundredths of a percent.
        basis_points: i32,
        /// The most it may come to.
        cap: Option<i64>,
    },
    /// One place or thing for nothing.
    FreeItem,
    /// One place or thing for so much.
    FixedPrice {
        /// How much it costs.
        amount: i64,
    },
    /// Nothing; it opens hidden price levels.
    AccessCode,
    /// A balance that pays, prices and fees alike.
    GiftCard {
        /// What the balance was at first.
        face: i64,
    },
}

/// One thing that a claim applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// What kind of thing.
    pub kind: ScopeKind,
    /// Which.
    pub target: Uuid,
}

impl Terms {
    /// What the coupon promises now.
    pub fn of(coupon: &coupon::Model, scopes: &[scope::Model]) -> Faulty<Self> {
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

    /// As a claim keeps it.
    pub fn to_json(&self) -> Faulty<String> {
        serde_json::to_string(self).map_err(Fault::internal)
    }

    /// What a claim keeps.
    pub fn from_json(text: &str) -> Faulty<Self> {
        serde_json::from_str(text).map_err(Fault::internal)
    }
}

impl Worth {
    fn of(coupon: &coupon::Model) -> Faulty<Self> {
        let lacking = || Fault::internal("a coupon without the amounts of its kind");
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

    /// The balance that a claim begins with; none unless it is a gift card.
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

    /// What was written by the first version that wrote any.
    const OLD: &str = r#"{"shop":"01940000-0000-7000-8000-000000000000","title":"Ten off",
        "worth":{"amount_off":{"amount":1000}},"currency":"EUR","scopes":[],"minimum_spend":0,"exclusive":false,
        "stacking_group":null,"position":0,"shareable":true}"#;

    #[test]
    fn what_was_promised_before_descriptions_were_kept_is_still_read() {
        let old = Terms::from_json(OLD).unwrap();
        assert_eq!(
            (old.title.as_str(), old.description.as_str(), old.small_print.as_str()),
            ("Ten off", "", "")
        );
        assert_eq!(Terms::from_json(&old.to_json().unwrap()).unwrap(), old);
        assert!(!old.to_json().unwrap().contains("description"), "what is empty takes no place");
    }
}
