//! Events in the API: what they are, and the lists of them. Making and changing them is in `event_edit.rs`.

use std::{collections::HashMap, sync::Arc};

use async_graphql::{Context, Enum, ID, Object, SimpleObject, connection::Connection, dataloader::Loader};
use chrono::{DateTime, Utc};
use entity::{EventId, InventoryId, event, inventory, tier};

use super::{
    availability::{AvailabilitySnapshot, charge},
    category::Category,
    context::ContextExt,
    coupon::{CouponConnection, CouponOrder, coupon_connection},
    error::{ApiResult, found},
    id::{decode, encode},
    loader::{Batch, Shared, keyed},
    long_text::{LongText, long_text},
    page::{Cursor, PageArgs, connection},
    reservation_rules::ReservationRules,
    scalar::{Long, Money},
    seat_map::{MapOf, SeatMap},
    shop::{RoleIn, Shop},
    tier::{Tier, TiersOf},
    venue::{Venue, VenueOf},
};
pub use super::{
    event_edit::{EventError, EventErrorCode, EventMutation},
    event_list::{EventFilter, EventOrder, EventTotal},
};
use crate::{
    coupon::{access, find::Filter as CouponFilter},
    error::{Fault, Faulty},
    event::{
        find::{self, Key, Order},
        rules,
    },
    inventory::{counts_of, feed},
};

/// Something that people attend. Drafts are seen by their shop's members only.
#[derive(Clone, Debug)]
pub struct Event(event::Model);

impl From<event::Model> for Event {
    fn from(row: event::Model) -> Self {
        Self(row)
    }
}

/// Something that people attend. Drafts are seen by their shop's members only.
#[Object]
impl Event {
    /// Globally unique.
    pub async fn id(&self) -> ID {
        encode(self.0.id)
    }

    /// Unique name for addresses.
    async fn slug(&self) -> &str {
        &self.0.slug
    }

    /// Display name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Description; may be empty.
    async fn description(&self, ctx: &Context<'_>) -> ApiResult<Arc<str>> {
        long_text(ctx, LongText::Event(self.0.id)).await
    }

    /// Where the event stands now.
    async fn status(&self, ctx: &Context<'_>) -> ApiResult<EventStatus> {
        let available = match self.0.state {
            event::EventState::Published => self.free(ctx).await?.unwrap_or_default(),
            event::EventState::Draft | event::EventState::Cancelled => 0,
        };
        let available = u32::try_from(available).unwrap_or_default();
        Ok(rules::status(&self.0, available, ctx.app().clock.now()).into())
    }

    /// Start.
    async fn starts_at(&self) -> DateTime<Utc> {
        self.0.starts_at
    }

    /// End.
    async fn ends_at(&self) -> DateTime<Utc> {
        self.0.ends_at
    }

    /// Reservations are taken from here …
    async fn sales_start(&self) -> DateTime<Utc> {
        self.0.sales_start
    }

    /// … until here.
    async fn sales_end(&self) -> DateTime<Utc> {
        self.0.sales_end
    }

    /// Until when buyers may refund by themselves; null: never.
    async fn refund_until(&self) -> Option<DateTime<Utc>> {
        self.0.refund_until
    }

    /// ISO 4217 code of its prices.
    async fn currency(&self) -> super::scalar::CurrencyCode {
        super::scalar::CurrencyCode(self.0.currency.clone())
    }

    /// How many seconds a reservation lasts.
    async fn hold_seconds(&self) -> i32 {
        self.0.hold_seconds
    }

    /// How many seconds a reservation may last with all extensions.
    async fn hold_seconds_max(&self) -> i32 {
        self.0.hold_seconds_max
    }

    /// How many places one buyer may have.
    async fn limit_per_buyer(&self) -> i32 {
        self.0.limit_per_buyer
    }

    /// Whether picks by hand that would leave a single seat behind, where as many seats can be picked without, are
    /// refused with `LEAVES_ORPHANS`.
    async fn orphan_rule(&self) -> bool {
        self.0.orphan_rule
    }

    /// How many seconds in all a buyer may have reservations of it that come to nothing; null: as many as they like.
    /// Deadlines fall so that it is not exceeded, and a purchase sets the count to zero.
    async fn hold_budget_seconds(&self) -> Option<i32> {
        self.0.hold_budget_seconds
    }

    /// How many seconds a buyer who spent `holdBudgetSeconds` must wait (`COOLING_DOWN`); then the count is zero again.
    async fn cool_down_seconds(&self) -> i32 {
        self.0.cool_down_seconds
    }

    /// What it sets against hoarding.
    async fn reservation_rules(&self) -> ReservationRules {
        ReservationRules::of(&self.0)
    }

