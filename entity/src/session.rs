//! Sessions and their rotating refresh tokens.

use sea_orm::entity::prelude::*;

use crate::{AccountId, SessionId};

/// A sign-in on one device.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "session")]
pub struct Model {
    /// Primary key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SessionId,
    /// The account that signed in.
    pub account_id: AccountId,
    /// When the row was created.
    pub created_at: DateTimeUtc,
    /// The time after which the session cannot be refreshed.
    pub expires_at: DateTimeUtc,
    /// When it was signed out or revoked.
    pub revoked_at: Option<DateTimeUtc>,
}

/// Relations are loaded by the application's loaders, never joined implicitly.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The refresh tokens of a session. Each may be used once.
pub mod refresh {
    use sea_orm::entity::prelude::*;

    use crate::SessionId;

    /// One refresh token. It is stored as a digest only.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "refresh_token")]
    pub struct Model {
        /// SHA-256 of the token.
        #[sea_orm(primary_key, auto_increment = false)]
        pub digest: Vec<u8>,
        /// The session of the token.
        pub session_id: SessionId,
        /// When the row was created.
        pub created_at: DateTimeUtc,
        /// When it was used. A second use revokes the session.
        pub used_at: Option<DateTimeUtc>,
    }

    /// Relations are loaded by the application's loaders, never joined implicitly.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
