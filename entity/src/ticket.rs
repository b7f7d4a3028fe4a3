//! Tickets and the scans at the gate.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{AccountId, EventId, OrderId, OrderLineId, ShopId, TicketId};

/// The stored state of a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
pub enum TicketState {
    /// Valid, and not used.
    #[sea_orm(string_value = "issued")]
    Issued,
    /// Used for admission.
    #[sea_orm(string_value = "checked_in")]
    CheckedIn,
    /// Refunded or revoked.
    #[sea_orm(string_value = "void")]
    Void,
}

/// The result of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
pub enum ScanOutcome {
    /// The ticket is valid, and its holder was admitted. Counts as an entry.
    #[sea_orm(string_value = "admitted")]
    Admitted,
    /// The holder had left and was admitted again.
    #[sea_orm(string_value = "readmitted")]
    Readmitted,
    /// The holder left.
    #[sea_orm(string_value = "left")]
    Left,
    /// A member of the shop undid an admission.
    #[sea_orm(string_value = "undone")]
    Undone,
    /// The ticket was already used.
    #[sea_orm(string_value = "used")]
    Used,
    /// The holder had left, and the event does not permit a return.
    #[sea_orm(string_value = "no_reentry")]
    NoReentry,
    /// The holder is not inside, so they cannot leave.
    #[sea_orm(string_value = "not_inside")]
    NotInside,
    /// The admission has not begun.
    #[sea_orm(string_value = "not_yet")]
    NotYet,
    /// The admission has ended.
    #[sea_orm(string_value = "over")]
    Over,
    /// The event is cancelled.
    #[sea_orm(string_value = "event_cancelled")]
    EventCancelled,
    /// The ticket is refunded or revoked.
    #[sea_orm(string_value = "void")]
    Void,
    /// The code belongs to an earlier holder.
    #[sea_orm(string_value = "superseded")]
    Superseded,
    /// The ticket is for another event.
    #[sea_orm(string_value = "wrong_event")]
    WrongEvent,
}

/// The right to enter an event, with a signed code.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "ticket")]
pub struct Model {
    /// Primary key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TicketId,
    /// The order.
    pub order_id: OrderId,
    /// The order line. Each line of an event has one ticket.
    pub order_line_id: OrderLineId,
    /// The event.
    pub event_id: EventId,
    /// The shop whose scanners admit it.
    pub shop_id: ShopId,
    /// The account that holds it.
    pub account_id: AccountId,
    /// The seat's index in map order. `None` for an area.
    pub seat_ordinal: Option<i32>,
    /// The area's index in map order. `None` for a seat.
    pub area_ordinal: Option<i32>,
    /// The name of the place.
    pub label: String,
    /// The price level's name.
    pub tier_name: String,
    /// The stored state.
    pub state: TicketState,
    /// The fencing token, raised each time the ticket changes hands. Codes of other epochs are invalid.
    pub epoch: i32,
    /// When its holder was last admitted.
    pub checked_in_at: Option<DateTimeUtc>,
    /// The account that checked it in last.
    pub checked_in_by: Option<AccountId>,
    /// When its holder left after the last admission. `None` if they did not.
    pub checked_out_at: Option<DateTimeUtc>,
    /// The number of its entries. A return after an exit does not count.
    pub entries: i32,
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

/// Scans of genuine codes, with any result.
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
        /// The result.
        pub outcome: ScanOutcome,
        /// The time of the scan.
        pub at: DateTimeUtc,
        /// The version of the ticket that the row made. `None` if the ticket did not change.
        pub ticket_version: Option<i64>,
        /// The admission that the row undoes.
        pub undoes: Option<CheckInId>,
    }

    /// Relations are loaded by the application's loaders, never joined implicitly.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
