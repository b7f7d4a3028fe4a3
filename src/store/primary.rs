//! Pools that follow the primary of several PostgreSQL servers.
//!
//! [`Store::follow_primary`] asks the current server every second whether it accepts writes. If it does not, or does
//! not answer, the other servers are asked, and the pools connect to one that does.

use std::{
    mem,
    sync::{PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt, pending};
use tokio::time::{Instant, sleep};

use super::{Store, hosts::Hosts};

/// How often the current server is asked whether it accepts writes.
const BEAT: Duration = Duration::from_secs(1);

impl Store {
    /// Follows the primary while this is polled. Never ends.
    pub async fn follow_primary(&self) {
        let Some(hosts) = self.hosts.as_ref().filter(|hosts| hosts.is_followed()) else {
            return pending().await;
        };
        let (mut heart, mut is_lost) = (None, false);
        loop {
            let was_lost = is_lost;
            if hosts.beats(&mut heart).await {
                is_lost = false;
            } else {
                match hosts.locate().await {
                    Ok(index) => {
                        is_lost = false;
                        self.move_to(hosts, index);
                    }
                    Err(cause) => {
                        if !mem::replace(&mut is_lost, true) {
                            tracing::error!(cause = cause.text, "no database server accepts writes");
                        }
                    }
                }
            }
            if was_lost && !is_lost {
                tracing::info!(server = hosts.in_use().name, "a database server accepts writes again");
            }
            tokio::select! {
                () = sleep(BEAT) => {}
                () = hosts.suspicion.notified() => {}
            }
        }
    }

    /// Makes all pools open new connections at another server.
    fn move_to(&self, hosts: &Hosts, index: usize) {
        let from = hosts.current.swap(index, Relaxed);
        if from == index {
            return;
        }
        let server = &hosts.servers[index];
        for pool in [&self.write, &self.desk, &self.read] {
            if let Some((pool, _)) = pool.as_postgres() {
                pool.set_connect_options(server.options.clone());
            }
        }
        *hosts.moved_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        hosts.moves.send_replace(index);
        tracing::warn!(
            from = hosts.servers[from].name,
            to = server.name,
            "the database's primary has changed"
        );
    }

    /// Returns a future that resolves when the primary changes, for owners of a dedicated connection. With a single
    /// host, it never resolves.
    pub(crate) fn moved(&self) -> BoxFuture<'static, ()> {
        let Some(hosts) = &self.hosts else { return pending().boxed() };
        let mut moves = hosts.moves.subscribe();
        async move {
            if moves.changed().await.is_err() {
                pending::<()>().await;
            }
        }
        .boxed()
    }
}
