//! What must not happen after SQLite has ended a transaction by itself.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use sqlx_core::transaction::TransactionManager;
use tempfile::TempDir;

use super::{Manager, depth};
use crate::{
    error::Fault,
    store::{Store, Tx, savepoint},
};

/// A store with an empty table, and its directory.
async fn store() -> (Store, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", dir.path().join("tessera.db").display());
    let store = Store::connect(&url, 2).await.unwrap();
    let tx = store.begin().await.unwrap();
    tx.execute_unprepared("CREATE TABLE thing (id INTEGER PRIMARY KEY, content BLOB)").await.unwrap();
    tx.commit().await.unwrap();
    (store, dir)
}

async fn insert(tx: &Tx, bytes: usize) -> Result<(), DbErr> {
    let sql = format!("INSERT INTO thing (content) VALUES (zeroblob({bytes}))");
    tx.execute_unprepared(&sql).await.map(|_| ())
}

/// Rows that another connection sees.
async fn stored(store: &Store) -> i64 {
    let count = Statement::from_string(DbBackend::Sqlite, "SELECT count(*) FROM thing");
    store.read().query_one_raw(count).await.unwrap().unwrap().try_get_by_index(0).unwrap()
}

/// Begins a transaction in which the database may not grow, and lets it grow too far.
async fn fill(tx: &Tx) -> DbErr {
    tx.execute_unprepared("PRAGMA max_page_count = 1").await.unwrap();
    insert(tx, 100_000).await.unwrap_err()
}

#[tokio::test]
async fn after_a_full_disk_the_next_transactions_are_stored() {
    let (store, _dir) = store().await;
    for round in 1..=3 {
        let tx = store.begin().await.unwrap();
        let error = fill(&tx).await;
        assert!(matches!(Fault::from(error), Fault::Unavailable { .. }));
        drop(tx);
        let tx = store.begin().await.unwrap();
        insert(&tx, 100_000).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(stored(&store).await, round);
    }
}

#[tokio::test]
async fn a_transaction_that_sqlite_ended_takes_no_more_statements() {
    let (store, _dir) = store().await;
    let tx = store.begin().await.unwrap();
    insert(&tx, 1).await.unwrap();
    fill(&tx).await;
    assert!(matches!(Fault::from(insert(&tx, 1).await.unwrap_err()), Fault::Unavailable { .. }));
    assert!(matches!(Fault::from(tx.commit().await.unwrap_err()), Fault::Unavailable { .. }));
    assert_eq!(stored(&store).await, 0);
}

#[tokio::test]
async fn a_savepoint_that_fails_for_a_full_disk_takes_the_transaction_with_it() {
    let (store, _dir) = store().await;
    let tx = store.begin().await.unwrap();
    insert(&tx, 1).await.unwrap();
    let part = savepoint(&tx).await.unwrap();
    fill(&part).await;
    assert!(part.rollback().await.is_err());
    assert!(savepoint(&tx).await.is_err());
    assert!(insert(&tx, 1).await.is_err());
    assert!(tx.commit().await.is_err());
    assert_eq!(stored(&store).await, 0);
}

#[tokio::test]
async fn a_savepoint_is_rolled_back_by_itself() {
    let (store, _dir) = store().await;
    let tx = store.begin().await.unwrap();
    for keep in [true, false, true] {
        let part = savepoint(&tx).await.unwrap();
        insert(&part, 1).await.unwrap();
        if keep { part.commit().await.unwrap() } else { part.rollback().await.unwrap() }
    }
    tx.commit().await.unwrap();
    assert_eq!(stored(&store).await, 2);
}

#[tokio::test]
async fn a_dropped_savepoint_keeps_its_transaction_from_being_committed() {
    let (store, _dir) = store().await;
    let tx = store.begin().await.unwrap();
    insert(&tx, 1).await.unwrap();
    drop(savepoint(&tx).await.unwrap());
    assert!(tx.commit().await.is_err());
    assert_eq!(stored(&store).await, 0);
}

#[tokio::test]
async fn a_violated_constraint_leaves_the_transaction_open() {
    let (store, _dir) = store().await;
    let tx = store.begin().await.unwrap();
    insert(&tx, 1).await.unwrap();
    let again = "INSERT INTO thing (id) VALUES (1)";
    assert!(matches!(Fault::from(tx.execute_unprepared(again).await.unwrap_err()), Fault::Internal(_)));
    insert(&tx, 1).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(stored(&store).await, 2);
}

#[tokio::test]
async fn a_transaction_ended_behind_the_drivers_back_is_not_committed() {
    for end in ["ROLLBACK", "COMMIT", "ROLLBACK; BEGIN IMMEDIATE", "COMMIT; BEGIN IMMEDIATE"] {
        let (store, _dir) = store().await;
        let tx = store.begin().await.unwrap();
        tx.execute_unprepared(end).await.unwrap();
        let committed = tx.commit().await;
        // In the last case SQLite commits once more, truly.
        assert_eq!(committed.is_ok(), end == "COMMIT; BEGIN IMMEDIATE", "{end}");
        let tx = store.begin().await.unwrap();
        insert(&tx, 1).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(stored(&store).await, 1, "{end}");
    }
}

#[tokio::test]
async fn a_connection_left_in_a_transaction_is_replaced() {
    let (store, _dir) = store().await;
    for statement in ["BEGIN", "ROLLBACK"] {
        let mut connection = store.write.as_sqlite().acquire().await.unwrap();
        Manager::begin(&mut connection, None).await.unwrap();
        if statement == "ROLLBACK" {
            // SQLite has ended it; the driver counts on.
            sqlx::query(statement).execute(&mut *connection).await.unwrap();
        }
        assert_eq!(depth(&connection), 1);
        drop(connection);
        let tx = store.begin().await.unwrap();
        insert(&tx, 1).await.unwrap();
        tx.commit().await.unwrap();
    }
    assert_eq!(stored(&store).await, 2);
}

#[tokio::test]
async fn a_transaction_that_the_driver_does_not_count_is_replaced() {
    let (store, _dir) = store().await;
    let mut connection = store.write.as_sqlite().acquire().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await.unwrap();
    assert_eq!(depth(&connection), 0);
    drop(connection);
    let tx = store.begin().await.unwrap();
    insert(&tx, 1).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(stored(&store).await, 1);
}

#[tokio::test]
async fn a_dropped_transaction_is_rolled_back_and_its_connection_used_again() {
    let (store, _dir) = store().await;
    let marked = "CREATE TEMP TABLE same (id INTEGER)";
    let tx = store.begin().await.unwrap();
    tx.execute_unprepared(marked).await.unwrap();
    tx.commit().await.unwrap();
    let tx = store.begin().await.unwrap();
    insert(&tx, 1).await.unwrap();
    drop(tx);
    let tx = store.begin().await.unwrap();
    assert!(tx.execute_unprepared("INSERT INTO same VALUES (1)").await.is_ok(), "the same connection");
    tx.rollback().await.unwrap();
    assert_eq!(stored(&store).await, 0);
}

#[tokio::test]
async fn a_removed_file_is_not_made_again() {
    let (store, dir) = store().await;
    let tx = store.begin().await.unwrap();
    fill(&tx).await;
    drop(tx);
    for file in ["tessera.db", "tessera.db-wal", "tessera.db-shm"] {
        std::fs::remove_file(dir.path().join(file)).unwrap();
    }
    let error = store.begin().await.unwrap_err();
    assert!(matches!(Fault::from(error), Fault::Unavailable { .. }));
    assert!(!dir.path().join("tessera.db").exists());
    assert!(!store.is_ready().await);
}
