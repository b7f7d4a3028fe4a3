//! Tickets and their check-ins.

use sea_orm_migration::prelude::*;

use crate::dialect::{drop_tables, run};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const UP: &[&str] = &[
    r"CREATE TABLE ticket (
            id {uuid} PRIMARY KEY,
            order_id {uuid} NOT NULL REFERENCES orders (id),
            order_line_id {uuid} NOT NULL REFERENCES order_line (id) CONSTRAINT ticket_line_key UNIQUE,
            event_id {uuid} NOT NULL REFERENCES event (id),
            shop_id {uuid} NOT NULL REFERENCES shop (id),
            account_id {uuid} NOT NULL REFERENCES account (id),
            seat_ordinal integer,
            area_ordinal integer,
            label text NOT NULL,
            tier_name text NOT NULL,
            state text NOT NULL CONSTRAINT ticket_state CHECK (state IN ('issued', 'checked_in', 'void')),
            epoch integer NOT NULL,
            checked_in_at {time},
            checked_in_by {uuid} REFERENCES account (id),
            version bigint NOT NULL,
            created_at {time} NOT NULL,
            updated_at {time} NOT NULL,
            CONSTRAINT ticket_place CHECK ((seat_ordinal IS NULL) <> (area_ordinal IS NULL)),
            CONSTRAINT ticket_checked_in CHECK ((state = 'checked_in') = (checked_in_at IS NOT NULL))
        )",
    r"CREATE UNIQUE INDEX ticket_seat_once ON ticket (event_id, seat_ordinal) WHERE state <> 'void' AND seat_ordinal IS NOT NULL",
    r"CREATE INDEX ticket_order ON ticket (order_id)",
    r"CREATE INDEX ticket_account ON ticket (account_id, id)",
    r"CREATE TABLE check_in (
            id {uuid} PRIMARY KEY,
            ticket_id {uuid} NOT NULL REFERENCES ticket (id),
            shop_id {uuid} NOT NULL REFERENCES shop (id),
            account_id {uuid} NOT NULL REFERENCES account (id),
            outcome text NOT NULL
                CONSTRAINT check_in_outcome CHECK (outcome IN ('admitted', 'used', 'void', 'superseded', 'wrong_event')),
            at {time} NOT NULL
        )",
    r"CREATE UNIQUE INDEX check_in_admits_once ON check_in (ticket_id) WHERE outcome = 'admitted'",
    r"CREATE INDEX check_in_ticket ON check_in (ticket_id)",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["check_in", "ticket"]).await
    }
}
