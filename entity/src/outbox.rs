//! The outbox of committed facts, and the idempotency keys of mutations.

use sea_orm::entity::prelude::*;

/// A committed fact: an id and a kind. Contains no copies of rows and no personal data.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "outbox")]
pub struct Model {
    /// The order of insertion. On PostgreSQL, it may differ from the order of commit.
    #[sea_orm(primary_key)]
    pub position: i64,
    /// The kind of the fact.
    pub kind: String,
    /// The id of the object.
    pub subject: Uuid,
    /// The time of the fact.
    pub at: DateTimeUtc,
}

/// Relations are loaded by the application's loaders, never joined implicitly.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The idempotency keys of mutations.
pub mod idempotency {
    use sea_orm::entity::prelude::*;

    use crate::AccountId;

    /// One idempotency key and the effect of its mutation.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "idempotency")]
    pub struct Model {
        /// The caller's account.
        #[sea_orm(primary_key, auto_increment = false)]
        pub account_id: AccountId,
        /// The name of the mutation.
        #[sea_orm(primary_key, auto_increment = false)]
        pub operation: String,
        /// The caller's key.
        #[sea_orm(primary_key, auto_increment = false)]
        pub key: String,
        /// SHA-256 of the canonical input.
        pub input_digest: Vec<u8>,
        /// The id of the object that the mutation created or changed.
        pub subject: Uuid,
        /// When the row was created.
        pub created_at: DateTimeUtc,
    }

    /// Relations are loaded by the application's loaders, never joined implicitly.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
