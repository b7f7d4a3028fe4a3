//! Live availability: snapshots and the stream of changes.

mod zones;

use std::{collections::HashMap, sync::Arc};

use async_graphql::{Context, Enum, ID, SimpleObject, Subscription, Union};
use entity::{EventId, InventoryId, ShopId, event, tier};
use futures_util::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};

pub use self::zones::{ZoneAvailability, ZoneTier};
use crate::graphql::{
    context::ContextExt,
    error::{ApiError, ApiResult},
    event::Event,
    id::{self, decode, encode},
    progress::{Span, Window},
    scalar::{Instant, Long, Money},
    seat_map::{Area, seat_id},
    tier::Tier,
};
use crate::{
    app::App,
    auth::Viewer,
    error::{Fault, FaultResult, Object},
    event::{find::map_on_sale, tiers_of},
    inventory::{
        Audience,
        feed::{self, Availability, Message, PublicStatus},
    },
    shop::shops_seen,
    venue::{self, SeatMap},
};

/// The availability of an event's places at one version. A place is a numbered seat or one unit of an area's capacity.
#[derive(Clone, Debug, SimpleObject)]
pub struct AvailabilitySnapshot {
    /// Increases by one with every change. Send it as `after` when you subscribe to `seatAvailability`.
    version: Long,
    /// When the data was read, at most one second ago. It includes every reservation that this server accepted before
    /// your request. Concurrent requests may share one response.
    as_of: Instant,
    /// Number of all places: numbered seats plus the capacity of the areas.
    capacity: u32,
    /// Number of places that can be reserved now.
    available: u32,
    /// Number of places that are reserved or being paid.
    reserved: u32,
    /// Number of sold places.
    sold: u32,
    /// Number of places that are not for sale: withheld, without a tier, or in a hidden tier.
    blocked: u32,
    /// Totals per zone, in map order.
    zones: Vec<ZoneAvailability>,
    /// The seats of each row, in the same order as `SeatMap.zones.rows.seats`.
    rows: Vec<RowAvailability>,
    /// The general-admission areas, in map order.
    areas: Vec<AreaAvailability>,
    /// The event's visible tiers, in their order. Hidden tiers are excluded.
    tiers: Vec<TierAvailability>,
}

/// The seat statuses of one row.
#[derive(Clone, Debug, SimpleObject)]
pub struct RowAvailability {
    /// The name of the row's zone.
    zone: String,
    /// The row's number.
    row: String,
    /// One character per seat, in map order: `A` available, `R` reserved, `S` sold, `X` not for sale.
    statuses: String,
}

/// The availability of one general-admission area.
#[derive(Clone, Debug, SimpleObject)]
pub struct AreaAvailability {
    /// The area.
    area: Area,
    /// The area's capacity in persons.
    capacity: u32,
    /// Number of places that can be reserved now.
    available: u32,
}

/// The availability of one tier.
#[derive(Clone, Debug, SimpleObject)]
pub struct TierAvailability {
    /// The tier.
    tier: Tier,
    /// Number of places in this tier that can be reserved now.
    available: u32,
    /// Current price of one place, including fee and tax.
    price: Money,
    /// Price of the cheapest available place in this tier, including fee and tax. Null if no place is available.
    lowest_price: Option<Money>,
}

/// The changes since the previous message. It covers one version or several consecutive versions. For a place that
/// changed more than once, it contains only the latest state.
#[derive(Clone, Debug, SimpleObject)]
pub struct AvailabilityDelta {
    /// The version that this delta follows: the `version` of the previous message, or your `after` argument.
    after: Long,
    /// The version after this delta. Send it as `after` when you subscribe again.
    version: Long,
    /// The changed seats with their current status.
    seats: Vec<SeatChange>,
    /// The changed areas with their current number of available places.
    areas: Vec<AreaChange>,
    /// Number of all places: numbered seats plus the capacity of the areas.
    capacity: u32,
    /// Number of places that can be reserved now.
    available: u32,
    /// Number of places that are reserved or being paid.
    reserved: u32,
    /// Number of sold places.
    sold: u32,
    /// Number of places that are not for sale: withheld, without a tier, or in a hidden tier.
    blocked: u32,
    /// The visible tiers with changed places, with their current number of available places. The other tiers have the
    /// same number as before.
    tiers: Vec<TierChange>,
}

