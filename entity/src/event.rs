//! Events: something that people attend.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{CategoryId, EventId, SeatMapId, SeriesId, ShopId, VenueId};

/// The stored state of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
pub enum EventState {
    /// Visible to its shop only.
    #[sea_orm(string_value = "draft")]
    Draft,
    /// Visible to all, and sold in its sales window.
    #[sea_orm(string_value = "published")]
    Published,
    /// Cancelled. Nothing more is sold.
    #[sea_orm(string_value = "cancelled")]
    Cancelled,
}

/// What a buyer needs in order to reserve places of an event.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize,
)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
pub enum BuyerRequirement {
    /// No requirement. Guests may buy.
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

/// The period in which the entries of a ticket are counted.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize,
)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
pub enum EntryPeriod {
    /// The whole event.
    #[default]
    #[sea_orm(string_value = "event")]
    Event,
    /// A calendar day in the venue's time zone.
    #[sea_orm(string_value = "day")]
    Day,
}

/// Something that people attend.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "event")]
#[expect(clippy::struct_excessive_bools, reason = "each is a column")]
pub struct Model {
    /// The primary key. The event's inventory has the same id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: EventId,
    /// The shop that sells it.
    pub shop_id: ShopId,
    /// The venue.
    pub venue_id: VenueId,
    /// The seat map.
    pub seat_map_id: SeatMapId,
    /// The category.
    pub category_id: CategoryId,
    /// The unique name for web addresses.
    pub slug: String,
    /// Display name.
    pub name: String,
    /// The key by which the name is sorted. Empty if it is not computed yet.
    pub sort_key: String,
    /// The description. May be empty.
    pub description: String,
    /// The start of the event.
    pub starts_at: DateTimeUtc,
    /// The end of the event.
    pub ends_at: DateTimeUtc,
    /// The start of sales.
    pub sales_start: DateTimeUtc,
    /// Whether the vendor set the start of sales. Otherwise it follows from other dates.
    pub sales_start_given: bool,
    /// The end of sales.
    pub sales_end: DateTimeUtc,
    /// Whether the vendor set the end of sales. Otherwise it follows from other dates.
    pub sales_end_given: bool,
    /// The end of the time in which buyers may refund by themselves. `None` excludes such refunds.
    pub refund_until: Option<DateTimeUtc>,
    /// The minutes before the start from which `refund_until` follows. `None` if it does not follow from the start.
    pub refund_minutes: Option<i32>,
    /// When the doors open. `None` if the vendor did not set it.
    pub doors_at: Option<DateTimeUtc>,
    /// The start of admission. `None` if the vendor did not set it.
    pub admission_from: Option<DateTimeUtc>,
    /// The end of admission. `None` if the vendor did not set it.
    pub admission_until: Option<DateTimeUtc>,
    /// How often a ticket admits in a period. `None` for no limit.
    pub entries_max: Option<i32>,
    /// The period in which entries are counted.
    pub entry_period: EntryPeriod,
    /// Whether a holder who was checked out may return.
    pub reentry: bool,
    /// The stored state.
    #[sea_orm(column_name = "status")]
    pub state: EventState,
    /// The ISO 4217 code of its prices.
    pub currency: String,
    /// Duration of a reservation in seconds.
    #[sea_orm(column_name = "hold_seconds")]
    pub reservation_seconds: i32,
    /// Maximum duration of a reservation with all extensions, in seconds.
    #[sea_orm(column_name = "hold_seconds_max")]
    pub reservation_seconds_max: i32,
    /// How many places one buyer may have.
    pub limit_per_buyer: i32,
    /// Whether selections that would leave orphans are refused.
    pub orphan_rule: bool,
    /// Total seconds for which a buyer may have reservations without buying; `None` for no limit.
    #[sea_orm(column_name = "hold_budget_seconds")]
    pub reservation_budget_seconds: Option<i32>,
    /// How long a buyer who spent that must wait.
    pub cool_down_seconds: i32,
    /// What a buyer needs in order to reserve.
    pub buyer_requirement: BuyerRequirement,
    /// The maximum number of unpaid places per network. `None` is the server's default, 0 is no limit.
    pub unpaid_per_network: Option<i32>,
    /// The percentage of unpaid places from which each network may have only as many as two buyers. `None` is the
    /// server's default, 100 is no limit.
    pub unpaid_percent: Option<i32>,
    /// The series to which the event belongs.
    pub series_id: Option<SeriesId>,
    /// The focal point that the vendor set: its distance from the plan's left edge, in thousandths of a plan unit. `None`
    /// for the focal point of the seat map.
    pub focal_x: Option<i32>,
    /// The distance of the focal point from the plan's upper edge, in the same way.
    pub focal_y: Option<i32>,
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

/// The search words of events.
pub mod word {
    use sea_orm::entity::prelude::*;

    use crate::EventId;

    /// One normalised word of an event's name, shop or venue.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "event_word")]
    pub struct Model {
        /// The word, in its form for searching.
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
