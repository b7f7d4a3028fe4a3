//! Payments, refunds and the ledger.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{OrderId, PaymentId};

/// Where a payment stands; a lower rank never overwrites a higher one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
pub enum PaymentState {
    /// Written down before the provider was called.
    #[sea_orm(string_value = "created")]
    Created,
    /// Sent; the answer is not known yet.
    #[sea_orm(string_value = "submitted")]
    Submitted,
    /// The buyer has to take another step at the provider.
    #[sea_orm(string_value = "requires_action")]
    RequiresAction,
    /// The provider holds the amount.
    #[sea_orm(string_value = "authorised")]
    Authorised,
    /// The seats are sold; the amount is being collected.
    #[sea_orm(string_value = "capturing")]
    Capturing,
    /// Collected.
    #[sea_orm(string_value = "captured")]
    Captured,
    /// Declined.
    #[sea_orm(string_value = "failed")]
    Failed,
    /// Cancelled at the provider.
    #[sea_orm(string_value = "cancelled")]
    Cancelled,
}

/// Where a refund stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
pub enum RefundState {
    /// Written down before the provider was called.
    #[sea_orm(string_value = "requested")]
    Requested,
    /// Sent; the answer is not known yet.
    #[sea_orm(string_value = "submitted")]
    Submitted,
    /// Accepted by the provider.
    #[sea_orm(string_value = "pending")]
    Pending,
    /// The money went back.
    #[sea_orm(string_value = "succeeded")]
    Succeeded,
    /// Refused by the provider; will be tried again.
    #[sea_orm(string_value = "failed")]
    Failed,
    /// Given up by machine; an operator is needed.
    #[sea_orm(string_value = "manual")]
    Manual,
}

/// One attempt to collect an order's total.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "payment")]
pub struct Model {
    /// Primary key, and the provider's idempotency key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PaymentId,
    /// The order.
    pub order_id: OrderId,
    /// Which provider.
    pub provider: String,
    /// The provider's own id.
    pub provider_ref: Option<String>,
    /// Where it stands.
    pub state: PaymentState,
    /// Amount in minor units.
    pub amount_minor: i64,
    /// ISO 4217 code.
    pub currency: String,
    /// The provider's name of the payment method.
    pub method: String,
    /// Why it failed, in the provider's words.
    pub failure_code: Option<String>,
    /// Where the buyer takes the other step.
    pub next_action_url: Option<String>,
    /// When recovery looks at it next.
    pub check_at: DateTimeUtc,
    /// Undecided, it is cancelled at the provider here.
    pub deadline: DateTimeUtc,
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

/// Money on its way back.
pub mod refund {
    use sea_orm::entity::prelude::*;

    use super::RefundState;
    use crate::{AccountId, OrderId, PaymentId, RefundId};

    /// One refund of one payment.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "refund")]
    pub struct Model {
        /// Primary key, and the provider's idempotency key.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: RefundId,
        /// The order.
        pub order_id: OrderId,
        /// The payment it gives back.
        pub payment_id: PaymentId,
        /// Where it stands.
        pub state: RefundState,
        /// Amount in minor units.
        pub amount_minor: i64,
        /// The platform's fees in that.
        pub fee_minor: i64,
        /// ISO 4217 code.
        pub currency: String,
        /// Why, in the requester's words; may be empty.
        pub reason: String,
        /// Who asked for it.
        pub requested_by: AccountId,
        /// The provider's own id.
        pub provider_ref: Option<String>,
        /// How often the provider was asked.
        pub attempts: i32,
        /// When recovery looks at it next.
        pub check_at: DateTimeUtc,
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
}

/// Append-only double-entry books: the entries of a posting sum to zero.
pub mod ledger {
    use sea_orm::entity::prelude::*;

    use crate::{OrderId, PaymentId, RefundId};

    /// One side of a posting.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "ledger_entry")]
    pub struct Model {
        /// Primary key.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        /// The posting that it is a side of.
        pub posting_id: Uuid,
        /// The book: `provider:<name>` or `shop:<id>`.
        pub account: String,
        /// Signed amount in minor units.
        pub amount_minor: i64,
        /// ISO 4217 code.
        pub currency: String,
        /// The order.
        pub order_id: OrderId,
        /// The payment, for a capture. Without this and a refund: claims paid for the order wholly.
        pub payment_id: Option<PaymentId>,
        /// The refund, for a refund.
        pub refund_id: Option<RefundId>,
        /// When.
        pub at: DateTimeUtc,
    }

    /// Relations are loaded by the application's loaders, never joined implicitly.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
