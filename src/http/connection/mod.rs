//! Connections: which are accepted, how long they may take for what, and whose they are.
//!
//! A connection passes, in this order: the [limits](slots) of connections, the header of the [PROXY
//! protocol](proxy_protocol) if a trusted proxy sends one, [TLS](tls), and HTTP/1.1 or HTTP/2 ([`protocol`]). Its
//! [stream] and its [requests](exchange) report to its [activity], which tells when it must be closed. What the front
//! door makes of it is in [`arrival`].

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

/// How long a connection may take for what.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For the header of a request, and for the handshake of TLS before it.
    pub header: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// For a peer that reads nothing of what is written. One that reads slowly needs 8 KiB per second.
    pub write: Duration,
    /// For the next piece of a request's body.
    pub body_stall: Duration,
    /// For a request's body as a whole.
    pub body: Duration,
    /// For the header of a request on a connection beyond the limit.
    pub reserved: Duration,
    /// For the end of a connection that was told to end.
    pub farewell: Duration,
    /// Between two looks at the files of the certificate.
    pub certificate: Duration,
}

impl Timeouts {
    /// The values for clients on bad networks, which are still people.
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
