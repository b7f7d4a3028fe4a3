//! Mutations for many events: duplicate an event, create and publish a series, delete a draft.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use chrono::NaiveDateTime;

use super::{
    context::ContextExt,
    error::{ApiResult, edited, outcome},
    event::{CreateEventsError, DeleteEventError, DuplicateEventError, Event, PublishEventsError},
    id::decode,
    scalar::{Instant, Long},
};
use crate::{
    coupon::event_deletion,
    error::{FaultResult, Result as Outcome},
    event::{
        duplicate::{self, Duplicate},
        publish_series,
        recurrence::{
            dates::{Dates, LeftOut, Reason},
            zone,
        },
        rules::Refusal,
        series::{self, NewSeries, Preview},
    },
};

/// Input of `duplicateEvent`.
#[derive(Debug, InputObject)]
pub struct DuplicateEventInput {
    /// The event to copy. You must be an owner or manager of its shop. It can be a draft, published, cancelled or over.
    event_id: ID,
    /// The start of the copy. All other dates keep their distance from the start in the venue's local time. Sales that
    /// began with the creation of the event begin with the creation of the copy.
    starts_at: Instant,
    /// The display name as plain text, 1 to 200 characters. If omitted, the name of the event.
    name: Option<String>,
    /// The unique name for URLs: a to z, 0 to 9, and single hyphens between them. If omitted, it is derived from the
    /// name.
    slug: Option<String>,
    /// Your own key, 8 to 255 characters. Repeated calls with the same key and input have one effect and the same
    /// result. Without a key, a repeated call creates another object.
    idempotency_key: Option<String>,
}

/// The result of `duplicateEvent`.
#[derive(Debug, SimpleObject)]
pub struct DuplicateEventPayload {
    /// The copy, a draft. Null if `errors` is not empty.
    event: Option<Event>,
    /// Why the mutation failed. Empty if it succeeded.
    errors: Vec<DuplicateEventError>,
}

/// The dates of new events. Give a rule, explicit starts, or both; a date that both have counts once.
#[derive(Debug, InputObject)]
pub struct EventDatesInput {
    /// A recurrence rule of RFC 5545, such as `FREQ=WEEKLY;BYDAY=FR;COUNT=10`, in the venue's time zone. It needs `COUNT`
    /// or `UNTIL`. `UNTIL` can be a local day (`20271231`), a local time or a time in UTC. A local time that the clocks
    /// skip has no event and does not count (section 3.3.10). A local time that the clocks show twice is the first one
    /// (section 3.3.5).
    rule: Option<String>,
    /// The rule yields no dates before this time. It supplies the time of the day, and the day if the rule does not say
    /// it. If omitted, the start of the event that is copied.
    from: Option<Instant>,
    /// Explicit starts, at most 400.
    #[graphql(default)]
    starts_at: Vec<Instant>,
    /// Starts that are left out, at most 1,000. They count in the rule's `COUNT`.
    #[graphql(default)]
    except: Vec<Instant>,
    /// Days in the venue's time zone that are left out, such as `2026-12-24`, at most 1,000. Their dates count in the
    /// rule's `COUNT`.
    #[graphql(default)]
    except_days: Vec<String>,
}

/// Input of `createEvents`.
#[derive(Debug, InputObject)]
pub struct CreateEventsInput {
    /// The event to copy. You must be an owner or manager of its shop.
    event_id: ID,
    /// The dates, at most 400. Dates at which the series already has an event are left out.
    dates: EventDatesInput,
    /// The display name of the new events as plain text, 1 to 200 characters. If omitted, the name of the event.
    name: Option<String>,
    /// The beginning of the slugs, 1 to 60 of a to z, 0 to 9, and single hyphens between them. The local date follows,
    /// and the time if several events share the day. If omitted, the slugs are derived from the name.
    slug: Option<String>,
    /// Whether to return only a preview. Then nothing is stored.
    #[graphql(default)]
    dry_run: bool,
    /// Your own key, 8 to 255 characters. Repeated calls with the same key and input have one effect and the same
    /// result. A preview does not use the key.
    idempotency_key: Option<String>,
}

/// The result of `createEvents`.
#[derive(Debug, SimpleObject)]
pub struct CreateEventsPayload {
    /// The event that was copied. Its `seriesId` is set if its own start is one of the dates. Null if `errors` is not
    /// empty, and for a preview.
    event: Option<Event>,
    /// The new events, drafts in the order of their starts. Null if `errors` is not empty, and for a preview.
    events: Option<Vec<Event>>,
    /// What the call would create. Null unless `dryRun` is true.
    preview: Option<EventsPreview>,
    /// Why the mutation failed. Empty if it succeeded.
    errors: Vec<CreateEventsError>,
}

