//! A world: one application with its own database, and a clock that only tests advance.
//!
//! The worker's loops do not run by themselves. A test calls their functions when it needs them.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{Request, Response},
};
use chrono::{DateTime, TimeZone, Utc};
use clap::Parser;
use entity::{EventId, event};
use sea_orm::EntityTrait;
use serde_json::{Value, json};
use tessera::{
    app::App,
    clock::Clock,
    config::Config,
    graphql,
    http::{self, Listener, Patience, Timeouts},
    keys::SigningKeys,
    server,
    store::Store,
    worker,
};
use tower::ServiceExt;

use super::{laws, panics, postgres, sqlite};

/// The application, database and router of a test.
pub(crate) struct World {
    /// The application.
    pub(crate) app: App,
    /// The name of the database.
    pub(crate) backend: &'static str,
    /// The URL of the database, for a second application.
    pub(crate) url: String,
    router: Router,
    /// The client's address. `None` for requests without a network.
    address: Option<IpAddr>,
}

/// A response.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: Value,
}

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    config: Config,
}

/// Runs the test in a world on SQLite, and again in a world on PostgreSQL. Then checks the invariants.
pub(crate) fn run(test: impl AsyncFn(&World)) {
    let file = sqlite::database("migrated", migrate);
    run_on("SQLite", &file.url, &test);
    let database = postgres::database("migrated", migrate);
    run_on("PostgreSQL", &database.url, test);
}

/// Runs the test in a world on SQLite only, for protocols that do not depend on the database.
pub(crate) fn run_once(test: impl AsyncFnOnce(&World)) {
    let file = sqlite::database("migrated", migrate);
    run_on("SQLite", &file.url, test);
}

/// Runs the test in a world on PostgreSQL only, for tests with several instances or a failing server.
pub(crate) fn run_on_postgres(test: impl AsyncFnOnce(&World)) {
    let database = postgres::database("migrated", migrate);
    run_on("PostgreSQL", &database.url, test);
}

/// Runs the test in a world. A panic of the server fails the test, also one that the server contains or that nobody
/// awaits.
fn run_on(backend: &'static str, url: &str, test: impl AsyncFnOnce(&World)) {
    panics::watch();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let world = World::open(backend, url).await;
        // Printed only when the test fails.
        eprintln!("on {}", world.backend);
        test(&world).await;
        world.end().await;
    });
    let panics = panics::of(runtime.handle().id());
    assert!(panics.is_empty(), "the server panicked: {panics:?}");
}

/// Migrates the database of a template.
pub(crate) async fn migrate(url: &str) {
    let store = Store::connect(url, 1).await.expect("a database");
    store.migrate().await.expect("the schema");
    store.close().await.expect("closed");
}

/// Returns the initial time of all worlds.
pub(crate) fn start_of_time() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 6, 1, 12, 0, 0).single().expect("a time")
}

/// Parses settings as the command line does.
pub(crate) fn config(args: &[&str]) -> Config {
    Cli::parse_from([&["tessera"], args].concat()).config
}

impl World {
    async fn open(backend: &'static str, url: &str) -> Self {
        let app = application(url, Clock::manual(start_of_time())).await;
        Self::of(app, backend, url)
    }

    /// Creates a world for an application that the test created.
    pub(crate) fn of(app: App, backend: &'static str, url: &str) -> Self {
        let router = http::router(app.clone(), graphql::schema(&app));
        Self { app, backend, url: url.to_owned(), router, address: None }
    }

    /// Creates another server with the same database, keys and clock, but with other settings. The caller must end it.
    pub(crate) async fn beside(&self, args: &[&str], patience: Patience) -> Self {
        let args = [&["--database-url", &self.url, "--public-url", "http://tessera.test"], args].concat();
        let store = Store::connect(&self.url, 2).await.expect("a database");
        let app =
            App::new(config(&args), store, self.app.clock.clone(), self.app.keys.clone()).expect("an app");
        let router = http::router_with(app.clone(), graphql::schema(&app), patience);
        Self { app, backend: self.backend, url: self.url.clone(), router, address: None }
    }

    /// Returns a view of this world whose requests come from `address`. Must not be ended.
    pub(crate) fn from(&self, address: &str) -> Self {
        Self {
            app: self.app.clone(),
            backend: self.backend,
            url: self.url.clone(),
            router: self.router.clone(),
            address: Some(address.parse().expect("an address")),
        }
    }

    /// Returns a view of this world whose requests have no network. Must not be ended.
    pub(crate) fn without_network(&self) -> Self {
        Self { address: None, ..self.from("0.0.0.0") }
    }

    /// Creates a second application with the same database, keys and clock.
    pub(crate) async fn second(&self) -> App {
        self.second_at(&self.url).await
    }

    /// Does the same, but connects to the database at another URL.
    pub(crate) async fn second_at(&self, url: &str) -> App {
        let store = Store::connect(url, 8).await.expect("a database");
        App::new(self.app.config.clone(), store, self.app.clock.clone(), self.app.keys.clone())
            .expect("an app")
    }

    /// Sends a GraphQL request over HTTP, without a network in between.
    pub(crate) async fn gql(&self, token: Option<&str>, document: &str, variables: Value) -> Answer {
        Answer::of(self.http(request(token, document, &variables)).await).await
    }

