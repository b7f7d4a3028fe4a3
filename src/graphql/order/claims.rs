//! Claims in orders: what they take off, what they would, and why not.

use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::{ReservationId, order::discount};

use super::{OrderError, OrderErrorCode};
use crate::{
    coupon::{
        discount::Reason,
        spend::{Named, Refused, Why},
    },
    error::Fault,
    graphql::{
        context::ContextExt,
        coupon::{Claim, Coupon, OwnClaim},
        error::ApiResult,
        id::decode,
        scalar::Money,
    },
    order::{self as orders, ApplicableClaim},
};

/// Why a claim does not apply to what is bought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum NotApplicableReason {
    /// Its validity has not begun.
    NotYetValid,
    /// Its validity is over.
    Expired,
    /// It takes nothing off: give it when you reserve, it opens hidden price levels.
    NoDiscount,
    /// It is another shop's.
    OtherShop,
    /// Its amounts are in another currency.
    OtherCurrency,
    /// It is for other things than are bought.
    OtherItems,
    /// Too little is bought of what it is for; `missing` says how much more it takes.
    MinimumNotMet,
    /// It applies alone only.
    Exclusive,
    /// Another one of its group is spent already, or of the same coupon: an amount or a share is taken off an order once.
    GroupTwice,
    /// The campaign's budget is used up.
    BudgetSpent,
    /// The gift card is empty.
    GiftCardEmpty,
    /// There is nothing left that it could take off.
    NothingLeft,
}

/// What one claim took off an order, or paid of it.
#[derive(Debug)]
pub struct OrderDiscount {
    row: discount::Model,
    currency: String,
}

/// What one claim took off an order, or paid of it.
#[Object]
impl OrderDiscount {
    /// What the coupon was called then.
    async fn label(&self) -> &str {
        &self.row.label
    }

    /// How much.
    async fn amount(&self) -> Money {
        Money::of(self.row.amount_minor, &self.currency)
    }

    /// The coupon, as it is now.
    async fn coupon(&self, ctx: &Context<'_>) -> ApiResult<Coupon> {
        Coupon::of(ctx, self.row.coupon_id).await
    }

    /// The claim. Only its holder sees it.
    async fn claim(&self, ctx: &Context<'_>) -> ApiResult<Option<Claim>> {
        Ok(ctx.loaders().one(OwnClaim(self.row.claim_id)).await?.map(Claim::from))
    }
}

impl OrderDiscount {
    pub(super) fn of(row: discount::Model, currency: &str) -> Self {
        Self { row, currency: currency.to_owned() }
    }
}

