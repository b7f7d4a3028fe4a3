//! The web pages that may open sockets.
//!
//! The API uses no cookies, so a foreign page has no session. The check still keeps a foreign page from using its
//! visitors for load, or to reach servers in their networks.

use crate::config::Config;
use axum::http::{HeaderMap, HeaderValue, Uri, header};

/// Returns whether a socket may be opened with these headers.
///
/// The pages of the public URL may, those of the host that the request names, and listed ones. The listener accepts
/// only hosts of this server, so the request cannot name another. Browsers always send `Origin` with an upgrade; a
/// client that sends none is no browser and proves itself by token.
pub(super) fn may_open_socket(headers: &HeaderMap, uri: &Uri, config: &Config) -> bool {
    let public = config.public_url();
    may_open(headers, uri, &config.allowed_origins) || has_origin(headers, &public)
}

/// Returns whether the one origin is that of a URL.
fn has_origin(headers: &HeaderMap, url: &str) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let (Some(origin), None) = (origins.next(), origins.next()) else { return false };
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let authority = rest.split('/').next().unwrap_or_default();
    origin.to_str().is_ok_and(|origin| origin.eq_ignore_ascii_case(&format!("{scheme}://{authority}")))
}

fn may_open(headers: &HeaderMap, uri: &Uri, allowed: &[String]) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (None, _) => true,
        (Some(origin), None) => is_listed(origin, allowed) || is_own(origin, host(headers, uri)),
        (Some(_), Some(_)) => false,
    }
}

/// Returns whether the configuration lists this origin.
pub(super) fn is_listed(origin: &HeaderValue, allowed: &[String]) -> bool {
    origin.to_str().is_ok_and(|origin| {
        allowed.iter().any(|listed| listed.trim_end_matches('/').eq_ignore_ascii_case(origin))
    })
}

/// Returns the authority of the request: `Host`, or `:authority` of HTTP/2.
pub(super) fn host<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    let given = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    given.or_else(|| uri.authority().map(axum::http::uri::Authority::as_str))
}

fn is_own(origin: &HeaderValue, host: Option<&str>) -> bool {
    let origin = origin.to_str().unwrap_or_default();
    let authority = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    matches!((authority, host), (Some(authority), Some(host)) if authority.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_the_public_url_may_open_a_socket_behind_any_proxy() {
        for (origin, expected) in [
            ("https://tickets.example", true),
            ("https://TICKETS.example", true),
            ("http://tickets.example", false),
            ("https://tickets.example.evil.example", false),
            ("https://tickets.example:8443", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            assert_eq!(has_origin(&headers, "https://tickets.example/shop"), expected, "{origin}");
        }
    }

    #[test]
    fn own_and_listed_pages_may_open_a_socket() {
        let allowed = ["https://shop.example".to_owned()];
        let cases = [
            (None, true),
            (Some("http://tessera.example:8080"), true),
            (Some("https://shop.example"), true),
            (Some("https://SHOP.example"), true),
            (Some("https://evil.example"), false),
            (Some("https://shop.example.evil.example"), false),
            (Some("https://evilshop.example"), false),
            (Some("http://tessera.example:8081"), false),
            (Some("ftp://tessera.example:8080"), false),
            (Some("null"), false),
            (Some(""), false),
        ];
        for (origin, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static("tessera.example:8080"));
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            }
            let uri = Uri::from_static("/graphql");
            assert_eq!(may_open(&headers, &uri, &allowed), expected, "{origin:?}");
        }
    }
}
