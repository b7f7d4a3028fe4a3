//! The terms of sale of an inventory.
//!
//! Invariant: pure and synchronous.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::{SeatMapId, TierId, event::BuyerRequirement};

use super::{fairness::Fairness, hoarding::Hoarding};
use crate::venue::hall::Hall;

/// The terms of sale, as the event or coupon defines them. Reloaded after a change of terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The version of the coupon's row; 0 for events.
    pub revision: i64,
    /// Whether it is published and not cancelled.
    pub open: bool,
    /// Start of the sales.
    pub sales_start: DateTime<Utc>,
    /// End of the sales.
    pub sales_end: DateTime<Utc>,
    /// Duration of a reservation in seconds.
    pub reservation_seconds: i64,
    /// Maximum duration of a reservation with all extensions, in seconds.
    pub reservation_seconds_max: i64,
    /// The latest possible deadline of a reservation: the end of a coupon's validity. No limit for events.
    pub reservations_end: DateTime<Utc>,
    /// Maximum number of places per buyer.
    pub limit_per_buyer: u32,
    /// Limit of reservations that do not end in a purchase; `None` for no limit.
    pub fairness: Option<Fairness>,
    /// Limits of reserved and unpaid places.
    pub hoarding: Hoarding,
    /// Requirement that a buyer must meet to reserve.
    pub requirement: BuyerRequirement,
    /// ISO 4217 code of the prices.
    pub currency: String,
    /// The tiers.
    pub tiers: Vec<TierTerms>,
    /// By seat ordinal: index into `tiers`, or `None` if the seat is not for sale.
    pub seat_tiers: Vec<Option<u16>>,
    /// By area ordinal: index into `tiers`, or `None` if the area is not for sale.
    pub area_tiers: Vec<Option<u16>>,
    /// Whether picks that leave single seats are refused.
    pub orphan_rule: bool,
    /// The seat map of an event. `None` for coupons.
    pub seat_map: Option<SeatMapId>,
    /// The geometry of the seat map around the event's focal point.
    pub hall: Arc<Hall>,
}

/// The terms of one tier, in minor units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierTerms {
    /// The tier's id.
    pub id: TierId,
    /// Price of a place, including tax.
    pub price: i64,
    /// Fee of a place, including tax.
    pub fee: i64,
    /// Tax contained in price and fee.
    pub tax: i64,
    /// Whether only buyers who have unlocked the tier may buy from it.
    pub hidden: bool,
}

impl Terms {
    /// Returns whether a buyer who has unlocked the tiers `opened` may buy from tier `index`. No one may buy without a
    /// tier.
    pub fn is_open_to(&self, tier: Option<u16>, opened: &[TierId]) -> bool {
        let tier = tier.and_then(|tier| self.tiers.get(usize::from(tier)));
        tier.is_some_and(|tier| tier.is_open_to(opened))
    }
}

impl TierTerms {
    /// Returns whether a buyer who has unlocked the tiers `opened` may buy from it.
    pub fn is_open_to(&self, opened: &[TierId]) -> bool {
        !self.hidden || opened.contains(&self.id)
    }
}
