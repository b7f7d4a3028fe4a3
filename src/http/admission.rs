//! How many operations may run at once. What is more is refused before anything is done for it, with a time to come back
//! at: a queue without bounds would only make everybody wait for answers that come too late.
//!
//! Those who have places already keep a share that the crowd cannot take.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The part of all that is kept for those who have places already: one in this many.
const KEPT_FOR_URGENT: usize = 8;

/// The places for running operations. All clones are the same one.
#[derive(Clone)]
pub(super) struct Admission {
    all: Arc<Semaphore>,
    urgent: Arc<Semaphore>,
}

impl Admission {
    /// Lets `limit` operations run at once, of which some must be urgent.
    pub(super) fn new(limit: usize) -> Self {
        let urgent = limit.div_ceil(KEPT_FOR_URGENT);
        let all = limit.saturating_sub(urgent).max(1);
        Self { all: Arc::new(Semaphore::new(all)), urgent: Arc::new(Semaphore::new(urgent)) }
    }

    /// A place, given back when the permit is dropped. Never waits.
    pub(super) fn admit(&self, is_urgent: bool) -> Option<OwnedSemaphorePermit> {
        let place = |places: &Arc<Semaphore>| places.clone().try_acquire_owned().ok();
        place(&self.all).or_else(|| if is_urgent { place(&self.urgent) } else { None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crowd_leaves_places_for_the_urgent() {
        let admission = Admission::new(16);
        let crowd: Vec<_> = std::iter::from_fn(|| admission.admit(false)).collect();
        assert_eq!(crowd.len(), 14);
        let urgent: Vec<_> = std::iter::from_fn(|| admission.admit(true)).collect();
        assert_eq!(urgent.len(), 2);
        drop(crowd);
        assert!(admission.admit(false).is_some(), "places are given back");
    }
}
