//! Traces: exported to a collector, joined to the caller's trace, and complete before the server ends.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use crate::support::{process::Server, sqlite, world::migrate};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";
const UNSAMPLED: &str = "1bf7651916cd43dd8448eb211c80319c";

type Bodies = Arc<Mutex<Vec<Vec<u8>>>>;

/// A collector that keeps the bodies of `POST /v1/traces`. Its thread ends with the process.
fn collector() -> (SocketAddr, Bodies) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("an address");
    let bodies = Bodies::default();
    let kept = bodies.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let kept = kept.clone();
            thread::spawn(move || drop(stream.map(|stream| collect(stream, &kept))));
        }
    });
    (address, bodies)
}

fn collect(stream: TcpStream, kept: &Bodies) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut first, mut length) = (String::new(), 0);
        reader.read_line(&mut first)?;
        if first.is_empty() {
            return Ok(());
        }
        assert!(first.starts_with("POST /v1/traces "), "{first}");
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let line = line.trim().to_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
            if let Some(value) = line.strip_prefix("content-type:") {
                assert_eq!(value.trim(), "application/x-protobuf");
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        kept.lock().expect("kept").push(body);
        reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
    }
}

/// Sends `{ __typename }` with a `traceparent`.
fn ask(address: &str, traceparent: &str) {
    let body = r#"{"query":"{ __typename }"}"#;
    let mut stream = TcpStream::connect(address).expect("connected");
    let request = format!(
        "POST /graphql HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         traceparent: {traceparent}\r\nbaggage: secret=evil-baggage\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.contains("__typename"), "{answer}");
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
}

fn count(haystack: &[u8], needle: &[u8]) -> usize {
    haystack.windows(needle.len()).filter(|window| *window == needle).count()
}

#[test]
fn a_request_joins_the_trace_of_its_caller() {
    let (collector, bodies) = collector();
    let database = sqlite::database("migrated", migrate);
    let data = tempfile::tempdir().expect("a directory");
    let server = Server::start_with(&database.url, data.path(), |command| {
        command.env("RUST_LOG", "off").args(["--otlp-endpoint", &format!("http://{collector}")])
    });
    ask(&server.address, &format!("00-{TRACE}-{PARENT}-01"));
    ask(&server.address, &format!("00-{UNSAMPLED}-{PARENT}-00"));
    server.stop();
    let sent = bodies.lock().expect("kept").concat();
    assert!(count(&sent, &bytes(TRACE)) >= 2, "the request and the operation, in {} bytes", sent.len());
    assert_eq!(count(&sent, &bytes(UNSAMPLED)), 0, "the caller does not record its trace");
    assert!(count(&sent, &bytes(PARENT)) >= 1, "the caller's span is the parent");
    for name in ["request", "graphql", "tessera"] {
        assert!(count(&sent, name.as_bytes()) >= 1, "{name}");
    }
    assert_eq!(count(&sent, b"evil-baggage"), 0);
}
