//! A server process that is stopped when dropped.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
};

use crate::{Outcome, bench::Bench};

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    /// `host:port`.
    pub(crate) address: String,
    child: Child,
}

/// The location of a server's data.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    /// The URL of the database.
    pub(crate) url: String,
    /// The directory of its keys.
    pub(crate) data: PathBuf,
}

impl Home {
    /// Creates an empty database in the cluster.
    pub(crate) async fn on_postgres(bench: &Bench) -> Outcome<Self> {
        let url = bench.cluster.create(&bench.name("bench")).await?;
        Ok(Self { url, data: bench.directory("data")? })
    }

    /// Creates a new database file.
    pub(crate) fn on_sqlite(bench: &Bench) -> Outcome<Self> {
        let data = bench.directory("data")?;
        Ok(Self { url: format!("sqlite://{}", data.join("tessera.db").display()), data })
    }
}

impl Server {
    /// Starts Tessera as in production, with limits, keys and durability.
    pub(crate) fn tessera(bench: &Bench, home: &Home) -> Outcome<Self> {
        let mut command = command(bench, home);
        command.args(["--listen", "127.0.0.1:0", "--demo", "false", "--access-seconds", "3600"]);
        // All clients have the same address.
        command.args(["--allowed-networks", "127.0.0.0/8"]);
        Self::spawn(command)
    }

    /// Starts one of the bare servers of this program.
    pub(crate) fn bare(arguments: &[&str]) -> Outcome<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(arguments);
        Self::spawn(command)
    }

    /// Waits for the line with the server's address. Further output goes to this process's standard error.
    fn spawn(mut command: Command) -> Outcome<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("listening on http://").map(str::to_owned));
        let server = Self { address: address.unwrap_or_default(), child };
        if server.address.is_empty() {
            return Err("the server did not start".into());
        }
        thread::spawn(move || lines.map_while(Result::ok).for_each(|line| eprintln!("server: {line}")));
        Ok(server)
    }

    /// Returns the resident memory of the process, in KiB.
    pub(crate) fn resident_kib(&self) -> Outcome<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already. The process id belongs to this child, so no other process is killed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Runs a subcommand of Tessera until it ends.
pub(crate) fn run(bench: &Bench, home: &Home, arguments: &[&str]) -> Outcome<()> {
    let status = command(bench, home).args(arguments).stdout(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(format!("tessera {arguments:?} failed").into()) }
}

fn command(bench: &Bench, home: &Home) -> Command {
    let mut command = Command::new(&bench.server);
    command
        .args(["--env", "development", "--database-url", &home.url, "--data-dir"])
        .arg::<&Path>(&home.data)
        // All buyers have the same address and do not pay.
        .env("TESSERA_UNPAID_PLACES_PER_NETWORK", "1000000")
        .env("TESSERA_UNPAID_PERCENT", "100")
        .env("TESSERA_WASTED_PLACES", "0")
        .env("TESSERA_ALLOWED_NETWORKS", "127.0.0.0/8")
        .env("TESSERA_ALLOWED_HOSTS", "tessera")
        .env("RUST_LOG", "warn");
    command
}
