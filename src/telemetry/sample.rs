//! Metrics that are read when Prometheus requests them: pools, desks, payments, the process.

use std::{collections::BTreeMap, sync::atomic::Ordering::Relaxed};

use prometheus_client::metrics::counter::Counter;

use super::{
    gauges::{Limit, Pool, Sampled, State},
    process,
};
use crate::{app::App, payment};

impl Sampled {
    fn take_pools(&self, app: &App) {
        for pool in app.store.pools() {
            let set = |state, value: u32| {
                self.pools.get_or_create(&Pool { pool: pool.name, state }).set(value.into());
            };
            set("idle", pool.idle);
            set("in_use", pool.size.saturating_sub(pool.idle));
        }
        raise(&self.acquire_failures, app.store.acquire_failures());
    }

    fn take_process(&self, app: &App) {
        self.uptime.set(app.started.elapsed().as_secs_f64());
        let Some(process) = process::read() else { return };
        self.cpu.inc_by((process.cpu_seconds - self.cpu.get()).max(0.0));
        self.resident.set(signed(process.resident_bytes));
        self.open_files.set(signed(process.open_files));
        self.threads.set(signed(process.threads));
    }

    fn take_payments(&self, counts: &BTreeMap<&'static str, i64>) {
        for (state, count) in counts {
            self.payments.get_or_create(&State { state }).set(*count);
        }
    }
}

/// Updates all metrics that are not counted immediately. If the database does not answer, its metrics keep their values.
pub async fn sample(app: &App) {
    let sampled = &app.metrics.sampled;
    sampled.take_pools(app);
    sampled.take_process(app);
    let desks = app.inventory.desks.open();
    sampled.desks.set(signed(desks.len() as u64));
    sampled.desk_queue.set(signed(desks.iter().map(|desk| desk.waiting() as u64).sum()));
    for (rule, count) in app.limits.refusals() {
        raise(&sampled.limits.get_or_create(&Limit { rule }), count);
    }
    let counters = &app.counters;
    raise(&sampled.shared_executions, counters.shared_executions.load(Relaxed));
    raise(&sampled.answers_from_memory, counters.answers_from_memory.load(Relaxed));
    raise(&sampled.coupons_counted, counters.coupons_counted.load(Relaxed));
    if sampled.is_due() {
        match payment::open_by_state(app).await {
            Ok(counts) => sampled.take_payments(&counts),
            Err(fault) => tracing::debug!(?fault, "cannot count payments"),
        }
    }
}

/// Raises a counter to a value that is counted elsewhere. Race: two calls at the same time may add the difference
/// twice. This is acceptable, because one Prometheus server requests metrics every few seconds.
fn raise(counter: &Counter, to: u64) {
    counter.inc_by(to.saturating_sub(counter.get()));
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
