//! Committed facts, written in the transaction that made them true, and read in the order of their commits.
//!
//! A fact is a kind and an id, never a copy: whoever is interested reads the object as it is then. Every instance tails
//! the outbox and tells its own listeners, so a fact reaches those who watch on any instance.
//!
//! A fact is told to those who listen to its subject, and to nobody else: with ten thousand bags watched, a change of one
//! wakes one. What a listener is told while it is busy is one, so nobody lags.

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
    error::Faulty,
    store::{Rows, Tx},
    telemetry::log_fault,
};

/// Facts read at once.
const BATCH: u64 = 500;
/// How long facts are kept, in days.
const KEPT_DAYS: i64 = 7;
/// How often the tail looks, when nobody wakes it.
const POLL: Duration = Duration::from_millis(500);

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An order changed its state, or a payment or refund of it did.
    OrderChanged,
    /// A ticket was issued, used, or made void.
    TicketChanged,
    /// What an account has in its bag changed: a claim, or a ticket.
    BagChanged,
    /// A claim of a coupon was made, or changed its state.
    CouponChanged,
}

/// Where listeners wait.
#[derive(Debug, Default)]
pub struct Outbox {
    routes: Routes,
    wake: Notify,
}

/// Who listens, by subject.
#[derive(Clone, Debug, Default)]
struct Routes(Arc<Mutex<HashMap<Uuid, watch::Sender<()>>>>);

/// Hears that something happened to one object.
#[derive(Debug)]
pub struct Listener {
    subject: Uuid,
    live: watch::Receiver<()>,
    routes: Routes,
}

/// How far the tail has read: on PostgreSQL the writing transaction's number comes first, because positions are not
/// given in the order of commits.
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
    /// Listens to what is told of the object from now on.
    pub fn listen(&self, subject: Uuid) -> Listener {
        let live = self.routes.open().entry(subject).or_default().subscribe();
        Listener { subject, live, routes: self.routes.clone() }
    }

    /// How many objects are listened to.
    pub fn listened(&self) -> usize {
        self.routes.open().len()
    }

    /// Makes the tail look at once, after a commit that wrote facts.
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
    /// Waits until the object may have changed and has to be read again. `false`: nothing more is told.
    pub async fn changed(&mut self) -> bool {
        self.live.changed().await.is_ok()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut routes = self.routes.open();
        // This one's own receiver is still there; whoever wants another takes it under the same lock.
        if routes.get(&self.subject).is_some_and(|listeners| listeners.receiver_count() <= 1) {
            routes.remove(&self.subject);
        }
    }
}

impl Kind {
    /// As it is written down.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OrderChanged => "order_changed",
            Self::TicketChanged => "ticket_changed",
            Self::BagChanged => "bag_changed",
            Self::CouponChanged => "coupon_changed",
        }
    }
}

/// Writes a fact beside what makes it true.
pub async fn record_in_tx(tx: &Tx, kind: Kind, subject: Uuid, now: DateTime<Utc>) -> Faulty<()> {
    let row = ActiveModel {
        position: NotSet,
        kind: Set(kind.name().to_owned()),
        subject: Set(subject),
        at: Set(now),
    };
    Entity::insert(row).exec_without_returning(tx).await?;
    Ok(())
}

/// Writes a fact about each of the subjects beside what makes them true.
pub(crate) async fn record_all_in_tx(
    tx: &Tx,
    kind: Kind,
    subjects: impl IntoIterator<Item = Uuid>,
    now: DateTime<Utc>,
) -> Faulty<()> {
    const INSERT: &str = "INSERT INTO outbox (kind, subject, at) SELECT $1, subject, $2 FROM {rows} AS r";
    Rows::default()
        .uuid("subject", subjects)
        .execute(tx, INSERT, vec![kind.name().into(), now.into()])
        .await?;
    Ok(())
}

/// Tells the facts committed from now on, until shutdown.
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

/// Forgets old facts; says how many.
pub async fn forget_old_in_tx(tx: &Tx, now: DateTime<Utc>) -> Faulty<u64> {
    let before = now - chrono::Duration::days(KEPT_DAYS);
    Ok(Entity::delete_many().filter(Column::At.lt(before)).exec(tx).await?.rows_affected)
}

/// What the facts after the cursor are about, and the new cursor. Without a cursor, the end of what is there.
async fn read(app: &App, cursor: Option<Cursor>) -> Faulty<(Cursor, Vec<Uuid>)> {
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

async fn end(app: &App, backend: DbBackend) -> Faulty<Cursor> {
    let sql = if backend == DbBackend::Postgres {
        // Everything older than the oldest transaction still in progress is told already or never will be.
        "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1 AS transaction, \
         9223372036854775807 AS position"
    } else {
        "SELECT 0 AS \"transaction\", coalesce(max(position), 0) AS position FROM outbox"
    };
    let cursor = Cursor::find_by_statement(Statement::from_string(backend, sql)).one(app.store.read()).await?;
    Ok(cursor.unwrap_or_default())
}

/// Rows of transactions that are older than any still in progress: no row can appear before them any more.
async fn read_postgres(app: &App, cursor: Cursor) -> Faulty<Vec<Row>> {
    let sql = "SELECT transaction::text::bigint AS transaction, position, subject FROM outbox \
               WHERE (transaction, position) > ($1::text::xid8, $2) \
               AND transaction < pg_snapshot_xmin(pg_current_snapshot()) \
               ORDER BY transaction, position LIMIT $3";
    let values = [cursor.transaction.to_string().into(), cursor.position.into(), BATCH.into()];
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    Ok(Row::find_by_statement(statement).all(app.store.read()).await?)
}

/// SQLite has one writer: positions are given in the order of commits.
async fn read_sqlite(app: &App, cursor: Cursor) -> Faulty<Vec<Row>> {
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
    async fn a_fact_wakes_those_who_listen_to_its_subject_and_is_told_once() {
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
        assert_eq!(outbox.listened(), 2, "somebody else listens to the same");
        drop((second, third));
        assert_eq!(outbox.listened(), 0, "nothing is kept for nobody");
    }
}
