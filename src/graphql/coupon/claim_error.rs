//! Error types of claims.

use async_graphql::ID;
use chrono::{DateTime, Utc};

use crate::{
    coupon::claim::Refusal,
    graphql::{
        id::encode,
        scalar::{Instant, Money},
        user_error::{Explain, Explanation, millis, user_error},
    },
    inventory::OwnReservations,
};

user_error! {
    /// An error of a mutation that claims or reserves copies of a coupon.
    ClaimError, ClaimErrorCode (Invalid NotFound IdempotencyMismatch) from Refusal {
        /// The coupon is paused, ended or not published yet.
        NotOpen: Refused,
        /// The coupon cannot be claimed before `availableAt`. Try again then.
        NotStarted: Refused,
        /// The publication window is over. The coupon cannot be claimed any more.
        Over: Refused,
        /// The coupon has a price. Call `reserveCoupon` and pay.
        NotFree: Refused,
        /// The coupon is free. Call `claimCoupon`.
        Free: Refused,
        /// Only `left` copies are left. If some are merely reserved, `availableAt` says when they become available
        /// unless they are bought. `ownReservationIds` names those that you reserved yourself.
        SoldOut: Conflict,
        /// You would exceed the `limit` of copies per buyer. You already have `taken`: `reserved` in unpaid reservations,
        /// and `claimed`.
        LimitReached: Limited,
        /// An earlier call with this key made a claim that you have given away since.
        Gone: Refused,
        /// There is no such code, or you cannot use it. All unusable codes give this error.
        UnknownCode: NotFound,
        /// Too many wrong codes. Wait `retryAfterMs`, then try again.
        TooManyAttempts: Limited,
        /// You reserved copies for too long without paying. You can reserve again at `availableAt`.
        CoolingDown: Limited,
        /// Your network (an IPv4 address or an IPv6 /64) has too many reserved, unpaid copies. Pay for them, or try
        /// again at `availableAt`.
        TooManyUnpaid: Limited,
    }
    {
        /// Number of copies that are left. Set only with `SOLD_OUT`.
        left: u32,
        /// Maximum number of copies per buyer. Set only with `LIMIT_REACHED`.
        limit: u32,
        /// Number of copies that you already have: `reserved` plus `claimed`. Set only with `LIMIT_REACHED`.
        taken: u32,
        /// Number of copies that you have reserved and not paid yet. Set only with `LIMIT_REACHED`.
        reserved: u32,
        /// Number of copies that you have claimed or bought. Set only with `LIMIT_REACHED`.
        claimed: u32,
        /// The ids of your own reservations of this coupon, if they are a reason for the error: continue with them, or
        /// release them. Set only with `SOLD_OUT` and `LIMIT_REACHED`.
        own_reservation_ids: Vec<ID>,
        /// When another attempt can succeed. Null if unknown.
        available_at: Instant,
        /// Milliseconds to wait before the next attempt. Set only with `TOO_MANY_ATTEMPTS`.
        retry_after_ms: i32,
    }
}

user_error! {
    /// An error of `releaseClaim`.
    ReleaseClaimError, ReleaseClaimErrorCode (Invalid NotFound) from Refusal {
        /// The claim is bound to an unpaid order. Pay or cancel that order first.
        InOrder: Refused,
        /// The claim was used, in full or in part, or it is an access code that has unlocked places.
        Used: Refused,
        /// The claim's validity has ended.
        Expired: Refused,
        /// The claim was revoked by a refund.
        Gone: Refused,
        /// The claim cannot be released. A paid claim is refunded with its order; a claim from the vendor's code list
        /// is kept.
        NotReleasable: Refused,
    }
}

user_error! {
    /// An error of `shareClaim`.
    ShareClaimError, ShareClaimErrorCode (Invalid NotFound) from Refusal {
        /// The claim is bound to an unpaid order. Pay or cancel that order first.
        InOrder: Refused,
        /// The claim was used, in full or in part, or it is an access code that has unlocked places.
        Used: Refused,
        /// The claim's validity has ended.
        Expired: Refused,
        /// The claim was released by its holder or revoked by a refund.
        Gone: Refused,
        /// The claim is not shareable. It stays with its holder.
        Personal: Refused,
    }
}

user_error! {
    /// An error of `acceptClaim`.
    AcceptClaimError, AcceptClaimErrorCode () from Refusal {
        /// The offer is unknown, already accepted or expired. Ask the holder to share the claim again.
        OfferGone: NotFound,
        /// The claim is bound to an unpaid order of its holder. Ask the holder to cancel that order.
        InOrder: Refused,
        /// The claim was used, in full or in part, or it is an access code that has unlocked places.
        Used: Refused,
        /// The claim's validity has ended.
        Expired: Refused,
        /// The claim was released by its holder or revoked by a refund.
        Gone: Refused,
        /// You would exceed the `limit` of copies per buyer. You already have `taken`, including those that you received
        /// or gave away.
        LimitReached: Limited,
    }
    {
        /// Maximum number of copies per buyer. Set only with `LIMIT_REACHED`.
        limit: u32,
        /// Number of copies that you already have. Set only with `LIMIT_REACHED`.
        taken: u32,
    }
}

