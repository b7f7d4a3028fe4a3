//! Tickets and the scans at the gate.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{AccountId, EventId, OrderId, OrderLineId, ShopId, TicketId};

/// Where a ticket stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
pub enum TicketState {
    /// Admits once.
    #[sea_orm(string_value = "issued")]
    Issued,
    /// Has admitted.
    #[sea_orm(string_value = "checked_in")]
    CheckedIn,
    /// Refunded or revoked.
    #[sea_orm(string_value = "void")]
    Void,
}

/// What a scan found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
pub enum ScanOutcome {
    /// Let in.
    #[sea_orm(string_value = "admitted")]
    Admitted,
    /// Let in before.
    #[sea_orm(string_value = "used")]
    Used,
    /// Refunded or revoked.
    #[sea_orm(string_value = "void")]
    Void,
    /// The code of an earlier holder.
    #[sea_orm(string_value = "superseded")]
    Superseded,
    /// A ticket of another event.
    #[sea_orm(string_value = "wrong_event")]
    WrongEvent,
}

/// The right to enter.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "ticket")]
pub struct Model {
    /// Primary key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TicketId,
    /// The order.
    pub order_id: OrderId,
    /// The line it was issued for; one ticket each.
    pub order_line_id: OrderLineId,
    /// The event.
    pub event_id: EventId,
    /// The shop whose scanners admit it.
    pub shop_id: ShopId,
    /// Who holds it.
    pub account_id: AccountId,
    /// The seat, by map order …
    pub seat_ordinal: Option<i32>,
    /// … or the area.
    pub area_ordinal: Option<i32>,
    /// The place in words.
    pub label: String,
    /// The price level's name.
    pub tier_name: String,
    /// Where it stands.
    pub state: TicketState,
    /// Only a code of this epoch is valid.
    pub epoch: i32,
    /// When it admitted.
    pub checked_in_at: Option<DateTimeUtc>,
    /// Who scanned it then.
    pub checked_in_by: Option<AccountId>,
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

/// Every scan of a genuine code, whatever came of it.
pub mod check_in {
    use sea_orm::entity::prelude::*;

    use super::ScanOutcome;
    use crate::{AccountId, CheckInId, ShopId, TicketId};

    /// One scan.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "check_in")]
    pub struct Model {
        /// Primary key.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: CheckInId,
        /// The ticket.
        pub ticket_id: TicketId,
        /// The scanner's shop.
        pub shop_id: ShopId,
        /// The scanner.
        pub account_id: AccountId,
        /// What came of it.
        pub outcome: ScanOutcome,
        /// When.
        pub at: DateTimeUtc,
    }

    /// Relations are loaded by the application's loaders, never joined implicitly.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
