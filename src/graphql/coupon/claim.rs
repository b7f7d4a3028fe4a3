//! Claims in the API, and the bag that contains them.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject, Subscription};
use base64::{Engine, engine::general_purpose::STANDARD};
use entity::{AccountId, claim as row};
use futures_util::{Stream, StreamExt};
use uuid::Uuid;

use super::{ClaimError, ClaimTerms, Coupon, ReleaseClaimError};
use crate::{
    barcode::{Code128, QrCode, qr::Scale},
    coupon::{
        bag,
        claim::{self as claims, ClaimCoupon, Refusal},
        code::Code,
        state::claim_status,
        terms::Terms,
    },
    error::{Fault, Result},
    graphql::{
        context::ContextExt,
        error::{ApiError, ApiResult, found, not_allowed, outcome},
        id::{BAG, decode, encode, encode_as},
        order::{LineOf, Order, OrderLine},
        page::{Connected, PageArgs, connection},
        scalar::{Instant, Long, Money},
        shop::Shop,
        ticket::{TicketConnection, tickets_of_viewer},
        weight::{PICTURE_BARCODE, PICTURE_CLAIM},
    },
    order as orders,
};

/// A page of claims.
pub(crate) type ClaimConnection = Connected<Uuid, Claim>;

/// The status of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "row::ClaimState")]
pub enum ClaimStatus {
    /// The claim is in its holder's bag and can be used.
    Claimed,
    /// The claim is bound to an unpaid order.
    Reserved,
    /// The claim is used up.
    Redeemed,
    /// The claim's validity has ended.
    Expired,
    /// A refund revoked the claim.
    Revoked,
    /// The holder returned the claim.
    Released,
}

/// A claimed copy of a coupon, in its holder's bag. Its terms stay as they were at the time of the claim.
#[derive(Clone, Debug)]
pub struct Claim {
    row: row::Model,
    /// The order that gives the viewer the holder's rights, because the viewer is its buyer or has its access token.
    opened: Option<Order>,
}

impl From<row::Model> for Claim {
    fn from(row: row::Model) -> Self {
        Self { row, opened: None }
    }
}

/// A claimed copy of a coupon, in its holder's bag. Its terms stay as they were at the time of the claim.
#[Object]
impl Claim {
    /// The global id.
    pub async fn id(&self) -> ID {
        encode(self.row.id)
    }

    /// Increases with every change.
    async fn version(&self) -> Long {
        Long(self.row.version)
    }

    /// When the claim was last changed. A claim that expires does not change; see `validUntil`.
    async fn updated_at(&self) -> Instant {
        self.row.updated_at.into()
    }

    /// The current status. It depends on the time: a claim expires when its validity ends.
    async fn status(&self, ctx: &Context<'_>) -> ClaimStatus {
        claim_status(&self.row, ctx.app().clock.now()).into()
    }

    /// The coupon in its current form. Its terms may differ from the claim's terms.
    async fn coupon(&self, ctx: &Context<'_>) -> ApiResult<Coupon> {
        Coupon::of(ctx, self.row.coupon_id).await
    }

    /// The shop that issued the coupon.
    async fn shop(&self, ctx: &Context<'_>) -> ApiResult<Shop> {
        Shop::of(ctx, self.row.shop_id).await
    }

    /// The terms at the time of the claim.
    async fn terms(&self) -> ApiResult<ClaimTerms> {
        Ok(ClaimTerms(Terms::from_json(&self.row.terms)?))
    }

    /// The coupon's title at the time of the claim, as plain text.
    async fn title(&self) -> ApiResult<String> {
        Ok(Terms::from_json(&self.row.terms)?.title)
    }

    /// The code to show at a counter or to enter at the checkout. Null if the claim is used up, expired, revoked or
    /// released. Only the holder can read it; otherwise the error is `FORBIDDEN`.
    async fn code(&self, ctx: &Context<'_>) -> ApiResult<Option<String>> {
        Ok(self.code_for_holder(ctx)?.map(|code| code.to_string()))
    }

    /// The code as a QR code, an SVG document. Null if `code` is null.
    async fn qr_svg(&self, ctx: &Context<'_>) -> ApiResult<Option<String>> {
        let Some(qr) = self.qr(ctx)? else { return Ok(None) };
        Ok(Some(ctx.budget().text(qr.svg(Scale::DEFAULT))?))
    }

    /// The code as a QR code, a PNG file in base64. Null if `code` is null.
    async fn qr_png(&self, ctx: &Context<'_>) -> ApiResult<Option<String>> {
        let Some(qr) = self.qr(ctx)? else { return Ok(None) };
        Ok(Some(ctx.budget().text(STANDARD.encode(qr.png(Scale::DEFAULT).map_err(Fault::internal)?))?))
    }

    /// The code as a Code 128 barcode, an SVG document. Null if `code` is null.
    async fn barcode_svg(&self, ctx: &Context<'_>) -> ApiResult<Option<String>> {
        let Some(barcode) = self.code128(ctx)? else { return Ok(None) };
        Ok(Some(ctx.budget().text(barcode.svg())?))
    }