/// What `createEvents` would create.
#[derive(Debug, SimpleObject)]
pub struct EventsPreview {
    /// The IANA time zone of the venue, to which all local times refer.
    time_zone: String,
    /// The number of new events.
    count: i32,
    /// The dates of the new events in ascending order.
    dates: Vec<PlannedDate>,
    /// The dates without a new event in ascending order.
    left_out: Vec<LeftOutDate>,
}

/// The dates of a new event.
#[derive(Debug, SimpleObject)]
pub struct PlannedDate {
    /// The start of the event.
    starts_at: Instant,
    /// The end of the event.
    ends_at: Instant,
    /// The start in the venue's time zone, such as `2027-03-28T20:00:00`.
    local_start: String,
}

/// A date without a new event.
#[derive(Debug, SimpleObject)]
pub struct LeftOutDate {
    /// The start in the venue's time zone, such as `2027-03-28T02:30:00`.
    local_start: String,
    /// Why there is no new event.
    reason: LeftOutReason,
}

/// Why a date has no new event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Reason")]
pub enum LeftOutReason {
    /// The clocks skip this local time.
    Nonexistent,
    /// It is in `except` or `exceptDays`.
    Excepted,
    /// The series already has an event at this time.
    InSeries,
}

/// Input of `publishEvents`.
#[derive(Debug, InputObject)]
pub struct PublishEventsInput {
    /// The id of the series. You must be an owner or manager of its shop.
    series_id: ID,
}

/// The result of `publishEvents`.
#[derive(Debug, SimpleObject)]
pub struct PublishEventsPayload {
    /// The events that this call published, in the order of their starts. Null if `errors` is not empty.
    events: Option<Vec<Event>>,
    /// The number of drafts that the series still has. If `events` has 100 events, call again. The others cannot be
    /// published: they have ended, or no tier prices a place. Null if `errors` is not empty.
    drafts_left: Option<i32>,
    /// Why the mutation failed. Empty if it succeeded.
    errors: Vec<PublishEventsError>,
}

/// Input of `deleteEvent`.
#[derive(Debug, InputObject)]
pub struct DeleteEventInput {
    /// The id of a draft.
    event_id: ID,
    /// The event's `version` when you last read it. If it has changed since, nothing is deleted and the error is
    /// `STALE`.
    expected_version: Long,
}

/// The result of `deleteEvent`.
#[derive(Debug, SimpleObject)]
pub struct DeleteEventPayload {
    /// The id of the deleted event. Null if `errors` is not empty.
    deleted_event_id: Option<ID>,
    /// The current event if the error is `STALE`. Otherwise null.
    event: Option<Event>,
    /// Why the mutation failed. Empty if it succeeded.
    errors: Vec<DeleteEventError>,
}

impl CreateEventsInput {
    fn parse(self) -> FaultResult<NewSeries> {
        let EventDatesInput { rule, from, starts_at, except, except_days } = self.dates;
        Ok(NewSeries {
            event: decode(&self.event_id, "eventId")?,
            dates: Dates {
                rule,
                from: from.map(Into::into),
                starts_at: starts_at.into_iter().map(Into::into).collect(),
                except: except.into_iter().map(Into::into).collect(),
                except_days,
            },
            name: self.name,
            slug: self.slug,
        })
    }
}

impl EventsPreview {
    fn of(preview: Preview) -> Self {
        let dates = preview.dates.into_iter().map(|(starts_at, ends_at)| PlannedDate {
            starts_at: starts_at.into(),
            ends_at: ends_at.into(),
            local_start: local(zone::local(preview.zone, starts_at)),
        });
        let dates: Vec<PlannedDate> = dates.collect();
        Self {
            time_zone: preview.zone.name().to_owned(),
            count: i32::try_from(dates.len()).unwrap_or(i32::MAX),
            dates,
            left_out: preview.left_out.into_iter().map(LeftOutDate::of).collect(),
        }
    }
}

impl LeftOutDate {
    fn of(left_out: LeftOut) -> Self {
        Self { local_start: local(left_out.local), reason: left_out.reason.into() }
    }
}

/// Writes a local time in the form of ISO 8601.
fn local(time: NaiveDateTime) -> String {
    time.format("%Y-%m-%dT%H:%M:%S").to_string()
}

/// The mutations of this slice.
#[derive(Debug, Default)]
pub struct SeriesMutation;

