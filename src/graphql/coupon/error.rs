//! Why something about coupons and claims was not done, as clients are told.

use chrono::{DateTime, Utc};

use self::{ClaimErrorCode as Holder, CouponErrorCode as Vendor};
use crate::{
    coupon::{claim, rules, upload},
    graphql::{error::user_error, scalar::Long},
};

user_error! {
    /// Something about products and coupons that could not be done.
    CouponError, CouponErrorCode {
        /// Only drafts can do this.
        NotDraft,
        /// Only published coupons can do this.
        NotPublished,
        /// Only paused coupons can do this.
        NotPaused,
        /// The coupon was ended.
        Ended,
        /// Its publication or its validity is over already.
        Over,
        /// There are no codes to give out: upload some first.
        NoCodes,
        /// `taken` copies are reserved or claimed already, which is more than the stock would be.
        StockTaken,
        /// More of the budget is spent already than it would be.
        BudgetSpent,
        /// The product was archived.
        Archived,
        /// Some lines of the upload are wrong, or all of it; `faults` says which, and nothing was stored.
        InvalidCodes,
    }
    {
        /// How many copies are taken.
        taken: i32,
    }
}

user_error! {
    /// Why a coupon was not claimed, or nothing was done with a claim.
    ClaimError, ClaimErrorCode {
        /// The coupon is paused, ended, or not published yet.
        NotOpen,
        /// It can be claimed from `availableAt` on.
        NotStarted,
        /// It can be claimed no more.
        Over,
        /// It costs something: reserve it and pay.
        NotFree,
        /// It costs nothing: claim it.
        Free,
        /// Only `left` are left. Where some are only reserved, `availableAt` says when they come back unless they are
        /// bought.
        SoldOut,
        /// You would have more than one buyer may: `limit`, of which you have `taken`.
        LimitReached,
        /// It is bound to an order that is not paid yet: cancel that, or pay.
        InOrder,
        /// It was used already, or a part of it; or it is an access code that opened places.
        Used,
        /// Its time is up.
        Expired,
        /// It is valid from `availableAt` on.
        NotYetValid,
        /// It was given back, or taken back by a refund.
        Gone,
        /// What was paid is refunded with its order; what has one of the vendor's own codes is kept.
        NotReleasable,
        /// It is yours alone, and cannot be given to somebody else.
        Personal,
        /// The offer is unknown, was accepted before, or is over.
        OfferGone,
        /// There is no such code that you could use: the same answer for all such codes. At a counter: none of your shops
        /// has it.
        UnknownCode,
        /// The code is good, but nobody has claimed it yet: whoever has it claims it first, by `claimCode`.
        NotClaimed,
        /// Several of your shops have such a code: say at whose counter, with `shopId`.
        SeveralShops,
        /// Too many wrong codes were tried. Come back after `retryAfterSeconds`.
        TooManyAttempts,
        /// The gift card has only `balance` left.
        BalanceTooLow,
        /// It is worth something at the checkout, and nothing at a counter. So is what takes off a share or an item, while
        /// its coupon has a budget: a counter does not say how much that is.
        NotAtCounter,
        /// The coupon's budget has not as much left.
        BudgetSpent,
        /// You had copies reserved for too long without paying any: come back at `availableAt`.
        CoolingDown,
        /// Your network (an IPv4 address or an IPv6 /64) has too many copies reserved and not paid. Pay for them, or come
        /// back at `availableAt`.
        TooManyUnpaid,
    }
    {
        /// How many are left.
        left: u32,
        /// How many one buyer may have.
        limit: u32,
        /// How many you have already.
        taken: u32,
        /// When it becomes possible, or may become so.
        available_at: DateTime<Utc>,
        /// After how many seconds to try again.
        retry_after_seconds: u32,
        /// What is left on the gift card, in minor units of its currency.
        balance: Long,
    }
}

