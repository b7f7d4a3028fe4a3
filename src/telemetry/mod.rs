//! What operators see: logs, metrics, traces and security events.
//!
//! Logs go to standard error, human-readable in development, JSON in production, filtered by `RUST_LOG`. Metrics are
//! served on a private listener. Traces go to an OTLP collector, if one is configured.
//!
//! Never logged, and in no label: tokens, codes, e-mail addresses, bodies.

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

/// Logs a fault of the server's own work as a warning, or for debugging only if the database is away, of which there is
/// a line already (`store/outage.rs`).
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

/// What the process has done since its start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Responses made once for many subscribers.
    pub shared_executions: AtomicU64,
    /// Answers given from memory, without being executed.
    pub answers_from_memory: AtomicU64,
    /// How often the claims of a coupon that is watched were counted.
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
    // A second start, in a test, changes nothing.
    drop(tracing_subscriber::registry().with(spans).with(logs.with_filter(filter)).try_init());
    exporter
}

/// Leaves out what the driver says of each connection that the server closes, or that it finds dead when it is put
/// back: the error was returned to those who used it, and an outage is logged in two lines. A target that the filter
/// names stays as it is.
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
    fn driver_is_not_logged_unless_the_filter_names_it() {
        let filtered = |text: &str| without_driver(EnvFilter::new(text)).to_string();
        assert!(filtered("info").contains("sqlx_core::pool::connection=off"));
        assert!(filtered("info,sqlx=warn").contains("sqlx::postgres::notice=error"));
        assert!(!filtered("info,sqlx_core=debug").contains("connection=off"));
    }
}
