//! The faults by name.

use clap::ValueEnum;

use crate::faults::ground::Database;

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fault {
    /// `kill -9` of an instance, again and again.
    Kill,
    /// SIGSTOP and SIGCONT of an instance.
    Pause,
    /// SIGSTOP and SIGCONT of half of PostgreSQL's backends.
    PauseBackends,
    /// PostgreSQL restarts after `-m immediate`.
    Restart,
    /// Connections end at a commit: before PostgreSQL has it, or before its answer arrives.
    CutCommits,
    /// All connections to PostgreSQL hang for ever; new ones work.
    Stalled,
    /// PostgreSQL cannot be reached for some seconds.
    Away,
    /// PostgreSQL has no connection left for some seconds.
    Connections,
    /// Another session locks the event's inventory row (`SQLite`: the whole database).
    Locked,
    /// A hundred subscriptions are dropped while their first read is under way, behind 100 ms of delay.
    Subscriptions,
    /// The instances' clocks are ten minutes ahead and behind.
    Skew,
    /// The primary crashes, and its synchronous standby is promoted.
    Promotion,
    /// The file system of the database is full for some seconds, twice.
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

    /// Returns whether the short version has it.
    pub(crate) fn is_quick(self, database: Database) -> bool {
        match database {
            Database::Postgres => {
                matches!(self, Self::Kill | Self::Restart | Self::CutCommits | Self::Stalled | Self::Away)
            }
            Database::Sqlite => matches!(self, Self::Kill | Self::DiskFull),
        }
    }

    /// The size of the file system that it needs for itself, in MiB.
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
            // A halted process answers nobody.
            super::tally::SILENT => self == Self::Pause,
            _ => false,
        }
    }
}
