//! Coupon subscriptions: the remaining stock for the public, and the copies in each state for the vendor.

use async_graphql::{Context, ID, SimpleObject, Subscription};
use entity::CouponId;
use futures_util::{Stream, StreamExt};

use crate::{
    app::App,
    coupon::{counts, find, rules},
    error::{Fault, FaultResult, Object},
    graphql::{
        availability::messages,
        context::ContextExt,
        error::{ApiError, ApiResult},
        id::decode,
        progress::{Span, Window},
        scalar::Long,
    },
    inventory::feed::{self, Message},
};

/// The remaining stock of a coupon at one version. Each message is complete in itself.
#[derive(Clone, Debug, SimpleObject)]
pub struct CouponAvailability {
    /// The version that this message follows: the `version` of the previous message, or your `after` argument. Null if
    /// it follows none, as the first message does.
    after: Option<Long>,
    /// Increases by one with every change. Send it as `after` when you subscribe again.
    version: Long,
    /// Number of copies that can be claimed or reserved. Null if the stock is unlimited.
    left: Option<u32>,
}

/// Number of a coupon's copies in each state.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct CouponStages {
    /// Number of all copies. Null if the stock is unlimited.
    created: Option<u32>,
    /// Number of copies that can still be claimed or reserved. Null if the stock is unlimited, and for drafts.
    published: Option<u32>,
    /// Number of copies that are reserved or being paid.
    reserved: u32,
    /// Number of copies that their holders can use, including those bound to unpaid orders.
    claimed: u32,
    /// The claim is used up.
    redeemed: u32,
    /// Number of claims whose validity has ended.
    expired: u32,
    /// Number of claims that refunds revoked.
    revoked: u32,
    /// Number of claims that their holders released.
    released: u32,
}

impl From<counts::CouponCounts> for CouponStages {
    fn from(counts: counts::CouponCounts) -> Self {
        Self {
            created: counts.created,
            published: counts.published,
            reserved: counts.reserved,
            claimed: counts.claimed,
            redeemed: counts.redeemed,
            expired: counts.expired,
            revoked: counts.revoked,
            released: counts.released,
        }
    }
}

/// The subscriptions of this slice.
#[derive(Debug, Default)]
pub struct CouponSubscription;

#[Subscription]
impl CouponSubscription {
    /// Streams the remaining stock of a coupon. The stream starts with the current state, or with the missed changes if
    /// `after` is a version that the server still keeps. Then it sends every change, in order and without gaps. If
    /// changes arrive faster than they can be delivered, they are merged. After a disconnection, subscribe again and
    /// send the last `version` as `after`.
    async fn coupon_availability(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of a published, listed coupon.")] coupon_id: ID,
        #[graphql(
            desc = "The version that you already have. If omitted, the stream starts with the current state."
        )]
        after: Option<Long>,
    ) -> Result<impl Stream<Item = ApiResult<CouponAvailability>> + use<>, ApiError> {
        let id: CouponId = decode(&coupon_id, "couponId")?;
        let coupon = find::coupon(ctx.app(), ctx.viewer(), id).await?;
        if !rules::is_known(&coupon, ctx.app().clock.now()) {
            return Err(Fault::NotFound(Object::Coupon).into());
        }
        let (app, progress) = (ctx.app().clone(), ctx.progress().clone());
        let window =
            progress.window().unwrap_or(after.map_or(Window::Whole, |version| Window::After(version.0)));
        Ok(messages(&app, id.into(), window).then(move |message| {
            let (app, progress) = (app.clone(), progress.clone());
            async move {
                let message = message?;
                progress.record(Span::of(&message));
                availability_of(&app, id, message).await.map_err(ApiError::from)
            }
        }))
    }

    /// Streams the number of a coupon's copies in each state: once at the start and after every change, at most once
    /// per second. Requires a member of the coupon's shop.
    async fn coupon_stages(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of the coupon.")] coupon_id: ID,
    ) -> Result<impl Stream<Item = ApiResult<CouponStages>> + use<>, ApiError> {
        let id: CouponId = decode(&coupon_id, "couponId")?;
        let stream = counts::watch(ctx.app(), ctx.viewer(), id).await?;
        Ok(stream.map(|next| next.map(CouponStages::from).map_err(ApiError::from)))
    }
}

async fn availability_of(app: &App, id: CouponId, message: Message) -> FaultResult<CouponAvailability> {
    let left = |available: Option<u32>| available.and_then(rules::left);
    match message {
        Message::Snapshot(all) => Ok(CouponAvailability {
            after: None,
            version: Long(all.version),
            left: left(all.areas.first().map(crate::inventory::Area::available)),
        }),
        Message::Delta(delta) => {
            let available = if let Some((_, available)) = delta.areas.first_key_value() {
                Some(*available)
            } else {
                // The stock did not change in this message, so the current value is valid, or a later message corrects it.
                let now = feed::availability(app, id.into()).await?;
                now.areas.first().map(crate::inventory::Area::available)
            };
            let (after, version) = (Some(Long(delta.after)), Long(delta.version));
            Ok(CouponAvailability { after, version, left: left(available) })
        }
    }
}
