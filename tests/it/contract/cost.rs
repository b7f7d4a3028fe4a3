//! Query cost: the estimate, the budget of a response, and the deadline.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use axum::{body::Body, http::Request};
use futures_util::FutureExt;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use tessera::{app::App, http::Patience, store::Store};
use test_case::test_case;

use crate::support::Database::{self, Postgres, Sqlite};
use crate::support::{
    World, run_on, run_on_postgres, run_once,
    wire::{JSON, Reply},
};

/// The response to a document, with its cost.
async fn costing(world: &World, query: &str) -> Reply {
    let body = json!({ "query": query, "extensions": { "cost": true } });
    world.post(&[JSON], body.to_string()).await
}

fn cost(reply: &Reply) -> u64 {
    reply.json()["extensions"]["cost"]["estimated"].as_u64().unwrap_or_else(|| panic!("{}", reply.text))
}

#[test]
fn cost_is_returned_on_request() {
    run_once(async |world: &World| {
        let query = "{ events(first: 10) { nodes { id seatsLeft } } }";
        let reply = costing(world, query).await;
        let extension = &reply.json()["extensions"]["cost"];
        assert_eq!(extension["limit"], 100_000);
        assert!(
            cost(&reply) > 100 && extension["estimatedBytes"].as_u64().expect("bytes") > 100,
            "{extension}"
        );
        let longer = costing(world, &query.replace("10", "100")).await;
        assert!(cost(&longer) > 2 * cost(&reply));
        assert!(world.ask(query).await.json()["extensions"].is_null(), "not without a request");
    });
}

/// Every repetition was executed once: 2,400 of them on 100 events took seconds and gigabytes.
#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn repeated_field_costs_and_yields_as_much_as_one(database: Database) {
    run_on(database, async |world: &World| {
        world.stage().await;
        let once = costing(world, "{events(first:100){nodes{seatsLeft}}}").await;
        assert!(once.json()["data"]["events"]["nodes"][0]["seatsLeft"].is_u64(), "{}", once.text);
        for repeated in [
            "seatsLeft ".repeat(2_400),
            "...{seatsLeft}".repeat(1_000),
            "... on Event{... on Node{... on Event{seatsLeft}}}".repeat(300),
            format!("{}x:seatsLeft @skip(if:true)", "...F ".repeat(1_200)),
        ] {
            let fragment = if repeated.contains("...F") { "fragment F on Event{seatsLeft}" } else { "" };
            let reply =
                costing(world, &format!("{{events(first:100){{nodes{{{repeated}}}}}}}{fragment}")).await;
            assert_eq!(reply.json()["data"], once.json()["data"], "{}", reply.text);
            assert!(cost(&reply) < 2 * cost(&once), "{}", reply.text);
        }
        // Different fields each count.
        let aliases = (0..30).fold(String::new(), |all, n| format!("{all} a{n}:availability{{version}}"));
        costing(world, &format!("{{events(first:100){{nodes{{{aliases}}}}}}}"))
            .await
            .refused(200, "DOCUMENT_TOO_COMPLEX");
    });
}

#[test]
fn response_that_grows_too_large_is_ended() {
    run_once(async |world: &World| {
        let stage = world.stage().await;
        let version = "query($id: ID!) { event(id: $id) { version } }";
        let version = world
            .gql(Some(&stage.vendor), version, json!({ "id": stage.event }))
            .await
            .good()
            .data("event.version");
        let describe =
            "mutation($id: ID!, $version: Long!, $text: String!) { updateEvent(input: { eventId: $id,
            expectedVersion: $version, description: $text }) { errors { code message path } } }";
        let input = json!({ "id": stage.event, "version": version, "text": "\u{1f3ab}".repeat(10_000) });
        world.gql(Some(&stage.vendor), describe, input).await.good();

        let small = world.beside(&["--max-response-bytes", "65536"], Patience::default()).await;
        let texts = |count: usize| {
            let aliases = (0..count).fold(String::new(), |all, n| format!("{all} a{n}:description"));
            format!("{{events{{nodes{{id {aliases}}}}}}}")
        };
        assert_eq!(small.ask(&texts(1)).await.json()["data"]["events"]["nodes"][0]["id"], json!(stage.event));
        let ended = small.ask(&texts(30)).await;
        ended.refused(200, "RESPONSE_TOO_LARGE");
        assert!(ended.text.len() < 1_000 && ended.json()["data"].is_null(), "{}", ended.text);
        assert_eq!(world.ask(&texts(30)).await.json()["errors"], Value::Null);
        small.end().await;
    });
}

