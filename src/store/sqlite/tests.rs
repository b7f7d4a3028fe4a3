//! Tests of transactions that SQLite ended by itself.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use sqlx_core::transaction::TransactionManager;
use tempfile::TempDir;

use super::{Manager, depth};
use crate::{
    error::Fault,
    store::{Store, Tx, savepoint},
};

/// Returns a store with an empty table, and its directory.
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

/// Returns the number of rows that another connection sees.
async fn stored(store: &Store) -> i64 {
    let count = Statement::from_string(DbBackend::Sqlite, "SELECT count(*) FROM thing");
    store.read().query_one_raw(count).await.unwrap().unwrap().try_get_by_index(0).unwrap()
}

/// Forbids the database to grow, and inserts more than fits.
async fn fill(tx: &Tx) -> DbErr {
    tx.execute_unprepared("PRAGMA max_page_count = 1").await.unwrap();
    insert(tx, 100_000).await.unwrap_err()
}

#[tokio::test]
async fn transactions_after_a_full_disk_are_stored() {
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
async fn transaction_ended_by_sqlite_accepts_no_more_statements() {
    let (store, _dir) = store().await;
    let tx = store.begin().await.unwrap();
    insert(&tx, 1).await.unwrap();
    fill(&tx).await;
    assert!(matches!(Fault::from(insert(&tx, 1).await.unwrap_err()), Fault::Unavailable { .. }));
    assert!(matches!(Fault::from(tx.commit().await.unwrap_err()), Fault::Unavailable { .. }));
    assert_eq!(stored(&store).await, 0);
}

#[tokio::test]
async fn savepoint_that_fails_for_a_full_disk_invalidates_its_transaction() {
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
async fn savepoint_can_be_rolled_back_alone() {
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
async fn dropped_savepoint_prevents_the_commit_of_its_transaction() {
    let (store, _dir) = store().await;
    let tx = store.begin().await.unwrap();
    insert(&tx, 1).await.unwrap();
    drop(savepoint(&tx).await.unwrap());
    assert!(tx.commit().await.is_err());
    assert_eq!(stored(&store).await, 0);
}

#[tokio::test]
async fn violated_constraint_leaves_the_transaction_open() {
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
async fn transaction_ended_without_the_driver_is_not_committed() {
    for end in ["ROLLBACK", "COMMIT", "ROLLBACK; BEGIN IMMEDIATE", "COMMIT; BEGIN IMMEDIATE"] {
        let (store, _dir) = store().await;
        let tx = store.begin().await.unwrap();
        tx.execute_unprepared(end).await.unwrap();
        let committed = tx.commit().await;
        // In the last case SQLite really commits the second transaction.
        assert_eq!(committed.is_ok(), end == "COMMIT; BEGIN IMMEDIATE", "{end}");
        let tx = store.begin().await.unwrap();
        insert(&tx, 1).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(stored(&store).await, 1, "{end}");
    }
}

#[tokio::test]
async fn connection_left_in_a_transaction_is_replaced() {
    let (store, _dir) = store().await;
    for statement in ["BEGIN", "ROLLBACK"] {
        let mut connection = store.write.as_sqlite().acquire().await.unwrap();
        Manager::begin(&mut connection, None).await.unwrap();
        if statement == "ROLLBACK" {
            // SQLite has ended it, but the driver still counts it.
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
async fn connection_with_an_uncounted_transaction_is_replaced() {
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
async fn dropped_transaction_is_rolled_back_and_its_connection_reused() {
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
async fn removed_file_is_not_created_again() {
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
