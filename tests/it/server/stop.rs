//! Stop of a server: not ready, then no new connections; a second signal stops it at once.

use serde_json::json;

use crate::support::{
    blocking::block_on,
    command::Process,
    peer::{self, Peer},
    process::{Came, request},
    sqlite,
    world::migrate,
};

fn start(url: &str, data: &std::path::Path, drain: &str) -> (Process, String) {
    let mut server = Process::start(url, data, &["--listen", "127.0.0.1:0", "--drain-seconds", drain]);
    let address = server.printed("listening on http://");
    (server, address)
}

#[test]
fn server_that_drains_is_not_ready_but_serves() {
    let database = sqlite::database("migrated", migrate);
    let data = tempfile::tempdir().expect("a directory");
    let (mut server, address) = start(&database.url, data.path(), "600");
    let host = format!("host: {address}");
    let ask = |path: &str| block_on(async || peer::ask(&address, path, &[&host]).await);
    assert_eq!(peer::status(&ask("/health/ready")), 200);
    let mut before = block_on_peer(&address);
    server.signal("-TERM");
    server.logged("no longer ready");
    assert_eq!(peer::status(&ask("/health/ready")), 503);
    assert_eq!(peer::status(&ask("/health/live")), 200);
    // New connections are served, and a connection from before ends with its next answer.
    let document = "{ __typename }";
    let came = block_on(async || request(&address, None, document, &json!({})).await);
    assert!(matches!(&came, Came::Answered(answer) if answer["data"]["__typename"] == "Query"), "{came:?}");
    let (runtime, peer) = &mut before;
    let answer = runtime.block_on(async {
        peer.send(format!("GET /health/live HTTP/1.1\r\n{host}\r\n\r\n")).await;
        peer.text().await
    });
    assert!(answer.contains("connection: close"), "{answer}");
    // After a second signal it ends at once.
    server.signal("-TERM");
    let ended = server.end();
    assert_eq!(ended.status.code(), Some(130), "{}", ended.log);
    assert!(ended.log.contains("second stop signal"), "{}", ended.log);
}

/// A connection that has carried one request.
fn block_on_peer(address: &str) -> (tokio::runtime::Runtime, Peer) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let peer = runtime.block_on(async {
        let mut peer = Peer::connect(address).await;
        peer.send(format!("GET /health/live HTTP/1.1\r\nhost: {address}\r\n\r\n")).await;
        let answer = peer.answer().await;
        assert!(!answer.contains("connection: close"), "{answer}");
        peer
    });
    (runtime, peer)
}

#[test]
fn server_ends_in_order_after_the_drain() {
    let database = sqlite::database("migrated", migrate);
    let data = tempfile::tempdir().expect("a directory");
    for (drain, drains) in [("0", false), ("1", true)] {
        let (server, address) = start(&database.url, data.path(), drain);
        server.signal("-INT");
        let ended = server.end();
        assert!(ended.status.success(), "{}", ended.log);
        assert_eq!(ended.log.contains("no longer ready"), drains, "{}", ended.log);
        let came = block_on(async || request(&address, None, "{ __typename }", &json!({})).await);
        assert!(matches!(came, Came::NotSent), "{came:?}");
    }
}
