//! Reservations: what a buyer has reserved of an inventory until a deadline.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{AccountId, InventoryId, OrderId, ReservationId};

/// The stored state of a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
pub enum ReservationState {
    /// Active until its deadline.
    #[sea_orm(string_value = "active")]
    Active,
    /// Part of an order that is being paid.
    #[sea_orm(string_value = "paying")]
    Paying,
    /// Sold.
    #[sea_orm(string_value = "converted")]
    Converted,
    /// Released by the buyer, or refunded.
    #[sea_orm(string_value = "released")]
    Released,
    /// The deadline passed.
    #[sea_orm(string_value = "expired")]
    Expired,
}

/// A buyer's temporary reservation of all its places or of none.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "reservation")]
pub struct Model {
    /// Primary key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ReservationId,
    /// The inventory that it reserves of.
    pub inventory_id: InventoryId,
    /// The buyer's account.
    pub account_id: AccountId,
    /// The stored state.
    pub state: ReservationState,
    /// The places and their prices at the time of the reservation, as JSON for the `inventory` module.
    pub items: String,
    /// The number of places.
    pub quantity: i32,
    /// The total at the time of the reservation, in minor units, with fees and tax.
    pub total_minor: i64,
    /// The ISO 4217 code of the total.
    pub currency: String,
    /// When it expires.
    pub deadline: DateTimeUtc,
    /// The latest deadline that an extension can set.
    pub deadline_max: DateTimeUtc,
    /// The order. `None` before the checkout.
    pub order_id: Option<OrderId>,
    /// A keyed hash of the buyer's network and the inventory. `None` if the network is not limited.
    pub source: Option<i64>,
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