    /// Sends a GraphQL request from an address, which the limits use.
    pub(crate) async fn gql_from(
        &self,
        address: &str,
        token: Option<&str>,
        (document, variables): (&str, Value),
    ) -> Answer {
        Answer::of(self.http_from(address, token, (document, variables)).await).await
    }

    /// Does the same and returns the raw response.
    pub(crate) async fn http_from(
        &self,
        address: &str,
        token: Option<&str>,
        (document, variables): (&str, Value),
    ) -> Response<Body> {
        let mut request = request(token, document, &variables);
        let peer = SocketAddr::new(address.parse().expect("an address"), 40_000);
        request.extensions_mut().insert(axum::extract::ConnectInfo(peer));
        self.http(request).await
    }

    /// Returns the id of the only event.
    pub(crate) async fn only_event(&self) -> EventId {
        let events = event::Entity::find().all(self.app.store.read()).await.expect("events");
        assert_eq!(events.len(), 1, "one event");
        events[0].id
    }

    /// Sends any request.
    pub(crate) async fn http(&self, mut request: Request<Body>) -> Response<Body> {
        if let Some(address) = self.address {
            request.extensions_mut().insert(ConnectInfo(SocketAddr::new(address, 40_000)));
        }
        self.router.clone().oneshot(request).await.expect("routers do not fail")
    }

    /// Advances the clock.
    pub(crate) fn advance(&self, by: Duration) {
        self.app.clock.advance(by);
    }

    /// Runs each of the worker's loops once.
    pub(crate) async fn work(&self) {
        worker::expire(&self.app).await.expect("expiry");
        worker::settle(&self.app).await.expect("settlement");
        worker::follow(&self.app).await.expect("following");
        worker::prune(&self.app).await.expect("pruning");
    }

    /// Listens on a real socket until the world ends. Returns the address.
    pub(crate) async fn listen(&self) -> String {
        self.listen_with(Timeouts::DEFAULT).await
    }

    /// Does the same with these timeouts of connections.
    pub(crate) async fn listen_with(&self, timeouts: Timeouts) -> String {
        let mut config = self.app.config.clone();
        config.listen.set_port(0);
        let listener = Listener::bind(&config).await.expect("a listener");
        let address = listener.local_addr().expect("an address");
        let (router, app) = (self.router.clone(), self.app.clone());
        self.app.spawn(async move { http::serve_router(&app, router, listener, timeouts).await });
        address.to_string()
    }

    /// Checks the invariants, and that no task is left.
    pub(crate) async fn end(self) {
        laws::hold(&self.app).await;
        let tasks = self.app.tasks.clone();
        server::close(self.app, Duration::from_secs(20)).await;
        assert!(tasks.is_empty(), "{} tasks leaked", tasks.len());
    }
}

/// Creates a GraphQL request over HTTP.
fn request(token: Option<&str>, document: &str, variables: &Value) -> Request<Body> {
    let body = json!({ "query": document, "variables": variables }).to_string();
    let mut request =
        Request::post("/graphql").header("content-type", "application/json").header("host", "tessera.test");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    request.body(Body::from(body)).expect("a request")
}

/// Creates an application on the database.
pub(crate) async fn application(url: &str, clock: Clock) -> App {
    let config =
        config(&["--database-url", url, "--public-url", "http://tessera.test", "--access-seconds", "3600"]);
    let store = Store::connect(url, 8).await.expect("a database");
    App::new(config, store, clock, SigningKeys::generate().expect("keys")).expect("an app")
}

impl Answer {
    async fn of(response: Response<Body>) -> Self {
        let status = response.status().as_u16();
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("a body");
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| panic!("not JSON: {}", String::from_utf8_lossy(&bytes)));
        Self { status, body }
    }

    /// Returns the value at a path in the data, such as `events.nodes.0.id`. Null if there is none.
    pub(crate) fn data(&self, path: &str) -> Value {
        at(&self.body["data"], path)
    }

    /// Returns the text at a path in the data.
    pub(crate) fn text(&self, path: &str) -> String {
        self.data(path).as_str().unwrap_or_else(|| panic!("no text at {path} in {}", self.body)).to_owned()
    }

    /// Returns the code of the first top-level error.
    pub(crate) fn code(&self) -> Option<String> {
        self.body["errors"][0]["extensions"]["code"].as_str().map(str::to_owned)
    }

    /// Returns the code of the first error in the mutation's payload.
    pub(crate) fn refusal(&self, mutation: &str) -> Option<String> {
        self.data(&format!("{mutation}.errors.0.code")).as_str().map(str::to_owned)
    }

    /// Asserts that there are no errors, neither at the top level nor in a payload.
    pub(crate) fn good(self) -> Self {
        let refused = self.body["data"].as_object().is_some_and(|fields| {
            fields.values().any(|field| field["errors"].as_array().is_some_and(|errors| !errors.is_empty()))
        });
        let answered = self.status == 200 && self.body["errors"].is_null();
        assert!(answered && !refused, "not good: {}", self.body);
        self
    }
}

fn at(value: &Value, path: &str) -> Value {
    path.split('.').fold(value.clone(), |value, key| match key.parse::<usize>() {
        Ok(index) => value[index].clone(),
        Err(_) => value[key].clone(),
    })
}
