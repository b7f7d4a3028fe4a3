//! Accounts: guests and signed-up users.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::AccountId;

/// What kind of account this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
pub enum AccountKind {
    /// Made without signing up; may do everything that a buyer may.
    #[sea_orm(string_value = "guest")]
    Guest,
    /// Signed up with an e-mail address and a password.
    #[sea_orm(string_value = "user")]
    User,
}

/// A guest or a signed-up user.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "account")]
pub struct Model {
    /// Primary key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AccountId,
    /// Guest or user.
    pub kind: AccountKind,
    /// Lower-cased e-mail address, unique; guests have none.
    pub email: Option<String>,
    /// The e-mail address in the form in which addresses that look alike are equal, unique; guests have none.
    pub email_skeleton: Option<String>,
    /// Display name; may be empty.
    pub name: String,
    /// Phone number as given.
    pub phone: Option<String>,
    /// Argon2id in PHC form; guests have none.
    pub password_hash: Option<String>,
    /// Whether the account belongs to the platform's operators, who keep the categories.
    pub is_operator: bool,
    /// When the e-mail address was verified; `None` if it was not.
    pub email_verified_at: Option<DateTimeUtc>,
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