/// A page of a hundred has four megabytes of texts. They were read whether or not anybody asked for them.
#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn long_texts_are_read_in_parts_and_only_when_they_are_asked_for(database: Database) {
    run_on(database, async |world: &World| {
        world.stage().await;
        for number in 0..60 {
            let describe = |coupon: &mut entity::coupon::Model| {
                coupon.title = format!("Coupon {number}");
                coupon.description = "\u{1f3ab}".repeat(10_000);
            };
            world.coupon(describe).await;
        }
        let mut store = Store::connect(&world.url, 4).await.expect("a database");
        let count = store.count_reads();
        let mut config = world.app.config.clone();
        config.documents.max_response_bytes = 65_536;
        let app = &world.app;
        let app = App::new(config, store, app.clock.clone(), app.keys.clone()).expect("an app");
        let small = World::of(app, world.backend, &world.url);
        let read = async |fields: &str| {
            let before = count.load(Relaxed);
            let reply = small.ask(&format!("{{coupons(first:60){{nodes{{{fields}}}}}}}")).await;
            (reply, count.load(Relaxed) - before)
        };
        let left = async |first: u32| {
            let before = count.load(Relaxed);
            small.ask(&format!("{{coupons(first:{first}){{nodes{{left product{{name}}}}}}}}")).await;
            count.load(Relaxed) - before
        };
        assert_eq!(left(2).await, left(60).await, "what all nodes want is one statement");
        let (names, least) = read("title").await;
        assert_eq!(
            names.json()["data"]["coupons"]["nodes"].as_array().map(Vec::len),
            Some(60),
            "{}",
            names.text
        );
        let (texts, reads) = read("description").await;
        texts.refused(200, "RESPONSE_TOO_LARGE");
        assert_eq!(reads, least + 1, "it ends after the first part of three");
        small.end().await;
        let whole = world.ask("{coupons(first:40){nodes{title description terms}}}").await.json();
        let nodes = whole["data"]["coupons"]["nodes"].as_array().expect("coupons");
        assert!(
            nodes.iter().all(|node| node["description"].as_str().is_some_and(|text| text.len() == 40_000))
        );
        assert_eq!(nodes.len(), 40);
    });
}

/// Waits until a statement of this database waits for a lock.
async fn until_blocked(connection: &mut PgConnection) {
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    for _ in 0..20_000 {
        let count = sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut *connection).await.expect("a count");
        if count > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("no statement waits for the lock");
}

async fn execute(connection: &mut PgConnection, statement: &'static str) {
    sqlx::raw_sql(statement).execute(connection).await.expect("a statement");
}

#[test]
fn query_ends_at_its_deadline() {
    run_on_postgres(async |world: &World| {
        let impatient = world.beside(&["--query-seconds", "1"], Patience::default()).await;
        let mut lock = PgConnection::connect(&world.url).await.expect("a connection");
        execute(&mut lock, "BEGIN; LOCK TABLE category IN ACCESS EXCLUSIVE MODE").await;
        let late = impatient.ask("{categories{id}}").await;
        assert_eq!(late.code(), "UNAVAILABLE", "{}", late.text);
        execute(&mut lock, "ROLLBACK").await;
        assert_eq!(impatient.ask("{categories{id}}").await.text, r#"{"data":{"categories":[]}}"#);
        impatient.end().await;
    });
}

#[test]
fn query_stops_when_its_client_is_gone() {
    run_on_postgres(async |world: &World| {
        world.stage().await;
        let mut store = Store::connect(&world.url, 4).await.expect("a database");
        let count = store.count_reads();
        let app = &world.app;
        let app = App::new(app.config.clone(), store, app.clock.clone(), app.keys.clone()).expect("an app");
        let other = World::of(app, world.backend, &world.url);
        let query = json!({ "query": "{ events { nodes { seatsLeft shop { name } venue { name shop { name } } } } }" });
        let before = count.load(Relaxed);
        other.post(&[JSON], query.to_string()).await;
        let whole = count.load(Relaxed) - before;
        assert!(whole >= 4, "{whole}");

        let mut lock = PgConnection::connect(&world.url).await.expect("a connection");
        execute(&mut lock, "BEGIN; LOCK TABLE event IN ACCESS EXCLUSIVE MODE").await;
        let (before, tasks) = (count.load(Relaxed), other.app.tasks.len());
        let request = Request::post("/graphql").header("host", "tessera.test").header(JSON.0, JSON.1);
        let request = request.body(Body::from(query.to_string())).expect("a request");
        let mut client = Box::pin(other.http(request));
        assert!((&mut client).now_or_never().is_none());
        let mut watch = PgConnection::connect(&world.url).await.expect("a connection");
        // The client is polled no more: its operation runs by itself.
        until_blocked(&mut watch).await;
        drop(client);
        execute(&mut lock, "ROLLBACK").await;
        while other.app.tasks.len() > tasks {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let partly = count.load(Relaxed) - before;
        assert!(partly < whole, "{partly} of {whole} statements were sent");
        other.end().await;
    });
}
