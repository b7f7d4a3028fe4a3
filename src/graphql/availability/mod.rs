//! What is free, live: snapshots and the stream of changes.

mod sections;

use std::{collections::HashMap, sync::Arc};

use async_graphql::{Context, Enum, ID, SimpleObject, Subscription, Union};
use chrono::{DateTime, Utc};
use entity::{EventId, InventoryId, event};
use futures_util::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};

pub use self::sections::{SectionAvailability, SectionTier};
use crate::graphql::{
    context::ContextExt,
    error::{ApiError, ApiResult},
    event::Event,
    id::{self, decode},
    progress::{Span, Window},
    scalar::{Long, Money},
    seat_map::{Area, seat_id},
    tier::Tier,
};
use crate::{
    app::App,
    error::{Fault, Faulty},
    event::tiers_of,
    inventory::feed::{self, Availability, Message, PublicStatus},
    venue::{self, SeatMap},
};

/// What is free of an event at one version.
#[derive(Clone, Debug, SimpleObject)]
pub struct AvailabilitySnapshot {
    /// Raised by one with every change; give it as `after` when you subscribe.
    version: Long,
    /// When this was read, at most a second ago: whoever asks at the same time may get the same answer. Whatever was
    /// reserved before you asked, by this server, is in it.
    as_of: DateTime<Utc>,
    /// All places.
    capacity: u32,
    /// Places free to reserve.
    available: u32,
    /// Places that somebody has reserved or is paying for.
    reserved: u32,
    /// Places sold.
    sold: u32,
    /// Places that are not for sale: withheld, without a tier, or at a hidden one.
    blocked: u32,
    /// The zones in map order, summed up.
    sections: Vec<SectionAvailability>,
    /// The seats, row by row in map order. Rows and seats come in the very order of `SeatMap.zones.rows.seats`.
    rows: Vec<RowAvailability>,
    /// The general-admission areas in map order.
    areas: Vec<AreaAvailability>,
    /// The event's tiers in their order; not the hidden ones.
    tiers: Vec<TierAvailability>,
}

/// The seats of one row.
#[derive(Clone, Debug, SimpleObject)]
pub struct RowAvailability {
    /// The name of the row's zone.
    zone: String,
    /// The row's number.
    row: String,
    /// One character per seat, in map order: `A` available, `R` reserved, `S` sold, `X` not for sale.
    statuses: String,
}

/// A general-admission area.
#[derive(Clone, Debug, SimpleObject)]
pub struct AreaAvailability {
    /// Which area.
    area: Area,
    /// How many people it holds.
    capacity: u32,
    /// Places free to reserve.
    available: u32,
}

/// A price level.
#[derive(Clone, Debug, SimpleObject)]
pub struct TierAvailability {
    /// Which tier.
    tier: Tier,
    /// Places of this tier that are free to reserve.
    available: u32,
    /// What a place costs now, fee and tax included.
    price: Money,
    /// What the cheapest place of this tier that is free now costs, fee and tax included; null when none is free.
    lowest_price: Option<Money>,
}

/// What changed since the message before. It covers one version or, when changes come faster than they are told, several:
/// of a place that changed more than once, only where it stands now is told.
#[derive(Clone, Debug, SimpleObject)]
pub struct AvailabilityDelta {
    /// The version that this follows: the `version` of the message before, or the one that you gave as `after`.
    after: Long,
    /// The version that this leads to; give it as `after` when you subscribe again.
    version: Long,
    /// The seats that changed, with their status now.
    seats: Vec<SeatChange>,
    /// The areas that changed, with the places free now.
    areas: Vec<AreaChange>,
}

/// A seat's new status.
#[derive(Clone, Debug, SimpleObject)]
pub struct SeatChange {
    /// The seat's id, as in `SeatMap`.
    id: ID,
    /// Its status now.
    status: SeatStatus,
}

/// An area's places.
#[derive(Clone, Debug, SimpleObject)]
pub struct AreaChange {
    /// The area's id, as in `SeatMap`.
    id: ID,
    /// Places free to reserve now.
    available: u32,
}

/// Where a seat stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "PublicStatus")]
pub enum SeatStatus {
    /// Free to reserve.
    Available,
    /// Somebody's for now: reserved, or being paid.
    Reserved,
    /// Sold.
    Sold,
    /// Not for sale: withheld by the vendor, without a tier, or at a hidden one.
    Blocked,
}

/// A message of `seatAvailability`.
#[derive(Clone, Debug, Union)]
pub enum SeatAvailability {
    /// Everything, instead of all that came before.
    Snapshot(AvailabilitySnapshot),
    /// What changed since the message before.
    Delta(AvailabilityDelta),
}

/// How many seats' statuses are told in a microsecond.
const SEATS_A_MICROSECOND: usize = 10;

/// Bytes that a seat takes while the response is built, with its share of its row.
const SEAT_BYTES: usize = 4;

/// Charges the operation with an availability that it is about to tell.
pub(crate) fn charge(ctx: &Context<'_>, availability: &Availability) -> ApiResult<()> {
    let seats = availability.seats.len();
    let [work, bytes] = [seats / SEATS_A_MICROSECOND, seats * SEAT_BYTES]
        .map(|number| u64::try_from(number).unwrap_or(u64::MAX));
    Ok(ctx.budget().charge(work, bytes)?)
}

