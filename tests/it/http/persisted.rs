//! Named documents: trusted documents of a manifest, and persisted queries that clients register.

use std::io::Write;

use aws_lc_rs::digest::{SHA256, digest};
use axum::{body::Body, http::Request};
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tessera::http::{Patience, check_trusted};

use crate::{
    http::caching::encoded,
    support::{
        World, run_once,
        socket::Socket,
        wire::{JSON, Reply},
        world::config,
    },
};

const KIND: &str = "query Kind { __typename }";
const WATCH: &str = "subscription Watch($event: ID!) { seatAvailability(eventId: $event) { __typename } }";

fn hash(text: &str) -> String {
    let digits = |byte: &u8| format!("{byte:02x}");
    digest(&SHA256, text.as_bytes()).as_ref().iter().map(digits).collect::<Vec<_>>().concat()
}

fn extension(hash: &str) -> Value {
    json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } })
}

/// Asks by GET, as clients with persisted queries do.
async fn get(world: &World, query: Option<&str>, hash: &str) -> Reply {
    let query = query.map_or(String::new(), |query| format!("&query={}", encoded(query)));
    world.get(&format!("/graphql?extensions={}{query}", encoded(&extension(hash).to_string()))).await
}

#[test]
fn client_registers_a_query_and_asks_by_its_hash() {
    run_once(async |world: &World| {
        let hash = hash(KIND);
        let unknown = get(world, None, &hash).await;
        unknown.refused(200, "PERSISTED_QUERY_NOT_FOUND");
        assert_eq!(unknown.json()["errors"][0]["message"], "PersistedQueryNotFound");
        assert_eq!(unknown.header("cache-control"), "no-store");
        for query in [Some(KIND), None] {
            let answer = get(world, query, &hash).await;
            assert_eq!(answer.json(), json!({ "data": { "__typename": "Query" } }));
        }
        let posted = json!({ "extensions": extension(&hash) }).to_string();
        assert_eq!(world.post(&[JSON], posted).await.json()["data"]["__typename"], "Query");
    });
}

#[test]
fn invalid_documents_and_wrong_hashes_are_not_registered() {
    run_once(async |world: &World| {
        for (text, code) in [
            ("{ nope }", "GRAPHQL_VALIDATION_FAILED"),
            ("{", "GRAPHQL_PARSE_FAILED"),
            ("{ __schema { nope } }", "GRAPHQL_VALIDATION_FAILED"),
        ] {
            get(world, Some(text), &hash(text)).await.refused(200, code);
            get(world, None, &hash(text)).await.refused(200, "PERSISTED_QUERY_NOT_FOUND");
        }
        get(world, Some(KIND), &hash("other")).await.refused(200, "PERSISTED_QUERY_HASH_MISMATCH");
        for text in [KIND, "other"] {
            get(world, None, &hash(text)).await.refused(200, "PERSISTED_QUERY_NOT_FOUND");
        }
        let bad = [
            json!({ "persistedQuery": { "version": 2, "sha256Hash": "x" } }),
            json!({ "persistedQuery": { "version": 1, "sha256Hash": 7 } }),
            json!({ "persistedQuery": 7 }),
        ];
        for extensions in bad {
            let body = json!({ "query": KIND, "extensions": extensions }).to_string();
            world.post(&[JSON], body).await.refused(400, "BAD_REQUEST");
        }
        // A mutation may be registered, but is run by POST only.
        let guest = "mutation { createGuestSession { session { account { kind } } } }";
        get(world, Some(guest), &hash(guest)).await.refused(405, "METHOD_NOT_ALLOWED");
        get(world, None, &hash(guest)).await.refused(200, "PERSISTED_QUERY_NOT_FOUND");
    });
}

fn manifest(documents: &Value) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a file");
    write!(file, "{documents}").expect("written");
    file
}

fn apollo() -> Value {
    let operation = |id: &str, name: &str, kind: &str, body: &str| json!({ "id": id, "name": name, "type": kind, "body": body });
    json!({ "format": "apollo-persisted-query-manifest", "version": 1, "operations": [
        operation("kind", "Kind", "query", KIND),
        operation(&hash(WATCH), "Watch", "subscription", WATCH),
    ] })
}

