//! Venues, seat maps, events and their tiers.

use sea_orm_migration::prelude::*;

use crate::dialect::{drop_tables, run};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const UP: &[&str] = &[
    r"CREATE TABLE venue (
            id {uuid} PRIMARY KEY,
            shop_id {uuid} NOT NULL REFERENCES shop (id),
            name text NOT NULL,
            address text NOT NULL,
            city text NOT NULL,
            country text NOT NULL,
            time_zone text NOT NULL,
            version bigint NOT NULL,
            created_at {time} NOT NULL,
            updated_at {time} NOT NULL
        )",
    r"CREATE INDEX venue_shop ON venue (shop_id, id)",
    r"CREATE TABLE seat_map (
            id {uuid} PRIMARY KEY,
            venue_id {uuid} NOT NULL REFERENCES venue (id),
            revision integer NOT NULL,
            name text NOT NULL,
            seat_count integer NOT NULL,
            area_capacity integer NOT NULL,
            plan text NOT NULL,
            created_by {uuid} NOT NULL REFERENCES account (id),
            created_at {time} NOT NULL,
            CONSTRAINT seat_map_revision_key UNIQUE (venue_id, revision),
            CONSTRAINT seat_map_not_empty CHECK (seat_count >= 0 AND area_capacity >= 0 AND seat_count + area_capacity > 0)
        )",
    r"CREATE TABLE event (
            id {uuid} PRIMARY KEY,
            shop_id {uuid} NOT NULL REFERENCES shop (id),
            venue_id {uuid} NOT NULL REFERENCES venue (id),
            seat_map_id {uuid} NOT NULL REFERENCES seat_map (id),
            category_id {uuid} NOT NULL REFERENCES category (id),
            slug text NOT NULL CONSTRAINT event_slug_key UNIQUE,
            name text NOT NULL,
            description text NOT NULL,
            starts_at {time} NOT NULL,
            ends_at {time} NOT NULL,
            sales_start {time} NOT NULL,
            sales_end {time} NOT NULL,
            refund_until {time},
            status text NOT NULL CONSTRAINT event_status CHECK (status IN ('draft', 'published', 'cancelled')),
            currency text NOT NULL,
            hold_seconds integer NOT NULL,
            hold_seconds_max integer NOT NULL,
            limit_per_buyer integer NOT NULL,
            version bigint NOT NULL,
            created_at {time} NOT NULL,
            updated_at {time} NOT NULL,
            CONSTRAINT event_times CHECK (starts_at <= ends_at AND sales_start < sales_end),
            CONSTRAINT event_hold CHECK (hold_seconds > 0 AND hold_seconds <= hold_seconds_max),
            CONSTRAINT event_limit CHECK (limit_per_buyer > 0)
        )",
    r"CREATE INDEX event_starts ON event (starts_at, id)",
    r"CREATE INDEX event_name ON event (name, id)",
    r"CREATE INDEX event_shop ON event (shop_id, starts_at, id)",
    r"CREATE INDEX event_category ON event (category_id, starts_at, id)",
    r"CREATE INDEX event_sales ON event (sales_start, sales_end)",
    r"CREATE INDEX event_venue ON event (venue_id)",
    r"CREATE TABLE event_word (
            word text {binary} NOT NULL,
            event_id {uuid} NOT NULL REFERENCES event (id) ON DELETE CASCADE,
            PRIMARY KEY (word, event_id)
        )",
    r"CREATE INDEX event_word_event ON event_word (event_id)",
    r"CREATE TABLE tier (
            id {uuid} PRIMARY KEY,
            event_id {uuid} NOT NULL REFERENCES event (id),
            name text NOT NULL,
            price_minor bigint NOT NULL,
            fee_minor bigint NOT NULL,
            tax_basis_points integer NOT NULL,
            position integer NOT NULL,
            version bigint NOT NULL,
            created_at {time} NOT NULL,
            updated_at {time} NOT NULL,
            CONSTRAINT tier_name_key UNIQUE (event_id, name),
            CONSTRAINT tier_price CHECK (price_minor >= 0 AND fee_minor >= 0),
            CONSTRAINT tier_tax CHECK (tax_basis_points BETWEEN 0 AND 10000)
        )",
    r"CREATE TABLE tier_scope (
            event_id {uuid} NOT NULL REFERENCES event (id),
            kind text NOT NULL CONSTRAINT tier_scope_kind CHECK (kind IN ('category', 'area')),
            key text NOT NULL,
            tier_id {uuid} NOT NULL REFERENCES tier (id),
            PRIMARY KEY (event_id, kind, key)
        )",
    r"CREATE INDEX tier_scope_tier ON tier_scope (tier_id)",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["tier_scope", "tier", "event_word", "event", "seat_map", "venue"]).await
    }
}
