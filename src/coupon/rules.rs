//! Why something was not done with a coupon or a claim, and what vendors may do with a coupon where it stands.
//!
//! Invariant: pure and synchronous.

use chrono::{DateTime, Utc};
use entity::coupon::{self, CodeSource, CouponState};

/// The most copies of which a vendor may speak.
pub const STOCK_MAX: i32 = 100_000_000;
/// The most codes that a coupon's list may have.
pub const CODES_MAX: i32 = 1_000_000;
/// What stands for as many as are wanted in an inventory, whose capacity is a number.
pub const UNLIMITED: u32 = 1_000_000_000;

/// Why a product or coupon was not made or changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Only drafts can do this.
    NotDraft,
    /// Only published coupons can do this.
    NotPublished,
    /// Only paused coupons can do this.
    NotPaused,
    /// The coupon was ended.
    Ended,
    /// The publication window or the validity is over.
    Over,
    /// There are no codes to give out.
    NoCodes,
    /// More copies than that are taken already.
    StockTaken {
        /// How many.
        taken: i32,
    },
    /// More of the budget than that is spent already.
    BudgetSpent {
        /// How much, in minor units.
        spent: i64,
    },
    /// The product was archived.
    Archived,
}

/// Whether the coupon can be changed.
pub fn change(coupon: &coupon::Model) -> Result<(), Refusal> {
    match coupon.state {
        CouponState::Draft | CouponState::Published | CouponState::Paused => Ok(()),
        CouponState::Ended => Err(Refusal::Ended),
    }
}

/// Whether the draft has what a published coupon must have.
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

/// Whether everybody may see the coupon in lists now: it can be claimed, or soon again.
pub fn is_shown(coupon: &coupon::Model, now: DateTime<Utc>) -> bool {
    coupon.listed && is_running(coupon, now)
}

/// Whether the coupon can be claimed, or soon again, by whoever may have it.
pub fn is_running(coupon: &coupon::Model, now: DateTime<Utc>) -> bool {
    matches!(coupon.state, CouponState::Published | CouponState::Paused)
        && coupon.publish_from.is_none_or(|from| from <= now)
        && coupon.publish_until.is_none_or(|until| now < until)
}

/// Whether everybody who has its id may know the coupon: it is listed, was published and its time came.
pub fn is_known(coupon: &coupon::Model, now: DateTime<Utc>) -> bool {
    coupon.listed && coupon.state != CouponState::Draft && coupon.publish_from.is_none_or(|from| from <= now)
}

/// The capacity that an inventory of the coupon has.
pub fn capacity(stock: Option<i32>) -> u32 {
    stock.map_or(UNLIMITED, i32::unsigned_abs)
}

/// The copies left as people are told: none where there are as many as are wanted.
pub fn left(available: u32) -> Option<u32> {
    (available <= STOCK_MAX.unsigned_abs()).then_some(available)
}

/// Whether nobody would have anything of claiming it now, because the claim would be over already.
pub fn is_spent(coupon: &coupon::Model, now: DateTime<Utc>) -> bool {
    coupon.valid_until.is_some_and(|until| until <= now)
}
