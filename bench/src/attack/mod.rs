//! Replays the attacks of issue 10 against a release server on loopback, and prints what each of them cost.
//!
//! `scripts/attack` builds and calls it. Every attack is bounded in count and time, and no address but loopback is ever
//! connected to. Loopback addresses stand for client addresses: 127.1.0.0/16 are attackers, 127.2.0.0/16 honest buyers,
//! and 127.200.0.0/16 those who prepare a scene, whom the server is told to exempt from limits per network.
//!
//! Layout: `target` starts the server on a copy of the demo data; `usage` reads its processor time and memory; `props`
//! makes what an attack needs; `report` is the table; `together` and `attackers` are all attacks at once; the other
//! modules are the rows.

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

/// No row takes longer.
const PATIENCE: Duration = Duration::from_mins(15);
/// The rows of the table.
const ROWS: std::ops::RangeInclusive<u8> = 1..=13;

/// What to attack, and with what.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Attack with this row only; may be repeated. All rows, and then all together, when left out.
    #[arg(long = "row", value_parser = clap::value_parser!(u8).range(1..=13))]
    rows: Vec<u8>,
    /// Run all attacks together for so many seconds; 600 after all rows, or when given without a number.
    #[arg(long, num_args = 0..=1, default_missing_value = "600", value_parser = clap::value_parser!(u64).range(10..=3_600))]
    all_together: Option<u64>,
    /// Compare estimated costs with processor time, over 500 documents, instead of attacking.
    #[arg(long)]
    calibrate: bool,
    /// A quarter of the documents of row 7, and a shorter calm before all attacks together.
    #[arg(long)]
    quick: bool,
    /// The server's binary.
    #[arg(long)]
    server: PathBuf,
    /// A directory for files; the caller removes it.
    #[arg(long)]
    scratch: PathBuf,
    /// Directory of the socket of a `PostgreSQL` cluster to use instead of `SQLite`.
    #[arg(long, requires = "postgres_bin")]
    postgres: Option<PathBuf>,
    /// Directory of `PostgreSQL`'s programs.
    #[arg(long)]
    postgres_bin: Option<PathBuf>,
}

/// The hidden command that runs the attackers of [`together`].
#[derive(Args, Debug)]
pub(crate) struct AttackersOptions {
    /// The loopback address to attack.
    target: SocketAddr,
    /// For how many seconds.
    seconds: u64,
}

/// Attacks. Returns `false` if a row failed.
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
    // One thread: the server should have most of the machine.
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

/// Runs a row. A row that breaks off counts as failed.
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
