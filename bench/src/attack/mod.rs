//! Replays the attacks of issue 10 against a release server on loopback, and prints the cost of each.
//!
//! `scripts/attack` builds and runs it. Each attack has a limit of repetitions and time, and connects to loopback
//! addresses only. They stand for client addresses: attackers have 127.1.0.0/16, honest buyers 127.2.0.0/16. The
//! clients that prepare a scene have 127.200.0.0/16, which is exempt from the server's limits per network.
//!
//! Layout: `target` starts the server on a copy of the demo data. `usage` reads its processor time and memory. `props`
//! creates the data of an attack. `report` is the table. `together` and `attackers` run all attacks concurrently. The
//! other modules are the rows.

mod attackers;
mod cache;
mod calibrate;
mod documents;
mod files;
mod guests;
mod payments;
mod props;
mod refusals;
mod report;
mod sign_in;
mod slow;
mod sockets;
mod target;
mod together;
mod usage;
mod variables;
mod watch;

use std::{
    net::SocketAddr,
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::Args;
use tokio::{runtime, time::timeout};

use crate::{Outcome, bench::progress, postgres::Cluster};
use report::Report;
use target::Camp;

/// The time limit of a row.
const PATIENCE: Duration = Duration::from_mins(15);
/// The rows of the table in issue 10.
const ROWS: std::ops::RangeInclusive<u8> = 1..=13;

/// The options of `attack`.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Run only this row. May be repeated. By default, runs all rows, and then all attacks together.
    #[arg(long = "row", value_parser = clap::value_parser!(u8).range(1..=13))]
    rows: Vec<u8>,
    /// Run all attacks together for this number of seconds. Default: 600.
    #[arg(long, num_args = 0..=1, default_missing_value = "600", value_parser = clap::value_parser!(u64).range(10..=3_600))]
    all_together: Option<u64>,
    /// Compare estimated costs with processor time for 500 documents, instead of attacking.
    #[arg(long)]
    calibrate: bool,
    /// Use a quarter of the documents in row 7, and a shorter pause before all attacks together.
    #[arg(long)]
    quick: bool,
    /// The server's binary.
    #[arg(long)]
    server: PathBuf,
    /// A directory for files. The caller removes it.
    #[arg(long)]
    scratch: PathBuf,
    /// Directory of a `PostgreSQL` cluster's socket. By default, `SQLite` is used.
    #[arg(long, requires = "postgres_bin")]
    postgres: Option<PathBuf>,
    /// Directory of `PostgreSQL`'s programs.
    #[arg(long)]
    postgres_bin: Option<PathBuf>,
}

/// The options of the hidden command that runs the attackers of [`together`].
#[derive(Args, Debug)]
pub(crate) struct AttackersOptions {
    /// The loopback address to attack.
    target: SocketAddr,
    /// The duration in seconds.
    seconds: u64,
}

/// Runs the attacks. Returns `false` if a row failed.
pub(crate) fn run(options: Options) -> Outcome<bool> {
    let together = match (options.all_together, options.rows.is_empty()) {
        (Some(seconds), _) => Some(seconds),
        (None, true) if !options.calibrate => Some(600),
        (None, _) => None,
    };
    let is_restricted = options.all_together.is_some() || options.calibrate;
    let rows = match (options.rows.is_empty(), is_restricted) {
        (true, false) => ROWS.collect(),
        (true, true) => Vec::new(),
        (false, _) => options.rows,
    };
    // Use one thread, so that the server gets most of the processor time.
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let cluster = options.postgres.zip(options.postgres_bin).map(|(socket, bin)| Cluster::new(&socket, bin));
    let camp = runtime.block_on(Camp::pitch(options.server, &options.scratch, cluster, options.quick))?;
    let mut report = Report::default();
    if options.calibrate {
        let run = async |report: &mut Report| calibrate::calibrate(&camp, report).await;
        attempt(&runtime, &mut report, run, PATIENCE);
    }
    for row in rows {
        report.row = row;
        attempt(&runtime, &mut report, async |report| attack(row, &camp, report).await, PATIENCE);
    }
    if let Some(seconds) = together {
        report.row = 0;
        let patience = PATIENCE + Duration::from_secs(seconds);
        let all = async |report: &mut Report| together::all_together(&camp, report, seconds).await;
        attempt(&runtime, &mut report, all, patience);
    }
    let (all, failed) = report.counts();
    progress(&format!("{failed} of {all} attacks exceed what is required"));
    Ok(failed == 0 && all > 0)
}

/// Runs a row. A row that is interrupted counts as failed.
fn attempt<F>(runtime: &runtime::Runtime, report: &mut Report, row: F, patience: Duration)
where
    F: AsyncFnOnce(&mut Report) -> Outcome<()>,
{
    let begun = Instant::now();
    let number = report.row;
    progress(&format!("row {number} …"));
    let outcome = runtime.block_on(async { timeout(patience, row(report)).await });
    let failure = match outcome {
        Ok(Ok(())) => None,
        Ok(Err(failure)) => Some(failure.to_string()),
        Err(_) => Some("it did not end".to_owned()),
    };
    if let Some(failure) = failure {
        report.judged("the row broke off", false, failure, "an end");
    }
    progress(&format!("row {number}: {:.0} s", begun.elapsed().as_secs_f64()));
}

async fn attack(row: u8, camp: &Camp, report: &mut Report) -> Outcome<()> {
    match row {
        1 => documents::row_1(camp, report).await,
        2 => variables::row_2(camp, report).await,
        3 => slow::row_3(camp, report).await,
        4 => guests::row_4(camp, report).await,
        5 => sign_in::row_5(camp, report).await,
        6 => sign_in::row_6(camp, report).await,
        7 => cache::row_7(camp, report).await,
        8 => documents::row_8(camp, report).await,
        9 => payments::row_9(camp, report).await,
        10 => files::row_10(camp, report).await,
        11 => files::row_11(camp, report).await,
        12 => refusals::row_12(camp, report).await,
        13 => watch::row_13(camp, report).await,
        other => Err(format!("there is no row {other}").into()),
    }
}

/// Runs the attackers of [`together`].
pub(crate) fn attackers(options: &AttackersOptions) -> Outcome<bool> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(attackers::attack(options.target, options.seconds))?;
    Ok(true)
}
