//! The store when PostgreSQL is slow, hangs or is unreachable: no transaction is left open, and every wait ends.

use std::time::Duration;

use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, DbErr};
use tessera::store::{Store, Tx};
use tokio::time::{Instant, timeout};

use crate::support::{
    blocking::block_on,
    link::{Link, New},
    postgres::{self, Database},
    random::Random,
    scene::{DEADLINE, RECOVERY, eventually, no_transaction_is_left},
    world::migrate,
};

/// One way: a round trip takes twice as long.
const DELAY: Duration = Duration::from_millis(50);
/// Transactions that are dropped while they begin.
const DROPPED: usize = 100;
/// Tasks that drop them side by side, as many as there are connections.
const LANES: usize = 8;
const READS: usize = 500;
const CONNECTIONS: u32 = 8;

/// Fails inside a transaction: a block may not end one that it did not begin.
const OUTSIDE: &str = "DO $$ BEGIN COMMIT; END $$";

fn scene() -> (Database, Link) {
    let database = postgres::database("migrated", migrate);
    let link = Link::to(&database);
    (database, link)
}

/// A store whose connections are all open.
async fn warm(link: &Link) -> Store {
    let store = Store::connect(&link.url, CONNECTIONS).await.expect("a database");
    let read = || async { store.read().execute_unprepared("SELECT pg_sleep(0.1)").await.expect("a read") };
    let write = || async {
        let tx = store.begin().await.expect("a transaction");
        tx.execute_unprepared("SELECT pg_sleep(0.1)").await.expect("a statement");
        tx.commit().await.expect("a commit");
    };
    let all = 0..CONNECTIONS;
    tokio::join!(join_all(all.clone().map(|_| read())), join_all(all.map(|_| write())));
    store
}

/// Drops 100 transactions at a random moment within the first 200 milliseconds, in which a snapshot makes two round trips,
/// all connections at a time, and then uses every connection. The next transaction on a connection would end the one that was
/// left behind, so each round is looked at by itself.
fn drop_transactions(begin: impl AsyncFn(&Store) -> Result<Tx, DbErr> + Sync) {
    let (database, link) = scene();
    block_on(async || {
        let store = warm(&link).await;
        link.delay(DELAY);
        let mut random = Random::new(0);
        for _ in (0..DROPPED).step_by(LANES) {
            let waits: Vec<usize> = (0..LANES).map(|_| random.below(201)).collect();
            let drops = waits.into_iter().map(async |wait| {
                let wait = Duration::from_millis(wait as u64);
                // Dropped in the middle, or right after it has begun.
                drop(timeout(wait, begin(&store)).await);
            });
            join_all(drops).await;
            no_transaction_is_left(&database).await;
        }
        link.delay(Duration::ZERO);
        let mut wrong = Vec::new();
        for _ in (0..READS).step_by(LANES) {
            let reads = (0..LANES).map(|_| store.read().execute_unprepared(OUTSIDE));
            wrong.extend(join_all(reads).await.into_iter().filter_map(Result::err));
        }
        assert!(wrong.is_empty(), "{} of {READS} reads failed, first {:?}", wrong.len(), wrong[0]);
        for _ in 0..LANES {
            let writes = (0..LANES).map(async |_| {
                let tx = store.begin().await.expect("a transaction");
                tx.execute_unprepared("SELECT 1").await.expect("a statement");
                tx.commit().await.expect("a commit");
            });
            join_all(writes).await;
        }
        no_transaction_is_left(&database).await;
        store.close().await.expect("closed");
    });
}

#[test]
fn snapshots_dropped_while_they_begin_leave_no_transaction_behind() {
    drop_transactions(async |store| store.snapshot().await);
}

#[test]
fn transactions_dropped_while_they_begin_leave_no_transaction_behind() {
    drop_transactions(async |store| store.begin().await);
}

/// The result of a statement on a connection that hangs.
async fn given_up<T>(what: &str, work: impl Future<Output = Result<T, DbErr>>) -> Option<DbErr> {
    let ended = timeout(DEADLINE, work).await;
    ended.unwrap_or_else(|_| panic!("after {DEADLINE:?} still waits: {what}")).err()
}

#[test]
fn statements_on_stalled_connections_are_given_up() {
    let (_database, link) = scene();
    block_on(async || {
        let store = warm(&link).await;
        let (tx, held) = (store.begin().await.expect("a transaction"), store.begin().await);
        let held = held.expect("a transaction");
        link.stall(New::Pass);
        let begun = Instant::now();
        let reads = join_all(
            (0..CONNECTIONS)
                .map(|_| async { given_up("a read", store.read().execute_unprepared("SELECT 1")).await }),
        );
        let snapshots = join_all((0..CONNECTIONS).map(|_| async {
            given_up("a snapshot", async { store.snapshot().await?.rollback().await }).await
        }));
        let writes = join_all((0..CONNECTIONS).map(|_| async {
            given_up("a transaction", async { store.begin().await?.commit().await }).await
        }));
        let statement = given_up("a statement in a transaction", tx.execute_unprepared("SELECT 1"));
        let commit = given_up("a commit", held.commit());
        let (_, _, _, statement, commit) = tokio::join!(reads, snapshots, writes, statement, commit);
        assert!(statement.is_some() && commit.is_some(), "nothing was answered: {statement:?}, {commit:?}");
        drop(tx);
        // What was given up does not come back.
        let left = RECOVERY.saturating_sub(begun.elapsed());
        let works = async || {
            let read = async || timeout(DEADLINE, store.read().execute_unprepared("SELECT 1")).await;
            let results = join_all((0..3 * CONNECTIONS).map(|_| read())).await;
            for result in results {
                result.map_err(|_| "a read hangs".to_owned())?.map_err(|error| error.to_string())?;
            }
            let write = timeout(DEADLINE, async { store.begin().await?.commit().await }).await;
            write.map_err(|_| "a transaction hangs".to_owned())?.map_err(|error| error.to_string())
        };
        eventually(left, "the store works again", works).await;
        store.close().await.expect("closed");
    });
}

#[test]
fn store_closes_while_all_its_connections_hang() {
    let (_database, link) = scene();
    block_on(async || {
        let store = warm(&link).await;
        let tx = store.begin().await.expect("a transaction");
        link.stall(New::Stall);
        let hanging = async { store.read().execute_unprepared("SELECT 1").await };
        drop(timeout(Duration::from_millis(200), hanging).await);
        drop(tx);
        let closed = timeout(DEADLINE, store.close()).await;
        assert!(closed.is_ok(), "after {DEADLINE:?} still open");
    });
}

#[test]
fn store_works_again_soon_after_a_cut() {
    let (_database, link) = scene();
    block_on(async || {
        let store = warm(&link).await;
        link.cut(New::Refuse);
        assert_eq!(link.open(), 0, "all connections are reset");
        let lost = given_up("a read", store.read().execute_unprepared("SELECT 1")).await;
        assert!(lost.is_some(), "the database is away");
        let lost = given_up("a transaction", async { store.begin().await?.commit().await }).await;
        assert!(lost.is_some(), "the database is away");
        link.heal();
        let works = async || {
            store.read().execute_unprepared("SELECT 1").await?;
            store.snapshot().await?.rollback().await?;
            store.begin().await?.commit().await
        };
        eventually(RECOVERY, "the store works again", works).await;
        // Not one of the connections is left from before.
        for _ in 0..3 * CONNECTIONS {
            store.read().execute_unprepared(OUTSIDE).await.expect("a read");
        }
        store.close().await.expect("closed");
    });
}
