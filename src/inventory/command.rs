//! Commands to desks, the places to reserve, and the reasons for refusals.
//!
//! Invariant: pure and synchronous.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::{AccountId, ClaimId, OrderId, ReservationId, SeatMapId, ShopId, TierId};
use serde::Serialize;

use super::{caller::Caller, place::Place};

/// A command to a desk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Reserves places for a buyer, all or nothing.
    Reserve {
        /// The id of the new reservation.
        id: ReservationId,
        /// The buyer.
        caller: Caller,
        /// The places.
        pick: Pick,
        /// Hidden tiers that the buyer has unlocked.
        opened: Vec<TierId>,
        /// The terms of a coupon's copies; `None` for places of an event.
        coupon_terms: Option<Arc<CouponTerms>>,
        /// The seat map that the places are on. `None` does not check it.
        map: Option<SeatMapId>,
    },
    /// Releases all active reservations of a cancelled event. Reservations that are being paid stay. Does nothing if the
    /// event is not cancelled.
    ReleaseAll,
    /// Extends an active reservation.
    Extend {
        /// The reservation.
        id: ReservationId,
        /// The buyer; must own the reservation.
        buyer: AccountId,
    },
    /// Releases an active reservation.
    Release {
        /// The reservation.
        id: ReservationId,
        /// The buyer; must own the reservation.
        buyer: AccountId,
        /// The order that the reservation must belong to. An ordered reservation ends only with its order.
        order: Option<OrderId>,
    },
    /// Binds an active reservation to an order, at the checkout.
    Attach {
        /// The reservation.
        id: ReservationId,
        /// The buyer; must own the reservation.
        buyer: AccountId,
        /// The order.
        order: OrderId,
    },
    /// Starts a payment. From then on the reservation does not expire by itself.
    BeginPayment {
        /// The reservation.
        id: ReservationId,
        /// The order that it must belong to.
        order: OrderId,
    },
    /// Ends a failed payment. The reservation becomes active again, or expired if it is overdue.
    EndPayment {
        /// The reservation.
        id: ReservationId,
        /// The order that it must belong to.
        order: OrderId,
    },
    /// Sells the places of a paid reservation.
    Sell {
        /// The reservation.
        id: ReservationId,
        /// The order that it must belong to.
        order: OrderId,
    },
    /// Returns sold places whose tickets are void.
    ReturnPlaces {
        /// The buyer.
        buyer: AccountId,
        /// The seats, with the epoch of their sale, and the areas.
        places: Vec<Place>,
    },
    /// Gives a buyer a copy of a free coupon.
    Claim(Arc<NewClaim>),
    /// Counts a copy that changes hands, within the limit per buyer. A copy counts for its buyer forever, and for another
    /// holder as long as that account has it.
    Transfer {
        /// The holder that gives it away, unless that is its buyer.
        giver: Option<AccountId>,
        /// The account that gets it, unless that is its buyer.
        taker: Option<AccountId>,
    },
    /// Expires all overdue reservations.
    Expire,
}

/// A new coupon claim, valid only if the coupon has not changed since it was prepared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewClaim {
    /// The claim's id.
    pub id: ClaimId,
    /// The coupon's shop.
    pub shop: ShopId,
    /// The buyer.
    pub buyer: AccountId,
    /// The source of its code.
    pub code: NewClaimCode,
    /// The version of the coupon's row that the terms come from.
    pub revision: i64,
    /// The terms, as JSON that the coupon slice reads.
    pub terms: Arc<str>,
    /// The value of a gift card, in minor units.
    pub face: Option<i64>,
    /// Start of its validity.
    pub valid_from: DateTime<Utc>,
    /// End of its validity.
    pub valid_until: Option<DateTime<Utc>>,
    /// Time of the request.
    pub at: DateTime<Utc>,
}

/// The terms of a coupon's copies, valid only if the coupon has not changed since they were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CouponTerms {
    /// The version of the coupon's row that the terms come from.
    pub revision: i64,
    /// The terms, as JSON that the coupon slice reads.
    pub text: String,
}

/// The source of a claim's code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewClaimCode {
    /// A new code.
    Made(String),
    /// The next free code of the coupon's list.
    Next,
    /// This code of the coupon's list, if it is free.
    Listed(String),
}

/// The places to reserve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pick {
    /// These seats, by ordinal, without duplicates.
    Seats(Vec<u32>),
    /// Places of an area.
    Admission {
        /// The area's ordinal.
        area: u32,
        /// Number of places, at least one.
        quantity: u32,
    },
    /// The best free seats.
    BestAvailable(BestAvailable),
}

impl Pick {
    /// Returns the number of places.
    pub fn quantity(&self) -> u32 {
        match self {
            Self::Seats(ordinals) => u32::try_from(ordinals.len()).unwrap_or(u32::MAX),
            Self::Admission { quantity, .. } => *quantity,
            Self::BestAvailable(wish) => wish.quantity,
        }
    }
}

