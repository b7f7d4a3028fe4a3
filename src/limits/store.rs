//! Where the limits' state is kept. In memory by default; a store that several instances share implements the same trait.

use chrono::TimeDelta;
use futures_util::future::BoxFuture;

use super::rule::{Rule, Subject};

/// One subject's state under one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bucket {
    /// The rule.
    pub rule: Rule,
    /// Whose state it is.
    pub subject: Subject,
}

/// A refusal: the bucket is empty, or the window is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// After which time one more is allowed.
    pub retry_after: TimeDelta,
}

/// An attempt that was counted. It can be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted(pub u64);

/// The state of all limits.
///
/// A shared store needs two scripts: one for the buckets of [`LimitStore::charge`] (GCRA), one that adds an element to
/// an ordered set for [`LimitStore::count`].
pub trait LimitStore: Send + Sync {
    /// Takes `cost` from a bucket that refills, and returns what is left of its burst. A cost above the burst counts as
    /// the burst.
    fn charge(&self, bucket: Bucket, cost: u32) -> BoxFuture<'_, Result<u32, Full>>;

    /// Counts one more in a window, unless that is full.
    fn count(&self, bucket: Bucket) -> BoxFuture<'_, Result<Counted, Full>>;

    /// Takes an attempt back, so that it does not count any more.
    fn forgive(&self, bucket: Bucket, counted: Counted) -> BoxFuture<'_, ()>;

    /// Takes the oldest attempt in a window back, if there is one.
    fn relieve(&self, bucket: Bucket) -> BoxFuture<'_, ()>;

    /// Forgets what has no effect any more.
    fn prune(&self);
}
