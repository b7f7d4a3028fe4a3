//! The background loops: periodic jobs and their intervals. Each loop calls an idempotent function without input in the
//! module of its data. This module makes no decisions.
//!
//! Several instances may run the loops at the same time. Duplicate work is harmless, so no leader is elected. A loop
//! that panics stops the process, so that the supervisor restarts it.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::time::Instant;

use crate::{
    account, app::App, coupon, error::FaultResult, event, guest_pruning, idempotency, inventory, order,
    outbox, payment, search_text, telemetry::log_fault,
};

/// The interval of expiring overdue reservations. The seat map shows an expired seat as free within this time.
const EXPIRE: Duration = Duration::from_millis(500);
/// The interval of retrying undecided payments and refunds.
const SETTLE: Duration = Duration::from_secs(1);
/// The interval of reading other instances' writes and the database's clock.
const FOLLOW: Duration = Duration::from_millis(500);
/// The delay before a failed waiting task is retried.
const RETRY: Duration = Duration::from_secs(1);
/// The interval of deleting obsolete rows, and of indexing the texts that an earlier version wrote during an upgrade.
const PRUNE: Duration = Duration::from_mins(10);

/// Starts all loops. They stop at shutdown.
pub fn start(app: &App) {
    always(app, "primary", |app| Box::pin(follow_primary(app)));
    guarded(app, "outbox", outbox::tail(app.clone()));
    every(app, "expiry", EXPIRE, |app| Box::pin(expire(app)));
    every(app, "settlement", SETTLE, |app| Box::pin(settle(app)));
    every(app, "following", FOLLOW, |app| Box::pin(follow(app)));
    always(app, "hints sent", |app| Box::pin(send_hints(app)));
    always(app, "hints heard", |app| Box::pin(hear_hints(app)));
    every(app, "pruning", PRUNE, |app| Box::pin(prune(app)));
    every(app, "text forms", PRUNE, |app| Box::pin(index_texts(app)));
}

/// Expires overdue reservations, then their orders, then claims.
pub async fn expire(app: &App) -> FaultResult<()> {
    inventory::expire_due(app).await?;
    inventory::release_cancelled(app).await?;
    order::expire_due(app).await?;
    coupon::claim::expire_due(app).await?;
    Ok(())
}

/// Continues payments and refunds that a crash or an unresponsive provider left undecided.
pub async fn settle(app: &App) -> FaultResult<()> {
    payment::recover(app).await?;
    payment::recover_refunds(app).await?;
    Ok(())
}

/// Reads the commits of other instances and the database's time.
pub async fn follow(app: &App) -> FaultResult<()> {
    app.security.summarise(app.clock.now());
    app.limits.summarise();
    app.store.settle_outage().await;
    inventory::recount(app).await?;
    let asked = app.clock.ask();
    if let Some(now) = app.store.database_time().await? {
        app.clock.observe(asked, now);
    }
    inventory::follow_others(app).await
}

/// Keeps the connections on the database's primary. Never returns.
pub async fn follow_primary(app: &App) -> FaultResult<()> {
    app.store.follow_primary().await;
    Ok(())
}

/// Waits for a commit in this process and notifies other instances.
pub async fn send_hints(app: &App) -> FaultResult<()> {
    app.bus.send().await
}

/// Follows the notifications of other instances until the connection breaks.
pub async fn hear_hints(app: &App) -> FaultResult<()> {
    inventory::follow_hints(app).await
}

/// Indexes the texts that an earlier version has written. Usually there are none.
pub async fn index_texts(app: &App) -> FaultResult<()> {
    search_text::fill(&app.store).await?;
    event::tier_names::fill(&app.store).await
}

/// Deletes obsolete rows.
pub async fn prune(app: &App) -> FaultResult<()> {
    account::prune_sessions(app).await?;
    guest_pruning::prune_guests(app).await?;
    app.limits.prune();
    inventory::prune(app).await?;
    coupon::share::forget_old(app).await?;
    let now = app.clock.now();
    let tx = app.store.begin().await?;
    idempotency::forget_old_in_tx(&tx, now).await?;
    outbox::forget_old_in_tx(&tx, now).await?;
    Ok(tx.commit().await?)
}

fn every(
    app: &App,
    name: &'static str,
    period: Duration,
    task: impl for<'a> Fn(&'a App) -> BoxFuture<'a, FaultResult<()>> + Send + 'static,
) {
    let of = app.clone();
    guarded(app, name, async move {
        loop {
            let begun = Instant::now();
            let round = task(&of).await;
            of.metrics.worker_round(name, round.is_err(), begun.elapsed());
            match round {
                Ok(()) => {}
                Err(fault) if fault.is_passing() => log_fault!(&fault, worker = name, "trying again"),
                Err(fault) => tracing::error!(worker = name, ?fault, "a round failed; trying again"),
            }
            tokio::select! {
                () = tokio::time::sleep(period) => {}
                () = of.shutdown.cancelled() => return,
            }
        }
    });
}

/// Runs a task that waits for its own events and can be cancelled at any time. A failed task is retried.
fn always(
    app: &App,
    name: &'static str,
    task: impl for<'a> Fn(&'a App) -> BoxFuture<'a, FaultResult<()>> + Send + 'static,
) {
    let of = app.clone();
    let forever = async move {
        loop {
            if let Err(fault) = task(&of).await {
                of.metrics.worker_round(name, true, Duration::ZERO);
                if fault.is_passing() {
                    // A connection broke. If the cause persists, the next attempt reports it.
                    tracing::debug!(worker = name, ?fault, "trying again");
                } else {
                    tracing::warn!(worker = name, ?fault, "failed; trying again");
                }
                tokio::time::sleep(RETRY).await;
            }
        }
    };
    let shutdown = app.shutdown.clone();
    guarded(app, name, async move { shutdown.run_until_cancelled(forever).await.unwrap_or_default() });
}

fn guarded(app: &App, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
    let of = app.clone();
    app.spawn(async move {
        if AssertUnwindSafe(task).catch_unwind().await.is_err() {
            tracing::error!(worker = name, "a worker panicked; the server stops");
            of.shutdown.cancel();
        }
    });
}
