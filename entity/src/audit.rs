//! Who changed permissions or money, and when. Rows are never changed or deleted; triggers of the database see to that.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{AccountId, AuditId, ShopId};

/// Who made a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Actor {
    /// An account, through the API.
    #[sea_orm(string_value = "account")]
    Account,
    /// The server itself: a worker, or the settlement of a payment.
    #[sea_orm(string_value = "server")]
    Server,
    /// The operator of the machine, on the command line.
    #[sea_orm(string_value = "command_line")]
    CommandLine,
}

/// What was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Action {
    /// A shop was opened; its first owner is the actor.
    #[sea_orm(string_value = "shop_created")]
    ShopCreated,
    /// A user became a member of a shop.
    #[sea_orm(string_value = "member_added")]
    MemberAdded,
    /// A member got another role.
    #[sea_orm(string_value = "member_role_changed")]
    MemberRoleChanged,
    /// A membership ended.
    #[sea_orm(string_value = "member_removed")]
    MemberRemoved,
    /// An account became an operator of the platform.
    #[sea_orm(string_value = "operator_made")]
    OperatorMade,
    /// An account's password was changed.
    #[sea_orm(string_value = "password_changed")]
    PasswordChanged,
    /// Sessions of an account were ended by something else than a sign-out.
    #[sea_orm(string_value = "sessions_revoked")]
    SessionsRevoked,
    /// A coupon was published: from here on it gives something away.
    #[sea_orm(string_value = "coupon_published")]
    CouponPublished,
    /// What a coupon gives, or what it costs, was changed.
    #[sea_orm(string_value = "coupon_terms_changed")]
    CouponTermsChanged,
    /// The sum that a coupon may give was changed.
    #[sea_orm(string_value = "coupon_budget_changed")]
    CouponBudgetChanged,
    /// An event was called off.
    #[sea_orm(string_value = "event_cancelled")]
    EventCancelled,
    /// A price level was made.
    #[sea_orm(string_value = "tier_created")]
    TierCreated,
    /// A price, fee or tax rate was changed.
    #[sea_orm(string_value = "tier_changed")]
    TierChanged,
    /// A price level was deleted.
    #[sea_orm(string_value = "tier_deleted")]
    TierDeleted,
    /// A payment was collected.
    #[sea_orm(string_value = "payment_captured")]
    PaymentCaptured,
    /// An order or a part of it was given back.
    #[sea_orm(string_value = "refund_requested")]
    RefundRequested,
    /// The provider gave the money back.
    #[sea_orm(string_value = "payment_refunded")]
    PaymentRefunded,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit")]
pub struct Model {
    /// Order of insertion; on PostgreSQL not always the order of commit.
    #[sea_orm(primary_key)]
    pub position: i64,
    /// Names the row.
    pub id: AuditId,
    /// When.
    pub at: DateTimeUtc,
    /// Who.
    pub actor: Actor,
    /// Which account, if an account did it.
    pub account_id: Option<AccountId>,
    /// What.
    pub action: Action,
    /// The prefix of the changed object's id.
    pub object_kind: String,
    /// The changed object.
    pub object_id: Uuid,
    /// The shop that it concerns.
    pub shop_id: Option<ShopId>,
    /// The id of the request.
    pub request_id: Option<String>,
    /// A pseudonym of the network that the request came from.
    pub network: Option<String>,
    /// What else is known, as a JSON object without secrets.
    pub details: String,
}

/// Relations are loaded by the application's loaders, never joined implicitly.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
