//! Products: what a shop sells or gives away.

use sea_orm::entity::prelude::*;

use crate::{CategoryId, ProductId, ShopId};

/// What a shop sells or gives away.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "product")]
pub struct Model {
    /// Primary key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ProductId,
    /// Whose it is.
    pub shop_id: ShopId,
    /// What kind of product it is.
    pub category_id: CategoryId,
    /// Display name.
    pub name: String,
    /// May be empty.
    pub description: String,
    /// Where its picture is.
    pub picture_url: Option<String>,
    /// Not offered any more; what refers to it stays.
    pub archived: bool,
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
