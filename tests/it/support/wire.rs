//! Requests as they travel, and answers with all their headers: for tests of the protocol itself.

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, Request},
};
use serde_json::{Value, json};

use super::World;

/// The media type of GraphQL's requests.
pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");

/// What came back.
pub(crate) struct Reply {
    /// The status.
    pub(crate) status: u16,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) text: String,
}

impl Reply {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    /// The code of the first error; empty when there is none.
    pub(crate) fn code(&self) -> String {
        self.json()["errors"][0]["extensions"]["code"].as_str().unwrap_or_default().to_owned()
    }

    /// A header's value; empty when it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// The request was refused so.
    pub(crate) fn refused(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.code().as_str()), (status, code), "{}", self.text);
    }
}

impl World {
    /// Any request.
    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        let (parts, body) = self.http(request).await.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.expect("a body");
        let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
        Reply { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    /// Reads what is at an address.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        let request = Request::get(path).header("host", "tessera.test");
        self.send(request.body(Body::empty()).expect("a request")).await
    }

    /// Sends a body to the API.
    pub(crate) async fn post(&self, headers: &[(&str, &str)], body: impl Into<Body>) -> Reply {
        let request = Request::post("/graphql").header("host", "tessera.test");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        self.send(request.body(body.into()).expect("a request")).await
    }

    /// Asks as an old client does, with nothing but a document.
    pub(crate) async fn ask(&self, query: &str) -> Reply {
        self.post(&[JSON], json!({ "query": query }).to_string()).await
    }
}
