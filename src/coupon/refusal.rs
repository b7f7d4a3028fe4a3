//! Refusals to buyers, holders and scanners.

use chrono::{DateTime, Utc};
use entity::OrderId;

use crate::{
    inventory::{self, OwnReservations},
    limits::Exceeded,
};

/// Why a coupon was not claimed or reserved, or a claim not used, given away or released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The coupon is a draft, paused or ended.
    NotOpen,
    /// Claims have not started.
    NotStarted {
        /// When they start.
        at: DateTime<Utc>,
    },
    /// Claims have ended.
    Over,
    /// The coupon has a price: it must be reserved and paid.
    NotFree,
    /// The coupon is free: it must be claimed.
    Free,
    /// Fewer copies are left than requested.
    SoldOut {
        /// The copies that are left.
        left: u32,
        /// When the next reservation expires, which may free copies.
        at: Option<DateTime<Utc>>,
        /// The buyer's reservations of copies.
        own: OwnReservations,
    },
    /// The buyer would exceed the limit per buyer.
    LimitReached {
        /// The limit.
        limit: u32,
        /// The copies that the buyer has, reserved, claimed or bought.
        taken: u32,
        /// The buyer's reservations of copies.
        own: OwnReservations,
    },
    /// An order reserves the claim.
    InOrder {
        /// The order.
        order: Option<OrderId>,
    },
    /// The claim is used, fully or in part.
    Used,
    /// The claim is past its validity.
    Expired,
    /// The claim's validity has not started.
    NotYetValid {
        /// When it starts.
        from: DateTime<Utc>,
    },
    /// The claim is revoked or released.
    Gone,
    /// The claim was paid or has a code of a list, so its holder cannot release it.
    NotReleasable,
    /// The claim cannot be given to another account.
    Personal,
    /// The offer is unknown, accepted, withdrawn or expired.
    OfferGone,
    /// The shop has no such code, or it belongs to another account.
    UnknownCode,
    /// The code is on a list and not claimed yet.
    NotClaimed,
    /// Several of the scanner's shops have the code.
    SeveralShops,
    /// The viewer sent too many wrong codes.
    TooManyAttempts {
        /// Seconds until the next attempt.
        retry_after_seconds: u32,
    },
    /// The gift card's balance is less than the amount.
    BalanceTooLow {
        /// The balance in minor units.
        balance: i64,
        /// ISO 4217 code of the balance.
        currency: String,
    },
    /// The claim can be spent in an order only, not at a counter.
    NotAtCounter,
    /// The coupon's budget is spent.
    BudgetSpent,
    /// The buyer has reserved copies for too long without paying.
    CoolingDown {
        /// When the buyer may reserve again.
        at: DateTime<Utc>,
    },
    /// The buyer's network has too many unpaid reservations.
    TooManyUnpaid {
        /// When the next of them expires.
        at: Option<DateTime<Utc>>,
    },
}

/// Translates a refusal of the desk.
pub(super) fn refused(refusal: &inventory::Refusal) -> Refusal {
    use inventory::Refusal as Desk;
    match refusal.clone() {
        Desk::NotOpen | Desk::UnknownPlaces | Desk::NotForSale { .. } => Refusal::NotOpen,
        Desk::SalesNotStarted { at } => Refusal::NotStarted { at },
        Desk::CoolingDown { at } => Refusal::CoolingDown { at },
        Desk::TooManyUnpaid { at, .. } | Desk::Crowded { at } => Refusal::TooManyUnpaid { at },
        Desk::SalesEnded => Refusal::Over,
        Desk::AreaFull { available, at, own } => Refusal::SoldOut { left: available, at, own },
        Desk::NotEnoughLeft { available } | Desk::NotEnoughTogether { available, .. } => {
            Refusal::SoldOut { left: available, at: None, own: OwnReservations::default() }
        }
        Desk::SeatsTaken { at, own, .. } => Refusal::SoldOut { left: 0, at, own },
        Desk::LimitExceeded { limit, taken, own } => Refusal::LimitReached { limit, taken, own },
        Desk::CodeTaken => Refusal::UnknownCode,
        Desk::LeavesOrphans { .. }
        | Desk::ReservationNotFound
        | Desk::ReservationEnded
        | Desk::AlreadyOrdered
        | Desk::BeingPaid
        | Desk::NoMoreTime
        | Desk::PlacesChanged
        | Desk::TermsChanged
        // Coupons have no requirements for buyers.
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
