//! The outbox: committed facts, written in the transaction that made them true, and read in commit order.
//!
//! A fact is a kind and an id, never a copy. Its readers read the current state of the object. Every instance tails the
//! outbox and notifies its own listeners, so a fact reaches the clients of all instances.
//!
//! A fact wakes only the listeners of its subject: with ten thousand watched bags, a change of one wakes one.
//! Notifications that arrive while a listener is busy are merged into one, so no listener lags.

mod listeners;

use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::outbox::{ActiveModel, Column, Entity, Model};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, DbBackend, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect, Statement,
};
use uuid::Uuid;

pub use self::listeners::{Listener, Outbox};
use crate::{
    app::App,
    error::FaultResult,
    store::{Rows, Script, Tx},
    telemetry::log_fault,
};

/// Facts read per query.
const BATCH: u64 = 500;
/// Retention of facts in days.
const KEPT_DAYS: i64 = 7;
/// Poll interval of the tail if no commit wakes it.
const POLL: Duration = Duration::from_millis(500);

/// The kind of a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An order changed its state, or one of its payments or refunds did.
    OrderChanged,
    /// A ticket was issued, used or voided.
    TicketChanged,
    /// An account's bag changed: a claim or a ticket.
    BagChanged,
    /// A claim of a coupon was created or changed its state.
    CouponChanged,
}

/// The read position of the tail. On PostgreSQL the writing transaction's number comes first, because positions are not
/// assigned in commit order.
#[derive(Clone, Copy, Debug, Default, FromQueryResult)]
struct Cursor {
    transaction: i64,
    position: i64,
}

#[derive(Debug, FromQueryResult)]
struct Row {
    transaction: i64,
    position: i64,
    subject: Uuid,
}

impl Kind {
    /// Returns the kind's name in the database.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OrderChanged => "order_changed",
            Self::TicketChanged => "ticket_changed",
            Self::BagChanged => "bag_changed",
            Self::CouponChanged => "coupon_changed",
        }
    }
}

/// Writes a fact in the transaction that makes it true.
pub async fn record_in_tx(tx: &Tx, kind: Kind, subject: Uuid, now: DateTime<Utc>) -> FaultResult<()> {
    let row = ActiveModel {
        position: NotSet,
        kind: Set(kind.name().to_owned()),
        subject: Set(subject),
        at: Set(now),
    };
    Entity::insert(row).exec_without_returning(tx).await?;
    Ok(())
}

/// Writes a fact about each of the subjects in the transaction that makes them true.
pub(crate) async fn record_all_in_tx(
    tx: &Tx,
    kind: Kind,
    subjects: impl IntoIterator<Item = Uuid>,
    now: DateTime<Utc>,
) -> FaultResult<()> {
    const INSERT: &str = "INSERT INTO outbox (kind, subject, at) SELECT $1, subject, $2 FROM {rows} AS r";
    Rows::default()
        .uuid("subject", subjects)
        .execute(tx, INSERT, vec![kind.name().into(), now.into()])
        .await?;
    Ok(())
}

/// Adds a statement to the script that writes the facts. A fact without a subject is about the script's first shared
/// value. The time is the second one.
pub(crate) fn record_all(
    script: Script,
    facts: impl Iterator<Item = (Kind, Option<Uuid>)> + Clone,
) -> Script {
    const INSERT: &str =
        "INSERT INTO outbox (kind, subject, at) SELECT kind, coalesce(subject, $1), $2 FROM {rows} AS r";
    let rows = Rows::default()
        .text("kind", facts.clone().map(|(kind, _)| kind.name().to_owned()))
        .optional_uuid("subject", facts.map(|(_, subject)| subject));
    script.with("outbox", INSERT, rows)
}

/// Notifies listeners of the facts committed from now on, until shutdown.
pub async fn tail(app: App) {
    let mut cursor: Option<Cursor> = None;
    loop {
        // Registered before reading, so that no wake-up between the two is lost.
        let woken = app.outbox.woken();
        match read(&app, cursor).await {
            Ok((next, subjects)) => {
                let full = subjects.len() as u64 == BATCH;
                cursor = Some(next);
                app.outbox.notify(&subjects);
                if full {
                    continue;
                }
            }
            Err(fault) => log_fault!(&fault, "the outbox could not be read"),
        }
        tokio::select! {
            () = woken => {}
            () = tokio::time::sleep(POLL) => {}
            () = app.shutdown.cancelled() => return,
        }
    }
}

/// Deletes old facts. Returns their number.
pub async fn forget_old_in_tx(tx: &Tx, now: DateTime<Utc>) -> FaultResult<u64> {
    let before = now - chrono::Duration::days(KEPT_DAYS);
    Ok(Entity::delete_many().filter(Column::At.lt(before)).exec(tx).await?.rows_affected)
}

/// Returns the new cursor and the subjects of the facts after `cursor`. Without a cursor, returns the current end.
async fn read(app: &App, cursor: Option<Cursor>) -> FaultResult<(Cursor, Vec<Uuid>)> {
    let rows = match (cursor, app.store.backend()) {
        (None, backend) => return Ok((end(app, backend).await?, Vec::new())),
        (Some(cursor), DbBackend::Postgres) => read_postgres(app, cursor).await?,
        (Some(cursor), _) => read_sqlite(app, cursor).await?,
    };
    let next = rows
        .last()
        .map(|row| Cursor { transaction: row.transaction, position: row.position })
        .or(cursor)
        .unwrap_or_default();
    Ok((next, rows.iter().map(|row| row.subject).collect()))
}

async fn end(app: &App, backend: DbBackend) -> FaultResult<Cursor> {
    let sql = if backend == DbBackend::Postgres {
        // Facts of transactions older than the oldest running one are either read already or never will be.
        "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1 AS transaction, \
         9223372036854775807 AS position"
    } else {
        "SELECT 0 AS \"transaction\", coalesce(max(position), 0) AS position FROM outbox"
    };
    let cursor =
        Cursor::find_by_statement(Statement::from_string(backend, sql)).one(app.store.read()).await?;
    Ok(cursor.unwrap_or_default())
}

/// Reads facts of transactions that are older than all running ones. No fact can still appear before them.
async fn read_postgres(app: &App, cursor: Cursor) -> FaultResult<Vec<Row>> {
    let sql = "SELECT transaction::text::bigint AS transaction, position, subject FROM outbox \
               WHERE (transaction, position) > ($1::text::xid8, $2) \
               AND transaction < pg_snapshot_xmin(pg_current_snapshot()) \
               ORDER BY transaction, position LIMIT $3";
    let values = [cursor.transaction.to_string().into(), cursor.position.into(), BATCH.into()];
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    Ok(Row::find_by_statement(statement).all(app.store.read()).await?)
}

/// Reads the facts after the cursor. SQLite has one writer, so positions follow commit order.
async fn read_sqlite(app: &App, cursor: Cursor) -> FaultResult<Vec<Row>> {
    let rows: Vec<Model> = Entity::find()
        .filter(Column::Position.gt(cursor.position))
        .order_by_asc(Column::Position)
        .limit(BATCH)
        .all(app.store.read())
        .await?;
    let row = |row: Model| Row { transaction: 0, position: row.position, subject: row.subject };
    Ok(rows.into_iter().map(row).collect())
}
