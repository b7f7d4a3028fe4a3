//! Products that a shop offers.

use sea_orm::entity::prelude::*;

use crate::{CategoryId, ProductId, ShopId};

/// A product that a shop offers.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "product")]
pub struct Model {
    /// Primary key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ProductId,
    /// The shop.
    pub shop_id: ShopId,
    /// The category.
    pub category_id: CategoryId,
    /// Display name.
    pub name: String,
    /// The description. May be empty.
    pub description: String,
    /// The URL of its picture.
    pub picture_url: Option<String>,
    /// Whether it is no longer offered. References to it stay valid.
    pub archived: bool,
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
