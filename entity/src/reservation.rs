//! Reservations: what a buyer has reserved of an inventory until a deadline.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{AccountId, InventoryId, OrderId, ReservationId};

/// Where a reservation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
pub enum ReservationState {
    /// Runs until its deadline.
    #[sea_orm(string_value = "active")]
    Active,
    /// Belongs to an order that is being paid.
    #[sea_orm(string_value = "paying")]
    Paying,
    /// Became tickets.
    #[sea_orm(string_value = "converted")]
    Converted,
    /// Given back by the buyer, or refunded.
    #[sea_orm(string_value = "released")]
    Released,
    /// Ran out.
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
    /// The buyer.
    pub account_id: AccountId,
    /// Where it stands.
    pub state: ReservationState,
    /// Places and frozen prices, as JSON that the inventory slice reads.
    pub items: String,
    /// Number of places.
    pub quantity: i32,
    /// Frozen total in minor units, fees and tax included.
    pub total_minor: i64,
    /// ISO 4217 code.
    pub currency: String,
    /// When it runs out.
    pub deadline: DateTimeUtc,
    /// Beyond this it cannot be extended.
    pub deadline_max: DateTimeUtc,
    /// The order that it belongs to, from the checkout on.
    pub order_id: Option<OrderId>,
    /// A keyed hash of the network that it was made from and its inventory; `None` if that does not count.
    pub source: Option<i64>,
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
