//! The tree of product and service types.

use sea_orm::entity::prelude::*;

use crate::CategoryId;

/// A node of the tree.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "category")]
pub struct Model {
    /// Primary key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CategoryId,
    /// The node above; none for a root.
    pub parent_id: Option<CategoryId>,
    /// Unique name for addresses.
    pub slug: String,
    /// Display name.
    pub name: String,
    /// Slugs from the root to this node, each followed by `/`; a subtree is a prefix.
    pub path: String,
    /// Order among its siblings.
    pub position: i32,
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
