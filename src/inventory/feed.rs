//! The availability feed: a snapshot or a resume, then every version in order and without gaps.
//!
//! A reader subscribes to the desk *before* it reads the stock or the log, so no version is lost in between. Duplicates
//! are dropped by their version. Versions committed while the reader is busy reach it as one [`Delta`], so slow readers
//! get larger messages. A reader that lags behind the live channel reads the log or, if the log does not reach back far
//! enough, a new snapshot. So a slow reader needs bounded memory and misses nothing.
//!
//! A stream is for the public or for members of the shop. For the public, places in hidden tiers appear as not for sale,
//! and no delta contains them. Hiding or showing a tier changes the terms, after which every reader gets a snapshot.

use std::sync::Arc;

use entity::{InventoryId, SeatMapId, TierId};
use futures_util::{Stream, stream};
use tokio::sync::broadcast::{
    self,
    error::{RecvError, TryRecvError},
};

pub use super::delta::{Delta, PublicStatus};
use super::{
    change::{Change, Version},
    desk,
    desks::Desk,
    read,
    state::{Area, Counts, Stock},
    totals::{Audience, AudienceTotals, Offer},
};
use crate::{app::App, error::FaultResult};

/// Versions read from the log per query when a reader resumes.
const RESUME: u64 = 500;
/// A reader that is further behind gets a snapshot, which is smaller.
const RESUME_MAX: i64 = 5_000;
/// A message with this many changed places takes no further version.
const ENOUGH: usize = 1_000;
/// If a delta has more places than this, a snapshot is sent instead. A delta of this size fits into one socket message.
const PLACES_MAX: usize = 3_000;

/// A message of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The whole availability at one version.
    Snapshot(Availability),
    /// The changes since the previous message, whose version it follows.
    Delta(Delta),
}

/// The availability of an inventory at one version, as its audience sees it. `totals.rs` defines what that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Availability {
    /// The version.
    pub version: i64,
    /// The seat map of an event. `None` for coupons.
    pub seat_map: Option<SeatMapId>,
    /// By seat ordinal.
    pub seats: Vec<PublicStatus>,
    /// By area ordinal: the part that the audience sees.
    pub areas: Vec<Area>,
    /// Totals of all places.
    pub counts: Counts,
    /// The tiers that the audience sees, with their available places.
    pub tiers: Vec<(TierId, u32)>,
    /// By seat ordinal: index into `tiers`, or `None` if the seat is not for sale.
    pub seat_tiers: Vec<Option<u16>>,
    /// By area ordinal: index into `tiers`, or `None` if the area is not for sale.
    pub area_tiers: Vec<Option<u16>>,
}

/// Returns the current public availability.
pub async fn availability(app: &App, id: InventoryId) -> FaultResult<Availability> {
    availability_for(app, id, Audience::PUBLIC).await
}

/// Returns the current availability for an audience.
pub async fn availability_for(
    app: &App,
    id: InventoryId,
    audience: Audience<'_>,
) -> FaultResult<Availability> {
    let desk = desk::get(app, id);
    desk.read(app, 0, |stock| look(stock, audience)).await
}

/// Returns the last version that this process has published, or `None` if it does not follow the inventory now. A
/// version is published before the callers of its commands are answered.
pub fn published_version(app: &App, id: InventoryId) -> Option<i64> {
    app.inventory.desks.find(id).map(|desk| desk.published_version()).filter(|version| *version != 0)
}

/// Returns the changes from version `after` to `until`, which must have been published here, as one message. The
/// message is a delta or, if the log does not reach back or a delta would be longer, a snapshot of `until` or later.
pub async fn between(app: &App, id: InventoryId, after: i64, until: i64) -> FaultResult<Message> {
    let desk = desk::get(app, id);
    let mut whole: Option<Delta> = None;
    if (after..=after.saturating_add(RESUME_MAX)).contains(&until) {
        let mut last = after;
        while last < until {
            let limit = RESUME.min(until.abs_diff(last));
            let Some(delta) = logged(app, id, (last, limit), Audience::PUBLIC).await? else { break };
            last = delta.version;
            let follows = match &mut whole {
                Some(whole) => whole.merge(delta).is_ok(),
                None => whole.replace(delta).is_none(),
            };
            if !follows || whole.as_ref().is_some_and(|whole| whole.len() > PLACES_MAX) {
                break;
            }
        }
    }
    match whole {
        Some(whole) if whole.version == until => Ok(Message::Delta(whole)),
        Some(_) | None => {
            let known = after.max(until);
            Ok(Message::Snapshot(desk.read(app, known, |stock| look(stock, Audience::PUBLIC)).await?))
        }
    }
}

