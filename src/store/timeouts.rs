//! The time limits of connections and sessions.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

/// How long a statement may wait for a connection before the call fails as unavailable.
pub(super) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// A connection that was idle for less than this is not tested before use. The test costs as much as a read.
pub(super) const TEST_IDLE_FOR: Duration = Duration::from_secs(30);
/// Sets the options of every PostgreSQL session.
pub(super) fn session(postgres: PgConnectOptions) -> PgConnectOptions {
    postgres.application_name("tessera").options([
        ("lock_timeout", "3s"),
        ("statement_timeout", "5s"),
        ("idle_in_transaction_session_timeout", "10s"),
        // The server must also close a connection whose client is gone, because its locks remain until then.
        ("tcp_keepalives_idle", "10"),
        ("tcp_keepalives_interval", "3"),
        ("tcp_keepalives_count", "3"),
    ])
}
