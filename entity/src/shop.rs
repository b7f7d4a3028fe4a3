//! Shops and their members.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{CategoryId, ShopId};

/// What a member may do in a shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
pub enum ShopRole {
    /// Everything, members included.
    #[sea_orm(string_value = "owner")]
    Owner,
    /// Everything but members.
    #[sea_orm(string_value = "manager")]
    Manager,
    /// Sees sales and refunds orders.
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
    /// Unique name for addresses.
    pub slug: String,
    /// Display name.
    pub name: String,
    /// What the shop sells; may be empty.
    pub description: String,
    /// ISO 4217 code in which it sells.
    pub currency: String,
    /// Where it stands in the category tree.
    pub category_id: Option<CategoryId>,
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

/// Who works for a shop, and as what.
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
        /// What the member may do.
        pub role: ShopRole,
        /// When the row was made.
        pub created_at: DateTimeUtc,
    }

    /// Relations are loaded by the application's loaders, never joined implicitly.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
