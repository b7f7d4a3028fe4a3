//! What may be sold of an inventory, how, and to whom.
//!
//! Invariant: pure and synchronous.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::{TierId, event::BuyerRequirement};

use super::{fairness::Fairness, hoarding::Hoarding};
use crate::venue::hall::Hall;

/// What may be sold and how, as the event says. Reloaded whenever a change says that it changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The version of the coupon's row; nothing for events.
    pub revision: i64,
    /// Published and not cancelled.
    pub open: bool,
    /// Reservations are taken from here …
    pub sales_start: DateTime<Utc>,
    /// … until here.
    pub sales_end: DateTime<Utc>,
    /// How long a reservation lasts, in seconds.
    pub reservation_seconds: i64,
    /// How long it may last with all extensions, in seconds.
    pub reservation_seconds_max: i64,
    /// No reservation lasts beyond this.
    pub reservations_end: DateTime<Utc>,
    /// How many places one buyer may have.
    pub limit_per_buyer: u32,
    /// How long one buyer may have reservations that come to nothing; none: as long as they like.
    pub fairness: Option<Fairness>,
    /// How many places may be reserved and unpaid.
    pub hoarding: Hoarding,
    /// What a buyer must be, or do, to reserve.
    pub requirement: BuyerRequirement,
    /// ISO 4217 code of the prices.
    pub currency: String,
    /// The price levels.
    pub tiers: Vec<TierTerms>,
    /// By seat ordinal: index into `tiers`, or none when the seat is not for sale.
    pub seat_tiers: Vec<Option<u16>>,
    /// By area ordinal, likewise.
    pub area_tiers: Vec<Option<u16>>,
    /// Whether picks that would leave single seats behind are refused.
    pub orphan_rule: bool,
    /// Who sits beside whom: the seat map's geometry, which never changes.
    pub hall: Arc<Hall>,
}

/// One price level, in minor units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierTerms {
    /// Which tier.
    pub id: TierId,
    /// Price of a place, tax included.
    pub price: i64,
    /// Fee of a place, tax included.
    pub fee: i64,
    /// Tax contained in both.
    pub tax: i64,
    /// Sold to those only to whom it was opened.
    pub hidden: bool,
}

impl Terms {
    /// Whether somebody may buy at the tier of this index to whom these were opened. Nobody may where there is none.
    pub fn is_open_to(&self, tier: Option<u16>, opened: &[TierId]) -> bool {
        let tier = tier.and_then(|tier| self.tiers.get(usize::from(tier)));
        tier.is_some_and(|tier| tier.is_open_to(opened))
    }
}

impl TierTerms {
    /// Whether somebody may buy at it to whom these were opened.
    pub fn is_open_to(&self, opened: &[TierId]) -> bool {
        !self.hidden || opened.contains(&self.id)
    }
}
