//! Making, changing, publishing and cancelling events through the API, and how their refusals are told.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, SimpleObject};
use chrono::{DateTime, Utc};

use super::{
    context::ContextExt,
    error::{ApiResult, outcome, user_error},
    event::Event,
    id::decode,
    reservation_rules::ReservationRulesInput,
    scalar::Long,
};
use crate::{
    error::Faulty,
    event::{
        details::Change,
        edit::{self, NewEvent},
        reservation_rules::ReservationRules,
        rules::Refusal,
    },
};

user_error! {
    /// Something about events and tiers that could not be done.
    EventError, EventErrorCode {
        /// Another event has the slug.
        SlugTaken,
        /// The venue has no seat map yet: import one first.
        NoSeatMap,
        /// No tier prices any seat or area: create a tier first.
        NothingForSale,
        /// Only drafts can do this, and the event was published.
        NotDraft,
        /// Only published events can do this.
        NotPublished,
        /// The event was cancelled.
        Cancelled,
        /// The event has ended.
        Over,
        /// Another tier of the event prices the category or area; `path` says which.
        AlreadyPriced,
        /// Another tier of the event has the name.
        TierNameTaken,
        /// The event has 100 tiers, which is as many as there may be.
        TooManyTiers,
    }
}

impl From<Refusal> for EventError {
    fn from(refusal: Refusal) -> Self {
        let at = |path: &str| vec![path.to_owned()];
        let (code, message, path) = match refusal {
            Refusal::SlugTaken => {
                (EventErrorCode::SlugTaken, "another event has this slug".to_owned(), at("slug"))
            }
            Refusal::NoSeatMap => (
                EventErrorCode::NoSeatMap,
                "the venue has no seat map; import one first".to_owned(),
                at("venueId"),
            ),
            Refusal::NothingForSale => (
                EventErrorCode::NothingForSale,
                "no tier prices any seat or area; create one first".to_owned(),
                Vec::new(),
            ),
            Refusal::NotDraft => {
                (EventErrorCode::NotDraft, "the event was published already".to_owned(), Vec::new())
            }
            Refusal::NotPublished => {
                (EventErrorCode::NotPublished, "the event is not published".to_owned(), Vec::new())
            }
            Refusal::Cancelled => {
                (EventErrorCode::Cancelled, "the event was cancelled".to_owned(), Vec::new())
            }
            Refusal::Over => (EventErrorCode::Over, "the event has ended".to_owned(), Vec::new()),
            Refusal::AlreadyPriced(path, name) => {
                (EventErrorCode::AlreadyPriced, format!("another tier prices {name}"), path)
            }
            Refusal::TierNameTaken => (
                EventErrorCode::TierNameTaken,
                "another tier of the event has this name".to_owned(),
                at("name"),
            ),
            Refusal::TooManyTiers => (
                EventErrorCode::TooManyTiers,
                "the event has as many tiers as there may be".to_owned(),
                Vec::new(),
            ),
        };
        Self { code, message, path, ..Self::default() }
    }
}

/// A new event.
#[derive(Debug, InputObject)]
pub struct CreateEventInput {
    /// Who sells it; you must be an owner or manager of the shop. Its currency becomes the event's.
    shop_id: ID,
    /// Where it takes place: a venue of the shop.
    venue_id: ID,
    /// The revision of the venue's seat map to sell; the newest when left out.
    seat_map_id: Option<ID>,
    /// What kind of event it is.
    category_id: ID,
    /// Unique name for addresses: a to z, 0 to 9, and single hyphens between them. Made of the name when left out.
    slug: Option<String>,
    /// Display name, 1 to 200 characters.
    name: String,
    /// Description, at most 10,000 characters.
    #[graphql(default)]
    description: String,
    /// Start.
    starts_at: DateTime<Utc>,
    /// End; not before the start.
    ends_at: DateTime<Utc>,
    /// Reservations are taken from here; from now on when left out.
    sales_start: Option<DateTime<Utc>>,
    /// Reservations are taken until here; until the event starts when left out.
    sales_end: Option<DateTime<Utc>>,
    /// Until when buyers may refund by themselves; never when left out.
    refund_until: Option<DateTime<Utc>>,
    /// How many seconds a reservation lasts, 60 to 1200.
    #[graphql(default = 600)]
    hold_seconds: i32,
    /// How many seconds a reservation may last with all extensions, up to 1200.
    #[graphql(default = 1200)]
    hold_seconds_max: i32,
    /// How many places one buyer may have, 1 to 100.
    #[graphql(default = 8)]
    limit_per_buyer: i32,
    /// Whether picks by hand that would leave a single seat between taken ones are refused, as houses do that want to
    /// sell their last seats: nobody buys a seat alone. Only where as many seats can be picked without.
    #[graphql(default = true)]
    orphan_rule: bool,
    /// How many seconds in all a buyer may have reservations that come to nothing, from `holdSeconds` to 86400; null: as
    /// many as they like. It is against those who reserve and drop again and again so that others cannot buy: their
    /// deadlines fall, and when less than a minute is left they are refused with `COOLING_DOWN`. However many
    /// reservations a buyer has at once, the time counts once; each costs at least 5 seconds; a purchase sets the count
    /// to zero.
    #[graphql(default_with = "Some(2_700)")]
    hold_budget_seconds: Option<i32>,
    /// How many seconds a buyer who spent `holdBudgetSeconds` must wait, 60 to 86400; then the count is zero again.
    #[graphql(default = 300)]
    cool_down_seconds: i32,
    /// What the event sets against hoarding: clients that reserve many places and do not pay.
    reservation_rules: Option<ReservationRulesInput>,
}

