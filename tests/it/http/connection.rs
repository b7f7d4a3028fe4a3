//! Idle and slow connections: they are closed in time, and their number is limited.

use std::time::Duration;

use serde_json::json;
use tessera::http::{Patience, Timeouts};

use crate::support::{
    World,
    blocking::block_on,
    peer::{Peer, ask, status},
    process::Server,
    run_once,
    socket::Socket,
    sqlite,
    world::migrate,
};

const LOCAL: &str = "host: localhost";
const LIVE: &str = "GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n";
const HALF: &str = "GET /graphql HTTP/1.1\r\nhost: localhost\r\nx-half: ";
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const LARGE: &str = include_str!("../../../src/http/guard/introspection.graphql");

/// So soon that a test waits for it, and so late that the machine is not in the way.
const SOON: Duration = Duration::from_millis(200);
/// Never within a test.
const NEVER: Duration = Duration::from_hours(1);

/// All the patience in the world: what ends a connection is what the test makes short.
const PATIENT: Timeouts = Timeouts {
    header: NEVER,
    idle: NEVER,
    write: NEVER,
    body_stall: NEVER,
    body: NEVER,
    reserved: NEVER,
    farewell: Duration::from_millis(100),
    certificate: NEVER,
};

#[test]
fn connection_without_a_complete_header_is_closed() {
    run_once(async |world: &World| {
        let address = world.listen_with(Timeouts { header: SOON, ..PATIENT }).await;
        let beginnings = [b"".as_slice(), b"G", HALF.as_bytes(), &PREFACE[..10]];
        for beginning in beginnings {
            let mut peer = Peer::connect(&address).await;
            peer.send(beginning).await;
            assert_eq!(peer.text().await, "", "{beginning:?}");
        }
        // A byte now and then does not help.
        let mut peer = Peer::connect(&address).await;
        peer.send(HALF).await;
        peer.drip(b"x", SOON / 4).await;
    });
}

#[test]
fn a_connection_that_sends_only_the_preface_of_http2_is_closed() {
    run_once(async |world: &World| {
        let address = world.listen_with(Timeouts { header: SOON, ..PATIENT }).await;
        let mut peer = Peer::connect(&address).await;
        peer.send(PREFACE).await;
        peer.send(settings(&[])).await;
        assert!(!peer.rest().await.is_empty(), "the server's settings, and then the end");
    });
}

#[test]
fn an_idle_connection_is_closed() {
    run_once(async |world: &World| {
        let address = world.listen_with(Timeouts { idle: SOON, ..PATIENT }).await;
        let mut peer = Peer::connect(&address).await;
        peer.send(LIVE).await;
        assert_eq!(status(&peer.answer().await), 200);
        assert_eq!(peer.text().await, "");
        // Over HTTP/2 as well, though pings show that the peer is there.
        let mut peer = Peer::connect(&address).await;
        peer.send([PREFACE, &settings(&[]), &request(1), &frame(6, 0, 0, &[0; 8])].concat()).await;
        assert!(!peer.rest().await.is_empty());
    });
}

#[test]
fn a_second_header_that_stops_half_way_is_not_awaited_for_the_idle_time() {
    run_once(async |world: &World| {
        let address = world.listen_with(Timeouts { header: SOON, ..PATIENT }).await;
        let mut peer = Peer::connect(&address).await;
        peer.send(LIVE).await;
        assert_eq!(status(&peer.answer().await), 200);
        peer.send(HALF).await;
        assert_eq!(peer.text().await, "");
    });
}

#[test]
fn a_body_that_stops_or_never_ends_is_refused_by_every_handler() {
    run_once(async |world: &World| {
        let address = world.listen_with(Timeouts { body_stall: SOON, body: 3 * SOON, ..PATIENT }).await;
        let heads = [
            "POST /graphql HTTP/1.1\r\ncontent-type: application/json",
            "POST /sandbox/authenticate/none HTTP/1.1\r\ncontent-type: application/x-www-form-urlencoded",
        ];
        for head in heads {
            let mut peer = Peer::connect(&address).await;
            peer.send(format!("{head}\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{{")).await;
            let answer = peer.text().await;
            assert!((400..500).contains(&status(&answer)), "{answer}");
            // A byte now and then: the whole body has its time too.
            let mut peer = Peer::connect(&address).await;
            peer.send(format!("{head}\r\nhost: localhost\r\ncontent-length: 1000000\r\n\r\n")).await;
            peer.drip(b"x", SOON / 4).await;
        }
        // Nobody reads this body, and the next request is not searched for in it.
        let mut peer = Peer::connect(&address).await;
        peer.send("POST /nowhere HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000000\r\n\r\n").await;
        peer.flood(&vec![b'x'; 65_536]).await;
    });
}

