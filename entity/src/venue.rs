//! Venues and the immutable revisions of their seat maps.

use sea_orm::entity::prelude::*;

use crate::{ShopId, VenueId};

/// Where events take place.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "venue")]
pub struct Model {
    /// Primary key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: VenueId,
    /// Whose venue it is.
    pub shop_id: ShopId,
    /// Display name.
    pub name: String,
    /// Street address; may be empty.
    pub address: String,
    /// Town or city.
    pub city: String,
    /// ISO 3166-1 alpha-2 code.
    pub country: String,
    /// IANA time zone.
    pub time_zone: String,
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

/// Immutable, revisioned geometry.
pub mod seat_map {
    use sea_orm::entity::prelude::*;

    use crate::{AccountId, SeatMapId, VenueId};

    /// One revision of a venue's seat map; never updated.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "seat_map")]
    pub struct Model {
        /// Primary key.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: SeatMapId,
        /// The venue.
        pub venue_id: VenueId,
        /// 1, 2, 3 … within the venue.
        pub revision: i32,
        /// The plan's own name.
        pub name: String,
        /// Numbered seats.
        pub seat_count: i32,
        /// Places in general-admission areas, summed.
        pub area_capacity: i32,
        /// The validated pretix seating plan, as JSON.
        pub plan: String,
        /// Who imported it.
        pub created_by: AccountId,
        /// When the row was made.
        pub created_at: DateTimeUtc,
    }

    /// Relations are loaded by the application's loaders, never joined implicitly.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
