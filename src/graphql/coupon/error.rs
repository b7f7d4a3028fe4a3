//! Error types of coupons and claims.

use chrono::{DateTime, Utc};

use self::{ClaimErrorCode as Holder, CouponErrorCode as Vendor};
use crate::{
    coupon::{claim, rules, upload},
    graphql::{error::user_error, scalar::Money},
};

user_error! {
    /// An error of a product or coupon mutation.
    CouponError, CouponErrorCode {
        /// The operation requires a draft, and the coupon is already published. Read the coupon again.
        NotDraft,
        /// The operation requires a published coupon. Publish it first.
        NotPublished,
        /// The operation requires a paused coupon.
        NotPaused,
        /// The coupon has ended permanently. Create a new coupon.
        Ended,
        /// The publication window or the validity is already over. Move its end into the future first.
        Over,
        /// The coupon has no codes. Upload or generate codes first.
        NoCodes,
        /// The new stock would be less than the `taken` copies that are reserved or claimed. Choose a larger stock.
        StockTaken,
        /// The new budget would be less than is already spent. Choose a larger budget.
        BudgetSpent,
        /// The product is archived and cannot be changed.
        Archived,
        /// The upload has invalid lines or is not valid as a whole. `faults` lists the lines. Nothing was stored;
        /// correct the file and upload it again.
        InvalidCodes,
    }
    {
        /// Number of copies that are reserved or claimed. Set only with `STOCK_TAKEN`.
        taken: i32,
    }
}

user_error! {
    /// An error of a mutation that claims a coupon or changes a claim.
    ClaimError, ClaimErrorCode {
        /// The coupon is paused, ended or not published yet.
        NotOpen,
        /// The coupon cannot be claimed before `availableAt`. Try again then.
        NotStarted,
        /// The publication window is over. The coupon cannot be claimed any more.
        Over,
        /// The coupon has a price. Call `reserveCoupon` and pay.
        NotFree,
        /// The coupon is free. Call `claimCoupon`.
        Free,
        /// Only `left` copies are left. If some are merely reserved, `availableAt` says when they become available
        /// unless they are bought.
        SoldOut,
        /// You would exceed the `limit` of copies per buyer. You already have `taken`.
        LimitReached,
        /// The claim is bound to an unpaid order. Pay or cancel that order first.
        InOrder,
        /// The claim was used, in full or in part, or it is an access code that has unlocked places.
        Used,
        /// The claim's validity has ended.
        Expired,
        /// The claim is not valid before `availableAt`. Try again then.
        NotYetValid,
        /// The claim was released by its holder or revoked by a refund.
        Gone,
        /// The claim cannot be released. A paid claim is refunded with its order; a claim from the vendor's code list
        /// is kept.
        NotReleasable,
        /// The claim is not shareable. It stays with its holder.
        Personal,
        /// The offer is unknown, already accepted or expired. Ask the holder to share the claim again.
        OfferGone,
        /// There is no such code, or you cannot use it. All unusable codes give this error. At a counter: none of your
        /// shops has the code.
        UnknownCode,
        /// The code is valid but not claimed yet. Its owner must call `claimCode` first.
        NotClaimed,
        /// Several of your shops have this code. Send `shopId` to choose one.
        SeveralShops,
        /// Too many wrong codes. Wait `retryAfterSeconds`, then try again.
        TooManyAttempts,
        /// The gift card has only `balance` left. Choose a smaller amount.
        BalanceTooLow,
        /// The claim cannot be redeemed at a counter, only at the checkout. This includes claims of a percentage or a
        /// free item whose coupon has a budget, because their value depends on the order.
        NotAtCounter,
        /// The coupon's remaining budget is too small.
        BudgetSpent,
        /// You reserved copies for too long without paying. You can reserve again at `availableAt`.
        CoolingDown,
        /// Your network (an IPv4 address or an IPv6 /64) has too many reserved, unpaid copies. Pay for them, or try
        /// again at `availableAt`.
        TooManyUnpaid,
    }
    {
        /// Number of copies that are left. Set only with `SOLD_OUT`.
        left: u32,
        /// Maximum number of copies per buyer. Set only with `LIMIT_REACHED`.
        limit: u32,
        /// Number of copies that you already have. Set only with `LIMIT_REACHED`.
        taken: u32,
        /// When another attempt can succeed. Null if unknown.
        available_at: DateTime<Utc>,
        /// Seconds to wait before the next attempt. Set only with `TOO_MANY_ATTEMPTS`.
        retry_after_seconds: u32,
        /// Remaining value of the gift card. Set only with `BALANCE_TOO_LOW`.
        balance: Money,
    }
}

