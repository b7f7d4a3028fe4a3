//! Claims in the API: coupons in the hands of their holders, and the bag that they are in.

use async_graphql::{
    Context, Enum, ID, InputObject, Object, SimpleObject, Subscription,
    connection::{Connection, EmptyFields},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use entity::claim as row;
use futures_util::{Stream, StreamExt};
use uuid::Uuid;

use super::{ClaimError, ClaimTerms, Coupon};
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
        error::{ApiError, ApiResult, found, outcome},
        id::{decode, encode},
        order::{Order, VisibleOrder},
        page::{Cursor, PageArgs, connection},
        scalar::{Long, Money},
        ticket::{TicketConnection, tickets_of_viewer},
        weight::{PICTURE_BARCODE, PICTURE_CLAIM},
    },
    order as orders,
};

/// A page of claims.
pub(crate) type ClaimConnection = Connection<Cursor<Uuid>, Claim, EmptyFields>;

/// Where a claim stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "row::ClaimState")]
pub enum ClaimState {
    /// In its holder's bag.
    Claimed,
    /// Bound to an order that is not paid yet.
    Reserved,
    /// Used up.
    Redeemed,
    /// Its time is up.
    Expired,
    /// Taken back by a refund.
    Revoked,
    /// Given back by its holder.
    Released,
}

/// A coupon in the hands of its holder. What it promises stays as it was when it was claimed.
#[derive(Clone, Debug)]
pub struct Claim {
    row: row::Model,
    /// Shown to whoever has the token of the order that it was bought in, and so is its holder.
    opened: bool,
}

impl From<row::Model> for Claim {
    fn from(row: row::Model) -> Self {
        Self { row, opened: false }
    }
}

/// A coupon in the hands of its holder. What it promises stays as it was when it was claimed.
#[Object]
impl Claim {
    /// Globally unique.
    pub async fn id(&self) -> ID {
        encode(self.row.id)
    }

    /// Raised by every change.
    async fn version(&self) -> Long {
        Long(self.row.version)
    }

    /// Where it stands now.
    async fn state(&self, ctx: &Context<'_>) -> ClaimState {
        claim_status(&self.row, ctx.app().clock.now()).into()
    }

    /// The coupon as it is now.
    async fn coupon(&self, ctx: &Context<'_>) -> ApiResult<Coupon> {
        Coupon::of(ctx, self.row.coupon_id).await
    }

    /// What it promises, as it was when it was claimed.
    async fn terms(&self) -> ApiResult<ClaimTerms> {
        Ok(ClaimTerms(Terms::from_json(&self.row.terms)?))
    }

    /// What it was called when it was claimed.
    async fn title(&self) -> ApiResult<String> {
        Ok(Terms::from_json(&self.row.terms)?.title)
    }

    /// The code to show at a counter or to type at the checkout. Null for whoever does not hold it, and once it is used
    /// up, over or gone.
    async fn code(&self, ctx: &Context<'_>) -> Option<String> {
        self.code_for_holder(ctx).map(|code| code.to_string())
    }

    /// The code as a QR code: an SVG document. Null where `code` is.
    async fn qr_svg(&self, ctx: &Context<'_>) -> ApiResult<Option<String>> {
        let Some(qr) = self.qr(ctx)? else { return Ok(None) };
        Ok(Some(ctx.budget().text(qr.svg(Scale::DEFAULT))?))
    }

    /// The code as a QR code: a PNG file, in base 64. Null where `code` is.
    async fn qr_png(&self, ctx: &Context<'_>) -> ApiResult<Option<String>> {
        let Some(qr) = self.qr(ctx)? else { return Ok(None) };
        Ok(Some(ctx.budget().text(STANDARD.encode(qr.png(Scale::DEFAULT).map_err(Fault::internal)?))?))
    }

    /// The code as a Code 128 barcode: an SVG document. Null where `code` is.
    async fn barcode_svg(&self, ctx: &Context<'_>) -> ApiResult<Option<String>> {
        let Some(barcode) = self.code128(ctx)? else { return Ok(None) };
        Ok(Some(ctx.budget().text(barcode.svg())?))
    }

