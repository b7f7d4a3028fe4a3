//! The shared state of all rows: the programs and the scale of the measurements.

use std::{cell::Cell, fs, path::PathBuf};

use clap::Args;

use crate::{Outcome, postgres::Cluster, rows::Row};

/// The options of `run`.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The rows to measure. Default: all.
    #[arg(value_enum)]
    pub(crate) rows: Vec<Row>,
    /// Use fewer and smaller measurements. They show large differences only.
    #[arg(long)]
    pub(crate) quick: bool,
    /// The server's binary.
    #[arg(long)]
    pub(crate) server: PathBuf,
    /// Directory of the PostgreSQL cluster's socket.
    #[arg(long)]
    pub(crate) postgres: PathBuf,
    /// Directory of `PostgreSQL`'s programs.
    #[arg(long)]
    pub(crate) postgres_bin: PathBuf,
    /// A directory for all other files. The caller removes it.
    #[arg(long)]
    pub(crate) scratch: PathBuf,
}

/// The scale of the measurements.
#[derive(Clone, Debug)]
pub(crate) struct Scale {
    /// The number of rows of the hot hall, with 100 seats each.
    pub(crate) hall_rows: u32,
    /// The number of measured reservations of two seats.
    pub(crate) reservations: u32,
    /// The number of unmeasured reservations before, as a warm-up.
    pub(crate) warm_up: u32,
    /// The numbers of connections to try. The best result counts.
    pub(crate) connections: &'static [usize],
    /// The numbers of `pgbench` clients to try. The best result counts.
    pub(crate) clients: &'static [u32],
    /// The number of buyers. Each has a session.
    pub(crate) guests: u32,
    /// The number of subscribers of one event.
    pub(crate) watchers: usize,
    /// The number of changes that all subscribers receive.
    pub(crate) changes: u32,
    /// The duration of timed measurements, in seconds.
    pub(crate) seconds: u32,
}

/// The number of connections in rows that do not try several.
pub(crate) const CONNECTIONS: usize = 256;

const FULL: Scale = Scale {
    hall_rows: 600,
    reservations: 24_000,
    warm_up: 3_000,
    connections: &[32, 64, 128, 256, 512],
    clients: &[8, 16, 32, 64],
    guests: 1_024,
    watchers: 5_000,
    changes: 200,
    seconds: 10,
};

const QUICK: Scale = Scale {
    hall_rows: 200,
    reservations: 8_000,
    warm_up: 1_000,
    connections: &[128, 512],
    clients: &[16, 64],
    guests: 512,
    watchers: 1_000,
    changes: 50,
    seconds: 3,
};

/// The shared state of all rows.
#[derive(Debug)]
pub(crate) struct Bench {
    /// The server's binary.
    pub(crate) server: PathBuf,
    /// The temporary cluster.
    pub(crate) cluster: Cluster,
    /// The scale of the measurements.
    pub(crate) scale: Scale,
    scratch: PathBuf,
    names: Cell<u32>,
}

impl Bench {
    /// Creates the shared state from the options.
    pub(crate) fn new(options: Options) -> Self {
        Self {
            server: options.server,
            cluster: Cluster::new(&options.postgres, options.postgres_bin),
            scale: if options.quick { QUICK } else { FULL },
            scratch: options.scratch,
            names: Cell::new(0),
        }
    }

    /// Returns a name that no other database or directory of this run has.
    pub(crate) fn name(&self, what: &str) -> String {
        self.names.set(self.names.get() + 1);
        format!("{what}_{}", self.names.get())
    }

    /// Creates a new directory.
    pub(crate) fn directory(&self, what: &str) -> Outcome<PathBuf> {
        let path = self.scratch.join(self.name(what));
        fs::create_dir_all(&path)?;
        Ok(path)
    }
}

/// Prints the progress to standard error.
pub(crate) fn progress(text: &str) {
    eprintln!("bench: {text}");
}
