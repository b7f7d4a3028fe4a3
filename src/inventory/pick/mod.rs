//! Choosing seats: the best free seats for a party, and the rule against single seats left over.
//!
//! All algorithms use a [`view::View`]: a seat is free if no reservation has it, or if its reservation has expired.
//! `together` finds one block for a party, `parted` several, `accessible` seats wheelchair users with their companions,
//! and `orphan` checks seats picked by hand.
//!
//! An *orphan* is a free seat without a free neighbour. Wheelchair places and companions' seats never are orphans. They
//! are not sold to ordinary parties, so for these they count as the end of the row.
//!
//! Invariant: pure and synchronous. The same stock at the same time gives the same seats: of equally good ones, the
//! smaller ordinal wins.

mod accessible;
mod orphan;
mod parted;
mod together;
mod view;

#[cfg(test)]
mod examples;
#[cfg(test)]
mod model;
#[cfg(test)]
mod properties;

use std::ops::Range;

use chrono::{DateTime, Utc};

pub(super) use self::orphan::leaves_no_orphans;
use self::{together::Search, view::View};
use super::{
    command::{BestAvailable, Refusal},
    state::Stock,
};

/// Returns the best free seats for the party, by ordinal, in their order along the rows.
///
/// Blocks of neighbouring seats for the whole party are compared by three criteria, in this order: no orphans, the most
/// wanted tier, the distance to the focal point. A party that accepts a split and cannot sit together gets several
/// blocks: as few as possible, near each other. Ordinary parties never get wheelchair places or companions' seats.
pub fn best_available(stock: &Stock, wish: &BestAvailable, now: DateTime<Utc>) -> Result<Vec<u32>, Refusal> {
    let view = View::new(stock, &wish.opened, now);
    let search = Search::new(&view, wish);
    let slots = match wish.accessible {
        Some(party) => accessible::seats(&search, wish, party)?,
        None => ordinary(&search, wish.quantity as usize, wish.split)?.into_iter().flatten().collect(),
    };
    Ok(slots.into_iter().map(|slot| view.hall.ordinal(slot)).collect())
}

/// Returns the blocks for an ordinary party: one, or several if it accepts a split.
fn ordinary(search: &Search<'_>, quantity: usize, split: bool) -> Result<Vec<Range<usize>>, Refusal> {
    if quantity == 0 {
        return Ok(Vec::new());
    }
    if let Some(block) = search.block(quantity) {
        return Ok(vec![block]);
    }
    let stretches = search.stretches();
    let left: usize = stretches.iter().map(Range::len).sum();
    if left < quantity {
        return Err(Refusal::NotEnoughLeft { available: count(left) });
    }
    if split {
        return Ok(parted::blocks(search, &stretches, quantity));
    }
    let most = stretches.iter().map(Range::len).max().unwrap_or_default();
    Err(Refusal::NotEnoughTogether { available: count(most), if_split: true })
}

fn count(seats: usize) -> u32 {
    u32::try_from(seats).unwrap_or(u32::MAX)
}
