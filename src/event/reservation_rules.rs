//! Rules that an event sets against hoarding: what it asks of its buyers, and how many places may be unpaid.
//!
//! Invariant: pure and synchronous.

use entity::event::{self, BuyerRequirement};

use crate::error::Check;

/// The most places that a vendor's own limit may be.
const PLACES_MAX: i32 = 1_000_000;

/// An event's rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReservationRules {
    /// What a buyer must be, or do, to reserve.
    pub requirement: BuyerRequirement,
    /// Unpaid places that one network may have: `None` is the server's default, 0 is no limit.
    pub unpaid_per_network: Option<i32>,
    /// Percentage of unpaid places from which on each network may have as many of them as two buyers: `None` is the server's
    /// default, 100 is no limit.
    pub unpaid_percent: Option<i32>,
}

/// What to change of them; `None` stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RulesChange {
    /// What a buyer must be, or do, to reserve.
    pub requirement: Option<BuyerRequirement>,
    /// Unpaid places that one network may have; some `None`: the server's default.
    pub unpaid_per_network: Option<Option<i32>>,
    /// Percentage of unpaid places; some `None`: the server's default.
    pub unpaid_percent: Option<Option<i32>>,
}

impl ReservationRules {
    /// Returns what the row says.
    pub fn of(row: &event::Model) -> Self {
        Self {
            requirement: row.buyer_requirement,
            unpaid_per_network: row.unpaid_per_network,
            unpaid_percent: row.unpaid_percent,
        }
    }

    /// Returns the rules with the changes made.
    #[must_use]
    pub fn with(self, change: RulesChange) -> Self {
        Self {
            requirement: change.requirement.unwrap_or(self.requirement),
            unpaid_per_network: change.unpaid_per_network.unwrap_or(self.unpaid_per_network),
            unpaid_percent: change.unpaid_percent.unwrap_or(self.unpaid_percent),
        }
    }

    /// Notes what is wrong with them.
    pub(super) fn check(&self, check: &mut Check) {
        check
            .that(
                self.unpaid_per_network.is_none_or(|places| (0..=PLACES_MAX).contains(&places)),
                "reservationRules.maxUnpaidPerNetwork",
                "must be between 0 and 1000000",
            )
            .that(
                self.unpaid_percent.is_none_or(|percent| (1..=100).contains(&percent)),
                "reservationRules.maxUnpaidPercent",
                "must be between 1 and 100",
            );
    }
}
