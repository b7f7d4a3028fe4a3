//! Why something was not done with a coupon or a claim by whoever holds it, or wants to.

use chrono::{DateTime, Utc};
use entity::OrderId;

use crate::{inventory, limits::Exceeded};

/// Why something was not done with a coupon or a claim by whoever holds it, or wants to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The coupon is a draft, paused or ended.
    NotOpen,
    /// It can be claimed later.
    NotStarted {
        /// When.
        at: DateTime<Utc>,
    },
    /// It can be claimed no more.
    Over,
    /// It costs something: it is reserved and paid.
    NotFree,
    /// It costs nothing: it is claimed.
    Free,
    /// None, or not as many, are left.
    SoldOut {
        /// As many are.
        left: u32,
        /// When some come back unless they are bought.
        at: Option<DateTime<Utc>>,
    },
    /// The buyer would have more than one may have.
    LimitReached {
        /// The limit.
        limit: u32,
        /// What the buyer has already.
        taken: u32,
    },
    /// The claim is bound to an order.
    InOrder {
        /// Which.
        order: Option<OrderId>,
    },
    /// The claim is used up, or in part.
    Used,
    /// The claim's time is up.
    Expired,
    /// The claim's time has not come.
    NotYetValid {
        /// When it comes.
        from: DateTime<Utc>,
    },
    /// The claim was taken back or given back.
    Gone,
    /// What was paid, or has one of the vendor's own codes, is not given back this way.
    NotReleasable,
    /// The claim is its holder's alone.
    Personal,
    /// The offer is unknown, was accepted or withdrawn, or its time is up.
    OfferGone,
    /// The shop has no such code that the viewer may use: there is none, or somebody else has it.
    UnknownCode,
    /// The code is one of the shop's list that nobody has claimed.
    NotClaimed,
    /// Several of the scanner's shops have the code.
    SeveralShops,
    /// Too many wrong codes were tried.
    TooManyAttempts {
        /// After how many seconds to try again.
        retry_after_seconds: u32,
    },
    /// The gift card has less than that.
    BalanceTooLow {
        /// What it has, in minor units.
        balance: i64,
    },
    /// It is worth something in an order, not at a counter.
    NotAtCounter,
    /// The campaign has given all that it may.
    BudgetSpent,
    /// The buyer had copies reserved for too long without paying any.
    CoolingDown {
        /// When they may come back.
        at: DateTime<Utc>,
    },
    /// The buyer's network has too many copies reserved and not paid.
    TooManyUnpaid {
        /// When some of them come back unless they are bought.
        at: Option<DateTime<Utc>>,
    },
}

/// The desk's refusal in words of coupons.
pub(super) fn refused(refusal: &inventory::Refusal) -> Refusal {
    use inventory::Refusal as Desk;
    match *refusal {
        Desk::NotOpen | Desk::UnknownPlaces | Desk::NotForSale { .. } => Refusal::NotOpen,
        Desk::SalesNotStarted { at } => Refusal::NotStarted { at },
        Desk::CoolingDown { at } => Refusal::CoolingDown { at },
        Desk::TooManyUnpaid { at, .. } | Desk::Crowded { at } => Refusal::TooManyUnpaid { at },
        Desk::SalesEnded => Refusal::Over,
        Desk::AreaFull { available, at } => Refusal::SoldOut { left: available, at },
        Desk::NotEnoughLeft { available } | Desk::NotEnoughTogether { available, .. } => {
            Refusal::SoldOut { left: available, at: None }
        }
        Desk::SeatsTaken { at, .. } => Refusal::SoldOut { left: 0, at },
        Desk::LimitExceeded { limit, taken } => Refusal::LimitReached { limit, taken },
        Desk::CodeTaken => Refusal::UnknownCode,
        Desk::LeavesOrphans { .. }
        | Desk::ReservationNotFound
        | Desk::ReservationEnded
        | Desk::AlreadyOrdered
        | Desk::BeingPaid
        | Desk::NoMoreTime
        | Desk::PlacesChanged
        | Desk::TermsChanged
        // Coupons ask nothing of their buyers.
        | Desk::RegistrationRequired
        | Desk::VerifiedEmailRequired
        | Desk::ProofRequired
        | Desk::ProofInvalid => Refusal::Gone,
    }
}

impl From<Exceeded> for Refusal {
    fn from(exceeded: Exceeded) -> Self {
        Self::TooManyAttempts { retry_after_seconds: exceeded.retry_after_seconds() }
    }
}