/// The new status of one seat.
#[derive(Clone, Debug, SimpleObject)]
pub struct SeatChange {
    /// The seat's id, as in `SeatMap`.
    id: ID,
    /// The seat's current status.
    status: SeatStatus,
}

/// The new availability of one area.
#[derive(Clone, Debug, SimpleObject)]
pub struct AreaChange {
    /// The area's id, as in `SeatMap`.
    id: ID,
    /// Number of places that can be reserved now.
    available: u32,
}

/// The new availability of one tier.
#[derive(Clone, Debug, SimpleObject)]
pub struct TierChange {
    /// The tier's id.
    id: ID,
    /// Number of places in this tier that can be reserved now.
    available: u32,
}

/// The status of a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "PublicStatus")]
pub enum SeatStatus {
    /// The seat can be reserved.
    Available,
    /// The seat is reserved or being paid.
    Reserved,
    /// The seat is sold.
    Sold,
    /// The seat is not for sale: withheld by the vendor, without a tier, or in a hidden tier.
    Blocked,
}

/// A message of the subscription `seatAvailability`.
#[derive(Clone, Debug, Union)]
pub enum SeatAvailability {
    /// The complete state. It replaces all previous messages.
    Snapshot(AvailabilitySnapshot),
    /// The changes since the previous message.
    Delta(AvailabilityDelta),
}

/// Number of seat statuses that are written in one microsecond.
const SEATS_A_MICROSECOND: usize = 10;

/// Memory per seat in bytes while the response is built, including the seat's share of its row.
const SEAT_BYTES: usize = 4;

/// Charges the operation's budget with an availability before it is written.
pub(crate) fn charge(ctx: &Context<'_>, availability: &Availability) -> ApiResult<()> {
    let seats = availability.seats.len();
    let [work, bytes] = [seats / SEATS_A_MICROSECOND, seats * SEAT_BYTES]
        .map(|number| u64::try_from(number).unwrap_or(u64::MAX));
    Ok(ctx.budget().charge(work, bytes)?)
}

