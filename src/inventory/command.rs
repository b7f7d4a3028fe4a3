//! What a desk is asked to do, which places are wanted, and why the business says no.
//!
//! Invariant: pure and synchronous.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::{AccountId, ClaimId, OrderId, ReservationId, ShopId, TierId};
use serde::Serialize;

use super::{hoarding::Caller, state::Place};

/// What the desk is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Take places for a buyer, all or nothing.
    Reserve {
        /// The id that the reservation gets.
        id: ReservationId,
        /// For whom.
        caller: Caller,
        /// Which places.
        pick: Pick,
        /// Hidden price levels that are open to the buyer.
        opened: Vec<TierId>,
        /// What copies of a coupon promise; none of places.
        promised: Option<Arc<Promised>>,
    },
    /// Give an active reservation more time.
    Extend {
        /// Which.
        id: ReservationId,
        /// Whose it must be.
        buyer: AccountId,
    },
    /// Give an active reservation back.
    Release {
        /// Which.
        id: ReservationId,
        /// Whose it must be.
        buyer: AccountId,
        /// The order that it must belong to: only with its order does an ordered reservation end.
        order: Option<OrderId>,
    },
    /// Bind an active reservation to an order, at the checkout.
    Attach {
        /// Which.
        id: ReservationId,
        /// Whose it must be.
        buyer: AccountId,
        /// To which order.
        order: OrderId,
    },
    /// A payment begins: from now on the reservation does not run out by itself.
    BeginPayment {
        /// Which.
        id: ReservationId,
        /// The order it must belong to.
        order: OrderId,
    },
    /// The payment came to nothing: active again, or expired if its time is up.
    EndPayment {
        /// Which.
        id: ReservationId,
        /// The order it must belong to.
        order: OrderId,
    },
    /// The payment is good: the places are sold.
    Sell {
        /// Which.
        id: ReservationId,
        /// The order it must belong to.
        order: OrderId,
    },
    /// Sold places come back, because their tickets are void.
    TakeBack {
        /// Who has them.
        buyer: AccountId,
        /// The seats, with the epoch at which they were sold, and the areas.
        places: Vec<Place>,
    },
    /// Give a buyer a copy of a free coupon.
    Claim(Arc<Granted>),
    /// Write down every reservation whose time is up.
    Expire,
}

/// A claim as it will be written down, if the coupon is still what it was when this was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// The claim.
    pub id: ClaimId,
    /// The coupon's shop.
    pub shop: ShopId,
    /// For whom.
    pub buyer: AccountId,
    /// Which code it gets.
    pub code: GrantedCode,
    /// The version of the coupon's row that the promise is of.
    pub revision: i64,
    /// What is promised, as JSON that the coupon slice reads.
    pub terms: Arc<str>,
    /// What a gift card is worth, in minor units.
    pub face: Option<i64>,
    /// Valid from here …
    pub valid_from: DateTime<Utc>,
    /// … until here.
    pub valid_until: Option<DateTime<Utc>>,
    /// When it was asked for.
    pub at: DateTime<Utc>,
}

/// What a copy of a coupon promises to whoever reserves it, if the coupon is still what it was when this was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promised {
    /// The version of the coupon's row that the promise is of.
    pub revision: i64,
    /// What is promised, as JSON that the coupon slice reads.
    pub text: String,
}

/// The code that a claim gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GrantedCode {
    /// One that was made for it.
    Made(String),
    /// The next of the coupon's list that nobody has.
    Next,
    /// This one of the coupon's list, if nobody has it.
    Listed(String),
}

/// Which places are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pick {
    /// These seats, by ordinal, each once.
    Seats(Vec<u32>),
    /// Some places of an area.
    Admission {
        /// The area's ordinal.
        area: u32,
        /// How many, at least one.
        quantity: u32,
    },
    /// The best seats that are free.
    BestAvailable(BestAvailable),
}

impl Pick {
    /// Returns how many places are wanted.
    pub fn quantity(&self) -> u32 {
        match self {
            Self::Seats(ordinals) => u32::try_from(ordinals.len()).unwrap_or(u32::MAX),
            Self::Admission { quantity, .. } => *quantity,
            Self::BestAvailable(wish) => wish.quantity,
        }
    }
}

