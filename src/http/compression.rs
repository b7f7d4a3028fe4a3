//! Compression of responses.
//!
//! The length of a compressed response depends on its content. The BREACH attack uses this if a page can make a browser
//! send requests with a session. Tessera uses no cookies, so no foreign page can do that. Still, responses with tokens
//! are never compressed, and neither are short ones. See <https://breachattack.com>.

use axum::{body::HttpBody, http, response::Response};
use tower_http::compression::{
    CompressionLayer, Predicate,
    predicate::{DefaultPredicate, SizeAbove},
};

/// The shortest response that is compressed, in bytes. A network packet has about 1,400.
const SHORTEST: u64 = 1_024;

/// Marks a response that may contain tokens.
#[derive(Clone, Copy, Debug)]
struct Secret;

/// Marks the response if it may contain tokens.
pub(super) fn marked(mut response: Response, is_secret: bool) -> Response {
    if is_secret {
        response.extensions_mut().insert(Secret);
    }
    response
}

/// Returns the layer that compresses responses.
pub(super) fn layer() -> CompressionLayer<impl Predicate> {
    CompressionLayer::new().compress_when(DefaultPredicate::new().and(SizeAbove::new(SHORTEST)).and(Public))
}

/// Accepts responses without tokens.
#[derive(Clone, Copy, Debug)]
struct Public;

impl Predicate for Public {
    fn should_compress<B: HttpBody>(&self, response: &http::Response<B>) -> bool {
        response.extensions().get::<Secret>().is_none()
    }
}
