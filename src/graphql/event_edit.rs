//! Event mutations: create, update, publish, cancel.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, SimpleObject};

use super::{
    admission::EventAdmissionInput,
    context::ContextExt,
    error::{ApiResult, edited, outcome},
    event::{CreateEventError, Event, EventError},
    id::decode,
    reservation_rules::ReservationRulesInput,
    scalar::{Instant, Long, change},
    seat_map::FocalPointInput,
};
use crate::{
    error::FaultResult,
    event::{
        admission::Admission,
        details::Change,
        edit::{self, NewEvent},
        reservation_rules::ReservationRules,
    },
};

/// Input of `createEvent`.
#[derive(Debug, InputObject)]
pub struct CreateEventInput {
    /// The shop that sells the event. You must be its owner or manager. The event uses the shop's currency.
    shop_id: ID,
    /// A venue of the shop.
    venue_id: ID,
    /// The revision of the venue's seat map to sell. If omitted, the newest one.
    seat_map_id: Option<ID>,
    /// The category of the event.
    category_id: ID,
    /// The unique name for URLs: a to z, 0 to 9, and single hyphens between them. If omitted, it is derived from the
    /// name.
    slug: Option<String>,
    /// The display name as plain text, 1 to 200 characters.
    name: String,
    /// The description as plain text, not Markdown or HTML; at most 10,000 characters.
    #[graphql(default)]
    description: String,
    /// The start of the event.
    starts_at: Instant,
    /// The end of the event. It must not precede the start.
    ends_at: Instant,
    /// When sales begin. If omitted, immediately.
    sales_start: Option<Instant>,
    /// When sales end. If omitted, at the start of the event, also after the event is moved.
    sales_end: Option<Instant>,
    /// Until when buyers can refund their orders without the shop. If this and `refundMinutesBeforeStart` are omitted,
    /// never.
    refund_until: Option<Instant>,
    /// How many minutes before the start `refundUntil` is, also after the event is moved; 0 to 525,600. Do not combine
    /// with `refundUntil`.
    refund_minutes_before_start: Option<i32>,
    /// When tickets admit to the event, and how often. If omitted, once per ticket, from two hours before the start
    /// until the end.
    admission: Option<EventAdmissionInput>,
    /// Duration of a reservation in seconds, 60 to 1,200.
    #[graphql(default = 600)]
    reservation_seconds: i32,
    /// Maximum duration of a reservation in seconds, including all extensions; at most 1,200.
    #[graphql(default = 1200)]
    reservation_seconds_max: i32,
    /// Maximum number of places per buyer, 1 to 100.
    #[graphql(default = 8)]
    limit_per_buyer: i32,
    /// Whether to refuse a pick of seats that leaves single seats between taken ones, because single seats are hard to
    /// sell. The rule applies only if an equally large pick without them is possible.
    #[graphql(default = true)]
    orphan_rule: bool,
    /// Total seconds for which a buyer may keep reservations without buying, from `reservationSeconds` to 86,400. Null for no
    /// limit. This limits buyers who repeatedly reserve and release places. Their deadlines become shorter; with less
    /// than one minute left, they are refused with `COOLING_DOWN`. Simultaneous reservations count once. Each
    /// reservation costs at least 5 seconds. A purchase resets the count.
    #[graphql(default_with = "Some(2_700)")]
    reservation_budget_seconds: Option<i32>,
    /// Seconds that a buyer must wait after using up `reservationBudgetSeconds`, 60 to 86,400. Then the count restarts at
    /// zero.
    #[graphql(default = 300)]
    cool_down_seconds: i32,
    /// The event's rules against hoarding: who may reserve, and how many unpaid places a network may have.
    reservation_rules: Option<ReservationRulesInput>,
    /// The point of the seat map that the best seats are closest to. If omitted, the `focalPoint` of the seat map.
    focal_point: Option<FocalPointInput>,
    /// Your own key, 8 to 255 characters. Repeated calls with the same key and input have one effect and the same
    /// result. Without a key, a repeated call creates another object.
    idempotency_key: Option<String>,
}

impl CreateEventInput {
    fn parse(self) -> FaultResult<NewEvent> {
        Ok(NewEvent {
            shop: decode(&self.shop_id, "shopId")?,
            venue: decode(&self.venue_id, "venueId")?,
            map: self.seat_map_id.map(|id| decode(&id, "seatMapId")).transpose()?,
            category: decode(&self.category_id, "categoryId")?,
            slug: self.slug,
            name: self.name,
            description: self.description,
            starts_at: self.starts_at.into(),
            ends_at: self.ends_at.into(),
            sales_start: self.sales_start.map(Into::into),
            sales_end: self.sales_end.map(Into::into),
            refund_until: self.refund_until.map(Into::into),
            refund_minutes: self.refund_minutes_before_start,
            admission: Admission::default().with(self.admission.unwrap_or_default().parse()),
            reservation_seconds: self.reservation_seconds,
            reservation_seconds_max: self.reservation_seconds_max,
            limit_per_buyer: self.limit_per_buyer,
            orphan_rule: self.orphan_rule,
            reservation_budget_seconds: self.reservation_budget_seconds,
            cool_down_seconds: self.cool_down_seconds,
            reservation_rules: ReservationRules::default()
                .with(self.reservation_rules.unwrap_or_default().parse()),
            focal_point: self.focal_point.map(FocalPointInput::parse).transpose()?,
        })
    }
}