/// A party that wants the best seats together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BestAvailable {
    /// Number of seats in all, at least one.
    pub quantity: u32,
    /// Acceptable tiers, most wanted first. Empty: any tier.
    pub tiers: Vec<TierId>,
    /// Acceptable zones, as indices into the plan's zones. Empty: any zone.
    pub zones: Vec<u32>,
    /// Wheelchair users in the party.
    pub accessible: Option<AccessibleParty>,
    /// Whether the party accepts several groups of seats if it cannot sit together.
    pub split: bool,
    /// Hidden tiers that the party has unlocked.
    #[serde(skip)]
    pub opened: Vec<TierId>,
}

/// Wheelchair users and their companions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AccessibleParty {
    /// Number of wheelchair places, at least one.
    pub wheelchair_places: u32,
    /// Number of companions.
    pub companions: u32,
}

/// The live reservations of the buyer that a refusal is about. Only their buyer gets the refusal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnReservations {
    /// Their ids, ascending.
    pub ids: Vec<ReservationId>,
    /// Number of places in them.
    pub places: u32,
}

/// Reasons why the business refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The event is not published, or was cancelled.
    NotOpen,
    /// Sales have not started.
    SalesNotStarted {
        /// Start of the sales.
        at: DateTime<Utc>,
    },
    /// Sales have ended.
    SalesEnded,
    /// The map has no such places.
    UnknownPlaces,
    /// These seats, or this area, have no price.
    NotForSale {
        /// The seats by ordinal; empty for an area.
        seats: Vec<u32>,
    },
    /// Some seats are not free. Nothing was reserved.
    SeatsTaken {
        /// The wanted seats that are not free, by ordinal.
        seats: Vec<u32>,
        /// When all of them become free unless they are bought; `None` if one is sold or being paid.
        at: Option<DateTime<Utc>>,
        /// The buyer's reservations that have some of them.
        own: OwnReservations,
    },
    /// The pick would leave single free seats between taken ones, and another choice would leave fewer. Nothing was
    /// reserved.
    LeavesOrphans {
        /// The single seats, by ordinal.
        seats: Vec<u32>,
    },
    /// There are not enough suitable seats together. Nothing was reserved.
    NotEnoughTogether {
        /// The largest number of seats together.
        available: u32,
        /// Whether there are enough seats for a party in several groups.
        if_split: bool,
    },
    /// There are not enough suitable free seats. Nothing was reserved.
    NotEnoughLeft {
        /// Number of suitable free seats.
        available: u32,
    },
    /// The area does not have enough free places. Nothing was reserved.
    AreaFull {
        /// Number of free places.
        available: u32,
        /// When enough places become free unless they are bought; `None` if that is impossible.
        at: Option<DateTime<Utc>>,
        /// The buyer's reservations of places in the area.
        own: OwnReservations,
    },
    /// The buyer would exceed the event's limit of places.
    LimitExceeded {
        /// The limit.
        limit: u32,
        /// Number of places that the buyer already has, reserved or bought.
        taken: u32,
        /// All reservations of the buyer. Their places are the part of `taken` that is not bought.
        own: OwnReservations,
    },
    /// The buyer has reserved for too long without buying.
    CoolingDown {
        /// When the buyer may reserve again.
        at: DateTime<Utc>,
    },
    /// The caller's network would exceed its limit of unpaid places.
    TooManyUnpaid {
        /// The limit.
        limit: u32,
        /// Number of unpaid places that the network already has.
        unpaid: u32,
        /// When the first of them become free unless they are bought; `None` if all are being paid.
        at: Option<DateTime<Utc>>,
    },
    /// Most places are reserved and unpaid, so each network may have only as many of them as two buyers.
    Crowded {
        /// When the network's reservations end unless they are bought; `None` if all are being paid.
        at: Option<DateTime<Utc>>,
    },
    /// Only signed-up users may buy.
    RegistrationRequired,
    /// Only users with a verified e-mail address may buy.
    VerifiedEmailRequired,
    /// The event requires the solution of a challenge.
    ProofRequired,
    /// The solution belongs to another event or account, or it is wrong, expired or used.
    ProofInvalid,
    /// The reservation does not exist, or belongs to another buyer.
    ReservationNotFound,
    /// The reservation has expired or was released.
    ReservationEnded,
    /// The reservation already belongs to an order.
    AlreadyOrdered,
    /// The reservation is being paid.
    BeingPaid,
    /// The reservation cannot be extended further.
    NoMoreTime,
    /// The buyer no longer has the places.
    PlacesChanged,
    /// The coupon has changed since the claim was prepared: prepare it again.
    TermsChanged,
    /// The wanted code is taken.
    CodeTaken,
}