    /// The code as a Code 128 barcode: a PNG file, in base 64. Null where `code` is.
    async fn barcode_png(&self, ctx: &Context<'_>) -> ApiResult<Option<String>> {
        let Some(barcode) = self.code128(ctx)? else { return Ok(None) };
        Ok(Some(ctx.budget().text(STANDARD.encode(barcode.png().map_err(Fault::internal)?))?))
    }

    /// Whether you may give it to somebody else.
    async fn shareable(&self) -> ApiResult<bool> {
        Ok(Terms::from_json(&self.row.terms)?.shareable)
    }

    /// What a gift card was worth.
    async fn face(&self) -> ApiResult<Option<Money>> {
        self.money(self.row.face_minor)
    }

    /// What is left on a gift card.
    async fn balance(&self) -> ApiResult<Option<Money>> {
        self.money(self.row.balance_minor)
    }

    /// Valid from here …
    async fn valid_from(&self) -> DateTime<Utc> {
        self.row.valid_from
    }

    /// … until here; null: for ever.
    async fn valid_until(&self) -> Option<DateTime<Utc>> {
        self.row.valid_until
    }

    /// The order that it is bound to, or was last spent in.
    async fn order(&self, ctx: &Context<'_>) -> ApiResult<Option<Order>> {
        let Some(id) = self.row.order_id else { return Ok(None) };
        Ok(ctx.loaders().one(VisibleOrder(id)).await?.map(Order::from))
    }

    /// When it was claimed.
    async fn claimed_at(&self) -> DateTime<Utc> {
        self.row.claimed_at
    }

    /// When it was used up.
    async fn redeemed_at(&self) -> Option<DateTime<Utc>> {
        self.row.redeemed_at
    }

    /// When it first opened places to you, if it is an access code. It goes on opening them until its time is up, but from
    /// then on it cannot be given to somebody else, given back or refunded.
    async fn opened_at(&self) -> Option<DateTime<Utc>> {
        self.row.opened_at
    }
}

impl Claim {
    /// For whoever has its holder's rights by an order's token.
    pub(crate) fn opened(row: row::Model) -> Self {
        Self { row, opened: true }
    }

    pub(super) fn code_for_holder(&self, ctx: &Context<'_>) -> Option<Code> {
        let is_holder = ctx.viewer().account().is_ok_and(|account| account == self.row.account_id);
        let is_good = matches!(
            claim_status(&self.row, ctx.app().clock.now()),
            row::ClaimState::Claimed | row::ClaimState::Reserved
        );
        if (is_holder || self.opened) && is_good { Code::parse(&self.row.code) } else { None }
    }

    fn qr(&self, ctx: &Context<'_>) -> ApiResult<Option<QrCode>> {
        ctx.budget().charge(PICTURE_CLAIM, 0)?;
        let code = self.code_for_holder(ctx);
        Ok(code.map(|code| QrCode::try_new(code.as_str()).map_err(Fault::internal)).transpose()?)
    }

    fn code128(&self, ctx: &Context<'_>) -> ApiResult<Option<Code128>> {
        ctx.budget().charge(PICTURE_BARCODE, 0)?;
        let code = self.code_for_holder(ctx);
        Ok(code.map(|code| Code128::try_new(code.as_str()).map_err(Fault::internal)).transpose()?)
    }

    fn money(&self, minor: Option<i64>) -> ApiResult<Option<Money>> {
        let Some(minor) = minor else { return Ok(None) };
        Ok(Some(Money::of(minor, &Terms::from_json(&self.row.terms)?.currency)))
    }
}

/// What you hold.
#[derive(Clone, Copy, Debug)]
pub struct Bag;

