//! Stored forms of texts: sort keys of names, the spelling of tier names, the words of shops, and spellings with a
//! letter left out, which find words with a typing error.
//!
//! The forms are computed by the program, so that they are equal on every database. An empty sort key, and a tier without
//! a spelling, mean that the form is not computed yet. The program computes them when it starts.

use sea_orm_migration::prelude::*;

use crate::dialect::{drop_tables, run};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const UP: &[&str] = &[
    "ALTER TABLE shop ADD COLUMN sort_key text {binary} NOT NULL DEFAULT ''",
    "ALTER TABLE event ADD COLUMN sort_key text {binary} NOT NULL DEFAULT ''",
    "ALTER TABLE coupon ADD COLUMN sort_key text {binary} NOT NULL DEFAULT ''",
    "CREATE INDEX shop_sorted ON shop (sort_key, id)",
    "CREATE INDEX shop_category_sorted ON shop (category_id, sort_key, id)",
    "CREATE INDEX event_sorted ON event (sort_key, id)",
    "CREATE INDEX coupon_sorted ON coupon (sort_key, id)",
    "ALTER TABLE tier ADD COLUMN name_key text {binary}",
    "CREATE UNIQUE INDEX tier_spelling_key ON tier (event_id, name_key)",
    "CREATE INDEX tier_without_spelling ON tier (id) WHERE name_key IS NULL",
    "CREATE TABLE shop_word (
        word text {binary} NOT NULL,
        shop_id {uuid} NOT NULL REFERENCES shop (id) ON DELETE CASCADE,
        PRIMARY KEY (word, shop_id)
    )",
    "CREATE INDEX shop_word_shop ON shop_word (shop_id)",
    "CREATE TABLE search_deletion (
        spelling text {binary} NOT NULL,
        word text {binary} NOT NULL,
        PRIMARY KEY (spelling, word)
    )",
];

const DOWN: &[&str] = &[
    "DROP INDEX tier_without_spelling",
    "DROP INDEX tier_spelling_key",
    "ALTER TABLE tier DROP COLUMN name_key",
    "DROP INDEX coupon_sorted",
    "DROP INDEX event_sorted",
    "DROP INDEX shop_category_sorted",
    "DROP INDEX shop_sorted",
    "ALTER TABLE coupon DROP COLUMN sort_key",
    "ALTER TABLE event DROP COLUMN sort_key",
    "ALTER TABLE shop DROP COLUMN sort_key",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["search_deletion", "shop_word"]).await?;
        run(manager, DOWN).await
    }
}
