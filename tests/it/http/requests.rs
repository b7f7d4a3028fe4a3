//! GraphQL over HTTP and the other endpoints: what all callers can rely on.

use std::{collections::BTreeMap, convert::Infallible, sync::Arc, time::Duration};

use async_graphql::{Data, Executor, Request, Response};
use async_graphql_axum::GraphQL;
use axum::{
    body::{Body, Bytes, to_bytes},
    http,
};
use futures_util::{FutureExt, StreamExt, stream, stream::BoxStream};
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use tessera::{
    app::App,
    auth::Viewer,
    graphql::{self, Run, Schema},
    http::Patience,
};
use test_case::test_case;
use tower::ServiceExt;

use crate::support::Database::{self, Postgres, Sqlite};
use crate::support::{
    World, run_on, run_once,
    socket::Socket,
    wire::{JSON, Reply},
};

const SHOP: &str = "https://shop.example";
const BODY: &str = r#"{"query":"{__typename}"}"#;
const RESULT: (&str, &str) = ("accept", "application/graphql-response+json");
const CATEGORIES: &str = "{ categories { id slug children { id } } }";
const MAKE: &str = "mutation { createCategory(input: { name: \"Music\", slug: \"music\" }) { category { id } errors { code } } }";

/// What belongs to us alone and never into an answer.
const SECRETS: [&str; 7] = ["select", "relation", "sqlx", "no such table", "panicked", "src/", "/home"];

