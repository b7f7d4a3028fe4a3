//! Counts refusals by rule for metrics, and logs at most two lines per rule, subject and minute.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    rule::{Rule, Subject},
    store::Bucket,
};
use crate::telemetry::{Line, Minute};

/// Subjects that are logged separately. The limit keeps an attacker with many accounts from filling the disk.
const LOGGED_MAX: usize = 1_000;

/// An event, its rule and its subject. The subject is `None` if there are too many.
type Kind = (&'static str, &'static str, Option<Subject>);

/// The refusals so far.
pub(super) struct Refusals {
    counts: [AtomicU64; Rule::ALL.len()],
    logged: Minute<Kind>,
}

impl Default for Refusals {
    fn default() -> Self {
        Self { counts: [const { AtomicU64::new(0) }; Rule::ALL.len()], logged: Minute::new(LOGGED_MAX) }
    }
}

impl Refusals {
    /// Counts a refusal, and logs the subject's first one within a minute.
    pub(super) fn note(&self, bucket: Bucket, now: DateTime<Utc>) {
        if let Some(count) = self.counts.get(bucket.rule.index()) {
            count.fetch_add(1, Relaxed);
        }
        self.log("limit", bucket.rule.name(), bucket.subject, now);
    }

    /// Logs an event about a subject, or counts it if the same happened within the last minute.
    pub(super) fn log(&self, event: &'static str, rule: &'static str, subject: Subject, now: DateTime<Utc>) {
        let line = self.logged.admit((event, rule, Some(subject)), (event, rule, None), now);
        if let Line::Event { counted_before } = line {
            let (network, id) = shown(subject);
            let (network, id) = (network.map(tracing::field::display), id.map(tracing::field::display));
            tracing::warn!(
                target: "security", event, rule, network, subject = id, counted_before, "a security event"
            );
        }
    }

    /// Logs the numbers of events that were only counted, and resets them.
    pub(super) fn summarise(&self, now: DateTime<Utc>) {
        for ((event, rule, subject), count) in self.logged.take_over(now) {
            let (network, id) = subject.map_or((None, None), shown);
            let (network, id) = (network.map(tracing::field::display), id.map(tracing::field::display));
            tracing::warn!(
                target: "security", event, rule, network, subject = id, count,
                "security events of the last minute"
            );
        }
    }

    /// Returns the refusals so far, by the rule's name.
    pub(super) fn counts(&self) -> Vec<(&'static str, u64)> {
        Rule::ALL.iter().zip(&self.counts).map(|(rule, count)| (rule.name(), count.load(Relaxed))).collect()
    }
}

/// Returns what a log may contain of a subject. E-mail addresses, secrets and their digests are not logged.
fn shown(subject: Subject) -> (Option<IpAddr>, Option<Uuid>) {
    match subject {
        Subject::Network(network) => (Some(network), None),
        Subject::Id(id) => (None, Some(id)),
        Subject::Pair(network, id) => (Some(network), Some(id)),
        Subject::Digest(_) | Subject::Slot(_) => (None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_counted_and_secrets_are_not_logged() {
        let refusals = Refusals::default();
        let bucket = Bucket { rule: Rule::Guests, subject: Subject::Digest([1; 16]) };
        refusals.note(bucket, DateTime::UNIX_EPOCH);
        refusals.note(bucket, DateTime::UNIX_EPOCH);
        let count = refusals.counts().into_iter().find(|(name, _)| *name == "network_guests");
        assert_eq!(count, Some(("network_guests", 2)));
        assert_eq!(shown(bucket.subject), (None, None));
        assert_eq!(shown(Subject::Slot(7)), (None, None));
        let id = Uuid::from_u128(7);
        assert_eq!(shown(Subject::Id(id)), (None, Some(id)));
    }
}