    /// Raised by each change of the event itself; give it as `expectedVersion` when you change it. Its availability has
    /// a version of its own.
    async fn version(&self) -> Long {
        Long(self.0.version)
    }

    /// Who sells it.
    async fn shop(&self, ctx: &Context<'_>) -> ApiResult<Option<Shop>> {
        Ok(ctx.loaders().one(self.0.shop_id).await?.map(Shop))
    }

    /// Where it takes place.
    async fn venue(&self, ctx: &Context<'_>) -> ApiResult<Option<Venue>> {
        Ok(ctx.loaders().one(VenueOf(self.0.venue_id)).await?.map(Venue::from))
    }

    /// What kind of event it is.
    async fn category(&self, ctx: &Context<'_>) -> ApiResult<Option<Category>> {
        Ok(ctx.loaders().one(self.0.category_id).await?.map(Category))
    }

    /// The geometry that is sold. It never changes, so it can be kept for ever.
    async fn seat_map(&self, ctx: &Context<'_>) -> ApiResult<Option<SeatMap>> {
        Ok(ctx.loaders().one(MapOf(self.0.seat_map_id)).await?.map(SeatMap::from))
    }

    /// Its price levels in their order; at most 100. Hidden ones are seen by those who work for its shop: for others see
    /// `tiersOpenedBy`.
    async fn tiers(&self, ctx: &Context<'_>) -> ApiResult<Vec<Tier>> {
        let mut tiers = self.price_levels(ctx).await?;
        if tiers.iter().any(|tier| tier.hidden) && !self.is_ours(ctx).await? {
            tiers.retain(|tier| !tier.hidden);
        }
        Ok(self.shown(tiers))
    }

    /// The hidden price levels that an access code of yours opens to you; none where it opens nothing, whatever the
    /// reason: nobody learns which codes there are. Who tries too many wrong codes has to wait (`RATE_LIMITED`).
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

    /// What places cost, from the cheapest tier to the dearest, hidden ones left out, fees and tax included; null while
    /// there are no tiers.
    async fn price_range(&self, ctx: &Context<'_>) -> ApiResult<Option<PriceRange>> {
        let tiers = self.price_levels(ctx).await?;
        let shown = || tiers.iter().filter(|tier| !tier.hidden);
        let totals = || shown().map(|tier| tier.price_minor + tier.fee_minor);
        Ok(totals().min().zip(totals().max()).map(|(lowest, highest)| PriceRange {
            lowest: Money::of(lowest, &self.0.currency),
            highest: Money::of(highest, &self.0.currency),
        }))
    }

    /// How many places are free to reserve, those at hidden price levels left out; null for drafts.
    async fn seats_left(&self, ctx: &Context<'_>) -> ApiResult<Option<i32>> {
        Ok(self.free(ctx).await?)
    }

    /// How many places there are in all.
    async fn capacity(&self, ctx: &Context<'_>) -> ApiResult<i32> {
        let map = ctx.loaders().one(MapOf(self.0.seat_map_id)).await?;
        Ok(map.map_or(0, |map| map.seat_count + map.area_capacity))
    }

    /// What is free at this moment, for each row, area and tier; null for drafts. To be kept up to date, subscribe to
    /// `seatAvailability` with its `version` as `after`: that tells places at hidden tiers as not for sale, so with an
    /// access code ask for this again.
    async fn availability(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "The code of an access coupon in your bag: places at the hidden tiers that it opens are told \
            too. One that opens nothing changes nothing, and counts as for `tiersOpenedBy`."
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
        Ok(Some(AvailabilitySnapshot::new(ctx.app(), &self.0, availability).await?))
    }

    /// The coupons that are shown with it and that you may see.
    #[expect(clippy::too_many_arguments, reason = "the four arguments that Relay gives every connection")]
    async fn coupons(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "In which order.", default_with = "CouponOrder::Newest")] order_by: CouponOrder,
        #[graphql(desc = "After this cursor.")] after: Option<String>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "The first so many, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "The last so many, 1 to 100.")] last: Option<i32>,
    ) -> ApiResult<CouponConnection> {
        let filter = CouponFilter { event: Some(self.0.id), ..CouponFilter::default() };
        coupon_connection(ctx, filter, order_by, PageArgs { after, before, first, last }).await
    }
}

impl Event {
    /// Its row, if the viewer may see it.
    pub(crate) async fn row(ctx: &Context<'_>, id: EventId) -> Faulty<event::Model> {
        find::event(ctx.app(), ctx.viewer(), id).await
    }

    async fn price_levels(&self, ctx: &Context<'_>) -> Faulty<Vec<tier::Model>> {
        Ok(ctx.loaders().one(TiersOf(self.0.id)).await?.unwrap_or_default())
    }

    fn shown(&self, tiers: Vec<tier::Model>) -> Vec<Tier> {
        tiers.into_iter().map(|tier| Tier::new(tier, &self.0)).collect()
    }

