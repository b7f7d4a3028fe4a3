//! Bodies: reads a request's body within a limit of bytes and of time, and makes a response's body of a stream.

use super::guard::Refusal;
use crate::{graphql::code::ApiCode, limits::protocol};
use axum::{
    body::{Body, BodyDataStream},
    http::{HeaderMap, StatusCode, header},
};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use std::{io, time::Duration};
use tokio::time::{Instant, timeout, timeout_at};

/// The limits of a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    bytes: usize,
    /// The longest pause within a body.
    stall: Duration,
    /// The longest time for the whole body.
    total: Duration,
}

impl Limits {
    /// The limits for most operations.
    pub(super) const USUAL: Self =
        Self { bytes: protocol::BODY_BYTES, stall: Duration::from_secs(10), total: Duration::from_secs(20) };
    /// The limits for a list of codes: 100,000 of 64 characters.
    pub(super) const CODES: Self = Self {
        bytes: protocol::CODES_BODY_BYTES,
        stall: Duration::from_secs(10),
        total: Duration::from_mins(1),
    };
    /// The limits for imports by a registered user: a seat plan of 16 MiB as a string variable, with escaped quotes.
    pub(super) const LARGE: Self = Self {
        bytes: protocol::LARGE_BODY_BYTES,
        stall: Duration::from_secs(10),
        total: Duration::from_mins(1),
    };
}

/// Returns a response's body of these parts.
///
/// The stream is fused, because the compression layer polls a body again after its end. Other streams may panic then,
/// for example an `unfold`. (`layers`: no other file calls `Body::from_stream`.)
pub(super) fn streamed(parts: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Body {
    Body::from_stream(parts.fuse())
}

/// Reads the body. Refuses one that is too large before its rest arrives.
pub(super) async fn read(
    headers: &HeaderMap,
    body: Body,
    limits: Limits,
) -> Result<BytesMut, (StatusCode, Refusal)> {
    if announced(headers).is_some_and(|length| length > limits.bytes) {
        return Err(too_large(limits.bytes));
    }
    let mut reader = Reader::new(headers, body, limits);
    if reader.fill(limits.bytes).await? { Ok(reader.read) } else { Err(too_large(limits.bytes)) }
}

/// Reads a body of the usual size, or a large one if `acceptable` accepts its beginning. Returns whether it was large.
pub(super) async fn read_large(
    headers: &HeaderMap,
    body: Body,
    acceptable: impl FnOnce(&[u8]) -> Result<(), (StatusCode, Refusal)>,
) -> Result<(BytesMut, bool), (StatusCode, Refusal)> {
    let announced = announced(headers).unwrap_or(0);
    if announced > Limits::LARGE.bytes {
        return Err(too_large(Limits::USUAL.bytes));
    }
    let mut reader = Reader::new(headers, body, Limits::LARGE);
    if announced <= Limits::USUAL.bytes && reader.fill(Limits::USUAL.bytes).await? {
        return Ok((reader.read, false));
    }
    // A body that is announced as large is not read yet: its first piece shows the operation.
    if reader.read.is_empty() {
        reader.piece().await?;
    }
    acceptable(&reader.read)?;
    if reader.fill(Limits::LARGE.bytes).await? {
        Ok((reader.read, true))
    } else {
        Err(too_large(Limits::LARGE.bytes))
    }
}

/// Returns the length by the headers, which may be wrong.
fn announced(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok())
}

/// A body that is being read.
struct Reader {
    chunks: BodyDataStream,
    limits: Limits,
    end: Instant,
    read: BytesMut,
}

impl Reader {
    fn new(headers: &HeaderMap, body: Body, limits: Limits) -> Self {
        // A header must not make the server allocate much memory.
        let read = BytesMut::with_capacity(announced(headers).unwrap_or(0).min(64 * 1024));
        Self { chunks: body.into_data_stream(), limits, end: Instant::now() + limits.total, read }
    }

    /// Reads to the end, or until there are more than `max` bytes. Returns `false` in that case.
    async fn fill(&mut self, max: usize) -> Result<bool, (StatusCode, Refusal)> {
        while self.read.len() <= max {
            if !self.piece().await? {
                return Ok(self.read.len() <= max);
            }
        }
        Ok(false)
    }

    /// Reads a piece. Returns `false` at the end.
    async fn piece(&mut self) -> Result<bool, (StatusCode, Refusal)> {
        match timeout_at(self.end, timeout(self.limits.stall, self.chunks.next())).await {
            Err(_) | Ok(Err(_)) => {
                let refusal = Refusal::new(ApiCode::RequestTimeout, "The body did not arrive in time.");
                Err((StatusCode::REQUEST_TIMEOUT, refusal))
            }
            Ok(Ok(None)) => Ok(false),
            Ok(Ok(Some(Err(_)))) => {
                Err((StatusCode::BAD_REQUEST, Refusal::new(ApiCode::BadRequest, "The body broke off.")))
            }
            Ok(Ok(Some(Ok(chunk)))) => {
                self.read.extend_from_slice(&chunk);
                Ok(true)
            }
        }
    }
}

/// Returns the refusal of a body that is too large for its operation.
pub(super) fn too_large_here() -> (StatusCode, Refusal) {
    too_large(Limits::USUAL.bytes)
}

fn too_large(limit: usize) -> (StatusCode, Refusal) {
    let refusal =
        Refusal::new(ApiCode::BodyTooLarge, format!("The body may have at most {limit} bytes here."));
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
