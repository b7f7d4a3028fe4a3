//! HTTP caching: responses to GET queries that do not depend on the viewer.

use axum::{body::Body, http::Request};
use serde_json::{Value, json};
use test_case::test_case;

use crate::support::Database::{self, Postgres, Sqlite};
use crate::support::{
    World, run_on, run_once,
    wire::{JSON, Reply},
};

const SHARED: &str = "public, max-age=1, stale-while-revalidate=1";
const AVAILABILITY: &str = "query($event: ID!) { event(id: $event) { availability { version asOf } } }";

/// A text as part of a URL's query.
pub(crate) fn encoded(text: &str) -> String {
    let one = |byte: u8| {
        if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(one).collect()
}

async fn get(world: &World, query: &str, variables: Value, headers: &[(&str, &str)]) -> Reply {
    let path = format!("/graphql?query={}&variables={}", encoded(query), encoded(&variables.to_string()));
    let request = Request::get(path).header("host", "tessera.test");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    world.send(request.body(Body::empty()).expect("a request")).await
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn availability_is_shared_for_a_second_and_validated_by_its_tag(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let event = json!({ "event": stage.event });
        let first = get(world, AVAILABILITY, event.clone(), &[]).await;
        assert_eq!((first.status, first.header("cache-control")), (200, SHARED));
        let tag = first.header("etag").to_owned();
        assert!(tag.starts_with('"') && tag.len() > 20, "a strong tag: {tag}");
        let vary: Vec<_> =
            first.headers.get_all("vary").iter().map(|value| value.to_str().expect("text")).collect();
        let vary = vary.join(",").to_ascii_lowercase();
        for name in ["accept", "authorization", "origin"] {
            assert!(vary.split(',').any(|varies| varies.trim() == name), "{name} is in {vary}");
        }
        let weak = format!("W/{tag}");
        for known in [tag.as_str(), &weak, "*", &format!("\"other\", {tag}")] {
            let same = get(world, AVAILABILITY, event.clone(), &[("if-none-match", known)]).await;
            assert_eq!((same.status, same.text.as_str()), (304, ""), "{known}");
            assert_eq!(same.header("cache-control"), SHARED);
            assert!(!same.header("etag").is_empty());
        }
        world.reserve(&world.guest().await, &stage.event, &[&stage.seats[0]]).await;
        let changed = get(world, AVAILABILITY, event, &[("if-none-match", &tag)]).await;
        assert_eq!(changed.status, 200, "another version is another answer");
        assert_ne!(changed.header("etag"), tag);
    });
}

#[test]
fn answers_with_tokens_are_not_compressed() {
    run_once(async |world: &World| {
        // Long enough to be compressed, if it were not for what it holds.
        let tokens = (0..8).fold(String::new(), |all, number| format!("{all} a{number}: accessToken"));
        let mutation = format!("mutation {{ createGuestSession {{ session {{ accessToken {tokens} }} }} }}");
        let headers = [JSON, ("accept-encoding", "gzip, br")];
        let made = world.post(&headers, json!({ "query": mutation }).to_string()).await;
        let token = made.json()["data"]["createGuestSession"]["session"]["accessToken"].clone();
        assert!(token.is_string() && made.text.len() > 2_000, "{}", made.text);
        assert!(!made.headers.contains_key("content-encoding"));
        let short = world.post(&headers, json!({ "query": "{ __typename }" }).to_string()).await;
        assert!(!short.headers.contains_key("content-encoding"));
        let name = "n".repeat(50);
        let aliases = (0..25).fold(String::new(), |all, number| format!("{all} {name}{number}: __typename"));
        let long = Request::post("/graphql").header("host", "tessera.test").header(JSON.0, JSON.1);
        let body = json!({ "query": format!("{{ {aliases} }}") }).to_string();
        let long = long.header("accept-encoding", "gzip").body(Body::from(body)).expect("a request");
        assert_eq!(world.http(long).await.headers()["content-encoding"], "gzip");
    });
}

