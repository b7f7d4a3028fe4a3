//! The availability feed: a snapshot or a resume, then every version, in order and without a gap.
//!
//! A reader subscribes to the desk *before* it looks at the stock or the log, so nothing falls between the two; what
//! comes twice is dropped by its version. Versions that were committed while the reader was busy reach it as one
//! [`Delta`]: the slower it reads, the more a message covers. A reader that lags behind the live channel goes back to the
//! log, and where the log no longer reaches, to a fresh snapshot. So a slow reader costs bounded memory and still misses
//! nothing.

use std::sync::Arc;

use entity::{InventoryId, inventory::SeatStatus};
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
/// Where a delta has more places than this, a snapshot is shorter.
const PLACES_MAX: usize = 5_000;

/// What a reader of the feed gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The whole availability at one version.
    Snapshot(Availability),
    /// What changed since the message before, whose version it follows.
    Delta(Delta),
}

/// The availability of an inventory at one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Availability {
    /// The version.
    pub version: i64,
    /// By seat ordinal.
    pub seats: Vec<Visible>,
    /// By area ordinal.
    pub areas: Vec<Area>,
    /// Sums.
    pub counts: Counts,
    /// By tier index of the terms: places available.
    pub tiers: Vec<(entity::TierId, u32)>,
    /// By seat ordinal: index into `tiers`, or none where the seat is not for sale.
    pub seat_tiers: Vec<Option<u16>>,
    /// By area ordinal, likewise.
    pub area_tiers: Vec<Option<u16>>,
}

/// The availability as it is now.
pub async fn availability(app: &App, id: InventoryId) -> Faulty<Availability> {
    let desk = app.desks.get(app, id);
    desk.read(app, look).await
}

/// The last version that this process knows of, if it follows the inventory now. Told before anybody is answered whose
/// command made it.
pub fn told(app: &App, id: InventoryId) -> Option<i64> {
    app.desks.find(id).map(|desk| desk.told()).filter(|told| *told != 0)
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
            reach(app, &desk, after).await?;
            Ok(Message::Snapshot(desk.read(app, look).await?))
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
        let current = reach(&self.app, &self.desk, self.last.unwrap_or_default()).await?;
        let Some(last) = self.last.filter(|last| (current - RESUME_MAX..=current).contains(last)) else {
            return self.snapshot().await.map(Some);
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
            None => self.snapshot().await.map(Some),
        }
    }

    async fn shortest(&mut self, delta: Delta) -> Faulty<Message> {
        if delta.len() > PLACES_MAX { self.snapshot().await } else { Ok(Message::Delta(delta)) }
    }

    async fn snapshot(&mut self) -> Faulty<Message> {
        let availability = self.desk.read(&self.app, look).await?;
        self.last = Some(availability.version);
        self.behind = false;
        Ok(Message::Snapshot(availability))
    }
}

/// The desk's version, once it has followed the log if the reader has a later one: from another instance, or from the
/// log. Whoever comes back must not be sent into the past.
async fn reach(app: &App, desk: &Desk, last: i64) -> Faulty<i64> {
    let current = desk.read(app, |stock| stock.version).await?;
    if last <= current {
        return Ok(current);
    }
    desk.catch_up(app, last).await?;
    desk.read(app, |stock| stock.version).await
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

fn look(stock: &Stock) -> Availability {
    let mut tiers: Vec<(entity::TierId, u32)> = stock.terms.tiers.iter().map(|tier| (tier.id, 0)).collect();
    let mut count = |tier: Option<u16>, places: u32| {
        if let Some((_, available)) = tier.and_then(|tier| tiers.get_mut(usize::from(tier))) {
            *available += places;
        }
    };
    for (seat, tier) in stock.seats.iter().zip(&stock.terms.seat_tiers) {
        count(*tier, u32::from(seat.status == SeatStatus::Available));
    }
    for (area, tier) in stock.areas.iter().zip(&stock.terms.area_tiers) {
        count(*tier, area.available());
    }
    Availability {
        version: stock.version,
        seats: stock
            .seats
            .iter()
            .zip(&stock.terms.seat_tiers)
            .map(|(seat, tier)| Visible::of(seat.status, tier.is_some()))
            .collect(),
        areas: stock
            .areas
            .iter()
            .zip(&stock.terms.area_tiers)
            // Places without a price are nobody's to take.
            .map(
                |(area, tier)| {
                    if tier.is_some() { *area } else { Area { capacity: area.reserved + area.sold, ..*area } }
                },
            )
            .collect(),
        counts: stock.counts,
        tiers,
        seat_tiers: stock.terms.seat_tiers.clone(),
        area_tiers: stock.terms.area_tiers.clone(),
    }
}
