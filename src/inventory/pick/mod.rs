//! Choosing seats: the best that are free for a party, and the rule that a pick leaves no single seats behind.
//!
//! Everybody who chooses looks through a [`view::View`]: a seat is free when nobody has it, or when whoever has it let
//! the time run out. `together` finds one block for a party, `parted` several, `accessible` seats wheelchair users and
//! those who come along, and `orphan` judges what buyers picked by hand.
//!
//! An *orphan* is a free seat without a free neighbour. Wheelchair places and companions' seats are none of it: nobody
//! sits between them by chance, so to all others they are like the end of the row.
//!
//! Invariant: pure and synchronous. The same stock at the same time gives the same seats: whatever is equally good, the
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

/// The best free seats for the party, by ordinal, in their order along the rows.
///
/// Of the blocks of as many neighbours as the party has people, those come first that leave no orphan, then those at
/// the price level wanted most, then the nearest to the focal point. Only a party that may be parted, and cannot sit
/// together, gets several blocks: as few as possible, near each other. Ordinary parties never get wheelchair places
/// or companions' seats.
pub fn best_available(stock: &Stock, wish: &BestAvailable, now: DateTime<Utc>) -> Result<Vec<u32>, Refusal> {
    let view = View::new(stock, &wish.opened, now);
    let search = Search::new(&view, wish);
    let slots = match wish.accessible {
        Some(party) => accessible::seats(&search, wish, party)?,
        None => ordinary(&search, wish.quantity as usize, wish.split)?.into_iter().flatten().collect(),
    };
    Ok(slots.into_iter().map(|slot| view.hall.ordinal(slot)).collect())
}

/// The blocks for an ordinary party: one, or several if it may be parted.
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
