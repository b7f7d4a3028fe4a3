//! The HTTP server: routes, and the headers of all responses.
//!
//! Invariant: no business logic. A handler authenticates the caller, checks and executes the operation, and writes the
//! response.

mod admission;
mod answer;
mod answers;
mod bearer;
mod body;
mod caching;
mod close;
mod compression;
mod connection;
mod coupon_codes;
mod document_size;
mod documents;
mod door;
mod event_text;
mod files;
mod flood;
#[doc(hidden)]
pub mod fuzz;
mod geometry;
mod graphiql;
mod graphql;
mod graphql_request;
pub mod guard;
mod json;
mod limit;
mod message;
mod metrics;
mod observe;
mod operation;
mod origin;
mod params;
mod patience;
mod persisted;
mod places;
mod prepared;
mod queue;
mod reader;
mod request_id;
mod sandbox;
mod serve;
mod session;
mod shared;
mod socket;
mod socket_places;
mod sse;
mod subscriber;
mod subscriber_frame;
mod transport;
mod trusted;
mod well_known;
mod writer;

pub use connection::{ClientAddress, Listener, Timeouts, serve as serve_router, serve_while_starting};
pub use metrics::serve_metrics;
pub use patience::Patience;
pub use request_id::RequestId;
pub use serve::serve;
pub use trusted::check_trusted;

use crate::{
    app::App,
    config::Config,
    graphql::{Schema, code::ApiCode, null_completion::Shape},
    telemetry::{Event, traces},
};
use admission::{Admission, Load};
use answer::{Failure, MediaType};
use axum::{
    Json, Router,
    extract::{
        Extension, Request, State,
        ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use connection::{Arrival, ArrivalRules};
use documents::Documents;
use door::Door;
use operation::Engine;
use persisted::Persisted;
use serde_json::json;
use std::{any::Any, sync::Arc, time::Duration};
use tokio::sync::Semaphore;
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{AllowOrigin, CorsLayer},
};
use tracing::Instrument;
use uuid::Uuid;

/// Bodies of up to 24 MiB that are in memory at the same time.
const LARGE_BODIES: usize = 4;

/// Returns all routes of the server.
pub fn router(app: App, schema: Schema) -> Router {
    router_with(app, schema, Patience::default())
}

/// Returns all routes, with these timeouts for sockets. Tests use short ones.
pub fn router_with(app: App, schema: Schema, patience: Patience) -> Router {
    let shape = Arc::new(Shape::of(&schema.sdl()));
    app.metrics.know_operations(shape.root_fields());
    let engine = Engine {
        documents: judge(&app.config, schema.clone()),
        persisted: Persisted::new(
            app.config.documents.trusted_documents.as_ref(),
            app.config.documents.trusted_documents_only,
        ),
        admission: admission(&app),
        large_bodies: Arc::new(Semaphore::new(LARGE_BODIES)),
        app: app.clone(),
        schema,
        shape,
    };
    let rules = Arc::new(ArrivalRules::of(&engine.app.config));
    let cors = cors(engine.app.config.allowed_origins.clone());
    let mut router = Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/graphql", any(graphql_endpoint))
        .merge(coupon_codes::routes())
        .merge(geometry::routes())
        .merge(well_known::routes());
    if engine.app.payment.sandbox.is_some() {
        router = router.merge(sandbox::routes());
    }
    if engine.app.config.serves_graphiql() {
        router = router.merge(graphiql::routes());
    }
    router
        .fallback(answer::not_found)
        .with_state(Door::new(engine, patience))
        .layer(compression::layer())
        .layer(cors)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state((app, rules), frame))
}

/// Returns an empty document cache with the rules of the schema and the settings.
fn judge(config: &Config, schema: Schema) -> Documents {
    let sdl = schema.sdl();
    let shape = Arc::new(Shape::of(&sdl));
    let settings = &config.documents;
    let introspection = if config.answers_introspection() {
        guard::Introspection::Allowed
    } else {
        guard::Introspection::Refused
    };
    let costs = guard::Costs::limited(&sdl, settings.max_cost);
    let rules = documents::Rules { schema, shape, costs, introspection };
    Documents::new(rules, settings.document_cache_mib * 1024 * 1024)
}

