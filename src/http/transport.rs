//! The transports of operations.

use super::queue::MAX_PAYLOAD_BYTES;

/// The transport of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// A request with one response.
    Http,
    /// A WebSocket.
    Socket,
    /// An event stream.
    Events,
}

impl Transport {
    /// Returns the largest result in bytes, if it is limited.
    pub(super) fn payload_max(self) -> Option<u64> {
        match self {
            Self::Http | Self::Events => None,
            Self::Socket => u64::try_from(MAX_PAYLOAD_BYTES).ok(),
        }
    }

    /// Returns the label in the metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Socket => "websocket",
            Self::Events => "sse",
        }
    }
}
