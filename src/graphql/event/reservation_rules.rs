//! An event's rules against hoarding in the API.

use async_graphql::{Enum, InputObject, MaybeUndefined, SimpleObject};
use entity::event::{self, BuyerRequirement as Requirement};

use crate::event::reservation_rules::{ReservationRules as Rules, RulesChange};

/// What an event requires of a buyer before a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Requirement")]
pub enum BuyerRequirement {
    /// No requirement. Guests can buy.
    None,
    /// Buyers must be signed up. Otherwise the error is `REGISTRATION_REQUIRED`.
    Registered,
    /// Buyers must be signed up and have a verified e-mail address. Otherwise the error is `VERIFIED_EMAIL_REQUIRED`.
    VerifiedEmail,
    /// Each reservation needs the solution of a `reservationChallenge`. Otherwise the error is `PROOF_REQUIRED`.
    ProofOfWork,
}

/// An event's rules against hoarding: who may reserve, and how many unpaid places a network may have.
#[derive(Debug, SimpleObject)]
pub struct ReservationRules {
    /// What the event requires of a buyer before a reservation.
    buyer_requirement: BuyerRequirement,
    /// Maximum number of reserved, unpaid places per network (an IPv4 address or an IPv6 /64). 0 for no limit. One
    /// buyer may always have `limitPerBuyer` places. Null for the server's default.
    max_unpaid_per_network: Option<i32>,
    /// A percentage of all places. If more are reserved and unpaid, each network may have only as many unpaid places as
    /// two buyers. 100 for no limit. Null for the server's default.
    max_unpaid_percent: Option<i32>,
}

impl ReservationRules {
    /// Reads the rules from the event's row.
    pub(super) fn of(row: &event::Model) -> Self {
        let Rules { requirement, unpaid_per_network, unpaid_percent } = Rules::of(row);
        Self {
            buyer_requirement: requirement.into(),
            max_unpaid_per_network: unpaid_per_network,
            max_unpaid_percent: unpaid_percent,
        }
    }
}

/// An event's rules against hoarding. In an update, omitted fields stay unchanged.
#[derive(Debug, Default, InputObject)]
pub struct ReservationRulesInput {
    /// What the event requires of a buyer before a reservation. For a new event, defaults to `NONE`.
    buyer_requirement: Option<BuyerRequirement>,
    /// Maximum number of reserved, unpaid places per network, 0 to 1,000,000. 0 for no limit. One buyer may always have
    /// `limitPerBuyer` places. Null for the server's default.
    max_unpaid_per_network: MaybeUndefined<i32>,
    /// A percentage of all places, 1 to 100. If more are reserved and unpaid, each network may have only as many unpaid
    /// places as two buyers. 100 for no limit. Null for the server's default.
    max_unpaid_percent: MaybeUndefined<i32>,
}

impl ReservationRulesInput {
    /// Returns what to change.
    pub(super) fn parse(self) -> RulesChange {
        RulesChange {
            requirement: self.buyer_requirement.map(Requirement::from),
            unpaid_per_network: self.max_unpaid_per_network.into(),
            unpaid_percent: self.max_unpaid_percent.into(),
        }
    }
}
