//! Settings of start and stop.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::ConfigError;

/// What a start does with the database's schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Migrate {
    /// Migrates it.
    Auto,
    /// Refuses to start if migrations are missing.
    Check,
    /// Does not check it.
    Off,
}

/// Settings of start and stop.
#[derive(Args, Clone, Debug)]
pub struct LifecycleSettings {
    /// What a start does with the database's schema: `auto` migrates it, `check` refuses to start if migrations are
    /// missing, `off` does not check it. Only `auto` needs a database role that may change tables.
    #[arg(long, global = true, env = "TESSERA_MIGRATE", value_enum, default_value_t = Migrate::Auto)]
    pub migrate: Migrate,
    /// Seconds that a start waits for a PostgreSQL that is starting, full or unreachable, 0 to 86400. 0 does not wait.
    #[arg(long, global = true, env = "TESSERA_DATABASE_WAIT_SECONDS", default_value_t = 60)]
    pub database_wait_seconds: u32,
    /// Seconds between SIGTERM and the end of new connections, 0 to 600. In this time `/health/ready` answers 503, and
    /// all other requests are served. Default: 5 in production, 0 in development.
    #[arg(long, global = true, env = "TESSERA_DRAIN_SECONDS")]
    pub drain_seconds: Option<u32>,
}

impl LifecycleSettings {
    /// Refuses values out of range.
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let ranges = [
            ("TESSERA_DATABASE_WAIT_SECONDS", 86_400, self.database_wait_seconds),
            ("TESSERA_DRAIN_SECONDS", 600, self.drain_seconds.unwrap_or(0)),
        ];
        match ranges.into_iter().find(|(_, most, value)| value > most) {
            Some((name, most, _)) => Err(ConfigError::Range { name, least: 0, most }),
            None => Ok(()),
        }
    }

    /// Returns how long a start waits for the database.
    pub fn database_wait(&self) -> Duration {
        Duration::from_secs(self.database_wait_seconds.into())
    }
}
