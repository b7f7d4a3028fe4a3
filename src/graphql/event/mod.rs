//! Events and their lists in the API. The mutations are in `edit.rs`.

pub mod edit;
mod error;
mod list;
mod loaders;
mod query;
pub mod reservation_rules;
pub mod tier;
mod tier_loaders;

use std::sync::Arc;

use async_graphql::{Context, ID, Object, SimpleObject};
use entity::{EventId, event, tier::Model as TierRow};

use self::reservation_rules::ReservationRules;
pub use self::{
    edit::EventMutation,
    error::{CreateEventError, CreateTierError, EventError, TierError},
    list::{EventFilter, EventSort, EventSortField, EventStatus},
    query::EventQuery,
    tier::{Tier, TierMutation},
};
pub(crate) use self::{
    list::{EventArgs, EventConnection, event_connection},
    loaders::CountsOf,
    tier_loaders::TiersOf,
};
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
    scalar::{Instant, Long, Money},
    seat_map::{MapOf, SeatMap},
    shop::{RoleIn, Shop},
    venue::Venue,
};
use crate::{
    coupon::access,
    error::{Fault, FaultResult, Object},
    event::{find, rules},
    inventory::feed,
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

    /// The current status. It depends on the state, the time and the remaining places.
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

    /// When sales end.
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

    /// The seat map on sale. It never changes, so clients can cache it permanently.
    async fn seat_map(&self, ctx: &Context<'_>) -> ApiResult<SeatMap> {
        Ok(ctx
            .loaders()
            .one(MapOf(self.0.seat_map_id))
            .await?
            .ok_or(Fault::NotFound(Object::SeatMap))?
            .into())
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
        let tiers = self.price_levels(ctx).await?;
        let shown = || tiers.iter().filter(|tier| !tier.hidden);
        let totals = || shown().map(|tier| tier.price_minor + tier.fee_minor);
        Ok(totals().min().zip(totals().max()).map(|(lowest, highest)| PriceRange {
            lowest: Money::of(lowest, &self.0.currency),
            highest: Money::of(highest, &self.0.currency),
        }))
    }

    /// Number of available places, without those in hidden tiers. Null for drafts.
    async fn seats_left(&self, ctx: &Context<'_>) -> ApiResult<Option<i32>> {
        Ok(self.free(ctx).await?)
    }

    /// Number of all places.
    async fn capacity(&self, ctx: &Context<'_>) -> ApiResult<i32> {
        let map = ctx.loaders().one(MapOf(self.0.seat_map_id)).await?;
        Ok(map.map_or(0, |map| map.seat_count + map.area_capacity))
    }

    /// The current availability of every row, area and tier. Null for drafts. To follow changes, subscribe to
    /// `seatAvailability` with this `version` as `after`. The stream shows hidden tiers as not for sale, so with an
    /// access code read this field again instead.
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
        let availability = feed::opened_availability(ctx.app(), self.0.id.into(), &opened).await?;
        charge(ctx, &availability)?;
        ctx.progress().read(self.0.id.into(), availability.version);
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
    /// Returns the event's row if the viewer may see it.
    pub(crate) async fn row(ctx: &Context<'_>, id: EventId) -> FaultResult<event::Model> {
        find::event(ctx.app(), ctx.viewer(), id).await
    }

    async fn price_levels(&self, ctx: &Context<'_>) -> FaultResult<Vec<TierRow>> {
        Ok(ctx.loaders().one(TiersOf(self.0.id)).await?.unwrap_or_default())
    }

    fn shown(&self, tiers: Vec<TierRow>) -> Vec<Tier> {
        tiers.into_iter().map(|tier| Tier::new(tier, &self.0)).collect()
    }

    async fn is_ours(&self, ctx: &Context<'_>) -> FaultResult<bool> {
        Ok(ctx.loaders().one(RoleIn(self.0.shop_id)).await?.is_some())
    }

    /// Returns how many places are available to the public.
    async fn free(&self, ctx: &Context<'_>) -> FaultResult<Option<i32>> {
        let id = self.0.id.into();
        let Some(counts) = ctx.loaders().one(CountsOf(id)).await? else { return Ok(None) };
        if self.price_levels(ctx).await?.iter().all(|tier| !tier.hidden) {
            return Ok(Some(counts.available));
        }
        // The row's count includes hidden places. Only the desk knows which these are.
        let shown = feed::availability(ctx.app(), id).await?.counts.available;
        Ok(Some(i32::try_from(shown).unwrap_or(i32::MAX)))
    }
}

/// A price range.
#[derive(Debug, SimpleObject)]
pub struct PriceRange {
    /// The lowest price.
    lowest: Money,
    /// The highest price.
    highest: Money,
}
