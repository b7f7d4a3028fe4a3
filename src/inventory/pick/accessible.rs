//! Seats for a party with wheelchair users: their places, the companions' seats that belong to these, and the rest of
//! the party next to them if possible.
//!
//! Companions without a companion's seat, and all others, sit on ordinary seats. A party that stays together has its
//! wheelchair places in one row.

use std::ops::Range;

use super::{count, ordinary, together::Search};
use crate::{
    inventory::command::{AccessibleParty, BestAvailable, Refusal},
    venue::hall::{Point, WheelchairPlace, distance},
};

/// Maximum number of starting places for a party that accepts a split.
const ANCHORS: usize = 32;
/// Maximum number of places examined for that. It bounds the time.
const LOOKS: usize = 40_000;

/// Seats for the wheelchair users and their companions.
struct Core {
    /// The wheelchair places and the companions' seats, in order.
    slots: Vec<usize>,
    /// Number of companions on ordinary seats.
    standing_in: usize,
    /// The seats for the rest of the party directly next to them; `None` if there are not enough.
    beside: Option<Vec<usize>>,
}

/// Returns the seats for the party, by slot.
pub(super) fn seats(
    search: &Search<'_>,
    wish: &BestAvailable,
    party: AccessibleParty,
) -> Result<Vec<usize>, Refusal> {
    let wheelchairs = (party.wheelchair_places as usize).max(1);
    let others = (wish.quantity as usize).saturating_sub(wheelchairs + party.companions as usize);
    let places: Vec<&WheelchairPlace> =
        search.hall().wheelchairs().iter().filter(|place| search.rank(place.slot).is_some()).collect();
    if places.len() < wheelchairs {
        return Err(Refusal::NotEnoughLeft { available: count(places.len()) });
    }
    let mut sets = in_one_row(search, &places, wheelchairs);
    if sets.is_empty() && wish.split {
        sets = near_each_other(search, &places, wheelchairs);
    }
    let cores = sets.iter().map(|set| core(search, set, party.companions as usize, others));
    let Some(core) = cores.min_by_key(|core| key(search, core)) else {
        let available = count(most_in_one_row(search, &places));
        let if_split = seats(search, &BestAvailable { split: true, ..wish.clone() }, party).is_ok();
        return Err(Refusal::NotEnoughTogether { available, if_split });
    };
    let rest = match core.beside {
        Some(beside) => beside,
        None => rest(search, &core, core.standing_in + others, wish.split)?,
    };
    let mut slots = core.slots;
    slots.extend(rest);
    Ok(slots)
}

/// Returns seats for the rest of the party, as near as possible to those seated.
fn rest(search: &Search<'_>, core: &Core, quantity: usize, split: bool) -> Result<Vec<usize>, Refusal> {
    let near = search.near(middle(search, &core.slots), false);
    let seated = count(core.slots.len());
    match ordinary(&near, quantity, split) {
        Ok(blocks) => Ok(blocks.into_iter().flatten().collect()),
        Err(Refusal::NotEnoughLeft { available }) => {
            Err(Refusal::NotEnoughLeft { available: available + seated })
        }
        Err(Refusal::NotEnoughTogether { available, if_split }) => {
            Err(Refusal::NotEnoughTogether { available: available + seated, if_split })
        }
        Err(refusal) => Err(refusal),
    }
}

/// Returns all sets of `quantity` consecutive places in one row.
fn in_one_row<'a>(
    search: &Search<'_>,
    places: &[&'a WheelchairPlace],
    quantity: usize,
) -> Vec<Vec<&'a WheelchairPlace>> {
    by_row(search, places)
        .chunk_by(|a, b| row(search, a) == row(search, b))
        .flat_map(|row| row.windows(quantity).map(<[_]>::to_vec))
        .collect()
}

/// Returns sets of `quantity` places around some of the best places.
fn near_each_other<'a>(
    search: &Search<'_>,
    places: &[&'a WheelchairPlace],
    quantity: usize,
) -> Vec<Vec<&'a WheelchairPlace>> {
    let around = |anchor: &&WheelchairPlace| {
        let middle = search.hall().centre(&at(anchor.slot));
        let mut set = places.to_vec();
        set.sort_by_cached_key(|place| (distance(search.hall().centre(&at(place.slot)), middle), place.slot));
        set.truncate(quantity);
        set
    };
    places.iter().take((LOOKS / places.len().max(1)).clamp(1, ANCHORS)).map(around).collect()
}

