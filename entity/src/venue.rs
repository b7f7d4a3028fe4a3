//! Venues and the immutable revisions of their seat maps.

use sea_orm::entity::prelude::*;

use crate::{ShopId, VenueId};

/// The place of events.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "venue")]
pub struct Model {
    /// Primary key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: VenueId,
    /// The shop that owns it.
    pub shop_id: ShopId,
    /// Display name.
    pub name: String,
    /// The street address. May be empty.
    pub address: String,
    /// Town or city.
    pub city: String,
    /// ISO 3166-1 alpha-2 code.
    pub country: String,
    /// IANA time zone.
    pub time_zone: String,
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

/// Seat maps: immutable, numbered revisions of a venue's geometry.
pub mod seat_map {
    use sea_orm::entity::prelude::*;

    use crate::{AccountId, SeatMapId, VenueId};

    /// One revision of a venue's seat map. Never changed.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "seat_map")]
    pub struct Model {
        /// Primary key.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: SeatMapId,
        /// The venue.
        pub venue_id: VenueId,
        /// The revision number within the venue, from 1.
        pub revision: i32,
        /// The name in the plan.
        pub name: String,
        /// The number of numbered seats.
        pub seat_count: i32,
        /// The total capacity of the general-admission areas.
        pub area_capacity: i32,
        /// The validated pretix seating plan, as JSON.
        pub plan: String,
        /// What was repaired or guessed when it was imported, as JSON. `None` for nothing.
        pub warnings: Option<String>,
        /// The account that imported it.
        pub created_by: AccountId,
        /// When the row was created.
        pub created_at: DateTimeUtc,
    }

    /// Relations are loaded by the application's loaders, never joined implicitly.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