#[test]
fn a_query_is_answered_by_post_and_by_get() {
    run_once(async |world: &World| {
        let by_post = world.post(&[JSON], BODY).await;
        assert_eq!(by_post.text, r#"{"data":{"__typename":"Query"}}"#);
        assert_eq!(by_post.header("content-type"), "application/json; charset=utf-8");
        let by_get = world
            .get("/graphql?query=query(%24s%3AString!)%7Bcategory(slug%3A%24s)%7Bid%7D%7D&variables=%7B%22s%22%3A%22no%22%7D")
            .await;
        assert_eq!(by_get.text, r#"{"data":{"category":null}}"#);
    });
}

#[test]
fn only_plain_json_is_read() {
    run_once(async |world: &World| {
        let wrong = [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/json; charset=utf-16",
            "application/jsonp",
            "",
        ];
        for media in wrong {
            world.post(&[("content-type", media)], BODY).await.refused(415, "UNSUPPORTED_MEDIA_TYPE");
        }
        world.post(&[], BODY).await.refused(415, "UNSUPPORTED_MEDIA_TYPE");
        let twice = [JSON, ("content-type", "text/plain")];
        world.post(&twice, BODY).await.refused(415, "UNSUPPORTED_MEDIA_TYPE");
        let gzip = [JSON, ("content-encoding", "gzip")];
        world.post(&gzip, BODY).await.refused(415, "UNSUPPORTED_MEDIA_TYPE");
        for media in ["application/json", "Application/JSON; charset=\"UTF-8\""] {
            assert_eq!(world.post(&[("content-type", media)], BODY).await.status, 200, "{media}");
        }
    });
}

#[test]
fn get_requests_refuse_mutations_and_subscriptions() {
    run_once(async |world: &World| {
        let mutation = "mutation%7BcreateGuestSession%7Berrors%7Bcode%7D%7D%7D";
        let subscription = "subscription%7BseatAvailability(eventId%3A%22x%22)%7B__typename%7D%7D";
        for query in [mutation, subscription] {
            let answer = world.get(&format!("/graphql?query={query}")).await;
            answer.refused(405, "METHOD_NOT_ALLOWED");
            assert_eq!(answer.header("allow"), "POST");
        }
        // The operation that is named counts, not the first.
        let named = "/graphql?operationName=B&query=query%20A%7B__typename%7Dmutation%20B%7BsignOut%7Berrors%7Bcode%7D%7D%7D";
        world.get(named).await.refused(405, "METHOD_NOT_ALLOWED");
        let watched = "subscription { seatAvailability(eventId: \"x\") { __typename } }";
        world.ask(watched).await.refused(200, "SUBSCRIPTION_NEEDS_SOCKET");
        for method in ["PUT", "DELETE", "PATCH"] {
            let request = http::Request::builder().method(method).uri("/graphql").body(Body::empty());
            let answer = world.send(request.expect("a request")).await;
            answer.refused(405, "METHOD_NOT_ALLOWED");
            assert_eq!(answer.header("allow"), "GET, POST");
        }
    });
}

#[test]
fn the_answer_is_of_the_type_that_is_accepted() {
    run_once(async |world: &World| {
        let result = "application/graphql-response+json";
        for (accept, expected) in [
            ("application/json", "application/json"),
            ("*/*", "application/json"),
            (result, result),
            ("application/json;q=0.5, application/graphql-response+json", result),
            ("application/graphql-response+json;q=0, */*", "application/json"),
        ] {
            let answer = world.post(&[JSON, ("accept", accept)], BODY).await;
            let expected = format!("{expected}; charset=utf-8");
            assert_eq!((answer.status, answer.header("content-type")), (200, &*expected), "{accept}");
        }
        for accept in ["text/html", "image/*", "application/json;q=0"] {
            world.post(&[JSON, ("accept", accept)], BODY).await.refused(406, "NOT_ACCEPTABLE");
        }
        // A refused document has a status that tells it only where the type allows for that.
        let nope = r#"{"query":"{nope}"}"#;
        world.post(&[JSON], nope).await.refused(200, "GRAPHQL_VALIDATION_FAILED");
        world.post(&[JSON, RESULT], nope).await.refused(400, "GRAPHQL_VALIDATION_FAILED");
        // What ran, ran: an error in a result does not change the status.
        let partial = r#"{"query":"{__typename events(first:0){totalCount}}"}"#;
        world.post(&[JSON, RESULT], partial).await.refused(200, "BAD_USER_INPUT");
    });
}

#[test]
fn body_limit_depends_on_the_operation() {
    run_once(async |world: &World| {
        let body = |bytes: usize| {
            let variables = json!({ "s": "x".repeat(bytes) });
            json!({ "query": "query($s:String!){category(slug:$s){id}}", "variables": variables }).to_string()
        };
        let [user, guest] =
            [world.user("ada").await, world.guest().await].map(|token| format!("Bearer {token}"));
        let signed_in = [JSON, ("authorization", &*user)];
        for headers in [&[JSON][..], &signed_in[..]] {
            assert_eq!(world.post(headers, body(200 * 1024)).await.status, 200);
            world.post(headers, body(256 * 1024)).await.refused(413, "BODY_TOO_LARGE");
            world.post(headers, body(16 * 1024 * 1024)).await.refused(413, "BODY_TOO_LARGE");
        }
        // A seat plan may be large, wherever the document stands in the body, for those who have an account.
        let import = "mutation($p:String!){importSeatMap(input:{venueId:\"x\",plan:$p}){errors{code}}}";
        let plan = |bytes: usize| json!({ "p": "x".repeat(bytes) });
        let first = |bytes: usize| format!(r#"{{"query":{},"variables":{}}}"#, json!(import), plan(bytes));
        let last = |bytes: usize| format!(r#"{{"variables":{},"query":{}}}"#, plan(bytes), json!(import));
        for body in [first(16 * 1024 * 1024), last(16 * 1024 * 1024)] {
            let answer = world.post(&signed_in, body.clone()).await;
            assert_eq!(
                answer.json()["data"]["importSeatMap"]["errors"][0]["code"],
                "INVALID",
                "{}",
                answer.text
            );
            world.post(&[JSON], body.clone()).await.refused(413, "BODY_TOO_LARGE");
            world.post(&[JSON, ("authorization", &*guest)], body).await.refused(413, "BODY_TOO_LARGE");
        }
        world.post(&signed_in, first(24 * 1024 * 1024)).await.refused(413, "BODY_TOO_LARGE");
        let usual = last(300 * 1024).replace("mutation($p", "query($p").replace(
            "importSeatMap(input:{venueId:\\\"x\\\",plan:$p}){errors{code}}",
            "category(slug:$p){id}",
        );
        world.post(&signed_in, usual).await.refused(413, "BODY_TOO_LARGE");

        // An announced length is refused before a byte of it is read.
        let pending = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        let announced = [JSON, ("content-length", "104857600")];
        world.post(&announced, pending).await.refused(413, "BODY_TOO_LARGE");
        // An endless stream announces nothing.
        let endless = stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from_static(&[b' '; 4096])));
        world.post(&[JSON], Body::from_stream(endless)).await.refused(413, "BODY_TOO_LARGE");
    });
}

#[test]
fn unreadable_documents_are_refused_with_a_clear_message() {
    run_once(async |world: &World| {
        world.post(&[JSON], "[{\"query\":\"{__typename}\"}]").await.refused(400, "BATCH_NOT_ALLOWED");
        let wrong = [
            "",
            "{",
            "\u{0}",
            "7",
            "{}",
            r#"{"query":7}"#,
            r#"{"query":"\ud800"}"#,
            r#"{"query":"{__typename}","variables":[]}"#,
            r#"{"query":"{__typename}","variables":{"x":1e400}}"#,
            r#"{"query":"{__typename}","operationName":{}}"#,
        ];
        for body in wrong {
            let answer = world.post(&[JSON], body).await;
            answer.refused(400, "BAD_REQUEST");
            for word in ["Error(", "expected", "EOF", "invalid type", "serde", "::"] {
                assert!(!answer.text.contains(word), "{word} in {}", answer.text);
            }
        }
        for query in ["", "?query=", "?query=%7B__typename%7D&variables=%7B", "?variables=%7B%7D"] {
            world.get(&format!("/graphql{query}")).await.refused(400, "BAD_REQUEST");
        }
        let broken = [JSON, ("connection", "upgrade"), ("upgrade", "websocket")];
        world.post(&broken, BODY).await.refused(400, "BAD_REQUEST");
        // Another upgrade is only an offer.
        let offer =
            [JSON, ("connection", "upgrade, http2-settings"), ("upgrade", "h2c"), ("http2-settings", "AAA")];
        assert_eq!(world.post(&offer, BODY).await.status, 200);
    });
}

#[test]
fn invalid_token_is_refused_and_missing_token_is_anonymous() {
    run_once(async |world: &World| {
        let token = world.user("ada").await;
        let viewer = r#"{"query":"{viewer{account{kind}}}"}"#;
        let good = format!("Bearer {token}");
        let answer = world.post(&[JSON, ("authorization", &good)], viewer).await;
        assert_eq!(answer.json()["data"]["viewer"]["account"]["kind"], "USER", "{}", answer.text);
        assert_eq!(world.post(&[JSON], viewer).await.text, r#"{"data":{"viewer":null}}"#);
        let cut = &good[..good.len() - 1];
        for bad in ["Bearer wrong", "Bearer ", "Bearer", "Basic dTpw", &token, "", cut] {
            let answer = world.post(&[JSON, ("authorization", bad)], viewer).await;
            answer.refused(401, "UNAUTHENTICATED");
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
        // An hour, and the leeway for clocks that differ.
        world.advance(Duration::from_secs(3_700));
        world.post(&[JSON, ("authorization", &good)], viewer).await.refused(401, "UNAUTHENTICATED");
    });
}

#[test]
fn every_answer_has_a_name_and_its_headers() {
    run_once(async |world: &World| {
        let named = world.post(&[JSON, ("x-request-id", "trace-7")], BODY).await;
        assert_eq!(named.header("x-request-id"), "trace-7");
        let strange = world.post(&[JSON, ("x-request-id", "<script>")], BODY).await;
        assert_eq!(strange.header("x-request-id").len(), 36, "an id that could do harm is replaced");
        let paths = [
            "/graphql?query=%7B__typename%7D",
            "/health/live",
            "/health/ready",
            "/nowhere",
            "/graphiql/",
            "/.well-known/jwks.json",
            "/sandbox/authenticate/x",
        ];
        for path in paths {
            let answer = world.get(path).await;
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
            assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
            assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
            assert_eq!(answer.header("x-request-id").len(), 36, "{path}");
        }
        assert_eq!(named.header("cache-control"), "no-store");
        world.get("/nowhere").await.refused(404, "NOT_FOUND");
        world.get("/graphql/").await.refused(404, "NOT_FOUND");
    });
}

#[test]
fn only_listed_pages_may_call() {
    run_once(async |world: &World| {
        let open = world.beside(&["--allowed-origins", SHOP], Patience::default()).await;
        let preflight = async |world: &World, origin: &str| {
            let request = http::Request::options("/graphql")
                .header("origin", origin)
                .header("access-control-request-method", "POST")
                .header("access-control-request-headers", "content-type,authorization");
            world.send(request.body(Body::empty()).expect("a request")).await
        };
        let listed = preflight(&open, SHOP).await;
        assert_eq!(listed.header("access-control-allow-origin"), SHOP);
        assert_eq!(listed.header("access-control-allow-credentials"), "");
        let called = open.post(&[JSON, ("origin", SHOP)], BODY).await;
        assert_eq!(called.header("access-control-allow-origin"), SHOP);
        assert_eq!(
            called.header("access-control-expose-headers"),
            "x-request-id,retry-after,etag,ratelimit-limit,ratelimit-remaining,ratelimit-reset,ratelimit-policy"
        );
        let foreign =
            ["https://evil.example", "null", "https://shop.example.evil.example", "http://shop.example", "*"];
        for origin in foreign {
            assert_eq!(preflight(&open, origin).await.header("access-control-allow-origin"), "", "{origin}");
        }
        assert_eq!(preflight(world, SHOP).await.header("access-control-allow-origin"), "", "none by default");
        open.end().await;
    });
}

#[test]
fn readiness_ends_with_the_shutdown() {
    run_once(async |world: &World| {
        let other = world.beside(&[], Patience::default()).await;
        for path in ["/health/live", "/health/ready"] {
            let answer = other.get(path).await;
            assert_eq!((answer.status, &*answer.text), (200, r#"{"status":"ok"}"#), "{path}");
        }
        other.app.shutdown.cancel();
        let answer = other.get("/health/ready").await;
        assert_eq!((answer.status, &*answer.text), (503, r#"{"status":"unavailable"}"#));
        assert_eq!(other.get("/health/live").await.status, 200);
        other.end().await;
    });
}

#[test]
fn only_the_public_halves_of_the_keys_are_told() {
    run_once(async |world: &World| {
        let answer = world.get("/.well-known/jwks.json").await;
        assert_eq!((answer.status, answer.header("cache-control")), (200, "public, max-age=300"));
        let keys = answer.json()["keys"].as_array().expect("keys").clone();
        let mut purposes: Vec<_> = keys.iter().map(|key| key["tessera:purpose"].clone()).collect();
        purposes.sort_by_key(Value::to_string);
        assert_eq!(purposes, ["session", "ticket"]);
        for key in &keys {
            let key: BTreeMap<&str, &Value> =
                key.as_object().expect("a key").iter().map(|(name, value)| (&**name, value)).collect();
            let members: Vec<_> = key.keys().copied().collect();
            assert_eq!(members, ["alg", "crv", "kid", "kty", "tessera:purpose", "use", "x"], "and no d");
        }
    });
}

#[test]
fn graphiql_is_served_or_explained_and_only_when_switched_on() {
    run_once(async |world: &World| {
        assert_eq!(world.get("/graphiql").await.header("location"), "/graphiql/");
        let page = world.get("/graphiql/").await;
        // Whether the page was built is not the server's doing.
        assert!(page.status == 200 || page.text.contains("GraphiQL is not built"), "{}", page.text);
        assert!(page.header("content-type").starts_with("text/html"));
        let policy = page.header("content-security-policy");
        for rule in
            ["default-src 'none';", "script-src 'self';", "frame-ancestors 'none';", "base-uri 'none';"]
        {
            assert!(policy.contains(rule), "{rule} in {policy}");
        }
        assert!(policy.contains("connect-src 'self' ws://tessera.test wss://tessera.test;"), "{policy}");
        for path in ["index.html", "..%2f..%2fCargo.toml", "nope.js", "assets/../index.html"] {
            world.get(&format!("/graphiql/{path}")).await.refused(404, "NOT_FOUND");
        }
        let off = world.beside(&["--graphiql", "false"], Patience::default()).await;
        for path in ["/graphiql", "/graphiql/"] {
            off.get(path).await.refused(404, "NOT_FOUND");
        }
        off.end().await;
    });
}

#[test]
fn the_sandboxs_bank_asks_and_is_answered() {
    run_once(async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        for (answer, said) in [("no", "Declined"), ("yes", "Thank you")] {
            let seat = &stage.seats[usize::from(answer == "yes")];
            let reservation = world.reserve(&buyer, &stage.event, &[seat]).await;
            let order = world.checkout(&buyer, &[&reservation]).await;
            let asked = world
                .pay(&buyer, &order, "pm_card_authenticationRequired", &format!("bank-asks-{answer}"))
                .await
                .good();
            let url = asked.text("payOrder.payment.nextActionUrl");
            let path = url.strip_prefix("http://tessera.test").expect("our own address");

            let page = world.get(path).await;
            assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
            for button in ["value=yes>", "value=no>"] {
                assert!(page.text.contains(button), "{}", page.text);
            }
            let policy = page.header("content-security-policy");
            assert!(
                policy.contains("default-src 'none'") && policy.contains("form-action 'self'"),
                "{policy}"
            );

            let answered = press(world, path, &format!("answer={answer}")).await;
            assert_eq!(answered.status, 200);
            assert!(answered.text.contains(said), "{}", answered.text);
            assert_eq!(press(world, path, "answer=yes").await.status, 409, "an answer is final");
        }
        assert_eq!(press(world, "/sandbox/authenticate/none", "answer=yes").await.status, 409);
    });
}

async fn press(world: &World, path: &str, form: &str) -> Reply {
    let request = http::Request::post(path).header("content-type", "application/x-www-form-urlencoded");
    world.send(request.body(Body::from(form.to_owned())).expect("a request")).await
}

/// The database breaks under a running server: it says that it is its own fault, under the request's name, and no more.
#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn our_faults_are_masked_under_the_requests_name(database: Database) {
    run_on(database, async |world: &World| {
        let operator = world.operator().await;
        let authorization = format!("Bearer {operator}");
        let address = world.listen().await;
        let mut socket = Socket::open(&address, Some(&operator)).await;
        let before = world.ask(CATEGORIES).await;
        assert_eq!(before.text, r#"{"data":{"categories":[]}}"#);
        let tx = world.app.store.begin().await.expect("a transaction");
        tx.execute_unprepared("ALTER TABLE category RENAME TO hidden").await.expect("renamed");
        tx.commit().await.expect("committed");

        for query in [CATEGORIES, MAKE] {
            let body = json!({ "query": query }).to_string();
            let named = [JSON, RESULT, ("authorization", &*authorization), ("x-request-id", "trace-7")];
            let answer = world.post(&named, body).await;
            let error = answer.json()["errors"][0].clone();
            assert_eq!(error["extensions"], json!({ "code": "INTERNAL", "requestId": "trace-7" }), "{error}");
            assert_eq!(answer.header("x-request-id"), "trace-7");
            tells_nothing(&answer.text);
            socket.subscribe("1", query, json!({})).await;
            let message = socket.message().await;
            assert!(message.to_string().contains("INTERNAL"), "{message}");
            tells_nothing(&message.to_string());
            if message["type"] == "next" {
                assert_eq!(socket.message().await["type"], "complete");
            }
        }
    });
}

fn tells_nothing(answer: &str) {
    let answer = answer.to_lowercase();
    for word in SECRETS.iter().chain(&["hidden", "exist", "database"]) {
        assert!(!answer.contains(word), "{word} in {answer}");
    }
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn a_mutation_runs_to_its_end_though_its_caller_has_gone(database: Database) {
    run_on(database, async |world: &World| {
        let tasks = world.app.tasks.len();
        let sign_up =
            "mutation { signUp(input: { email: \"ada@tessera.test\", password: \"correct horse battery\",
            name: \"Ada\" }) { errors { code } } }";
        // Polled once, and dropped: the password is still being hashed.
        assert!(world.ask(sign_up).now_or_never().is_none());
        assert!(world.app.tasks.len() > tasks, "it goes on without its caller");
        while world.app.tasks.len() > tasks {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let sign_in =
            "mutation { signIn(input: { email: \"ada@tessera.test\", password: \"correct horse battery\" }) {
            session { account { name } } errors { code } } }";
        let answer = world.gql(None, sign_in, json!({})).await.good();
        assert_eq!(answer.data("signIn.session.account.name"), "Ada");
    });
}

/// The schema behind the library's own handler, with what every request needs.
#[derive(Clone)]
struct Stock {
    app: App,
    schema: Schema,
}

impl Executor for Stock {
    async fn execute(&self, request: Request) -> Response {
        let (request, batches) = graphql::prepare(&self.app, request, Viewer::ANONYMOUS, Run::default());
        batches.run(self.schema.execute(request)).await
    }

    fn execute_stream(&self, request: Request, _: Option<Arc<Data>>) -> BoxStream<'static, Response> {
        let (request, batches) = graphql::prepare(&self.app, request, Viewer::ANONYMOUS, Run::default());
        batches.run_stream(self.schema.execute_stream(request)).boxed()
    }
}

/// The library's own handler and ours give the same data to whoever asks well.
#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn our_handler_agrees_with_the_librarys_own(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let stock = Stock { app: world.app.clone(), schema: graphql::schema(&world.app) };
        let event = json!({ "event": stage.event });
        let questions = [
            ("{ __typename }", json!({})),
            (CATEGORIES, json!({})),
            ("{ shops { nodes { id slug name } pageInfo { hasNextPage endCursor } } }", json!({})),
            ("query($event: ID!) { a: event(id: $event) { ...E } b: event(id: $event) { name ...E } }
              fragment E on Event { id startsAt priceRange { lowest { amount currency } } tiers { id name } }", event.clone()),
            ("query($event: ID!) { event(id: $event) { availability { version rows { statuses } areas { available } }
              seatMap { zones { name rows { seats { id } } } } } }", event.clone()),
            ("query($event: ID!) { node(id: $event) { __typename id ... on Event { slug } } }", event),
            ("query($no: Boolean!) { __typename @skip(if: $no) categories @include(if: $no) { id } }", json!({ "no": true })),
            ("query A { categories { id } } query B { shops { totalCount } }", json!({})),
            ("{ __schema { queryType { name } } __type(name: \"Event\") { fields { name } } }", json!({})),
        ];
        for (query, variables) in questions {
            let mut body = json!({ "query": query, "variables": variables });
            if query.starts_with("query A") {
                body["operationName"] = json!("B");
            }
            let ours = world.post(&[JSON], body.to_string()).await.json();
            let theirs = ask_stock(&stock, &body).await;
            assert!(ours["errors"].is_null(), "{query}: {ours}");
            assert_eq!(ours["data"], theirs["data"], "{query}");
        }
    });
}

async fn ask_stock(stock: &Stock, body: &Value) -> Value {
    let request = http::Request::post("/").header("content-type", "application/json");
    let request = request.body(Body::from(body.to_string())).expect("a request");
    let response = GraphQL::new(stock.clone()).oneshot(request).await.expect("an answer");
    let bytes = to_bytes(response.into_body(), usize::MAX).await.expect("a body");
    serde_json::from_slice(&bytes).expect("JSON")
}
