//! Metrics that are read when Prometheus requests them: pools, desks, payments, the process.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, info::Info},
    registry::{Registry, Unit},
};
use tokio::time::Instant;

use super::process;
use crate::{app::App, payment};

/// The shortest time between two counts of payments.
const PAYMENTS_KEPT: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Pool {
    pool: &'static str,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Limit {
    rule: &'static str,
}

type Real = Gauge<f64, AtomicU64>;

/// The gauges and counters that are updated when Prometheus requests metrics.
#[derive(Debug, Default)]
pub(super) struct Sampled {
    pools: Family<Pool, Gauge>,
    acquire_failures: Counter,
    desks: Gauge,
    desk_queue: Gauge,
    payments: Family<State, Gauge>,
    payments_at: Mutex<Option<Instant>>,
    limits: Family<Limit, Counter>,
    shared_executions: Counter,
    answers_from_memory: Counter,
    coupons_counted: Counter,
    cpu: Counter<f64, AtomicU64>,
    resident: Gauge,
    open_files: Gauge,
    threads: Gauge,
    uptime: Real,
}

impl Sampled {
    pub(super) fn register(&self, to: &mut Registry) {
        to.register("tessera_database_connections", "Open database connections", self.pools.clone());
        let help = "Transactions and probes that got no database connection in time";
        to.register("tessera_database_acquire_failures", help, self.acquire_failures.clone());
        to.register("tessera_desks", "Inventories that are being sold or watched here", self.desks.clone());
        to.register("tessera_desk_queue_jobs", "Jobs that wait at desks", self.desk_queue.clone());
        to.register("tessera_payments_open", "Undecided payments, by state", self.payments.clone());
        let help = "Calls and attempts refused by a limit per network, account or shop, by rule";
        to.register("tessera_limit_refusals", help, self.limits.clone());
        let help = "Executions of shared subscriptions";
        to.register("tessera_shared_executions", help, self.shared_executions.clone());
        let help = "Responses from the cache of public responses";
        to.register("tessera_answers_from_memory", help, self.answers_from_memory.clone());
        let help = "Counts of watched coupons";
        to.register("tessera_coupons_counted", help, self.coupons_counted.clone());
        let help = "Processor time of this process";
        to.register_with_unit("tessera_process_cpu", help, Unit::Seconds, self.cpu.clone());
        let help = "Resident memory of this process";
        to.register_with_unit("tessera_process_resident_memory", help, Unit::Bytes, self.resident.clone());
        to.register("tessera_process_open_files", "Open file descriptors", self.open_files.clone());
        to.register("tessera_process_threads", "Threads of this process", self.threads.clone());
        to.register_with_unit("tessera_uptime", "Time since the start", Unit::Seconds, self.uptime.clone());
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        to.register("tessera_build", "The running version", build);
    }

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

    /// Returns whether payments must be counted now.
    fn is_due(&self) -> bool {
        let mut at = self.payments_at.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = at.is_none_or(|at| at.elapsed() >= PAYMENTS_KEPT);
        if is_due {
            *at = Some(Instant::now());
        }
        is_due
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
    let desks = app.desks.open();
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