#[test]
fn browsing_without_a_token_is_shared() {
    run_once(async |world: &World| {
        let stage = world.stage().await;
        let queries = [
            "{ events(first: 10) { nodes { id name seatsLeft status shop { name } venue { city } } totalCount } }",
            "query($event: ID!) { event(id: $event) { name tiers { name price { amount } } availability { asOf } } }",
            "{ shops { nodes { name coupons { nodes { title left } } } } categories { slug } }",
            "{ coupons { nodes { title terms appliesTo { __typename ... on Event { slug } } } } }",
        ];
        for query in queries {
            let answer = get(world, query, json!({ "event": stage.event }), &[]).await;
            assert_eq!((answer.status, answer.header("cache-control")), (200, SHARED), "{}", answer.text);
            assert!(!answer.header("etag").is_empty());
        }
    });
}

#[test]
fn viewer_dependent_responses_are_never_cached() {
    run_once(async |world: &World| {
        let stage = world.stage().await;
        let event = json!({ "event": stage.event });
        let own = [
            "{ viewer { account { id } } }",
            "{ coupons { nodes { viewerTaken } } }",
            "{ coupons { nodes { viewerClaims { id } } } }",
            "{ shops { nodes { viewerRole } } }",
            "{ events { nodes { id } } viewer { account { id } } }",
            "query($event: ID!) { event(id: $event) { availability(accessCode: \"x\") { version } } }",
            "query($event: ID!) { node(id: $event) { id } }",
        ];
        for query in own {
            let answer = get(world, query, event.clone(), &[]).await;
            assert_eq!(answer.header("cache-control"), "no-store", "{query}: {}", answer.text);
            assert_eq!(answer.header("etag"), "");
        }
        let token = format!("Bearer {}", world.user("ada").await);
        let signed_in = get(world, AVAILABILITY, event.clone(), &[("authorization", &token)]).await;
        assert_eq!((signed_in.status, signed_in.header("cache-control")), (200, "private, no-store"));
        assert_eq!(signed_in.header("etag"), "");
        let posted = json!({ "query": AVAILABILITY, "variables": event }).to_string();
        for headers in [&[JSON][..], &[JSON, ("authorization", &token)]] {
            let answer = world.post(headers, posted.clone()).await;
            assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"));
        }
        let refused = get(world, AVAILABILITY, event, &[("authorization", "Bearer wrong")]).await;
        refused.refused(401, "UNAUTHENTICATED");
        assert_eq!(refused.header("cache-control"), "private, no-store");
    });
}

#[test]
fn errors_are_never_stored() {
    run_once(async |world: &World| {
        for query in [
            "{ nope }",
            "{",
            "{ events(first: 0) { totalCount } }",
            "mutation { signOut { errors { code } } }",
        ] {
            let answer = get(world, query, json!({}), &[]).await;
            assert!(answer.json()["errors"].is_array(), "{query}: {}", answer.text);
            assert_eq!(answer.header("cache-control"), "no-store", "{query}");
            assert_eq!(answer.header("etag"), "", "{query}");
        }
    });
}

#[test]
fn each_encoding_has_a_tag_of_its_own_and_all_are_recognised() {
    run_once(async |world: &World| {
        world.stage().await;
        let query = (0..8).fold("{".to_owned(), |all, number| {
            format!(
                "{all} a{number}: events {{ nodes {{ id slug name description status startsAt endsAt }} }}"
            )
        }) + "}";
        let query = query.as_str();
        let plain = get(world, query, json!({}), &[]).await;
        let path = format!("/graphql?query={}", encoded(query));
        let gzip = |known: Option<&str>| {
            let request =
                Request::get(&path).header("host", "tessera.test").header("accept-encoding", "gzip");
            let request =
                known.into_iter().fold(request, |request, known| request.header("if-none-match", known));
            request.body(Body::empty()).expect("a request")
        };
        let zipped = world.http(gzip(None)).await;
        assert_eq!(zipped.headers()["content-encoding"], "gzip");
        let tag = zipped.headers()["etag"].to_str().expect("text").to_owned();
        assert_eq!(tag, format!("\"{}-gzip\"", plain.header("etag").trim_matches('"')), "{}", plain.text);
        let same = world.send(gzip(Some(&tag))).await;
        assert_eq!((same.status, same.header("etag")), (304, tag.as_str()));
        assert_eq!(get(world, query, json!({}), &[("if-none-match", &tag)]).await.status, 304);
    });
}
