//! PostgreSQL: statements with deadlines, transactions that end even if their caller is dropped, and detection of dead
//! connections.
//!
//! A connection whose peer vanished silently (a network that drops packets, a frozen server) looks like a slow one. So
//! nothing waits for an answer without a deadline:
//!
//! - A statement has [`STATEMENT`]; the server's own limit ends it earlier. After a timeout its connection is closed,
//!   and all connections unused since then are tested before their next use ([`Supervisor`]).
//! - A connection that returns to its pool is tested by the driver within the same time ([`Lease`]).
//! - The connection that listens to notifications is tested after some silence ([`Listener`]).
//!
//! Transactions begin and end in tasks of their own ([`PostgresTx`]). If a future that begins a transaction is dropped,
//! the driver forgets the transaction and returns the connection to the pool with the transaction open
//! (transact-rs/sqlx#4385).

mod keepalive;
mod lease;
mod listener;
mod supervisor;
mod tx;

use std::time::Duration;

pub(crate) use self::listener::Listener;
pub(super) use self::{lease::Lease, supervisor::Supervisor, tx::PostgresTx};

/// Deadline of a statement. The server's own limit, `statement_timeout`, is one second less.
const STATEMENT: Duration = Duration::from_secs(6);
