//! Coupons: what a shop promises to whoever claims one.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{CategoryId, CouponId, EventId, ProductId, ShopId, TierId};

/// What a coupon is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
pub enum CouponKind {
    /// A fixed amount less.
    #[sea_orm(string_value = "amount_off")]
    AmountOff,
    /// A share of the price less.
    #[sea_orm(string_value = "percent_off")]
    PercentOff,
    /// One thing for nothing.
    #[sea_orm(string_value = "free_item")]
    FreeItem,
    /// One thing for a fixed price.
    #[sea_orm(string_value = "fixed_price")]
    FixedPrice,
    /// Opens hidden price levels.
    #[sea_orm(string_value = "access_code")]
    AccessCode,
    /// A balance that pays.
    #[sea_orm(string_value = "gift_card")]
    GiftCard,
}

/// Where a coupon stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
pub enum CouponState {
    /// Seen by its shop only.
    #[sea_orm(string_value = "draft")]
    Draft,
    /// Seen by all; claimed within its publication window.
    #[sea_orm(string_value = "published")]
    Published,
    /// Seen by all; not claimed for now.
    #[sea_orm(string_value = "paused")]
    Paused,
    /// Never claimed again; what was claimed stays valid.
    #[sea_orm(string_value = "ended")]
    Ended,
}

/// Where the codes of a coupon's claims come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
pub enum CodeSource {
    /// Made by chance at the claim.
    #[sea_orm(string_value = "generated")]
    Generated,
    /// Uploaded by the vendor or generated ahead, one for each claim.
    #[sea_orm(string_value = "uploaded")]
    Uploaded,
}

/// What a shop promises to whoever claims one.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "coupon")]
pub struct Model {
    /// Primary key; its inventory has the same.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CouponId,
    /// Whose promise it is.
    pub shop_id: ShopId,
    /// The product that it is shown with.
    pub product_id: Option<ProductId>,
    /// The event that it is shown with.
    pub event_id: Option<EventId>,
    /// The event's price level that it is shown with.
    pub tier_id: Option<TierId>,
    /// What kind of offer it is.
    pub category_id: CategoryId,
    /// Display name.
    pub title: String,
    /// May be empty.
    pub description: String,
    /// The small print; may be empty.
    pub terms: String,
    /// Where its picture is.
    pub picture_url: Option<String>,
    /// What it is worth.
    pub kind: CouponKind,
    /// The amount off, the fixed price or the gift card's face value, in minor units.
    pub amount_minor: Option<i64>,
    /// The share off, in hundredths of a percent.
    pub basis_points: Option<i32>,
    /// The most that a share off may come to, in minor units.
    pub cap_minor: Option<i64>,
    /// ISO 4217 code of its amounts.
    pub currency: String,
    /// What one costs, tax included, in minor units; 0: nothing.
    pub price_minor: i64,
    /// Tax rate contained in the price, in hundredths of a percent.
    pub tax_basis_points: i32,
    /// Where the codes of its claims come from.
    pub codes: CodeSource,
    /// How many there are; none: as many as are wanted.
    pub stock: Option<i32>,
    /// How many one buyer may claim.
    pub limit_per_buyer: i32,
    /// Shown and claimed from here …
    pub publish_from: Option<DateTimeUtc>,
    /// … until here.
    pub publish_until: Option<DateTimeUtc>,
    /// Claims are valid from here …
    pub valid_from: Option<DateTimeUtc>,
    /// … until here, …
    pub valid_until: Option<DateTimeUtc>,
    /// … or for so many days from the claim.
    pub valid_days: Option<i32>,
    /// Whether a holder may give it to somebody else.
    pub shareable: bool,
    /// What has to be bought for it to apply, in minor units.
    pub minimum_spend_minor: i64,
    /// Whether it applies alone only.
    pub exclusive: bool,
    /// Of one group at most one applies.
    pub stacking_group: Option<String>,
    /// Order in which several apply; then by id.
    pub position: i32,
    /// What all its discounts together may come to, in minor units.
    pub budget_minor: Option<i64>,
    /// Whether strangers find it; otherwise they have it by one of its codes only.
    pub listed: bool,
    /// Where it stands in its life.
    pub state: CouponState,
    /// Optimistic-concurrency version; each write raises it by one.
    pub version: i64,
    /// When the row was made.
    pub created_at: DateTimeUtc,
    /// When the row was last written.
    pub updated_at: DateTimeUtc,
}

