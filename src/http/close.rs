//! The ways a socket ends that we decide on.

use axum::extract::ws::{CloseFrame, Utf8Bytes};

/// Why a socket is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Close {
    /// The code of the protocol, or of RFC 6455 below 4000.
    pub code: u16,
    /// The reason, at most 123 bytes.
    pub reason: &'static str,
}

impl Close {
    /// Nothing has come for too long, in spite of our pings.
    pub(super) const SILENT: Self = Self { code: 1001, reason: "No sign of life" };
    /// A message is larger than allowed.
    pub(super) const TOO_BIG: Self = Self { code: 1009, reason: "Message too big" };
    /// The server is going down; another one, or the same one soon, will answer.
    pub(super) const RESTART: Self = Self { code: 1012, reason: "Service restart" };
    /// We could not find out in time who is calling, or whether the session still goes on.
    pub(super) const BUSY: Self = Self { code: 1013, reason: "Try again later" };
    /// Something other than `connection_init` came first.
    pub(super) const UNAUTHORIZED: Self = Self { code: 4401, reason: "Unauthorized" };
    /// The token was refused.
    pub(super) const FORBIDDEN: Self = Self { code: 4403, reason: "Forbidden" };
    /// The token's time is over: come back with a fresh one.
    pub(super) const EXPIRED: Self = Self { code: 4403, reason: "Forbidden: token expired" };
    /// No `connection_init` in time.
    pub(super) const INIT_TIMEOUT: Self = Self { code: 4408, reason: "Connection initialisation timeout" };
    /// An operation of this id is running.
    pub(super) const DUPLICATE: Self = Self { code: 4409, reason: "Subscriber already exists" };
    /// A second `connection_init`.
    pub(super) const TOO_MANY_INITS: Self = Self { code: 4429, reason: "Too many initialisation requests" };

    /// The account has as many sockets open as it may.
    pub(super) const TOO_MANY_SOCKETS: Self = Self { code: 4429, reason: "Too many sockets" };
    /// Frames come faster than any client needs.
    pub(super) const TOO_MANY_FRAMES: Self = Self { code: 4429, reason: "Too many messages" };

    /// A message that cannot be understood.
    pub(super) const fn invalid(reason: &'static str) -> Self {
        Self { code: 4400, reason }
    }

    /// The frame that says so.
    pub(super) fn frame(self) -> CloseFrame {
        CloseFrame { code: self.code, reason: Utf8Bytes::from_static(self.reason) }
    }
}