/// What one of your claims would take off, if you spent it alone.
#[derive(Debug, SimpleObject)]
pub struct ApplicableCoupon {
    /// The claim, for `checkout`.
    pub claim: Claim,
    /// How much it would take off. Null: it does not apply.
    pub saves: Option<Money>,
    /// Why it does not apply. Null: it does.
    pub reason: Option<NotApplicableReason>,
    /// The reason in a sentence.
    pub message: Option<String>,
    /// How much more has to be bought of what it is for.
    pub missing: Option<Money>,
    /// When its validity begins, if it has not yet.
    pub valid_from: Option<DateTime<Utc>>,
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

/// Queries.
#[derive(Debug, Default)]
pub struct ApplicableQuery;

#[Object]
impl ApplicableQuery {
    /// What each of your unused claims would take off reservations of yours, and why the others do not apply; those that
    /// save most come first. At most 100, the newest. Instead of reservations you can name an order that waits for its
    /// payment: then it is what they would take off if the order were made anew, those that it spends now among them.
    async fn applicable_coupons(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Your active reservations, all of one shop.")] reservation_ids: Option<Vec<ID>>,
        #[graphql(desc = "An order of yours that waits for its payment, instead of reservations.")]
        order_id: Option<ID>,
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
                return Err(Fault::invalid("reservationIds", "name reservations or an order").into());
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

impl OrderError {
    /// Why a claim was not spent.
    pub(super) fn of_claim(refused: Refused, currency: &str) -> Self {
        let path = match refused.named {
            Named::Id(index) => vec!["claimIds".to_owned(), index.to_string()],
            Named::Code(index) => vec!["codes".to_owned(), index.to_string()],
        };
        let (code, message) = match refused.why {
            Why::UnknownCode => (OrderErrorCode::UnknownCode, "there is no such code that you could use"),
            Why::TooManyCodes { .. } => (OrderErrorCode::TooManyCodes, "too many wrong codes; wait"),
            Why::InUse => (OrderErrorCode::ClaimInUse, "it is bound to another order that is not paid"),
            Why::Used => (OrderErrorCode::ClaimUsed, "it was used, revoked or given back"),
            Why::Rule(reason) => (code(reason), message(reason)),
        };
        let mut error = Self { code, message: message.to_owned(), path, ..Self::default() };
        match refused.why {
            Why::TooManyCodes { retry_after_seconds } => {
                error.retryable = true;
                error.retry_after_seconds = Some(retry_after_seconds);
            }
            Why::Rule(reason) => {
                error.missing = missing(reason).map(|missing| Money::of(missing, currency));
                error.valid_from = valid_from(reason);
            }
            Why::UnknownCode | Why::InUse | Why::Used => {}
        }
        error
    }
}

impl From<Reason> for NotApplicableReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::NotYetValid { .. } => Self::NotYetValid,
            Reason::Expired => Self::Expired,
            Reason::NoDiscount => Self::NoDiscount,
            Reason::OtherShop => Self::OtherShop,
            Reason::OtherCurrency => Self::OtherCurrency,
            Reason::OtherItems => Self::OtherItems,
            Reason::MinimumNotMet { .. } => Self::MinimumNotMet,
            Reason::Exclusive => Self::Exclusive,
            Reason::GroupTwice => Self::GroupTwice,
            Reason::BudgetSpent => Self::BudgetSpent,
            Reason::Empty => Self::GiftCardEmpty,
            Reason::NothingLeft => Self::NothingLeft,
        }
    }
}

fn code(reason: Reason) -> OrderErrorCode {
    match reason {
        Reason::NotYetValid { .. } => OrderErrorCode::NotYetValid,
        Reason::Expired => OrderErrorCode::Expired,
        Reason::NoDiscount => OrderErrorCode::NoDiscount,
        Reason::OtherShop => OrderErrorCode::OtherShop,
        Reason::OtherCurrency => OrderErrorCode::OtherCurrency,
        Reason::OtherItems => OrderErrorCode::OtherItems,
        Reason::MinimumNotMet { .. } => OrderErrorCode::MinimumNotMet,
        Reason::Exclusive => OrderErrorCode::Exclusive,
        Reason::GroupTwice => OrderErrorCode::GroupTwice,
        Reason::BudgetSpent => OrderErrorCode::BudgetSpent,
        Reason::Empty => OrderErrorCode::GiftCardEmpty,
        Reason::NothingLeft => OrderErrorCode::NothingLeft,
    }
}

fn message(reason: Reason) -> &'static str {
    match reason {
        Reason::NotYetValid { .. } => "its validity has not begun",
        Reason::Expired => "its validity is over",
        Reason::NoDiscount => "it takes nothing off; give it when you reserve",
        Reason::OtherShop => "it is another shop's",
        Reason::OtherCurrency => "its amounts are in another currency",
        Reason::OtherItems => "it is for other things than are bought",
        Reason::MinimumNotMet { .. } => "too little is bought of what it is for",
        Reason::Exclusive => "it applies alone only",
        Reason::GroupTwice => "another one of its group, or of the same coupon, is spent already",
        Reason::BudgetSpent => "the campaign's budget is used up",
        Reason::Empty => "the gift card is empty",
        Reason::NothingLeft => "there is nothing left that it could take off",
    }
}

fn missing(reason: Reason) -> Option<i64> {
    if let Reason::MinimumNotMet { missing } = reason { Some(missing) } else { None }
}

fn valid_from(reason: Reason) -> Option<DateTime<Utc>> {
    if let Reason::NotYetValid { from } = reason { Some(from) } else { None }
}