/// Streams the public feed: from a snapshot or, if `after` is given and still in the log, from the version after it.
pub fn subscribe(
    app: &App,
    id: InventoryId,
    after: Option<i64>,
) -> impl Stream<Item = FaultResult<Message>> + use<> {
    subscribe_for(app, id, after, Audience::PUBLIC)
}

/// Streams the feed for the public or for members of the shop.
pub fn subscribe_for(
    app: &App,
    id: InventoryId,
    after: Option<i64>,
    audience: Audience<'static>,
) -> impl Stream<Item = FaultResult<Message>> + use<> {
    let desk = desk::get(app, id);
    let reader =
        Reader { app: app.clone(), live: desk.subscribe(), desk, last: after, behind: true, audience };
    stream::unfold(Some(reader), |reader| async move {
        let mut reader = reader?;
        match reader.next().await {
            Ok(Some(message)) => Some((Ok(message), Some(reader))),
            Ok(None) => None,
            // The reader reports the error, and the client resumes with the version that it has.
            Err(fault) => Some((Err(fault), None)),
        }
    })
}

struct Reader {
    app: App,
    desk: Arc<Desk>,
    live: broadcast::Receiver<Arc<Version>>,
    /// The last version that the reader has.
    last: Option<i64>,
    /// Whether the log may contain versions that are not in the live channel.
    behind: bool,
    audience: Audience<'static>,
}

impl Reader {
    async fn next(&mut self) -> FaultResult<Option<Message>> {
        loop {
            if self.behind {
                if let Some(message) = self.refill().await? {
                    return Ok(Some(message));
                }
                continue;
            }
            match self.live.recv().await {
                Ok(version) => {
                    if let Some(delta) = self.take(&version) {
                        let whole = self.gather(delta);
                        return self.shortest(whole).await.map(Some);
                    }
                }
                Err(RecvError::Lagged(_)) => self.behind = true,
                Err(RecvError::Closed) => return Ok(None),
            }
        }
    }

    /// Takes a live version. Drops it if the reader has it; a gap makes the reader use the log.
    fn take(&mut self, version: &Version) -> Option<Delta> {
        match self.last {
            Some(last) if version.number <= last => None,
            Some(last) if version.number == last + 1 => {
                let delta = delta_of(version.number, &version.change, self.audience);
                if delta.is_some() {
                    self.last = Some(version.number);
                } else {
                    self.behind = true;
                }
                delta
            }
            Some(_) | None => {
                self.behind = true;
                None
            }
        }
    }