#[Object]
impl SeriesMutation {
    /// Copies an event to another date, as a draft. The copy has the venue, seat map, category, description, rules and
    /// tiers with their prices. It has no sales. Coupons refer to the original only, so a hidden tier needs an access
    /// coupon of its own.
    async fn duplicate_event(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `duplicateEvent`.")] input: DuplicateEventInput,
    ) -> ApiResult<Option<DuplicateEventPayload>> {
        ctx.viewer().user()?;
        let (event, errors) = outcome(duplicate(ctx, input).await)?;
        Ok(Some(DuplicateEventPayload { event, errors }))
    }

    /// Creates a series: copies an event to up to 400 dates, as drafts, all or none of them. The new events join the
    /// event's series, or form a new one to which the event belongs if its own start is one of the dates. Send
    /// `dryRun: true` first to see the dates. Publish the drafts with `publishEvents`. Each new event counts as one
    /// mutation for rate limits.
    async fn create_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `createEvents`.")] input: CreateEventsInput,
    ) -> ApiResult<Option<CreateEventsPayload>> {
        ctx.viewer().user()?;
        if input.dry_run {
            let (preview, errors) = outcome(preview(ctx, input).await)?;
            return Ok(Some(CreateEventsPayload { event: None, events: None, preview, errors }));
        }
        let (created, errors) = outcome(create(ctx, input).await)?;
        let (event, events) = created.unzip();
        Ok(Some(CreateEventsPayload { event, events, preview: None, errors }))
    }

    /// Publishes the drafts of a series in the order of their starts, at most 100 events or 100,000 seats in one call. A
    /// repeated call publishes what is left.
    async fn publish_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `publishEvents`.")] input: PublishEventsInput,
    ) -> ApiResult<Option<PublishEventsPayload>> {
        ctx.viewer().user()?;
        let result = match decode(&input.series_id, "seriesId") {
            Ok(series) => publish_series::publish(ctx.app(), ctx.viewer(), series).await,
            Err(fault) => Err(fault.into()),
        };
        let (published, errors) = outcome(result)?;
        let drafts_left =
            published.as_ref().map(|published| i32::try_from(published.drafts_left).unwrap_or(i32::MAX));
        let events = published.map(|published| published.events.into_iter().map(Event::from).collect());
        Ok(Some(PublishEventsPayload { events, drafts_left, errors }))
    }

    /// Deletes a draft with its tiers. An event that was published cannot be deleted; cancel it instead.
    async fn delete_event(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `deleteEvent`.")] input: DeleteEventInput,
    ) -> ApiResult<Option<DeleteEventPayload>> {
        ctx.viewer().user()?;
        let event_id = input.event_id;
        let result = match decode(&event_id, "eventId") {
            Ok(id) => {
                let seen = input.expected_version.0;
                event_deletion::delete_event(ctx.app(), ctx.viewer(), id, seen).await
            }
            Err(fault) => Err(fault.into()),
        };
        let current = async {
            let event = Event::row(ctx, decode(&event_id, "eventId")?).await?;
            FaultResult::Ok((None, Some(Event::from(event))))
        };
        let result = result.map(|()| (Some(event_id.clone()), None));
        let (result, errors) = edited(result, current).await?;
        let (deleted_event_id, event) = result.unwrap_or_default();
        Ok(Some(DeleteEventPayload { deleted_event_id, event, errors }))
    }
}

async fn duplicate(ctx: &Context<'_>, input: DuplicateEventInput) -> Outcome<Event, Refusal> {
    let DuplicateEventInput { event_id, starts_at, name, slug, idempotency_key } = input;
    let copy = Duplicate { event: decode(&event_id, "eventId")?, starts_at: starts_at.into(), name, slug };
    let event = duplicate::duplicate(ctx.app(), ctx.viewer(), copy, idempotency_key.as_deref()).await?;
    Ok(event.into())
}

async fn preview(ctx: &Context<'_>, input: CreateEventsInput) -> Outcome<EventsPreview, Refusal> {
    let preview = series::preview(ctx.app(), ctx.viewer(), &input.parse()?).await?;
    Ok(EventsPreview::of(preview))
}

async fn create(ctx: &Context<'_>, mut input: CreateEventsInput) -> Outcome<(Event, Vec<Event>), Refusal> {
    let key = input.idempotency_key.take();
    let created = series::create(ctx.app(), ctx.viewer(), input.parse()?, key.as_deref()).await?;
    Ok((created.event.into(), created.events.into_iter().map(Event::from).collect()))
}