/// Relations are loaded by the application's loaders, never joined implicitly.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

crate::versioned!();

/// The words by which coupons are found.
pub mod word {
    use sea_orm::entity::prelude::*;

    use crate::CouponId;

    /// One folded word of a coupon's title, shop or product.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "coupon_word")]
    pub struct Model {
        /// Lower case.
        #[sea_orm(primary_key, auto_increment = false)]
        pub word: String,
        /// The coupon.
        #[sea_orm(primary_key, auto_increment = false)]
        pub coupon_id: CouponId,
    }

    /// Relations are loaded by the application's loaders, never joined implicitly.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What a coupon applies to.
pub mod scope {
    use sea_orm::entity::prelude::*;
    use serde::{Deserialize, Serialize};

    use crate::CouponId;

    /// What kind of thing a coupon applies to.
    #[derive(
        Clone,
        Copy,
        Debug,
        PartialEq,
        Eq,
        Hash,
        PartialOrd,
        Ord,
        EnumIter,
        DeriveActiveEnum,
        Serialize,
        Deserialize,
    )]
    #[sea_orm(rs_type = "String", db_type = "Text")]
    #[serde(rename_all = "snake_case")]
    pub enum CouponScopeKind {
        /// Whatever the shop sells.
        #[sea_orm(string_value = "shop")]
        Shop,
        /// A product's coupons.
        #[sea_orm(string_value = "product")]
        Product,
        /// An event's places.
        #[sea_orm(string_value = "event")]
        Event,
        /// A price level's places.
        #[sea_orm(string_value = "tier")]
        Tier,
        /// Whatever stands in or below a category.
        #[sea_orm(string_value = "category")]
        Category,
    }

    /// One thing that a coupon applies to. A coupon without any applies to everything of its shop.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "coupon_scope")]
    pub struct Model {
        /// The coupon.
        #[sea_orm(primary_key, auto_increment = false)]
        pub coupon_id: CouponId,
        /// What kind of thing.
        #[sea_orm(primary_key, auto_increment = false)]
        pub kind: CouponScopeKind,
        /// Which.
        #[sea_orm(primary_key, auto_increment = false)]
        pub target: Uuid,
    }

    /// Relations are loaded by the application's loaders, never joined implicitly.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What the discounts of a coupon come to: a row with a CHECK, never a sum.
pub mod budget {
    use sea_orm::entity::prelude::*;

    use crate::CouponId;

    /// One coupon's budget.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "coupon_budget")]
    pub struct Model {
        /// The coupon.
        #[sea_orm(primary_key, auto_increment = false)]
        pub coupon_id: CouponId,
        /// What all its discounts together may come to, in minor units; none: whatever they come to, and nobody counts.
        pub allowed: Option<i64>,
        /// What those of live orders, and those given at counters, come to while that is counted.
        pub spent: i64,
    }

    /// Relations are loaded by the application's loaders, never joined implicitly.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Codes that were there before the claims: uploaded by the vendor, or generated to be printed.
pub mod code {
    use sea_orm::entity::prelude::*;

    use crate::{ClaimId, CouponId, ShopId};

    /// One of them.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "coupon_code")]
    pub struct Model {
        /// The coupon's shop, among whose codes this one is unique.
        #[sea_orm(primary_key, auto_increment = false)]
        pub shop_id: ShopId,
        /// The code, trimmed and in upper case.
        #[sea_orm(primary_key, auto_increment = false)]
        pub code: String,
        /// The coupon.
        pub coupon_id: CouponId,
        /// Order in which they came, and in which claims take them.
        pub position: i64,
        /// The claim that took it.
        pub claim_id: Option<ClaimId>,
    }

    /// Relations are loaded by the application's loaders, never joined implicitly.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
