//! Orders: what a buyer buys in one checkout.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{AccountId, OrderId, ShopId};

/// The stored state of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// Created by the checkout, and not paid.
    #[sea_orm(string_value = "awaiting_payment")]
    AwaitingPayment,
    /// Paid. Its tickets or claims are issued.
    #[sea_orm(string_value = "paid")]
    Paid,
    /// A part of the money was refunded.
    #[sea_orm(string_value = "partially_refunded")]
    PartiallyRefunded,
    /// All money is refunded or being refunded. Its tickets are void.
    #[sea_orm(string_value = "refunded")]
    Refunded,
    /// Its reservations expired before it was paid.
    #[sea_orm(string_value = "expired")]
    Expired,
    /// Cancelled before it was paid.
    #[sea_orm(string_value = "cancelled")]
    Cancelled,
    /// Paid too late. The money is being refunded.
    #[sea_orm(string_value = "refund_due")]
    RefundDue,
    /// Cannot be resolved automatically. An operator must intervene.
    #[sea_orm(string_value = "stuck")]
    Stuck,
}

/// An order: what a buyer buys from one shop, in one currency.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "orders")]
pub struct Model {
    /// Primary key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: OrderId,
    /// The short reference for people, unique.
    pub number: String,
    /// The buyer's account.
    pub account_id: AccountId,
    /// The shop.
    pub shop_id: ShopId,
    /// The stored state.
    pub state: OrderState,
    /// The ISO 4217 code of its amounts.
    pub currency: String,
    /// The amount to pay in minor units, with fees and tax, after discounts.
    pub total_minor: i64,
    /// The fees in the total, in minor units.
    pub fee_minor: i64,
    /// The tax in the total, in minor units.
    pub tax_minor: i64,
    /// The sum of the discounts, in minor units.
    pub discount_minor: i64,
    /// The buyer's name.
    pub contact_name: String,
    /// The e-mail address for the tickets.
    pub contact_email: String,
    /// The buyer's phone number, as entered.
    pub contact_phone: Option<String>,
    /// The SHA-256 of the token that gives a guest access to the order.
    pub access_digest: Vec<u8>,
    /// When the order expires if it is unpaid.
    pub expires_at: DateTimeUtc,
    /// When it was paid.
    pub paid_at: Option<DateTimeUtc>,
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

/// The lines of an order: one per place, or per copy of a coupon.
pub mod line {
    use sea_orm::entity::prelude::*;

    use crate::{CouponId, EventId, OrderId, OrderLineId, ReservationId, TierId};

    /// One place or one copy of a coupon, with all values at the time of the checkout.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "order_line")]
    pub struct Model {
        /// Primary key.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: OrderLineId,
        /// The order.
        pub order_id: OrderId,
        /// The position among the order's lines.
        pub position: i32,
        /// The event. `None` if the line is a coupon.
        pub event_id: Option<EventId>,
        /// The coupon. `None` if the line is a place of an event.
        pub coupon_id: Option<CouponId>,
        /// The reservation of the place or copy.
        pub reservation_id: ReservationId,
        /// The seat's index in map order. `None` for an area or a coupon.
        pub seat_ordinal: Option<i32>,
        /// The area's index in map order. `None` for a seat or a coupon.
        pub area_ordinal: Option<i32>,
        /// The name of the place.
        pub label: String,
        /// The price level. `None` for a coupon.
        pub tier_id: Option<TierId>,
        /// The price level's name at the checkout. Empty for a coupon.
        pub tier_name: String,
        /// The price, in minor units.
        pub price_minor: i64,
        /// The fee, in minor units.
        pub fee_minor: i64,
        /// The tax contained in price and fee after discounts, in minor units.
        pub tax_minor: i64,
        /// The discount on price and fee, in minor units.
        pub discount_minor: i64,
        /// The seat's epoch when it was reserved.
        pub epoch: i32,
        /// The buyer's rights at the checkout, as JSON. `None` for a coupon, and for lines of older versions.
        pub rights: Option<String>,
    }

    /// Relations are loaded by the application's loaders, never joined implicitly.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The discounts of an order.
pub mod discount {
    use sea_orm::entity::prelude::*;

    use crate::{ClaimId, CouponId, OrderId};

    /// The discount of one claim, fixed at the checkout.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "order_discount")]
    pub struct Model {
        /// The order.
        #[sea_orm(primary_key, auto_increment = false)]
        pub order_id: OrderId,
        /// The order in which the discounts were applied.
        #[sea_orm(primary_key, auto_increment = false)]
        pub position: i32,
        /// The claim.
        pub claim_id: ClaimId,
        /// The claim's coupon.
        pub coupon_id: CouponId,
        /// The coupon's title at the checkout.
        pub label: String,
        /// The sum of the discount on all lines, in minor units.
        pub amount_minor: i64,
    }

    /// Relations are loaded by the application's loaders, never joined implicitly.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
