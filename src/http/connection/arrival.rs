//! What a request's connection determines: the client's address, and whether the request is for this server.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, Request},
    http::{HeaderValue, StatusCode, Version, header},
    response::Response,
};

use super::{
    super::answer,
    activity::{Activity, Exchange},
    address,
    host::{HostFault, Hosts},
};
use crate::{
    auth::Network,
    config::{Config, NetworkSettings},
    graphql::code::ApiCode,
};

const HEALTH: &str = "/health/";
/// One year. Subdomains may be other servers, so they are not included.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// The connection of a request.
#[derive(Clone, Debug)]
pub(in crate::http) struct Arrival {
    peer: IpAddr,
    activity: Arc<Activity>,
}

/// The address of a request's client, as far as the proxies are trusted.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddress(pub IpAddr);

impl Arrival {
    /// Returns a connection from `peer`.
    pub(super) fn new(peer: IpAddr, activity: Arc<Activity>) -> Self {
        Self { peer, activity }
    }

    /// Returns the connection's activity.
    pub(super) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Marks the connection as used by a WebSocket until the value is dropped.
    pub(in crate::http) fn begin_socket(&self) -> SocketUse {
        SocketUse { activity: Arc::clone(&self.activity), _exchange: self.activity.begin_socket() }
    }
}

/// A WebSocket's use of its connection.
#[derive(Debug)]
pub(in crate::http) struct SocketUse {
    activity: Arc<Activity>,
    _exchange: Exchange,
}

impl SocketUse {
    /// Records a message, whose bytes do not count as overhead.
    pub(in crate::http) fn message(&self, bytes: usize) {
        self.activity.used(bytes);
    }
}

/// The rules for all requests.
#[derive(Debug)]
pub(in crate::http) struct ArrivalRules {
    hosts: Hosts,
    network: NetworkSettings,
    is_secure: bool,
}

impl ArrivalRules {
    /// Returns the rules of the settings.
    pub(in crate::http) fn of(config: &Config) -> Self {
        Self {
            hosts: Hosts::of(config),
            network: config.network.clone(),
            is_secure: config.network.uses_tls() || config.public_url().starts_with("https://"),
        }
    }

    /// Adds the client's address to the request. Returns a refusal if the request is not for this server.
    pub(in crate::http) fn refusal(&self, request: &mut Request) -> Option<Response> {
        let arrival = request.extensions().get::<Arrival>().cloned();
        let connected = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let peer =
            arrival.as_ref().map(|arrival| arrival.peer).or(connected.map(|connected| connected.0.ip()));
        if let Some(peer) = peer {
            let trusted = |address| self.network.is_trusted_proxy(address);
            let client = address::client(peer.to_canonical(), request.headers(), trusted);
            request.extensions_mut().insert(Network::of(client));
            request.extensions_mut().insert(ClientAddress(client));
        }
        // Calls within the process have no connection and no host.
        let arrival = arrival?;
        // Health probes use the address and may not know the server's name.
        if request.uri().path().starts_with(HEALTH) {
            return None;
        }
        if arrival.activity.is_reserved() {
            return Some(full());
        }
        self.hosts.check(request.version(), request.uri(), request.headers()).err().map(refused)
    }

    /// Adds the headers that depend on the connection.
    pub(in crate::http) fn finish(
        &self,
        version: Version,
        arrival: Option<&Arrival>,
        response: &mut Response,
    ) {
        let headers = response.headers_mut();
        if self.is_secure {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
        }
        if version < Version::HTTP_2 && arrival.is_some_and(|arrival| arrival.activity.is_reserved()) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

fn full() -> Response {
    let mut response = answer::refused(
        StatusCode::SERVICE_UNAVAILABLE,
        ApiCode::Overloaded,
        "The server has too many connections.",
    );
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
    response
}

fn refused(fault: HostFault) -> Response {
    match fault {
        HostFault::Malformed => answer::refused(
            StatusCode::BAD_REQUEST,
            ApiCode::BadRequest,
            "The request must name exactly one host.",
        ),
        HostFault::Foreign => answer::refused(
            StatusCode::MISDIRECTED_REQUEST,
            ApiCode::HostNotAllowed,
            "This server does not serve that host.",
        ),
    }
}
