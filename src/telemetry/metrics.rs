//! The metrics of a server, in a registry of its own. `docs/operations.md` explains each of them.
//!
//! Invariant: no label has a value that a client chose. Labels are root fields of the schema, and the server's own
//! codes. Everything else is `other`.

use std::{collections::HashSet, fmt, sync::Arc, sync::OnceLock, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, prometheus_text, text},
    metrics::{
        counter::Counter,
        family::{Family, MetricConstructor},
        gauge::Gauge,
        histogram::Histogram,
    },
    registry::{Registry, Unit},
};

use super::gauges::Sampled;

/// The media type of the `OpenMetrics` format.
pub const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The media type of Prometheus' older format.
pub const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
/// The label of unknown names.
const OTHER: &str = "other";
/// Upper bounds of durations in seconds.
const SECONDS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Upper bounds of numbers of jobs or versions.
const COUNTS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// An operation that ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OperationLabels {
    /// The operation's name, by [`Metrics::operation_name`].
    pub operation: Arc<str>,
    /// The kind: `query`, `mutation` or `subscription`.
    pub kind: &'static str,
    /// The transport, such as `http`.
    pub transport: &'static str,
    /// The outcome: `ok` or an error code.
    pub outcome: &'static str,
}

/// The labels of durations of operations.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TimedLabels {
    operation: Arc<str>,
    kind: &'static str,
}

/// HTTP requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HttpLabels {
    route: &'static str,
    status: u16,
}

