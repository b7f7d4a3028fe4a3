//! What one operation may still use: bytes of its response and work, both as they really are.
//!
//! The estimate before execution does not know how long lists and texts are. The resolvers of long texts, pictures and
//! seats charge them here while the response is built. The library offers no other place to stop it.
//!
//! A query also stops when its deadline has passed or nobody waits for it any more. Its future is not dropped for that:
//! a resolver may be inside a statement on a pooled connection, and a connection whose statement was cut off is in an
//! unknown state. Instead, batched reads and charges fail from then on, so the executor ends between two fields.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use super::error::ApiError;

/// The budget of one operation. All clones are the same one.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Microseconds of one core.
    work_max: u64,
    /// Bytes of the response.
    bytes_max: u64,
    work: AtomicU64,
    bytes: AtomicU64,
    /// Bytes of long texts read from the database.
    read: AtomicU64,
    /// The largest single charge of bytes.
    largest: AtomicU64,
    /// Why it ended, if it did: the first reason.
    ended: OnceLock<Spent>,
}

/// Why an operation must not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// Its response would be too large.
    Bytes,
    /// It does too much.
    Work,
    /// Its deadline has passed, or nobody waits for it.
    Stopped,
}

impl Budget {
    /// A budget of so many microseconds and bytes.
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

    /// For what is bounded otherwise: a mutation has to tell what it did.
    pub fn unlimited() -> Self {
        Self::new(u64::MAX, u64::MAX)
    }

    /// Charges work in microseconds and bytes of the response. Fails if the budget was used up before.
    ///
    /// What is charged last may exceed the budget, so that one value of any size can be read, such as the seat plan of a
    /// stadium.
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

    /// Charges bytes that were read for the response, and may come to stand in it. Fails once they are more than the
    /// response may have, so that what is read in parts ends there.
    pub(crate) fn charge_read(&self, bytes: u64) -> Result<(), Spent> {
        self.check()?;
        let read = self.0.read.fetch_add(bytes, Relaxed).saturating_add(bytes);
        if read > self.0.bytes_max { self.end(Spent::Bytes) } else { Ok(()) }
    }

    /// Charges a text.
    pub(crate) fn text<T: AsRef<str>>(&self, text: T) -> Result<T, Spent> {
        self.charge(0, u64::try_from(text.as_ref().len()).unwrap_or(u64::MAX))?;
        Ok(text)
    }

    /// Whether the operation may go on: it was not stopped, and every charge was good.
    pub fn check(&self) -> Result<(), Spent> {
        self.0.ended.get().map_or(Ok(()), |spent| Err(*spent))
    }

    /// Ends the operation at its next field that charges or reads something.
    pub fn stop(&self) {
        let _ = self.end(Spent::Stopped);
    }

    fn end(&self, spent: Spent) -> Result<(), Spent> {
        Err(*self.0.ended.get_or_init(|| spent))
    }

    /// Bytes that the response may have when it is written: the limit, or more if one value alone is larger.
    pub fn written_max(&self) -> u64 {
        // A text of JSON inside JSON grows by its escaped quotes.
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
                Self::new("RESPONSE_TOO_LARGE", "the response is too large: ask for less at a time")
            }
            Spent::Work => Self::new("DOCUMENT_TOO_COMPLEX", "this is too much work: ask for less at a time"),
            Spent::Stopped => Self::new("DEADLINE_EXCEEDED", "this took too long: ask for less at a time"),
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
    fn stopped_operation_charges_nothing_more() {
        let budget = Budget::unlimited();
        assert_eq!(budget.charge(u64::MAX / 2, u64::MAX / 2), Ok(()));
        budget.clone().stop();
        assert_eq!(budget.charge(0, 0), Err(Spent::Stopped));
    }
}
