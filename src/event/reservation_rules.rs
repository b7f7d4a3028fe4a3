//! An event's rules against hoarding: requirements for buyers, and limits of unpaid places.
//!
//! Invariant: pure and synchronous.

use entity::event::{self, BuyerRequirement};
use serde::Serialize;

use crate::error::Check;

/// The maximum of an event's own limit of unpaid places.
const PLACES_MAX: i32 = 1_000_000;

/// An event's rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReservationRules {
    /// What a buyer needs in order to reserve.
    pub requirement: BuyerRequirement,
    /// The maximum number of unpaid places per network. `None` is the server's default, 0 is no limit.
    pub unpaid_per_network: Option<i32>,
    /// The percentage of unpaid places from which each network may have only as many as two buyers. `None` is the
    /// server's default, 100 is no limit.
    pub unpaid_percent: Option<i32>,
}

/// A change of the rules. `None` leaves a value unchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RulesChange {
    /// What a buyer needs in order to reserve.
    pub requirement: Option<BuyerRequirement>,
    /// The maximum number of unpaid places per network. `Some(None)` is the server's default.
    pub unpaid_per_network: Option<Option<i32>>,
    /// The percentage of unpaid places. `Some(None)` is the server's default.
    pub unpaid_percent: Option<Option<i32>>,
}

impl ReservationRules {
    /// Returns the rules in a row.
    pub fn of(row: &event::Model) -> Self {
        Self {
            requirement: row.buyer_requirement,
            unpaid_per_network: row.unpaid_per_network,
            unpaid_percent: row.unpaid_percent,
        }
    }

    /// Returns the rules with the change applied.
    #[must_use]
    pub fn with(self, change: RulesChange) -> Self {
        Self {
            requirement: change.requirement.unwrap_or(self.requirement),
            unpaid_per_network: change.unpaid_per_network.unwrap_or(self.unpaid_per_network),
            unpaid_percent: change.unpaid_percent.unwrap_or(self.unpaid_percent),
        }
    }

    /// Adds an error for each invalid rule.
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
