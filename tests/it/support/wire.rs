//! Raw HTTP requests and responses with all headers, for tests of the protocol.

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, Request},
};
use serde_json::{Value, json};

use super::World;

/// The media type of GraphQL requests.
pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");

/// A response.
pub(crate) struct Reply {
    /// The status.
    pub(crate) status: u16,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) text: String,
}

impl Reply {
    /// Returns the body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    /// Returns the code of the first error. Empty if there is none.
    pub(crate) fn code(&self) -> String {
        self.json()["errors"][0]["extensions"]["code"].as_str().unwrap_or_default().to_owned()
    }

    /// Returns a header's value. Empty if the header is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// Asserts that the request was refused with this status and code.
    pub(crate) fn refused(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.code().as_str()), (status, code), "{}", self.text);
    }
}

impl World {
    /// Sends any request.
    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        let (parts, body) = self.http(request).await.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.expect("a body");
        let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
        Reply { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    /// Requests a path.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        let request = Request::get(path).header("host", "tessera.test");
        self.send(request.body(Body::empty()).expect("a request")).await
    }

    /// Posts a body to the API.
    pub(crate) async fn post(&self, headers: &[(&str, &str)], body: impl Into<Body>) -> Reply {
        let request = Request::post("/graphql").header("host", "tessera.test");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        self.send(request.body(body.into()).expect("a request")).await
    }

    /// Posts only a document, as older clients do.
    pub(crate) async fn ask(&self, query: &str) -> Reply {
        self.post(&[JSON], json!({ "query": query }).to_string()).await
    }
}
