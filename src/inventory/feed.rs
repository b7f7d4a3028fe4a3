//! The availability feed: a snapshot or a resume, then every version, in order and without a gap.
//!
//! A reader subscribes to the desk *before* it looks at the stock or the log, so nothing falls between the two; what
//! comes twice is dropped by its version. Versions that were committed while the reader was busy reach it as one
//! [`Delta`]: the slower it reads, the more a message covers. A reader that lags behind the live channel goes back to the
//! log, and where the log no longer reaches, to a fresh snapshot. So a slow reader costs bounded memory and still misses
//! nothing.
//!
//! The feed is everybody's: places at hidden tiers are told as not for sale, and no delta is about them. A tier that is
//! hidden or shown is a change of terms, after which every reader gets a snapshot.

use std::sync::Arc;

use entity::{InventoryId, TierId, inventory::SeatStatus};
use futures_util::{Stream, stream};
use tokio::sync::broadcast::{
    self,
    error::{RecvError, TryRecvError},
};

pub use super::delta::{Delta, Visible};
use super::{
    change::Version,
    desk::Desk,
    read,
    state::{Area, Counts, Stock},
};
use crate::{app::App, error::Faulty};

/// Versions read from the log at once when a reader resumes.
const RESUME: u64 = 500;
/// A reader that is further behind than this gets a snapshot, which is smaller.
const RESUME_MAX: i64 = 5_000;
/// A message that changes this many places takes in no further version.
const ENOUGH: usize = 1_000;
/// Where a delta has more places than this, a snapshot is shorter. A delta of so many fits into one message to a socket.
const PLACES_MAX: usize = 3_000;

/// What a reader of the feed gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The whole availability at one version.
    Snapshot(Availability),
    /// What changed since the message before, whose version it follows.
    Delta(Delta),
}

/// The availability of an inventory at one version, as somebody may see it: what is not for sale to them is told as such,
/// whatever became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Availability {
    /// The version.
    pub version: i64,
    /// By seat ordinal.
    pub seats: Vec<Visible>,
    /// By area ordinal; nothing where it is not for sale.
    pub areas: Vec<Area>,
    /// Sums; what is not for sale counts as blocked.
    pub counts: Counts,
    /// The tiers that there are for the reader, with their places available.
    pub tiers: Vec<(TierId, u32)>,
    /// By seat ordinal: index into `tiers`, or none where the seat is not for sale.
    pub seat_tiers: Vec<Option<u16>>,
    /// By area ordinal, likewise.
    pub area_tiers: Vec<Option<u16>>,
}

/// The availability as it is now, for everybody.
pub async fn availability(app: &App, id: InventoryId) -> Faulty<Availability> {
    opened_availability(app, id, &[]).await
}

/// The same, for somebody to whom these hidden tiers were opened.
pub async fn opened_availability(app: &App, id: InventoryId, opened: &[TierId]) -> Faulty<Availability> {
    let desk = app.desks.get(app, id);
    desk.read(app, 0, |stock| look(stock, opened)).await
}

/// The last version that this process knows of, if it follows the inventory now. Told before anybody is answered whose
/// command made it.
pub fn published_version(app: &App, id: InventoryId) -> Option<i64> {
    app.desks.find(id).map(|desk| desk.published_version()).filter(|version| *version != 0)
}

/// What changed after one version up to another that was told here before, as one message: a delta over exactly these,
/// or a snapshot of `until` or later where the log does not reach or would be longer.
pub async fn between(app: &App, id: InventoryId, after: i64, until: i64) -> Faulty<Message> {
    let desk = app.desks.get(app, id);
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

/// The feed from a snapshot on, or, if `after` is given and the log still reaches, from the version after it.
pub fn subscribe(
    app: &App,
    id: InventoryId,
    after: Option<i64>,
) -> impl Stream<Item = Faulty<Message>> + use<> {
    let desk = app.desks.get(app, id);
    let reader = Reader { app: app.clone(), live: desk.subscribe(), desk, last: after, behind: true };
    stream::unfold(Some(reader), |reader| async move {
        let mut reader = reader?;
        match reader.next().await {
            Ok(Some(message)) => Some((Ok(message), Some(reader))),
            Ok(None) => None,
            // The reader is told and comes back with the version that it has.
            Err(fault) => Some((Err(fault), None)),
        }
    })
}

struct Reader {
    app: App,
    desk: Arc<Desk>,
    live: broadcast::Receiver<Arc<Version>>,
    /// The version that the reader has.
    last: Option<i64>,
    /// Whether there may be more in the log than in the live channel.
    behind: bool,
}

impl Reader {
    async fn next(&mut self) -> Faulty<Option<Message>> {
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

    /// Takes a live version: one that the reader has is dropped, a gap sends the reader to the log.
    fn take(&mut self, version: &Version) -> Option<Delta> {
        match self.last {
            Some(last) if version.number <= last => None,
            Some(last) if version.number == last + 1 && !version.change.terms => {
                self.last = Some(version.number);
                Some(Delta::of(version.number, &version.change))
            }
            // New terms may have changed what is for sale: only a snapshot tells that.
            Some(_) | None => {
                self.behind = true;
                None
            }
        }
    }

    /// Takes in what was committed meanwhile.
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

    /// Reads the log, or everything; nothing when the reader is up to date.
    async fn refill(&mut self) -> Faulty<Option<Message>> {
        // One who comes back may have a later version, from another instance: they must not be sent into the past.
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

    async fn shortest(&mut self, delta: Delta) -> Faulty<Message> {
        if delta.len() > PLACES_MAX { self.snapshot(delta.version).await } else { Ok(Message::Delta(delta)) }
    }

    /// Everything, of a version that is not older than `known`.
    async fn snapshot(&mut self, known: i64) -> Faulty<Message> {
        let availability = self.desk.read(&self.app, known, |stock| look(stock, &[])).await?;
        self.last = Some(availability.version);
        self.behind = false;
        Ok(Message::Snapshot(availability))
    }
}

/// Up to `limit` versions after `after` as one delta. None where the log does not reach, or says that there are new
/// terms: these may have changed what is for sale, which only a snapshot tells.
async fn logged(app: &App, id: InventoryId, after: i64, limit: u64) -> Faulty<Option<Delta>> {
    let Some(changes) = read::changes_after(app, id, after, limit).await? else { return Ok(None) };
    if changes.iter().any(|(_, change)| change.terms) {
        return Ok(None);
    }
    let mut changes = changes.iter().map(|(version, change)| Delta::of(*version, change));
    let Some(mut whole) = changes.next() else { return Ok(None) };
    for delta in changes {
        if whole.len() >= ENOUGH {
            break;
        }
        if whole.merge(delta).is_err() {
            return Ok(None);
        }
    }
    Ok(Some(whole))
}

/// The stock as somebody sees it to whom these hidden tiers were opened: any other is, for them, no tier.
fn look(stock: &Stock, opened: &[TierId]) -> Availability {
    let terms = &stock.terms;
    let mut tiers = Vec::with_capacity(terms.tiers.len());
    let mut shown = Vec::with_capacity(terms.tiers.len());
    for tier in &terms.tiers {
        // There are at most a hundred of them.
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
            seats.push(Visible::Blocked);
            continue;
        };
        *counts.of(seat.status) += 1;
        tiers[usize::from(*tier)].1 += u32::from(seat.status == SeatStatus::Available);
        seats.push(Visible::of(seat.status));
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
