//! Claims: coupons in the hands of their holders.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{AccountId, ClaimId, CouponId, OrderId, OrderLineId, ShopId};

/// Where a claim stands, as it was last written. Past its time a claimed one counts as expired, whether or not that was
/// written down yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
pub enum ClaimState {
    /// In the holder's bag.
    #[sea_orm(string_value = "claimed")]
    Claimed,
    /// Bound to an order that is not paid yet.
    #[sea_orm(string_value = "reserved")]
    Reserved,
    /// Used up.
    #[sea_orm(string_value = "redeemed")]
    Redeemed,
    /// Its time is up.
    #[sea_orm(string_value = "expired")]
    Expired,
    /// Taken back by a refund of what it cost.
    #[sea_orm(string_value = "revoked")]
    Revoked,
    /// Given back by its holder.
    #[sea_orm(string_value = "released")]
    Released,
}

/// A coupon in the hands of its holder.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "claim")]
pub struct Model {
    /// Primary key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ClaimId,
    /// The coupon.
    pub coupon_id: CouponId,
    /// The coupon's shop, among whose codes this one's is unique.
    pub shop_id: ShopId,
    /// Who holds it.
    pub account_id: AccountId,
    /// Who claimed it, and on whose limit it counts.
    pub buyer_id: AccountId,
    /// Where it stands.
    pub state: ClaimState,
    /// The code that is shown, without separators.
    pub code: String,
    /// Raised whenever it changes hands.
    pub epoch: i32,
    /// The coupon's terms as they were at the claim, as JSON that the coupon slice reads.
    pub terms: String,
    /// What a gift card was worth, in minor units.
    pub face_minor: Option<i64>,
    /// What is left of it.
    pub balance_minor: Option<i64>,
    /// Valid from here …
    pub valid_from: DateTimeUtc,
    /// … until here; none: for ever.
    pub valid_until: Option<DateTimeUtc>,
    /// The order that it is, or was last, spent in.
    pub order_id: Option<OrderId>,
    /// The line that paid for it.
    pub order_line_id: Option<OrderLineId>,
    /// When the row was made.
    pub claimed_at: DateTimeUtc,
    /// When it was used up.
    pub redeemed_at: Option<DateTimeUtc>,
    /// When it first opened places to its holder, if it is an access code: it goes on doing so, but was used.
    pub opened_at: Option<DateTimeUtc>,
    /// Optimistic-concurrency version; each write raises it by one.
    pub version: i64,
    /// When the row was last written.
    pub updated_at: DateTimeUtc,
}

/// Relations are loaded by the application's loaders, never joined implicitly.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

crate::versioned!();

/// Offers to take a claim over.
pub mod share {
    use sea_orm::entity::prelude::*;

    use crate::ClaimId;

    /// One offer, known by the digest of its token.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "claim_share")]
    pub struct Model {
        /// SHA-256 of the token.
        #[sea_orm(primary_key, auto_increment = false)]
        pub digest: Vec<u8>,
        /// The claim.
        pub claim_id: ClaimId,
        /// The claim's epoch then; in a later one the offer is void.
        pub epoch: i32,
        /// Until when it can be accepted.
        pub expires_at: DateTimeUtc,
        /// When it was.
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

    /// One use.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "redemption")]
    pub struct Model {
        /// Primary key.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: RedemptionId,
        /// The claim.
        pub claim_id: ClaimId,
        /// The order that it was spent in; none: at a counter.
        pub order_id: Option<OrderId>,
        /// What was taken of a gift card's balance, in minor units; none: it was used whole.
        pub amount_minor: Option<i64>,
        /// What it took off at a counter, in minor units, where that is known.
        pub given_minor: Option<i64>,
        /// Who scanned it, or whose order it was.
        pub account_id: AccountId,
        /// When.
        pub at: DateTimeUtc,
        /// When a refund made it undone.
        pub reversed_at: Option<DateTimeUtc>,
    }

    /// Relations are loaded by the application's loaders, never joined implicitly.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
