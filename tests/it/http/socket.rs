//! Operations over a WebSocket: the protocol `graphql-transport-ws`, and the resources of a socket.

use std::time::Duration;

use serde_json::{Value, json};
use tessera::http::Patience;
use tokio_tungstenite::tungstenite::{
    Error, Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

use crate::support::{World, run_once, socket::Socket};

const SHOP: &str = "https://shop.example";
const WATCH: &str = "subscription($event: ID!) { seatAvailability(eventId: $event) { __typename } }";
/// A large answer that anybody can have, and a socket still takes.
const LARGE: &str =
    "{ __schema { types { name description fields { name description } enumValues { name description } } } }";

/// Sockets that give up soon.
fn hasty() -> Patience {
    Patience {
        init: Duration::from_millis(300),
        ping: Duration::from_secs(25),
        write: Duration::from_millis(400),
        farewell: Duration::from_millis(300),
    }
}

async fn fresh(world: &World) -> Socket {
    Socket::connect(&world.listen().await, &[]).await.expect("a socket")
}

async fn ready(world: &World) -> Socket {
    Socket::open(&world.listen().await, None).await
}

async fn code(socket: &mut Socket) -> u16 {
    socket.closed().await.map_or(0, |(code, _)| code)
}

fn init() -> Value {
    json!({ "type": "connection_init" })
}

/// The id is free, and nothing is left of what it stood for: a leftover would come before what comes here.
async fn is_free(socket: &mut Socket, id: &str) {
    socket.subscribe(id, "{__typename}", json!({})).await;
    let next = json!({ "id": id, "type": "next", "payload": { "data": { "__typename": "Query" } } });
    assert_eq!(socket.message().await, next);
    assert_eq!(socket.message().await, json!({ "id": id, "type": "complete" }));
    socket.say(json!({ "type": "ping" })).await;
    assert_eq!(socket.message().await["type"], "pong");
}

#[test]
fn silent_socket_is_closed() {
    run_once(async |world: &World| {
        let hasty = world.beside(&[], hasty()).await;
        let closed = fresh(&hasty).await.closed().await;
        assert_eq!(closed, Some((4408, "Connection initialisation timeout".to_owned())));
        // Talk that is no init does not delay it.
        let mut socket = fresh(&hasty).await;
        socket.say(json!({ "type": "ping" })).await;
        assert_eq!(socket.message().await["type"], "pong");
        assert_eq!(code(&mut socket).await, 4408);
        hasty.end().await;
    });
}

#[test]
fn operations_before_the_acknowledgement_are_refused() {
    run_once(async |world: &World| {
        let mut socket = fresh(world).await;
        socket.subscribe("1", "{__typename}", json!({})).await;
        assert_eq!(code(&mut socket).await, 4401);
    });
}

#[test]
fn a_second_init_closes() {
    run_once(async |world: &World| {
        let mut socket = ready(world).await;
        socket.say(init()).await;
        assert_eq!(code(&mut socket).await, 4429);
        let mut socket = fresh(world).await;
        socket.say(init()).await;
        socket.say(init()).await;
        assert_eq!(code(&mut socket).await, 4429);
    });
}

#[test]
fn a_duplicate_id_closes() {
    run_once(async |world: &World| {
        let stage = world.stage().await;
        let mut socket = ready(world).await;
        for _ in 0..2 {
            socket.subscribe("1", WATCH, json!({ "event": stage.event })).await;
        }
        assert_eq!(socket.closed().await, Some((4409, "Subscriber already exists".to_owned())));
    });
}

#[test]
fn invalid_message_closes_the_socket_with_a_reason() {
    run_once(async |world: &World| {
        let address = world.listen().await;
        let frames = [
            Message::text("{nope"),
            Message::text("[]"),
            Message::text(r#"{"type":"foo"}"#),
            Message::text(r#"{"type":"subscribe","id":"1"}"#),
            Message::text(r#"{"type":"subscribe","payload":{"query":"{__typename}"}}"#),
            Message::text(r#"{"type":"subscribe","id":7,"payload":{"query":"{__typename}"}}"#),
            Message::text(r#"{"type":"subscribe","id":"1","payload":{"query":"{a}","variables":[]}}"#),
            Message::binary(vec![1]),
        ];
        for frame in frames {
            let mut socket = Socket::open(&address, None).await;
            socket.send(frame.clone()).await;
            let (code, reason) = socket.closed().await.expect("a reason");
            assert!(code == 4400 && reason.len() <= 123, "{frame}: {code} {reason}");
        }
    });
}

#[test]
fn an_operation_that_never_begins_is_an_error_without_complete() {
    run_once(async |world: &World| {
        let mut socket = ready(world).await;
        let bomb = "{".repeat(60);
        let refusals = [
            ("{nope}", "GRAPHQL_VALIDATION_FAILED"),
            ("subscription { nope }", "GRAPHQL_VALIDATION_FAILED"),
            ("{", "GRAPHQL_PARSE_FAILED"),
            (&bomb, "DOCUMENT_TOO_DEEP"),
            (
                "subscription { a: seatAvailability(eventId: \"x\") { __typename }
                                b: seatAvailability(eventId: \"x\") { __typename } }",
                "GRAPHQL_VALIDATION_FAILED",
            ),
            ("subscription { __typename }", "GRAPHQL_VALIDATION_FAILED"),
            (
                "subscription { seatAvailability(eventId: \"event_01h455vb4pex5vsknk084sn02q\") { __typename } }",
                "NOT_FOUND",
            ),
            (
                "subscription { reservation(id: \"reservation_01h455vb4pex5vsknk084sn02q\") { id } }",
                "UNAUTHENTICATED",
            ),
        ];
        for (query, code) in refusals {
            socket.subscribe("1", query, json!({})).await;
            let message = socket.message().await;
            assert_eq!(
                (&message["type"], &message["id"]),
                (&json!("error"), &json!("1")),
                "{query}: {message}"
            );
            assert_eq!(message["payload"][0]["extensions"]["code"], code, "{query}: {message}");
            is_free(&mut socket, "1").await;
        }
    });
}

#[test]
fn a_completed_subscription_is_silent_and_its_id_free() {
    run_once(async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let mut socket = ready(world).await;
        socket.subscribe("1", WATCH, json!({ "event": stage.event })).await;
        assert_eq!(socket.next().await["seatAvailability"]["__typename"], "AvailabilitySnapshot");
        world.reserve(&buyer, &stage.event, &[&stage.seats[0]]).await;
        assert_eq!(socket.next().await["seatAvailability"]["__typename"], "AvailabilityDelta");
        socket.say(json!({ "id": "1", "type": "complete" })).await;
        is_free(&mut socket, "1").await;
        world.reserve(&buyer, &stage.event, &[&stage.seats[1]]).await;
        is_free(&mut socket, "1").await;
        // To complete what is not there is no mistake: it may have ended by itself meanwhile.
        socket.say(json!({ "id": "gone", "type": "complete" })).await;
        is_free(&mut socket, "1").await;
    });
}

#[test]
fn a_query_and_a_mutation_have_one_result_each() {
    run_once(async |world: &World| {
        let mut socket = ready(world).await;
        is_free(&mut socket, "q").await;
        let mutation = "mutation { createGuestSession { session { account { kind } } } }";
        socket.subscribe("m", mutation, json!({})).await;
        assert_eq!(socket.next().await["createGuestSession"]["session"]["account"]["kind"], "GUEST");
        assert_eq!(socket.message().await, json!({ "id": "m", "type": "complete" }));
        // An error in a result is a result.
        socket.subscribe("e", "{ __typename events(first: 0) { totalCount } }", json!({})).await;
        let message = socket.message().await;
        assert_eq!(message["type"], "next", "{message}");
        assert_eq!(message["payload"]["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
        assert_eq!(socket.message().await["type"], "complete");
    });
}

#[test]
fn a_ping_is_answered_at_any_time() {
    run_once(async |world: &World| {
        let mut socket = fresh(world).await;
        socket.say(json!({ "type": "ping", "payload": { "a": 1 } })).await;
        assert_eq!(socket.message().await, json!({ "type": "pong" }));
        socket.say(json!({ "type": "pong" })).await;
        socket.say(init()).await;
        assert_eq!(socket.message().await, json!({ "type": "connection_ack" }));
        is_free(&mut socket, "1").await;
    });
}

#[test]
fn a_bad_token_is_forbidden_and_one_that_ends_ends_its_socket() {
    run_once(async |world: &World| {
        let stage = world.stage().await;
        let address = world.listen().await;
        for payload in [json!({ "Authorization": "Bearer wrong" }), json!({ "token": "wrong" })] {
            let mut socket = Socket::connect(&address, &[]).await.expect("a socket");
            socket.say(json!({ "type": "connection_init", "payload": payload })).await;
            assert_eq!(socket.closed().await, Some((4403, "Forbidden".to_owned())));
        }
        let token = world.user("ada").await;
        // Tokens are valid for an hour. This leaves a fifth of a second.
        world.advance(Duration::from_millis(3_599_800));
        let mut socket = Socket::open(&address, Some(&token)).await;
        socket.subscribe("1", WATCH, json!({ "event": stage.event })).await;
        assert_eq!(socket.closed().await, Some((4403, "Forbidden: token expired".to_owned())));
        // Beyond the leeway for clocks that differ, the token opens no other one.
        world.advance(Duration::from_mins(2));
        let mut socket = Socket::connect(&address, &[]).await.expect("a socket");
        socket.say(json!({ "type": "connection_init", "payload": { "token": token } })).await;
        assert_eq!(socket.closed().await, Some((4403, "Forbidden".to_owned())));
    });
}

#[test]
fn a_message_that_is_too_long_closes() {
    run_once(async |world: &World| {
        let mut socket = ready(world).await;
        socket.send(Message::text("x".repeat(65 * 1024))).await;
        assert_eq!(code(&mut socket).await, 1009);
        // In small pieces it is too long as well.
        let mut socket = ready(world).await;
        for piece in 0..33 {
            let kind = if piece == 0 { Data::Text } else { Data::Continue };
            let frame = Frame::message(" ".repeat(2_000), OpCode::Data(kind), false);
            socket.send(Message::Frame(frame)).await;
        }
        assert_eq!(code(&mut socket).await, 1009);
    });
}

#[test]
fn the_fifty_first_operation_is_refused_alone() {
    run_once(async |world: &World| {
        let stage = world.stage().await;
        let mut socket = ready(world).await;
        for id in 0..50 {
            socket.subscribe(&id.to_string(), WATCH, json!({ "event": stage.event })).await;
        }
        socket.subscribe("more", WATCH, json!({ "event": stage.event })).await;
        let refused = loop {
            let message = socket.message().await;
            if message["id"] == "more" {
                break message;
            }
            assert_eq!(message["type"], "next", "{message}");
        };
        assert_eq!(refused["type"], "error");
        assert_eq!(refused["payload"][0]["extensions"]["code"], "TOO_MANY_SUBSCRIPTIONS");
        socket.say(json!({ "id": "0", "type": "complete" })).await;
        socket.subscribe("more", "{__typename}", json!({})).await;
        while socket.message().await["id"] != "more" {}
    });
}

#[test]
fn a_foreign_page_and_a_foreign_protocol_get_no_socket() {
    run_once(async |world: &World| {
        let open = world.beside(&["--allowed-origins", SHOP], Patience::default()).await;
        let address = open.listen().await;
        let own = format!("http://{address}");
        for origin in [SHOP, &own] {
            assert!(Socket::connect(&address, &[("origin", origin)]).await.is_ok(), "{origin}");
        }
        let refusals = [
            ("origin", "https://evil.example", 403),
            ("origin", "https://shop.example.evil.example", 403),
            ("origin", "null", 403),
            ("sec-websocket-protocol", "graphql-ws", 400),
        ];
        for (name, value, status) in refusals {
            match Socket::connect(&address, &[(name, value)]).await.err() {
                Some(Error::Http(response)) => assert_eq!(response.status(), status, "{name}: {value}"),
                other => panic!("{name}: {value}: {other:?}"),
            }
        }
        open.end().await;
    });
}

#[test]
fn client_that_never_reads_is_disconnected() {
    run_once(async |world: &World| {
        let hasty = world.beside(&[], hasty()).await;
        let mut socket = ready(&hasty).await;
        let before = hasty.app.tasks.len();
        // Nobody reads: the kernel's buffers fill, then the queue, then patience ends, and with it the socket's tasks.
        for id in 0..50 {
            socket.subscribe(&id.to_string(), LARGE, json!({})).await;
        }
        let ended = async {
            while hasty.app.tasks.len() >= before {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), ended).await.expect("it is dropped");
        assert_eq!(socket.closed().await, None, "the connection breaks: nobody would read why");
        hasty.end().await;
    });
}

#[test]
fn a_shutdown_closes_every_socket() {
    run_once(async |world: &World| {
        let stage = world.stage().await;
        let other = world.beside(&[], hasty()).await;
        let address = other.listen().await;
        let mut sockets = Vec::new();
        for _ in 0..20 {
            let mut socket = Socket::open(&address, None).await;
            socket.subscribe("1", WATCH, json!({ "event": stage.event })).await;
            socket.next().await;
            sockets.push(socket);
        }
        other.app.shutdown.cancel();
        for socket in &mut sockets {
            assert_eq!(socket.closed().await, Some((1012, "Service restart".to_owned())));
        }
        other.end().await;
    });
}
