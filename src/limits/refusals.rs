//! Counts refusals by rule for metrics, and writes one log line per subject and minute.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use moka::sync::Cache;

use super::{
    rule::{Rule, Subject},
    store::Bucket,
};

/// How long a subject that was logged is not logged again.
const QUIET: Duration = Duration::from_mins(1);
/// Subjects that are logged within that time. An attacker with many accounts fills no disk.
const LOGGED_MAX: u64 = 1_000;

/// The refusals so far.
pub(super) struct Refusals {
    counts: [AtomicU64; Rule::ALL.len()],
    logged: Cache<(&'static str, Subject), ()>,
}

impl Default for Refusals {
    fn default() -> Self {
        Self {
            counts: [const { AtomicU64::new(0) }; Rule::ALL.len()],
            logged: Cache::builder().time_to_live(QUIET).build(),
        }
    }
}

impl Refusals {
    /// Counts a refusal, and logs the subject's first one within a minute.
    pub(super) fn note(&self, bucket: Bucket) {
        if let Some(count) = self.counts.get(bucket.rule.index()) {
            count.fetch_add(1, Relaxed);
        }
        self.log("limit", bucket.rule.name(), bucket.subject);
    }

    /// Logs an event about a subject, unless the same was logged within the last minute.
    pub(super) fn log(&self, event: &'static str, rule: &'static str, subject: Subject) {
        if self.is_news(rule, subject) {
            let (network, id) = match subject {
                Subject::Network(network) => (Some(network), None),
                Subject::Id(id) => (None, Some(id)),
                Subject::Pair(network, id) => (Some(network), Some(id)),
                // An e-mail address or a secret is not logged, nor its digest.
                Subject::Digest(_) | Subject::Slot(_) => (None, None),
            };
            let (network, id) = (network.map(tracing::field::display), id.map(tracing::field::display));
            tracing::warn!(target: "security", event, rule, network, subject = id, "a security event");
        }
    }

    /// Returns whether the subject was not logged within the last minute, and remembers it.
    fn is_news(&self, rule: &'static str, subject: Subject) -> bool {
        if self.logged.contains_key(&(rule, subject)) || self.logged.entry_count() >= LOGGED_MAX {
            return false;
        }
        self.logged.insert((rule, subject), ());
        true
    }

    /// Returns the refusals so far, by the rule's name.
    pub(super) fn counts(&self) -> Vec<(&'static str, u64)> {
        Rule::ALL.iter().zip(&self.counts).map(|(rule, count)| (rule.name(), count.load(Relaxed))).collect()
    }

    pub(super) fn prune(&self) {
        self.logged.run_pending_tasks();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_counted_and_the_first_one_is_logged() {
        let refusals = Refusals::default();
        let bucket = Bucket { rule: Rule::Guests, subject: Subject::Digest([1; 16]) };
        assert!(refusals.is_news("network_guests", bucket.subject));
        assert!(!refusals.is_news("network_guests", bucket.subject));
        assert!(refusals.is_news("another rule", bucket.subject));
        refusals.note(bucket);
        refusals.note(bucket);
        let count = refusals.counts().into_iter().find(|(name, _)| *name == "network_guests");
        assert_eq!(count, Some(("network_guests", 2)));
        for number in 0..2_000_u16 {
            refusals.is_news("code_failures", Subject::Slot(number));
            refusals.prune();
        }
        assert!(refusals.logged.entry_count() <= LOGGED_MAX);
    }
}
