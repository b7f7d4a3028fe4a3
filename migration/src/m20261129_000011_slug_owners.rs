//! The owners of slugs. An object keeps its former slugs, so that old links still lead to it.

use sea_orm_migration::prelude::*;

use crate::dialect::{drop_tables, run};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const UP: &[&str] = &[
    "CREATE TABLE slug_owner (
        kind text NOT NULL CONSTRAINT slug_owner_kind CHECK (kind IN ('shop', 'event')),
        slug text {binary} NOT NULL,
        owner_id {uuid} NOT NULL,
        object_id {uuid} NOT NULL,
        PRIMARY KEY (kind, slug)
    )",
    "INSERT INTO slug_owner (kind, slug, owner_id, object_id) SELECT 'shop', slug, id, id FROM shop",
    "INSERT INTO slug_owner (kind, slug, owner_id, object_id) SELECT 'event', slug, shop_id, id FROM event",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["slug_owner"]).await
    }
}
