//! Rules for vendors: what they may do with a coupon in its state, and when buyers see it.
//!
//! Invariant: pure and synchronous.

use chrono::{DateTime, Utc};
use entity::coupon::{self, CodeSource, CouponState};

/// The largest stock that a vendor may set.
pub const STOCK_MAX: i32 = 100_000_000;
/// Codes per list.
pub const CODES_MAX: i32 = 1_000_000;
/// The capacity of an inventory whose coupon has unlimited stock.
pub const UNLIMITED: u32 = 1_000_000_000;

/// Why a product or coupon was not created or changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The coupon is not a draft.
    NotDraft,
    /// The coupon is not published.
    NotPublished,
    /// The coupon is not paused.
    NotPaused,
    /// The coupon has ended.
    Ended,
    /// The publication or the validity has ended.
    Over,
    /// The coupon's list of codes is empty.
    NoCodes,
    /// The stock would be less than the copies that are taken.
    StockTaken {
        /// The number of copies that are taken.
        taken: i32,
    },
    /// The budget would be less than the amount that is spent.
    BudgetSpent {
        /// The amount that is spent, in minor units.
        spent: i64,
    },
    /// The product is archived.
    Archived,
}

/// Something about an accepted coupon that its vendor probably does not want.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warning {
    /// Nobody can claim or buy it: it is not listed, and no buyer can have a code of it.
    Unclaimable,
}

/// Returns the warnings about a coupon that has not ended.
pub fn warnings(coupon: &coupon::Model) -> Vec<Warning> {
    let is_unclaimable =
        coupon.state != CouponState::Ended && !coupon.listed && coupon.codes == CodeSource::Generated;
    is_unclaimable.then_some(Warning::Unclaimable).into_iter().collect()
}

/// Refuses to change an ended coupon.
pub fn change(coupon: &coupon::Model) -> Result<(), Refusal> {
    match coupon.state {
        CouponState::Draft | CouponState::Published | CouponState::Paused => Ok(()),
        CouponState::Ended => Err(Refusal::Ended),
    }
}

/// Refuses to publish a coupon that is past its window, or whose list has no codes.
pub fn publish(coupon: &coupon::Model, now: DateTime<Utc>) -> Result<(), Refusal> {
    let is_past = |time: Option<DateTime<Utc>>| time.is_some_and(|time| time <= now);
    if is_past(coupon.publish_until) || is_past(coupon.valid_until) {
        return Err(Refusal::Over);
    }
    if coupon.codes == CodeSource::Uploaded && coupon.stock.unwrap_or_default() == 0 {
        return Err(Refusal::NoCodes);
    }
    Ok(())
}

/// Returns whether all viewers see the coupon in lists: it is listed and running.
pub fn is_shown(coupon: &coupon::Model, now: DateTime<Utc>) -> bool {
    coupon.listed && is_running(coupon, now)
}

/// Returns whether the coupon is published or paused, within its publication window.
pub fn is_running(coupon: &coupon::Model, now: DateTime<Utc>) -> bool {
    matches!(coupon.state, CouponState::Published | CouponState::Paused)
        && coupon.publish_from.is_none_or(|from| from <= now)
        && coupon.publish_until.is_none_or(|until| now < until)
}

/// Returns whether all viewers may see the coupon by its id: it is listed, and its publication has started.
pub fn is_known(coupon: &coupon::Model, now: DateTime<Utc>) -> bool {
    coupon.listed && coupon.state != CouponState::Draft && coupon.publish_from.is_none_or(|from| from <= now)
}

/// Returns the capacity of the coupon's inventory.
pub fn capacity(stock: Option<i32>) -> u32 {
    stock.map_or(UNLIMITED, i32::unsigned_abs)
}

/// Returns the copies left, or `None` if the stock is unlimited.
pub fn left(available: u32) -> Option<u32> {
    (available <= STOCK_MAX.unsigned_abs()).then_some(available)
}

/// Returns whether a new claim would be past its validity already.
pub fn is_spent(coupon: &coupon::Model, now: DateTime<Utc>) -> bool {
    coupon.valid_until.is_some_and(|until| until <= now)
}
