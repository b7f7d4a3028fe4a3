//! The public keys, for clients that verify tickets offline.

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};

use super::door::Door;

pub(super) fn routes() -> Router<Door> {
    Router::new().route("/.well-known/jwks.json", get(jwks))
}

/// Returns the public keys. They change when an operator rotates them, so a scanner should fetch them every few minutes.
async fn jwks(State(door): State<Door>) -> Response {
    let cache = (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    ([cache], Json(door.engine.app.keys.jwks())).into_response()
}