macro_rules! label {
    ($name:ident { $($field:ident),* }) => {
        #[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
        struct $name {
            $($field: &'static str),*
        }
    };
}

label!(Rule { rule });
label!(Outcome { outcome });
label!(Worker { worker });
label!(Call { call, outcome });

/// A histogram of durations.
#[derive(Clone, Debug)]
struct Durations;

impl MetricConstructor<Histogram> for Durations {
    fn new_metric(&self) -> Histogram {
        Histogram::new(SECONDS)
    }
}

type Timed<L> = Family<L, Histogram, Durations>;

/// The metrics.
pub struct Metrics {
    registry: Registry,
    /// The schema's root fields.
    operations_known: OnceLock<HashSet<Arc<str>>>,
    other: Arc<str>,
    http: Family<HttpLabels, Counter>,
    operations: Family<OperationLabels, Counter>,
    operation_seconds: Timed<TimedLabels>,
    refusals: Family<Rule, Counter>,
    payments: Family<Outcome, Counter>,
    refunds: Family<Outcome, Counter>,
    provider_seconds: Timed<Call>,
    worker_seconds: Timed<Worker>,
    worker_errors: Family<Worker, Counter>,
    /// Jobs per batch of a desk.
    pub desk_batch: Histogram,
    /// Seconds from the decision to the end of a commit.
    pub desk_commit: Histogram,
    /// Batches that were decided again, because another instance was first or a lock was not available.
    pub desk_retries: Counter,
    watch_lag: Histogram,
    /// Open network connections.
    pub connections: Gauge,
    /// Open sockets of subscribers.
    pub sockets: Gauge,
    /// Running subscriptions.
    pub subscriptions: Gauge,
    /// Shared subscriptions.
    pub topics: Gauge,
    /// Bytes in the queues of WebSocket clients.
    pub buffered: Gauge,
    pub(super) sampled: Sampled,
}

/// An item that a gauge counts until it is dropped.
#[derive(Debug)]
pub struct Counted {
    gauge: Gauge,
    amount: i64,
}

impl Counted {
    /// Adds `amount` to the gauge.
    pub fn new(gauge: &Gauge, amount: i64) -> Self {
        gauge.inc_by(amount);
        Self { gauge: gauge.clone(), amount }
    }

    /// Adds one to the gauge.
    pub fn one(gauge: &Gauge) -> Self {
        Self::new(gauge, 1)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.gauge.dec_by(self.amount);
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            operations_known: OnceLock::new(),
            other: OTHER.into(),
            http: Family::default(),
            operations: Family::default(),
            operation_seconds: Family::new_with_constructor(Durations),
            refusals: Family::default(),
            payments: Family::default(),
            refunds: Family::default(),
            provider_seconds: Family::new_with_constructor(Durations),
            worker_seconds: Family::new_with_constructor(Durations),
            worker_errors: Family::default(),
            desk_batch: Histogram::new(COUNTS),
            desk_commit: Histogram::new(SECONDS),
            desk_retries: Counter::default(),
            watch_lag: Histogram::new(COUNTS),
            connections: Gauge::default(),
            sockets: Gauge::default(),
            subscriptions: Gauge::default(),
            topics: Gauge::default(),
            buffered: Gauge::default(),
            sampled: Sampled::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let to = &mut self.registry;
        to.register("tessera_http_requests", "HTTP requests by route and status", self.http.clone());
        to.register("tessera_operations", "GraphQL operations by outcome", self.operations.clone());
        let help = "Time from admission to the complete response of a GraphQL operation";
        to.register_with_unit(
            "tessera_operation_duration",
            help,
            Unit::Seconds,
            self.operation_seconds.clone(),
        );
        to.register("tessera_refusals", "Requests refused, by rule", self.refusals.clone());
        to.register("tessera_payments", "Payments that ended, by outcome", self.payments.clone());
        to.register("tessera_refunds", "Refunds that ended, by outcome", self.refunds.clone());
        let help = "Time of calls to the payment provider";
        to.register_with_unit(
            "tessera_provider_call_duration",
            help,
            Unit::Seconds,
            self.provider_seconds.clone(),
        );
        let help = "Time of a round of a background worker";
        to.register_with_unit(
            "tessera_worker_round_duration",
            help,
            Unit::Seconds,
            self.worker_seconds.clone(),
        );
        to.register(
            "tessera_worker_errors",
            "Rounds of background workers that failed",
            self.worker_errors.clone(),
        );
        to.register("tessera_desk_batch_jobs", "Jobs that a desk decided together", self.desk_batch.clone());
        let help = "Time that a desk took to decide and commit a batch";
        to.register_with_unit("tessera_desk_commit_duration", help, Unit::Seconds, self.desk_commit.clone());
        to.register("tessera_desk_retries", "Batches that a desk decided again", self.desk_retries.clone());
        to.register(
            "tessera_watch_merged_versions",
            "Versions that one message to watchers covers",
            self.watch_lag.clone(),
        );
        to.register("tessera_connections", "Open network connections", self.connections.clone());
        to.register("tessera_sockets", "Open WebSockets", self.sockets.clone());
        to.register("tessera_subscriptions", "Running subscriptions", self.subscriptions.clone());
        to.register("tessera_topics", "Streams that are run once for many subscribers", self.topics.clone());
        let help = "Bytes that wait for WebSocket clients";
        to.register_with_unit("tessera_socket_buffered", help, Unit::Bytes, self.buffered.clone());
        self.sampled.register(to);
    }

    /// Sets the names of operations: the schema's root fields. Only the first call has an effect.
    pub fn know_operations<'a>(&self, names: impl IntoIterator<Item = &'a str>) {
        drop(self.operations_known.set(names.into_iter().map(Into::into).collect()));
    }

    /// Returns `name` if it is known, and `other` otherwise.
    pub fn operation_name(&self, name: &str) -> Arc<str> {
        let known = self.operations_known.get().and_then(|known| known.get(name));
        known.unwrap_or(&self.other).clone()
    }

    /// Counts an operation that ended.
    pub fn operation(&self, labels: &OperationLabels, took: Duration) {
        let timed = TimedLabels { operation: labels.operation.clone(), kind: labels.kind };
        self.operation_seconds.get_or_create(&timed).observe(took.as_secs_f64());
        self.operations.get_or_create(labels).inc();
    }

    /// Counts an HTTP request.
    pub fn http_request(&self, route: &'static str, status: u16) {
        self.http.get_or_create(&HttpLabels { route, status }).inc();
    }

    /// Counts the versions that a message to subscribers covers. Slow subscribers get several in one message. `after` is
    /// `None` for a snapshot.
    #[expect(clippy::cast_precision_loss, reason = "a difference of versions is small")]
    pub fn covers(&self, after: Option<i64>, version: i64) {
        if let Some(after) = after {
            self.watch_lag.observe(version.saturating_sub(after) as f64);
        }
    }

    /// Counts a refusal. `rule` is one of the server's codes.
    pub fn refused(&self, rule: &'static str) {
        self.refusals.get_or_create(&Rule { rule }).inc();
    }

    /// Counts a payment that ended.
    pub fn payment(&self, outcome: &'static str) {
        self.payments.get_or_create(&Outcome { outcome }).inc();
    }

    /// Counts a refund that ended.
    pub fn refund(&self, outcome: &'static str) {
        self.refunds.get_or_create(&Outcome { outcome }).inc();
    }

    /// Counts a call to the payment provider.
    pub fn provider_call(&self, call: &'static str, outcome: &'static str, took: Duration) {
        self.provider_seconds.get_or_create(&Call { call, outcome }).observe(took.as_secs_f64());
    }

    /// Counts a run of a worker.
    pub fn worker_round(&self, worker: &'static str, failed: bool, took: Duration) {
        self.worker_seconds.get_or_create(&Worker { worker }).observe(took.as_secs_f64());
        let errors = self.worker_errors.get_or_create(&Worker { worker });
        errors.inc_by(u64::from(failed));
    }

    /// Returns the text of all metrics and its media type.
    ///
    /// # Errors
    /// If a metric cannot be written, which is a bug.
    pub fn encode(&self, as_openmetrics: bool) -> Result<(String, &'static str), fmt::Error> {
        let mut out = String::new();
        if as_openmetrics {
            text::encode(&mut out, &self.registry)?;
            Ok((out, OPENMETRICS))
        } else {
            prometheus_text::encode(&mut out, &self.registry)?;
            Ok((out, PROMETHEUS))
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_counted_by_known_names_only() {
        let metrics = Metrics::default();
        assert_eq!(&*metrics.operation_name("events"), "other", "before the schema is known");
        metrics.know_operations(["events", "payOrder"]);
        assert_eq!(&*metrics.operation_name("events"), "events");
        assert_eq!(&*metrics.operation_name("evil\nname"), "other");
        let took = Duration::from_millis(3);
        for name in ["events", "x"] {
            let operation = metrics.operation_name(name);
            metrics.operation(
                &OperationLabels { operation, kind: "query", transport: "http", outcome: "ok" },
                took,
            );
        }
        let (text, _) = metrics.encode(true).expect("text");
        let line =
            r#"tessera_operations_total{operation="events",kind="query",transport="http",outcome="ok"} 1"#;
        assert!(text.contains(line), "{text}");
        assert!(text.contains(r#"operation="other""#), "{text}");
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn gauge_goes_down_when_an_item_is_dropped() {
        let metrics = Metrics::default();
        let (one, many) = (Counted::one(&metrics.sockets), Counted::new(&metrics.buffered, 500));
        assert_eq!((metrics.sockets.get(), metrics.buffered.get()), (1, 500));
        drop((one, many));
        assert_eq!((metrics.sockets.get(), metrics.buffered.get()), (0, 0));
    }
}
