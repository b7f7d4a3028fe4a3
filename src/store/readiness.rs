//! Tests whether the database accepts writes, for the readiness probe.
//!
//! Recent commits are proof enough. Without them a probe commits a small write, at most one per second.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use tokio::time::{Instant, timeout};

use super::{
    Store,
    health::{BELIEVED, ProbeResult},
    outage,
};

/// Deadline of a probe. It waits behind the transactions of a busy writer.
const PATIENCE: Duration = Duration::from_secs(1);
impl Store {
    /// Returns whether the database can be read and written. Takes about a second at most.
    pub async fn is_ready(&self) -> bool {
        matches!(timeout(PATIENCE, self.ping()).await, Ok(Ok(()))) && self.can_write().await
    }

    /// Checks whether an outage is over. Call it periodically.
    pub(crate) async fn settle_outage(&self) {
        if outage::is_on() {
            self.can_write().await;
            outage::settle();
        }
    }

    async fn can_write(&self) -> bool {
        if self.health.state().is_fresh(Instant::now()) {
            return true;
        }
        let mut last = self.health.probe.lock().await;
        if let Some((at, good)) = *last
            && at.elapsed() < BELIEVED
        {
            return good;
        }
        let result = match timeout(PATIENCE, self.write_probe()).await {
            Ok(Ok(())) => {
                self.health.note_success();
                ProbeResult::Written
            }
            Ok(Err(DbErr::ConnectionAcquire(_))) | Err(_) => ProbeResult::Busy,
            Ok(Err(error)) => {
                self.health.note_failure(&error);
                ProbeResult::Failed
            }
        };
        let good = self.health.state().can_write(Instant::now(), result);
        *last = Some((Instant::now(), good));
        good
    }

    /// Commits a small write without meaning.
    async fn write_probe(&self) -> Result<(), DbErr> {
        if self.backend() == DbBackend::Sqlite {
            // SQLite reserves this number in the file header for applications. Tessera does not use it.
            let tx = self.begin().await?;
            tx.execute_unprepared("PRAGMA user_version = 1").await?;
            return tx.commit().await;
        }
        // A record in the write-ahead log that nobody decodes. It is flushed like any commit, and refused on a standby.
        let sql = "SELECT pg_logical_emit_message(true, 'tessera', 'probe')::text, \
                   current_setting('transaction_read_only') = 'on' AS read_only";
        let row = self.write.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
        let row = row.ok_or(DbErr::RecordNotFound("the write probe".to_owned()))?;
        if row.try_get("", "read_only")? {
            return Err(DbErr::Custom("the database does not accept writes".to_owned()));
        }
        Ok(())
    }
}
