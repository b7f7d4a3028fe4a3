//! A shop's audit log in the API.

use async_graphql::{Enum, ID, Object};
use entity::audit as row;
use serde_json::{Value, json};

use crate::{
    error::Fault,
    graphql::{
        error::ApiResult,
        id::{encode, encode_as},
        page::Connected,
        scalar::{Instant, Money},
    },
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
    /// A draft of a coupon was deleted.
    CouponDeleted,
    /// The benefit or the price of a coupon was changed. The details contain both terms.
    CouponTermsChanged,
    /// The budget of a coupon was changed. The details contain both sums. Null means unlimited.
    CouponBudgetChanged,
    /// A code was withdrawn from the list of a coupon. The details contain the SHA-256 hash of the code and the new stock.
    CouponCodeWithdrawn,
    /// An event was cancelled.
    EventCancelled,
    /// A draft of an event was deleted. The details contain its start.
    EventDeleted,
    /// A tier was created. The details contain its prices.
    TierCreated,
    /// A price, fee or tax rate was changed. The details contain the prices before and after.
    TierChanged,
    /// A tier was deleted.
    TierDeleted,
    /// A payment was collected. The details contain the amount.
    PaymentCaptured,
    /// A refund of an order, in full or in part, was requested. The details contain the amount.
    RefundRequested,
    /// The payment provider returned the money. The details contain the amount.
    PaymentRefunded,
    /// A member undid the check-in of a ticket. The details contain the time of the check-in and the reason.
    CheckInUndone,
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
pub struct AuditEntry {
    row: row::Model,
    /// The currency of the shop, which is that of all amounts.
    currency: String,
}

/// A change of permissions or money.
#[Object]
impl AuditEntry {
    /// The global id of the entry.
    async fn id(&self) -> ID {
        encode(self.row.id)
    }

    /// When the change was made.
    async fn at(&self) -> Instant {
        self.row.at.into()
    }

    /// The change that an audit entry records.
    async fn action(&self) -> AuditAction {
        self.row.action.into()
    }

    /// The kind of actor that made the change.
    async fn actor(&self) -> AuditActor {
        self.row.actor.into()
    }

    /// The account that made the change. Null if no account did.
    async fn account_id(&self) -> Option<ID> {
        self.row.account_id.map(encode)
    }

    /// The id of the changed object: a member's account, an event, a tier, a coupon, a payment or a refund.
    async fn object_id(&self) -> ID {
        encode_as(&self.row.object_kind, self.row.object_id)
    }

    /// The id of the request in which a viewer made the change. Null if the server itself or the command line made it.
    async fn request_id(&self) -> Option<&str> {
        self.row.request_id.as_deref()
    }

    /// More details as a JSON object. Amounts of money have the form of the type `Money`, such as
    /// `{"amount":"12.50","currency":"EUR"}`.
    async fn details(&self) -> ApiResult<String> {
        let mut details = serde_json::from_str(&self.row.details).map_err(Fault::internal)?;
        let is_budget = self.row.action == row::Action::CouponBudgetChanged;
        convert_amounts(&mut details, &self.currency, is_budget);
        Ok(details.to_string())
    }
}

impl AuditEntry {
    /// Converts a row to an entry with its cursor.
    pub(super) fn edge(row: row::Model, currency: &str) -> (i64, Self) {
        (row.position, Self { row, currency: currency.to_owned() })
    }
}

/// The keys of amounts in the details of all actions. The log stores them in minor units.
const AMOUNTS: &[&str] = &["amount", "basePrice", "budget", "cap", "fee", "minimumSpend", "price"];

/// Converts stored amounts to the form of [`Money`]. `is_budget` says that `from` and `to` are amounts, too.
fn convert_amounts(details: &mut Value, currency: &str, is_budget: bool) {
    let Value::Object(fields) = details else { return };
    for (key, value) in fields.iter_mut() {
        let is_amount = AMOUNTS.contains(&key.as_str()) || is_budget && matches!(key.as_str(), "from" | "to");
        match value.as_i64().filter(|_| is_amount) {
            Some(minor) => {
                let Money { amount, currency } = Money::of(minor, currency);
                *value = json!({ "amount": amount.0, "currency": currency.0 });
            }
            None => convert_amounts(value, currency, is_budget),
        }
    }
}
