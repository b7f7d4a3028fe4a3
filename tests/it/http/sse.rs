//! GraphQL over Server-Sent Events: one operation per response, on the same streams as `WebSockets`.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use axum::{
    body::{Body, BodyDataStream},
    http::{HeaderMap, Request, request::Builder},
};
use futures_util::{StreamExt, future::join_all};
use serde_json::{Value, json};
use tessera::http::Patience;
use test_case::test_case;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::Database::{self, Postgres, Sqlite};
use crate::support::{World, given::Stage, run_on, run_once, socket::Socket};

const WATCH: &str = "subscription($event: ID!, $after: Long) { seatAvailability(eventId: $event, after: $after) {
    __typename ... on AvailabilitySnapshot { version } ... on AvailabilityDelta { after version seats { id status } } } }";
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Streams that give up soon.
fn hasty() -> Patience {
    Patience {
        ping: Duration::from_millis(50),
        write: Duration::from_millis(300),
        farewell: Duration::from_millis(300),
        ..Patience::default()
    }
}

/// An event of a stream.
#[derive(Debug, PartialEq)]
struct Event {
    kind: String,
    id: Option<i64>,
    data: Value,
}

/// An open event stream.
struct Events {
    status: u16,
    headers: HeaderMap,
    body: BodyDataStream,
    /// What came and is not read yet.
    text: String,
    comments: usize,
}

/// What comes next in a stream.
#[derive(Debug, PartialEq)]
enum Next {
    Event(Event),
    /// The response ended as it should.
    End,
    /// The response broke off.
    Broken,
}

fn post(token: Option<&str>) -> Builder {
    let request = Request::post("/graphql")
        .header("host", "tessera.test")
        .header("accept", "text/event-stream")
        .header("content-type", "application/json");
    match token {
        Some(token) => request.header("authorization", format!("Bearer {token}")),
        None => request,
    }
}

impl Events {
    async fn send(world: &World, request: Request<Body>) -> Self {
        let (parts, body) = world.http(request).await.into_parts();
        Self {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: body.into_data_stream(),
            text: String::new(),
            comments: 0,
        }
    }

    async fn open(world: &World, token: Option<&str>, query: &str, variables: Value) -> Self {
        let body = json!({ "query": query, "variables": variables });
        let request = post(token).body(Body::from(body.to_string())).expect("a request");
        Self::send(world, request).await
    }

    async fn watch(world: &World, stage: &Stage, last: Option<i64>, after: Option<i64>) -> Self {
        let body = json!({ "query": WATCH, "variables": { "event": stage.event, "after": after } });
        let mut request = post(None);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        Self::send(world, request.body(Body::from(body.to_string())).expect("a request")).await
    }

    /// The next event, comments left out.
    async fn next(&mut self) -> Next {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let event = Event::parse(block);
                let rest = String::from(rest);
                self.text = rest;
                match event {
                    Some(event) => return Next::Event(event),
                    None => self.comments += 1,
                }
            }
            match timeout(PATIENCE, self.body.next()).await.expect("something in time") {
                Some(Ok(bytes)) => self.text.push_str(std::str::from_utf8(&bytes).expect("UTF-8")),
                Some(Err(_)) => return Next::Broken,
                None => return Next::End,
            }
        }
    }

    /// The data of the next result.
    async fn result(&mut self) -> Event {
        match self.next().await {
            Next::Event(event) if event.kind == "next" => event,
            other @ (Next::Event(_) | Next::Broken | Next::End) => panic!("no result: {other:?}"),
        }
    }

    /// The stream completes, and the response ends.
    async fn completes(&mut self) {
        let complete = Event { kind: "complete".to_owned(), id: None, data: Value::Null };
        assert_eq!(self.next().await, Next::Event(complete));
        assert_eq!(self.next().await, Next::End);
    }

    /// The operation was refused with this code: one result with errors, and the end.
    async fn refused(mut self, code: &str) {
        assert_eq!(self.status, 200, "a browser shows a page nothing of other responses");
        let event = self.result().await;
        assert_eq!(event.data["errors"][0]["extensions"]["code"], code, "{event:?}");
        assert!(event.data.get("data").is_none(), "{event:?}");
        self.completes().await;
    }
}

