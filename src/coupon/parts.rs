//! What the slice keeps in memory, and the queries that it gets from higher slices.

use std::sync::Arc;

use entity::CouponId;
use moka::sync::Cache;
use sea_orm::sea_query::SelectStatement;

use super::{shared_counts::SharedCounts, terms_snapshot::TermsSnapshot};
use crate::transfer_slots::TransferSlots;

/// Coupons whose terms are cached.
const OFFER_TERMS_MAX: u64 = 10_000;

/// The coupons' part of the application.
pub struct CouponParts {
    /// Terms of recently claimed coupons. The desk refuses a snapshot of an older version of the coupon.
    pub offer_terms: Cache<CouponId, Arc<TermsSnapshot>>,
    pub(crate) counts: SharedCounts,
    pub(crate) transfer_slots: TransferSlots,
    /// Selects the ids of the orders that keep their discounts. The order slice provides it.
    pub(crate) live_orders: fn() -> SelectStatement,
}

impl CouponParts {
    /// Creates the part.
    pub(crate) fn new(live_orders: fn() -> SelectStatement) -> Self {
        Self {
            offer_terms: Cache::new(OFFER_TERMS_MAX),
            counts: SharedCounts::default(),
            transfer_slots: TransferSlots::default(),
            live_orders,
        }
    }
}
