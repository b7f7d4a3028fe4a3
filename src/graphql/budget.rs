//! The remaining budget of one operation: bytes of its response, and work.
//!
//! The estimate before execution does not know the lengths of lists and texts. The resolvers of long texts, pictures
//! and seats charge them here while the response is built. The library offers no other place to stop an operation.
//!
//! A query also stops when its deadline has passed or its client has disconnected. Its future is not dropped, because a
//! resolver may be inside a statement on a pooled connection. A connection with an interrupted statement is in an
//! unknown state. Instead, batched reads and charges fail from then on, so that the executor ends between two fields.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use super::{code::ApiCode, error::ApiError};
use crate::error::Fault;

/// The budget of one operation. All clones share it.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Limit of work in microseconds of one core.
    work_max: u64,
    /// Limit of the response in bytes.
    bytes_max: u64,
    work: AtomicU64,
    bytes: AtomicU64,
    /// Bytes of long texts that were read from the database.
    read: AtomicU64,
    /// The largest single charge in bytes.
    largest: AtomicU64,
    /// The first reason why the operation ended, if it ended.
    ended: OnceLock<Spent>,
}

/// A reason to stop an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// Its response would be too large.
    Bytes,
    /// It needs too much work.
    Work,
    /// Its deadline has passed, or its client has disconnected.
    Stopped,
}

impl Budget {
    /// Creates a budget of `work` microseconds and `bytes` bytes.
    pub fn new(work: u64, bytes: u64) -> Self {
        Self(Arc::new(Inner {
            work_max: work,
            bytes_max: bytes,
            work: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            read: AtomicU64::new(0),
            largest: AtomicU64::new(0),
            ended: OnceLock::new(),
        }))
    }

    /// Creates an unlimited budget, for mutations: their result must always be returned.
    pub fn unlimited() -> Self {
        Self::new(u64::MAX, u64::MAX)
    }

    /// Charges work in microseconds and bytes of the response. If the budget was exhausted before, returns an error.
    ///
    /// The last charge may exceed the budget. This allows one value of any size, such as the seating plan of a stadium.
    pub fn charge(&self, work: u64, bytes: u64) -> Result<(), Spent> {
        self.check()?;
        let before = (self.0.work.fetch_add(work, Relaxed), self.0.bytes.fetch_add(bytes, Relaxed));
        self.0.largest.fetch_max(bytes, Relaxed);
        if before.1 > self.0.bytes_max {
            self.end(Spent::Bytes)
        } else if before.0 > self.0.work_max {
            self.end(Spent::Work)
        } else {
            Ok(())
        }
    }

    /// Charges bytes that were read for the response. If their sum exceeds the response limit, returns an error, so
    /// that a read in parts stops there.
    pub(crate) fn charge_read(&self, bytes: u64) -> Result<(), Spent> {
        self.check()?;
        let read = self.0.read.fetch_add(bytes, Relaxed).saturating_add(bytes);
        if read > self.0.bytes_max { self.end(Spent::Bytes) } else { Ok(()) }
    }

    /// Charges the length of a text and returns the text.
    pub(crate) fn text<T: AsRef<str>>(&self, text: T) -> Result<T, Spent> {
        self.charge(0, u64::try_from(text.as_ref().len()).unwrap_or(u64::MAX))?;
        Ok(text)
    }

    /// Returns an error if the operation was stopped or a charge has failed.
    pub fn check(&self) -> Result<(), Spent> {
        self.0.ended.get().map_or(Ok(()), |spent| Err(*spent))
    }

    /// Stops the operation at its next field that charges or reads.
    pub fn stop(&self) {
        let _ = self.end(Spent::Stopped);
    }

    fn end(&self, spent: Spent) -> Result<(), Spent> {
        Err(*self.0.ended.get_or_init(|| spent))
    }

    /// Returns the size limit of the serialised response in bytes: the limit, or more if a single value is larger.
    pub fn written_max(&self) -> u64 {
        // JSON text inside JSON grows by its escaped quotes.
        self.0.bytes_max.max(self.0.largest.load(Relaxed).saturating_mul(2))
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::unlimited()
    }
}

impl From<Spent> for ApiError {
    fn from(spent: Spent) -> Self {
        match spent {
            Spent::Bytes => {
                Self::new(ApiCode::ResponseTooLarge, "the response is too large; request less at a time")
            }
            Spent::Work => Self::new(
                ApiCode::DocumentTooComplex,
                "the operation needs too much work; request less at a time",
            ),
            // Too much work ends as such. A query that only takes long waits for the database.
            Spent::Stopped => Fault::timed_out().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_value_may_exceed_the_budget_and_no_further_one() {
        let budget = Budget::new(100, 10);
        assert_eq!(budget.charge(0, 1_000), Ok(()), "one value of any size");
        assert_eq!(budget.written_max(), 2_000);
        assert_eq!(budget.check(), Ok(()), "its other fields are read");
        assert_eq!(budget.text("x"), Err(Spent::Bytes));
        assert_eq!(budget.check(), Err(Spent::Bytes));
        let budget = Budget::new(100, 10);
        assert_eq!(budget.text("0123456789"), Ok("0123456789"));
        assert_eq!(budget.charge(100, 0), Ok(()));
        assert_eq!(budget.charge(1, 0), Ok(()));
        assert_eq!(budget.charge(1, 0), Err(Spent::Work));
    }

    #[test]
    fn stopped_operation_is_not_charged_further() {
        let budget = Budget::unlimited();
        assert_eq!(budget.charge(u64::MAX / 2, u64::MAX / 2), Ok(()));
        budget.clone().stop();
        assert_eq!(budget.charge(0, 0), Err(Spent::Stopped));
    }
}