/// The result of `createEvent`.
#[derive(Debug, SimpleObject)]
pub struct CreateEventPayload {
    /// The new event, a draft. Null if `errors` is not empty.
    event: Option<Event>,
    /// Why the mutation failed. Empty if it succeeded.
    errors: Vec<CreateEventError>,
}

/// Input of `updateEvent`. Omitted fields stay unchanged. Venue and currency cannot be changed. For the seat map, see
/// `changeEventSeatMap`.
#[derive(Debug, InputObject)]
pub struct UpdateEventInput {
    /// The id of the event.
    event_id: ID,
    /// The event's `version` when you last read it. If it has changed since, nothing is stored and the error is
    /// `STALE`.
    expected_version: Long,
    /// The category of the event.
    category_id: Option<ID>,
    /// The unique name for URLs. The old slug still leads to the event, and no other shop can take it.
    slug: Option<String>,
    /// The display name as plain text, 1 to 200 characters.
    name: Option<String>,
    /// The description as plain text, not Markdown or HTML; at most 10,000 characters.
    description: Option<String>,
    /// The start of the event.
    starts_at: Option<Instant>,
    /// The end of the event. It must not precede the start.
    ends_at: Option<Instant>,
    /// When sales begin. Null for the creation of the event.
    sales_start: MaybeUndefined<Instant>,
    /// When sales end. Null for the start of the event, also after the event is moved.
    sales_end: MaybeUndefined<Instant>,
    /// Until when buyers can refund their orders without the shop. Null for never. Buyers keep the date of their
    /// checkout if it is later.
    refund_until: MaybeUndefined<Instant>,
    /// How many minutes before the start `refundUntil` is, also after the event is moved; 0 to 525,600. It replaces
    /// `refundUntil`. Null if `refundUntil` does not follow from the start.
    refund_minutes_before_start: MaybeUndefined<i32>,
    /// When tickets admit to the event, and how often.
    admission: Option<EventAdmissionInput>,
    /// Duration of a reservation in seconds, 60 to 1,200.
    reservation_seconds: Option<i32>,
    /// Maximum duration of a reservation in seconds, including all extensions; at most 1,200.
    reservation_seconds_max: Option<i32>,
    /// Maximum number of places per buyer, 1 to 100.
    limit_per_buyer: Option<i32>,
    /// Whether to refuse a pick of seats that leaves single seats between taken ones. The rule applies only if an
    /// equally large pick without them is possible.
    orphan_rule: Option<bool>,
    /// Total seconds for which a buyer may keep reservations without buying, from `reservationSeconds` to 86,400. Null for no
    /// limit. Existing reservations keep their deadlines.
    reservation_budget_seconds: MaybeUndefined<i32>,
    /// Seconds that a buyer must wait after using up `reservationBudgetSeconds`, 60 to 86,400.
    cool_down_seconds: Option<i32>,
    /// The event's rules against hoarding. Existing reservations are not affected.
    reservation_rules: Option<ReservationRulesInput>,
    /// The point of the seat map that the best seats are closest to. Null for the `focalPoint` of the seat map.
    focal_point: MaybeUndefined<FocalPointInput>,
}

impl UpdateEventInput {
    fn parse(self) -> FaultResult<Change> {
        Ok(Change {
            category: self.category_id.map(|id| decode(&id, "categoryId")).transpose()?,
            slug: self.slug,
            name: self.name,
            description: self.description,
            starts_at: self.starts_at.map(Into::into),
            ends_at: self.ends_at.map(Into::into),
            sales_start: change(self.sales_start),
            sales_end: change(self.sales_end),
            refund_until: change(self.refund_until),
            refund_minutes: self.refund_minutes_before_start.into(),
            admission: self.admission.unwrap_or_default().parse(),
            reservation_seconds: self.reservation_seconds,
            reservation_seconds_max: self.reservation_seconds_max,
            limit_per_buyer: self.limit_per_buyer,
            orphan_rule: self.orphan_rule,
            reservation_budget_seconds: self.reservation_budget_seconds.into(),
            cool_down_seconds: self.cool_down_seconds,
            reservation_rules: self.reservation_rules.unwrap_or_default().parse(),
            focal_point: match self.focal_point {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(None),
                MaybeUndefined::Value(point) => Some(Some(point.parse()?)),
            },
        })
    }
}