#[test]
fn trusted_documents_are_named_by_id_or_hash() {
    run_once(async |world: &World| {
        let file = manifest(&apollo());
        let path = file.path().to_str().expect("a path");
        let trusting = world.beside(&["--trusted-documents", path], Patience::default()).await;
        let data = json!({ "data": { "__typename": "Query" } });
        let by_id = |id: &str| json!({ "documentId": id }).to_string();
        assert_eq!(trusting.get("/graphql?documentId=kind").await.json(), data);
        assert_eq!(trusting.post(&[JSON], by_id("kind")).await.json(), data);
        assert_eq!(trusting.post(&[JSON], by_id(&format!("sha256:{}", hash(KIND)))).await.json(), data);
        for name in ["kind", &hash(KIND)] {
            assert_eq!(get(&trusting, None, name).await.json(), data);
        }
        trusting.post(&[JSON], by_id("other")).await.refused(200, "PERSISTED_DOCUMENT_NOT_FOUND");
        let both = json!({ "documentId": "kind", "query": "{ __typename }" }).to_string();
        trusting.post(&[JSON], both).await.refused(400, "BAD_REQUEST");
        assert_eq!(trusting.ask("{ __typename }").await.json(), data, "others are accepted too");
        trusting.end().await;
    });
}

#[test]
fn only_trusted_documents_are_run_if_the_operator_says_so() {
    run_once(async |world: &World| {
        let stage = world.stage().await;
        let file = manifest(&apollo());
        let path = file.path().to_str().expect("a path");
        let args = ["--trusted-documents", path, "--trusted-documents-only", "true"];
        let strict = world.beside(&args, Patience::default()).await;

        assert_eq!(strict.get("/graphql?documentId=kind").await.json()["data"]["__typename"], "Query");
        assert_eq!(strict.ask(KIND).await.json()["data"]["__typename"], "Query", "its text is trusted");
        strict.ask("{ __typename }").await.refused(200, "DOCUMENT_NOT_TRUSTED");
        strict.get("/graphql?query=%7B__typename%7D").await.refused(200, "DOCUMENT_NOT_TRUSTED");
        get(&strict, None, &hash("{ __typename }")).await.refused(200, "DOCUMENT_NOT_TRUSTED");
        get(&strict, Some("{ __typename }"), &hash("{ __typename }"))
            .await
            .refused(200, "DOCUMENT_NOT_TRUSTED");
        strict.get("/graphql?documentId=other").await.refused(200, "DOCUMENT_NOT_TRUSTED");

        let stream = async |body: Value| {
            let request =
                Request::post("/graphql").header("accept", "text/event-stream").header(JSON.0, JSON.1);
            strict.send(request.body(Body::from(body.to_string())).expect("a request")).await.text
        };
        assert!(stream(json!({ "documentId": "kind" })).await.contains("{\"__typename\":\"Query\"}"));
        assert!(stream(json!({ "query": "{ __typename }" })).await.contains("DOCUMENT_NOT_TRUSTED"));

        let mut socket = Socket::open(&strict.listen().await, None).await;
        let subscribe =
            |id: &str, payload: Value| json!({ "id": id, "type": "subscribe", "payload": payload });
        let variables = json!({ "event": stage.event });
        socket.say(subscribe("1", json!({ "query": "{ __typename }" }))).await;
        let refused = socket.message().await;
        assert_eq!(refused["payload"][0]["extensions"]["code"], "DOCUMENT_NOT_TRUSTED", "{refused}");
        let named = json!({ "extensions": extension(&hash(WATCH)), "variables": variables });
        socket.say(subscribe("2", named)).await;
        assert_eq!(socket.next().await["seatAvailability"]["__typename"], "AvailabilitySnapshot");
        drop(socket);
        strict.end().await;
    });
}

#[test]
fn manifest_with_a_bad_document_stops_the_start() {
    run_once(async |_: &World| {
        let checked = |documents: Value| {
            let file = manifest(&documents);
            check_trusted(&config(&["--trusted-documents", file.path().to_str().expect("a path")]))
        };
        assert_eq!(checked(apollo()), Ok(()));
        assert_eq!(checked(json!({ "a": KIND, "b": WATCH })), Ok(()));
        for (document, reason) in [
            ("{", "Syntax error"),
            ("{ nope }", "Unknown field \"nope\""),
            ("query A { __typename } query B { __typename }", "several operations"),
            (&*"{".repeat(60), "nest"),
        ] {
            let refused = checked(json!({ "fine": KIND, "bad": document })).expect_err("refused");
            assert!(refused.contains("`bad`") && refused.contains(reason), "{refused}");
        }
        let mut renamed = apollo();
        renamed["operations"][0]["name"] = json!("Other");
        assert!(checked(renamed).is_err_and(|reason| reason.contains("no operation of that name")));
        let strict = config(&["--trusted-documents-only", "true"]);
        assert!(strict.validate().is_err(), "without a manifest, all would be refused");
    });
}
