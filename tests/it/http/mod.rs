//! Tests of the transports: HTTP, WebSocket and event streams.

mod answers;
mod arrival;
mod caching;
mod connection;
mod downloads;
mod guard;
mod limits;
mod limits_codes;
mod persisted;
mod requests;
mod socket;
mod socket_limits;
mod sse;
mod tls;
