//! Shops and their members.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{CategoryId, ShopId};

/// The role of a member in a shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
pub enum ShopRole {
    /// May do everything, including changing the members.
    #[sea_orm(string_value = "owner")]
    Owner,
    /// May do everything except changing the members.
    #[sea_orm(string_value = "manager")]
    Manager,
    /// Sees sales, refunds orders and checks tickets in.
    #[sea_orm(string_value = "seller")]
    Seller,
    /// Checks tickets in.
    #[sea_orm(string_value = "scanner")]
    Scanner,
}

/// A vendor's organisation.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "shop")]
pub struct Model {
    /// Primary key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ShopId,
    /// The unique name for web addresses.
    pub slug: String,
    /// Display name.
    pub name: String,
    /// The key by which the name is sorted. Empty if it is not computed yet.
    pub sort_key: String,
    /// What the shop sells. May be empty.
    pub description: String,
    /// The ISO 4217 code of its currency.
    pub currency: String,
    /// Its category.
    pub category_id: Option<CategoryId>,
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

/// The search words of shops.
pub mod word {
    use sea_orm::entity::prelude::*;

    use crate::ShopId;

    /// One word of a shop's name or description.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "shop_word")]
    pub struct Model {
        /// The word, in its form for searching.
        #[sea_orm(primary_key, auto_increment = false)]
        pub word: String,
        /// The shop.
        #[sea_orm(primary_key, auto_increment = false)]
        pub shop_id: ShopId,
    }

    /// Relations are loaded by the application's loaders, never joined implicitly.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The members of a shop and their roles.
pub mod member {
    use sea_orm::entity::prelude::*;

    use super::ShopRole;
    use crate::{AccountId, ShopId};

    /// One account's role in one shop.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "shop_member")]
    pub struct Model {
        /// The shop.
        #[sea_orm(primary_key, auto_increment = false)]
        pub shop_id: ShopId,
        /// The member.
        #[sea_orm(primary_key, auto_increment = false)]
        pub account_id: AccountId,
        /// The member's role.
        pub role: ShopRole,
        /// When the row was created.
        pub created_at: DateTimeUtc,
    }

    /// Relations are loaded by the application's loaders, never joined implicitly.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
