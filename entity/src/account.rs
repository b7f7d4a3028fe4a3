//! Accounts: guests and signed-up users.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::AccountId;

/// The kind of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
pub enum AccountKind {
    /// A guest: not signed up, with all rights of a buyer.
    #[sea_orm(string_value = "guest")]
    Guest,
    /// A user: signed up with an e-mail address and a password.
    #[sea_orm(string_value = "user")]
    User,
}

/// The account of a guest or a user.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "account")]
pub struct Model {
    /// Primary key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AccountId,
    /// Guest or user.
    pub kind: AccountKind,
    /// The lower-case e-mail address, unique. `None` for guests.
    pub email: Option<String>,
    /// The form of the e-mail address in which similar-looking addresses are equal, unique. `None` for guests.
    pub email_skeleton: Option<String>,
    /// Display name. May be empty.
    pub name: String,
    /// The phone number as entered.
    pub phone: Option<String>,
    /// The password's Argon2id hash in PHC format. `None` for guests.
    pub password_hash: Option<String>,
    /// Whether the account is an operator of the platform. Operators maintain the categories.
    pub is_operator: bool,
    /// When the e-mail address was verified; `None` if it was not.
    pub email_verified_at: Option<DateTimeUtc>,
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
