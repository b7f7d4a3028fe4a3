//! Events and their lists in the API. The mutations are in `edit.rs`.

pub mod edit;
mod error;
mod list;
mod loaders;
pub mod price_range;
mod query;
pub mod reservation_rules;
pub mod seat_map;
pub mod series;
pub mod tier;
mod tier_loaders;

use std::sync::Arc;

use async_graphql::{Context, ID, Object};
use entity::{event, tier::Model as TierRow};

pub use self::{
    edit::EventMutation,
    error::{
        ChangeEventSeatMapError, CreateEventError, CreateEventsError, CreateTierError, DeleteEventError,
        DuplicateEventError, EventError, PublishEventsError, TierError,
    },
    list::{EventFilter, EventSort, EventSortField, EventStatus},
    query::EventQuery,
    seat_map::EventSeatMapMutation,
    series::SeriesMutation,
    tier::{Tier, TierMutation},
};
pub(crate) use self::{
    list::{EventArgs, EventConnection, event_connection},
    loaders::CountsOf,
    tier_loaders::TiersOf,
};
use self::{price_range::PriceRange, reservation_rules::ReservationRules};
use super::{
    admission::{EventAdmission, EventDate, derived_dates},
    availability::{AvailabilitySnapshot, charge},
    category::Category,
    context::ContextExt,
    coupon::{CouponArgs, CouponConnection, CouponFilter, CouponSort, coupon_connection},
    error::ApiResult,
    id::encode,
    long_text::{LongText, long_text},
    page::PageArgs,
    scalar::{Instant, Long},
    seat_map::{FocalPoint, MapOf, SeatMap},
    shop::{RoleIn, Shop},
    venue::Venue,
};
use crate::{
    coupon::access,
    error::{Fault, FaultResult, Object},
    event::rules,
    inventory::{Audience, feed, public_available},
    slug::IdOrSlug,
};

/// An event that people can attend. Drafts are visible to members of their shop only.
#[derive(Clone, Debug)]
pub struct Event(event::Model);

impl From<event::Model> for Event {
    fn from(row: event::Model) -> Self {
        Self(row)
    }
}

/// An event that people can attend. Drafts are visible to members of their shop only.
#[Object]
impl Event {
    /// The global id.
    pub async fn id(&self) -> ID {
        encode(self.0.id)
    }

    /// The unique name for URLs.
    async fn slug(&self) -> &str {
        &self.0.slug
    }

    /// The display name as plain text.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The description as plain text, not Markdown or HTML. May be empty.
    async fn description(&self, ctx: &Context<'_>) -> ApiResult<Arc<str>> {
        long_text(ctx, LongText::Event(self.0.id)).await
    }

    /// The current status. It depends on the state, the time and `seatsLeft`.
    async fn status(&self, ctx: &Context<'_>) -> ApiResult<EventStatus> {
        let available = match self.0.state {
            event::EventState::Published => self.free(ctx).await?.unwrap_or_default(),
            event::EventState::Draft | event::EventState::Cancelled => 0,
        };
        let available = u32::try_from(available).unwrap_or_default();
        Ok(rules::status(&self.0, available, ctx.app().clock.now()).into())
    }

    /// The start of the event.
    async fn starts_at(&self) -> Instant {
        self.0.starts_at.into()
    }

    /// The end of the event.
    async fn ends_at(&self) -> Instant {
        self.0.ends_at.into()
    }

    /// When tickets admit to the event, and how often.
    async fn admission(&self) -> EventAdmission {
        EventAdmission::of(&self.0)
    }

    /// The dates that follow from other dates, because the vendor has not set them. They move with the event.
    async fn derived_dates(&self) -> Vec<EventDate> {
        derived_dates(&self.0)
    }

    /// When sales begin.
    async fn sales_start(&self) -> Instant {
        self.0.sales_start.into()
    }

    /// When sales end. Then no places can be reserved. Reservations made before can still be extended and paid.
    async fn sales_end(&self) -> Instant {
        self.0.sales_end.into()
    }

    /// Until when buyers can refund their orders without the shop. Null for never. Buyers keep the date of their
    /// checkout if it is later; see `OrderLine.refundUntil`.
    async fn refund_until(&self) -> Option<Instant> {
        self.0.refund_until.map(Into::into)
    }

    /// The minutes before the start from which `refundUntil` follows. Null if it does not follow from the start.
    async fn refund_minutes_before_start(&self) -> Option<i32> {
        self.0.refund_minutes
    }

