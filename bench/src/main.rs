//! Measures Tessera: the release server as a process of its own, over real sockets, beside references that run on the
//! same machine minutes apart. `scripts/bench` builds and calls it; `docs/performance.md` tells the method of each row.
//!
//! Server, database and load generator share the machine, so the generator is frugal: one thread, keep-alive
//! connections, requests put together from ready-made pieces, answers looked at and not parsed.
//!
//! Layout: `rows` has the table's rows; `server`, `stage`, `postgres`, `pgbench` and `sqlite` set up what is measured and
//! what it is compared with; `attack` replays attacks; `faults` breaks things;
//! `caller`, `calls`, `socket` and `process` are shared by both; `http`, `buyer`, `crowd`, `frame` and `watchers` are the load; `bare` the bare servers.

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

/// Why a measurement is none.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;
/// A measurement's outcome.
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
    /// Attack, and print what each attack cost.
    Attack(attack::Options),
    /// Cause faults under load, and print what was lost.
    Faults(faults::Options),
    /// The attackers of `attack --all-together`.
    #[command(hide = true)]
    Attackers(attack::AttackersOptions),
    /// A bare WebSocket broadcast, to compare with.
    #[command(hide = true)]
    BareBroadcast,
    /// A route that answers with a file's bytes, to compare with.
    #[command(hide = true)]
    BareStatic {
        /// What to answer.
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
