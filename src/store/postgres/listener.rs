//! A connection that listens to notifications.

use std::time::Duration;

use sqlx::{
    AssertSqlSafe, Executor, PgPool,
    postgres::{PgListener, PgPoolOptions},
};
use tokio::time::{sleep, timeout};

use crate::store::timeouts::ACQUIRE_TIMEOUT;

/// Silence after which the connection is tested.
const SILENCE: Duration = Duration::from_secs(5);
/// Deadline of the test.
const TEST: Duration = Duration::from_secs(2);

/// Listens to the notifications of a channel on a dedicated connection.
#[derive(Debug)]
pub(crate) struct Listener {
    connection: PgListener,
    /// The test of the connection: it repeats `LISTEN`, which changes nothing.
    test: String,
}

impl Listener {
    /// Opens a connection with the options of `pool` and listens on it.
    pub(in crate::store) async fn open(pool: &PgPool, channel: &str) -> Result<Self, sqlx::Error> {
        // A pool of its own: a dropped listener occupies its slot until its server has answered.
        let own = PgPoolOptions::new().max_connections(1).acquire_timeout(ACQUIRE_TIMEOUT);
        let own = own.connect_lazy_with((*pool.connect_options()).clone());
        let mut connection = PgListener::connect_with(&own).await?;
        timeout(ACQUIRE_TIMEOUT, connection.listen(channel))
            .await
            .map_err(|_| sqlx::Error::PoolTimedOut)??;
        Ok(Self { connection, test: format!("LISTEN {channel}") })
    }

    /// Waits for the next notification. Returns `None` if the connection, and perhaps notifications, are lost.
    pub(crate) async fn next(&mut self) -> Option<String> {
        loop {
            tokio::select! {
                heard = self.connection.try_recv() => return heard.ok()?.map(|heard| heard.payload().to_owned()),
                () = sleep(SILENCE) => {}
            }
            // Notifications that arrive during the test are returned by the next iteration.
            let tested = self.connection.execute(AssertSqlSafe(self.test.clone()));
            if !matches!(timeout(TEST, tested).await, Ok(Ok(_))) {
                return None;
            }
        }
    }
}