impl From<rules::Refusal> for CouponError {
    fn from(refusal: rules::Refusal) -> Self {
        use rules::Refusal;
        let new = |code, message: &str| Self { code, message: message.to_owned(), ..Self::default() };
        match refusal {
            Refusal::NotDraft => new(Vendor::NotDraft, "the coupon is already published"),
            Refusal::NotPublished => new(Vendor::NotPublished, "the coupon is not published"),
            Refusal::NotPaused => new(Vendor::NotPaused, "the coupon is not paused"),
            Refusal::Ended => new(Vendor::Ended, "the coupon has ended"),
            Refusal::Over => new(Vendor::Over, "the publication window or the validity is already over"),
            Refusal::NoCodes => new(Vendor::NoCodes, "the coupon has no codes; upload codes first"),
            Refusal::StockTaken { taken } => Self {
                taken: Some(taken),
                path: vec!["stock".to_owned()],
                ..new(Vendor::StockTaken, "more copies are already taken")
            },
            Refusal::BudgetSpent { .. } => Self {
                path: vec!["budget".to_owned()],
                ..new(Vendor::BudgetSpent, "more of the budget is already spent")
            },
            Refusal::Archived => new(Vendor::Archived, "the product is archived"),
        }
    }
}

impl From<upload::Refusal> for CouponError {
    fn from(refusal: upload::Refusal) -> Self {
        match refusal {
            upload::Refusal::Coupon(refusal) => refusal.into(),
            upload::Refusal::Lines(_) => Self {
                code: Vendor::InvalidCodes,
                message: "some lines are invalid; nothing was stored".to_owned(),
                path: vec!["csv".to_owned()],
                ..Self::default()
            },
        }
    }
}

impl From<claim::Refusal> for ClaimError {
    fn from(refusal: claim::Refusal) -> Self {
        use claim::Refusal;
        let new = |code, message: &str| Self { code, message: message.to_owned(), ..Self::default() };
        match refusal {
            Refusal::NotOpen => new(Holder::NotOpen, "the coupon cannot be claimed now"),
            Refusal::NotStarted { at } => Self {
                available_at: Some(at),
                retryable: true,
                ..new(Holder::NotStarted, "the coupon can be claimed later")
            },
            Refusal::Over => new(Holder::Over, "the publication window of the coupon is over"),
            Refusal::NotFree => new(Holder::NotFree, "the coupon has a price; reserve it and pay"),
            Refusal::Free => new(Holder::Free, "the coupon is free; claim it"),
            Refusal::SoldOut { left, at } => Self {
                left: Some(left),
                available_at: at,
                retryable: at.is_some(),
                ..new(Holder::SoldOut, "not enough copies are left")
            },
            Refusal::LimitReached { limit, taken } => Self {
                limit: Some(limit),
                taken: Some(taken),
                ..new(Holder::LimitReached, "the limit per buyer is exceeded")
            },
            Refusal::InOrder { .. } => new(Holder::InOrder, "the claim is bound to an unpaid order"),
            Refusal::Used => new(Holder::Used, "the claim was already used"),
            Refusal::Expired => new(Holder::Expired, "the claim's validity has ended"),
            Refusal::NotYetValid { from } => {
                Self { available_at: Some(from), ..new(Holder::NotYetValid, "the claim is not valid yet") }
            }
            Refusal::Gone => new(Holder::Gone, "the claim was released or revoked"),
            Refusal::NotReleasable => new(Holder::NotReleasable, "the claim cannot be released"),
            Refusal::Personal => new(Holder::Personal, "the claim is not shareable"),
            Refusal::OfferGone => new(Holder::OfferGone, "there is no such offer"),
            Refusal::UnknownCode => {
                Self { path: vec!["code".to_owned()], ..new(Holder::UnknownCode, "there is no such code") }
            }
            Refusal::NotClaimed => Self {
                path: vec!["code".to_owned()],
                ..new(Holder::NotClaimed, "the code is not claimed yet")
            },
            Refusal::SeveralShops => Self {
                path: vec!["shopId".to_owned()],
                ..new(Holder::SeveralShops, "several of your shops have this code; send shopId")
            },
            Refusal::TooManyAttempts { retry_after_seconds } => Self {
                retry_after_seconds: Some(retry_after_seconds),
                retryable: true,
                ..new(Holder::TooManyAttempts, "too many wrong codes were tried")
            },
            Refusal::BalanceTooLow { balance, currency } => Self {
                balance: Some(Money::of(balance, &currency)),
                path: vec!["amount".to_owned()],
                ..new(Holder::BalanceTooLow, "the gift card does not have enough left")
            },
            Refusal::NotAtCounter => new(Holder::NotAtCounter, "the claim can only be used at the checkout"),
            Refusal::BudgetSpent => new(Holder::BudgetSpent, "the coupon's remaining budget is too small"),
            Refusal::TooManyUnpaid { at } => Self {
                available_at: at,
                retryable: true,
                ..new(Holder::TooManyUnpaid, "your network has too many reserved, unpaid copies")
            },
            Refusal::CoolingDown { at } => Self {
                available_at: Some(at),
                retryable: true,
                ..new(
                    Holder::CoolingDown,
                    "copies were reserved for too long without paying; try again later",
                )
            },
        }
    }
}
