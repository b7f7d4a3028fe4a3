//! How many lists of codes go in and out at once: of one shop one, and few altogether. What is more is refused before
//! anything is done for it: a hundred thousand codes are one long write.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use entity::ShopId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Lists at a time, of all shops.
const LISTS_MAX: usize = 4;

/// The places for lists of codes.
#[derive(Debug)]
pub struct Turns {
    all: Arc<Semaphore>,
    busy: Arc<Mutex<HashSet<ShopId>>>,
}

impl Default for Turns {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(LISTS_MAX)), busy: Arc::default() }
    }
}

/// A shop's turn; it ends when this is dropped.
#[derive(Debug)]
pub struct Turn {
    shop: ShopId,
    busy: Arc<Mutex<HashSet<ShopId>>>,
    _place: OwnedSemaphorePermit,
}

/// Why there is no turn now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoTurn {
    /// Another list of the shop is on its way.
    ShopIsBusy,
    /// All places are taken.
    Full,
}

impl Turns {
    /// Gives the shop its turn, if it can have it now. Never waits.
    pub fn begin(&self, shop: ShopId) -> Result<Turn, NoTurn> {
        let place = self.all.clone().try_acquire_owned().map_err(|_| NoTurn::Full)?;
        if !self.busy.lock().unwrap_or_else(PoisonError::into_inner).insert(shop) {
            return Err(NoTurn::ShopIsBusy);
        }
        Ok(Turn { shop, busy: self.busy.clone(), _place: place })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.shop);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_shop_has_one_turn_at_a_time_and_all_have_few() {
        let turns = Turns::default();
        let shop = |number: u128| ShopId(Uuid::from_u128(number));
        let refused = |number| turns.begin(shop(number)).err();
        let first = turns.begin(shop(0)).ok();
        assert_eq!(refused(0), Some(NoTurn::ShopIsBusy));
        let others: Vec<Turn> = (1..4).filter_map(|number| turns.begin(shop(number)).ok()).collect();
        assert_eq!(others.len(), 3);
        assert_eq!(refused(9), Some(NoTurn::Full));
        drop(first);
        assert_eq!(refused(9), None, "its place is free");
        assert_eq!(refused(1), Some(NoTurn::ShopIsBusy));
        drop(others);
        assert_eq!(refused(1), None);
    }
}
