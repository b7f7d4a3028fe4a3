//! The codes with which the server closes a WebSocket.

use axum::extract::ws::{CloseFrame, Utf8Bytes};

/// Why a socket is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Close {
    /// The close code: below 4000 of RFC 6455, otherwise of `graphql-transport-ws`.
    pub code: u16,
    /// The reason, at most 123 bytes.
    pub reason: &'static str,
}

impl Close {
    /// The client has not answered pings.
    pub(super) const SILENT: Self = Self { code: 1001, reason: "No sign of life" };
    /// A message is larger than allowed.
    pub(super) const TOO_BIG: Self = Self { code: 1009, reason: "Message too big" };
    /// The server stops. The client should reconnect.
    pub(super) const RESTART: Self = Self { code: 1012, reason: "Service restart" };
    /// The session could not be looked up in time.
    pub(super) const BUSY: Self = Self { code: 1013, reason: "Try again later" };
    /// The first message was not `connection_init`.
    pub(super) const UNAUTHORIZED: Self = Self { code: 4401, reason: "Unauthorized" };
    /// The token was refused.
    pub(super) const FORBIDDEN: Self = Self { code: 4403, reason: "Forbidden" };
    /// The token has expired. The client should reconnect with a new one.
    pub(super) const EXPIRED: Self = Self { code: 4403, reason: "Forbidden: token expired" };
    /// `connection_init` did not arrive in time.
    pub(super) const INIT_TIMEOUT: Self = Self { code: 4408, reason: "Connection initialisation timeout" };
    /// An operation with this id is running.
    pub(super) const DUPLICATE: Self = Self { code: 4409, reason: "Subscriber already exists" };
    /// A second `connection_init`.
    pub(super) const TOO_MANY_INITS: Self = Self { code: 4429, reason: "Too many initialisation requests" };

    /// The account has too many open sockets.
    pub(super) const TOO_MANY_SOCKETS: Self = Self { code: 4429, reason: "Too many sockets" };
    /// The client sends too many frames.
    pub(super) const TOO_MANY_FRAMES: Self = Self { code: 4429, reason: "Too many messages" };

    /// The client sent an invalid message.
    pub(super) const fn invalid(reason: &'static str) -> Self {
        Self { code: 4400, reason }
    }

    /// Returns the close frame.
    pub(super) fn frame(self) -> CloseFrame {
        CloseFrame { code: self.code, reason: Utf8Bytes::from_static(self.reason) }
    }
}
