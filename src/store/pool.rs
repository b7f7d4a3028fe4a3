//! Metrics of the connection pools, and how durable a commit is.

use std::sync::atomic::Ordering::Relaxed;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use super::{Connections, Store};

/// A connection pool at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolMetrics {
    /// `write`, `read` or `desk`.
    pub name: &'static str,
    /// Open connections.
    pub size: u32,
    /// Open connections that nobody uses.
    pub idle: u32,
}

impl Store {
    /// Returns the metrics of each pool. SQLite's desks use the writer.
    pub fn pools(&self) -> Vec<PoolMetrics> {
        let mut pools = vec![metrics("write", &self.write), metrics("read", &self.read)];
        if self.backend() == DbBackend::Postgres {
            pools.push(metrics("desk", &self.desk));
        }
        pools
    }

    /// Returns how often a transaction or probe got no connection in time.
    pub fn starved(&self) -> u64 {
        self.starved.load(Relaxed)
    }

    /// Counts an error that says that no connection was to be had.
    pub(super) fn note_starved(&self, error: &DbErr) {
        if matches!(error, DbErr::ConnectionAcquire(_)) {
            self.starved.fetch_add(1, Relaxed);
        }
    }

    /// Returns why an acknowledged commit may be lost; `None` if it may not.
    pub async fn not_durable(&self) -> Result<Option<String>, DbErr> {
        if self.backend() == DbBackend::Sqlite {
            let row = query(&self.write, "PRAGMA synchronous").await?;
            let level: i32 = row.map_or(Ok(0), |row| row.try_get_by_index(0))?;
            return Ok((level < 2).then(|| format!("PRAGMA synchronous is {level}; it must be FULL")));
        }
        for setting in ["fsync", "synchronous_commit"] {
            let sql = format!("SELECT current_setting('{setting}')");
            let row = query(&self.write, &sql).await?;
            let value: String = row.map_or(Ok(String::new()), |row| row.try_get_by_index(0))?;
            if value == "off" {
                return Ok(Some(format!("PostgreSQL's {setting} is off; it must be on")));
            }
        }
        Ok(None)
    }
}

async fn query(db: &Connections, sql: &str) -> Result<Option<sea_orm::QueryResult>, DbErr> {
    db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await
}

fn metrics(name: &'static str, pool: &Connections) -> PoolMetrics {
    let (size, idle) = match pool.as_postgres() {
        Some((pool, _)) => (pool.size(), pool.num_idle()),
        None => (pool.as_sqlite().size(), pool.as_sqlite().num_idle()),
    };
    PoolMetrics { name, size, idle: u32::try_from(idle).unwrap_or(u32::MAX) }
}