impl From<rules::Refusal> for CouponError {
    fn from(refusal: rules::Refusal) -> Self {
        use rules::Refusal;
        let new = |code, message: &str| Self { code, message: message.to_owned(), ..Self::default() };
        match refusal {
            Refusal::NotDraft => new(Vendor::NotDraft, "the coupon was published already"),
            Refusal::NotPublished => new(Vendor::NotPublished, "the coupon is not published"),
            Refusal::NotPaused => new(Vendor::NotPaused, "the coupon is not paused"),
            Refusal::Ended => new(Vendor::Ended, "the coupon was ended"),
            Refusal::Over => new(Vendor::Over, "its publication or its validity is over already"),
            Refusal::NoCodes => new(Vendor::NoCodes, "there are no codes to give out; upload some first"),
            Refusal::StockTaken { taken } => Self {
                taken: Some(taken),
                path: vec!["stock".to_owned()],
                ..new(Vendor::StockTaken, "more are taken already")
            },
            Refusal::BudgetSpent { .. } => Self {
                path: vec!["budget".to_owned()],
                ..new(Vendor::BudgetSpent, "more of the budget is spent already")
            },
            Refusal::Archived => new(Vendor::Archived, "the product was archived"),
        }
    }
}

impl From<upload::Refusal> for CouponError {
    fn from(refusal: upload::Refusal) -> Self {
        match refusal {
            upload::Refusal::Coupon(refusal) => refusal.into(),
            upload::Refusal::Lines(_) => Self {
                code: Vendor::InvalidCodes,
                message: "some lines are wrong; nothing was stored".to_owned(),
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
            Refusal::Over => new(Holder::Over, "the coupon can be claimed no more"),
            Refusal::NotFree => new(Holder::NotFree, "the coupon costs something; reserve it and pay"),
            Refusal::Free => new(Holder::Free, "the coupon costs nothing; claim it"),
            Refusal::SoldOut { left, at } => Self {
                left: Some(left),
                available_at: at,
                retryable: at.is_some(),
                ..new(Holder::SoldOut, "not as many are left")
            },
            Refusal::LimitReached { limit, taken } => Self {
                limit: Some(limit),
                taken: Some(taken),
                ..new(Holder::LimitReached, "one buyer may not have as many")
            },
            Refusal::InOrder { .. } => new(Holder::InOrder, "it is bound to an order that is not paid yet"),
            Refusal::Used => new(Holder::Used, "it was used already"),
            Refusal::Expired => new(Holder::Expired, "its time is up"),
            Refusal::NotYetValid { from } => {
                Self { available_at: Some(from), ..new(Holder::NotYetValid, "its time has not come") }
            }
            Refusal::Gone => new(Holder::Gone, "it was given back or taken back"),
            Refusal::NotReleasable => new(Holder::NotReleasable, "it is not given back this way"),
            Refusal::Personal => new(Holder::Personal, "it cannot be given to somebody else"),
            Refusal::OfferGone => new(Holder::OfferGone, "there is no such offer any more"),
            Refusal::UnknownCode => {
                Self { path: vec!["code".to_owned()], ..new(Holder::UnknownCode, "there is no such code") }
            }
            Refusal::NotClaimed => Self {
                path: vec!["code".to_owned()],
                ..new(Holder::NotClaimed, "nobody has claimed this code yet")
            },
            Refusal::SeveralShops => Self {
                path: vec!["shopId".to_owned()],
                ..new(Holder::SeveralShops, "several of your shops have such a code; say which is meant")
            },
            Refusal::TooManyAttempts { retry_after_seconds } => Self {
                retry_after_seconds: Some(retry_after_seconds),
                retryable: true,
                ..new(Holder::TooManyAttempts, "too many wrong codes were tried")
            },
            Refusal::BalanceTooLow { balance } => Self {
                balance: Some(Long(balance)),
                path: vec!["amount".to_owned()],
                ..new(Holder::BalanceTooLow, "the gift card has less than that")
            },
            Refusal::NotAtCounter => new(Holder::NotAtCounter, "it is worth something at the checkout only"),
            Refusal::BudgetSpent => new(Holder::BudgetSpent, "the coupon's budget has not as much left"),
            Refusal::TooManyUnpaid { at } => Self {
                available_at: at,
                retryable: true,
                ..new(Holder::TooManyUnpaid, "your network has too many copies reserved and not paid")
            },
            Refusal::CoolingDown { at } => Self {
                available_at: Some(at),
                retryable: true,
                ..new(Holder::CoolingDown, "copies were kept too long without buying any; come back later")
            },
        }
    }
}
