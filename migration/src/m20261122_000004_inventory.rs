//! Inventories, their seats, areas, buyers and change log, and reservations.

use sea_orm_migration::prelude::*;

use crate::dialect::{drop_tables, run};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const UP: &[&str] = &[
    r"CREATE TABLE inventory (
            id {uuid} PRIMARY KEY,
            kind text NOT NULL CONSTRAINT inventory_kind CHECK (kind IN ('event', 'coupon')),
            version bigint NOT NULL,
            capacity integer NOT NULL,
            available integer NOT NULL,
            reserved integer NOT NULL,
            sold integer NOT NULL,
            blocked integer NOT NULL,
            updated_at {time} NOT NULL,
            CONSTRAINT inventory_counts CHECK (available >= 0 AND reserved >= 0 AND sold >= 0 AND blocked >= 0),
            CONSTRAINT inventory_adds_up CHECK (available + reserved + sold + blocked = capacity)
        )",
    r"CREATE TABLE inventory_seat (
            inventory_id {uuid} NOT NULL REFERENCES inventory (id),
            ordinal integer NOT NULL,
            status smallint NOT NULL,
            epoch integer NOT NULL,
            reservation_id {uuid},
            PRIMARY KEY (inventory_id, ordinal),
            CONSTRAINT inventory_seat_status CHECK (status BETWEEN 0 AND 4),
            CONSTRAINT inventory_seat_owned CHECK ((status IN (1, 2, 3)) = (reservation_id IS NOT NULL))
        )",
    r"CREATE TABLE inventory_area (
            inventory_id {uuid} NOT NULL REFERENCES inventory (id),
            ordinal integer NOT NULL,
            capacity integer NOT NULL,
            reserved integer NOT NULL,
            sold integer NOT NULL,
            PRIMARY KEY (inventory_id, ordinal),
            CONSTRAINT inventory_area_counts CHECK (reserved >= 0 AND sold >= 0 AND reserved + sold <= capacity)
        )",
    r"CREATE TABLE inventory_buyer (
            inventory_id {uuid} NOT NULL REFERENCES inventory (id),
            account_id {uuid} NOT NULL REFERENCES account (id),
            taken integer NOT NULL,
            allowed integer NOT NULL,
            PRIMARY KEY (inventory_id, account_id),
            CONSTRAINT inventory_buyer_limit CHECK (taken >= 0 AND taken <= allowed)
        )",
    r"CREATE TABLE inventory_change (
            inventory_id {uuid} NOT NULL REFERENCES inventory (id),
            version bigint NOT NULL,
            payload text NOT NULL,
            at {time} NOT NULL,
            PRIMARY KEY (inventory_id, version)
        )",
    r"CREATE TABLE reservation (
            id {uuid} PRIMARY KEY,
            inventory_id {uuid} NOT NULL REFERENCES inventory (id),
            account_id {uuid} NOT NULL REFERENCES account (id),
            state text NOT NULL
                CONSTRAINT reservation_state CHECK (state IN ('active', 'paying', 'converted', 'released', 'expired')),
            items text NOT NULL,
            quantity integer NOT NULL,
            total_minor bigint NOT NULL,
            currency text NOT NULL,
            deadline {time} NOT NULL,
            deadline_max {time} NOT NULL,
            order_id {uuid},
            version bigint NOT NULL,
            created_at {time} NOT NULL,
            updated_at {time} NOT NULL,
            CONSTRAINT reservation_deadline CHECK (deadline <= deadline_max),
            CONSTRAINT reservation_not_empty CHECK (quantity > 0 AND total_minor >= 0),
            CONSTRAINT reservation_paying_has_order CHECK (state NOT IN ('paying', 'converted') OR order_id IS NOT NULL)
        )",
    r"CREATE INDEX reservation_live ON reservation (inventory_id) WHERE state IN ('active', 'paying')",
    r"CREATE INDEX reservation_due ON reservation (deadline) WHERE state = 'active'",
    r"CREATE INDEX reservation_account ON reservation (account_id, id)",
    r"CREATE INDEX reservation_order ON reservation (order_id) WHERE order_id IS NOT NULL",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(
            manager,
            &[
                "reservation",
                "inventory_change",
                "inventory_buyer",
                "inventory_area",
                "inventory_seat",
                "inventory",
            ],
        )
        .await
    }
}