fn by_row<'a>(search: &Search<'_>, places: &[&'a WheelchairPlace]) -> Vec<&'a WheelchairPlace> {
    let mut places = places.to_vec();
    places.sort_by_key(|place| (row(search, place), place.slot));
    places
}

fn most_in_one_row(search: &Search<'_>, places: &[&WheelchairPlace]) -> usize {
    let places = by_row(search, places);
    let rows = places.chunk_by(|a, b| row(search, a) == row(search, b));
    rows.map(<[_]>::len).max().unwrap_or_default()
}

fn row(search: &Search<'_>, place: &WheelchairPlace) -> usize {
    search.hall().run_of(place.slot).row
}

/// Returns these places with their companions' seats, and seats for the rest of the party if it fits next to them.
fn core(search: &Search<'_>, set: &[&WheelchairPlace], companions: usize, others: usize) -> Core {
    let mut slots: Vec<usize> = set.iter().map(|place| place.slot).collect();
    let free = |slot: &usize| search.rank(*slot).is_some();
    let mut left = companions;
    // Give each user one companion first, then the second ones.
    let most = set.iter().map(|place| place.companions.len()).max().unwrap_or_default();
    for round in 0..most {
        for place in set {
            if left > 0
                && let Some(slot) = place.companions.iter().copied().filter(free).nth(round)
            {
                slots.push(slot);
                left -= 1;
            }
        }
    }
    slots.sort_unstable();
    let beside = beside(search, &slots, left + others);
    Core { slots, standing_in: left, beside }
}

/// Returns `quantity` ordinary seats directly before and after the slots, if all are in one run.
fn beside(search: &Search<'_>, slots: &[usize], quantity: usize) -> Option<Vec<usize>> {
    if quantity == 0 {
        return Some(Vec::new());
    }
    let (first, last) = (*slots.first()?, *slots.last()?);
    let run = &search.hall().run_of(first).slots;
    if !run.contains(&last) {
        return None;
    }
    let is_free = |slot: &usize| search.hall().is_standard(*slot) && search.rank(*slot).is_some();
    let before = (run.start..first).rev().take(quantity).take_while(is_free).count();
    let after = (last + 1..run.end).take(quantity).take_while(is_free).count();
    let ways = (quantity.saturating_sub(after)..=before.min(quantity)).map(|before| {
        let (left, right) = (first - before..first, last + 1..last + 1 + quantity - before);
        let orphans: usize = [&left, &right]
            .into_iter()
            .filter(|block| !block.is_empty())
            .map(|block| search.view.orphans_beside(block))
            .sum();
        (orphans, search.cost(&(left.start..right.end)), left, right)
    });
    let (.., left, right) = ways.min_by_key(|(orphans, cost, left, _)| (*orphans, *cost, left.start))?;
    Some(left.chain(right).collect())
}

/// Returns the sort key of a core: companions on their own seats, all side by side, more wanted tiers, then shorter
/// distances to each other and to the stage.
fn key(search: &Search<'_>, core: &Core) -> (usize, bool, u64, u64, usize) {
    let worst = core.slots.iter().filter_map(|&slot| search.rank(slot)).max().unwrap_or_default();
    let middle = middle(search, &core.slots);
    let way = |&slot: &usize| search.cost(&at(slot)) + distance(search.hall().centre(&at(slot)), middle);
    let way = core.slots.iter().map(way).sum();
    (core.standing_in, core.beside.is_none(), worst, way, core.slots.first().copied().unwrap_or_default())
}

fn middle(search: &Search<'_>, slots: &[usize]) -> Point {
    let points = || slots.iter().map(|&slot| search.hall().centre(&at(slot)));
    let of = |of: fn(Point) -> f64| points().map(of).sum::<f64>() / points().map(|_| 1.0).sum::<f64>();
    Point { x: of(|point| point.x), y: of(|point| point.y) }
}

fn at(slot: usize) -> Range<usize> {
    slot..slot + 1
}