/// Returns the capacity for operations.
fn admission(app: &App) -> Admission {
    let settings = &app.config.documents;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Admission::new(Load {
        operations: u64::try_from(app.config.max_operations).unwrap_or(u64::MAX),
        work: settings.running_cost(u64::try_from(cores).unwrap_or(1)),
        bytes: settings.max_running_mib * 1024 * 1024,
    })
}

/// Serves GraphQL over HTTP, server-sent events or WebSocket, as the request asks.
async fn graphql_endpoint(
    State(door): State<Door>,
    Extension(id): Extension<RequestId>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    request: Request,
) -> Response {
    match upgrade {
        Ok(upgrade) => {
            let (parts, _) = request.into_parts();
            socket::upgrade(&door, id, &parts, upgrade)
        }
        Err(_) if wants_socket(request.headers()) => answer::refused(
            StatusCode::BAD_REQUEST,
            ApiCode::BadRequest,
            "The WebSocket handshake is not valid.",
        ),
        Err(_) => graphql::respond(&door, id, request).await,
    }
}

/// Returns whether the request asks for a WebSocket. Other upgrades, such as `h2c`, may be ignored.
fn wants_socket(headers: &HeaderMap) -> bool {
    headers.get(header::UPGRADE).is_some_and(|upgrade| upgrade.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Answers that the process runs.
async fn live() -> Response {
    Json(json!({ "status": "ok" })).into_response()
}

/// Answers whether requests can be served. From the beginning of a shutdown it says no, for load balancers.
async fn ready(State(door): State<Door>) -> Response {
    let app = &door.engine.app;
    if app.ready().await {
        Json(json!({ "status": "ok" })).into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "unavailable" }))).into_response()
    }
}

/// Returns the response after a panic. The panic hook logs the details; the caller does not get them.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    Failure::Http(StatusCode::INTERNAL_SERVER_ERROR, answer::internal()).answer(MediaType::Json)
}

/// Assigns the request id, and adds the headers that all responses have.
async fn frame(
    State((app, rules)): State<(App, Arc<ArrivalRules>)>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = RequestId::from_headers(request.headers(), Uuid::new_v4);
    let is_graphql = request.uri().path() == "/graphql";
    let has_token = request.method() == Method::GET && request.headers().contains_key(header::AUTHORIZATION);
    let span = tracing::info_span!("request", request.id = %id);
    traces::join(&span, request.headers().get("traceparent").and_then(|parent| parent.to_str().ok()));
    let route = observe::route(request.uri().path());
    request.extensions_mut().insert(id.clone());
    let (version, arrival) = (request.version(), request.extensions().get::<Arrival>().cloned());
    let mut response = match rules.refusal(&mut request) {
        None => next.run(request).instrument(span).await,
        Some(refusal) => {
            if refusal.status() == StatusCode::MISDIRECTED_REQUEST {
                let network = request.extensions().get().copied();
                observe::report(&app, &id, network, (Event::HostRefused, ApiCode::HostNotAllowed.as_str()));
            }
            refusal
        }
    };
    rules.finish(version, arrival.as_ref(), &mut response);
    if app.draining.is_cancelled() && version < Version::HTTP_2 {
        // The client sends its next request on a new connection, to another server.
        set_default(response.headers_mut(), header::CONNECTION, "close");
    }
    app.metrics.http_request(route, response.status().as_u16());
    let headers = response.headers_mut();
    headers.insert(request_id::HEADER, id.to_header());
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if is_graphql {
        caching::finish(headers, has_token);
    }
    set_default(headers, header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
    response
}

fn set_default(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.entry(name).or_insert(HeaderValue::from_static(value));
}

/// Allows pages of the listed origins to call the API. Credentials are not allowed, because the API uses bearer tokens
/// and no cookies.
fn cors(allowed: Vec<String>) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin, _| origin::is_listed(origin, &allowed)))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([
            header::CONTENT_TYPE,
            header::AUTHORIZATION,
            request_id::HEADER,
            sse::LAST_EVENT_ID,
            HeaderName::from_static(coupon_codes::KEY),
        ])
        .expose_headers(
            [request_id::HEADER, header::RETRY_AFTER, header::ETAG]
                .into_iter()
                .chain(limit::HEADERS)
                .collect::<Vec<_>>(),
        )
        .max_age(Duration::from_mins(10))
}
