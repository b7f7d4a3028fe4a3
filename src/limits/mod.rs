//! Limits on what one network, account or shop may do.
//!
//! There are two kinds. A bucket that refills limits the rate of operations ([`Limits::operation`], [`Limits::take`]).
//! A window limits failures ([`Limits::attempt`]). Rules per account and per network are independent, so an attacker
//! who exhausts one does not lock the other. Calls within the process have no network and no rate limits. Failures
//! always count per account.

pub mod lane;
pub mod memory;
pub mod protocol;
mod refusals;
pub mod rule;
pub mod store;
pub mod text;

use std::{fmt, sync::Arc};

use aws_lc_rs::digest::{SHA256, digest};
use chrono::TimeDelta;

pub use self::{
    lane::{Charges, Lane},
    rule::{Rule, Subject},
};
use self::{
    memory::MemoryStore,
    refusals::Refusals,
    rule::Bound,
    store::{Bucket, Counted, Full, LimitStore},
};
use crate::{
    auth::{Network, Viewer},
    clock::Clock,
    config::{LimitSettings, NetworkSettings},
    error::Fault,
};

/// All limits, and their state.
pub struct Limits {
    settings: LimitSettings,
    listener: NetworkSettings,
    store: Arc<dyn LimitStore>,
    refusals: Refusals,
    clock: Clock,
}

/// A call that exceeds a limit. Nothing was executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// The rule.
    pub rule: Rule,
    /// The rule's limit: the burst of a bucket, or the count of a window.
    pub limit: u32,
    /// The time until the next call is allowed.
    pub retry_after: TimeDelta,
}

/// An attempt that counts as a failure until it is forgiven.
#[must_use]
pub struct Attempt {
    store: Arc<dyn LimitStore>,
    counted: Vec<(Bucket, Counted)>,
}

impl Limits {
    /// Returns the settings' limits, with their state in memory.
    pub fn new(settings: &LimitSettings, listener: &NetworkSettings, clock: &Clock) -> Self {
        Self::with_store(settings, listener, clock, Arc::new(MemoryStore::new(settings, clock)))
    }

    /// Returns the settings' limits, with their state in `store`.
    pub fn with_store(
        settings: &LimitSettings,
        listener: &NetworkSettings,
        clock: &Clock,
        store: Arc<dyn LimitStore>,
    ) -> Self {
        Self {
            settings: settings.clone(),
            listener: listener.clone(),
            store,
            refusals: Refusals::default(),
            clock: clock.clone(),
        }
    }

    /// Returns the viewer's network, or `None` if the call has none or the network is exempt.
    pub fn network(&self, viewer: &Viewer) -> Option<Network> {
        viewer.network().filter(|network| !self.listener.is_allowed(network.address()))
    }

    /// Returns the viewer's network as a subject, if it is limited.
    pub fn network_subject(&self, viewer: &Viewer) -> Option<Subject> {
        self.network(viewer).map(|network| Subject::Network(network.address()))
    }

    /// Charges an operation to the caller's network and account.
    pub async fn operation(&self, viewer: &Viewer, charges: &Charges) -> Result<(), Exceeded> {
        let Some(network) = self.network_subject(viewer) else { return Ok(()) };
        for (lane, cost) in charges.each() {
            self.take((Rule::Network(lane), network), cost).await?;
        }
        let Ok(account) = viewer.account() else { return Ok(()) };
        for (lane, cost) in charges.each() {
            self.take((Rule::Account(lane), Subject::Id(account.0)), cost).await?;
        }
        Ok(())
    }

    /// Takes `cost` from a bucket. Returns the rest.
    pub async fn take(&self, (rule, subject): (Rule, Subject), cost: u32) -> Result<u32, Exceeded> {
        let bucket = Bucket { rule, subject };
        self.store.charge(bucket, cost).await.map_err(|full| self.exceeded(bucket, full))
    }

    /// Starts an attempt that may fail, unless one of the windows is full.
    ///
    /// Race: an attempt counts from its start, so that many attempts at the same time cannot exceed the limit.
    pub async fn attempt(
        &self,
        windows: impl IntoIterator<Item = (Rule, Subject)> + Send,
    ) -> Result<Attempt, Exceeded> {
        let mut attempt = Attempt { store: self.store.clone(), counted: Vec::new() };
        let windows: Vec<_> = windows.into_iter().collect();
        for (rule, subject) in windows {
            let bucket = Bucket { rule, subject };
            match self.store.count(bucket).await {
                Ok(counted) => attempt.counted.push((bucket, counted)),
                Err(full) => {
                    attempt.forgive().await;
                    return Err(self.exceeded(bucket, full));
                }
            }
        }
        Ok(attempt)
    }

    /// Refuses if a window is full. Counts nothing.
    pub async fn check(&self, (rule, subject): (Rule, Subject)) -> Result<(), Exceeded> {
        self.attempt([(rule, subject)]).await?.forgive().await;
        Ok(())
    }

    /// Counts a failure.
    pub async fn failed(&self, (rule, subject): (Rule, Subject)) {
        // A full window stays full.
        let _ = self.store.count(Bucket { rule, subject }).await;
    }

    /// Removes a subject's oldest failure after a success.
    pub async fn relieve(&self, (rule, subject): (Rule, Subject)) {
        self.store.relieve(Bucket { rule, subject }).await;
    }

    /// Counts and logs a refusal that was decided without the store.
    pub fn refused(&self, (rule, subject): (Rule, Subject), retry_after: TimeDelta) -> Exceeded {
        self.exceeded(Bucket { rule, subject }, Full { retry_after })
    }