    async fn is_ours(&self, ctx: &Context<'_>) -> Faulty<bool> {
        Ok(ctx.loaders().one(RoleIn(self.0.shop_id)).await?.is_some())
    }

    /// How many places everybody may reserve.
    async fn free(&self, ctx: &Context<'_>) -> Faulty<Option<i32>> {
        let id = self.0.id.into();
        let Some(counts) = ctx.loaders().one(CountsOf(id)).await? else { return Ok(None) };
        if self.price_levels(ctx).await?.iter().all(|tier| !tier.hidden) {
            return Ok(Some(counts.available));
        }
        // The row counts hidden places too; which they are, the desk knows.
        let shown = feed::availability(ctx.app(), id).await?.counts.available;
        Ok(Some(i32::try_from(shown).unwrap_or(i32::MAX)))
    }
}

/// From the lowest to the highest price.
#[derive(Debug, SimpleObject)]
pub struct PriceRange {
    /// The lowest.
    lowest: Money,
    /// The highest.
    highest: Money,
}

/// Where an event stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "rules::EventStatus")]
pub enum EventStatus {
    /// Not published yet: only its shop's members see it.
    Draft,
    /// Published, and sales have not begun.
    Upcoming,
    /// Places can be reserved now.
    OnSale,
    /// Within the sales window, and no place is free at the moment. Reservations that run out make places free again.
    SoldOut,
    /// The sales window is over, the event is not.
    SalesEnded,
    /// The event is over.
    Past,
    /// Called off: nothing is sold any more.
    Cancelled,
}

/// How many places stand where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CountsOf(pub(crate) InventoryId);

impl Loader<CountsOf> for Batch {
    type Value = inventory::Model;
    type Error = Shared;

    async fn load(&self, keys: &[CountsOf]) -> Result<HashMap<CountsOf, inventory::Model>, Shared> {
        let ids = keys.iter().map(|key| key.0).collect();
        Ok(keyed(counts_of(&self.app, ids).await?, |row| CountsOf(row.id)))
    }
}

/// Queries.
#[derive(Debug, Default)]
pub struct EventQuery;

#[Object]
impl EventQuery {
    /// The event with this id or with this slug; give one of the two. Null if there is none, or if it is a draft that is
    /// not yours to see.
    async fn event(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which event.")] id: Option<ID>,
        #[graphql(desc = "Its unique name for addresses.")] slug: Option<String>,
    ) -> ApiResult<Option<Event>> {
        let row = match (id, slug) {
            (Some(id), None) => Event::row(ctx, decode(&id, "id")?).await,
            (None, Some(slug)) => find::event_by_slug(ctx.app(), ctx.viewer(), &slug).await,
            (None, None) | (Some(_), Some(_)) => return Err(Fault::invalid("id", "give id or slug").into()),
        };
        // Who asks decides whether a draft is seen; and what is not there, or is not sold, has no version.
        if !row.as_ref().is_ok_and(|event| event.state == event::EventState::Published) {
            ctx.progress().read_other();
        }
        found(row.map(Event))
    }

    /// The events that you may see: all that were published, and the drafts of the shops that you work for.
    #[expect(clippy::too_many_arguments, reason = "connections take four of them")]
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which events; all of them when left out.")] filter: Option<EventFilter>,
        #[graphql(desc = "In which order.", default_with = "EventOrder::StartsAt")] order_by: EventOrder,
        #[graphql(desc = "How many from the beginning, 1 to 100; 20 when nothing is said.")] first: Option<
            i32,
        >,
        #[graphql(desc = "Only those after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor.")] before: Option<String>,
    ) -> ApiResult<Connection<Cursor<Key>, Event, EventTotal>> {
        let (filter, order) = (filter.unwrap_or_default().parse()?, Order::from(order_by));
        let window = PageArgs { after, before, first, last }.window()?;
        let page = find::events(ctx.app(), ctx.viewer(), &filter, order, window).await?;
        Ok(connection(page, EventTotal::of(filter), |row| (Key::of(&row, order), Event(row))))
    }
}

impl Event {
    /// The event that an object of the viewer's refers to, whoever may see the event itself.
    pub(crate) async fn of(ctx: &Context<'_>, id: EventId) -> ApiResult<Self> {
        let row = ctx.loaders().one(id).await?.ok_or(Fault::NotFound("event"))?;
        Ok(Self(row))
    }
}

impl Loader<EventId> for Batch {
    type Value = event::Model;
    type Error = Shared;

    async fn load(&self, keys: &[EventId]) -> Result<HashMap<EventId, event::Model>, Shared> {
        Ok(keyed(crate::event::by_ids(&self.app, keys.to_vec()).await?, |row| row.id))
    }
}
