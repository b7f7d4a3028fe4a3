//! A temporary PostgreSQL cluster: started, killed, copied to a standby, and promoted.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::Outcome;

/// A running cluster. Dropping it stops the cluster.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// The TCP port on 127.0.0.1.
    pub(crate) port: u16,
    programs: PathBuf,
    home: PathBuf,
}

/// Settings of durable commits, as in production, and of small memory.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
max_connections = 100
shared_buffers = 64MB
max_wal_size = 128MB
fsync = on
synchronous_commit = on
full_page_writes = on
restart_after_crash = on
wal_level = replica
";

impl Cluster {
    /// Creates and starts an empty cluster in this directory.
    pub(crate) fn begin(programs: &Path, home: &Path) -> Outcome<Self> {
        fs::create_dir_all(home)?;
        let cluster = Self { port: free_port()?, programs: programs.to_owned(), home: home.to_owned() };
        Self::own(home)?;
        let data = cluster.data();
        run(cluster
            .program("initdb")
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--wal-segsize=1", "-D"])
            .arg(&data))?;
        cluster.configure(SETTINGS)?;
        cluster.start()?;
        Ok(cluster)
    }

    /// Creates a synchronous standby of this cluster in another directory.
    pub(crate) fn standby(&self, home: &Path) -> Outcome<Self> {
        fs::create_dir_all(home)?;
        let standby = Self { port: free_port()?, programs: self.programs.clone(), home: home.to_owned() };
        Self::own(home)?;
        let source = format!("host=127.0.0.1 port={} user=postgres application_name=standby", self.port);
        run(self
            .program("pg_basebackup")
            .args(["-R", "-X", "stream", "-c", "fast", "-d", &source, "-D"])
            .arg(standby.data()))?;
        standby.configure("")?;
        standby.start()?;
        Ok(standby)
    }

    /// Returns the URL of a database in this cluster.
    pub(crate) fn url(&self, name: &str) -> String {
        url(self.port, name)
    }

    /// Starts it, and waits until it accepts connections.
    pub(crate) fn start(&self) -> Outcome<()> {
        self.control(&["-w", "-t", "60", "start"])
    }

    /// Starts it if it is stopped.
    pub(crate) fn ensure(&self) -> Outcome<()> {
        if self.control(&["status"]).is_ok() { Ok(()) } else { self.start() }
    }

    /// Stops it like a crash, without a checkpoint.
    pub(crate) fn crash(&self) -> Outcome<()> {
        self.control(&["-m", "immediate", "stop"])
    }

    /// Stops it like a crash, and starts it again.
    pub(crate) fn crash_and_restart(&self) -> Outcome<()> {
        self.control(&["-m", "immediate", "-w", "-t", "60", "restart"])
    }

    /// Promotes a standby to primary.
    pub(crate) fn promote(&self) -> Outcome<()> {
        self.control(&["-w", "-t", "60", "promote"])
    }

    fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    /// Appends the given settings and the cluster's own settings.
    fn configure(&self, settings: &str) -> Outcome<()> {
        let file = self.data().join("postgresql.conf");
        let home = self.home.display();
        let text = fs::read_to_string(&file)?;
        let own = format!("port = {}\nunix_socket_directories = '{home}'\n", self.port);
        Ok(fs::write(&file, text + settings + &own)?)
    }

    fn control(&self, arguments: &[&str]) -> Outcome<()> {
        let log = self.home.join("log");
        run(self
            .program("pg_ctl")
            .arg("-D")
            .arg(self.data())
            .arg("-l")
            .arg(log)
            .arg("-s")
            .args(arguments)
            .current_dir(&self.home))
    }

    /// PostgreSQL refuses to run as root.
    fn program(&self, name: &str) -> Command {
        let path = self.programs.join(name);
        if !is_root() {
            return Command::new(path);
        }
        let mut command = Command::new("setpriv");
        command.args(["--reuid", user(), "--regid", user(), "--clear-groups", "--", "env", "HOME=/"]);
        command.arg(path);
        command
    }

    fn own(home: &Path) -> Outcome<()> {
        if is_root() { run(Command::new("chown").arg(format!("{}:", user())).arg(home)) } else { Ok(()) }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.crash());
    }
}

/// Returns the URL of a database at this port.
pub(crate) fn url(port: u16, name: &str) -> String {
    format!("postgres://postgres@127.0.0.1:{port}/{name}?sslmode=disable")
}

/// Returns a free port of 127.0.0.1. It is below the range of outgoing connections, so that a process gets it again
/// after a restart.
pub(crate) fn free_port() -> Outcome<u16> {
    for _ in 0..100 {
        let [high, low, ..] = uuid::Uuid::new_v4().into_bytes();
        let port = 20_000 + u16::from_be_bytes([high, low]) % 12_000;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err("no port is free".into())
}

/// Runs a program until it ends. An error contains its output.
pub(crate) fn run(command: &mut Command) -> Outcome<()> {
    // Use a file instead of a pipe: a server started by the program would keep a pipe open.
    let path = std::env::temp_dir().join(format!("tessera-faults-{}", uuid::Uuid::new_v4()));
    let output = fs::File::create(&path)?;
    let status = command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).status();
    let text = fs::read_to_string(&path).unwrap_or_default();
    fs::remove_file(&path)?;
    if status?.success() {
        return Ok(());
    }
    Err(format!("{} failed: {}", command.get_program().display(), text.trim()).into())
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn user() -> &'static str {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    if users.lines().any(|line| line.starts_with("postgres:")) { "postgres" } else { "nobody" }
}
