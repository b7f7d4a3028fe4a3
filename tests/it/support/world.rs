//! A world: one application on one database of its own, with a clock that stands still until it is moved.
//!
//! The loops of the worker do not run by themselves: a test calls what they call, when it wants it.

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

use super::{laws, postgres, sqlite};

/// Everything a test needs of the world.
pub(crate) struct World {
    /// The application.
    pub(crate) app: App,
    /// On which database.
    pub(crate) backend: &'static str,
    /// The same database's address, for a second application.
    pub(crate) url: String,
    router: Router,
    /// The address that requests come from; `None` if they come from no network.
    address: Option<IpAddr>,
}

/// What a request was answered.
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

/// Runs the test in a world on SQLite, and again in a world on PostgreSQL. After it, the world's laws must hold.
pub(crate) fn run(test: impl AsyncFn(&World)) {
    let file = sqlite::database("migrated", migrate);
    run_on("SQLite", &file.url, &test);
    let database = postgres::database("migrated", migrate);
    run_on("PostgreSQL", &database.url, test);
}

/// Runs the test in a world on SQLite only: for protocols, in which no database has a say.
pub(crate) fn run_once(test: impl AsyncFnOnce(&World)) {
    let file = sqlite::database("migrated", migrate);
    run_on("SQLite", &file.url, test);
}

/// Runs the test in a world on PostgreSQL only: for what several instances, or a server that fails, have a part in.
pub(crate) fn run_on_postgres(test: impl AsyncFnOnce(&World)) {
    let database = postgres::database("migrated", migrate);
    run_on("PostgreSQL", &database.url, test);
}

fn run_on(backend: &'static str, url: &str, test: impl AsyncFnOnce(&World)) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let world = World::open(backend, url).await;
        // Shown only when the test fails.
        eprintln!("on {}", world.backend);
        test(&world).await;
        world.end().await;
    });
}

/// Makes a template with the schema.
pub(crate) async fn migrate(url: &str) {
    let store = Store::connect(url, 1).await.expect("a database");
    store.migrate().await.expect("the schema");
    store.close().await.expect("closed");
}

/// When all worlds begin.
pub(crate) fn start_of_time() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 6, 1, 12, 0, 0).single().expect("a time")
}

/// Settings as the command line would give them.
pub(crate) fn config(args: &[&str]) -> Config {
    Cli::parse_from([&["tessera"], args].concat()).config
}

impl World {
    async fn open(backend: &'static str, url: &str) -> Self {
        let app = application(url, Clock::manual(start_of_time())).await;
        Self::of(app, backend, url)
    }

    /// A world around an application that the test made itself.
    pub(crate) fn of(app: App, backend: &'static str, url: &str) -> Self {
        let router = http::router(app.clone(), graphql::schema(&app));
        Self { app, backend, url: url.to_owned(), router, address: None }
    }

    /// Another server on the same database, with the same keys and the same time, but with other settings. To be ended.
    pub(crate) async fn beside(&self, args: &[&str], patience: Patience) -> Self {
        let args = [&["--database-url", &self.url, "--public-url", "http://tessera.test"], args].concat();
        let store = Store::connect(&self.url, 2).await.expect("a database");
        let app =
            App::new(config(&args), store, self.app.clock.clone(), self.app.keys.clone()).expect("an app");
        let router = http::router_with(app.clone(), graphql::schema(&app), patience);
        Self { app, backend: self.backend, url: self.url.clone(), router, address: None }
    }

    /// Returns a view of this world whose requests come from `address`. Not to be ended.
    pub(crate) fn from(&self, address: &str) -> Self {
        Self {
            app: self.app.clone(),
            backend: self.backend,
            url: self.url.clone(),
            router: self.router.clone(),
            address: Some(address.parse().expect("an address")),
        }
    }

    /// Returns a view of this world whose requests come from no network. Not to be ended.
    pub(crate) fn without_network(&self) -> Self {
        Self { address: None, ..self.from("0.0.0.0") }
    }

    /// A second application on the same database, with the same keys and the same time.
    pub(crate) async fn second(&self) -> App {
        self.second_at(&self.url).await
    }

