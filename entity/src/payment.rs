//! Payments, refunds and the ledger.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{OrderId, PaymentId};

/// The state of a payment. A state of lower rank never overwrites one of higher rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
pub enum PaymentState {
    /// Stored before the provider was called.
    #[sea_orm(string_value = "created")]
    Created,
    /// Sent to the provider. The result is not known yet.
    #[sea_orm(string_value = "submitted")]
    Submitted,
    /// The buyer must complete another step at the provider.
    #[sea_orm(string_value = "requires_action")]
    RequiresAction,
    /// The provider has reserved the amount.
    #[sea_orm(string_value = "authorised")]
    Authorised,
    /// The seats are sold, and the amount is being captured.
    #[sea_orm(string_value = "capturing")]
    Capturing,
    /// The amount was captured.
    #[sea_orm(string_value = "captured")]
    Captured,
    /// Declined.
    #[sea_orm(string_value = "failed")]
    Failed,
    /// Cancelled at the provider.
    #[sea_orm(string_value = "cancelled")]
    Cancelled,
}

/// The state of a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
pub enum RefundState {
    /// Stored before the provider was called.
    #[sea_orm(string_value = "requested")]
    Requested,
    /// Sent to the provider. The result is not known yet.
    #[sea_orm(string_value = "submitted")]
    Submitted,
    /// Accepted by the provider.
    #[sea_orm(string_value = "pending")]
    Pending,
    /// The provider refunded the money.
    #[sea_orm(string_value = "succeeded")]
    Succeeded,
    /// Refused by the provider. It will be retried.
    #[sea_orm(string_value = "failed")]
    Failed,
    /// Not retried any more. An operator must intervene.
    #[sea_orm(string_value = "manual")]
    Manual,
}

/// One attempt to pay an order's total.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "payment")]
pub struct Model {
    /// The primary key, also the provider's idempotency key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PaymentId,
    /// The order.
    pub order_id: OrderId,
    /// The name of the provider.
    pub provider: String,
    /// The provider's id.
    pub provider_ref: Option<String>,
    /// The state.
    pub state: PaymentState,
    /// The amount in minor units.
    pub amount_minor: i64,
    /// The ISO 4217 code of the amount.
    pub currency: String,
    /// The provider's id of the payment method.
    pub method: String,
    /// The provider's code of the failure.
    pub failure_code: Option<String>,
    /// The URL at which the buyer completes the other step.
    pub next_action_url: Option<String>,
    /// When the worker checks it next.
    pub check_at: DateTimeUtc,
    /// When it is cancelled at the provider if it is still undecided.
    pub deadline: DateTimeUtc,
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

/// Refunds of payments.
pub mod refund {
    use sea_orm::entity::prelude::*;

    use super::RefundState;
    use crate::{AccountId, OrderId, PaymentId, RefundId};

    /// One refund of one payment.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "refund")]
    pub struct Model {
        /// The primary key, also the provider's idempotency key.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: RefundId,
        /// The order.
        pub order_id: OrderId,
        /// The payment.
        pub payment_id: PaymentId,
        /// The state.
        pub state: RefundState,
        /// The amount in minor units.
        pub amount_minor: i64,
        /// The platform's fees in the amount.
        pub fee_minor: i64,
        /// The ISO 4217 code of the amount.
        pub currency: String,
        /// The requester's reason. May be empty.
        pub reason: String,
        /// The account that requested it.
        pub requested_by: AccountId,
        /// The provider's id.
        pub provider_ref: Option<String>,
        /// The number of attempts at the provider.
        pub attempts: i32,
        /// When the worker checks it next.
        pub check_at: DateTimeUtc,
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
}

/// The ledger: append-only double entries. The entries of a posting sum to zero.
pub mod ledger {
    use sea_orm::entity::prelude::*;

    use crate::{OrderId, PaymentId, RefundId};

    /// One entry of a posting.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "ledger_entry")]
    pub struct Model {
        /// Primary key.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        /// The posting of the entry.
        pub posting_id: Uuid,
        /// The ledger account: `provider:<name>` or `shop:<id>`.
        pub account: String,
        /// The signed amount in minor units.
        pub amount_minor: i64,
        /// The ISO 4217 code of the amount.
        pub currency: String,
        /// The order.
        pub order_id: OrderId,
        /// The payment of a capture. If `payment_id` and `refund_id` are both `None`, claims paid for the whole order.
        pub payment_id: Option<PaymentId>,
        /// The refund of a refund's posting.
        pub refund_id: Option<RefundId>,
        /// The time of the entry.
        pub at: DateTimeUtc,
    }

    /// Relations are loaded by the application's loaders, never joined implicitly.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
