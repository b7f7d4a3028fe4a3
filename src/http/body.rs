//! Reads a request's body within a limit of bytes and of time.

use super::guard::Refusal;
use axum::{
    body::Body,
    http::{HeaderMap, StatusCode, header},
};
use bytes::BytesMut;
use futures_util::StreamExt;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// How much may come, and how slowly.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    bytes: usize,
    /// How long a caller may be silent in the middle of a body.
    stall: Duration,
    /// How long a body may take as a whole.
    total: Duration,
}

impl Limits {
    /// For a caller who has not signed in.
    pub(super) const ANONYMOUS: Self =
        Self { bytes: 256 * 1024, stall: Duration::from_secs(10), total: Duration::from_secs(20) };
    /// For a vendor's codes: 100,000 of 64 characters.
    pub(super) const CODES: Self =
        Self { bytes: 8 * 1024 * 1024, stall: Duration::from_secs(10), total: Duration::from_mins(1) };
    /// For a signed-in caller: a seat plan of 16 MiB travels as a string variable, its quotes escaped.
    pub(super) const SIGNED_IN: Self =
        Self { bytes: 24 * 1024 * 1024, stall: Duration::from_secs(10), total: Duration::from_mins(1) };
}

/// Reads the body. It is refused as soon as it is known to be too large, before the rest of it arrives.
pub(super) async fn read(
    headers: &HeaderMap,
    body: Body,
    limits: Limits,
) -> Result<BytesMut, (StatusCode, Refusal)> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > limits.bytes) {
        return Err(too_large(limits.bytes));
    }
    // The announced length is only a claim, so little is reserved on its word.
    let mut read = BytesMut::with_capacity(announced.unwrap_or(0).min(64 * 1024));
    let mut chunks = body.into_data_stream();
    let end = Instant::now() + limits.total;
    loop {
        let chunk = timeout_at(end, timeout(limits.stall, chunks.next())).await;
        match chunk {
            Err(_) | Ok(Err(_)) => {
                let refusal = Refusal::new("REQUEST_TIMEOUT", "The body did not arrive in time.");
                return Err((StatusCode::REQUEST_TIMEOUT, refusal));
            }
            Ok(Ok(None)) => return Ok(read),
            Ok(Ok(Some(Err(_)))) => {
                return Err((StatusCode::BAD_REQUEST, Refusal::new("BAD_REQUEST", "The body broke off.")));
            }
            Ok(Ok(Some(Ok(chunk)))) if chunk.len() > limits.bytes - read.len() => {
                return Err(too_large(limits.bytes));
            }
            Ok(Ok(Some(Ok(chunk)))) => read.extend_from_slice(&chunk),
        }
    }
}

fn too_large(limit: usize) -> (StatusCode, Refusal) {
    let refusal = Refusal::new("BODY_TOO_LARGE", format!("The body may have at most {limit} bytes here."));
    (StatusCode::PAYLOAD_TOO_LARGE, refusal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use futures_util::stream;
    use std::convert::Infallible;

    const HASTE: Limits =
        Limits { bytes: 100, stall: Duration::from_millis(50), total: Duration::from_millis(150) };

    async fn status(body: Body) -> Option<StatusCode> {
        read(&HeaderMap::new(), body, HASTE).await.err().map(|(status, _)| status)
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_not_awaited_for_ever() {
        let silent = stream::pending::<Result<Bytes, Infallible>>();
        assert_eq!(status(Body::from_stream(silent)).await, Some(StatusCode::REQUEST_TIMEOUT));
        let drip = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Some((Ok::<_, Infallible>(Bytes::from_static(b" ")), ()))
        });
        assert_eq!(status(Body::from_stream(drip)).await, Some(StatusCode::REQUEST_TIMEOUT));
    }

    #[tokio::test]
    async fn the_limit_itself_is_allowed() {
        assert_eq!(status(Body::from(vec![b' '; 100])).await, None);
        assert_eq!(status(Body::from(vec![b' '; 101])).await, Some(StatusCode::PAYLOAD_TOO_LARGE));
    }
}
