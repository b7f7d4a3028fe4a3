//! Figures, and logs: human-readable in development, JSON in production; filtered by `RUST_LOG`.
//!
//! Never logged: tokens, codes, e-mail addresses, bodies.

use std::sync::atomic::AtomicU64;

use tracing_subscriber::EnvFilter;

/// What the process has done since its start.
#[derive(Debug, Default)]
pub struct Figures {
    /// Responses made once for many subscribers.
    pub shared_executions: AtomicU64,
    /// Answers given from memory, without being executed.
    pub answers_from_memory: AtomicU64,
    /// How often the claims of a coupon that is watched were counted.
    pub coupons_counted: AtomicU64,
}

/// Starts logging to standard error. Called once, at the start of the process.
pub fn start(json: bool) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn,sea_orm=warn,sea_orm_migration=warn"));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start, in a test, changes nothing.
    let started = if json { logs.json().flatten_event(true).try_init() } else { logs.compact().try_init() };
    drop(started);
}
