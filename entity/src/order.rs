//! Orders: what is bought.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{AccountId, OrderId, ShopId};

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// Made by the checkout.
    #[sea_orm(string_value = "awaiting_payment")]
    AwaitingPayment,
    /// Tickets exist.
    #[sea_orm(string_value = "paid")]
    Paid,
    /// Part of the money went back.
    #[sea_orm(string_value = "partially_refunded")]
    PartiallyRefunded,
    /// All of the money goes back; its tickets are void.
    #[sea_orm(string_value = "refunded")]
    Refunded,
    /// Its reservations ran out unpaid.
    #[sea_orm(string_value = "expired")]
    Expired,
    /// Given up before it was paid.
    #[sea_orm(string_value = "cancelled")]
    Cancelled,
    /// Money came too late and goes back.
    #[sea_orm(string_value = "refund_due")]
    RefundDue,
    /// Cannot be decided by machine; an operator is needed.
    #[sea_orm(string_value = "stuck")]
    Stuck,
}

/// What is bought, from one shop in one currency.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "orders")]
pub struct Model {
    /// Primary key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: OrderId,
    /// Short reference for people, unique.
    pub number: String,
    /// The buyer.
    pub account_id: AccountId,
    /// The seller.
    pub shop_id: ShopId,
    /// Where it stands.
    pub state: OrderState,
    /// ISO 4217 code.
    pub currency: String,
    /// What is to pay in minor units, fees and tax included, discounts taken off.
    pub total_minor: i64,
    /// Fees in the total.
    pub fee_minor: i64,
    /// Tax in the total.
    pub tax_minor: i64,
    /// What was taken off.
    pub discount_minor: i64,
    /// Whom to address.
    pub contact_name: String,
    /// Where the tickets go.
    pub contact_email: String,
    /// As given.
    pub contact_phone: Option<String>,
    /// SHA-256 of the token with which a guest reads the order.
    pub access_digest: Vec<u8>,
    /// Unpaid, it expires here.
    pub expires_at: DateTimeUtc,
    /// When it became paid.
    pub paid_at: Option<DateTimeUtc>,
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

/// The lines of an order: one per place, or per copy of a coupon.
pub mod line {
    use sea_orm::entity::prelude::*;

    use crate::{CouponId, EventId, OrderId, OrderLineId, ReservationId, TierId};

    /// One place or one copy of a coupon, with everything frozen at the checkout.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "order_line")]
    pub struct Model {
        /// Primary key.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: OrderLineId,
        /// The order.
        pub order_id: OrderId,
        /// Order of the lines.
        pub position: i32,
        /// The event, …
        pub event_id: Option<EventId>,
        /// … or the coupon.
        pub coupon_id: Option<CouponId>,
        /// The reservation it came from.
        pub reservation_id: ReservationId,
        /// The seat, by map order …
        pub seat_ordinal: Option<i32>,
        /// … or the area.
        pub area_ordinal: Option<i32>,
        /// The place in words.
        pub label: String,
        /// The event's price level.
        pub tier_id: Option<TierId>,
        /// Its name then; empty for coupons.
        pub tier_name: String,
        /// Price in minor units.
        pub price_minor: i64,
        /// Fee in minor units.
        pub fee_minor: i64,
        /// Tax contained in what is left of both.
        pub tax_minor: i64,
        /// What was taken off price and fee.
        pub discount_minor: i64,
        /// The seat's epoch when it was taken.
        pub epoch: i32,
    }

    /// Relations are loaded by the application's loaders, never joined implicitly.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What was taken off an order.
pub mod discount {
    use sea_orm::entity::prelude::*;

    use crate::{ClaimId, CouponId, OrderId};

    /// What one claim took off, frozen at the checkout.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "order_discount")]
    pub struct Model {
        /// The order.
        #[sea_orm(primary_key, auto_increment = false)]
        pub order_id: OrderId,
        /// Order in which they were applied.
        #[sea_orm(primary_key, auto_increment = false)]
        pub position: i32,
        /// The claim.
        pub claim_id: ClaimId,
        /// Its coupon.
        pub coupon_id: CouponId,
        /// The coupon's title then.
        pub label: String,
        /// What it took off all lines together, in minor units.
        pub amount_minor: i64,
    }

    /// Relations are loaded by the application's loaders, never joined implicitly.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
