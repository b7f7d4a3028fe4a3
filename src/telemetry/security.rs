//! Security events: one log line each, without secrets, and never so many that an attack fills the disk.
//!
//! Of one kind of event from one network there are two lines [per minute](super::minute). At most [`WINDOWS_MAX`] pairs of
//! event and network are remembered; beyond that, events of one kind are counted together.

use chrono::{DateTime, Utc};
use entity::AccountId;

use super::minute::{Line, Minute};
use crate::auth::{Network, Viewer};

/// Pairs of event and network that are remembered.
const WINDOWS_MAX: usize = 10_000;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A sign-in with an unknown e-mail address or a wrong password.
    SignInFailed,
    /// A sign-in, code or ticket attempt that has to wait after too many failures.
    Throttled,
    /// An access or refresh token that is forged, expired or of an ended session.
    TokenRejected,
    /// A refresh token that was used before: its session is ended.
    TokenReused,
    /// An operation that the account may not do.
    Forbidden,
    /// A socket from a page of a foreign origin.
    ForeignOrigin,
    /// A request for a host that is not ours.
    HostRefused,
    /// A document that the guard refused.
    DocumentRefused,
    /// A request beyond a rate limit.
    RateLimited,
    /// A connection beyond a limit.
    ConnectionLimit,
    /// A body or message that is too large.
    Oversized,
    /// An operation refused because the server is overloaded.
    Overloaded,
}

impl Event {
    /// The event's name in logs and labels.
    pub fn name(self) -> &'static str {
        match self {
            Self::SignInFailed => "sign_in_failed",
            Self::Throttled => "throttled",
            Self::TokenRejected => "token_rejected",
            Self::TokenReused => "token_reused",
            Self::Forbidden => "forbidden",
            Self::ForeignOrigin => "foreign_origin",
            Self::HostRefused => "host_refused",
            Self::DocumentRefused => "document_refused",
            Self::RateLimited => "rate_limited",
            Self::ConnectionLimit => "connection_limit",
            Self::Oversized => "oversized",
            Self::Overloaded => "overloaded",
        }
    }
}

/// One event, and what is known of its cause.
#[derive(Clone, Copy, Debug)]
pub struct Sighting<'a> {
    /// What happened.
    pub event: Event,
    /// The rule that decided, such as a refusal's code.
    pub rule: &'static str,
    /// The id of the request.
    pub request: Option<&'a str>,
    /// The network that it came from.
    pub network: Option<Network>,
    /// The account that asked.
    pub account: Option<AccountId>,
}

impl<'a> Sighting<'a> {
    /// An event of which nothing else is known.
    pub fn new(event: Event, rule: &'static str) -> Self {
        Self { event, rule, request: None, network: None, account: None }
    }

    /// The same, caused by the viewer's request.
    #[must_use]
    pub fn by(self, viewer: &'a Viewer) -> Self {
        Self {
            request: viewer.request().or(self.request),
            network: viewer.network(),
            account: viewer.account().ok(),
            ..self
        }
    }

    /// The same, in the request with this id from this network.
    #[must_use]
    pub fn in_request(self, request: &'a str, network: Option<Network>) -> Self {
        Self { request: Some(request), network, ..self }
    }
}

type Kind = (Event, Option<Network>);

/// What was logged lately.
#[derive(Debug)]
pub struct Security(Minute<Kind>);

impl Default for Security {
    fn default() -> Self {
        Self(Minute::new(WINDOWS_MAX))
    }
}

impl Security {
    /// Logs the event, or counts it if the same happened a moment ago.
    pub fn report(&self, sighting: &Sighting<'_>, now: DateTime<Utc>) {
        let Sighting { event, rule, request, network, account } = *sighting;
        if let Line::Event { counted_before } = self.0.admit((event, network), (event, None), now) {
            tracing::warn!(
                target: "security",
                event = event.name(),
                rule,
                request.id = request,
                network = network.map(text),
                account.id = account.map(|account| account.0.to_string()),
                counted_before,
                "security event"
            );
        }
    }

    /// Tells the numbers of windows that are over, and forgets them. Called by the worker.
    pub fn summarise(&self, now: DateTime<Utc>) {
        for ((event, network), more) in self.0.take_over(now) {
            tracing::warn!(
                target: "security",
                event = event.name(),
                network = network.map(text),
                count = more,
                "security events of the last minute"
            );
        }
    }
}

/// A network as logs name it: `192.0.2.7/32` or `2001:db8:1:2::/64`.
fn text(network: Network) -> String {
    let address = network.address();
    format!("{address}/{}", if address.is_ipv4() { 32 } else { 64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_written_with_its_length() {
        let network = |text: &str| super::text(Network::of(text.parse().expect("an address")));
        assert_eq!(network("192.0.2.7"), "192.0.2.7/32");
        assert_eq!(network("2001:db8:1:2:3::4"), "2001:db8:1:2::/64");
    }
}