impl AvailabilitySnapshot {
    /// Describes the event's availability in terms of its seat map and tiers.
    pub(crate) async fn new(
        app: &App,
        event: &event::Model,
        availability: Availability,
        tiers: Vec<tier::Model>,
    ) -> FaultResult<Self> {
        let as_of = app.clock.now();
        // The event may have moved to another seat map after its row was read.
        let map = venue::seat_map(app, availability.seat_map.unwrap_or(event.seat_map_id)).await?;
        let mut tiers: HashMap<_, _> = tiers.into_iter().map(|tier| (tier.id, tier)).collect();
        let tiers: Vec<Option<Tier>> = availability
            .tiers
            .iter()
            .map(|(id, _)| tiers.remove(id).map(|tier| Tier::new(tier, event)))
            .collect();
        let counts = availability.counts;
        Ok(Self {
            version: Long(availability.version),
            as_of: as_of.into(),
            capacity: counts.capacity(),
            available: counts.available,
            reserved: counts.reserved,
            sold: counts.sold,
            blocked: counts.blocked,
            zones: zones::of(&map, &availability, &tiers),
            rows: rows(&map, &availability.seats),
            areas: areas(&map, &availability.areas),
            tiers: tiers
                .into_iter()
                .zip(&availability.tiers)
                .filter_map(|(tier, &(_, available))| {
                    let tier = tier?;
                    let price = tier.price();
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

/// The subscriptions of this slice.
#[derive(Debug, Default)]
pub struct AvailabilitySubscription;

#[Subscription]
impl AvailabilitySubscription {
    /// Streams the availability of an event. The stream starts with a snapshot, or with the missed changes if `after`
    /// is a version that the server still keeps. Then it sends every change, in order and without gaps. The `after` of
    /// each delta equals the `version` of the previous message. A slow reader receives one merged delta or a new
    /// snapshot. After a disconnection, subscribe again and send the last `version` as `after`. Places in hidden tiers
    /// appear as not for sale, unless a member of the shop sends `allTiers: true`.
    async fn seat_availability(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of a published event.")] event_id: ID,
        #[graphql(
            desc = "The version that you already have. If omitted, the stream starts with a snapshot."
        )]
        after: Option<Long>,
        #[graphql(
            desc = "Whether to show hidden tiers and their places too, as `Event.availability` does to members of the \
            shop. Others get the error `FORBIDDEN`. Defaults to false."
        )]
        all_tiers: Option<bool>,
    ) -> Result<impl Stream<Item = ApiResult<SeatAvailability>> + use<>, ApiError> {
        let id: EventId = decode(&event_id, "eventId")?;
        let event = Event::row(ctx, id).await?;
        if event.state == event::EventState::Draft {
            return Err(Fault::NotFound(Object::Event).into());
        }
        let (app, viewer, progress) = (ctx.app().clone(), *ctx.viewer(), ctx.progress().clone());
        let all_tiers = all_tiers.unwrap_or_default();
        let messages = if all_tiers {
            require_member(&app, &viewer, event.shop_id).await?;
            feed::subscribe_for(&app, id.into(), after.map(|version| version.0), Audience::Shop).boxed()
        } else {
            let asked = after.map_or(Window::Whole, |version| Window::After(version.0));
            messages(&app, id.into(), progress.window().unwrap_or(asked))
        };
        Ok(messages.then(move |message| {
            let (app, event, progress) = (app.clone(), event.clone(), progress.clone());
            async move {
                let message = message?;
                if all_tiers {
                    // The membership may have ended since the last message.
                    require_member(&app, &viewer, event.shop_id).await?;
                }
                progress.record(Span::of(&message));
                message_of(&app, &event, message).await.map_err(ApiError::from)
            }
        }))
    }
}

/// Refuses viewers who are not members of the shop.
async fn require_member(app: &App, viewer: &Viewer, shop: ShopId) -> FaultResult<()> {
    viewer.user()?;
    if shops_seen(app, viewer).await?.contains(&shop) {
        Ok(())
    } else {
        Err(Fault::Forbidden("only members of the shop see its hidden tiers"))
    }
}

/// Returns the requested part of an inventory's public feed.
pub(crate) fn messages(
    app: &App,
    id: InventoryId,
    window: Window,
) -> BoxStream<'static, FaultResult<Message>> {
    match window {
        Window::Whole => feed::subscribe(app, id, None).boxed(),
        Window::After(version) => feed::subscribe(app, id, Some(version)).boxed(),
        Window::Between(after, until) => {
            let app = app.clone();
            stream::once(async move { feed::between(&app, id, after, until).await }).boxed()
        }
    }
}

async fn message_of(app: &App, event: &event::Model, message: Message) -> FaultResult<SeatAvailability> {
    match message {
        Message::Snapshot(availability) => {
            // Read after the availability, so that prices are never older than its version.
            let tiers = tiers_of(app, event.id).await?;
            Ok(SeatAvailability::Snapshot(AvailabilitySnapshot::new(app, event, availability, tiers).await?))
        }
        Message::Delta(delta) => {
            let map = map_on_sale(app, event.id).unwrap_or(event.seat_map_id);
            let map = venue::seat_map(app, map).await?;
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
            let tiers =
                delta.tiers.into_iter().map(|(id, available)| TierChange { id: encode(id), available });
            Ok(SeatAvailability::Delta(AvailabilityDelta {
                after: Long(delta.after),
                version: Long(delta.version),
                seats,
                areas,
                capacity: delta.counts.capacity(),
                available: delta.counts.available,
                reserved: delta.counts.reserved,
                sold: delta.counts.sold,
                blocked: delta.counts.blocked,
                tiers: tiers.collect(),
            }))
        }
    }
}
