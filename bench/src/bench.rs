//! What all rows share: where the programs are, and how much is measured.

use std::{cell::Cell, fs, path::PathBuf};

use clap::Args;

use crate::{Outcome, postgres::Cluster, rows::Row};

/// What to measure, with what.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The rows to measure; all when left out.
    #[arg(value_enum)]
    pub(crate) rows: Vec<Row>,
    /// Fewer and smaller measurements: good enough to see a big difference.
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
    /// A directory for everything else; whoever made it removes it.
    #[arg(long)]
    pub(crate) scratch: PathBuf,
}

/// How much is measured.
#[derive(Clone, Debug)]
pub(crate) struct Scale {
    /// Rows of 100 seats of the hot hall.
    pub(crate) hall_rows: u32,
    /// Reservations of two seats that are timed.
    pub(crate) reservations: u32,
    /// The same before that, to warm up.
    pub(crate) warm_up: u32,
    /// Of which the best counts.
    pub(crate) connections: &'static [usize],
    /// The clients of `pgbench`, of which the best counts.
    pub(crate) clients: &'static [u32],
    /// Buyers, each with a session.
    pub(crate) guests: u32,
    /// Subscribers of one event.
    pub(crate) watchers: usize,
    /// Changes told to all subscribers.
    pub(crate) changes: u32,
    /// Seconds of measurements that go by time.
    pub(crate) seconds: u32,
}

/// Connections where a row does not look for the best number.
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

/// What all rows share.
#[derive(Debug)]
pub(crate) struct Bench {
    /// The server's binary.
    pub(crate) server: PathBuf,
    /// The throw-away cluster.
    pub(crate) cluster: Cluster,
    /// How much is measured.
    pub(crate) scale: Scale,
    scratch: PathBuf,
    names: Cell<u32>,
}

impl Bench {
    /// Ready to measure.
    pub(crate) fn new(options: Options) -> Self {
        Self {
            server: options.server,
            cluster: Cluster::new(&options.postgres, options.postgres_bin),
            scale: if options.quick { QUICK } else { FULL },
            scratch: options.scratch,
            names: Cell::new(0),
        }
    }

    /// A name that no other database or directory of this run has.
    pub(crate) fn name(&self, what: &str) -> String {
        self.names.set(self.names.get() + 1);
        format!("{what}_{}", self.names.get())
    }

    /// A directory of one's own.
    pub(crate) fn directory(&self, what: &str) -> Outcome<PathBuf> {
        let path = self.scratch.join(self.name(what));
        fs::create_dir_all(&path)?;
        Ok(path)
    }
}

/// Tells whoever waits what is being done.
pub(crate) fn progress(text: &str) {
    eprintln!("bench: {text}");
}
