//! `GraphiQL`, built from npm in `web/` and embedded in the binary if it was built before the server.
//!
//! The content security policy below forbids loading anything from other servers.

use super::{answer::not_found, door::Door, origin};
use axum::{
    Router,
    body::Body,
    extract::{Path, Request},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
    routing::get,
};
use rust_embed::{Embed, EmbeddedFile};
use std::{borrow::Cow, fmt::Write};

/// The built page. A debug build of the server reads it from the disk.
#[derive(Embed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct Assets;

const INDEX: &str = "index.html";
const UNBUILT: &str = "<!doctype html><meta charset=utf-8><title>GraphiQL is not built</title>\
<h1>GraphiQL is not built</h1><p>This server was compiled without the page. In the source folder run \
<code>./scripts/run</code>, or <code>cd web &amp;&amp; npm ci &amp;&amp; npm run build</code>, and compile again.</p>\
<p>The API itself is at <code>/graphql</code>.</p>";

pub(super) fn routes() -> Router<Door> {
    Router::new()
        .route("/graphiql", get(|| async { Redirect::permanent("/graphiql/") }))
        .route("/graphiql/", get(index))
        .route("/graphiql/{*path}", get(asset))
}

async fn index(request: Request) -> Response {
    let response = match Assets::get(INDEX) {
        Some(file) => serve(INDEX, file, request.headers()),
        None => (StatusCode::NOT_FOUND, Html(UNBUILT)).into_response(),
    };
    with_policy(response, &request)
}

async fn asset(Path(path): Path<String>, request: Request) -> Response {
    match Assets::get(&path) {
        // The page has only one address, so that its policy cannot be bypassed.
        Some(_) if path == INDEX || path.split('/').any(|part| part == "..") => not_found().await,
        // Workers use the policy of their own file, not that of the page.
        Some(file) => with_policy(serve(&path, file, request.headers()), &request),
        None => not_found().await,
    }
}

fn with_policy(mut response: Response, request: &Request) -> Response {
    let policy = policy(origin::host(request.headers(), request.uri()));
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn serve(path: &str, file: EmbeddedFile, headers: &HeaderMap) -> Response {
    let tag = tag(&file);
    // Vite puts a hash of the content into the names below `assets/`.
    let cache = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let known = headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .any(|value| value.to_str().is_ok_and(|tags| tags.split(',').any(|known| known.trim() == tag)));
    let kept = [(header::ETAG, tag), (header::CACHE_CONTROL, cache.to_owned())];
    if known {
        return (StatusCode::NOT_MODIFIED, kept).into_response();
    }
    let mime = file.metadata.mimetype().to_owned();
    let body = match file.data {
        Cow::Borrowed(bytes) => Body::from(bytes),
        Cow::Owned(bytes) => Body::from(bytes),
    };
    (kept, [(header::CONTENT_TYPE, mime)], body).into_response()
}

/// Returns a weak tag, because the same file may be sent compressed.
fn tag(file: &EmbeddedFile) -> String {
    let mut tag = String::from("W/\"");
    for byte in &file.metadata.sha256_hash()[..16] {
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    tag
}

/// Returns the content security policy: the page may load and call its own host only, including by WebSocket.
fn policy(host: Option<&str>) -> String {
    let sockets = match host.filter(|host| is_plain(host)) {
        Some(host) => format!(" ws://{host} wss://{host}"),
        None => String::new(),
    };
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
         font-src 'self' data:; connect-src 'self'{sockets}; worker-src 'self'; base-uri 'none'; \
         frame-ancestors 'none'; form-action 'none'"
    )
}

/// Returns whether the text is only a host, and adds nothing else to the policy.
fn is_plain(host: &str) -> bool {
    (1..=255).contains(&host.len())
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_header_cannot_add_a_source_to_the_policy() {
        assert!(
            policy(Some("localhost:4000"))
                .contains("connect-src 'self' ws://localhost:4000 wss://localhost:4000;")
        );
        assert!(policy(Some("[::1]:4000")).contains("ws://[::1]:4000 "));
        for host in ["a b", "a;script-src *", "a,b", "a'b", "*", "", "ä", "a/b"] {
            assert!(policy(Some(host)).contains("connect-src 'self';"), "{host}");
        }
    }
}