impl AvailabilitySnapshot {
    /// What is free of the event, in words of its seat map and tiers.
    pub(crate) async fn new(app: &App, event: &event::Model, availability: Availability) -> Faulty<Self> {
        let as_of = app.clock.now();
        let map = venue::seat_map(app, event.seat_map_id).await?;
        // Read after the availability: prices may be newer than its version, never older.
        let mut tiers: HashMap<_, _> =
            tiers_of(app, event.id).await?.into_iter().map(|tier| (tier.id, tier)).collect();
        let tiers: Vec<Option<Tier>> = availability
            .tiers
            .iter()
            .map(|(id, _)| tiers.remove(id).map(|tier| Tier::new(tier, event)))
            .collect();
        let counts = availability.counts;
        Ok(Self {
            version: Long(availability.version),
            as_of,
            capacity: counts.available + counts.reserved + counts.sold + counts.blocked,
            available: counts.available,
            reserved: counts.reserved,
            sold: counts.sold,
            blocked: counts.blocked,
            sections: sections::of(&map, &availability, &tiers),
            rows: rows(&map, &availability.seats),
            areas: areas(&map, &availability.areas),
            tiers: tiers
                .into_iter()
                .zip(&availability.tiers)
                .filter_map(|(tier, &(_, available))| {
                    let tier = tier?;
                    let price = tier.total_price();
                    let lowest_price = (available > 0).then(|| price.clone());
                    Some(TierAvailability { tier, available, price, lowest_price })
                })
                .collect(),
        })
    }
}

fn rows(map: &SeatMap, seats: &[PublicStatus]) -> Vec<RowAvailability> {
    let row = |row: &venue::plan::Row| {
        let seats = seats.get(row.seats.clone()).unwrap_or_default();
        let mut statuses = String::with_capacity(seats.len());
        statuses.extend(seats.iter().copied().map(letter));
        RowAvailability { zone: map.plan.zones[row.zone].name.clone(), row: row.number.clone(), statuses }
    };
    map.plan.rows.iter().map(row).collect()
}

fn areas(map: &Arc<SeatMap>, areas: &[crate::inventory::Area]) -> Vec<AreaAvailability> {
    let area = |(ordinal, area): (u32, &crate::inventory::Area)| {
        Some(AreaAvailability {
            area: Area::new(map, ordinal)?,
            capacity: map.plan.areas.get(ordinal as usize)?.capacity,
            available: area.available(),
        })
    };
    (0..).zip(areas).filter_map(area).collect()
}

fn letter(seat: PublicStatus) -> char {
    match seat {
        PublicStatus::Available => 'A',
        PublicStatus::Reserved => 'R',
        PublicStatus::Sold => 'S',
        PublicStatus::Blocked => 'X',
    }
}

/// Subscriptions.
#[derive(Debug, Default)]
pub struct AvailabilitySubscription;

#[Subscription]
impl AvailabilitySubscription {
    /// What is free of an event, and every change of it, in order and without a gap. Begins with a snapshot or, when
    /// `after` is a version that is still kept, with the changes after it. Each delta's `after` is the `version` of the
    /// message before. A reader that is too slow gets one delta over all that it missed, or a new snapshot. After a
    /// disconnection, subscribe again with the last `version` as `after`. Places at hidden tiers are told as not for
    /// sale, to everybody.
    async fn seat_availability(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of which event; it must be published.")] event_id: ID,
        #[graphql(desc = "The version that you have; from a snapshot on when left out.")] after: Option<Long>,
    ) -> Result<impl Stream<Item = ApiResult<SeatAvailability>> + use<>, ApiError> {
        let id: EventId = decode(&event_id, "eventId")?;
        let event = Event::row(ctx, id).await?;
        if event.state == event::EventState::Draft {
            return Err(Fault::NotFound("event").into());
        }
        let (app, progress) = (ctx.app().clone(), ctx.progress().clone());
        let window =
            progress.window().unwrap_or(after.map_or(Window::Whole, |version| Window::After(version.0)));
        Ok(messages(&app, id.into(), window).then(move |message| {
            let (app, event, progress) = (app.clone(), event.clone(), progress.clone());
            async move {
                let message = message?;
                progress.tell(Span::of(&message));
                told(&app, &event, message).await.map_err(ApiError::from)
            }
        }))
    }
}

/// The wanted part of an inventory's feed.
pub(crate) fn messages(app: &App, id: InventoryId, window: Window) -> BoxStream<'static, Faulty<Message>> {
    match window {
        Window::Whole => feed::subscribe(app, id, None).boxed(),
        Window::After(version) => feed::subscribe(app, id, Some(version)).boxed(),
        Window::Between(after, until) => {
            let app = app.clone();
            stream::once(async move { feed::between(&app, id, after, until).await }).boxed()
        }
    }
}

async fn told(app: &App, event: &event::Model, message: Message) -> Faulty<SeatAvailability> {
    match message {
        Message::Snapshot(availability) => {
            Ok(SeatAvailability::Snapshot(AvailabilitySnapshot::new(app, event, availability).await?))
        }
        Message::Delta(delta) => {
            let map = venue::seat_map(app, event.seat_map_id).await?;
            let seats = delta
                .seats
                .into_iter()
                .map(|(ordinal, status)| SeatChange {
                    id: seat_id(&map, ordinal as usize),
                    status: status.into(),
                })
                .collect();
            let areas = delta
                .areas
                .into_iter()
                .map(|(ordinal, available)| AreaChange {
                    id: id::encode_as(id::AREA, map.place_id(ordinal)),
                    available,
                })
                .collect();
            let (after, version) = (Long(delta.after), Long(delta.version));
            Ok(SeatAvailability::Delta(AvailabilityDelta { after, version, seats, areas }))
        }
    }
}
