//! Measures Tessera. The release server runs as a process and is measured over real sockets. Reference implementations
//! run on the same machine within minutes. `scripts/bench` builds and runs it. `docs/performance.md` describes the
//! method of each row.
//!
//! Server, database and load generator share the machine. So the generator saves processor time: one thread, keep-alive
//! connections, requests built from prepared parts, and responses that are scanned but not parsed.
//!
//! Layout: `rows` has the table's rows. `server`, `stage`, `postgres`, `pgbench` and `sqlite` set up the measured
//! systems and the references. `attack` replays attacks, and `faults` causes faults. Both use `caller`, `calls`,
//! `socket` and `process`. `http`, `buyer`, `crowd`, `frame` and `watchers` are the load. `bare` has the bare servers.

mod attack;
mod bare;
mod bench;
mod buyer;
mod caller;
mod calls;
mod crowd;
mod faults;
mod frame;
mod http;
mod open_loop;
mod pgbench;
mod postgres;
mod process;
mod rows;
mod server;
mod socket;
mod sqlite;
mod stage;
mod stats;
mod table;
mod watchers;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// The reason why a measurement failed.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;
/// The result of a measurement.
pub(crate) type Outcome<T> = Result<T, Failure>;

/// Measures Tessera and prints a table.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure, and print the table.
    Run(bench::Options),
    /// Attack the server, and print the cost of each attack.
    Attack(attack::Options),
    /// Cause faults under load, and print the lost data.
    Faults(faults::Options),
    /// Run the attackers of `attack --all-together`.
    #[command(hide = true)]
    Attackers(attack::AttackersOptions),
    /// Run a bare WebSocket broadcast for comparison.
    #[command(hide = true)]
    BareBroadcast,
    /// Run a route that responds with a file's bytes, for comparison.
    #[command(hide = true)]
    BareStatic {
        /// The file.
        file: PathBuf,
    },
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run(options) => rows::measure(options),
        Command::Attack(options) => attack::run(options),
        Command::Faults(options) => faults::run(options),
        Command::Attackers(options) => attack::attackers(&options),
        Command::BareBroadcast => bare::broadcast(),
        Command::BareStatic { file } => bare::fixed(&file),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("tessera-bench: {failure}");
            ExitCode::FAILURE
        }
    }
}
