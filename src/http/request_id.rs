//! The request id: in log lines, in the response's header, and in masked errors.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use std::{fmt, sync::Arc};
use uuid::Uuid;

/// The header of requests and responses.
pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// A request id: at most 64 characters, safe in a header, a log line and a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// Returns the client's id if it is well-formed, and a new one otherwise.
    pub fn from_headers(headers: &HeaderMap, fresh: impl FnOnce() -> Uuid) -> Self {
        let given = headers.get(HEADER).and_then(|value| value.to_str().ok()).filter(|text| is_safe(text));
        Self(given.map_or_else(|| fresh().to_string().into(), Into::into))
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the id as the value of a header.
    pub fn to_header(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_safe(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(given: &'static str) -> RequestId {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_bytes(given.as_bytes()).unwrap());
        RequestId::from_headers(&headers, Uuid::nil)
    }

    #[test]
    fn well_formed_id_is_kept() {
        assert_eq!(id("trace-1.a:b_c").as_str(), "trace-1.a:b_c");
    }

    #[test]
    fn other_id_is_replaced() {
        let long = "0123456789012345678901234567890123456789012345678901234567890123x";
        for given in ["", "a b", "a\"b", "ä", "<x>", long] {
            assert_eq!(id(given).as_str(), Uuid::nil().to_string(), "{given}");
        }
    }
}