user_error! {
    /// An error of `redeemClaim`: why the claim was not redeemed.
    RedeemClaimError, RedeemClaimErrorCode (Invalid IdempotencyMismatch) from Refusal {
        /// None of your shops, or not the shop of the input, has this code.
        UnknownCode: NotFound,
        /// The code is valid but not claimed yet. Its owner must call `claimCode` first.
        NotClaimed: Refused,
        /// Several of your shops have this code. Send `shopId` to choose one.
        SeveralShops: Invalid,
        /// Too many wrong codes. Wait `retryAfterMs`, then try again.
        TooManyAttempts: Limited,
        /// The claim is bound to an unpaid order. The holder must pay or cancel that order first.
        InOrder: Refused,
        /// The claim was used, or it is an access code that has unlocked places.
        Used: Refused,
        /// The claim's validity has ended.
        Expired: Refused,
        /// The claim is not valid before `availableAt`.
        NotYetValid: Refused,
        /// The claim was released by its holder or revoked by a refund.
        Gone: Refused,
        /// The gift card has only `balance` left. Choose a smaller amount.
        BalanceTooLow: Limited,
        /// The claim cannot be redeemed at a counter, only at the checkout. This includes claims of a percentage or a
        /// free item whose coupon has a budget, because their value depends on the order.
        NotAtCounter: Refused,
        /// The coupon's remaining budget is too small.
        BudgetSpent: Limited,
    }
    {
        /// When the claim becomes valid. Set only with `NOT_YET_VALID`.
        available_at: Instant,
        /// Milliseconds to wait before the next attempt. Set only with `TOO_MANY_ATTEMPTS`.
        retry_after_ms: i32,
        /// Remaining value of the gift card. Set only with `BALANCE_TOO_LOW`.
        balance: Money,
    }
}

/// The data of claim errors.
#[derive(Debug, Default)]
pub(crate) struct ClaimData {
    left: Option<u32>,
    limit: Option<u32>,
    taken: Option<u32>,
    reserved: Option<u32>,
    claimed: Option<u32>,
    own_reservation_ids: Option<Vec<ID>>,
    available_at: Option<Instant>,
    retry_after_ms: Option<i32>,
    balance: Option<Money>,
}

fn reserved(own: &OwnReservations) -> ClaimData {
    let ids = own.ids.iter().map(|id| encode(*id)).collect();
    ClaimData { own_reservation_ids: Some(ids), ..ClaimData::default() }
}

impl Explain for Refusal {
    type Data = ClaimData;

    fn explain(self) -> Explanation<ClaimData> {
        let available_at = |at: Option<DateTime<Utc>>| ClaimData {
            available_at: at.map(Instant::from),
            ..ClaimData::default()
        };
        match self {
            Self::NotOpen => Explanation::new("the coupon cannot be claimed now"),
            Self::NotStarted { at } => Explanation::new("the coupon can be claimed later")
                .with(available_at(Some(at)))
                .retryable(true),
            Self::Over => Explanation::new("the publication window of the coupon is over"),
            Self::NotFree => Explanation::new("the coupon has a price; reserve it and pay"),
            Self::Free => Explanation::new("the coupon is free; claim it"),
            Self::SoldOut { left, at, own } => Explanation::new("not enough copies are left")
                .with(ClaimData { left: Some(left), available_at: at.map(Instant::from), ..reserved(&own) })
                .retryable(at.is_some()),
            Self::LimitReached { limit, taken, own } => {
                let message = if own.places > 0 {
                    "the limit per buyer is exceeded, counting the copies that you have reserved"
                } else {
                    "the limit per buyer is exceeded"
                };
                Explanation::new(message).with(ClaimData {
                    limit: Some(limit),
                    taken: Some(taken),
                    reserved: Some(own.places),
                    claimed: Some(taken.saturating_sub(own.places)),
                    ..reserved(&own)
                })
            }
            Self::InOrder { .. } => Explanation::new("the claim is bound to an unpaid order"),
            Self::Used => Explanation::new("the claim was already used"),
            Self::Expired => Explanation::new("the claim's validity has ended"),
            Self::NotYetValid { from } => {
                Explanation::new("the claim is not valid yet").with(available_at(Some(from)))
            }
            Self::Gone => Explanation::new("the claim was released, revoked or given away"),
            Self::NotReleasable => Explanation::new("the claim cannot be released"),
            Self::Personal => Explanation::new("the claim is not shareable"),
            Self::OfferGone => Explanation::new("there is no such offer").at("token"),
            Self::UnknownCode => Explanation::new("there is no such code").at("code"),
            Self::NotClaimed => Explanation::new("the code is not claimed yet").at("code"),
            Self::SeveralShops => {
                Explanation::new("several of your shops have this code; send shopId").at("shopId")
            }
            Self::TooManyAttempts { retry_after_seconds } => {
                let retry_after_ms = Some(millis(retry_after_seconds));
                Explanation::new("too many wrong codes were tried")
                    .with(ClaimData { retry_after_ms, ..ClaimData::default() })
                    .retryable(true)
            }
            Self::BalanceTooLow { balance, currency } => {
                Explanation::new("the gift card does not have enough left")
                    .at("amount")
                    .with(ClaimData { balance: Some(Money::of(balance, &currency)), ..ClaimData::default() })
            }
            Self::NotAtCounter => Explanation::new("the claim can only be used at the checkout"),
            Self::BudgetSpent => Explanation::new("the coupon's remaining budget is too small"),
            Self::TooManyUnpaid { at } => {
                Explanation::new("your network has too many reserved, unpaid copies")
                    .with(available_at(at))
                    .retryable(true)
            }
            Self::CoolingDown { at } => {
                Explanation::new("copies were reserved for too long without paying; try again later")
                    .with(available_at(Some(at)))
                    .retryable(true)
            }
        }
    }
}