    /// The same, which reaches the database at another address.
    pub(crate) async fn second_at(&self, url: &str) -> App {
        let store = Store::connect(url, 8).await.expect("a database");
        App::new(self.app.config.clone(), store, self.app.clock.clone(), self.app.keys.clone())
            .expect("an app")
    }

    /// A client's request over HTTP, without the network in between.
    pub(crate) async fn gql(&self, token: Option<&str>, document: &str, variables: Value) -> Answer {
        Answer::of(self.http(request(token, document, &variables)).await).await
    }

    /// A client's request from an address, as the limits see it.
    pub(crate) async fn gql_from(
        &self,
        address: &str,
        token: Option<&str>,
        (document, variables): (&str, Value),
    ) -> Answer {
        Answer::of(self.http_from(address, token, (document, variables)).await).await
    }

    /// The same with the response as it comes.
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

    /// The id of the one event that there is.
    pub(crate) async fn only_event(&self) -> EventId {
        let events = event::Entity::find().all(self.app.store.read()).await.expect("events");
        assert_eq!(events.len(), 1, "one event");
        events[0].id
    }

    /// Any request.
    pub(crate) async fn http(&self, mut request: Request<Body>) -> Response<Body> {
        if let Some(address) = self.address {
            request.extensions_mut().insert(ConnectInfo(SocketAddr::new(address, 40_000)));
        }
        self.router.clone().oneshot(request).await.expect("routers do not fail")
    }

    /// Moves the clock on.
    pub(crate) fn advance(&self, by: Duration) {
        self.app.clock.advance(by);
    }

    /// One round of every loop of the worker.
    pub(crate) async fn work(&self) {
        worker::expire(&self.app).await.expect("expiry");
        worker::settle(&self.app).await.expect("settlement");
        worker::follow(&self.app).await.expect("following");
        worker::prune(&self.app).await.expect("pruning");
    }

    /// Listens on a real socket until the world ends; the address.
    pub(crate) async fn listen(&self) -> String {
        self.listen_with(Timeouts::DEFAULT).await
    }

    /// The same, with connections that may take as long as this.
    pub(crate) async fn listen_with(&self, timeouts: Timeouts) -> String {
        let mut config = self.app.config.clone();
        config.listen.set_port(0);
        let listener = Listener::bind(&config).await.expect("a listener");
        let address = listener.local_addr().expect("an address");
        let (router, app) = (self.router.clone(), self.app.clone());
        self.app.spawn(async move { http::serve_router(&app, router, listener, timeouts).await });
        address.to_string()
    }

    /// The laws hold, and no task is left.
    pub(crate) async fn end(self) {
        laws::hold(&self.app).await;
        let tasks = self.app.tasks.clone();
        server::close(self.app, Duration::from_secs(20)).await;
        assert!(tasks.is_empty(), "{} tasks leaked", tasks.len());
    }
}

/// A request of GraphQL over HTTP.
fn request(token: Option<&str>, document: &str, variables: &Value) -> Request<Body> {
    let body = json!({ "query": document, "variables": variables }).to_string();
    let mut request =
        Request::post("/graphql").header("content-type", "application/json").header("host", "tessera.test");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    request.body(Body::from(body)).expect("a request")
}

/// An application on the database.
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

    /// The value at a path in the data, such as `events.nodes.0.id`; null where there is none.
    pub(crate) fn data(&self, path: &str) -> Value {
        at(&self.body["data"], path)
    }

    /// The text at a path in the data.
    pub(crate) fn text(&self, path: &str) -> String {
        self.data(path).as_str().unwrap_or_else(|| panic!("no text at {path} in {}", self.body)).to_owned()
    }

    /// The code of the first top-level error.
    pub(crate) fn code(&self) -> Option<String> {
        self.body["errors"][0]["extensions"]["code"].as_str().map(str::to_owned)
    }

    /// The code of the first error in the mutation's payload.
    pub(crate) fn refusal(&self, mutation: &str) -> Option<String> {
        self.data(&format!("{mutation}.errors.0.code")).as_str().map(str::to_owned)
    }

    /// Nothing went wrong, neither at the top level nor in a payload.
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