impl CreateEventInput {
    fn parse(self) -> Faulty<NewEvent> {
        Ok(NewEvent {
            shop: decode(&self.shop_id, "shopId")?,
            venue: decode(&self.venue_id, "venueId")?,
            map: self.seat_map_id.map(|id| decode(&id, "seatMapId")).transpose()?,
            category: decode(&self.category_id, "categoryId")?,
            slug: self.slug,
            name: self.name,
            description: self.description,
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            sales_start: self.sales_start,
            sales_end: self.sales_end,
            refund_until: self.refund_until,
            hold_seconds: self.hold_seconds,
            hold_seconds_max: self.hold_seconds_max,
            limit_per_buyer: self.limit_per_buyer,
            orphan_rule: self.orphan_rule,
            hold_budget_seconds: self.hold_budget_seconds,
            cool_down_seconds: self.cool_down_seconds,
            reservation_rules: ReservationRules::default()
                .with(self.reservation_rules.unwrap_or_default().parse()),
        })
    }
}

/// What became of it.
#[derive(Debug, SimpleObject)]
pub struct CreateEventPayload {
    /// The new event, a draft; null if it was not made.
    event: Option<Event>,
    /// Why it was not made; empty if it was.
    errors: Vec<EventError>,
}

/// Changes to an event. What is left out stays as it is; venue, seat map and currency cannot change.
#[derive(Debug, InputObject)]
pub struct UpdateEventInput {
    /// Which event.
    event_id: ID,
    /// The version that you read; if the event was changed since, nothing happens and the error is `STALE`.
    expected_version: Long,
    /// What kind of event it is.
    category_id: Option<ID>,
    /// Unique name for addresses.
    slug: Option<String>,
    /// Display name, 1 to 200 characters.
    name: Option<String>,
    /// Description, at most 10,000 characters.
    description: Option<String>,
    /// Start.
    starts_at: Option<DateTime<Utc>>,
    /// End; not before the start.
    ends_at: Option<DateTime<Utc>>,
    /// Reservations are taken from here.
    sales_start: Option<DateTime<Utc>>,
    /// Reservations are taken until here.
    sales_end: Option<DateTime<Utc>>,
    /// Until when buyers may refund by themselves; null: never.
    refund_until: MaybeUndefined<DateTime<Utc>>,
    /// How many seconds a reservation lasts, 60 to 1200.
    hold_seconds: Option<i32>,
    /// How many seconds a reservation may last with all extensions, up to 1200.
    hold_seconds_max: Option<i32>,
    /// How many places one buyer may have, 1 to 100.
    limit_per_buyer: Option<i32>,
    /// Whether picks by hand that would leave a single seat between taken ones are refused.
    orphan_rule: Option<bool>,
    /// How many seconds in all a buyer may have reservations that come to nothing, from `holdSeconds` to 86400; null: as
    /// many as they like. What is reserved already keeps its deadline.
    hold_budget_seconds: MaybeUndefined<i32>,
    /// How many seconds a buyer who spent `holdBudgetSeconds` must wait, 60 to 86400.
    cool_down_seconds: Option<i32>,
    /// What the event sets against hoarding. What is reserved already stays reserved.
    reservation_rules: Option<ReservationRulesInput>,
}

