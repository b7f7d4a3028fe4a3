//! A shop's audit log in the API.

use async_graphql::{Enum, ID, Object};
use chrono::{DateTime, Utc};
use entity::audit as row;

use crate::graphql::{
    id::{encode, encode_as},
    page::Connected,
};

/// A page of a shop's audit log.
pub(crate) type AuditConnection = Connected<i64, AuditEntry>;

/// The change that an audit entry records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "row::Action")]
pub enum AuditAction {
    /// The shop was created.
    ShopCreated,
    /// A user became a member of the shop. The details contain the role.
    MemberAdded,
    /// A member's role was changed. The details contain both roles.
    MemberRoleChanged,
    /// A membership ended. The details contain the role.
    MemberRemoved,
    /// An account became a platform operator.
    OperatorMade,
    /// The password of an account was changed.
    PasswordChanged,
    /// Sessions of an account were ended for a reason other than a sign-out.
    SessionsRevoked,
    /// A coupon was published. The details contain its terms.
    CouponPublished,
    /// The benefit or the price of a coupon was changed. The details contain both terms.
    CouponTermsChanged,
    /// The budget of a coupon was changed. The details contain both sums in minor units. Null means unlimited.
    CouponBudgetChanged,
    /// An event was cancelled.
    EventCancelled,
    /// A tier was created. The details contain its prices.
    TierCreated,
    /// A price, fee or tax rate was changed. The details contain both values.
    TierChanged,
    /// A tier was deleted.
    TierDeleted,
    /// A payment was collected. The details contain the amount.
    PaymentCaptured,
    /// A refund of an order, in full or in part, was requested. The details contain the amount.
    RefundRequested,
    /// The payment provider returned the money. The details contain the amount.
    PaymentRefunded,
}

/// The kind of actor that made a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "row::Actor")]
pub enum AuditActor {
    /// An account, through the API.
    Account,
    /// The server, for instance when it settles a payment.
    Server,
    /// The operator of the server, on the command line.
    CommandLine,
}

/// A change of permissions or money.
#[derive(Debug)]
pub struct AuditEntry(row::Model);

/// A change of permissions or money.
#[Object]
impl AuditEntry {
    /// The global id of the entry.
    async fn id(&self) -> ID {
        encode(self.0.id)
    }

    /// When the change was made.
    async fn at(&self) -> DateTime<Utc> {
        self.0.at
    }

    /// The change that an audit entry records.
    async fn action(&self) -> AuditAction {
        self.0.action.into()
    }

    /// The kind of actor that made the change.
    async fn actor(&self) -> AuditActor {
        self.0.actor.into()
    }

    /// The account that made the change. Null if no account did.
    async fn account_id(&self) -> Option<ID> {
        self.0.account_id.map(encode)
    }

    /// The id of the changed object: a member's account, an event, a tier, a coupon, a payment or a refund.
    async fn object_id(&self) -> ID {
        encode_as(&self.0.object_kind, self.0.object_id)
    }

    /// The id of the request that made the change. Null if there was no request.
    async fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// More details as a JSON object. Amounts are in minor units.
    async fn details(&self) -> &str {
        &self.0.details
    }
}

impl AuditEntry {
    /// Converts a row to an entry with its cursor.
    pub(super) fn edge(row: row::Model) -> (i64, Self) {
        (row.position, Self(row))
    }
}
