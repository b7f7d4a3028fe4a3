//! Committed facts, and the keys under which mutations were answered.

use sea_orm::entity::prelude::*;

/// A committed fact: an id and a kind, never a copy or personal data.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "outbox")]
pub struct Model {
    /// Order of insertion; on PostgreSQL not the order of commit.
    #[sea_orm(primary_key)]
    pub position: i64,
    /// What happened.
    pub kind: String,
    /// To which object.
    pub subject: Uuid,
    /// When.
    pub at: DateTimeUtc,
}

/// Relations are loaded by the application's loaders, never joined implicitly.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Answers to mutations, by the caller's key.
pub mod idempotency {
    use sea_orm::entity::prelude::*;

    use crate::AccountId;

    /// One key and what it did.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "idempotency")]
    pub struct Model {
        /// Whose key.
        #[sea_orm(primary_key, auto_increment = false)]
        pub account_id: AccountId,
        /// Which mutation.
        #[sea_orm(primary_key, auto_increment = false)]
        pub operation: String,
        /// The caller's key.
        #[sea_orm(primary_key, auto_increment = false)]
        pub key: String,
        /// SHA-256 of the canonical input.
        pub input_digest: Vec<u8>,
        /// The object that the mutation made or changed.
        pub subject: Uuid,
        /// When the row was made.
        pub created_at: DateTimeUtc,
    }

    /// Relations are loaded by the application's loaders, never joined implicitly.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