impl UpdateEventInput {
    fn parse(self) -> Faulty<Change> {
        Ok(Change {
            category: self.category_id.map(|id| decode(&id, "categoryId")).transpose()?,
            slug: self.slug,
            name: self.name,
            description: self.description,
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            sales_start: self.sales_start,
            sales_end: self.sales_end,
            refund_until: self.refund_until.into(),
            hold_seconds: self.hold_seconds,
            hold_seconds_max: self.hold_seconds_max,
            limit_per_buyer: self.limit_per_buyer,
            orphan_rule: self.orphan_rule,
            hold_budget_seconds: self.hold_budget_seconds.into(),
            cool_down_seconds: self.cool_down_seconds,
            reservation_rules: self.reservation_rules.unwrap_or_default().parse(),
        })
    }
}

/// What became of it.
#[derive(Debug, SimpleObject)]
pub struct UpdateEventPayload {
    /// The event as it is now; null if it was not changed.
    event: Option<Event>,
    /// Why it was not changed; empty if it was.
    errors: Vec<EventError>,
}

/// An event to publish.
#[derive(Debug, InputObject)]
pub struct PublishEventInput {
    /// Which event; a draft.
    event_id: ID,
    /// The version that you read; if the event was changed since, nothing happens and the error is `STALE`.
    expected_version: Long,
}

/// What became of it.
#[derive(Debug, SimpleObject)]
pub struct PublishEventPayload {
    /// The event, published; null if it was not.
    event: Option<Event>,
    /// Why it was not published; empty if it was.
    errors: Vec<EventError>,
}

/// An event to cancel.
#[derive(Debug, InputObject)]
pub struct CancelEventInput {
    /// Which event; a published one.
    event_id: ID,
    /// The version that you read; if the event was changed since, nothing happens and the error is `STALE`.
    expected_version: Long,
}

/// What became of it.
#[derive(Debug, SimpleObject)]
pub struct CancelEventPayload {
    /// The event, cancelled; null if it was not.
    event: Option<Event>,
    /// Why it was not cancelled; empty if it was.
    errors: Vec<EventError>,
}

/// Mutations.
#[derive(Debug, Default)]
pub struct EventMutation;

#[Object]
impl EventMutation {
    /// Makes a draft of an event. Create its tiers next, then publish it.
    async fn create_event(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new event.")] input: CreateEventInput,
    ) -> ApiResult<CreateEventPayload> {
        ctx.viewer().user()?;
        let result = match input.parse() {
            Ok(input) => edit::create(ctx.app(), ctx.viewer(), input).await,
            Err(fault) => Err(fault.into()),
        };
        let (event, errors) = outcome(result.map(Event::from))?;
        Ok(CreateEventPayload { event, errors })
    }

    /// Changes an event, published or not. What buyers have reserved before stays as it was promised to them.
    async fn update_event(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: UpdateEventInput,
    ) -> ApiResult<UpdateEventPayload> {
        ctx.viewer().user()?;
        let (id, seen) = (decode(&input.event_id, "eventId"), input.expected_version.0);
        let result = match id.and_then(|id| Ok((id, input.parse()?))) {
            Ok((id, change)) => edit::update(ctx.app(), ctx.viewer(), id, seen, change).await,
            Err(fault) => Err(fault.into()),
        };
        let (event, errors) = outcome(result.map(Event::from))?;
        Ok(UpdateEventPayload { event, errors })
    }

    /// Publishes a draft: from now on everybody sees it, and its places are sold within its sales window. It must have
    /// a tier that prices a seat or an area.
    async fn publish_event(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which event.")] input: PublishEventInput,
    ) -> ApiResult<PublishEventPayload> {
        ctx.viewer().user()?;
        let result = match decode(&input.event_id, "eventId") {
            Ok(id) => edit::publish(ctx.app(), ctx.viewer(), id, input.expected_version.0).await,
            Err(fault) => Err(fault.into()),
        };
        let (event, errors) = outcome(result.map(Event::from))?;
        Ok(PublishEventPayload { event, errors })
    }

    /// Calls a published event off: nothing is sold of it any more, and it stays visible. What was sold is refunded by
    /// its shop.
    async fn cancel_event(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which event.")] input: CancelEventInput,
    ) -> ApiResult<CancelEventPayload> {
        ctx.viewer().user()?;
        let result = match decode(&input.event_id, "eventId") {
            Ok(id) => edit::cancel(ctx.app(), ctx.viewer(), id, input.expected_version.0).await,
            Err(fault) => Err(fault.into()),
        };
        let (event, errors) = outcome(result.map(Event::from))?;
        Ok(CancelEventPayload { event, errors })
    }
}
