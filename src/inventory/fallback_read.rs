//! Reading an inventory past its desk, while the desk is busy.
//!
//! A desk holds its stock during a whole attempt, which takes seconds if the inventory's row is locked. Readers who do
//! not get the stock in time read the last committed state from the database. They share one copy: the first who comes
//! asks for the version, and reads the rows if that has changed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use entity::InventoryId;
use tokio::{sync::Mutex, time::Instant};

use super::{read, state::Stock};
use crate::{app::App, error::Faulty};

/// How long a reader waits for a desk's stock.
pub(super) const PATIENCE: Duration = Duration::from_millis(200);

/// The copy of one inventory.
#[derive(Default)]
pub(super) struct FallbackReader {
    copy: Mutex<Option<Copy>>,
    /// Whether there may be a copy, for those who do not need it.
    is_kept: AtomicBool,
}

struct Copy {
    stock: Arc<Stock>,
    confirmed: Confirmed,
}

/// That at one moment there was no later version in the database.
#[derive(Clone, Copy)]
struct Confirmed {
    at: Instant,
    version: i64,
}

impl Confirmed {
    /// Returns whether this will do for a reader who asked at `asked`, and knows that there is version `known`.
    fn serves(self, asked: Instant, known: i64) -> bool {
        self.at >= asked && self.version >= known
    }
}

impl FallbackReader {
    /// Returns the state as it is committed now or later. `known` is a version that the reader knows of.
    pub(super) async fn read(&self, app: &App, id: InventoryId, known: i64) -> Faulty<Arc<Stock>> {
        let asked = Instant::now();
        let mut copy = self.copy.lock().await;
        if let Some(copy) = copy.as_ref().filter(|copy| copy.confirmed.serves(asked, known)) {
            return Ok(copy.stock.clone());
        }
        let at = Instant::now();
        let version = read::version(app, id).await?;
        let stock = match copy.take() {
            // A change of the terms raises the version, too.
            Some(copy) if copy.stock.version == version => copy.stock,
            Some(_) | None => Arc::new(read::load(app, id).await?),
        };
        let confirmed = Confirmed { at, version: stock.version };
        *copy = Some(Copy { stock: stock.clone(), confirmed });
        self.is_kept.store(true, Relaxed);
        Ok(stock)
    }

    /// Drops the copy: the desk is not busy any more.
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
    fn a_copy_serves_those_who_asked_before_it_was_confirmed_and_know_no_later_version() {
        let at = Instant::now();
        let confirmed = Confirmed { at, version: 7 };
        let moment = Duration::from_millis(1);
        assert!(confirmed.serves(at.checked_sub(moment).expect("a moment ago"), 7));
        assert!(confirmed.serves(at, 3));
        assert!(!confirmed.serves(at, 8), "the reader knows more");
        assert!(!confirmed.serves(at + moment, 7), "something may have been committed since");
    }
}
