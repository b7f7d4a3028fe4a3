//! The data of the sandbox provider. Only the sandbox reads it, as if it were an external provider.

use sea_orm::entity::prelude::*;

/// One payment intent.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sandbox_intent")]
pub struct Model {
    /// The sandbox's id, `pi_…`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// The caller's idempotency key, unique.
    pub idempotency_key: String,
    /// The status, as of a Stripe `PaymentIntent`.
    pub status: String,
    /// The amount in minor units.
    pub amount: i64,
    /// The ISO 4217 code, in lower case.
    pub currency: String,
    /// The id of the payment method.
    pub method: String,
    /// The code of the last attempt's failure.
    pub failure_code: Option<String>,
    /// The caller's metadata, as JSON.
    pub metadata: String,
    /// When the row was created.
    pub created_at: DateTimeUtc,
}

/// Relations are loaded by the application's loaders, never joined implicitly.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Refunds of payment intents.
pub mod refund {
    use sea_orm::entity::prelude::*;

    /// One refund.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "sandbox_refund")]
    pub struct Model {
        /// The sandbox's id, `re_…`.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        /// The caller's idempotency key, unique.
        pub idempotency_key: String,
        /// The id of the payment intent.
        pub intent_id: String,
        /// The amount in minor units.
        pub amount: i64,
        /// The status, as of a Stripe refund.
        pub status: String,
        /// When the row was created.
        pub created_at: DateTimeUtc,
    }

    /// Relations are loaded by the application's loaders, never joined implicitly.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
