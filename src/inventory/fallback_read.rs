//! Reading an inventory without its desk, while the desk is busy.
//!
//! A desk locks its stock during a whole attempt, which takes seconds if the inventory's row is locked. Readers that do
//! not get the stock in time read the last committed state from the database. They share one copy: the first reader
//! asks for the version, and reads the rows if it has changed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{sync::Mutex, time::Instant};

use super::state::Stock;
use crate::error::FaultResult;

/// How long a reader waits for a desk's stock.
pub(super) const PATIENCE: Duration = Duration::from_millis(200);

/// The shared copy of one inventory.
#[derive(Default)]
pub(super) struct FallbackReader {
    copy: Mutex<Option<Copy>>,
    /// Whether there may be a copy. A cheap check for readers that got the stock.
    is_kept: AtomicBool,
}

struct Copy {
    stock: Arc<Stock>,
    confirmed: Confirmed,
}

/// The version of the database at one moment.
#[derive(Clone, Copy)]
struct Confirmed {
    at: Instant,
    version: i64,
}

impl Confirmed {
    /// Returns whether this is recent enough for a reader that asked at `asked` and knows version `known`.
    fn serves(self, asked: Instant, known: i64) -> bool {
        self.at >= asked && self.version >= known
    }
}

impl FallbackReader {
    /// Returns the state committed at the time of the call or later, at least version `known`. `version` asks the
    /// database for the current version, and `load` reads the whole stock.
    pub(super) async fn read<V, L>(
        &self,
        known: i64,
        version: impl FnOnce() -> V,
        load: impl FnOnce() -> L,
    ) -> FaultResult<Arc<Stock>>
    where
        V: Future<Output = FaultResult<i64>>,
        L: Future<Output = FaultResult<Stock>>,
    {
        let asked = Instant::now();
        let mut copy = self.copy.lock().await;
        if let Some(copy) = copy.as_ref().filter(|copy| copy.confirmed.serves(asked, known)) {
            return Ok(copy.stock.clone());
        }
        let at = Instant::now();
        let version = version().await?;
        let stock = match copy.take() {
            // Changed terms also increment the version.
            Some(copy) if copy.stock.version == version => copy.stock,
            Some(_) | None => Arc::new(load().await?),
        };
        let confirmed = Confirmed { at, version: stock.version };
        *copy = Some(Copy { stock: stock.clone(), confirmed });
        self.is_kept.store(true, Relaxed);
        Ok(stock)
    }

    /// Drops the copy, because the desk is no longer busy.
    pub(super) fn forget(&self) {
        if self.is_kept.load(Relaxed)
            && let Ok(mut copy) = self.copy.try_lock()
        {
            *copy = None;
            self.is_kept.store(false, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copy_serves_readers_that_asked_before_its_confirmation_and_know_no_later_version() {
        let at = Instant::now();
        let confirmed = Confirmed { at, version: 7 };
        let moment = Duration::from_millis(1);
        assert!(confirmed.serves(at.checked_sub(moment).expect("a moment ago"), 7));
        assert!(confirmed.serves(at, 3));
        assert!(!confirmed.serves(at, 8), "the reader knows more");
        assert!(!confirmed.serves(at + moment, 7), "something may have been committed since");
    }
}
