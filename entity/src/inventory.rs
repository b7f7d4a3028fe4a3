//! The countable, version-guarded stock of one event or coupon.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::InventoryId;

/// What the stock is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
pub enum InventoryKind {
    /// Seats and areas of an event.
    #[sea_orm(string_value = "event")]
    Event,
    /// Copies of a coupon.
    #[sea_orm(string_value = "coupon")]
    Coupon,
}

/// Where one seat stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "i16", db_type = "SmallInteger")]
#[serde(rename_all = "snake_case")]
pub enum SeatStatus {
    /// Free to reserve.
    #[sea_orm(num_value = 0)]
    Available,
    /// In a reservation that runs out.
    #[sea_orm(num_value = 1)]
    Reserved,
    /// In an order that is being paid; does not run out by itself.
    #[sea_orm(num_value = 2)]
    Paying,
    /// A ticket exists.
    #[sea_orm(num_value = 3)]
    Sold,
    /// Withheld by the vendor.
    #[sea_orm(num_value = 4)]
    Blocked,
}

/// Stock. Its `version` is the guard of every change and the cursor of the availability feed.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "inventory")]
pub struct Model {
    /// Primary key: the id of the event or coupon.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: InventoryId,
    /// What the stock is of.
    pub kind: InventoryKind,
    /// Optimistic-concurrency version; each write raises it by one.
    pub version: i64,
    /// All places; always the sum of the four counts below.
    pub capacity: i32,
    /// Places free to reserve.
    pub available: i32,
    /// Places reserved or being paid.
    pub reserved: i32,
    /// Places sold.
    pub sold: i32,
    /// Places withheld.
    pub blocked: i32,
    /// When the row was last written.
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

    /// One seat's status.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "inventory_seat")]
    pub struct Model {
        /// The stock.
        #[sea_orm(primary_key, auto_increment = false)]
        pub inventory_id: InventoryId,
        /// Index of the seat in map order.
        #[sea_orm(primary_key, auto_increment = false)]
        pub ordinal: i32,
        /// Where it stands.
        pub status: SeatStatus,
        /// Raised by every take: a fencing token for whatever was sent outside.
        pub epoch: i32,
        /// Who has it, unless free or blocked.
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

    /// One area's counts.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "inventory_area")]
    pub struct Model {
        /// The stock.
        #[sea_orm(primary_key, auto_increment = false)]
        pub inventory_id: InventoryId,
        /// Index of the area in map order.
        #[sea_orm(primary_key, auto_increment = false)]
        pub ordinal: i32,
        /// All places.
        pub capacity: i32,
        /// Places reserved or being paid.
        pub reserved: i32,
        /// Places sold.
        pub sold: i32,
    }

    /// Relations are loaded by the application's loaders, never joined implicitly.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// How many places each buyer has: the limit is a row with a CHECK, never a count.
pub mod buyer {
    use sea_orm::entity::prelude::*;

    use crate::{AccountId, InventoryId};

    /// One buyer's places in one inventory.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "inventory_buyer")]
    pub struct Model {
        /// The stock.
        #[sea_orm(primary_key, auto_increment = false)]
        pub inventory_id: InventoryId,
        /// The buyer.
        #[sea_orm(primary_key, auto_increment = false)]
        pub account_id: AccountId,
        /// Places reserved, being paid or sold.
        pub taken: i32,
        /// The limit when last written; never less than taken.
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

/// The availability log: one row per version.
pub mod change {
    use sea_orm::entity::prelude::*;

    use crate::InventoryId;

    /// What one version changed.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "inventory_change")]
    pub struct Model {
        /// The stock.
        #[sea_orm(primary_key, auto_increment = false)]
        pub inventory_id: InventoryId,
        /// The version that this change made.
        #[sea_orm(primary_key, auto_increment = false)]
        pub version: i64,
        /// The change, as JSON that only the inventory slice reads.
        pub payload: String,
        /// When.
        pub at: DateTimeUtc,
    }

    /// Relations are loaded by the application's loaders, never joined implicitly.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
