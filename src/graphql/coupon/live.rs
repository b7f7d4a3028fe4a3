//! Coupons, live: how many are left, for everybody, and how many stand where, for the vendor.

use async_graphql::{Context, ID, SimpleObject, Subscription};
use entity::CouponId;
use futures_util::{Stream, StreamExt};

use crate::{
    app::App,
    coupon::{counts, find, rules},
    error::{Fault, Faulty},
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

/// How many of a coupon are left at one version. Each message stands for itself.
#[derive(Clone, Debug, SimpleObject)]
pub struct CouponAvailability {
    /// The version that this follows: the `version` of the message before, or the one that you gave as `after`; null
    /// where it follows nothing, as the first message.
    after: Option<Long>,
    /// Raised by one with every change; give it as `after` when you subscribe again.
    version: Long,
    /// How many can be claimed or reserved; null: as many as are wanted.
    left: Option<u32>,
}

/// How many copies of a coupon stand where.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct CouponStages {
    /// How many there are; null: as many as are wanted.
    created: Option<u32>,
    /// How many can still be claimed or reserved; null where there are as many as are wanted, and for drafts.
    published: Option<u32>,
    /// Reserved or being paid.
    reserved: u32,
    /// In their holders' hands, bound to unpaid orders included.
    claimed: u32,
    /// Used up.
    redeemed: u32,
    /// Their time is up.
    expired: u32,
    /// Taken back by refunds.
    revoked: u32,
    /// Given back by their holders.
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

/// Subscriptions.
#[derive(Debug, Default)]
pub struct CouponSubscription;

#[Subscription]
impl CouponSubscription {
    /// How many of a coupon are left, and every change of it, in order and without a gap. Begins with how it is now or,
    /// when `after` is a version that is still kept, with the changes after it; changes that come faster than they are
    /// told are told as one. After a disconnection, subscribe again with the last `version` as `after`.
    async fn coupon_availability(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of which coupon; it must be published and listed.")] coupon_id: ID,
        #[graphql(desc = "The version that you have; from how it is now when left out.")] after: Option<Long>,
    ) -> Result<impl Stream<Item = ApiResult<CouponAvailability>> + use<>, ApiError> {
        let id: CouponId = decode(&coupon_id, "couponId")?;
        let coupon = find::coupon(ctx.app(), ctx.viewer(), id).await?;
        if !rules::is_known(&coupon, ctx.app().clock.now()) {
            return Err(Fault::NotFound("coupon").into());
        }
        let (app, progress) = (ctx.app().clone(), ctx.progress().clone());
        let window =
            progress.window().unwrap_or(after.map_or(Window::Whole, |version| Window::After(version.0)));
        Ok(messages(&app, id.into(), window).then(move |message| {
            let (app, progress) = (app.clone(), progress.clone());
            async move {
                let message = message?;
                progress.tell(Span::of(&message));
                told(&app, id, message).await.map_err(ApiError::from)
            }
        }))
    }

    /// How many of a coupon stand where, now and after every change, told at most once a second. For those who work for its
    /// shop.
    async fn coupon_stages(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of which coupon.")] coupon_id: ID,
    ) -> Result<impl Stream<Item = ApiResult<CouponStages>> + use<>, ApiError> {
        let id: CouponId = decode(&coupon_id, "couponId")?;
        let stream = counts::watch(ctx.app(), ctx.viewer(), id).await?;
        Ok(stream.map(|next| next.map(CouponStages::from).map_err(ApiError::from)))
    }
}

async fn told(app: &App, id: CouponId, message: Message) -> Faulty<CouponAvailability> {
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
                // Nothing of it changed, so it is what it is now, or what a later message tells again.
                let now = feed::availability(app, id.into()).await?;
                now.areas.first().map(crate::inventory::Area::available)
            };
            let (after, version) = (Some(Long(delta.after)), Long(delta.version));
            Ok(CouponAvailability { after, version, left: left(available) })
        }
    }
}
