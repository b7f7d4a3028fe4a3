//! Claims in orders: the discounts that they give or would give, and why some do not apply.

use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use entity::{ReservationId, order::discount};

use crate::{
    coupon::discount::DiscountRefusal,
    error::Fault,
    graphql::{
        context::ContextExt,
        coupon::{Claim, Coupon, OwnClaim},
        error::{ApiResult, not_allowed},
        id::decode,
        scalar::{Instant, Money},
    },
    order::{self as orders, ApplicableClaim},
};

/// Why a claim does not apply to the items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum NotApplicableReason {
    /// The claim is not valid yet. `validFrom` says when it will be.
    NotYetValid,
    /// The claim's validity has ended.
    Expired,
    /// The claim gives no discount. It unlocks hidden tiers; send its code with `reserveSeats`.
    NoDiscount,
    /// The claim belongs to another shop.
    OtherShop,
    /// The claim's amounts are in another currency.
    OtherCurrency,
    /// The claim does not apply to any of the items.
    OtherItems,
    /// The matching items do not reach the minimum spend. `missing` is the difference.
    MinimumNotMet,
    /// The claim cannot be combined with other claims.
    Exclusive,
    /// Another claim of the same stacking group or the same coupon already applies. A coupon with an amount or a
    /// percentage applies once per order.
    GroupTwice,
    /// The coupon's budget is used up.
    BudgetSpent,
    /// The gift card has no remaining value.
    GiftCardEmpty,
    /// The remaining total is zero, so the claim has nothing to reduce.
    NothingLeft,
}

/// The discount that one claim gave to an order, or the amount that a gift card paid.
#[derive(Debug)]
pub struct OrderDiscount {
    row: discount::Model,
    currency: String,
}

/// The discount that one claim gave to an order, or the amount that a gift card paid.
#[Object]
impl OrderDiscount {
    /// The coupon's title at the time of the checkout.
    async fn label(&self) -> &str {
        &self.row.label
    }

    /// The amount.
    async fn amount(&self) -> Money {
        Money::of(self.row.amount_minor, &self.currency)
    }

    /// The coupon in its current form.
    async fn coupon(&self, ctx: &Context<'_>) -> ApiResult<Coupon> {
        Coupon::of(ctx, self.row.coupon_id).await
    }

    /// The claim. Only its holder can read it; otherwise it is null with the error `FORBIDDEN`.
    async fn claim(&self, ctx: &Context<'_>) -> ApiResult<Option<Claim>> {
        let claim = ctx.loaders().one(OwnClaim(self.row.claim_id)).await?;
        Ok(Some(claim.ok_or_else(|| not_allowed(ctx.viewer()))?.into()))
    }
}

impl OrderDiscount {
    pub(super) fn of(row: discount::Model, currency: &str) -> Self {
        Self { row, currency: currency.to_owned() }
    }
}

/// The discount that one of your claims would give if it were the only one.
#[derive(Debug, SimpleObject)]
pub struct ApplicableCoupon {
    /// The claim. Send its id to `checkout` to use it.
    pub claim: Claim,
    /// The discount that the claim would give. Null if the claim does not apply.
    pub saves: Option<Money>,
    /// Why the claim does not apply. Null if it applies.
    pub reason: Option<NotApplicableReason>,
    /// An explanation of `reason` for developers, in English. Null if the claim applies.
    pub message: Option<String>,
    /// The amount by which the matching items miss the minimum spend. Null unless `reason` is `MINIMUM_NOT_MET`.
    pub missing: Option<Money>,
    /// When the claim becomes valid. Null unless `reason` is `NOT_YET_VALID`.
    pub valid_from: Option<Instant>,
}

impl From<ApplicableClaim> for ApplicableCoupon {
    fn from(one: ApplicableClaim) -> Self {
        let reason = one.saves.err();
        Self {
            claim: Claim::from(one.claim),
            saves: one.saves.ok().map(|saves| Money::of(saves, &one.currency)),
            reason: reason.map(NotApplicableReason::from),
            message: reason.map(|reason| message(reason).to_owned()),
            missing: reason.and_then(missing).map(|missing| Money::of(missing, &one.currency)),
            valid_from: reason.and_then(valid_from),
        }
    }
}

