//! A shop's audit log in the API.

use async_graphql::{
    Enum, ID, Object,
    connection::{Connection, EmptyFields},
};
use chrono::{DateTime, Utc};
use entity::audit as row;

use crate::graphql::{
    id::{encode, encode_as},
    page::Cursor,
};

/// A page of a shop's audit log.
pub(crate) type AuditConnection = Connection<Cursor<i64>, AuditEntry, EmptyFields>;

/// What was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "row::Action")]
pub enum AuditAction {
    /// The shop was opened.
    ShopCreated,
    /// A user became a member of the shop. The details tell the role.
    MemberAdded,
    /// A member got another role. The details tell both roles.
    MemberRoleChanged,
    /// A membership ended. The details tell the role.
    MemberRemoved,
    /// An account became an operator of the platform.
    OperatorMade,
    /// An account's password was changed.
    PasswordChanged,
    /// Sessions of an account were ended by something else than a sign-out.
    SessionsRevoked,
    /// A coupon was published: from here on it gives something away. The details tell its terms.
    CouponPublished,
    /// What a coupon gives, or what it costs, was changed. The details tell both terms.
    CouponTermsChanged,
    /// The sum that a coupon may give was changed. The details tell both sums in minor units; null is any sum.
    CouponBudgetChanged,
    /// An event was called off.
    EventCancelled,
    /// A price level was made. The details tell its prices.
    TierCreated,
    /// A price, fee or tax rate was changed. The details tell both.
    TierChanged,
    /// A price level was deleted.
    TierDeleted,
    /// A payment was collected. The details tell the amount.
    PaymentCaptured,
    /// An order or a part of it was given back. The details tell the amount.
    RefundRequested,
    /// The payment provider gave the money back. The details tell the amount.
    PaymentRefunded,
}

/// Who made a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "row::Actor")]
pub enum AuditActor {
    /// An account, through the API.
    Account,
    /// The server itself, such as the settlement of a payment.
    Server,
    /// The operator of the server's machine.
    CommandLine,
}

/// A change of permissions or money.
#[derive(Debug)]
pub struct AuditEntry(row::Model);

/// A change of permissions or money.
#[Object]
impl AuditEntry {
    /// Identifies the entry.
    async fn id(&self) -> ID {
        encode(self.0.id)
    }

    /// When the change was made.
    async fn at(&self) -> DateTime<Utc> {
        self.0.at
    }

    /// What was changed.
    async fn action(&self) -> AuditAction {
        self.0.action.into()
    }

    /// Who made the change.
    async fn actor(&self) -> AuditActor {
        self.0.actor.into()
    }

    /// The account that made the change; null if no account did.
    async fn account_id(&self) -> Option<ID> {
        self.0.account_id.map(encode)
    }

    /// The id of the changed object: a member's account, an event, a price level, a coupon, a payment or a refund.
    async fn object_id(&self) -> ID {
        encode_as(&self.0.object_kind, self.0.object_id)
    }

    /// The id of the request that made the change; null if there was none.
    async fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// What else is known, as a JSON object. Amounts are in minor units.
    async fn details(&self) -> &str {
        &self.0.details
    }
}

impl AuditEntry {
    /// The entry of a row, with its cursor.
    pub(super) fn edge(row: row::Model) -> (i64, Self) {
        (row.position, Self(row))
    }
}
