//! Coupons: terms, stock and validity that a shop publishes.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{CategoryId, CouponId, EventId, ProductId, ShopId, TierId};

/// The kind of a coupon's benefit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
pub enum CouponKind {
    /// A fixed amount off.
    #[sea_orm(string_value = "amount_off")]
    AmountOff,
    /// A percentage off.
    #[sea_orm(string_value = "percent_off")]
    PercentOff,
    /// One item for free.
    #[sea_orm(string_value = "free_item")]
    FreeItem,
    /// One item at a fixed price.
    #[sea_orm(string_value = "fixed_price")]
    FixedPrice,
    /// Unlocks hidden price levels.
    #[sea_orm(string_value = "access_code")]
    AccessCode,
    /// A balance to pay with.
    #[sea_orm(string_value = "gift_card")]
    GiftCard,
}

/// The stored state of a coupon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
pub enum CouponState {
    /// Visible to its shop only.
    #[sea_orm(string_value = "draft")]
    Draft,
    /// Visible to all, and claimable in its publication window.
    #[sea_orm(string_value = "published")]
    Published,
    /// Visible to all, but not claimable.
    #[sea_orm(string_value = "paused")]
    Paused,
    /// Not claimable any more. Existing claims stay valid.
    #[sea_orm(string_value = "ended")]
    Ended,
}

/// The source of the codes of a coupon's claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
pub enum CodeSource {
    /// Generated randomly at the claim.
    #[sea_orm(string_value = "generated")]
    Generated,
    /// Uploaded or generated in advance, one per claim.
    #[sea_orm(string_value = "uploaded")]
    Uploaded,
}

/// A coupon: terms, stock and validity that a shop publishes.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "coupon")]
pub struct Model {
    /// The primary key. The coupon's inventory has the same id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CouponId,
    /// The shop that issues it.
    pub shop_id: ShopId,
    /// The product with which it is shown.
    pub product_id: Option<ProductId>,
    /// The event with which it is shown.
    pub event_id: Option<EventId>,
    /// The price level of the event with which it is shown.
    pub tier_id: Option<TierId>,
    /// The category of the offer.
    pub category_id: CategoryId,
    /// Display name.
    pub title: String,
    /// The key by which the title is sorted. Empty if it is not computed yet.
    pub sort_key: String,
    /// The description. May be empty.
    pub description: String,
    /// The terms and conditions as text. May be empty.
    pub terms: String,
    /// The URL of its picture.
    pub picture_url: Option<String>,
    /// The kind of its benefit.
    pub kind: CouponKind,
    /// The amount off, the fixed price or the gift card's original value, in minor units.
    pub amount_minor: Option<i64>,
    /// The percentage off, in hundredths of a percent.
    pub basis_points: Option<i32>,
    /// The maximum discount of a percentage, in minor units.
    pub cap_minor: Option<i64>,
    /// The ISO 4217 code of its amounts.
    pub currency: String,
    /// The price of one copy in minor units, tax included. 0 is free.
    pub price_minor: i64,
    /// The tax rate contained in the price, in hundredths of a percent.
    pub tax_basis_points: i32,
    /// The source of its claims' codes.
    pub codes: CodeSource,
    /// The number of copies. `None` is unlimited.
    pub stock: Option<i32>,
    /// The maximum number of claims per buyer.
    pub limit_per_buyer: i32,
    /// The start of its publication. `None` is no limit.
    pub publish_from: Option<DateTimeUtc>,
    /// The end of its publication. `None` is no limit.
    pub publish_until: Option<DateTimeUtc>,
    /// The start of its claims' validity. `None` is the time of the claim.
    pub valid_from: Option<DateTimeUtc>,
    /// The end of its claims' validity. `None` is no limit.
    pub valid_until: Option<DateTimeUtc>,
    /// The validity in days from the claim. `None` is no limit.
    pub valid_days: Option<i32>,
    /// Whether a holder may pass a claim to another account.
    pub shareable: bool,
    /// The minimum value of the purchase for a discount, in minor units.
    pub minimum_spend_minor: i64,
    /// Whether it cannot be combined with other coupons.
    pub exclusive: bool,
    /// At most one coupon of a stacking group applies to an order.
    pub stacking_group: Option<String>,
    /// The order in which several coupons apply. Ties are broken by id.
    pub position: i32,
    /// The limit of the sum of all its discounts, in minor units.
    pub budget_minor: Option<i64>,
    /// Whether it appears in public lists. Otherwise, buyers need one of its codes.
    pub listed: bool,
    /// The stored state.
    pub state: CouponState,
    /// The optimistic-concurrency version. Each write increments it.
    pub version: i64,
    /// When the row was created.
    pub created_at: DateTimeUtc,
    /// When the row was last changed.
    pub updated_at: DateTimeUtc,
}

/// Relations are loaded by the application's loaders, never joined implicitly.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

crate::versioned!();

/// The search words of coupons.
pub mod word {
    use sea_orm::entity::prelude::*;

    use crate::CouponId;

    /// One normalised word of a coupon's title, shop or product.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "coupon_word")]
    pub struct Model {
        /// The word, in its form for searching.
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

/// The things that a coupon applies to.
pub mod scope {
    use sea_orm::entity::prelude::*;
    use serde::{Deserialize, Serialize};

    use crate::CouponId;

    /// The kind of thing that a coupon applies to.
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
        /// All things that the shop sells.
        #[sea_orm(string_value = "shop")]
        Shop,
        /// The coupons of a product.
        #[sea_orm(string_value = "product")]
        Product,
        /// The places of an event.
        #[sea_orm(string_value = "event")]
        Event,
        /// The places of a price level.
        #[sea_orm(string_value = "tier")]
        Tier,
        /// All things in a category and its descendants.
        #[sea_orm(string_value = "category")]
        Category,
    }

    /// One thing that a coupon applies to. A coupon without such rows applies to everything of its shop.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "coupon_scope")]
    pub struct Model {
        /// The coupon.
        #[sea_orm(primary_key, auto_increment = false)]
        pub coupon_id: CouponId,
        /// The kind of the thing.
        #[sea_orm(primary_key, auto_increment = false)]
        pub kind: CouponScopeKind,
        /// The id of the thing.
        #[sea_orm(primary_key, auto_increment = false)]
        pub target: Uuid,
    }

    /// Relations are loaded by the application's loaders, never joined implicitly.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The sum of a coupon's discounts: a row with a CHECK constraint, not an aggregate.
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
        /// The limit of the sum of all discounts, in minor units. `None` is unlimited, and then discounts are not
        /// counted.
        pub allowed: Option<i64>,
        /// The sum of the discounts in live orders and at counters, in minor units, while there is a limit.
        pub spent: i64,
    }

    /// Relations are loaded by the application's loaders, never joined implicitly.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Codes that exist before their claims: uploaded by the vendor, or generated for printing.
pub mod code {
    use sea_orm::entity::prelude::*;

    use crate::{ClaimId, CouponId, ShopId};

    /// One code.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "coupon_code")]
    pub struct Model {
        /// The coupon's shop. Codes are unique within a shop.
        #[sea_orm(primary_key, auto_increment = false)]
        pub shop_id: ShopId,
        /// The code, trimmed and in upper case.
        #[sea_orm(primary_key, auto_increment = false)]
        pub code: String,
        /// The coupon.
        pub coupon_id: CouponId,
        /// The order of insertion, in which claims take codes.
        pub position: i64,
        /// The claim that took it. `None` while it is free.
        pub claim_id: Option<ClaimId>,
    }

    /// Relations are loaded by the application's loaders, never joined implicitly.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
