//! Runs the `tessera` command with any arguments as a child process.

use std::{
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    path::Path,
    process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio},
};

/// A running command. Dropping it kills the process.
pub(crate) struct Process {
    child: Child,
    output: BufReader<ChildStdout>,
    log: BufReader<ChildStderr>,
}

/// The output of a command that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit status.
    pub(crate) status: ExitStatus,
    /// The standard output.
    pub(crate) output: String,
    /// The standard error, which contains the log.
    pub(crate) log: String,
}

impl Process {
    /// Starts `tessera` on a database, with its keys in `data`.
    pub(crate) fn start(url: &str, data: &Path, args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tessera"))
            .args(["--database-url", url, "--data-dir", &data.display().to_string(), "--demo", "false"])
            .args(args)
            .env("RUST_LOG", "warn,tessera=info")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("tessera starts");
        let output = BufReader::new(child.stdout.take().expect("its output"));
        let log = BufReader::new(child.stderr.take().expect("its log"));
        Self { child, output, log }
    }

    /// Reads its output up to a line that starts with `start`. Returns the rest of that line.
    pub(crate) fn printed(&mut self, start: &str) -> String {
        next(&mut self.output, |line| line.strip_prefix(start).map(str::to_owned))
    }

    /// Reads its log up to a line that contains `part`. Returns that line.
    pub(crate) fn logged(&mut self, part: &str) -> String {
        next(&mut self.log, |line| line.contains(part).then(|| line.to_owned()))
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success(), "{name} was not sent");
    }

    /// Waits until it ends.
    pub(crate) fn end(mut self) -> Ended {
        let (mut output, mut log) = (String::new(), String::new());
        self.output.read_to_string(&mut output).expect("its output");
        self.log.read_to_string(&mut log).expect("its log");
        Ended { status: self.child.wait().expect("it ends"), output, log }
    }
}

fn next(lines: &mut impl BufRead, wanted: impl Fn(&str) -> Option<String>) -> String {
    let mut before = String::new();
    loop {
        let start = before.len();
        let count = lines.read_line(&mut before).expect("text");
        assert!(count > 0, "it ended after:\n{before}");
        if let Some(found) = wanted(before[start..].trim_end()) {
            return found;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Runs a command until it ends.
pub(crate) fn tessera(url: &str, data: &Path, args: &[&str]) -> Ended {
    Process::start(url, data, args).end()
}

/// Returns a free address of this machine, for servers whose address must be known before they start.
pub(crate) fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").to_string()
}
