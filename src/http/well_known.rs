//! The public keys, for whoever verifies tickets without us.

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};

use super::Door;

pub(super) fn routes() -> Router<Door> {
    Router::new().route("/.well-known/jwks.json", get(jwks))
}

/// The keys change when an operator rotates them; a scanner that asks every few minutes is in time.
async fn jwks(State(door): State<Door>) -> Response {
    let cache = (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    ([cache], Json(door.engine.app.keys.jwks())).into_response()
}
