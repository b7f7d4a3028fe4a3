//! The client address and the host of a connection, also behind proxies.

use tessera::http::Patience;
use tokio_tungstenite::tungstenite::Error;

use crate::support::{
    World,
    peer::{Peer, ask, status},
    run_once,
    socket::Socket,
};

const LOCAL: &str = "host: localhost";
const LIVE: &str = "GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n";

#[test]
fn a_request_names_exactly_one_host_of_ours() {
    run_once(async |world: &World| {
        let address = world.listen().await;
        let path = "/graphql?query=%7B__typename%7D";
        let cases: &[(&[&str], u16, &str)] = &[
            (&["host: tessera.test"], 200, "Query"),
            (&["host: TESSERA.test:8080"], 200, "Query"),
            (&[LOCAL], 200, "Query"),
            (&[], 400, "BAD_REQUEST"),
            (&["host: tessera.test", "host: tessera.test"], 400, "BAD_REQUEST"),
            (&["host: tessera.test", "host: evil.example"], 400, "BAD_REQUEST"),
            (&["host: evil.example"], 421, "HOST_NOT_ALLOWED"),
        ];
        for (lines, expected, word) in cases {
            let answer = ask(&address, path, lines).await;
            assert_eq!(status(&answer), *expected, "{lines:?}: {answer}");
            assert!(answer.contains(word) && answer.contains("x-request-id"), "{lines:?}: {answer}");
        }
        // Probes know addresses, not names.
        for lines in [&["host: evil.example"][..], &["host: 10.1.2.3:8080"], &[]] {
            assert_eq!(status(&ask(&address, "/health/live", lines).await), 200, "{lines:?}");
        }
        let other = world.beside(&["--allowed-hosts", "www.shop.example"], Patience::default()).await;
        let address = other.listen().await;
        assert_eq!(status(&ask(&address, path, &["host: www.shop.example"]).await), 200);
        other.end().await;
    });
}

#[test]
fn a_foreign_host_and_its_own_origin_open_no_socket() {
    run_once(async |world: &World| {
        let address = world.listen().await;
        let foreign = [("host", "evil.example"), ("origin", "http://evil.example")];
        assert_eq!(refused(Socket::connect(&address, &foreign).await), 421);
        let public = [("host", "tessera.test"), ("origin", "http://tessera.test")];
        assert!(Socket::connect(&address, &public).await.is_ok());
        // Behind a proxy that names us otherwise, the page is still ours.
        assert!(Socket::connect(&address, &[("origin", "http://tessera.test")]).await.is_ok());
    });
}

fn refused(socket: Result<Socket, Error>) -> u16 {
    match socket.err() {
        Some(Error::Http(response)) => response.status().as_u16(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn client_address_comes_from_trusted_proxies_only() {
    run_once(async |world: &World| {
        let one = ["--max-sockets-per-network", "1"];
        let args = [&one[..], &["--trusted-proxies", "127.0.0.0/8"]].concat();
        let behind = world.beside(&args, Patience::default()).await;
        let address = behind.listen().await;
        let from = async |address: &str, client: &str| {
            Socket::connect(address, &[("x-forwarded-for", client)]).await
        };
        let _first = from(&address, "192.0.2.1").await.expect("a socket");
        assert_eq!(refused(from(&address, "192.0.2.1").await), 429);
        // What stands further left, the client wrote itself.
        assert_eq!(refused(from(&address, "198.51.100.7, 192.0.2.1").await), 429);
        let _second = from(&address, "192.0.2.2").await.expect("another client's socket");
        behind.end().await;

        let exposed = world.beside(&one, Patience::default()).await;
        let address = exposed.listen().await;
        let _first = from(&address, "192.0.2.1").await.expect("a socket");
        assert_eq!(refused(from(&address, "192.0.2.2").await), 429, "anybody could write that");
        exposed.end().await;
    });
}

#[test]
fn a_trusted_proxy_may_speak_the_proxy_protocol() {
    run_once(async |world: &World| {
        let header = |client: [u8; 4]| {
            let addresses = [&client[..], &[127, 0, 0, 1, 0x12, 0x67, 0x01, 0xbb]].concat();
            [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..], &addresses].concat()
        };
        let args = [
            "--trusted-proxies",
            "127.0.0.1",
            "--proxy-protocol",
            "true",
            "--max-connections-per-network",
            "1",
        ];
        let behind = world.beside(&args, Patience::default()).await;
        let address = behind.listen().await;
        let mut peers = Vec::new();
        for client in 1..4 {
            let mut peer = Peer::connect(&address).await;
            peer.send([&header([192, 0, 2, client])[..], LIVE.as_bytes()].concat()).await;
            assert_eq!(status(&peer.answer().await), 200);
            peers.push(peer);
        }
        for refused in [[&header([192, 0, 2, 1])[..], LIVE.as_bytes()].concat(), LIVE.as_bytes().to_vec()] {
            let mut peer = Peer::connect(&address).await;
            peer.send(refused).await;
            assert_eq!(peer.text().await, "");
        }
        drop(peers);
        behind.end().await;
        // From anybody else it is no HTTP.
        let mut peer = Peer::connect(&world.listen().await).await;
        peer.send([&header([192, 0, 2, 1])[..], LIVE.as_bytes()].concat()).await;
        assert_eq!(status(&peer.text().await), 400);
    });
}
