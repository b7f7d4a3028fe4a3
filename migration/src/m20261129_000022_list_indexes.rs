//! Indexes for lists: events by their end, and a shop's objects by their last change.

use sea_orm_migration::prelude::*;

use crate::dialect::run;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const UP: &[&str] = &[
    "CREATE INDEX event_ends ON event (ends_at, starts_at, id)",
    "CREATE INDEX event_updated ON event (shop_id, updated_at)",
    "CREATE INDEX coupon_updated ON coupon (shop_id, updated_at)",
    "CREATE INDEX product_updated ON product (shop_id, updated_at)",
    "CREATE INDEX orders_updated ON orders (shop_id, updated_at)",
];

const DOWN: &[&str] = &[
    "DROP INDEX orders_updated",
    "DROP INDEX product_updated",
    "DROP INDEX coupon_updated",
    "DROP INDEX event_updated",
    "DROP INDEX event_ends",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, DOWN).await
    }
}
