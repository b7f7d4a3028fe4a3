//! Giving claims to others, and redeeming them at a counter, through the API.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};

use super::{Claim, ClaimError, claim::ClaimPayload};
use crate::{
    coupon::{
        claim::{self as claims, Refusal, ReserveCoupon},
        redeem::{self, Redeem, Redeemed},
        share,
        terms::Terms,
    },
    error::Result,
    graphql::{
        context::ContextExt,
        error::{ApiResult, outcome},
        id::decode,
        reservation::Reservation,
        scalar::{Money, MoneyInput},
    },
    order::has_freed,
};

/// What to reserve.
#[derive(Debug, InputObject)]
pub struct ReserveCouponInput {
    /// A coupon that costs something.
    coupon_id: ID,
    /// How many copies, 1 to 100.
    #[graphql(default = 1)]
    quantity: u32,
    /// The same key with the same input has one effect and one answer: 8 to 255 characters.
    idempotency_key: String,
}

/// What became of it.
#[derive(Debug, SimpleObject)]
pub struct ReserveCouponPayload {
    /// The reservation; check it out and pay. Null if nothing was reserved.
    reservation: Option<Reservation>,
    /// Why nothing was reserved; empty if it was.
    errors: Vec<ClaimError>,
}

/// What to offer.
#[derive(Debug, InputObject)]
pub struct ShareClaimInput {
    /// A claim of yours that may be given away.
    claim_id: ID,
}

/// What became of it.
#[derive(Debug, SimpleObject)]
pub struct ShareClaimPayload {
    /// The claim, which is yours until somebody accepts it; null if it was not offered.
    claim: Option<Claim>,
    /// Whoever has it may accept the claim, once. It is shown this once; an earlier one is void. Put it into a link.
    token: Option<String>,
    /// Until when it can be accepted.
    expires_at: Option<DateTime<Utc>>,
    /// Why it was not offered; empty if it was.
    errors: Vec<ClaimError>,
}

/// What to accept.
#[derive(Debug, InputObject)]
pub struct AcceptClaimInput {
    /// The token that `shareClaim` gave.
    token: String,
}

/// What is redeemed.
#[derive(Debug, InputObject)]
pub struct RedeemClaimInput {
    /// At whose counter: a shop whose scanner you are. Without it, at that of whichever of your shops has the code; then
    /// wrong codes are counted, and after ten in an hour you have to wait.
    shop_id: Option<ID>,
    /// The code, as it was scanned or typed: capitals, blanks and hyphens do not matter.
    code: String,
    /// How much of a gift card; nothing else is used in part.
    amount: Option<MoneyInput>,
    /// The same key with the same input has one effect and one answer: 8 to 255 characters.
    idempotency_key: String,
}

/// What became of it.
#[derive(Debug, SimpleObject)]
pub struct RedeemClaimPayload {
    /// The claim, redeemed; null if it was not. Its code is its holder's to see.
    claim: Option<Claim>,
    /// What was taken off a gift card; null for everything else.
    amount: Option<Money>,
    /// When it was redeemed.
    redeemed_at: Option<DateTime<Utc>>,
    /// Why it was not redeemed; empty if it was.
    errors: Vec<ClaimError>,
}

/// Mutations.
#[derive(Debug, Default)]
pub struct CounterMutation;

#[Object]
impl CounterMutation {
    /// Reserves copies of a coupon that costs something, until a deadline. Check the reservation out and pay: then they
    /// are in your bag.
    async fn reserve_coupon(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to reserve.")] input: ReserveCouponInput,
    ) -> ApiResult<ReserveCouponPayload> {
        ctx.viewer().account()?;
        let reserved = async {
            let coupon = decode(&input.coupon_id, "couponId")?;
            let input = ReserveCoupon { coupon, quantity: input.quantity, key: input.idempotency_key };
            claims::reserve(ctx.app(), ctx.viewer(), input).await
        };
        let (reservation, errors) = outcome(reserved.await)?;
        Ok(ReserveCouponPayload { reservation: reservation.map(Reservation), errors })
    }

    /// Offers a claim of yours to whoever gets the token. It stays yours, and its code good, until somebody accepts it.
    async fn share_claim(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to offer.")] input: ShareClaimInput,
    ) -> ApiResult<ShareClaimPayload> {
        ctx.viewer().account()?;
        let (app, viewer) = (ctx.app(), ctx.viewer());
        let offer = async || share::share(app, viewer, decode(&input.claim_id, "claimId")?).await;
        let mut offered = offer().await;
        if has_freed(app, &offered).await? {
            offered = offer().await;
        }
        let (offer, errors) = outcome(offered)?;
        let (claim, token, expires_at) = match offer {
            Some(offer) => (Some(offer.claim.into()), Some(offer.token), Some(offer.expires_at)),
            None => (None, None, None),
        };
        Ok(ShareClaimPayload { claim, token, expires_at, errors })
    }

    /// Takes a claim over that somebody offers. It is yours then, with a new code; the old code is good no more.
    async fn accept_claim(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to accept.")] input: AcceptClaimInput,
    ) -> ApiResult<ClaimPayload> {
        ctx.viewer().account()?;
        let (app, viewer) = (ctx.app(), ctx.viewer());
        let mut accepted = share::accept(app, viewer, &input.token).await;
        if has_freed(app, &accepted).await? {
            accepted = share::accept(app, viewer, &input.token).await;
        }
        ClaimPayload::of(accepted)
    }

    /// Redeems a claim at a counter, exactly once, or a part of a gift card. For the scanners of the coupon's shop.
    async fn redeem_claim(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is redeemed.")] input: RedeemClaimInput,
    ) -> ApiResult<RedeemClaimPayload> {
        ctx.viewer().user()?;
        let mut redeemed = input.redeem(ctx).await;
        if has_freed(ctx.app(), &redeemed).await? {
            redeemed = input.redeem(ctx).await;
        }
        let (redeemed, errors) = outcome(redeemed)?;
        let Some(Redeemed { claim, redemption }) = redeemed else {
            return Ok(RedeemClaimPayload { claim: None, amount: None, redeemed_at: None, errors });
        };
        let currency = Terms::from_json(&claim.terms)?.currency;
        let amount = redemption.amount_minor.map(|minor| Money::of(minor, &currency));
        Ok(RedeemClaimPayload { claim: Some(claim.into()), amount, redeemed_at: Some(redemption.at), errors })
    }
}

impl RedeemClaimInput {
    async fn redeem(&self, ctx: &Context<'_>) -> Result<Redeemed, Refusal> {
        let shop = self.shop_id.as_ref().map(|id| decode(id, "shopId")).transpose()?;
        let amount = match &self.amount {
            Some(amount) => Some((amount.minor(&amount.currency.0, "amount")?, amount.currency.0.clone())),
            None => None,
        };
        let redeem = Redeem { shop, code: self.code.clone(), amount, key: self.idempotency_key.clone() };
        redeem::redeem(ctx.app(), ctx.viewer(), redeem).await
    }
}
