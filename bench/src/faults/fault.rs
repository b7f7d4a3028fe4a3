//! The names of the faults.

use clap::ValueEnum;

use crate::faults::ground::Database;

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fault {
    /// `kill -9` of an instance, repeatedly.
    Kill,
    /// SIGSTOP and SIGCONT of an instance.
    Pause,
    /// SIGSTOP and SIGCONT of half of PostgreSQL's backends.
    PauseBackends,
    /// PostgreSQL restarts after `-m immediate`.
    Restart,
    /// Connections break at a commit: before PostgreSQL receives it, or before its response arrives.
    CutCommits,
    /// All connections to PostgreSQL hang. New ones work.
    Stalled,
    /// PostgreSQL is unreachable for several seconds.
    Away,
    /// PostgreSQL has no free connection for several seconds.
    Connections,
    /// Another session locks the event's inventory row (on `SQLite`, the whole database).
    Locked,
    /// A hundred subscriptions are dropped during their first read, behind a delay of 100 ms.
    Subscriptions,
    /// The instances' clocks are ten minutes ahead or behind.
    Skew,
    /// The primary crashes, and its synchronous standby is promoted.
    Promotion,
    /// The file system of the database is full for several seconds, twice.
    DiskFull,
}

impl Fault {
    /// Returns whether the fault exists on this database.
    pub(crate) fn is_on(self, database: Database) -> bool {
        match database {
            Database::Postgres => true,
            Database::Sqlite => {
                matches!(self, Self::Kill | Self::Pause | Self::Locked | Self::Skew | Self::DiskFull)
            }
        }
    }

    /// Returns whether the short version includes it.
    pub(crate) fn is_quick(self, database: Database) -> bool {
        match database {
            Database::Postgres => {
                matches!(self, Self::Kill | Self::Restart | Self::CutCommits | Self::Stalled | Self::Away)
            }
            Database::Sqlite => matches!(self, Self::Kill | Self::DiskFull),
        }
    }

    /// Returns the size of the file system that it needs, in MiB.
    pub(crate) fn file_system(self, database: Database) -> Option<u32> {
        match (self, database) {
            (Self::DiskFull, Database::Postgres) => Some(400),
            (Self::DiskFull, Database::Sqlite) => Some(24),
            _ => None,
        }
    }

    /// Returns whether clients may see an error of this kind.
    pub(crate) fn allows(self, kind: &str) -> bool {
        match kind {
            "UNAVAILABLE" | "OVERLOADED" | super::tally::CLOSED => true,
            // A stopped process does not respond.
            super::tally::SILENT => self == Self::Pause,
            _ => false,
        }
    }
}