    /// Logs a security event of the viewer, at most once per minute.
    pub fn security(&self, event: &'static str, viewer: &Viewer) {
        let network = viewer.network().map(|network| network.address());
        let subject = match (network, viewer.account()) {
            (Some(network), Ok(account)) => Subject::Pair(network, account.0),
            (Some(network), Err(_)) => Subject::Network(network),
            (None, Ok(account)) => Subject::Id(account.0),
            (None, Err(_)) => return,
        };
        self.refusals.log(event, event, subject, self.clock.now());
    }

    /// Returns the number of refusals so far by the rule's name, for metrics.
    pub fn refusals(&self) -> Vec<(&'static str, u64)> {
        self.refusals.counts()
    }

    /// Deletes state that no longer has an effect.
    pub fn prune(&self) {
        self.store.prune();
    }

    /// Logs the numbers of refusals that were only counted. The worker calls this.
    pub fn summarise(&self) {
        self.refusals.summarise(self.clock.now());
    }

    fn exceeded(&self, bucket: Bucket, Full { retry_after }: Full) -> Exceeded {
        self.refusals.note(bucket, self.clock.now());
        let limit = match bucket.rule.bound(&self.settings) {
            Bound::Rate(rate) => rate.burst,
            Bound::Window(window) => window.most,
        };
        Exceeded { rule: bucket.rule, limit, retry_after }
    }
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limits").finish_non_exhaustive()
    }
}

impl Attempt {
    /// Removes this attempt from the count, because it was not a failure. Other failures still count.
    pub async fn forgive(self) {
        for (bucket, counted) in self.counted {
            self.store.forgive(bucket, counted).await;
        }
    }
}

impl Subject {
    /// Returns the subject for a text. Only the text's digest is kept.
    pub fn digest(text: &str) -> Self {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest(&SHA256, text.as_bytes()).as_ref()[..16]);
        Self::Digest(bytes)
    }
}

impl Exceeded {
    /// Returns the whole seconds to wait, at least 1.
    pub fn retry_after_seconds(&self) -> u32 {
        u32::try_from(self.retry_after.num_seconds().saturating_add(1)).unwrap_or(u32::MAX)
    }

    /// Returns the milliseconds to wait, at least 1.
    pub fn retry_after_ms(&self) -> u64 {
        u64::try_from(self.retry_after.num_milliseconds().saturating_add(1)).unwrap_or(1)
    }
}

impl From<Exceeded> for Fault {
    fn from(exceeded: Exceeded) -> Self {
        Self::RateLimited { retry_after_ms: exceeded.retry_after_ms() }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::DateTime;
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        limits: LimitSettings,
        #[command(flatten)]
        listener: NetworkSettings,
    }

    fn limits() -> (Limits, Clock) {
        let clock = Clock::manual(DateTime::UNIX_EPOCH + TimeDelta::days(20_000));
        let Cli { limits, listener } = Cli::parse_from(["limits"]);
        (Limits::new(&limits, &listener, &clock), clock)
    }

    #[tokio::test]
    async fn the_eleventh_failure_waits_until_the_first_is_forgotten() {
        let (limits, clock) = limits();
        let (ada, bob) = (Subject::digest("ada@example.org"), Subject::digest("bob@example.org"));
        for _ in 0..10 {
            drop(limits.attempt([(Rule::Passwords, ada)]).await.unwrap());
            clock.advance(Duration::from_secs(1));
        }
        let wait = async || {
            let attempt = limits.attempt([(Rule::Passwords, ada)]).await;
            attempt.err().map(|exceeded| exceeded.retry_after_seconds())
        };
        assert_eq!(wait().await, Some(891));
        clock.advance(Duration::from_secs(889));
        assert_eq!(wait().await, Some(2));
        clock.advance(Duration::from_secs(1));
        assert_eq!(wait().await, None);
        assert!(limits.attempt([(Rule::Passwords, bob)]).await.is_ok(), "others are not concerned");
    }

    #[tokio::test]
    async fn only_failures_count_but_so_do_attempts_under_way() {
        let (limits, _) = limits();
        let ada = Subject::digest("ada@example.org");
        for _ in 0..100 {
            limits.attempt([(Rule::Passwords, ada)]).await.unwrap().forgive().await;
        }
        let mut under_way = Vec::new();
        for _ in 0..50 {
            under_way.extend(limits.attempt([(Rule::Passwords, ada)]).await.ok());
        }
        assert_eq!(under_way.len(), 10);
    }

    #[tokio::test]
    async fn a_refusal_by_one_window_counts_in_no_other() {
        let (limits, _) = limits();
        let (ada, network) = (Subject::digest("ada"), Subject::digest("network"));
        for _ in 0..10 {
            drop(limits.attempt([(Rule::Passwords, ada)]).await.unwrap());
        }
        for _ in 0..200 {
            let both = [(Rule::NetworkPasswords, network), (Rule::Passwords, ada)];
            assert_eq!(limits.attempt(both).await.err().map(|exceeded| exceeded.rule), Some(Rule::Passwords));
        }
        assert!(limits.check((Rule::NetworkPasswords, network)).await.is_ok());
    }

    #[tokio::test]
    async fn a_success_takes_a_failure_back() {
        let (limits, _) = limits();
        let network = (Rule::NetworkDeclines, Subject::digest("network"));
        for _ in 0..9 {
            limits.failed(network).await;
        }
        assert!(limits.check(network).await.is_err());
        limits.relieve(network).await;
        assert!(limits.check(network).await.is_ok());
    }
}
