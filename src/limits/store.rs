//! The store for the state of limits. The default is in memory. A store that several instances share can implement the
//! trait.

use chrono::TimeDelta;
use futures_util::future::BoxFuture;

use super::rule::{Rule, Subject};

/// One subject's state under one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bucket {
    /// The rule.
    pub rule: Rule,
    /// The subject.
    pub subject: Subject,
}

/// A refusal: the bucket is empty, or the window is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// The time until the next one is allowed.
    pub retry_after: TimeDelta,
}

/// An attempt that was counted, for [`LimitStore::forgive`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted(pub u64);

/// The state of all limits.
///
/// A shared store needs two scripts: one for the buckets of [`LimitStore::charge`] (GCRA), one that adds an element to
/// an ordered set for [`LimitStore::count`].
pub trait LimitStore: Send + Sync {
    /// Takes `cost` from a bucket that refills. Returns the rest. A cost above the burst counts as the burst.
    fn charge(&self, bucket: Bucket, cost: u32) -> BoxFuture<'_, Result<u32, Full>>;

    /// Counts an attempt in a window, unless the window is full.
    fn count(&self, bucket: Bucket) -> BoxFuture<'_, Result<Counted, Full>>;

    /// Removes an attempt from the count.
    fn forgive(&self, bucket: Bucket, counted: Counted) -> BoxFuture<'_, ()>;

    /// Removes the oldest attempt in a window, if any.
    fn relieve(&self, bucket: Bucket) -> BoxFuture<'_, ()>;

    /// Deletes state that no longer has an effect.
    fn prune(&self);
}
