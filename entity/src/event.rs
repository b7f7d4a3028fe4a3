//! Events: something that people attend.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{CategoryId, EventId, SeatMapId, ShopId, VenueId};

/// The stored state of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
pub enum EventState {
    /// Seen by its shop only.
    #[sea_orm(string_value = "draft")]
    Draft,
    /// Seen by all; sold within its sales window.
    #[sea_orm(string_value = "published")]
    Published,
    /// Called off; nothing is sold any more.
    #[sea_orm(string_value = "cancelled")]
    Cancelled,
}

/// What a buyer must be, or do, before places of an event are reserved for them.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize,
)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
pub enum BuyerRequirement {
    /// Nothing: guests may buy.
    #[default]
    #[sea_orm(string_value = "none")]
    None,
    /// A signed-up account.
    #[sea_orm(string_value = "registered")]
    Registered,
    /// A signed-up account whose e-mail address is verified.
    #[sea_orm(string_value = "verified_email")]
    VerifiedEmail,
    /// A solved challenge for each reservation.
    #[sea_orm(string_value = "proof_of_work")]
    ProofOfWork,
}

/// Something that people attend.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "event")]
pub struct Model {
    /// Primary key; its inventory has the same.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: EventId,
    /// Who sells it.
    pub shop_id: ShopId,
    /// Where it takes place.
    pub venue_id: VenueId,
    /// The geometry that is sold.
    pub seat_map_id: SeatMapId,
    /// What kind of event it is.
    pub category_id: CategoryId,
    /// Unique name for addresses.
    pub slug: String,
    /// Display name.
    pub name: String,
    /// May be empty.
    pub description: String,
    /// Start.
    pub starts_at: DateTimeUtc,
    /// End.
    pub ends_at: DateTimeUtc,
    /// Reservations are taken from here …
    pub sales_start: DateTimeUtc,
    /// … until here.
    pub sales_end: DateTimeUtc,
    /// Until when buyers may refund by themselves; none: never.
    pub refund_until: Option<DateTimeUtc>,
    /// Its state.
    #[sea_orm(column_name = "status")]
    pub state: EventState,
    /// ISO 4217 code of its prices.
    pub currency: String,
    /// Duration of a reservation in seconds.
    #[sea_orm(column_name = "hold_seconds")]
    pub reservation_seconds: i32,
    /// Maximum duration of a reservation with all extensions, in seconds.
    #[sea_orm(column_name = "hold_seconds_max")]
    pub reservation_seconds_max: i32,
    /// How many places one buyer may have.
    pub limit_per_buyer: i32,
    /// Whether picks that would leave single seats behind are refused.
    pub orphan_rule: bool,
    /// Total seconds for which a buyer may have reservations without buying; `None` for no limit.
    #[sea_orm(column_name = "hold_budget_seconds")]
    pub reservation_budget_seconds: Option<i32>,
    /// How long a buyer who spent that must wait.
    pub cool_down_seconds: i32,
    /// What a buyer must be, or do, to reserve.
    pub buyer_requirement: BuyerRequirement,
    /// Unpaid places that one network may have: `None` is the server's default, 0 is no limit.
    pub unpaid_per_network: Option<i32>,
    /// Percentage of unpaid places from which on a network gets one reservation: `None` is the server's default, 100
    /// is no limit.
    pub unpaid_percent: Option<i32>,
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

/// The words by which events are found.
pub mod word {
    use sea_orm::entity::prelude::*;

    use crate::EventId;

    /// One folded word of an event's name, shop or venue.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "event_word")]
    pub struct Model {
        /// Lower case.
        #[sea_orm(primary_key, auto_increment = false)]
        pub word: String,
        /// The event.
        #[sea_orm(primary_key, auto_increment = false)]
        pub event_id: EventId,
    }

    /// Relations are loaded by the application's loaders, never joined implicitly.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
