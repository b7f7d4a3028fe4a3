//! The real server, as a process of its own that can be killed.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A running server. It is killed with this value.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) address: String,
}

impl Server {
    /// Starts one and waits until it listens. Servers with the same data directory have the same keys.
    pub(crate) fn start(url: &str, data: &Path) -> Self {
        Self::start_with(url, data, |command| command.env("RUST_LOG", "off"))
    }

    /// The same with further settings.
    pub(crate) fn start_with(
        url: &str,
        data: &Path,
        settings: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tessera"));
        command
            .args(["--listen", "127.0.0.1:0", "--demo", "false", "--database-url", url])
            .args(["--data-dir", &data.display().to_string()]);
        let mut child = settings(&mut command).stdout(Stdio::piped()).spawn().expect("the server starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let address = loop {
            let line = lines.next().expect("a line").expect("text");
            if let Some(address) = line.strip_prefix("listening on http://") {
                break address.to_owned();
            }
        };
        Self { child, address }
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
        assert!(self.child.wait().expect("it ends").success());
    }

    /// `kill -9`. Killed before, it stays so.
    pub(crate) fn kill(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A test that fails leaves no server behind.
impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What came of a request.
#[derive(Debug)]
pub(crate) enum Came {
    /// An answer.
    Answered(Value),
    /// The server died before it answered.
    Lost,
    /// There was no server.
    NotSent,
}

/// A request of GraphQL over a connection of its own.
pub(crate) async fn request(address: &str, token: Option<&str>, document: &str, variables: &Value) -> Came {
    match TcpStream::connect(address).await {
        Ok(stream) => {
            exchange(stream, address, token, document, variables).await.map_or(Came::Lost, Came::Answered)
        }
        Err(_) => Came::NotSent,
    }
}

async fn exchange(
    mut stream: TcpStream,
    address: &str,
    token: Option<&str>,
    document: &str,
    variables: &Value,
) -> Option<Value> {
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
    let (_, body) = text.split_once("\r\n\r\n")?;
    // An answer that was cut off is none.
    serde_json::from_str(body.trim()).ok()
}
