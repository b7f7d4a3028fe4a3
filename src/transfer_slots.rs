//! Slots for imports and exports of code lists: at most one transfer per shop, and four in total. A transfer without a
//! slot is refused before it does any work, because 100,000 codes are one long write.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use entity::ShopId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The maximum number of concurrent transfers of all shops.
const TRANSFERS_MAX: usize = 4;

/// The slots of this process.
#[derive(Debug)]
pub struct TransferSlots {
    slots: Arc<Semaphore>,
    shops: Arc<Mutex<HashSet<ShopId>>>,
}

impl Default for TransferSlots {
    fn default() -> Self {
        Self { slots: Arc::new(Semaphore::new(TRANSFERS_MAX)), shops: Arc::default() }
    }
}

/// A shop's permit to transfer one list. Dropping it frees the slot.
#[derive(Debug)]
pub struct TransferPermit {
    shop: ShopId,
    shops: Arc<Mutex<HashSet<ShopId>>>,
    _slot: OwnedSemaphorePermit,
}

/// The reason why no slot is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Busy {
    /// The shop has another transfer in progress.
    Shop,
    /// All slots are taken.
    Server,
}

impl TransferSlots {
    /// Takes a slot for the shop. Never waits.
    pub fn acquire(&self, shop: ShopId) -> Result<TransferPermit, Busy> {
        let slot = self.slots.clone().try_acquire_owned().map_err(|_| Busy::Server)?;
        if !self.shops.lock().unwrap_or_else(PoisonError::into_inner).insert(shop) {
            return Err(Busy::Shop);
        }
        Ok(TransferPermit { shop, shops: self.shops.clone(), _slot: slot })
    }
}

impl Drop for TransferPermit {
    fn drop(&mut self) {
        self.shops.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.shop);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn shop_has_one_slot_and_the_server_has_four() {
        let slots = TransferSlots::default();
        let shop = |number: u128| ShopId(Uuid::from_u128(number));
        let refused = |number| slots.acquire(shop(number)).err();
        let first = slots.acquire(shop(0)).ok();
        assert_eq!(refused(0), Some(Busy::Shop));
        let others: Vec<TransferPermit> =
            (1..4).filter_map(|number| slots.acquire(shop(number)).ok()).collect();
        assert_eq!(others.len(), 3);
        assert_eq!(refused(9), Some(Busy::Server));
        drop(first);
        assert_eq!(refused(9), None, "its slot is free");
        assert_eq!(refused(1), Some(Busy::Shop));
        drop(others);
        assert_eq!(refused(1), None);
    }
}
