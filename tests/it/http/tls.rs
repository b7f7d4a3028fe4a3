//! TLS: versions, protocols, and replacement of the certificate under open connections.

use std::{path::Path, sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
    version::{TLS12, TLS13},
};
use serde_json::json;
use tessera::http::{Listener, Patience, Timeouts};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{
    client_async,
    tungstenite::{client::IntoClientRequest, http::HeaderValue},
};

use crate::support::{World, peer::Peer, run_once, world::config};

const PATIENCE: Duration = Duration::from_secs(20);
const LIVE: &[u8] = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n";
const ANY: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

/// Writes a new certificate and its key, and returns the certificate.
fn certify(directory: &Path) -> String {
    let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a pair");
    std::fs::write(directory.join("cert.pem"), pair.cert.pem()).expect("written");
    std::fs::write(directory.join("key.pem"), pair.signing_key.serialize_pem()).expect("written");
    pair.cert.pem()
}

async fn server(world: &World, directory: &Path) -> (World, String) {
    let [chain, key] = ["cert.pem", "key.pem"].map(|file| directory.join(file).display().to_string());
    let server = world.beside(&["--tls-cert", &chain, "--tls-key", &key], Patience::default()).await;
    let timeouts = Timeouts { certificate: Duration::from_millis(20), ..Timeouts::DEFAULT };
    let address = server.listen_with(timeouts).await;
    (server, address)
}

/// Connects, trusting one certificate only.
async fn connect(
    address: &str,
    certificate: &str,
    versions: &[&'static SupportedProtocolVersion],
    protocol: &[u8],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM")).expect("a certificate");
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(versions)
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

async fn live(stream: &mut TlsStream<TcpStream>) -> String {
    stream.write_all(LIVE).await.expect("sent");
    let mut answer = String::new();
    let mut buffer = [0; 4_096];
    while !answer.ends_with('}') {
        let count = timeout(PATIENCE, stream.read(&mut buffer)).await.expect("in time").expect("an answer");
        assert!(count > 0, "closed after {answer}");
        answer.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    answer
}

#[test]
fn both_versions_and_both_protocols_are_spoken() {
    run_once(async |world: &World| {
        let directory = tempfile::tempdir().expect("a directory");
        let certificate = certify(directory.path());
        let (server, address) = server(world, directory.path()).await;
        for versions in [&[&TLS12][..], &[&TLS13]] {
            let mut stream = connect(&address, &certificate, versions, b"http/1.1").await.expect("TLS");
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
            let answer = live(&mut stream).await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            assert!(answer.contains("strict-transport-security: max-age="), "{answer}");

            let mut stream = connect(&address, &certificate, versions, b"h2").await.expect("TLS");
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
            stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.expect("sent");
            let mut frame = [0; 9];
            timeout(PATIENCE, stream.read_exact(&mut frame)).await.expect("in time").expect("a frame");
            assert_eq!(frame[3], 4, "the server's settings");
        }
        server.end().await;
    });
}

#[test]
fn version_1_1_and_plain_http_are_refused() {
    run_once(async |world: &World| {
        let directory = tempfile::tempdir().expect("a directory");
        certify(directory.path());
        let (server, address) = server(world, directory.path()).await;
        // A ClientHello of TLS 1.1 with one cipher suite.
        let hello = [&[3, 2][..], &[7; 32], &[0, 0, 2, 0, 0x2f, 1, 0]].concat();
        let length = u8::try_from(hello.len()).expect("short");
        let mut peer = Peer::connect(&address).await;
        peer.send([&[0x16, 3, 1, 0, length + 4, 1, 0, 0, length][..], &hello].concat()).await;
        let alert = peer.rest().await;
        // RFC 8446, section 6: handshake_failure (40) or protocol_version (70), both fatal.
        assert_eq!((alert[0], alert[5]), (0x15, 2), "a fatal alert: {alert:?}");
        assert!(matches!(alert[6], 40 | 70), "{alert:?}");
        let mut peer = Peer::connect(&address).await;
        peer.send(LIVE).await;
        assert!(!peer.text().await.contains("HTTP"));
        server.end().await;
    });
}

#[test]
fn a_handshake_that_stops_is_not_awaited_for_ever() {
    run_once(async |world: &World| {
        let directory = tempfile::tempdir().expect("a directory");
        certify(directory.path());
        let (server, _) = server(world, directory.path()).await;
        let address =
            server.listen_with(Timeouts { header: Duration::from_millis(200), ..Timeouts::DEFAULT }).await;
        let mut peer = Peer::connect(&address).await;
        peer.send([0x16, 3, 1]).await;
        assert_eq!(peer.text().await, "");
        server.end().await;
    });
}

#[test]
fn a_new_certificate_is_used_while_connections_stay_open() {
    run_once(async |world: &World| {
        let directory = tempfile::tempdir().expect("a directory");
        let old = certify(directory.path());
        let (server, address) = server(world, directory.path()).await;
        let mut open = connect(&address, &old, ANY, b"http/1.1").await.expect("TLS");
        live(&mut open).await;

        std::fs::write(directory.path().join("key.pem"), "no key").expect("written");
        for _ in 0..10 {
            assert!(connect(&address, &old, ANY, b"h2").await.is_ok(), "a bad pair is not used");
        }
        let new = certify(directory.path());
        let replaced = async { while connect(&address, &new, ANY, b"h2").await.is_err() {} };
        timeout(PATIENCE, replaced).await.expect("the new certificate");
        assert!(connect(&address, &old, ANY, b"h2").await.is_err());
        assert!(live(&mut open).await.starts_with("HTTP/1.1 200"));
        server.end().await;
    });
}

#[test]
fn a_socket_opens_over_tls() {
    run_once(async |world: &World| {
        let directory = tempfile::tempdir().expect("a directory");
        let certificate = certify(directory.path());
        let (server, address) = server(world, directory.path()).await;
        let stream = connect(&address, &certificate, ANY, b"http/1.1").await.expect("TLS");
        let mut request = "wss://localhost/graphql".into_client_request().expect("a request");
        request
            .headers_mut()
            .insert("sec-websocket-protocol", HeaderValue::from_static("graphql-transport-ws"));
        request.headers_mut().insert("origin", HeaderValue::from_static("https://localhost"));
        let (mut socket, _) = client_async(request, stream).await.expect("a socket");
        socket.send(json!({ "type": "connection_init" }).to_string().into()).await.expect("sent");
        let answer =
            timeout(PATIENCE, socket.next()).await.expect("in time").expect("open").expect("a frame");
        assert_eq!(answer.into_text().expect("text").as_str(), r#"{"type":"connection_ack"}"#);
        server.end().await;
    });
}

#[test]
fn a_certificate_that_cannot_be_used_is_named_at_the_start() {
    run_once(async |_: &World| {
        let settings = config(&[
            "--listen",
            "127.0.0.1:0",
            "--tls-cert",
            "/none/cert.pem",
            "--tls-key",
            "/none/key.pem",
        ]);
        let error = Listener::bind(&settings).await.err().expect("refused").to_string();
        assert!(error.contains("TESSERA_TLS_CERT") && error.contains("/none/cert.pem"), "{error}");
        assert!(config(&["--tls-cert", "/none/cert.pem"]).validate().is_err(), "a pair or none");
    });
}
