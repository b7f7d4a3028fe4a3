//! A TCP client that sends raw bytes, for requests that no correct client sends.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

/// The timeout of all waits. Longer than any operation in these tests.
const PATIENCE: Duration = Duration::from_secs(20);

/// A TCP connection.
pub(crate) struct Peer(TcpStream);

impl Peer {
    /// Connects.
    pub(crate) async fn connect(address: &str) -> Self {
        Self(TcpStream::connect(address).await.expect("a connection"))
    }

    /// Connects with a small receive buffer.
    pub(crate) async fn narrow(address: &str) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4_096).expect("a small buffer");
        Self(socket.connect(address.parse().expect("an address")).await.expect("a connection"))
    }

    /// Sends bytes. The server may have closed already.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.0.write_all(bytes.as_ref()).await;
    }

    /// Sends the bytes repeatedly and reads nothing, until the server breaks the connection.
    pub(crate) async fn flood(&mut self, bytes: &[u8]) {
        let flood = async { while self.0.write_all(bytes).await.is_ok() {} };
        timeout(PATIENCE, flood).await.expect("the server breaks the connection");
    }

    /// Does the same, but reads and discards the server's data.
    pub(crate) async fn flood_and_read(&mut self, bytes: &[u8]) {
        let (mut reader, mut writer) = self.0.split();
        let mut buffer = vec![0; 64 * 1024];
        let ended = async { while reader.read(&mut buffer).await.is_ok_and(|count| count > 0) {} };
        let flood = async { while writer.write_all(bytes).await.is_ok() {} };
        let ends = async {
            tokio::select! { () = ended => {}, () = flood => {} }
        };
        timeout(PATIENCE, ends).await.expect("the server breaks the connection");
    }

    /// Sends the bytes at this interval, until the server closes the connection.
    pub(crate) async fn drip(&mut self, bytes: &[u8], every: Duration) {
        let (mut reader, mut writer) = self.0.split();
        let mut answer = Vec::new();
        let ended = async { while reader.read_buf(&mut answer).await.is_ok_and(|count| count > 0) {} };
        let drip = async {
            loop {
                tokio::time::sleep(every).await;
                let _ = writer.write_all(bytes).await;
            }
        };
        let ends = async {
            tokio::select! { () = ended => {}, () = drip => {} }
        };
        timeout(PATIENCE, ends).await.expect("the server closes the connection");
    }

    /// Reads until the server closes the connection.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let read = timeout(PATIENCE, self.0.read_to_end(&mut bytes)).await;
        // A reset also ends the connection.
        let _ = read.expect("the server closes the connection");
        bytes
    }

    /// Does the same and returns text.
    pub(crate) async fn text(&mut self) -> String {
        String::from_utf8_lossy(&self.rest().await).into_owned()
    }

    /// Reads a response with a short body and leaves the connection open.
    pub(crate) async fn answer(&mut self) -> String {
        let mut text = String::new();
        let read = async {
            let mut buffer = [0; 4_096];
            while !(text.contains("\r\n\r\n") && text.ends_with('}')) {
                let count = self.0.read(&mut buffer).await.expect("an answer");
                assert!(count > 0, "closed after {text}");
                text.push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
        };
        timeout(PATIENCE, read).await.expect("an answer in time");
        text
    }
}

/// Requests a path over a new connection, with these header lines.
pub(crate) async fn ask(address: &str, path: &str, lines: &[&str]) -> String {
    let mut peer = Peer::connect(address).await;
    let lines: String = lines.iter().flat_map(|line| [line, "\r\n"]).collect();
    peer.send(format!("GET {path} HTTP/1.1\r\nconnection: close\r\n{lines}\r\n")).await;
    peer.text().await
}

/// Returns the status of a response.
pub(crate) fn status(answer: &str) -> u16 {
    let status = answer.split(' ').nth(1).unwrap_or_default();
    status.parse().unwrap_or_else(|_| panic!("no answer: {answer:?}"))
}