    /// The ISO 4217 code of the currency of all prices.
    async fn currency(&self) -> super::scalar::CurrencyCode {
        super::scalar::CurrencyCode(self.0.currency.clone())
    }

    /// Duration of a reservation in seconds.
    async fn reservation_seconds(&self) -> i32 {
        self.0.reservation_seconds
    }

    /// Maximum duration of a reservation in seconds, including all extensions.
    async fn reservation_seconds_max(&self) -> i32 {
        self.0.reservation_seconds_max
    }

    /// Maximum number of places per buyer.
    async fn limit_per_buyer(&self) -> i32 {
        self.0.limit_per_buyer
    }

    /// Whether the orphan rule applies. It refuses a pick of seats that leaves single seats behind if an equally large
    /// pick without them is possible. The error is `LEAVES_ORPHANS`.
    async fn orphan_rule(&self) -> bool {
        self.0.orphan_rule
    }

    /// Total seconds for which a buyer may keep reservations of this event without buying. Null for no limit.
    /// Reservation deadlines are shortened so that the total is not exceeded. A purchase resets the count.
    async fn reservation_budget_seconds(&self) -> Option<i32> {
        self.0.reservation_budget_seconds
    }

    /// Seconds that a buyer must wait after using up `reservationBudgetSeconds` (error `COOLING_DOWN`). Then the count
    /// restarts at zero.
    async fn cool_down_seconds(&self) -> i32 {
        self.0.cool_down_seconds
    }

    /// The event's rules against hoarding.
    async fn reservation_rules(&self) -> ReservationRules {
        ReservationRules::of(&self.0)
    }

    /// The id of the series to which the event belongs. Null if it was not created with others. To find all of them,
    /// send it to `events(filter: { seriesId })`.
    async fn series_id(&self) -> Option<ID> {
        self.0.series_id.map(encode)
    }

    /// Increases with every change of the event. Send it as `expectedVersion` when you edit the event. The event's
    /// availability has a separate version.
    async fn version(&self) -> Long {
        Long(self.0.version)
    }

    /// When the event was created.
    async fn created_at(&self) -> Instant {
        self.0.created_at.into()
    }

    /// When the event was last changed.
    async fn updated_at(&self) -> Instant {
        self.0.updated_at.into()
    }

    /// The shop that sells the event.
    async fn shop(&self, ctx: &Context<'_>) -> ApiResult<Shop> {
        Shop::of(ctx, self.0.shop_id).await
    }

    /// The venue of the event.
    async fn venue(&self, ctx: &Context<'_>) -> ApiResult<Venue> {
        Venue::of(ctx, self.0.venue_id).await
    }

    /// The category of the event.
    async fn category(&self, ctx: &Context<'_>) -> ApiResult<Category> {
        Category::of(ctx, self.0.category_id).await
    }

    /// The seat map on sale. It never changes, so clients can cache it permanently by id. An event can move to another
    /// seat map until its first place is reserved.
    async fn seat_map(&self, ctx: &Context<'_>) -> ApiResult<SeatMap> {
        let map = ctx.loaders().one(MapOf(self.0.seat_map_id)).await?;
        Ok(map.ok_or(Fault::NotFound(Object::SeatMap))?.into())
    }

    /// The point of the seat map that the best seats are closest to: the one that the vendor set for the event, or else
    /// the `focalPoint` of the seat map.
    async fn focal_point(&self, ctx: &Context<'_>) -> ApiResult<FocalPoint> {
        Ok(FocalPoint::of_event(ctx, &self.0).await?)
    }

    /// The tiers in their order, at most 100. Hidden tiers are visible to members of the shop only; see
    /// `tiersOpenedBy`.
    async fn tiers(&self, ctx: &Context<'_>) -> ApiResult<Vec<Tier>> {
        let mut tiers = self.price_levels(ctx).await?;
        if tiers.iter().any(|tier| tier.hidden) && !self.is_ours(ctx).await? {
            tiers.retain(|tier| !tier.hidden);
        }
        Ok(self.shown(tiers))
    }

    /// The hidden tiers that your access code unlocks. Empty if it unlocks none, whether or not the code exists. After
    /// too many wrong codes, the error is `RATE_LIMITED`.
    async fn tiers_opened_by(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The code of an access coupon in your bag.")] code: String,
    ) -> ApiResult<Vec<Tier>> {
        let opened = access::opened_to(ctx.app(), ctx.viewer(), self.0.id, &code).await?;
        let mut tiers = self.price_levels(ctx).await?;
        tiers.retain(|tier| opened.contains(&tier.id));
        Ok(self.shown(tiers))
    }