/// The result of `updateEvent`.
#[derive(Debug, SimpleObject)]
pub struct UpdateEventPayload {
    /// The event after the change. With the error `STALE`, the current event. Null with other errors.
    event: Option<Event>,
    /// Why the mutation failed. Empty if it succeeded.
    errors: Vec<EventError>,
}

/// Input of `publishEvent`.
#[derive(Debug, InputObject)]
pub struct PublishEventInput {
    /// The id of a draft.
    event_id: ID,
    /// The event's `version` when you last read it. If it has changed since, nothing is stored and the error is
    /// `STALE`.
    expected_version: Long,
}

/// The result of `publishEvent`.
#[derive(Debug, SimpleObject)]
pub struct PublishEventPayload {
    /// The published event. With the error `STALE`, the current event. Null with other errors.
    event: Option<Event>,
    /// Why the mutation failed. Empty if it succeeded.
    errors: Vec<EventError>,
}

/// Input of `cancelEvent`.
#[derive(Debug, InputObject)]
pub struct CancelEventInput {
    /// The id of a published event.
    event_id: ID,
    /// The event's `version` when you last read it. If it has changed since, nothing is stored and the error is
    /// `STALE`.
    expected_version: Long,
}

/// The result of `cancelEvent`.
#[derive(Debug, SimpleObject)]
pub struct CancelEventPayload {
    /// The cancelled event. With the error `STALE`, the current event. Null with other errors.
    event: Option<Event>,
    /// Why the mutation failed. Empty if it succeeded.
    errors: Vec<EventError>,
}

/// The mutations of this slice.
#[derive(Debug, Default)]
pub struct EventMutation;

#[Object]
impl EventMutation {
    /// Creates a draft of an event. Call `createTier` for its tiers next, then `publishEvent`.
    async fn create_event(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `createEvent`.")] input: CreateEventInput,
    ) -> ApiResult<Option<CreateEventPayload>> {
        ctx.viewer().user()?;
        let key = input.idempotency_key.clone();
        let result = match input.parse() {
            Ok(input) => edit::create(ctx.app(), ctx.viewer(), input, key.as_deref()).await,
            Err(fault) => Err(fault.into()),
        };
        let (event, errors) = outcome(result.map(Event::from))?;
        Ok(Some(CreateEventPayload { event, errors }))
    }

    /// Changes a draft or published event. Existing reservations and orders keep their terms. Dates that you have not
    /// set move with the event.
    async fn update_event(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `updateEvent`.")] input: UpdateEventInput,
    ) -> ApiResult<Option<UpdateEventPayload>> {
        ctx.viewer().user()?;
        let event_id = input.event_id.clone();
        let (id, seen) = (decode(&event_id, "eventId"), input.expected_version.0);
        let result = match id.and_then(|id| Ok((id, input.parse()?))) {
            Ok((id, change)) => edit::update(ctx.app(), ctx.viewer(), id, seen, change).await,
            Err(fault) => Err(fault.into()),
        };
        let (event, errors) = edited(result.map(Event::from), current(ctx, &event_id)).await?;
        Ok(Some(UpdateEventPayload { event, errors }))
    }

    /// Publishes a draft. The event becomes visible, and its places are on sale within its sales window. It needs a
    /// tier that prices a seat or an area.
    async fn publish_event(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `publishEvent`.")] input: PublishEventInput,
    ) -> ApiResult<Option<PublishEventPayload>> {
        ctx.viewer().user()?;
        let event_id = input.event_id;
        let result = match decode(&event_id, "eventId") {
            Ok(id) => edit::publish(ctx.app(), ctx.viewer(), id, input.expected_version.0).await,
            Err(fault) => Err(fault.into()),
        };
        let (event, errors) = edited(result.map(Event::from), current(ctx, &event_id)).await?;
        Ok(Some(PublishEventPayload { event, errors }))
    }

    /// Cancels a published event. Nothing is sold any more, and the event stays visible. Its active reservations are
    /// released, and their unpaid orders expire within seconds. A payment that has begun is completed. The shop refunds
    /// the orders.
    async fn cancel_event(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `cancelEvent`.")] input: CancelEventInput,
    ) -> ApiResult<Option<CancelEventPayload>> {
        ctx.viewer().user()?;
        let event_id = input.event_id;
        let result = match decode(&event_id, "eventId") {
            Ok(id) => edit::cancel(ctx.app(), ctx.viewer(), id, input.expected_version.0).await,
            Err(fault) => Err(fault.into()),
        };
        let (event, errors) = edited(result.map(Event::from), current(ctx, &event_id)).await?;
        Ok(Some(CancelEventPayload { event, errors }))
    }
}

/// Returns the current event for a payload.
pub(super) async fn current(ctx: &Context<'_>, id: &ID) -> FaultResult<Event> {
    Event::row(ctx, decode(id, "eventId")?).await.map(Event::from)
}
