//! Claim mutations: reserve, share, accept, and redeem at a counter.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::{AcceptClaimError, Claim, ClaimError, RedeemClaimError, ShareClaimError};
use crate::{
    coupon::{
        claim::{self as claims, Refusal, ReserveCoupon},
        redeem::{Redeem, Redeemed},
        terms::Terms,
    },
    error::Result,
    graphql::{
        context::ContextExt,
        error::{ApiResult, outcome},
        id::decode,
        reservation::Reservation,
        scalar::{Instant, Money, MoneyInput, unsigned},
    },
    order as orders,
};

/// Input of `reserveCoupon`.
#[derive(Debug, InputObject)]
pub struct ReserveCouponInput {
    /// The id of a coupon with a price.
    coupon_id: ID,
    /// Number of copies, 1 to 100.
    #[graphql(default = 1)]
    quantity: i32,
    /// Your own key, 8 to 255 characters. Repeated calls with the same key and input have one effect and the same
    /// result.
    idempotency_key: String,
}

/// The result of `reserveCoupon`.
#[derive(Debug, SimpleObject)]
pub struct ReserveCouponPayload {
    /// The reservation. Call `checkout` and pay to get the claims. Null if `errors` is not empty.
    reservation: Option<Reservation>,
    /// Why the mutation failed. Empty if it succeeded.
    errors: Vec<ClaimError>,
}

/// Input of `shareClaim`.
#[derive(Debug, InputObject)]
pub struct ShareClaimInput {
    /// The id of a shareable claim that you hold.
    claim_id: ID,
}

/// The result of `shareClaim`.
#[derive(Debug, SimpleObject)]
pub struct ShareClaimPayload {
    /// The claim. It stays yours until another account accepts it. Null if `errors` is not empty.
    claim: Option<Claim>,
    /// The token for `acceptClaim`, for instance in a link. Any account that has it can accept the claim, once. It is
    /// shown only in this response and invalidates earlier tokens. Null if `errors` is not empty.
    token: Option<String>,
    /// When the offer expires. Null if `errors` is not empty.
    expires_at: Option<Instant>,
    /// Why the mutation failed. Empty if it succeeded.
    errors: Vec<ShareClaimError>,
}

/// Input of `acceptClaim`.
#[derive(Debug, InputObject)]
pub struct AcceptClaimInput {
    /// The token from `shareClaim`.
    token: String,
}

/// The result of `acceptClaim`.
#[derive(Debug, SimpleObject)]
pub struct AcceptClaimPayload {
    /// The claim, now in your bag. Null if `errors` is not empty.
    claim: Option<Claim>,
    /// Why the mutation failed. Empty if it succeeded.
    errors: Vec<AcceptClaimError>,
}

/// Input of `redeemClaim`.
#[derive(Debug, InputObject)]
pub struct RedeemClaimInput {
    /// The shop at whose counter the claim is redeemed. You must be a scanner of it. If omitted, all shops where you
    /// are a scanner are searched, and wrong codes count: after ten within an hour, you must wait.
    shop_id: Option<ID>,
    /// The code as scanned or entered. Case, spaces and hyphens are ignored.
    code: String,
    /// The amount to take from a gift card. Other kinds cannot be redeemed in part.
    amount: Option<MoneyInput>,
    /// Your own key, 8 to 255 characters. Repeated calls with the same key and input have one effect and the same
    /// result.
    idempotency_key: String,
}

/// The result of `redeemClaim`.
#[derive(Debug, SimpleObject)]
pub struct RedeemClaimPayload {
    /// The redeemed claim. You cannot read its `code`, because only the holder can. Null if `errors` is not empty.
    claim: Option<Claim>,
    /// The amount taken from a gift card. Null for other kinds.
    amount: Option<Money>,
    /// When the claim was redeemed. Null if `errors` is not empty.
    redeemed_at: Option<Instant>,
    /// Why the mutation failed. Empty if it succeeded.
    errors: Vec<RedeemClaimError>,
}

/// The mutations of this slice.
#[derive(Debug, Default)]
pub struct CounterMutation;

#[Object]
impl CounterMutation {
    /// Reserves copies of a coupon with a price, until a deadline. Call `checkout` and pay to put the claims into your
    /// bag.
    async fn reserve_coupon(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `reserveCoupon`.")] input: ReserveCouponInput,
    ) -> ApiResult<Option<ReserveCouponPayload>> {
        ctx.viewer().account()?;
        let reserved = async {
            let coupon = decode(&input.coupon_id, "couponId")?;
            let quantity = unsigned(input.quantity, "quantity")?;
            let input = ReserveCoupon { coupon, quantity, key: input.idempotency_key };
            claims::reserve(ctx.app(), ctx.viewer(), input).await
        };
        let (reservation, errors) = outcome(reserved.await)?;
        Ok(Some(ReserveCouponPayload { reservation: reservation.map(Reservation), errors }))
    }

    /// Offers a claim that you hold to another account. The claim stays yours, and its code valid, until the token is
    /// accepted.
    async fn share_claim(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `shareClaim`.")] input: ShareClaimInput,
    ) -> ApiResult<Option<ShareClaimPayload>> {
        ctx.viewer().account()?;
        let offered =
            async { orders::share_claim(ctx.app(), ctx.viewer(), decode(&input.claim_id, "claimId")?).await };
        let (offer, errors) = outcome(offered.await)?;
        let (claim, token, expires_at) = match offer {
            Some(offer) => (Some(offer.claim.into()), Some(offer.token), Some(offer.expires_at.into())),
            None => (None, None, None),
        };
        Ok(Some(ShareClaimPayload { claim, token, expires_at, errors }))
    }

    /// Accepts an offered claim. It moves into your bag with a new code, and the old code becomes invalid.
    async fn accept_claim(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `acceptClaim`.")] input: AcceptClaimInput,
    ) -> ApiResult<Option<AcceptClaimPayload>> {
        ctx.viewer().account()?;
        let accepted = orders::accept_claim(ctx.app(), ctx.viewer(), &input.token).await;
        let (claim, errors) = outcome(accepted.map(Claim::from))?;
        Ok(Some(AcceptClaimPayload { claim, errors }))
    }

    /// Redeems a claim at a counter, exactly once, or takes an amount from a gift card. Requires a scanner of the
    /// coupon's shop.
    async fn redeem_claim(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `redeemClaim`.")] input: RedeemClaimInput,
    ) -> ApiResult<Option<RedeemClaimPayload>> {
        ctx.viewer().user()?;
        let (redeemed, errors) = outcome(input.redeem(ctx).await)?;
        let Some(Redeemed { claim, redemption }) = redeemed else {
            return Ok(Some(RedeemClaimPayload { claim: None, amount: None, redeemed_at: None, errors }));
        };
        let currency = Terms::from_json(&claim.terms)?.currency;
        let amount = redemption.amount_minor.map(|minor| Money::of(minor, &currency));
        Ok(Some(RedeemClaimPayload {
            claim: Some(claim.into()),
            amount,
            redeemed_at: Some(redemption.at.into()),
            errors,
        }))
    }
}

impl RedeemClaimInput {
    async fn redeem(self, ctx: &Context<'_>) -> Result<Redeemed, Refusal> {
        let shop = self.shop_id.as_ref().map(|id| decode(id, "shopId")).transpose()?;
        let amount = match &self.amount {
            Some(amount) => Some((amount.minor(&amount.currency.0, "amount")?, amount.currency.0.clone())),
            None => None,
        };
        let redeem = Redeem { shop, code: self.code, amount, key: self.idempotency_key };
        orders::redeem_claim(ctx.app(), ctx.viewer(), redeem).await
    }
}
