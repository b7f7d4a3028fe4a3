//! Categories, shops and their members.

use sea_orm_migration::prelude::*;

use crate::dialect::{drop_tables, run};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const UP: &[&str] = &[
    r"CREATE TABLE category (
            id {uuid} PRIMARY KEY,
            parent_id {uuid} REFERENCES category (id),
            slug text NOT NULL CONSTRAINT category_slug_key UNIQUE,
            name text NOT NULL,
            path text {binary} NOT NULL CONSTRAINT category_path_key UNIQUE,
            position integer NOT NULL,
            version bigint NOT NULL,
            created_at {time} NOT NULL,
            updated_at {time} NOT NULL
        )",
    r"CREATE INDEX category_parent ON category (parent_id, position)",
    r"CREATE TABLE shop (
            id {uuid} PRIMARY KEY,
            slug text NOT NULL CONSTRAINT shop_slug_key UNIQUE,
            name text NOT NULL,
            description text NOT NULL,
            currency text NOT NULL,
            category_id {uuid} REFERENCES category (id),
            version bigint NOT NULL,
            created_at {time} NOT NULL,
            updated_at {time} NOT NULL
        )",
    r"CREATE INDEX shop_name ON shop (name, id)",
    r"CREATE INDEX shop_category ON shop (category_id, name, id)",
    r"CREATE TABLE shop_member (
            shop_id {uuid} NOT NULL REFERENCES shop (id),
            account_id {uuid} NOT NULL REFERENCES account (id),
            role text NOT NULL CONSTRAINT shop_member_role CHECK (role IN ('owner', 'manager', 'seller', 'scanner')),
            created_at {time} NOT NULL,
            PRIMARY KEY (shop_id, account_id)
        )",
    r"CREATE INDEX shop_member_account ON shop_member (account_id)",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["shop_member", "shop", "category"]).await
    }
}
