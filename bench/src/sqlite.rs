//! The reference on `SQLite`: each reservation's statements in one transaction, from many concurrent tasks, through a
//! pool with one writer and the server's own settings.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::task::JoinSet;

use crate::{
    Outcome,
    bench::{Bench, progress},
    pgbench::ITEMS,
    server::{self, Home},
    stats::rate,
};

/// The number of concurrent tasks.
const ASKING: u32 = 64;
/// One transaction per reservation is slow, so this fraction of the reservations is enough for its rate.
const PART: u32 = 4;
const NOW: &str = "2026-01-01T00:00:00+00:00";

/// Measures the reservations per second.
pub(crate) async fn run(bench: &Bench) -> Outcome<f64> {
    let home = Home::on_sqlite(bench)?;
    server::run(bench, &home, &["migrate"])?;
    let options = home
        .url
        .parse::<SqliteConnectOptions>()?
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(5))
        .foreign_keys(true);
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(Duration::from_mins(1))
        .test_before_acquire(false)
        .connect_with(options)
        .await?;
    stock(&pool, 100 * bench.scale.hall_rows, bench.scale.guests).await?;
    let (warm_up, count) = (bench.scale.warm_up / PART, bench.scale.reservations / PART);
    all(&pool, bench.scale.guests, (0, warm_up)).await?;
    let begun = Instant::now();
    all(&pool, bench.scale.guests, (warm_up, warm_up + count)).await?;
    let rate = rate(count, begun.elapsed());
    let seats: i64 =
        sqlx::query_scalar("SELECT count(*) FROM inventory_seat WHERE status = 1").fetch_one(&pool).await?;
    let reservations: i64 = sqlx::query_scalar("SELECT count(*) FROM reservation").fetch_one(&pool).await?;
    let expected = i64::from(warm_up + count);
    if (seats, reservations) != (2 * expected, expected) {
        return Err(format!("{seats} seats and {reservations} reservations were left").into());
    }
    pool.close().await;
    progress(&format!("SQLite, one transaction each: {rate:.0}/s"));
    Ok(rate)
}

async fn all(pool: &SqlitePool, guests: u32, (from, to): (u32, u32)) -> Outcome<()> {
    let next = Arc::new(AtomicU32::new(from));
    let mut tasks = JoinSet::new();
    for _ in 0..ASKING {
        let (pool, next) = (pool.clone(), Arc::clone(&next));
        tasks.spawn(async move {
            loop {
                let pair = next.fetch_add(1, Ordering::Relaxed);
                if pair >= to {
                    return Outcome::Ok(());
                }
                reserve(&pool, pair, pair % guests).await?;
            }
        });
    }
    while let Some(one) = tasks.join_next().await {
        one??;
    }
    Ok(())
}

async fn reserve(pool: &SqlitePool, pair: u32, guest: u32) -> Outcome<()> {
    let (inventory, buyer, reservation) = (id(1, 0), id(2, guest), id(3, pair));
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    let taken = sqlx::query(
        "UPDATE inventory_seat SET status = 1, epoch = epoch + 1, reservation_id = ?
         WHERE inventory_id = ? AND ordinal IN (?, ?) AND status = 0",
    )
    .bind(&reservation)
    .bind(&inventory)
    .bind(2 * pair)
    .bind(2 * pair + 1)
    .execute(&mut *tx)
    .await?;
    if taken.rows_affected() != 2 {
        return Err("a seat was taken before".into());
    }
    sqlx::query(
        "INSERT INTO inventory_buyer (inventory_id, account_id, taken, allowed) VALUES (?, ?, 2, 100)
         ON CONFLICT (inventory_id, account_id) DO UPDATE SET taken = taken + 2",
    )
    .bind(&inventory)
    .bind(&buyer)
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "INSERT INTO reservation (id, inventory_id, account_id, state, items, quantity, total_minor, currency, deadline,
         deadline_max, version, created_at, updated_at) VALUES (?, ?, ?, 'active', ?, 2, 4200, 'EUR', ?, ?, 1, ?, ?)",
    )
    .bind(&reservation)
    .bind(&inventory)
    .bind(&buyer)
    .bind(ITEMS)
    .bind(NOW)
    .bind(NOW)
    .bind(NOW)
    .bind(NOW)
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "INSERT INTO idempotency (account_id, operation, key, input_digest, subject, created_at)
         VALUES (?, 'reserveSeats', ?, ?, ?, ?)",
    )
    .bind(&buyer)
    .bind(format!("bench-{pair:016x}"))
    .bind(vec![0xab_u8; 32])
    .bind(&reservation)
    .bind(NOW)
    .execute(&mut *tx)
    .await?;
    Ok(tx.commit().await?)
}

async fn stock(pool: &SqlitePool, seats: u32, guests: u32) -> Outcome<()> {
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::query(
        "INSERT INTO inventory (id, kind, version, capacity, available, reserved, sold, blocked, updated_at)
         VALUES (?, 'event', 1, ?, ?, 0, 0, 0, ?)",
    )
    .bind(id(1, 0))
    .bind(seats)
    .bind(seats)
    .bind(NOW)
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n + 1 < ?)
         INSERT INTO inventory_seat (inventory_id, ordinal, status, epoch) SELECT ?, n, 0, 0 FROM n",
    )
    .bind(seats)
    .bind(id(1, 0))
    .execute(&mut *tx)
    .await?;
    for guest in 0..guests {
        sqlx::query(
            "INSERT INTO account (id, kind, name, is_operator, version, created_at, updated_at)
             VALUES (?, 'guest', '', 0, 1, ?, ?)",
        )
        .bind(id(2, guest))
        .bind(NOW)
        .bind(NOW)
        .execute(&mut *tx)
        .await?;
    }
    Ok(tx.commit().await?)
}

/// Returns sixteen bytes that grow with the number, as the server's own ids do.
fn id(kind: u8, number: u32) -> Vec<u8> {
    let mut id = vec![kind; 12];
    id.extend_from_slice(&number.to_be_bytes());
    id
}
