//! The gauges and counters that are updated when Prometheus requests metrics.

use std::{
    sync::{Mutex, PoisonError, atomic::AtomicU64},
    time::Duration,
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, info::Info},
    registry::{Registry, Unit},
};
use tokio::time::Instant;

/// The shortest time between two counts of payments.
const PAYMENTS_KEPT: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Pool {
    pub(super) pool: &'static str,
    pub(super) state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct State {
    pub(super) state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Limit {
    pub(super) rule: &'static str,
}

type Seconds = Gauge<f64, AtomicU64>;

/// The gauges and counters that are updated when Prometheus requests metrics.
#[derive(Debug, Default)]
pub(super) struct Sampled {
    pub(super) pools: Family<Pool, Gauge>,
    pub(super) acquire_failures: Counter,
    pub(super) desks: Gauge,
    pub(super) desk_queue: Gauge,
    pub(super) payments: Family<State, Gauge>,
    payments_at: Mutex<Option<Instant>>,
    pub(super) limits: Family<Limit, Counter>,
    pub(super) shared_executions: Counter,
    pub(super) answers_from_memory: Counter,
    pub(super) coupons_counted: Counter,
    pub(super) cpu: Counter<f64, AtomicU64>,
    pub(super) resident: Gauge,
    pub(super) open_files: Gauge,
    pub(super) threads: Gauge,
    pub(super) uptime: Seconds,
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

    /// Returns whether payments must be counted now.
    pub(super) fn is_due(&self) -> bool {
        let mut at = self.payments_at.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = at.is_none_or(|at| at.elapsed() >= PAYMENTS_KEPT);
        if is_due {
            *at = Some(Instant::now());
        }
        is_due
    }
}
