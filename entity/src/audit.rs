//! The audit log: changes of permissions and money. Triggers of the database prevent changing or deleting its rows.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{AccountId, AuditId, ShopId};

/// The kind of the actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Actor {
    /// An account, through the API.
    #[sea_orm(string_value = "account")]
    Account,
    /// The server: a worker, or the settlement of a payment.
    #[sea_orm(string_value = "server")]
    Server,
    /// An operator of the machine, on the command line.
    #[sea_orm(string_value = "command_line")]
    CommandLine,
}

/// The kind of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Action {
    /// A shop was created. Its first owner is the actor.
    #[sea_orm(string_value = "shop_created")]
    ShopCreated,
    /// A user became a member of a shop.
    #[sea_orm(string_value = "member_added")]
    MemberAdded,
    /// A member got another role.
    #[sea_orm(string_value = "member_role_changed")]
    MemberRoleChanged,
    /// A member was removed.
    #[sea_orm(string_value = "member_removed")]
    MemberRemoved,
    /// An account became an operator of the platform.
    #[sea_orm(string_value = "operator_made")]
    OperatorMade,
    /// An account's password was changed.
    #[sea_orm(string_value = "password_changed")]
    PasswordChanged,
    /// Sessions of an account were revoked, other than by signing out.
    #[sea_orm(string_value = "sessions_revoked")]
    SessionsRevoked,
    /// A coupon was published, so it can be claimed.
    #[sea_orm(string_value = "coupon_published")]
    CouponPublished,
    /// A draft of a coupon was deleted.
    #[sea_orm(string_value = "coupon_deleted")]
    CouponDeleted,
    /// The value or the price of a coupon was changed.
    #[sea_orm(string_value = "coupon_terms_changed")]
    CouponTermsChanged,
    /// The budget of a coupon was changed.
    #[sea_orm(string_value = "coupon_budget_changed")]
    CouponBudgetChanged,
    /// A code was withdrawn from a coupon's list.
    #[sea_orm(string_value = "coupon_code_withdrawn")]
    CouponCodeWithdrawn,
    /// An event was cancelled.
    #[sea_orm(string_value = "event_cancelled")]
    EventCancelled,
    /// A draft of an event was deleted.
    #[sea_orm(string_value = "event_deleted")]
    EventDeleted,
    /// A price level was created.
    #[sea_orm(string_value = "tier_created")]
    TierCreated,
    /// A price, fee or tax rate was changed.
    #[sea_orm(string_value = "tier_changed")]
    TierChanged,
    /// A price level was deleted.
    #[sea_orm(string_value = "tier_deleted")]
    TierDeleted,
    /// A payment was captured.
    #[sea_orm(string_value = "payment_captured")]
    PaymentCaptured,
    /// A refund of an order or a part of it was requested.
    #[sea_orm(string_value = "refund_requested")]
    RefundRequested,
    /// The provider refunded a payment.
    #[sea_orm(string_value = "payment_refunded")]
    PaymentRefunded,
    /// A check-in of a ticket was undone.
    #[sea_orm(string_value = "check_in_undone")]
    CheckInUndone,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit")]
pub struct Model {
    /// The order of insertion. On PostgreSQL, it may differ from the order of commit.
    #[sea_orm(primary_key)]
    pub position: i64,
    /// The id of the change.
    pub id: AuditId,
    /// The time of the change.
    pub at: DateTimeUtc,
    /// The kind of the actor.
    pub actor: Actor,
    /// The account, if the actor is an account.
    pub account_id: Option<AccountId>,
    /// The kind of the change.
    pub action: Action,
    /// The prefix of the changed object's id.
    pub object_kind: String,
    /// The changed object.
    pub object_id: Uuid,
    /// The shop of the object, if it has one.
    pub shop_id: Option<ShopId>,
    /// The id of the request, if the change was a request.
    pub request_id: Option<String>,
    /// A pseudonym of the request's network, if the change was a request.
    pub network: Option<String>,
    /// Further details, as a JSON object without secrets.
    pub details: String,
}

/// Relations are loaded by the application's loaders, never joined implicitly.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