impl Event {
    fn parse(block: &str) -> Option<Self> {
        let mut event = Self { kind: String::new(), id: None, data: Value::Null };
        for line in block.lines() {
            match line.split_once(':').expect("a field") {
                ("", _) => return None,
                ("event", kind) => kind.trim().clone_into(&mut event.kind),
                ("id", id) => event.id = Some(id.trim().parse().expect("a version")),
                ("data", data) if data.trim().is_empty() => {}
                ("data", data) => event.data = serde_json::from_str(data).expect("JSON"),
                other => panic!("{other:?}"),
            }
        }
        Some(event)
    }
}

fn version(event: &Event) -> i64 {
    event.data["data"]["seatAvailability"]["version"].as_i64().expect("a version")
}

/// Waits until no more tasks run than these.
async fn ends(world: &World, tasks: usize) {
    let ended = async {
        while world.app.tasks.len() > tasks {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, ended).await.expect("its tasks end");
}

#[test]
fn query_and_mutation_have_one_result_and_complete() {
    run_once(async |world: &World| {
        let mut query = Events::open(world, None, "{ __typename }", json!({})).await;
        assert_eq!(query.result().await.data, json!({ "data": { "__typename": "Query" } }));
        query.completes().await;

        let mutation = "mutation { createGuestSession { session { account { kind } } } }";
        let mut mutation = Events::open(world, None, mutation, json!({})).await;
        let kind = &mutation.result().await.data["data"]["createGuestSession"]["session"]["account"]["kind"];
        assert_eq!(kind, "GUEST");
        mutation.completes().await;

        let get = |query: &str| {
            let request =
                Request::get(format!("/graphql?query={query}")).header("accept", "text/event-stream");
            request.header("host", "tessera.test").body(Body::empty()).expect("a request")
        };
        let mut query = Events::send(world, get("%7B__typename%7D")).await;
        assert_eq!(query.result().await.data, json!({ "data": { "__typename": "Query" } }));
        query.completes().await;
        let refused = world.send(get("mutation%7BsignOut%7Berrors%7Bcode%7D%7D%7D")).await;
        refused.refused(405, "METHOD_NOT_ALLOWED");
    });
}

#[test]
fn stream_is_neither_compressed_nor_stored_nor_buffered() {
    run_once(async |world: &World| {
        let stage = world.stage().await;
        let body = json!({ "query": WATCH, "variables": { "event": stage.event } });
        let request = post(None).header("accept-encoding", "gzip, br");
        let request = request.body(Body::from(body.to_string())).expect("a request");
        let mut events = Events::send(world, request).await;
        let header = |name: &str| events.headers.get(name).map(|value| value.to_str().expect("text"));
        assert_eq!(header("content-type"), Some("text/event-stream; charset=utf-8"));
        assert_eq!(header("cache-control"), Some("no-store"));
        assert_eq!(header("x-accel-buffering"), Some("no"));
        assert_eq!(header("content-encoding"), None);
        events.result().await;
        assert_eq!(events.comments, 1, "a comment comes first, so that proxies send the headers on");
    });
}

#[test]
fn refused_operation_is_a_result_with_errors_and_other_refusals_are_http() {
    run_once(async |world: &World| {
        let nowhere = "event_01h455vb4pex5vsknk084sn02q";
        let missing = format!("subscription {{ seatAvailability(eventId: \"{nowhere}\") {{ __typename }} }}");
        let own = "subscription { reservation(id: \"reservation_01h455vb4pex5vsknk084sn02q\") { id } }";
        let deep = "{".repeat(60);
        for (query, code) in [
            ("{ nope }", "GRAPHQL_VALIDATION_FAILED"),
            ("subscription { nope }", "GRAPHQL_VALIDATION_FAILED"),
            ("{", "GRAPHQL_PARSE_FAILED"),
            (&deep, "DOCUMENT_TOO_DEEP"),
            (&missing, "NOT_FOUND"),
            (own, "UNAUTHENTICATED"),
        ] {
            Events::open(world, None, query, json!({})).await.refused(code).await;
        }
        let body = json!({ "query": "{ __typename }" });
        let sent = |request: Builder| request.body(Body::from(body.to_string())).expect("a request");
        world.send(sent(post(Some("wrong")))).await.refused(401, "UNAUTHENTICATED");
        let foreign = post(None).header("origin", "https://evil.example");
        world.send(sent(foreign)).await.refused(403, "ORIGIN_NOT_ALLOWED");
        let form = post(None).header("content-type", "text/plain");
        world.send(sent(form)).await.refused(415, "UNSUPPORTED_MEDIA_TYPE");
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn event_streams_and_sockets_share_one_execution_a_change(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let address = world.listen().await;
        let mut socket = Socket::open(&address, None).await;
        socket.subscribe("1", WATCH, json!({ "event": stage.event, "after": null })).await;
        let begin = socket.next().await["seatAvailability"]["version"].as_i64().expect("a version");
        let mut streams = join_all((0..20).map(|_| Events::watch(world, &stage, None, None))).await;
        for events in &mut streams {
            let first = events.result().await;
            assert_eq!((version(&first), first.id), (begin, Some(begin)));
        }
        let joined = world.app.counters.shared_executions.load(Relaxed);
        for (count, seat) in (1_i64..).zip(&stage.seats[..6]) {
            world.reserve(&buyer, &stage.event, &[seat]).await;
            let message = socket.next().await;
            assert_eq!(message["seatAvailability"]["seats"], json!([{ "id": seat, "status": "RESERVED" }]));
            for events in &mut streams {
                let event = events.result().await;
                assert_eq!(event.data["data"], message, "the same payload");
                assert_eq!(event.data["data"]["seatAvailability"]["after"], begin + count - 1);
                assert_eq!(event.id, Some(begin + count));
            }
        }
        let executions = world.app.counters.shared_executions.load(Relaxed) - joined;
        assert_eq!(executions, 6, "one for each change, whatever the transport");
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn returning_client_misses_no_version(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let mut events = Events::watch(world, &stage, None, None).await;
        let begin = version(&events.result().await);
        drop(events);
        for seat in &stage.seats[..3] {
            world.reserve(&buyer, &stage.event, &[seat]).await;
        }
        // The header is newer than what the document says: a browser sends it with the same address.
        for (last, after) in [(Some(begin), None), (None, Some(begin)), (Some(begin), Some(begin - 1))] {
            let mut events = Events::watch(world, &stage, last, after).await;
            let mut at = begin;
            while at < begin + 3 {
                let event = events.result().await;
                assert_eq!(event.data["data"]["seatAvailability"]["after"], at, "{event:?}");
                at = version(&event);
                assert_eq!(event.id, Some(at));
            }
        }
        let mut ahead = Events::watch(world, &stage, Some(begin + 1_000), None).await;
        assert_eq!(ahead.result().await.data["data"]["seatAvailability"]["after"], Value::Null, "a snapshot");
    });
}

#[test]
fn client_that_never_reads_is_disconnected_and_forgotten() {
    run_once(async |world: &World| {
        let stage = world.stage().await;
        let other = world.beside(&[], hasty()).await;
        let tasks = other.app.tasks.len();
        let mut streams = Vec::new();
        for _ in 0..10 {
            streams.push(Events::watch(&other, &stage, None, None).await);
        }
        // Nobody reads: the connection takes the first comment, and what comes after it waits in vain. The desk of the
        // event stays.
        ends(&other, tasks + 1).await;
        for events in &mut streams {
            assert_eq!(events.next().await, Next::Broken, "it is not complete");
        }
        other.end().await;
    });
}

#[test]
fn client_that_leaves_ends_its_operation() {
    run_once(async |world: &World| {
        let stage = world.stage().await;
        let tasks = world.app.tasks.len();
        let mut first = Events::watch(world, &stage, None, None).await;
        first.result().await;
        drop(first);
        // The desk of the event stays.
        ends(world, tasks + 1).await;
        let before = world.app.counters.shared_executions.load(Relaxed);
        world.reserve(&world.guest().await, &stage.event, &[&stage.seats[0]]).await;
        assert_eq!(world.app.counters.shared_executions.load(Relaxed), before, "nobody watches");
    });
}

#[test]
fn connection_that_closes_ends_its_operation() {
    run_once(async |world: &World| {
        let stage = world.stage().await;
        let address = world.listen().await;
        let body = json!({ "query": WATCH, "variables": { "event": stage.event } }).to_string();
        let request = format!(
            "POST /graphql HTTP/1.1\r\nhost: {address}\r\naccept: text/event-stream\r\n\
            content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let tasks = world.app.tasks.len();
        let mut connections = Vec::new();
        for _ in 0..10 {
            let mut connection = TcpStream::connect(&address).await.expect("a connection");
            connection.write_all(request.as_bytes()).await.expect("sent");
            let mut text = Vec::new();
            while !String::from_utf8_lossy(&text).contains("AvailabilitySnapshot") {
                let read = timeout(PATIENCE, connection.read_buf(&mut text)).await.expect("in time");
                assert_ne!(read.expect("more"), 0, "{}", String::from_utf8_lossy(&text));
            }
            connections.push(connection);
        }
        assert!(world.app.tasks.len() >= tasks + 10, "each stream has a task");
        drop(connections);
        // The desk of the event stays.
        ends(world, tasks + 1).await;
    });
}

#[test]
fn stream_ends_with_its_token_and_its_session() {
    run_once(async |world: &World| {
        let stage = world.stage().await;
        let token = world.user("ada").await;
        let mut events = Events::open(world, Some(&token), WATCH, json!({ "event": stage.event })).await;
        events.result().await;
        let sign_out = "mutation { signOut { errors { code } } }";
        world.gql(Some(&token), sign_out, json!({})).await.good();
        events.refused("UNAUTHENTICATED").await;

        let token = world.user("bob").await;
        // Tokens are valid for an hour. This leaves a fifth of a second.
        world.advance(Duration::from_millis(3_599_800));
        let mut events = Events::open(world, Some(&token), WATCH, json!({ "event": stage.event })).await;
        events.result().await;
        events.refused("UNAUTHENTICATED").await;
    });
}

#[test]
fn shutdown_breaks_streams_off_so_that_clients_come_back() {
    run_once(async |world: &World| {
        let stage = world.stage().await;
        let other = world.beside(&[], Patience::default()).await;
        let mut events = Events::watch(&other, &stage, None, None).await;
        events.result().await;
        other.app.shutdown.cancel();
        assert_eq!(events.next().await, Next::Broken);
        let body = json!({ "query": "{ __typename }" });
        let request = post(None).body(Body::from(body.to_string())).expect("a request");
        other.send(request).await.refused(503, "UNAVAILABLE");
        other.end().await;
    });
}

#[test]
fn idle_stream_is_kept_alive_by_comments() {
    run_once(async |world: &World| {
        let stage = world.stage().await;
        let other = world.beside(&[], Patience { write: PATIENCE, ..hasty() }).await;
        let mut events = Events::watch(&other, &stage, None, None).await;
        let begin = version(&events.result().await);
        while events.comments < 3 {
            let bytes = timeout(PATIENCE, events.body.next()).await.expect("in time").expect("more");
            assert_eq!(bytes.expect("a comment").as_ref(), b":\n\n");
            events.comments += 1;
        }
        world.reserve(&world.guest().await, &stage.event, &[&stage.seats[0]]).await;
        tessera::inventory::follow_others(&other.app).await.expect("followed");
        assert_eq!(version(&events.result().await), begin + 1);
        drop(events);
        other.end().await;
    });
}
