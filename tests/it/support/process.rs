//! A real server as a child process that tests can kill.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The interval of checking whether a child process has ended.
const POLL: Duration = Duration::from_millis(20);

/// The timeout of an orderly stop.
const STOP: Duration = Duration::from_mins(1);

use super::panics::Watcher;

/// A running server. Dropping it kills the process, and fails the test if the server has panicked.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// Reads the server's log; `None` if the test has redirected it.
    log: Option<Watcher>,
    /// The address on which it listens.
    pub(crate) address: String,
}

impl Server {
    /// Starts a server and waits until it listens. Servers with the same data directory share their keys.
    pub(crate) fn start(url: &str, data: &Path) -> Self {
        let command = Command::new(env!("CARGO_BIN_EXE_tessera"));
        Self::run(command, url, data, |command| command.env("RUST_LOG", "off"))
    }

    /// Does the same with further settings.
    pub(crate) fn start_with(
        url: &str,
        data: &Path,
        settings: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Self {
        Self::run(Command::new(env!("CARGO_BIN_EXE_tessera")), url, data, settings)
    }

    /// Does the same with a limit of open files.
    pub(crate) fn start_with_files(files: u32, url: &str, data: &Path) -> Self {
        let mut shell = Command::new("sh");
        let limited = format!("ulimit -n {files}; exec \"$0\" \"$@\"");
        shell.args(["-c", &limited, env!("CARGO_BIN_EXE_tessera")]);
        Self::run(shell, url, data, |command| command.env("RUST_LOG", "off"))
    }

    fn run(
        mut command: Command,
        url: &str,
        data: &Path,
        settings: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Self {
        command
            .args(["--listen", "127.0.0.1:0", "--demo", "false", "--database-url", url])
            .args(["--data-dir", &data.display().to_string()])
            .args(["--allowed-networks", "127.0.0.0/8"])
            .stderr(Stdio::piped());
        let mut child = settings(&mut command).stdout(Stdio::piped()).spawn().expect("the server starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let address = loop {
            let line = lines.next().expect("a line").expect("text");
            if let Some(address) = line.strip_prefix("listening on http://") {
                break address.to_owned();
            }
        };
        let log = child.stderr.take().map(Watcher::of);
        Self { child, log, address }
    }

    /// Sends SIGTERM and waits until the server has ended.
    pub(crate) fn stop(mut self) {
        let status = self.stop_within(STOP);
        assert!(status.is_some_and(|status| status.success()), "{STOP:?} after SIGTERM: {status:?}");
    }

    /// Sends SIGTERM. Returns the exit status, or `None` if the server still runs after this time.
    pub(crate) fn stop_within(&mut self, bound: Duration) -> Option<ExitStatus> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
        let begun = Instant::now();
        while begun.elapsed() < bound {
            if let Some(status) = self.child.try_wait().expect("its status") {
                return Some(status);
            }
            thread::sleep(POLL);
        }
        None
    }

    /// Kills the server (`kill -9`). May be called again.
    pub(crate) fn kill(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A failed test leaves no server behind.
impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if let Some(log) = &mut self.log {
            log.judge();
        }
    }
}

/// The result of a request.
#[derive(Debug)]
pub(crate) enum Came {
    /// A response.
    Answered(Value),
    /// The server died before it responded.
    Lost,
    /// There was no server.
    NotSent,
}

/// Sends a GraphQL request over a new connection.
pub(crate) async fn request(address: &str, token: Option<&str>, document: &str, variables: &Value) -> Came {
    match TcpStream::connect(address).await {
        Ok(stream) => {
            let came = exchange(stream, address, token, (document, variables)).await;
            came.map_or(Came::Lost, |(_, body)| Came::Answered(body))
        }
        Err(_) => Came::NotSent,
    }
}

/// Sends a request. Returns the status and the body of the response, or `None` if the connection broke.
pub(crate) async fn exchange(
    mut stream: TcpStream,
    address: &str,
    token: Option<&str>,
    (document, variables): (&str, &Value),
) -> Option<(u16, Value)> {
    let body = json!({ "query": document, "variables": variables }).to_string();
    let authorization = token.map_or(String::new(), |token| format!("authorization: Bearer {token}\r\n"));
    let head = format!(
        "POST /graphql HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n{authorization}\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    let text = String::from_utf8(answer).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    // An incomplete response counts as none.
    Some((status, serde_json::from_str(body.trim()).ok()?))
}
