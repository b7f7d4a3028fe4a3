//! The outbox: committed facts, written in the transaction that made them true, and read in commit order.
//!
//! A fact is a kind and an id, never a copy. Its readers read the current state of the object. Every instance tails the
//! outbox and notifies its own listeners, so a fact reaches the clients of all instances.
//!
//! A fact wakes only the listeners of its subject: with ten thousand watched bags, a change of one wakes one.
//! Notifications that arrive while a listener is busy are merged into one, so no listener lags.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use entity::outbox::{ActiveModel, Column, Entity, Model};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, DbBackend, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect, Statement,
};
use tokio::sync::{Notify, watch};
use uuid::Uuid;

use crate::{
    app::App,
    error::FaultResult,
    store::{Rows, Tx},
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

/// The listeners of this instance.
#[derive(Debug, Default)]
pub struct Outbox {
    routes: Routes,
    wake: Notify,
}

/// Channels to the listeners, by subject.
#[derive(Clone, Debug, Default)]
struct Routes(Arc<Mutex<HashMap<Uuid, watch::Sender<()>>>>);

/// Receives notifications about one object.
#[derive(Debug)]
pub struct Listener {
    subject: Uuid,
    live: watch::Receiver<()>,
    routes: Routes,
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

impl Outbox {
    /// Listens to facts about the object from now on.
    pub fn listen(&self, subject: Uuid) -> Listener {
        let live = self.routes.open().entry(subject).or_default().subscribe();
        Listener { subject, live, routes: self.routes.clone() }
    }

    /// Returns the number of objects with listeners.
    pub fn listened(&self) -> usize {
        self.routes.open().len()
    }

    /// Makes the tail read at once, after a commit that wrote facts.
    pub fn wake(&self) {
        self.wake.notify_one();
    }
}

impl Routes {
    fn open(&self) -> MutexGuard<'_, HashMap<Uuid, watch::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn notify(&self, subjects: &[Uuid]) {
        let routes = self.open();
        for listeners in subjects.iter().filter_map(|subject| routes.get(subject)) {
            listeners.send_replace(());
        }
    }
}

impl Listener {
    /// Waits until the object may have changed and must be read again. Returns `false` if no more notifications follow.
    pub async fn changed(&mut self) -> bool {
        self.live.changed().await.is_ok()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut routes = self.routes.open();
        // This listener's own receiver still counts. New listeners subscribe under the same lock.
        if routes.get(&self.subject).is_some_and(|listeners| listeners.receiver_count() <= 1) {
            routes.remove(&self.subject);
        }
    }
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

/// Notifies listeners of the facts committed from now on, until shutdown.
pub async fn tail(app: App) {
    let mut cursor: Option<Cursor> = None;
    loop {
        // Registered before reading, so that no wake-up between the two is lost.
        let woken = app.outbox.wake.notified();
        match read(&app, cursor).await {
            Ok((next, subjects)) => {
                let full = subjects.len() as u64 == BATCH;
                cursor = Some(next);
                app.outbox.routes.notify(&subjects);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn fact_wakes_the_listeners_of_its_subject_once() {
        let outbox = Outbox::default();
        let [one, other] = [1, 2].map(Uuid::from_u128);
        let (mut first, mut second, mut third) =
            (outbox.listen(one), outbox.listen(one), outbox.listen(other));
        outbox.routes.notify(&[one, Uuid::from_u128(3), one, one]);
        assert!(first.changed().await && second.changed().await);
        for quiet in [&mut first, &mut third] {
            assert!(
                futures_util::FutureExt::now_or_never(quiet.changed()).is_none(),
                "one notification, for this subject only"
            );
        }
        assert_eq!(outbox.listened(), 2);
        drop(first);
        assert_eq!(outbox.listened(), 2, "another listener of the same subject");
        drop((second, third));
        assert_eq!(outbox.listened(), 0, "no route is left");
    }
}
