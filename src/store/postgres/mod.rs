//! PostgreSQL: statements with a deadline, transactions that a caller who goes away cannot leave open, and connections
//! that are given up when they are dead.
//!
//! A connection whose other end is gone without a word (a network that drops packets, a frozen server) looks like one
//! whose answer takes long. So nothing waits for an answer without a deadline:
//!
//! - A statement has [`STATEMENT`]; the server ends it by itself before that. Its connection is closed, and all others
//!   that were not used since are tested before they are used again ([`Supervisor`]).
//! - A connection that goes back to its pool is tested by the driver, also within that time ([`Lease`]).
//! - The connection that hears notifications is tested when nothing is heard ([`Listener`]).
//!
//! Transactions begin and end in tasks of their own ([`PostgresTx`]): the driver forgets a transaction that it was
//! beginning when its future is dropped, and returns the connection to the pool with the transaction open (transact-rs/sqlx#4385).

mod keepalive;
mod lease;
mod listener;
mod supervisor;
mod tx;

use std::time::Duration;

pub(crate) use self::listener::Listener;
pub(super) use self::{lease::Lease, supervisor::Supervisor, tx::PostgresTx};

/// How long a statement may take. The server's own limit, `statement_timeout`, is a second less.
const STATEMENT: Duration = Duration::from_secs(6);