#[test]
fn a_client_that_never_reads_its_answers_is_cut_off() {
    run_once(async |world: &World| {
        let address = world.listen_with(Timeouts { write: SOON, ..PATIENT }).await;
        let body = json!({ "query": LARGE }).to_string();
        let request = format!(
            "POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        Peer::narrow(&address).await.flood(request.as_bytes()).await;
    });
}

#[test]
fn a_client_of_http2_that_opens_no_window_is_cut_off() {
    run_once(async |world: &World| {
        let address = world.listen_with(Timeouts { write: SOON, ..PATIENT }).await;
        let mut peer = Peer::connect(&address).await;
        // SETTINGS_INITIAL_WINDOW_SIZE: not a byte of any answer.
        peer.send([PREFACE, &settings(&[0, 4, 0, 0, 0, 0]), &request(1)].concat()).await;
        assert!(!peer.rest().await.is_empty());
    });
}

#[test]
fn frames_without_an_operation_count_as_flood() {
    run_once(async |world: &World| {
        let address = world.listen_with(PATIENT).await;
        let pings = frame(6, 0, 0, &[0; 8]).repeat(1_000);
        let mut peer = Peer::connect(&address).await;
        peer.send([PREFACE, &settings(&[]), &request(1)].concat()).await;
        peer.flood_and_read(&pings).await;
    });
}

#[test]
fn at_the_limit_idle_connections_make_room() {
    run_once(async |world: &World| {
        let small = world.beside(&["--max-connections", "4"], Patience::default()).await;
        let address = small.listen_with(PATIENT).await;
        let mut half = Vec::new();
        for _ in 0..20 {
            let mut peer = Peer::connect(&address).await;
            peer.send(HALF).await;
            half.push(peer);
            assert_eq!(status(&ask(&address, "/health/live", &[LOCAL]).await), 200);
            assert_eq!(status(&ask(&address, "/graphql?query=%7B__typename%7D", &[LOCAL]).await), 200);
        }
        small.end().await;
    });
}

#[test]
fn if_all_connections_are_busy_the_server_still_tells_its_health() {
    run_once(async |world: &World| {
        let small = world.beside(&["--max-connections", "4"], Patience::default()).await;
        let address = small.listen_with(PATIENT).await;
        let mut sockets = Vec::new();
        for _ in 0..4 {
            sockets.push(Socket::open(&address, None).await);
        }
        for _ in 0..10 {
            assert_eq!(status(&ask(&address, "/health/ready", &["host: 10.0.0.1"]).await), 200);
        }
        let mut peer = Peer::connect(&address).await;
        peer.send("GET /graphql?query=%7B__typename%7D HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
        let answer = peer.text().await.to_lowercase();
        assert_eq!(status(&answer), 503);
        assert!(answer.contains("overloaded") && answer.contains("connection: close"), "{answer}");
        assert!(answer.contains("retry-after: "), "{answer}");
        drop(sockets);
        small.end().await;
    });
}

#[test]
fn a_network_has_so_many_connections_unless_it_is_allowed_more() {
    run_once(async |world: &World| {
        let limit = ["--max-connections-per-network", "2"];
        let small = world.beside(&limit, Patience::default()).await;
        let address = small.listen_with(PATIENT).await;
        let mut first = Peer::connect(&address).await;
        let mut second = Peer::connect(&address).await;
        for peer in [&mut first, &mut second] {
            peer.send(LIVE).await;
            assert_eq!(status(&peer.answer().await), 200);
        }
        let mut third = Peer::connect(&address).await;
        third.send(LIVE).await;
        assert_eq!(third.text().await, "", "closed at once");
        small.end().await;

        for exempt in ["--allowed-networks", "--trusted-proxies"] {
            let args = [&limit[..], &[exempt, "10.0.0.0/8,127.0.0.1"]].concat();
            let open = world.beside(&args, Patience::default()).await;
            let address = open.listen_with(PATIENT).await;
            let mut peers = Vec::new();
            for _ in 0..8 {
                let mut peer = Peer::connect(&address).await;
                peer.send(LIVE).await;
                assert_eq!(status(&peer.answer().await), 200, "{exempt}");
                peers.push(peer);
            }
            open.end().await;
        }
    });
}

/// The attack as it was measured: 260 half headers against a server that may open 256 files.
#[test]
fn half_headers_do_not_use_up_the_open_files() {
    let database = sqlite::database("migrated", migrate);
    let data = tempfile::tempdir().expect("a directory");
    block_on(async || {
        let server = Server::start_with_files(256, &database.url, data.path());
        let mut half = Vec::new();
        for _ in 0..260 {
            let mut peer = Peer::connect(&server.address).await;
            peer.send(HALF).await;
            half.push(peer);
        }
        assert_eq!(status(&ask(&server.address, "/health/live", &[LOCAL]).await), 200);
        assert_eq!(status(&ask(&server.address, "/health/ready", &[LOCAL]).await), 200);
        drop(half);
    });
}

#[test]
fn shutdown_waits_for_no_connection_without_a_request() {
    run_once(async |world: &World| {
        let other = world.beside(&[], Patience::default()).await;
        let address = other.listen_with(PATIENT).await;
        let mut peers = Vec::new();
        for beginning in [b"".as_slice(), HALF.as_bytes(), PREFACE, LIVE.as_bytes()] {
            let mut peer = Peer::connect(&address).await;
            peer.send(beginning).await;
            peers.push(peer);
        }
        peers[3].answer().await;
        other.app.shutdown.cancel();
        for peer in &mut peers {
            peer.rest().await;
        }
        other.end().await;
    });
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn settings(payload: &[u8]) -> Vec<u8> {
    frame(4, 0, 0, payload)
}

/// `GET /health/live` of `localhost`: two fields of HPACK's static table, and two literals.
fn request(stream: u32) -> Vec<u8> {
    let literal = |name: u8, value: &str| {
        let length = u8::try_from(value.len()).expect("short");
        [&[name, length], value.as_bytes()].concat()
    };
    let fields = [vec![0x82, 0x86], literal(0x04, "/health/live"), literal(0x01, "localhost")].concat();
    // The end of the headers, and of the stream.
    frame(1, 0x05, stream, &fields)
}
