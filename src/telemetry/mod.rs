//! Logs, metrics, traces and security events, for operators.
//!
//! Logs go to standard error, as text in development and as JSON in production. `RUST_LOG` filters them. Metrics are
//! served on a private listener. Traces go to an OTLP collector, if one is configured.
//!
//! Logs and labels never contain tokens, codes, e-mail addresses or bodies.

mod gauges;
pub mod metrics;
mod minute;
mod process;
mod sample;
pub mod security;
pub mod traces;

use std::{io::IsTerminal, sync::atomic::AtomicU64};

use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

pub(crate) use self::minute::{Line, Minute};
pub use self::{
    metrics::{Counted, Metrics},
    sample::sample,
    security::{Event, Security, Sighting},
};
use crate::config::TelemetrySettings;

/// Logs a fault of background work as a warning. During an outage of the database, which has its own log line
/// (`store/outage.rs`), the level is debug.
macro_rules! log_fault {
    ($fault:expr, $($rest:tt)+) => {{
        let fault: &$crate::error::Fault = $fault;
        if fault.is_passing() && $crate::store::outage::is_on() {
            tracing::debug!(?fault, $($rest)+);
        } else {
            tracing::warn!(?fault, $($rest)+);
        }
    }};
}
pub(crate) use log_fault;

/// Counts since the start of the process.
#[derive(Debug, Default)]
pub struct Counters {
    /// Executions of shared subscriptions.
    pub shared_executions: AtomicU64,
    /// Responses from the cache of public responses.
    pub answers_from_memory: AtomicU64,
    /// Counts of watched coupons.
    pub coupons_counted: AtomicU64,
}

/// Starts logging to standard error, and tracing if it is configured. Called once, at the start of the process, on the
/// runtime that sends the traces.
pub fn start(json: bool, settings: &TelemetrySettings) -> Option<traces::Exporter> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        EnvFilter::new("info,sqlx=warn,sea_orm=warn,sea_orm_migration=warn,opentelemetry=warn")
    });
    let filter = without_driver(filter);
    let logs = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let logs = if json { logs.json().flatten_event(true).boxed() } else { logs.compact().boxed() };
    let (exporter, spans) = traces::start(settings).unzip();
    // In tests this is called several times. Only the first call has an effect.
    drop(tracing_subscriber::registry().with(spans).with(logs.with_filter(filter)).try_init());
    exporter
}

/// Filters the driver's log lines about closed connections. The callers get these errors, and an outage is logged
/// separately in two lines. A target that the filter names keeps its level.
fn without_driver(filter: EnvFilter) -> EnvFilter {
    const LEFT_OUT: [(&str, &str); 2] = [
        ("sqlx_core", "sqlx_core::pool::connection=off"),
        ("sqlx::postgres", "sqlx::postgres::notice=error"),
    ];
    let named = filter.to_string();
    let left_out = LEFT_OUT.iter().filter(|(target, _)| !named.contains(target));
    left_out.filter_map(|(_, directive)| directive.parse().ok()).fold(filter, EnvFilter::add_directive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn driver_is_logged_only_if_the_filter_names_it() {
        let filtered = |text: &str| without_driver(EnvFilter::new(text)).to_string();
        assert!(filtered("info").contains("sqlx_core::pool::connection=off"));
        assert!(filtered("info,sqlx=warn").contains("sqlx::postgres::notice=error"));
        assert!(!filtered("info,sqlx_core=debug").contains("connection=off"));
    }
}
