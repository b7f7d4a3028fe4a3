//! The tree of product and service categories.

use sea_orm::entity::prelude::*;

use crate::CategoryId;

/// A category.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "category")]
pub struct Model {
    /// Primary key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CategoryId,
    /// The parent category. `None` for a root.
    pub parent_id: Option<CategoryId>,
    /// The unique name for web addresses.
    pub slug: String,
    /// Display name.
    pub name: String,
    /// The slugs from the root to this category, each followed by `/`. A subtree is a prefix.
    pub path: String,
    /// The sort position among its siblings.
    pub position: i32,
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
