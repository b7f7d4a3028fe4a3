//! Limits of sockets per network and account, and of their messages.

use serde_json::json;
use tessera::http::Patience;
use tokio_tungstenite::tungstenite::{
    Error, Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

use crate::support::{World, run_once, socket::Socket};

/// The largest answer that anybody can have without preparing it.
const LARGE: &str = include_str!("../../../src/http/guard/introspection.graphql");

async fn ready(world: &World) -> Socket {
    Socket::open(&world.listen().await, None).await
}

#[test]
fn a_flood_of_pings_or_of_messages_closes() {
    run_once(async |world: &World| {
        let mut socket = ready(world).await;
        for _ in 0..200 {
            socket.send(Message::Ping(Vec::new().into())).await;
        }
        assert_eq!(socket.closed().await, Some((4429, "Too many messages".to_owned())));
        let mut socket = ready(world).await;
        for _ in 0..1_000 {
            socket.say(json!({ "type": "pong" })).await;
        }
        assert_eq!(socket.closed().await, Some((4429, "Too many messages".to_owned())));
        // A few are a sign of life.
        let mut socket = ready(world).await;
        for _ in 0..20 {
            socket.send(Message::Ping(Vec::new().into())).await;
        }
        socket.say(json!({ "type": "ping" })).await;
        assert_eq!(socket.message().await["type"], "pong");
    });
}

#[test]
fn a_flood_of_empty_fragments_breaks_the_connection() {
    run_once(async |world: &World| {
        let mut socket = ready(world).await;
        let fragment = |kind| Message::Frame(Frame::message(Vec::new(), OpCode::Data(kind), false));
        socket.send(fragment(Data::Text)).await;
        // More bytes than a minute forgives.
        for _ in 0..200_000 {
            socket.send(fragment(Data::Continue)).await;
        }
        assert_eq!(socket.closed().await, None);
    });
}

#[test]
fn a_network_and_an_account_have_so_many_sockets() {
    run_once(async |world: &World| {
        let limits =
            ["--max-sockets-per-network", "5", "--max-sockets-per-account", "2", "--access-seconds", "3600"];
        let small = world.beside(&limits, Patience::default()).await;
        let address = small.listen().await;
        let token = world.user("ada").await;
        let _first = Socket::open(&address, Some(&token)).await;
        let second = Socket::open(&address, Some(&token)).await;
        let mut third = Socket::connect(&address, &[]).await.expect("a socket");
        third.say(json!({ "type": "connection_init", "payload": { "token": token } })).await;
        assert_eq!(third.closed().await, Some((4429, "Too many sockets".to_owned())));
        drop((second, third));
        let mut anonymous = Vec::new();
        let refused = loop {
            match Socket::connect(&address, &[]).await {
                Ok(socket) => anonymous.push(socket),
                Err(error) => break error,
            }
            assert!(anonymous.len() <= 5, "no limit");
        };
        let Error::Http(response) = refused else { panic!("{refused}") };
        assert_eq!(response.status(), 429);
        assert!(response.headers().contains_key("retry-after"));
        drop(anonymous);
        small.end().await;
    });
}

/// What waits for a client that does not read is at most a queue of 256 KiB, so no single result is larger.
#[test]
fn a_result_larger_than_the_queue_is_refused_by_the_socket_and_given_by_http() {
    run_once(async |world: &World| {
        let mut socket = ready(world).await;
        socket.subscribe("1", LARGE, json!({})).await;
        let message = socket.message().await;
        assert_eq!(message["payload"][0]["extensions"]["code"], "RESPONSE_TOO_LARGE", "{message}");
        let answer = world.ask(LARGE).await;
        assert!(answer.status == 200 && answer.text.len() > 256 * 1024, "{}", answer.text.len());
    });
}

/// Forty results of megabytes were built for a socket that could carry none of them.
#[test]
fn socket_query_stops_when_its_result_exceeds_the_socket_limit() {
    run_once(async |world: &World| {
        world.stage().await;
        world.coupon(|coupon| coupon.description = "\u{1f3ab}".repeat(10_000)).await;
        let texts = (0..10).fold(String::new(), |all, number| format!("{all} a{number}: description"));
        let query = format!("{{ coupons {{ nodes {{ {texts} }} }} }}");
        let mut socket = ready(world).await;
        socket.subscribe("1", &query, json!({})).await;
        let message = socket.message().await.to_string();
        assert!(message.contains("RESPONSE_TOO_LARGE"), "{message}");
        assert!(message.contains("request less at a time"), "not only when it is written: {message}");
        let answer = world.ask(&query).await;
        assert!(answer.status == 200 && answer.text.len() > 400_000, "{}", answer.text.len());
    });
}