/// What you hold.
#[Object]
impl Bag {
    /// Your claims of coupons, newest first, used and expired ones too; not those that you gave back or away.
    #[expect(clippy::too_many_arguments, reason = "the four arguments that Relay gives every connection")]
    async fn claims(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "After this cursor.")] after: Option<String>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "The first so many, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "The last so many, 1 to 100.")] last: Option<i32>,
    ) -> ApiResult<ClaimConnection> {
        let window = PageArgs { after, before, first, last }.window()?;
        let page = claims::of_account(ctx.app(), ctx.viewer().account()?, window).await?;
        Ok(connection(page, EmptyFields, |row| (row.id.0, Claim::from(row))))
    }

    /// Your tickets, newest first.
    #[expect(clippy::too_many_arguments, reason = "the four arguments that Relay gives every connection")]
    async fn tickets(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "After this cursor.")] after: Option<String>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "The first so many, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "The last so many, 1 to 100.")] last: Option<i32>,
    ) -> ApiResult<TicketConnection> {
        tickets_of_viewer(ctx, PageArgs { after, before, first, last }).await
    }
}

/// What to claim.
#[derive(Debug, InputObject)]
pub struct ClaimCouponInput {
    /// A free coupon.
    coupon_id: ID,
    /// The same key with the same coupon has one effect and one answer, however often it is sent: 8 to 255 characters.
    idempotency_key: String,
}

/// What to give back.
#[derive(Debug, InputObject)]
pub struct ReleaseClaimInput {
    /// A claim of yours.
    claim_id: ID,
}

/// What became of it.
#[derive(Debug, SimpleObject)]
pub struct ClaimPayload {
    /// The claim; null if nothing was done.
    claim: Option<Claim>,
    /// Why nothing was done; empty if it was.
    errors: Vec<ClaimError>,
}

impl ClaimPayload {
    pub(super) fn of(result: Result<row::Model, Refusal>) -> ApiResult<Self> {
        let (claim, errors) = outcome(result.map(Claim::from))?;
        Ok(Self { claim, errors })
    }
}

/// Queries.
#[derive(Debug, Default)]
pub struct ClaimQuery;

#[Object]
impl ClaimQuery {
    /// A claim that you hold. Null otherwise.
    async fn claim(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The claim.")] id: ID,
    ) -> ApiResult<Option<Claim>> {
        ctx.viewer().account()?;
        Ok(found(claims::owned(ctx.app(), ctx.viewer(), decode(&id, "id")?).await)?.map(Claim::from))
    }
}

/// Mutations.
#[derive(Debug, Default)]
pub struct ClaimMutation;

#[Object]
impl ClaimMutation {
    /// Puts one copy of a free coupon into your bag. Guests may do this too: see `createGuestSession`.
    async fn claim_coupon(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to claim.")] input: ClaimCouponInput,
    ) -> ApiResult<ClaimPayload> {
        ctx.viewer().account()?;
        let claimed = async {
            let coupon = decode(&input.coupon_id, "couponId")?;
            let input = ClaimCoupon { coupon, key: input.idempotency_key };
            claims::claim(ctx.app(), ctx.viewer(), input).await
        };
        ClaimPayload::of(claimed.await)
    }

    /// Gives an unused free claim of yours back: its code dies, and somebody else may claim that copy.
    async fn release_claim(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to give back.")] input: ReleaseClaimInput,
    ) -> ApiResult<ClaimPayload> {
        ctx.viewer().account()?;
        let (app, viewer) = (ctx.app(), ctx.viewer());
        let release = async || claims::release(app, viewer, decode(&input.claim_id, "claimId")?).await;
        let mut released = release().await;
        if orders::has_freed(app, &released).await? {
            released = release().await;
        }
        ClaimPayload::of(released)
    }
}

/// Subscriptions.
#[derive(Debug, Default)]
pub struct BagSubscription;

#[Subscription]
impl BagSubscription {
    /// What you hold, now and after every change of it.
    async fn bag(
        &self,
        ctx: &Context<'_>,
    ) -> std::result::Result<impl Stream<Item = ApiResult<Bag>> + use<>, ApiError> {
        let changes = bag::watch(ctx.app(), ctx.viewer())?;
        Ok(changes.map(|()| Ok(Bag)))
    }
}
