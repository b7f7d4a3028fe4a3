//! The counts of watched coupons, which all watchers of a coupon in this process share.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use entity::CouponId;
use tokio::time::{Instant, sleep_until};

use crate::error::FaultResult;

/// The shortest time between two counts of a watched coupon.
const INTERVAL: Duration = Duration::from_secs(1);

/// The number of a coupon's copies in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CouponCounts {
    /// All copies. `None` if the stock is unlimited.
    pub created: Option<u32>,
    /// Copies that are left. `None` if the stock is unlimited or the coupon is not published.
    pub published: Option<u32>,
    /// Copies that are reserved or being paid.
    pub reserved: u32,
    /// Claims that can be used, including those that are reserved by unpaid orders.
    pub claimed: u32,
    /// Claims that are used up.
    pub redeemed: u32,
    /// Claims that have expired.
    pub expired: u32,
    /// Claims that a refund has revoked.
    pub revoked: u32,
    /// Claims that their holders have given back.
    pub released: u32,
}

/// The count that all watchers of a coupon share.
#[derive(Debug, Default)]
pub(super) struct SharedCount {
    /// The last count, and when it began: the count includes every change that was announced before. The lock is held
    /// while counting, so that other watchers wait for the same count.
    last: tokio::sync::Mutex<Option<(Instant, CouponCounts)>>,
}

/// The counts of all coupons that are watched in this process.
#[derive(Debug, Default)]
pub(crate) struct SharedCounts(Mutex<HashMap<CouponId, Weak<SharedCount>>>);

impl SharedCount {
    /// Returns the last count if it is younger than [`INTERVAL`].
    pub(super) async fn recent(&self) -> Option<CouponCounts> {
        let last = self.last.lock().await;
        last.filter(|(begun, _)| begun.elapsed() < INTERVAL).map(|(_, counts)| counts)
    }

    /// Returns a count that began at or after `changed_at`: that of another watcher, or the result of `count` when
    /// [`INTERVAL`] has passed.
    pub(super) async fn since<F: Future<Output = FaultResult<CouponCounts>>>(
        &self,
        changed_at: Instant,
        count: impl FnOnce() -> F,
    ) -> FaultResult<CouponCounts> {
        let mut last = self.last.lock().await;
        if let Some((begun, counts)) = *last {
            if begun >= changed_at {
                return Ok(counts);
            }
            // The lock is kept: the watchers that wait for it want the same count.
            sleep_until(begun + INTERVAL).await;
        }
        let begun = Instant::now();
        let counts = count().await?;
        *last = Some((begun, counts));
        Ok(counts)
    }
}

impl SharedCounts {
    /// Returns the coupon's shared count.
    pub(super) fn of(&self, id: CouponId) -> Arc<SharedCount> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get(&id).and_then(Weak::upgrade) {
            return count;
        }
        // Entries without watchers are removed when a new one is added.
        counts.retain(|_, count| count.strong_count() > 0);
        let count = Arc::<SharedCount>::default();
        counts.insert(id, Arc::downgrade(&count));
        count
    }
}
