//! Current and former slugs, and the objects that they lead to.

use sea_orm::entity::prelude::*;

/// The kind of object that has a slug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum SlugKind {
    /// A shop. It owns its slugs itself.
    #[sea_orm(string_value = "shop")]
    Shop,
    /// An event. Its shop owns its slugs.
    #[sea_orm(string_value = "event")]
    Event,
}

/// A slug that an object has or had.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "slug_owner")]
pub struct Model {
    /// The kind of object.
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: SlugKind,
    /// The slug.
    #[sea_orm(primary_key, auto_increment = false)]
    pub slug: String,
    /// The shop that may use the slug.
    pub owner_id: Uuid,
    /// The object that has the slug, or had it last.
    pub object_id: Uuid,
}

/// Relations are loaded by the application's loaders, never joined implicitly.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