    /// The code as a Code 128 barcode, a PNG file in base64. Null if `code` is null.
    async fn barcode_png(&self, ctx: &Context<'_>) -> ApiResult<Option<String>> {
        let Some(barcode) = self.code128(ctx)? else { return Ok(None) };
        Ok(Some(ctx.budget().text(STANDARD.encode(barcode.png().map_err(Fault::internal)?))?))
    }

    /// Whether the holder may give the claim to another account with `shareClaim`.
    async fn shareable(&self) -> ApiResult<bool> {
        Ok(Terms::from_json(&self.row.terms)?.shareable)
    }

    /// The original value of a gift card. Null for other kinds.
    async fn face(&self) -> ApiResult<Option<Money>> {
        self.money(self.row.face_minor)
    }

    /// The remaining value of a gift card. Null for other kinds.
    async fn balance(&self) -> ApiResult<Option<Money>> {
        self.money(self.row.balance_minor)
    }

    /// When the claim becomes valid.
    async fn valid_from(&self) -> Instant {
        self.row.valid_from.into()
    }

    /// When the claim's validity ends. Null if it never ends.
    async fn valid_until(&self) -> Option<Instant> {
        self.row.valid_until.map(Into::into)
    }

    /// The order that the claim is bound to or was last used in. Null if there is none. If you may not see that order,
    /// the error is `FORBIDDEN`.
    async fn order(&self, ctx: &Context<'_>) -> ApiResult<Option<Order>> {
        let Some(id) = self.row.order_id else { return Ok(None) };
        Ok(Some(Order::visible(ctx, id).await?.ok_or_else(|| not_allowed(ctx.viewer()))?))
    }

    /// The order line that paid for the claim. Null if the claim was free. If you may not see that order, the error is
    /// `FORBIDDEN`.
    async fn purchase(&self, ctx: &Context<'_>) -> ApiResult<Option<OrderLine>> {
        let Some(id) = self.row.order_line_id else { return Ok(None) };
        let Some(line) = ctx.loaders().one(LineOf(id)).await? else { return Ok(None) };
        let order = match &self.opened {
            Some(order) => Some(order.clone()),
            None => Order::visible(ctx, line.order_id).await?,
        };
        let order = order.ok_or_else(|| not_allowed(ctx.viewer()))?;
        Ok(Some(OrderLine::of(line, &order)))
    }

    /// When the coupon was claimed.
    async fn claimed_at(&self) -> Instant {
        self.row.claimed_at.into()
    }

    /// When the claim was used up. Null if it was not.
    async fn redeemed_at(&self) -> Option<Instant> {
        self.row.redeemed_at.map(Into::into)
    }

    /// When this access code first unlocked places for you. Null if it has not, or if the claim is not an access code.
    /// The code keeps unlocking places until its validity ends. From this time on, the claim cannot be shared, released
    /// or refunded.
    async fn opened_at(&self) -> Option<Instant> {
        self.row.opened_at.map(Into::into)
    }
}

impl Claim {
    /// Wraps a claim that was bought with `order`, for the order's buyer or a viewer with its access token.
    pub(crate) fn opened(row: row::Model, order: &Order) -> Self {
        Self { row, opened: Some(order.clone()) }
    }

    /// Returns the code, or `None` if it is not valid any more. Only the holder may read it.
    pub(super) fn code_for_holder(&self, ctx: &Context<'_>) -> ApiResult<Option<Code>> {
        if self.opened.is_none() && ctx.viewer().account().ok() != Some(self.row.account_id) {
            return Err(not_allowed(ctx.viewer()));
        }
        let is_good = matches!(
            claim_status(&self.row, ctx.app().clock.now()),
            row::ClaimState::Claimed | row::ClaimState::Reserved
        );
        Ok(if is_good { Code::parse(&self.row.code) } else { None })
    }

    fn qr(&self, ctx: &Context<'_>) -> ApiResult<Option<QrCode>> {
        ctx.budget().charge(PICTURE_CLAIM, 0)?;
        let code = self.code_for_holder(ctx)?;
        Ok(code.map(|code| QrCode::try_new(code.as_str()).map_err(Fault::internal)).transpose()?)
    }

    fn code128(&self, ctx: &Context<'_>) -> ApiResult<Option<Code128>> {
        ctx.budget().charge(PICTURE_BARCODE, 0)?;
        let code = self.code_for_holder(ctx)?;
        Ok(code.map(|code| Code128::try_new(code.as_str()).map_err(Fault::internal)).transpose()?)
    }

    fn money(&self, minor: Option<i64>) -> ApiResult<Option<Money>> {
        let Some(minor) = minor else { return Ok(None) };
        Ok(Some(Money::of(minor, &Terms::from_json(&self.row.terms)?.currency)))
    }
}

/// Your claims and your tickets.
#[derive(Clone, Copy, Debug)]
pub struct Bag(pub(crate) AccountId);

/// Your claims and your tickets.
#[Object]
impl Bag {
    /// The global id.
    pub async fn id(&self) -> ID {
        encode_as(BAG, self.0.0)
    }

