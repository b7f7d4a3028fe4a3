//! Check-ins record exits, repeated entries and what was undone. The table is append-only: triggers refuse updates and
//! deletions.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

use crate::dialect::run;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// `ticket_version` is the version of the ticket that the row made. It is unique, so two gates cannot both admit the
/// same ticket on what they read.
const POSTGRES: &[&str] = &[
    "DROP INDEX check_in_admits_once",
    "ALTER TABLE check_in DROP CONSTRAINT check_in_outcome",
    r"ALTER TABLE check_in ADD CONSTRAINT check_in_outcome CHECK (outcome IN (
        'admitted', 'readmitted', 'left', 'undone', 'used', 'no_reentry', 'not_inside', 'not_yet', 'over',
        'event_cancelled', 'void', 'superseded', 'wrong_event'))",
    "ALTER TABLE check_in ADD COLUMN ticket_version bigint",
    "ALTER TABLE check_in ADD COLUMN undoes uuid REFERENCES check_in (id)",
    "ALTER TABLE check_in ADD CONSTRAINT check_in_undone CHECK ((outcome = 'undone') = (undoes IS NOT NULL))",
    r"UPDATE check_in SET ticket_version = ticket.version FROM ticket
        WHERE ticket.id = check_in.ticket_id AND outcome = 'admitted'",
    "CREATE UNIQUE INDEX check_in_version ON check_in (ticket_id, ticket_version) WHERE ticket_version IS NOT NULL",
    "CREATE UNIQUE INDEX check_in_undoes ON check_in (undoes) WHERE undoes IS NOT NULL",
    r"CREATE FUNCTION check_in_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN RAISE EXCEPTION ''check-ins are append-only''; END'",
    r"CREATE TRIGGER check_in_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON check_in
        FOR EACH STATEMENT EXECUTE FUNCTION check_in_is_append_only()",
];

/// The older schema has one admission per ticket and fewer outcomes.
const POSTGRES_DOWN: &[&str] = &[
    "DROP TRIGGER check_in_append_only ON check_in",
    "DROP FUNCTION check_in_is_append_only()",
    "DROP INDEX check_in_undoes",
    "DROP INDEX check_in_version",
    "ALTER TABLE check_in DROP CONSTRAINT check_in_undone",
    r"DELETE FROM check_in WHERE outcome NOT IN ('admitted', 'used', 'void', 'superseded', 'wrong_event')
        OR (outcome = 'admitted' AND NOT {kept})",
    "ALTER TABLE check_in DROP COLUMN undoes",
    "ALTER TABLE check_in DROP COLUMN ticket_version",
    "ALTER TABLE check_in DROP CONSTRAINT check_in_outcome",
    r"ALTER TABLE check_in ADD CONSTRAINT check_in_outcome
        CHECK (outcome IN ('admitted', 'used', 'void', 'superseded', 'wrong_event'))",
    "CREATE UNIQUE INDEX check_in_admits_once ON check_in (ticket_id) WHERE outcome = 'admitted'",
];

/// The condition for the admission that the older schema keeps: the last one that was not undone.
const KEPT: &str = r"(
    NOT EXISTS (SELECT 1 FROM check_in AS undo WHERE undo.undoes = check_in.id)
    AND NOT EXISTS (SELECT 1 FROM check_in AS later WHERE later.ticket_id = check_in.ticket_id
        AND later.outcome = 'admitted' AND later.ticket_version > check_in.ticket_version
        AND NOT EXISTS (SELECT 1 FROM check_in AS undo WHERE undo.undoes = later.id)))";

/// SQLite cannot alter a constraint. So the table is recreated. No other table refers to it.
const SQLITE: &[&str] = &[r"BEGIN IMMEDIATE;
        CREATE TABLE new_check_in (
            id blob PRIMARY KEY,
            ticket_id blob NOT NULL REFERENCES ticket (id),
            shop_id blob NOT NULL REFERENCES shop (id),
            account_id blob NOT NULL REFERENCES account (id),
            outcome text NOT NULL
                CONSTRAINT check_in_outcome CHECK (outcome IN (
                    'admitted', 'readmitted', 'left', 'undone', 'used', 'no_reentry', 'not_inside', 'not_yet', 'over',
                    'event_cancelled', 'void', 'superseded', 'wrong_event')),
            at text NOT NULL,
            ticket_version bigint,
            undoes blob REFERENCES check_in (id),
            CONSTRAINT check_in_undone CHECK ((outcome = 'undone') = (undoes IS NOT NULL))
        );
        INSERT INTO new_check_in SELECT check_in.id, ticket_id, check_in.shop_id, check_in.account_id, outcome, at,
            CASE WHEN outcome = 'admitted' THEN ticket.version END, NULL
            FROM check_in JOIN ticket ON ticket.id = check_in.ticket_id;
        DROP TABLE check_in;
        ALTER TABLE new_check_in RENAME TO check_in;
        CREATE INDEX check_in_ticket ON check_in (ticket_id);
        CREATE INDEX check_in_account ON check_in (account_id);
        CREATE UNIQUE INDEX check_in_version ON check_in (ticket_id, ticket_version) WHERE ticket_version IS NOT NULL;
        CREATE UNIQUE INDEX check_in_undoes ON check_in (undoes) WHERE undoes IS NOT NULL;
        CREATE TRIGGER check_in_no_update BEFORE UPDATE ON check_in
            BEGIN SELECT RAISE(ABORT, 'check-ins are append-only'); END;
        CREATE TRIGGER check_in_no_delete BEFORE DELETE ON check_in
            BEGIN SELECT RAISE(ABORT, 'check-ins are append-only'); END;
        COMMIT"];

const SQLITE_DOWN: &[&str] = &[r"BEGIN IMMEDIATE;
        CREATE TABLE old_check_in (
            id blob PRIMARY KEY,
            ticket_id blob NOT NULL REFERENCES ticket (id),
            shop_id blob NOT NULL REFERENCES shop (id),
            account_id blob NOT NULL REFERENCES account (id),
            outcome text NOT NULL
                CONSTRAINT check_in_outcome CHECK (outcome IN ('admitted', 'used', 'void', 'superseded', 'wrong_event')),
            at text NOT NULL
        );
        INSERT INTO old_check_in SELECT id, ticket_id, shop_id, account_id, outcome, at FROM check_in
            WHERE outcome IN ('used', 'void', 'superseded', 'wrong_event') OR (outcome = 'admitted' AND {kept});
        DROP TABLE check_in;
        ALTER TABLE old_check_in RENAME TO check_in;
        CREATE UNIQUE INDEX check_in_admits_once ON check_in (ticket_id) WHERE outcome = 'admitted';
        CREATE INDEX check_in_ticket ON check_in (ticket_id);
        CREATE INDEX check_in_account ON check_in (account_id);
        COMMIT"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, of(manager, POSTGRES, SQLITE)).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let statements =
            of(manager, POSTGRES_DOWN, SQLITE_DOWN).iter().map(|sql| sql.replace("{kept}", KEPT));
        let statements: Vec<String> = statements.collect();
        let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
        run(manager, &statements).await
    }
}

fn of<'a>(manager: &SchemaManager<'_>, postgres: &'a [&'a str], sqlite: &'a [&'a str]) -> &'a [&'a str] {
    if manager.get_database_backend() == DbBackend::Postgres { postgres } else { sqlite }
}