/// A party that takes the best seats together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BestAvailable {
    /// How many seats, all in all, at least one.
    pub quantity: u32,
    /// Only at these price levels, the first the dearest to the party; empty: at any.
    pub tiers: Vec<TierId>,
    /// Only in these zones, as indices into the plan's; empty: in any.
    pub zones: Vec<u32>,
    /// Who of the party needs a wheelchair place.
    pub accessible: Option<Accessible>,
    /// Whether the party may be parted if it cannot sit together.
    pub split: bool,
    /// Hidden price levels that are open to the party.
    #[serde(skip)]
    pub opened: Vec<TierId>,
}

/// Wheelchair users and who comes along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Accessible {
    /// Wheelchair places, at least one.
    pub wheelchair_places: u32,
    /// Companions.
    pub companions: u32,
}

/// Why the business says no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The event is not published, or was cancelled.
    NotOpen,
    /// Sales begin later.
    SalesNotStarted {
        /// When.
        at: DateTime<Utc>,
    },
    /// Sales are over.
    SalesEnded,
    /// There are no such places on the map.
    UnknownPlaces,
    /// These seats or this area have no price.
    NotForSale {
        /// The seats by ordinal; empty for an area.
        seats: Vec<u32>,
    },
    /// Somebody was first; nothing was reserved.
    SeatsTaken {
        /// Those of the wanted seats that are not free, by ordinal.
        seats: Vec<u32>,
        /// When all of them come back unless they are bought; none if one of them is sold or being paid.
        at: Option<DateTime<Utc>>,
    },
    /// The pick would leave single seats between taken ones, where another of as many seats need not; nothing was
    /// reserved.
    LeavesOrphans {
        /// These, by ordinal.
        seats: Vec<u32>,
    },
    /// Not as many seats of the wanted kind are free together; nothing was reserved.
    NotEnoughTogether {
        /// The most that are.
        available: u32,
        /// Whether there are enough for a party that may be parted.
        if_split: bool,
    },
    /// Not as many seats of the wanted kind are free at all; nothing was reserved.
    NotEnoughLeft {
        /// As many are.
        available: u32,
    },
    /// The area has not as many places left; nothing was reserved.
    AreaFull {
        /// Places left.
        available: u32,
        /// When enough come back unless they are bought; none if that cannot be.
        at: Option<DateTime<Utc>>,
    },
    /// The buyer would have more places than the event allows.
    LimitExceeded {
        /// The limit.
        limit: u32,
        /// What the buyer has already.
        taken: u32,
    },
    /// The buyer kept places too long without buying any.
    CoolingDown {
        /// When they may reserve again.
        at: DateTime<Utc>,
    },
    /// The caller's network would have more unpaid places than it may.
    TooManyUnpaid {
        /// The limit.
        limit: u32,
        /// What the network has already.
        unpaid: u32,
        /// When the first of them come back unless they are bought; `None` if all are being paid.
        at: Option<DateTime<Utc>>,
    },
    /// Most places are reserved and unpaid, so each network may have as many of them as two buyers.
    Crowded {
        /// When the network's reservations end unless they are bought; `None` if all are being paid.
        at: Option<DateTime<Utc>>,
    },
    /// The event is sold to signed-up users only.
    RegistrationRequired,
    /// The event is sold to users with a verified e-mail address only.
    VerifiedEmailRequired,
    /// The event asks for a solved challenge.
    ProofRequired,
    /// The solution is not of a challenge for this event and account, or it is wrong, too old, or used.
    ProofInvalid,
    /// No such reservation, or not the buyer's.
    ReservationNotFound,
    /// The reservation's time is up, or it was given back.
    ReservationEnded,
    /// The reservation belongs to an order already.
    AlreadyOrdered,
    /// The reservation is being paid.
    BeingPaid,
    /// The reservation has all the time that the event allows.
    NoMoreTime,
    /// The places are no longer the buyer's.
    PlacesChanged,
    /// The coupon is not what it was when the claim was made out: make it out again.
    TermsChanged,
    /// Somebody has the wanted code.
    CodeTaken,
}
