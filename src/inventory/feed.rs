//! The availability feed: a snapshot or a resume, then every version in order and without gaps.
//!
//! A reader subscribes to the desk *before* it reads the stock or the log, so no version is lost in between. Duplicates
//! are dropped by their version. Versions committed while the reader is busy reach it as one [`Delta`], so slow readers
//! get larger messages. A reader that lags behind the live channel reads the log or, if the log does not reach back far
//! enough, a new snapshot. So a slow reader needs bounded memory and misses nothing.
//!
//! The feed is public: places at hidden tiers appear as not for sale, and no delta contains them. Hiding or showing a
//! tier changes the terms, after which every reader gets a snapshot.

use std::sync::Arc;

use entity::{InventoryId, TierId, inventory::SeatStatus};
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

/// The availability of an inventory at one version, as a reader sees it. Places that are not for sale to the reader
/// appear as blocked, regardless of their status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Availability {
    /// The version.
    pub version: i64,
    /// By seat ordinal.
    pub seats: Vec<PublicStatus>,
    /// By area ordinal; zero places if it is not for sale.
    pub areas: Vec<Area>,
    /// Totals. Places that are not for sale count as blocked.
    pub counts: Counts,
    /// The tiers that the reader sees, with their available places.
    pub tiers: Vec<(TierId, u32)>,
    /// By seat ordinal: index into `tiers`, or `None` if the seat is not for sale.
    pub seat_tiers: Vec<Option<u16>>,
    /// By area ordinal: index into `tiers`, or `None` if the area is not for sale.
    pub area_tiers: Vec<Option<u16>>,
}

/// Returns the current public availability.
pub async fn availability(app: &App, id: InventoryId) -> FaultResult<Availability> {
    opened_availability(app, id, &[]).await
}

/// Returns the current availability for a reader who has unlocked these hidden tiers.
pub async fn opened_availability(app: &App, id: InventoryId, opened: &[TierId]) -> FaultResult<Availability> {
    let desk = desk::get(app, id);
    desk.read(app, 0, |stock| look(stock, opened)).await
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
            let Some(delta) = logged(app, id, last, limit).await? else { break };
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
            Ok(Message::Snapshot(desk.read(app, known, |stock| look(stock, &[])).await?))
        }
    }
}

/// Streams the feed: from a snapshot or, if `after` is given and still in the log, from the version after it.
pub fn subscribe(
    app: &App,
    id: InventoryId,
    after: Option<i64>,
) -> impl Stream<Item = FaultResult<Message>> + use<> {
    let desk = desk::get(app, id);
    let reader = Reader { app: app.clone(), live: desk.subscribe(), desk, last: after, behind: true };
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
                let delta = delta_of(version.number, &version.change);
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
        match logged(&self.app, self.desk.id(), last, RESUME).await? {
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
        let availability = self.desk.read(&self.app, known, |stock| look(stock, &[])).await?;
        self.last = Some(availability.version);
        self.behind = false;
        Ok(Message::Snapshot(availability))
    }
}

/// Returns one version as a delta. Returns `None` if it needs a snapshot: if the terms changed, because they decide what
/// is for sale, or if an earlier program version wrote it without totals.
fn delta_of(version: i64, change: &Change) -> Option<Delta> {
    if change.terms { None } else { Delta::of(version, change) }
}

/// Returns up to `limit` versions after `after` as one delta. Returns `None` if the log does not reach back, or if one of
/// the versions needs a snapshot.
async fn logged(app: &App, id: InventoryId, after: i64, limit: u64) -> FaultResult<Option<Delta>> {
    let Some(changes) = read::changes_after(app, id, after, limit).await? else { return Ok(None) };
    let deltas: Option<Vec<Delta>> =
        changes.iter().map(|(version, change)| delta_of(*version, change)).collect();
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

/// Returns the stock as seen by a reader who has unlocked the tiers `opened`. Other hidden tiers are omitted.
fn look(stock: &Stock, opened: &[TierId]) -> Availability {
    let terms = &stock.terms;
    let mut tiers = Vec::with_capacity(terms.tiers.len());
    let mut shown = Vec::with_capacity(terms.tiers.len());
    for tier in &terms.tiers {
        // There are at most a hundred tiers.
        let index = u16::try_from(tiers.len()).ok();
        shown.push(index.filter(|_| tier.is_open_to(opened)));
        if tier.is_open_to(opened) {
            tiers.push((tier.id, 0));
        }
    }
    let shown = |tier: Option<u16>| tier.and_then(|tier| shown.get(usize::from(tier)).copied().flatten());
    let seat_tiers: Vec<_> = terms.seat_tiers.iter().map(|tier| shown(*tier)).collect();
    let area_tiers: Vec<_> = terms.area_tiers.iter().map(|tier| shown(*tier)).collect();
    let mut counts = Counts::default();
    let mut seats = Vec::with_capacity(stock.seats.len());
    for (seat, tier) in stock.seats.iter().zip(&seat_tiers) {
        let Some(tier) = tier else {
            counts.blocked += 1;
            seats.push(PublicStatus::Blocked);
            continue;
        };
        *counts.of(seat.status) += 1;
        tiers[usize::from(*tier)].1 += u32::from(seat.status == SeatStatus::Available);
        seats.push(PublicStatus::of(seat.status));
    }
    let mut areas = Vec::with_capacity(stock.areas.len());
    for (area, tier) in stock.areas.iter().zip(&area_tiers) {
        let Some(tier) = tier else {
            counts.blocked += area.capacity;
            areas.push(Area::NOTHING);
            continue;
        };
        counts.available += area.available();
        counts.reserved += area.reserved;
        counts.sold += area.sold;
        tiers[usize::from(*tier)].1 += area.available();
        areas.push(*area);
    }
    Availability { version: stock.version, seats, areas, counts, tiers, seat_tiers, area_tiers }
}
