//! Connections: limits, timeouts, TLS, and the addresses of clients.
//!
//! A connection passes, in this order: the [limits](slots) of connections, the header of the [PROXY
//! protocol](proxy_protocol) if a trusted proxy sends one, [TLS](tls), and HTTP/1.1 or HTTP/2 ([`protocol`]). Its
//! [stream] and its [requests](exchange) report to its [activity], which knows when it must be closed. [`arrival`]
//! derives the client's address and checks the host.

mod activity;
pub(super) mod address;
mod arrival;
mod exchange;
mod host;
mod listener;
mod pace;
mod protocol;
pub(super) mod proxy_protocol;
mod slots;
mod starting;
mod stream;
mod tls;

pub(super) use self::arrival::{Arrival, ArrivalRules, SocketUse};
pub use self::{
    arrival::ClientAddress,
    listener::{Listener, serve},
    starting::serve_while_starting,
};

use std::time::Duration;

/// The timeouts of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For a request's header, and for the TLS handshake before it.
    pub header: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// For a peer that reads nothing. A slow peer must read 8 KiB per second.
    pub write: Duration,
    /// For the next piece of a request's body.
    pub body_stall: Duration,
    /// For a request's body as a whole.
    pub body: Duration,
    /// For the header of a request on a connection beyond the limit.
    pub reserved: Duration,
    /// For a connection to close after the server has asked it to.
    pub farewell: Duration,
    /// Between two checks of the certificate's files.
    pub certificate: Duration,
}

impl Timeouts {
    /// Values that work for clients on slow networks.
    pub const DEFAULT: Self = Self {
        header: Duration::from_secs(10),
        idle: Duration::from_secs(75),
        write: Duration::from_secs(10),
        body_stall: Duration::from_secs(15),
        body: Duration::from_mins(2),
        reserved: Duration::from_secs(2),
        farewell: Duration::from_secs(1),
        certificate: Duration::from_secs(5),
    };
}