/// The queries of this slice.
#[derive(Debug, Default)]
pub struct ApplicableQuery;

#[Object]
impl ApplicableQuery {
    /// Returns the discount that each of your unused claims would give to your reservations, or why it does not apply.
    /// The largest discounts come first. At most 100 claims, the newest. Send either reservations or an unpaid order.
    /// For an order, the result is as if you checked it out again; its current claims are included.
    async fn applicable_coupons(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The ids of your active reservations. All must be of one shop.")]
        reservation_ids: Option<Vec<ID>>,
        #[graphql(desc = "The id of your unpaid order. Send it instead of reservations.")] order_id: Option<
            ID,
        >,
    ) -> ApiResult<Vec<ApplicableCoupon>> {
        ctx.viewer().account()?;
        let reservation_ids = match (reservation_ids, order_id) {
            (Some(ids), None) => ids,
            (None, Some(id)) => {
                let id = decode(&id, "orderId")?;
                let applicable = orders::applicable_to_order(ctx.app(), ctx.viewer(), id).await?;
                return Ok(applicable.into_iter().map(ApplicableCoupon::from).collect());
            }
            (Some(_), Some(_)) | (None, None) => {
                return Err(Fault::invalid("reservationIds", "send either reservations or an order").into());
            }
        };
        let mut reservations: Vec<ReservationId> = Vec::new();
        for (index, id) in reservation_ids.iter().enumerate() {
            reservations.push(decode(id, &format!("reservationIds.{index}"))?);
        }
        let applicable = orders::applicable(ctx.app(), ctx.viewer(), &reservations).await?;
        Ok(applicable.into_iter().map(ApplicableCoupon::from).collect())
    }
}

impl From<DiscountRefusal> for NotApplicableReason {
    fn from(reason: DiscountRefusal) -> Self {
        match reason {
            DiscountRefusal::NotYetValid { .. } => Self::NotYetValid,
            DiscountRefusal::Expired => Self::Expired,
            DiscountRefusal::NoDiscount => Self::NoDiscount,
            DiscountRefusal::OtherShop => Self::OtherShop,
            DiscountRefusal::OtherCurrency => Self::OtherCurrency,
            DiscountRefusal::OtherItems => Self::OtherItems,
            DiscountRefusal::MinimumNotMet { .. } => Self::MinimumNotMet,
            DiscountRefusal::Exclusive => Self::Exclusive,
            DiscountRefusal::GroupTwice => Self::GroupTwice,
            DiscountRefusal::BudgetSpent => Self::BudgetSpent,
            DiscountRefusal::Empty => Self::GiftCardEmpty,
            DiscountRefusal::NothingLeft => Self::NothingLeft,
        }
    }
}

pub(super) fn message(reason: DiscountRefusal) -> &'static str {
    match reason {
        DiscountRefusal::NotYetValid { .. } => "its validity has not begun",
        DiscountRefusal::Expired => "the claim's validity has ended",
        DiscountRefusal::NoDiscount => "the claim gives no discount; send its code when you reserve",
        DiscountRefusal::OtherShop => "the claim belongs to another shop",
        DiscountRefusal::OtherCurrency => "the claim's amounts are in another currency",
        DiscountRefusal::OtherItems => "the claim does not apply to any of the items",
        DiscountRefusal::MinimumNotMet { .. } => "too little is bought of what it is for",
        DiscountRefusal::Exclusive => "the claim cannot be combined with others",
        DiscountRefusal::GroupTwice => "another claim of the same group or coupon already applies",
        DiscountRefusal::BudgetSpent => "the coupon's budget is used up",
        DiscountRefusal::Empty => "the gift card has no remaining value",
        DiscountRefusal::NothingLeft => "the remaining total is zero",
    }
}

pub(super) fn missing(reason: DiscountRefusal) -> Option<i64> {
    if let DiscountRefusal::MinimumNotMet { missing } = reason { Some(missing) } else { None }
}

pub(super) fn valid_from(reason: DiscountRefusal) -> Option<Instant> {
    if let DiscountRefusal::NotYetValid { from } = reason { Some(from.into()) } else { None }
}