    /// The price range over all visible tiers, including fees and tax. Null while the event has no tiers.
    async fn price_range(&self, ctx: &Context<'_>) -> ApiResult<Option<PriceRange>> {
        Ok(PriceRange::of(&self.price_levels(ctx).await?, &self.0.currency))
    }

    /// Number of places that buyers can reserve now. Places in no tier and places in hidden tiers do not count. It is the
    /// same for all viewers; members of the shop see hidden tiers in `availability`. Null for drafts.
    async fn seats_left(&self, ctx: &Context<'_>) -> ApiResult<Option<i32>> {
        Ok(self.free(ctx).await?)
    }

    /// Number of all places.
    async fn capacity(&self, ctx: &Context<'_>) -> ApiResult<i32> {
        let map = ctx.loaders().one(MapOf(self.0.seat_map_id)).await?;
        Ok(map.map_or(0, |map| map.seat_count + map.area_capacity))
    }

    /// The current availability of every row, area and tier. Null for drafts. Members of the shop see hidden tiers and
    /// their places too. To follow changes, subscribe to `seatAvailability` with this `version` as `after`; members send
    /// `allTiers: true`. With an access code, read this field again instead.
    async fn availability(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "The code of an access coupon in your bag. The result then includes the hidden tiers that it \
            unlocks. A code that unlocks none has no effect, but counts as a wrong code, as in `tiersOpenedBy`."
        )]
        access_code: Option<String>,
    ) -> ApiResult<Option<AvailabilitySnapshot>> {
        let opened = match access_code {
            Some(code) => access::opened_to(ctx.app(), ctx.viewer(), self.0.id, &code).await?,
            None => Vec::new(),
        };
        if self.0.state == event::EventState::Draft {
            return Ok(None);
        }
        let is_ours = self.is_ours(ctx).await?;
        let audience = if is_ours { Audience::Shop } else { Audience::Buyer(&opened) };
        let availability = feed::availability_for(ctx.app(), self.0.id.into(), audience).await?;
        charge(ctx, &availability)?;
        if is_ours {
            ctx.progress().read_other();
        } else {
            ctx.progress().read(self.0.id.into(), availability.version);
        }
        // Read after the availability, so that prices are never older than its version.
        let tiers = self.price_levels(ctx).await?;
        Ok(Some(AvailabilitySnapshot::new(ctx.app(), &self.0, availability, tiers).await?))
    }

    /// The coupons that are shown with the event and that you may see.
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a connection, the filter and the sort order"
    )]
    async fn coupons(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The filter. If omitted, all of these coupons.")] filter: Option<CouponFilter>,
        #[graphql(desc = "The sort order. If omitted, the newest come first.")] sort: Option<CouponSort>,
        #[graphql(desc = "Returns only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns only items before this cursor.")] before: Option<String>,
        #[graphql(desc = "Number of items from the start, 1 to 100. Defaults to 20.")] first: Option<i32>,
        #[graphql(desc = "Number of items from the end, 1 to 100. Do not combine with `first`.")]
        last: Option<i32>,
    ) -> ApiResult<CouponConnection> {
        let (page, id) = (PageArgs { after, before, first, last }, self.0.id);
        coupon_connection(ctx, CouponArgs { filter, sort, page }, |filter| {
            filter.events.push(IdOrSlug::Id(id));
        })
        .await
    }
}

impl Event {
    async fn price_levels(&self, ctx: &Context<'_>) -> FaultResult<Vec<TierRow>> {
        Ok(ctx.loaders().one(TiersOf(self.0.id)).await?.unwrap_or_default())
    }

    fn shown(&self, tiers: Vec<TierRow>) -> Vec<Tier> {
        tiers.into_iter().map(|tier| Tier::new(tier, &self.0)).collect()
    }

    async fn is_ours(&self, ctx: &Context<'_>) -> FaultResult<bool> {
        Ok(ctx.loaders().one(RoleIn(self.0.shop_id)).await?.is_some())
    }

    /// Returns how many places the public can reserve. The filter of lists reads the same number.
    async fn free(&self, ctx: &Context<'_>) -> FaultResult<Option<i32>> {
        let counts = ctx.loaders().one(CountsOf(self.0.id.into())).await?;
        Ok(counts.as_ref().map(public_available))
    }
}
