//! The availability feed: a snapshot or a resume, then every version, in order and without a gap.
//!
//! A reader subscribes to the desk *before* it looks at the stock or the log, so nothing falls between the two; what
//! comes twice is dropped by its version. A reader that lags behind the live channel goes back to the log, and where
//! the log no longer reaches, to a fresh snapshot. So a slow reader costs bounded memory and still misses nothing.

use std::{collections::VecDeque, sync::Arc};

use entity::{InventoryId, inventory::SeatStatus};
use futures_util::{Stream, stream};
use tokio::sync::broadcast::{self, error::RecvError};

use super::{
    change::{Change, Version},
    desk::Desk,
    read,
    state::{Area, Counts, Stock},
};
use crate::{app::App, error::Faulty};

/// Versions read from the log at once when a reader resumes.
const RESUME: u64 = 500;
/// A reader that is further behind than this gets a snapshot, which is smaller.
const RESUME_MAX: i64 = 5_000;

/// What a reader of the feed gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The whole availability at one version.
    Snapshot(Availability),
    /// What one version changed; versions follow one another without a gap.
    Delta {
        /// The version that this change made.
        version: i64,
        /// Seats by ordinal, with their new status.
        seats: Vec<(u32, Visible)>,
        /// Areas by ordinal, with the places now available.
        areas: Vec<(u32, u32)>,
    },
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
}

/// A seat's status as everybody may see it: who pays is nobody's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Visible {
    /// Free to reserve.
    Available,
    /// Somebody's for now.
    Reserved,
    /// Sold.
    Sold,
    /// Withheld, or without a price.
    Blocked,
}

impl Visible {
    fn of(status: SeatStatus, has_price: bool) -> Self {
        match status {
            SeatStatus::Available if has_price => Self::Available,
            SeatStatus::Available | SeatStatus::Blocked => Self::Blocked,
            SeatStatus::Reserved | SeatStatus::Paying => Self::Reserved,
            SeatStatus::Sold => Self::Sold,
        }
    }
}

/// The availability as it is now.
pub async fn availability(app: &App, id: InventoryId) -> Faulty<Availability> {
    let desk = app.desks.get(app, id);
    desk.read(app, look).await
}

/// The feed from a snapshot on, or, if `after` is given and the log still reaches, from the version after it.
pub fn subscribe(
    app: &App,
    id: InventoryId,
    after: Option<i64>,
) -> impl Stream<Item = Faulty<Message>> + use<> {
    let desk = app.desks.get(app, id);
    let reader = Reader {
        app: app.clone(),
        live: desk.subscribe(),
        desk,
        last: after,
        behind: true,
        pending: VecDeque::new(),
    };
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
    pending: VecDeque<Message>,
}

impl Reader {
    async fn next(&mut self) -> Faulty<Option<Message>> {
        loop {
            if let Some(message) = self.pending.pop_front() {
                return Ok(Some(message));
            }
            if self.behind {
                self.refill().await?;
                continue;
            }
            match self.live.recv().await {
                Ok(version) => self.take(&version),
                Err(RecvError::Lagged(_)) => self.behind = true,
                Err(RecvError::Closed) => return Ok(None),
            }
        }
    }

    /// Takes a live version: one that the reader has is dropped, a gap sends the reader to the log.
    fn take(&mut self, version: &Version) {
        match self.last {
            Some(last) if version.number <= last => {}
            // New terms may have changed what is for sale: only a snapshot tells that.
            _ if version.change.terms => self.behind = true,
            Some(last) if version.number == last + 1 => {
                self.last = Some(version.number);
                self.pending.push_back(delta(version.number, &version.change));
            }
            Some(_) | None => self.behind = true,
        }
    }

    async fn refill(&mut self) -> Faulty<()> {
        let current = self.desk.read(&self.app, |stock| stock.version).await?;
        let Some(last) = self.last.filter(|last| (current - RESUME_MAX..=current).contains(last)) else {
            return self.snapshot().await;
        };
        if last == current {
            self.behind = false;
            return Ok(());
        }
        match read::changes_after(&self.app, self.desk.id(), last, RESUME).await? {
            Some(changes) if !changes.iter().any(|(_, change)| change.terms) => {
                for (number, change) in changes {
                    self.last = Some(number);
                    self.pending.push_back(delta(number, &change));
                }
                Ok(())
            }
            // New terms may have changed what is for sale: only a snapshot tells that.
            Some(_) | None => self.snapshot().await,
        }
    }

    async fn snapshot(&mut self) -> Faulty<()> {
        let availability = self.desk.read(&self.app, look).await?;
        self.last = Some(availability.version);
        self.behind = false;
        self.pending.push_back(Message::Snapshot(availability));
        Ok(())
    }
}

fn delta(version: i64, change: &Change) -> Message {
    Message::Delta {
        version,
        // A seat without a price is never reserved or sold, so it is in no change but by being blocked.
        seats: change
            .seats
            .iter()
            .map(|&(ordinal, status, ..)| (ordinal, Visible::of(status, true)))
            .collect(),
        areas: change.areas.iter().map(|&(ordinal, available, ..)| (ordinal, available)).collect(),
    }
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
    }
}
