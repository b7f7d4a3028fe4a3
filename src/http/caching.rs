//! HTTP caching: `Cache-Control`, `ETag` and `If-None-Match`.
//!
//! A response is cacheable if it is of a query by GET without an access token, does not depend on the caller
//! ([`cacheability::http`](crate::graphql::cacheability::http)), and has no errors. All other responses are `no-store`.

use aws_lc_rs::digest::{Context, SHA256};
use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;

use super::answer::{self, MediaType};

/// Caches may serve a response for one second, and for one more second while they fetch the next. So the server
/// executes a popular query once per second, and an `asOf` is at most a few seconds old (docs/caching.md).
const SHARED: &str = "public, max-age=1, stale-while-revalidate=1";
/// The headers that the response depends on. Compression and CORS add theirs.
const VARY: &str = "accept, authorization";

/// Returns the response with `body`, or 304 if the client has it.
pub(super) fn answer(request: &HeaderMap, media: MediaType, body: Bytes) -> Response {
    let tag = tag(media, &body);
    let known = items(request, &header::IF_NONE_MATCH).find(|known| is_same(known, &tag));
    let (mut response, tag) = match known {
        // The client's form of the tag, which may name an encoding.
        Some(known) => (StatusCode::NOT_MODIFIED.into_response(), if known == "*" { &tag } else { known }),
        None => (answer::complete(media, body), tag.as_str()),
    };
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(SHARED));
    headers.insert(header::VARY, HeaderValue::from_static(VARY));
    response
}

/// Completes the caching headers of a GraphQL response: `no-store` by default, and a strong tag per encoding.
pub(super) fn finish(headers: &mut HeaderMap, has_token: bool) {
    let no_store = if has_token { "private, no-store" } else { "no-store" };
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static(no_store));
    let encoding = headers.get(header::CONTENT_ENCODING).and_then(|encoding| encoding.to_str().ok());
    let tag = headers.get(header::ETAG).and_then(|tag| tag.to_str().ok());
    if let (Some(encoding), Some(tag)) = (encoding, tag)
        && let Some(tag) = tag.strip_suffix('"')
        && let Ok(tag) = HeaderValue::from_str(&format!("{tag}-{encoding}\""))
    {
        headers.insert(header::ETAG, tag);
    }
}

/// Returns the tag of the content. It includes the media type, because an address has two.
fn tag(media: MediaType, body: &[u8]) -> String {
    let mut context = Context::new(&SHA256);
    context.update(media.name().as_bytes());
    context.update(body);
    format!("\"{}\"", BASE64_URL_SAFE_NO_PAD.encode(&context.finish().as_ref()[..16]))
}

/// Returns whether the client's tag is that of this content in any encoding.
fn is_same(known: &str, tag: &str) -> bool {
    let known = known.strip_prefix("W/").unwrap_or(known);
    let Some(name) = tag.strip_suffix('"') else { return false };
    let rest = known.strip_prefix(name).and_then(|rest| rest.strip_suffix('"'));
    known == "*"
        || rest.is_some_and(|encoding| matches!(encoding, "" | "-gzip" | "-br" | "-zstd" | "-deflate"))
}

fn items<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter();
    values.flat_map(|value| value.to_str().unwrap_or_default().split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_differ_by_content_and_media_type_and_match_in_every_encoding() {
        let tag_of = |media, body: &str| tag(media, body.as_bytes());
        let tag = tag_of(MediaType::Json, "{}");
        assert_ne!(tag, tag_of(MediaType::Json, "{ }"));
        assert_ne!(tag, tag_of(MediaType::GraphqlResponse, "{}"));
        let name = tag.trim_matches('"');
        for (known, expected) in [
            (tag.clone(), true),
            (format!("W/{tag}"), true),
            (format!("\"{name}-gzip\""), true),
            ("*".to_owned(), true),
            (format!("\"{name}x\""), false),
            (format!("\"{}\"", &name[1..]), false),
            (String::new(), false),
        ] {
            assert_eq!(is_same(&known, &tag), expected, "{known}");
        }
    }

    #[test]
    fn encoded_response_has_its_own_tag_and_no_store_is_the_default() {
        let headers = |pairs: &[(HeaderName, &'static str)]| {
            let pairs = pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
            pairs.collect::<HeaderMap>()
        };
        let mut encoded = headers(&[(header::ETAG, "\"a\""), (header::CONTENT_ENCODING, "gzip")]);
        finish(&mut encoded, false);
        assert_eq!(
            (&encoded[header::ETAG], &encoded[header::CACHE_CONTROL]),
            (&HeaderValue::from_static("\"a-gzip\""), &HeaderValue::from_static("no-store"),)
        );
        let mut shared = headers(&[(header::ETAG, "\"a\""), (header::CACHE_CONTROL, SHARED)]);
        finish(&mut shared, false);
        assert_eq!(
            (&shared[header::ETAG], &shared[header::CACHE_CONTROL]),
            (&HeaderValue::from_static("\"a\""), &HeaderValue::from_static(SHARED),)
        );
        let mut own = HeaderMap::new();
        finish(&mut own, true);
        assert_eq!(own[header::CACHE_CONTROL], "private, no-store");
    }
}
