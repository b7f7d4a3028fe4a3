//! The sandbox provider's own books. Nothing else reads them, as nothing reads a real provider's.

use sea_orm::entity::prelude::*;

/// One payment intent.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sandbox_intent")]
pub struct Model {
    /// The provider's id, `pi_…`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// The caller's key, unique.
    pub idempotency_key: String,
    /// A Stripe `PaymentIntent` status.
    pub status: String,
    /// In minor units.
    pub amount: i64,
    /// ISO 4217 code, lower case.
    pub currency: String,
    /// Payment method id.
    pub method: String,
    /// Why the last attempt failed.
    pub failure_code: Option<String>,
    /// The caller's metadata, as JSON.
    pub metadata: String,
    /// When the row was made.
    pub created_at: DateTimeUtc,
}

/// Relations are loaded by the application's loaders, never joined implicitly.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Refunds of intents.
pub mod refund {
    use sea_orm::entity::prelude::*;

    /// One refund.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "sandbox_refund")]
    pub struct Model {
        /// The provider's id, `re_…`.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        /// The caller's key, unique.
        pub idempotency_key: String,
        /// The intent.
        pub intent_id: String,
        /// In minor units.
        pub amount: i64,
        /// A Stripe refund status.
        pub status: String,
        /// When the row was made.
        pub created_at: DateTimeUtc,
    }

    /// Relations are loaded by the application's loaders, never joined implicitly.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