    /// Your claims, newest first, including used and expired ones. Claims that you released or gave away are excluded.
    #[expect(clippy::too_many_arguments, reason = "the four arguments that Relay gives every connection")]
    async fn claims(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Returns only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns only items before this cursor.")] before: Option<String>,
        #[graphql(desc = "Number of items from the start, 1 to 100. Defaults to 20.")] first: Option<i32>,
        #[graphql(desc = "Number of items from the end, 1 to 100. Do not combine with `first`.")]
        last: Option<i32>,
    ) -> ApiResult<ClaimConnection> {
        let window = PageArgs { after, before, first, last }.window()?;
        let page = claims::of_account(ctx.app(), self.0, window).await?;
        Ok(connection(page, |row| (row.id.0, Claim::from(row))))
    }

    /// Your tickets, newest first.
    #[expect(clippy::too_many_arguments, reason = "the four arguments that Relay gives every connection")]
    async fn tickets(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Returns only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns only items before this cursor.")] before: Option<String>,
        #[graphql(desc = "Number of items from the start, 1 to 100. Defaults to 20.")] first: Option<i32>,
        #[graphql(desc = "Number of items from the end, 1 to 100. Do not combine with `first`.")]
        last: Option<i32>,
    ) -> ApiResult<TicketConnection> {
        tickets_of_viewer(ctx, PageArgs { after, before, first, last }).await
    }
}

/// Input of `claimCoupon`.
#[derive(Debug, InputObject)]
pub struct ClaimCouponInput {
    /// The id of a free coupon.
    coupon_id: ID,
    /// Your own key, 8 to 255 characters. Repeated calls with the same key and coupon have one effect and the same
    /// result.
    idempotency_key: String,
}

/// Input of `releaseClaim`.
#[derive(Debug, InputObject)]
pub struct ReleaseClaimInput {
    /// The id of a claim that you hold.
    claim_id: ID,
}

/// The result of `releaseClaim`.
#[derive(Debug, SimpleObject)]
pub struct ReleaseClaimPayload {
    /// The released claim. Null if `errors` is not empty.
    claim: Option<Claim>,
    /// Why the mutation failed. Empty if it succeeded.
    errors: Vec<ReleaseClaimError>,
}

/// The result of `claimCoupon` and `claimCode`.
#[derive(Debug, SimpleObject)]
pub struct ClaimPayload {
    /// The claim. Null if `errors` is not empty.
    claim: Option<Claim>,
    /// Why the mutation failed. Empty if it succeeded.
    errors: Vec<ClaimError>,
}

impl ClaimPayload {
    pub(super) fn of(result: Result<row::Model, Refusal>) -> ApiResult<Option<Self>> {
        let (claim, errors) = outcome(result.map(Claim::from))?;
        Ok(Some(Self { claim, errors }))
    }
}

/// The queries of this slice.
#[derive(Debug, Default)]
pub struct ClaimQuery;

#[Object]
impl ClaimQuery {
    /// Returns a claim that you hold. Null if there is none with this id, or if you do not hold it.
    async fn claim(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of the claim.")] id: ID,
    ) -> ApiResult<Option<Claim>> {
        ctx.viewer().account()?;
        Ok(found(claims::owned(ctx.app(), ctx.viewer(), decode(&id, "id")?).await)?.map(Claim::from))
    }
}

/// The mutations of this slice.
#[derive(Debug, Default)]
pub struct ClaimMutation;

#[Object]
impl ClaimMutation {
    /// Claims one copy of a free coupon and puts it into your bag. Guests can call it too; see `createGuestSession`.
    async fn claim_coupon(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `claimCoupon`.")] input: ClaimCouponInput,
    ) -> ApiResult<Option<ClaimPayload>> {
        ctx.viewer().account()?;
        let claimed = async {
            let coupon = decode(&input.coupon_id, "couponId")?;
            let input = ClaimCoupon { coupon, key: input.idempotency_key };
            claims::claim(ctx.app(), ctx.viewer(), input).await
        };
        ClaimPayload::of(claimed.await)
    }

    /// Returns an unused claim of a free coupon. Its code becomes invalid, and another account can claim the copy.
    async fn release_claim(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `releaseClaim`.")] input: ReleaseClaimInput,
    ) -> ApiResult<Option<ReleaseClaimPayload>> {
        ctx.viewer().account()?;
        let released = async {
            orders::release_claim(ctx.app(), ctx.viewer(), decode(&input.claim_id, "claimId")?).await
        };
        let (claim, errors) = outcome(released.await.map(Claim::from))?;
        Ok(Some(ReleaseClaimPayload { claim, errors }))
    }
}

/// The subscriptions of this slice.
#[derive(Debug, Default)]
pub struct BagSubscription;

#[Subscription]
impl BagSubscription {
    /// Streams your bag: once at the start and after every change.
    async fn bag(
        &self,
        ctx: &Context<'_>,
    ) -> std::result::Result<impl Stream<Item = ApiResult<Bag>> + use<>, ApiError> {
        let changes = bag::watch(ctx.app(), ctx.viewer())?;
        let account = ctx.viewer().account()?;
        Ok(changes.map(move |()| Ok(Bag(account))))
    }
}
