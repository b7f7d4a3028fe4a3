//! Claims: one buyer's copies of coupons.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{AccountId, ClaimId, CouponId, OrderId, OrderLineId, ShopId};

/// The stored state of a claim. After its end, a `Claimed` claim counts as expired, even if that is not stored yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
pub enum ClaimState {
    /// In its holder's bag.
    #[sea_orm(string_value = "claimed")]
    Claimed,
    /// Bound to an unpaid order.
    #[sea_orm(string_value = "reserved")]
    Reserved,
    /// Used up.
    #[sea_orm(string_value = "redeemed")]
    Redeemed,
    /// The validity ended.
    #[sea_orm(string_value = "expired")]
    Expired,
    /// Revoked by a refund of the coupon's price.
    #[sea_orm(string_value = "revoked")]
    Revoked,
    /// Returned by its holder.
    #[sea_orm(string_value = "released")]
    Released,
}

/// One buyer's copy of a coupon.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "claim")]
pub struct Model {
    /// Primary key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ClaimId,
    /// The coupon.
    pub coupon_id: CouponId,
    /// The coupon's shop. Codes are unique within a shop.
    pub shop_id: ShopId,
    /// The account that holds it.
    pub account_id: AccountId,
    /// The account that claimed it. The claim counts towards this account's limit.
    pub buyer_id: AccountId,
    /// The stored state.
    pub state: ClaimState,
    /// The code, without separators.
    pub code: String,
    /// The fencing token, raised each time the claim changes hands.
    pub epoch: i32,
    /// The coupon's terms at the time of the claim, as JSON for the `coupon` module.
    pub terms: String,
    /// The original value of a gift card, in minor units. `None` for other kinds.
    pub face_minor: Option<i64>,
    /// The remaining value of a gift card, in minor units. `None` for other kinds.
    pub balance_minor: Option<i64>,
    /// The start of its validity.
    pub valid_from: DateTimeUtc,
    /// The end of its validity. `None` is unlimited.
    pub valid_until: Option<DateTimeUtc>,
    /// The current or last order in which it is used.
    pub order_id: Option<OrderId>,
    /// The order line that paid for it. `None` for a free claim.
    pub order_line_id: Option<OrderLineId>,
    /// When it was claimed.
    pub claimed_at: DateTimeUtc,
    /// When it was used up.
    pub redeemed_at: Option<DateTimeUtc>,
    /// When an access code first unlocked places for its holder. It stays usable, but counts as used.
    pub opened_at: Option<DateTimeUtc>,
    /// The optimistic-concurrency version. Each write increments it.
    pub version: i64,
    /// When the row was last changed.
    pub updated_at: DateTimeUtc,
}

/// Relations are loaded by the application's loaders, never joined implicitly.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

crate::versioned!();

/// Offers to pass a claim to another account.
pub mod share {
    use sea_orm::entity::prelude::*;

    use crate::ClaimId;

    /// One offer. The token is stored as a digest only.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "claim_share")]
    pub struct Model {
        /// SHA-256 of the token.
        #[sea_orm(primary_key, auto_increment = false)]
        pub digest: Vec<u8>,
        /// The claim.
        pub claim_id: ClaimId,
        /// The claim's epoch at the time of the offer. The offer is invalid if the epoch has changed.
        pub epoch: i32,
        /// The end of its validity.
        pub expires_at: DateTimeUtc,
        /// When it was accepted.
        pub accepted_at: Option<DateTimeUtc>,
    }

    /// Relations are loaded by the application's loaders, never joined implicitly.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Uses of claims, at a counter or in an order.
pub mod redemption {
    use sea_orm::entity::prelude::*;

    use crate::{AccountId, ClaimId, OrderId, RedemptionId};

    /// One use of a claim.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "redemption")]
    pub struct Model {
        /// Primary key.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: RedemptionId,
        /// The claim.
        pub claim_id: ClaimId,
        /// The order. `None` for a use at a counter.
        pub order_id: Option<OrderId>,
        /// The amount taken from a gift card's balance, in minor units. `None` for other kinds.
        pub amount_minor: Option<i64>,
        /// The discount given at a counter, in minor units, if it is known.
        pub given_minor: Option<i64>,
        /// The scanner's account, or the buyer's for a use in an order.
        pub account_id: AccountId,
        /// The time of the use.
        pub at: DateTimeUtc,
        /// When a refund reversed it.
        pub reversed_at: Option<DateTimeUtc>,
    }

    /// Relations are loaded by the application's loaders, never joined implicitly.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
