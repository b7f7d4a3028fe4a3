//! Security events: log lines without secrets, limited so that an attack does not fill the disk.
//!
//! Each kind of event has at most two lines [per minute](super::minute) and network. At most [`WINDOWS_MAX`] pairs of
//! event and network are tracked. Further events count together by kind.

use chrono::{DateTime, Utc};
use entity::AccountId;

use super::minute::{Line, Minute};
use crate::auth::{Network, Viewer};

/// Pairs of event and network that are tracked.
const WINDOWS_MAX: usize = 10_000;

/// A kind of security event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A sign-in with an unknown e-mail address or a wrong password.
    SignInFailed,
    /// A sign-in, code or ticket attempt that was refused after too many failures.
    Throttled,
    /// An access or refresh token that is forged, expired or of an ended session.
    TokenRejected,
    /// A refresh token that was used before. Its session was ended.
    TokenReused,
    /// An operation that the account has no right to.
    Forbidden,
    /// A socket from a page of a foreign origin.
    ForeignOrigin,
    /// A request for a host of another server.
    HostRefused,
    /// A document that the guard refused.
    DocumentRefused,
    /// A request beyond a rate limit.
    RateLimited,
    /// A connection beyond a limit.
    ConnectionLimit,
    /// A body or message that is too large.
    Oversized,
    /// An operation that was refused because the server is overloaded.
    Overloaded,
}

impl Event {
    /// Returns the event's name in logs and labels.
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

/// One event, with its known causes.
#[derive(Clone, Copy, Debug)]
pub struct Sighting<'a> {
    /// The kind of event.
    pub event: Event,
    /// The rule that decided, such as a refusal's code.
    pub rule: &'static str,
    /// The id of the request.
    pub request: Option<&'a str>,
    /// The client's network.
    pub network: Option<Network>,
    /// The caller's account.
    pub account: Option<AccountId>,
}

impl<'a> Sighting<'a> {
    /// Returns an event without a known cause.
    pub fn new(event: Event, rule: &'static str) -> Self {
        Self { event, rule, request: None, network: None, account: None }
    }

    /// Returns the event with the viewer's request, network and account.
    #[must_use]
    pub fn by(self, viewer: &'a Viewer) -> Self {
        Self {
            request: viewer.request().or(self.request),
            network: viewer.network(),
            account: viewer.account().ok(),
            ..self
        }
    }

    /// Returns the event with this request id and network.
    #[must_use]
    pub fn in_request(self, request: &'a str, network: Option<Network>) -> Self {
        Self { request: Some(request), network, ..self }
    }
}

type Kind = (Event, Option<Network>);

/// The recent events.
#[derive(Debug)]
pub struct Security(Minute<Kind>);

impl Default for Security {
    fn default() -> Self {
        Self(Minute::new(WINDOWS_MAX))
    }
}

impl Security {
    /// Logs the event, or only counts it if there was one of the same kind within the last minute.
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

    /// Logs the numbers of events that were only counted, after their minute. The worker calls this.
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

/// Returns a network as `192.0.2.7/32` or `2001:db8:1:2::/64`.
fn text(network: Network) -> String {
    let address = network.address();
    format!("{address}/{}", if address.is_ipv4() { 32 } else { 64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_is_written_with_its_prefix_length() {
        let network = |text: &str| super::text(Network::of(text.parse().expect("an address")));
        assert_eq!(network("192.0.2.7"), "192.0.2.7/32");
        assert_eq!(network("2001:db8:1:2:3::4"), "2001:db8:1:2::/64");
    }
}