    /// Merges the versions that were committed meanwhile.
    fn gather(&mut self, mut whole: Delta) -> Delta {
        while whole.len() < ENOUGH && !self.behind {
            match self.live.try_recv() {
                Ok(version) => {
                    if let Some(delta) = self.take(&version)
                        && whole.merge(delta).is_err()
                    {
                        self.last = Some(whole.version);
                        self.behind = true;
                    }
                }
                Err(TryRecvError::Lagged(_)) => self.behind = true,
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        whole
    }

    /// Reads the log or a snapshot. Returns `None` if the reader is up to date.
    async fn refill(&mut self) -> FaultResult<Option<Message>> {
        // A resuming client may have a later version from another instance; it must not go back in time.
        let known = self.last.unwrap_or_default();
        let current = self.desk.read(&self.app, known, |stock| stock.version).await?;
        let Some(last) = self.last.filter(|last| (current - RESUME_MAX..=current).contains(last)) else {
            return self.snapshot(known.max(current)).await.map(Some);
        };
        if last == current {
            self.behind = false;
            return Ok(None);
        }
        match logged(&self.app, self.desk.id(), (last, RESUME), self.audience).await? {
            Some(delta) => {
                self.last = Some(delta.version);
                self.shortest(delta).await.map(Some)
            }
            None => self.snapshot(current).await.map(Some),
        }
    }

    async fn shortest(&mut self, delta: Delta) -> FaultResult<Message> {
        if delta.len() > PLACES_MAX { self.snapshot(delta.version).await } else { Ok(Message::Delta(delta)) }
    }

    /// Returns a snapshot at version `known` or later.
    async fn snapshot(&mut self, known: i64) -> FaultResult<Message> {
        let audience = self.audience;
        let availability = self.desk.read(&self.app, known, |stock| look(stock, audience)).await?;
        self.last = Some(availability.version);
        self.behind = false;
        Ok(Message::Snapshot(availability))
    }
}

/// Returns one version as a delta. Returns `None` if it needs a snapshot: if the terms changed, because they decide what
/// is for sale, or if an earlier program version wrote it without totals.
fn delta_of(version: i64, change: &Change, audience: Audience<'_>) -> Option<Delta> {
    if change.terms { None } else { Delta::of(version, change, audience) }
}

/// Returns up to `limit` versions after `after` as one delta. Returns `None` if the log does not reach back, or if one of
/// the versions needs a snapshot.
async fn logged(
    app: &App,
    id: InventoryId,
    (after, limit): (i64, u64),
    audience: Audience<'_>,
) -> FaultResult<Option<Delta>> {
    let Some(changes) = read::changes_after(app, id, after, limit).await? else { return Ok(None) };
    let deltas: Option<Vec<Delta>> =
        changes.iter().map(|(version, change)| delta_of(*version, change, audience)).collect();
    let mut deltas = deltas.unwrap_or_default().into_iter();
    let Some(mut whole) = deltas.next() else { return Ok(None) };
    for delta in deltas {
        if whole.len() >= ENOUGH {
            break;
        }
        if whole.merge(delta).is_err() {
            return Ok(None);
        }
    }
    Ok(Some(whole))
}

/// Returns the stock as the audience sees it. Tiers that it does not see are omitted.
fn look(stock: &Stock, audience: Audience<'_>) -> Availability {
    let terms = &stock.terms;
    // The index of each tier of the terms among those that the audience sees.
    let mut shown = Vec::with_capacity(terms.tiers.len());
    let mut next = 0_u16;
    for tier in &terms.tiers {
        shown.push(audience.sees(tier).then_some(next));
        next += u16::from(audience.sees(tier));
    }
    let shown = |offer: Offer| offer.tier().and_then(|tier| shown.get(tier).copied().flatten());
    let mut totals = AudienceTotals::of_tiers(terms.tiers.len());
    let mut seats = Vec::with_capacity(stock.seats.len());
    let mut seat_tiers = Vec::with_capacity(stock.seats.len());
    for (ordinal, seat) in (0..).zip(&stock.seats) {
        let offer = terms.seat_offer(ordinal, audience);
        let seen = totals.add_seat(offer, seat.status);
        seats.push(seen.map_or(PublicStatus::Blocked, PublicStatus::of));
        seat_tiers.push(shown(offer));
    }
    let mut areas = Vec::with_capacity(stock.areas.len());
    let mut area_tiers = Vec::with_capacity(stock.areas.len());
    for (ordinal, area) in (0..).zip(&stock.areas) {
        let offer = terms.area_offer(ordinal, audience);
        areas.push(totals.add_area(offer, *area));
        area_tiers.push(shown(offer));
    }
    let tiers = terms.tiers.iter().zip(totals.tiers).filter(|(tier, _)| audience.sees(tier));
    Availability {
        version: stock.version,
        seat_map: terms.seat_map,
        seats,
        areas,
        counts: totals.counts,
        tiers: tiers.map(|(tier, available)| (tier.id, available)).collect(),
        seat_tiers,
        area_tiers,
    }
}
