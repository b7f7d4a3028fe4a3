//! Inventories: the version-guarded stock of one event or coupon.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::InventoryId;

/// The kind of the stock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
pub enum InventoryKind {
    /// The seats and areas of an event.
    #[sea_orm(string_value = "event")]
    Event,
    /// The copies of a coupon.
    #[sea_orm(string_value = "coupon")]
    Coupon,
}

/// The status of a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "i16", db_type = "SmallInteger")]
#[serde(rename_all = "snake_case")]
pub enum SeatStatus {
    /// Free.
    #[sea_orm(num_value = 0)]
    Available,
    /// In a reservation with a deadline.
    #[sea_orm(num_value = 1)]
    Reserved,
    /// In an order that is being paid. Does not expire by itself.
    #[sea_orm(num_value = 2)]
    Paying,
    /// Sold; has a ticket.
    #[sea_orm(num_value = 3)]
    Sold,
    /// Blocked by the vendor.
    #[sea_orm(num_value = 4)]
    Blocked,
}

/// The stock of one event or coupon. Its `version` guards each change and is the cursor of the availability feed.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "inventory")]
pub struct Model {
    /// The primary key: the id of the event or coupon.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: InventoryId,
    /// The kind of the stock.
    pub kind: InventoryKind,
    /// The optimistic-concurrency version. Each write increments it.
    pub version: i64,
    /// The number of all places: the sum of the four counts below.
    pub capacity: i32,
    /// The number of free places.
    pub available: i32,
    /// The number of reserved places and of places being paid.
    pub reserved: i32,
    /// The number of sold places.
    pub sold: i32,
    /// The number of blocked places.
    pub blocked: i32,
    /// The number of free places that the public can buy: in a tier, and not in a hidden one. `None` until the first
    /// count after an upgrade.
    pub public_available: Option<i32>,
    /// When the row was last changed.
    pub updated_at: DateTimeUtc,
}

/// Relations are loaded by the application's loaders, never joined implicitly.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

crate::versioned!();

/// Numbered seats.
pub mod seat {
    use sea_orm::entity::prelude::*;

    use super::SeatStatus;
    use crate::{InventoryId, ReservationId};

    /// The status of one seat.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "inventory_seat")]
    pub struct Model {
        /// The inventory.
        #[sea_orm(primary_key, auto_increment = false)]
        pub inventory_id: InventoryId,
        /// The seat's index in map order.
        #[sea_orm(primary_key, auto_increment = false)]
        pub ordinal: i32,
        /// Its status.
        pub status: SeatStatus,
        /// The fencing token, raised each time the seat is taken.
        pub epoch: i32,
        /// Its reservation. `None` if it is free or blocked.
        pub reservation_id: Option<ReservationId>,
    }

    /// Relations are loaded by the application's loaders, never joined implicitly.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// General-admission areas.
pub mod area {
    use sea_orm::entity::prelude::*;

    use crate::InventoryId;

    /// The counts of one area.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "inventory_area")]
    pub struct Model {
        /// The inventory.
        #[sea_orm(primary_key, auto_increment = false)]
        pub inventory_id: InventoryId,
        /// The area's index in map order.
        #[sea_orm(primary_key, auto_increment = false)]
        pub ordinal: i32,
        /// The number of all places.
        pub capacity: i32,
        /// The number of reserved places and of places being paid.
        pub reserved: i32,
        /// The number of sold places.
        pub sold: i32,
    }

    /// Relations are loaded by the application's loaders, never joined implicitly.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The places of each buyer. The limit is a row with a CHECK constraint, not a count.
pub mod buyer {
    use sea_orm::entity::prelude::*;

    use crate::{AccountId, InventoryId};

    /// The places of one buyer in one inventory.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "inventory_buyer")]
    pub struct Model {
        /// The inventory.
        #[sea_orm(primary_key, auto_increment = false)]
        pub inventory_id: InventoryId,
        /// The buyer.
        #[sea_orm(primary_key, auto_increment = false)]
        pub account_id: AccountId,
        /// The number of places that are reserved, being paid or sold.
        pub taken: i32,
        /// The limit when the row was last changed. Never less than `taken`.
        pub allowed: i32,
        /// Milliseconds for which the buyer had reservations without buying, up to `idle_since`.
        #[sea_orm(column_name = "held_ms")]
        pub idle_ms: i64,
        /// From when on that is not counted yet, while the buyer has reservations.
        #[sea_orm(column_name = "held_since")]
        pub idle_since: Option<DateTimeUtc>,
        /// When a buyer who had reservations for too long without buying may reserve again.
        pub cools_until: Option<DateTimeUtc>,
    }

    /// Relations are loaded by the application's loaders, never joined implicitly.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The change log of inventories: one row per version.
pub mod change {
    use sea_orm::entity::prelude::*;

    use crate::InventoryId;

    /// The change of one version.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "inventory_change")]
    pub struct Model {
        /// The inventory.
        #[sea_orm(primary_key, auto_increment = false)]
        pub inventory_id: InventoryId,
        /// The version after the change.
        #[sea_orm(primary_key, auto_increment = false)]
        pub version: i64,
        /// The change, as JSON for the `inventory` module.
        pub payload: String,
        /// The time of the change.
        pub at: DateTimeUtc,
    }

    /// Relations are loaded by the application's loaders, never joined implicitly.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
