//! A connection that hears notifications.

use std::time::Duration;

use sqlx::{
    AssertSqlSafe, Executor, PgPool,
    postgres::{PgListener, PgPoolOptions},
};
use tokio::time::{sleep, timeout};

use crate::store::ACQUIRE_TIMEOUT;

/// A connection that has said nothing for so long is tested.
const SILENCE: Duration = Duration::from_secs(5);
/// How long it may take to answer.
const TEST: Duration = Duration::from_secs(2);

/// Hears the notifications of a channel, on a connection of its own.
#[derive(Debug)]
pub(crate) struct Listener {
    connection: PgListener,
    /// Listens once more, which changes nothing: the test of the connection.
    test: String,
}

impl Listener {
    /// Opens a connection as `pool` would, and listens on it.
    pub(in crate::store) async fn open(pool: &PgPool, channel: &str) -> Result<Self, sqlx::Error> {
        // A pool of its own: a listener that is dropped keeps its place until its server has answered.
        let own = PgPoolOptions::new().max_connections(1).acquire_timeout(ACQUIRE_TIMEOUT);
        let own = own.connect_lazy_with((*pool.connect_options()).clone());
        let mut connection = PgListener::connect_with(&own).await?;
        timeout(ACQUIRE_TIMEOUT, connection.listen(channel))
            .await
            .map_err(|_| sqlx::Error::PoolTimedOut)??;
        Ok(Self { connection, test: format!("LISTEN {channel}") })
    }

    /// Waits for the next notification. Returns `None` when the connection is lost, and notifications with it.
    pub(crate) async fn next(&mut self) -> Option<String> {
        loop {
            tokio::select! {
                heard = self.connection.try_recv() => return heard.ok()?.map(|heard| heard.payload().to_owned()),
                () = sleep(SILENCE) => {}
            }
            // What is heard during the test is kept for the next turn.
            let tested = self.connection.execute(AssertSqlSafe(self.test.clone()));
            if !matches!(timeout(TEST, tested).await, Ok(Ok(_))) {
                return None;
            }
        }
    }
}
