//! A PostgreSQL cluster of our own: started, killed, copied to a standby and promoted.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::Outcome;

/// A running cluster. It ends with the value.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// The TCP port on 127.0.0.1.
    pub(crate) port: u16,
    programs: PathBuf,
    home: PathBuf,
}

/// Settings that make commits durable, as an operator has them, and that keep a small cluster small.
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
    /// Makes and starts an empty cluster in this directory.
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

    /// A synchronous standby of this cluster in another directory.
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

    /// The URL of a database in this cluster.
    pub(crate) fn url(&self, name: &str) -> String {
        url(self.port, name)
    }

    /// Starts it, and waits until it accepts connections.
    pub(crate) fn start(&self) -> Outcome<()> {
        self.control(&["-w", "-t", "60", "start"])
    }

    /// Starts it unless it runs.
    pub(crate) fn ensure(&self) -> Outcome<()> {
        if self.control(&["status"]).is_ok() { Ok(()) } else { self.start() }
    }

    /// Ends it as a crash does: without a checkpoint.
    pub(crate) fn crash(&self) -> Outcome<()> {
        self.control(&["-m", "immediate", "stop"])
    }

    /// Ends it as a crash does, and starts it again.
    pub(crate) fn crash_and_restart(&self) -> Outcome<()> {
        self.control(&["-m", "immediate", "-w", "-t", "60", "restart"])
    }

    /// Makes a standby the primary.
    pub(crate) fn promote(&self) -> Outcome<()> {
        self.control(&["-w", "-t", "60", "promote"])
    }

    fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    /// Appends settings, and those that differ for each cluster.
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

/// The URL of a database behind this port.
pub(crate) fn url(port: u16, name: &str) -> String {
    format!("postgres://postgres@127.0.0.1:{port}/{name}?sslmode=disable")
}

/// A port of 127.0.0.1 that nothing listens on. It is below the range that outgoing connections take their ports from, so
/// that a process gets it back after a restart.
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

/// Runs a program to its end. An error has what it wrote.
pub(crate) fn run(command: &mut Command) -> Outcome<()> {
    // A file and no pipe: a server that the program starts would keep a pipe open.
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
