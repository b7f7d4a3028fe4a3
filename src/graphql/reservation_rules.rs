//! What an event sets against hoarding, as its API shows and takes it.

use async_graphql::{Enum, InputObject, MaybeUndefined, SimpleObject};
use entity::event::{self, BuyerRequirement as Requirement};

use crate::event::reservation_rules::{ReservationRules as Rules, RulesChange};

/// What a buyer must be, or do, before places of an event are reserved for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Requirement")]
pub enum BuyerRequirement {
    /// Nothing: guests may buy.
    None,
    /// Buyers must have signed up. Others are refused with `REGISTRATION_REQUIRED`.
    Registered,
    /// Buyers must have signed up, and their e-mail address must be verified. Others are refused with
    /// `VERIFIED_EMAIL_REQUIRED`.
    VerifiedEmail,
    /// Each reservation needs the solution of a `reservationChallenge`. Without one it is refused with `PROOF_REQUIRED`.
    ProofOfWork,
}

/// What an event sets against hoarding: clients that reserve many places and do not pay.
#[derive(Debug, SimpleObject)]
pub struct ReservationRules {
    /// What a buyer must be, or do, to reserve.
    buyer_requirement: BuyerRequirement,
    /// How many places may be reserved and unpaid from one network, which is an IPv4 address or an IPv6 /64; 0: no limit.
    /// Never less than `limitPerBuyer`. Null: the server's default.
    max_unpaid_per_network: Option<i32>,
    /// Percentage of all places that are reserved and unpaid from which one network may have no more unpaid places than
    /// two buyers; 100: no limit. Null: the server's default.
    max_unpaid_percent: Option<i32>,
}

impl ReservationRules {
    /// Reads the event's row.
    pub(super) fn of(row: &event::Model) -> Self {
        let Rules { requirement, unpaid_per_network, unpaid_percent } = Rules::of(row);
        Self {
            buyer_requirement: requirement.into(),
            max_unpaid_per_network: unpaid_per_network,
            max_unpaid_percent: unpaid_percent,
        }
    }
}

/// Rules against hoarding. In an update, what is left out stays as it is.
#[derive(Debug, Default, InputObject)]
pub struct ReservationRulesInput {
    /// What a buyer must be, or do, to reserve; `NONE` for a new event when left out.
    buyer_requirement: Option<BuyerRequirement>,
    /// How many places may be reserved and unpaid from one network, 0 to 1000000; 0: no limit. One buyer may always have
    /// `limitPerBuyer` places. Null: the server's default.
    max_unpaid_per_network: MaybeUndefined<i32>,
    /// Percentage of all places that are reserved and unpaid from which one network may have no more unpaid places than
    /// two buyers, 1 to 100; 100: no limit. Null: the server's default.
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
