//! Price levels of an event.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{EventId, TierId, event::EntryPeriod};

/// The kind of thing that a tier prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
pub enum ScopeKind {
    /// All seats of one category of the plan.
    #[sea_orm(string_value = "category")]
    Category,
    /// One general-admission area.
    #[sea_orm(string_value = "area")]
    Area,
}

/// A price level of an event.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tier")]
pub struct Model {
    /// Primary key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TierId,
    /// The event.
    pub event_id: EventId,
    /// Display name.
    pub name: String,
    /// The form of the name that is unique within the event. `None` if it is not computed yet.
    pub name_key: Option<String>,
    /// Price in minor units, tax included.
    pub price_minor: i64,
    /// Fee per place in minor units, tax included.
    pub fee_minor: i64,
    /// Tax rate contained in price and fee, in hundredths of a percent.
    pub tax_basis_points: i32,
    /// The sort position within the event.
    pub position: i32,
    /// Whether only buyers with an access code can buy it.
    pub hidden: bool,
    /// The period in which entries are counted. `None` if the event's rules for entries apply.
    pub entry_period: Option<EntryPeriod>,
    /// How often a ticket admits in the tier's period. `None` for no limit.
    pub entries_max: Option<i32>,
    /// Whether a holder who was checked out may return, if the tier has a period.
    pub reentry: bool,
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

/// The seats and areas that a tier prices.
pub mod scope {
    use sea_orm::entity::prelude::*;

    use super::ScopeKind;
    use crate::{EventId, TierId};

    /// One category or area that a tier prices. Each is priced by at most one tier of the event.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "tier_scope")]
    pub struct Model {
        /// The event.
        #[sea_orm(primary_key, auto_increment = false)]
        pub event_id: EventId,
        /// Whether it is a category or an area.
        #[sea_orm(primary_key, auto_increment = false)]
        pub kind: ScopeKind,
        /// The category's name, or the area's guid.
        #[sea_orm(primary_key, auto_increment = false)]
        pub key: String,
        /// The tier.
        pub tier_id: TierId,
    }

    /// Relations are loaded by the application's loaders, never joined implicitly.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
