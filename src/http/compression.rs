//! Which responses are compressed.
//!
//! The length of a compressed response tells something of its content, which the BREACH attack uses where a page can make a
//! browser send requests with a session. Tessera knows no cookies, so no foreign page can do that. Still, what hands out
//! tokens is never compressed, nor is anything so short that little is gained. See <https://breachattack.com>.

use axum::{body::HttpBody, http, response::Response};
use tower_http::compression::{
    CompressionLayer, Predicate,
    predicate::{DefaultPredicate, SizeAbove},
};

/// Bytes of the shortest response that is compressed: a packet of the network has about 1,400.
const SHORTEST: u64 = 1_024;

/// Marks a response that may hold tokens.
#[derive(Clone, Copy, Debug)]
struct Secret;

/// Marks the response if it may hold tokens.
pub(super) fn marked(mut response: Response, is_secret: bool) -> Response {
    if is_secret {
        response.extensions_mut().insert(Secret);
    }
    response
}

/// The layer that compresses responses.
pub(super) fn layer() -> CompressionLayer<impl Predicate> {
    CompressionLayer::new().compress_when(DefaultPredicate::new().and(SizeAbove::new(SHORTEST)).and(Public))
}

/// Responses without tokens.
#[derive(Clone, Copy, Debug)]
struct Public;

impl Predicate for Public {
    fn should_compress<B: HttpBody>(&self, response: &http::Response<B>) -> bool {
        response.extensions().get::<Secret>().is_none()
    }
}
