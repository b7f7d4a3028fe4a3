//! A server process that is killed, paused, stopped and restarted at the same address.

use std::{
    fs::{self, OpenOptions},
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use crate::{Outcome, faults::cluster, process::configure};

/// The maximum duration of a start.
const START: Duration = Duration::from_mins(1);
/// The maximum duration of an orderly stop.
const STOP: Duration = Duration::from_secs(30);

/// A running or stopped instance.
#[derive(Debug)]
pub(crate) struct Instance {
    /// The address on which it listens while it runs.
    pub(crate) address: SocketAddr,
    server: PathBuf,
    home: PathBuf,
    keys: PathBuf,
    url: String,
    variables: Vec<(String, String)>,
    child: Option<Child>,
}

/// Settings that raise the limits for many clients of a few addresses. Limits are not part of this test.
const LIMITS: [(&str, &str); 9] = [
    ("TESSERA_UNPAID_PLACES_PER_NETWORK", "1000000"),
    ("TESSERA_UNPAID_PERCENT", "100"),
    ("TESSERA_WASTED_PLACES", "0"),
    ("TESSERA_ACCESS_SECONDS", "3600"),
    ("TESSERA_ACCOUNT_RESERVE", "100000:1000000"),
    ("TESSERA_ACCOUNT_PAY", "100000:1000000"),
    ("TESSERA_ACCOUNT_BROWSE", "1000000:10000000"),
    ("TESSERA_ACCOUNT_SIGN_IN", "100000:1000000"),
    ("TESSERA_DEMO", "false"),
];

impl Instance {
    /// Creates a stopped instance on this database. All instances of a database share `keys`.
    pub(crate) fn new(server: &Path, home: &Path, keys: &Path, url: &str) -> Outcome<Self> {
        fs::create_dir_all(home)?;
        Ok(Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, cluster::free_port()?)),
            server: server.to_owned(),
            home: home.to_owned(),
            keys: keys.to_owned(),
            url: url.to_owned(),
            variables: Vec::new(),
            child: None,
        })
    }

    /// Sets an environment variable for its next starts.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Returns a command of the server's program with this instance's settings.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.server);
        configure(&mut command, "development", &self.home, &self.url);
        command.envs(LIMITS).env("RUST_LOG", "info").env("TESSERA_KEYS_DIR", &self.keys);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts it, and waits until it listens.
    pub(crate) fn start(&mut self) -> Outcome<()> {
        self.kill();
        let log = OpenOptions::new().create(true).append(true).open(self.log_file())?;
        let mut command = self.command();
        command.args(["--listen", &self.address.to_string()]);
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn()?;
        let output = child.stdout.take().ok_or("no output")?;
        self.child = Some(child);
        let (sender, receiver) = mpsc::sync_channel(1);
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if line.starts_with("listening on ") {
                    let _ = sender.try_send(());
                }
            }
        });
        if receiver.recv_timeout(START).is_ok() {
            return Ok(());
        }
        self.kill();
        let log = self.log();
        let tail = log.lines().rev().take(3).collect::<Vec<_>>().join(" / ");
        Err(format!("an instance did not start: {tail}").into())
    }

    /// Kills it (`kill -9`).
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended already. The process id belongs to this child, so no other process is killed.
            drop(child.kill());
            drop(child.wait());
        }
    }

    /// Stops it in an orderly way. Returns the duration, or `None` if it had to be killed.
    pub(crate) fn stop(&mut self) -> Outcome<Option<Duration>> {
        let begun = Instant::now();
        self.signal("-TERM")?;
        if let Some(child) = &mut self.child {
            while begun.elapsed() < STOP {
                if child.try_wait()?.is_some() {
                    self.child = None;
                    return Ok(Some(begun.elapsed()));
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
        self.kill();
        Ok(None)
    }

    /// Pauses it. Its sockets stay open.
    pub(crate) fn pause(&self) -> Outcome<()> {
        self.signal("-STOP")
    }

    /// Resumes it.
    pub(crate) fn go_on(&self) -> Outcome<()> {
        self.signal("-CONT")
    }

    fn signal(&self, signal: &str) -> Outcome<()> {
        let child = self.child.as_ref().ok_or("the instance does not run")?;
        cluster::run(Command::new("kill").args([signal, &child.id().to_string()]))
    }

    /// Returns whether the process ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().is_ok_and(|status| status.is_some()))
    }

    /// Returns the log of all its runs.
    pub(crate) fn log(&self) -> String {
        let bytes = fs::read(self.log_file()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn log_file(&self) -> PathBuf {
        self.home.join("faults.log")
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.kill();
    }
}
