//! Security events: one log line each, without secrets, and never so many that an attack fills the disk.
//!
//! The first event of a kind from a network is logged at once. Those that follow within a minute are counted, and one
//! line tells their number when the minute is over. At most [`WINDOWS_MAX`] pairs of event and network are remembered;
//! beyond that, events of one kind are counted together.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use entity::AccountId;

use crate::auth::{Network, Viewer};

/// How long events of one kind from one network are counted before a line tells their number.
const WINDOW: TimeDelta = TimeDelta::minutes(1);
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

/// Events of one kind from one network.
#[derive(Clone, Copy, Debug)]
struct Window {
    since: DateTime<Utc>,
    /// Events after the first, which was logged.
    more: u64,
}

type Key = (Event, Option<Network>);

/// What was logged lately.
#[derive(Debug, Default)]
pub struct Security(Mutex<HashMap<Key, Window>>);

/// What is to be logged of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// Nothing: it was counted.
    Nothing,
    /// The event itself, after the number of those that were only counted.
    Event { counted_before: u64 },
}

impl Security {
    /// Logs the event, or counts it if the same happened a moment ago.
    pub fn report(&self, sighting: &Sighting<'_>, now: DateTime<Utc>) {
        let Sighting { event, rule, request, network, account } = *sighting;
        if let Line::Event { counted_before } = self.admit((event, network), now) {
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
        for ((event, network), more) in self.take_over(now) {
            tracing::warn!(
                target: "security",
                event = event.name(),
                network = network.map(text),
                count = more,
                "security events of the last minute"
            );
        }
    }

    fn admit(&self, key: Key, now: DateTime<Utc>) -> Line {
        let mut windows = self.lock();
        let is_full = windows.len() >= WINDOWS_MAX && !windows.contains_key(&key);
        let key = if is_full { (key.0, None) } else { key };
        match windows.get_mut(&key) {
            Some(window) if now - window.since < WINDOW => {
                window.more += 1;
                Line::Nothing
            }
            Some(window) => {
                let counted_before = window.more;
                *window = Window { since: now, more: 0 };
                Line::Event { counted_before }
            }
            None => {
                windows.insert(key, Window { since: now, more: 0 });
                Line::Event { counted_before: 0 }
            }
        }
    }

    fn take_over(&self, now: DateTime<Utc>) -> Vec<(Key, u64)> {
        let mut windows = self.lock();
        let over: Vec<(Key, u64)> = windows
            .iter()
            .filter(|(_, window)| now - window.since >= WINDOW)
            .map(|(key, window)| (*key, window.more))
            .collect();
        for (key, _) in &over {
            windows.remove(key);
        }
        over.into_iter().filter(|(_, more)| *more > 0).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Window>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A network as logs name it: `192.0.2.7/32` or `2001:db8:1:2::/64`.
fn text(network: Network) -> String {
    let address = network.address();
    format!("{address}/{}", if address.is_ipv4() { 32 } else { 64 })
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn network(number: u32) -> Network {
        Network::of(IpAddr::V4(Ipv4Addr::from(number)))
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    #[test]
    fn the_first_event_is_logged_and_the_rest_of_the_minute_is_one_number() {
        let security = Security::default();
        let key = (Event::SignInFailed, Some(network(1)));
        assert_eq!(security.admit(key, at(0)), Line::Event { counted_before: 0 });
        for second in 1..60 {
            assert_eq!(security.admit(key, at(second)), Line::Nothing);
        }
        assert_eq!(
            security.admit((Event::Forbidden, Some(network(1))), at(5)),
            Line::Event { counted_before: 0 }
        );
        assert_eq!(security.admit((key.0, Some(network(2))), at(5)), Line::Event { counted_before: 0 });
        assert_eq!(security.take_over(at(59)), []);
        assert_eq!(security.take_over(at(60)), [(key, 59)]);
        assert_eq!(security.take_over(at(70)), [], "single events need no summary");
        assert!(security.lock().is_empty());
    }

    #[test]
    fn an_event_after_the_minute_tells_what_was_counted() {
        let security = Security::default();
        let key = (Event::Throttled, None);
        security.admit(key, at(0));
        security.admit(key, at(1));
        assert_eq!(security.admit(key, at(61)), Line::Event { counted_before: 1 });
    }

    #[test]
    fn many_networks_do_not_fill_the_memory() {
        let security = Security::default();
        let logged = (0..50_000).filter(|number| {
            security.admit((Event::RateLimited, Some(network(*number))), at(0)) != Line::Nothing
        });
        assert_eq!(logged.count(), WINDOWS_MAX + 1);
        assert_eq!(security.lock().len(), WINDOWS_MAX + 1);
    }

    #[test]
    fn a_network_is_written_with_its_length() {
        let network = |text: &str| super::text(Network::of(text.parse().expect("an address")));
        assert_eq!(network("192.0.2.7"), "192.0.2.7/32");
        assert_eq!(network("2001:db8:1:2:3::4"), "2001:db8:1:2::/64");
    }
}
