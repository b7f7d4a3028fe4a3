//! The orphan rule: a manual pick must not leave a single seat that another pick would not leave.
//!
//! The rule considers the stretches of free neighbours that the pick takes seats from. A free seat that loses its last
//! free neighbour becomes an orphan. The pick is accepted if the seat was an orphan before. It is also accepted if no
//! choice of equally many seats from the same stretches leaves fewer: three of four neighbours always leave one.

use std::ops::Range;

use chrono::{DateTime, Utc};
use entity::TierId;

use super::view::View;
use crate::inventory::{command::Refusal, state::Stock};

/// Refuses the pick of these free seats if the event has the orphan rule and the pick breaks it.
///
/// Hidden seats that the buyer has not unlocked are ignored, and never revealed.
///
/// A party with a wheelchair place or a companion's seat has no choice where to sit, and is never refused.
pub(in crate::inventory) fn leaves_no_orphans(
    stock: &Stock,
    picked: &[u32],
    opened: &[TierId],
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    let view = View::new(stock, opened, now);
    let mut slots: Vec<usize> = picked.iter().filter_map(|&ordinal| view.hall.slot(ordinal)).collect();
    if !stock.terms.orphan_rule || !slots.iter().all(|&slot| view.hall.is_standard(slot)) {
        return Ok(());
    }
    slots.sort_unstable();
    let orphans = orphans(&view, &slots);
    if orphans.is_empty() {
        return Ok(());
    }
    let stretches = stretches(&view, &slots);
    if orphans.len() <= unavoidable(stretches.iter().map(Range::len), slots.len()) {
        return Ok(());
    }
    let mut seats: Vec<u32> = orphans.into_iter().map(|slot| view.hall.ordinal(slot)).collect();
    seats.sort_unstable();
    Err(Refusal::LeavesOrphans { seats })
}

/// Returns the free seats next to `taken`, in order, that would have no free neighbour.
fn orphans(view: &View<'_>, taken: &[usize]) -> Vec<usize> {
    let mut orphans = Vec::new();
    for &slot in taken {
        let run = &view.hall.run_of(slot).slots;
        let is_left = |slot: Option<usize>| {
            slot.is_some_and(|slot| taken.binary_search(&slot).is_err()) && view.is_free_in(run, slot)
        };
        let (before, after) = (slot.checked_sub(1), Some(slot + 1));
        if is_left(before) && !is_left(slot.checked_sub(2)) {
            orphans.extend(before);
        }
        if is_left(after) && !is_left(Some(slot + 2)) {
            orphans.extend(after);
        }
    }
    orphans.sort_unstable();
    orphans.dedup();
    orphans
}

/// Returns the stretches of free neighbours that contain these slots. The slots must be sorted.
fn stretches(view: &View<'_>, slots: &[usize]) -> Vec<Range<usize>> {
    let mut stretches: Vec<Range<usize>> = Vec::new();
    for &slot in slots {
        if stretches.last().is_some_and(|stretch| stretch.contains(&slot)) {
            continue;
        }
        let run = view.hall.run_of(slot).slots.clone();
        let before = (run.start..slot).rev().take_while(|&slot| view.free(slot).is_some()).count();
        let after = (slot + 1..run.end).take_while(|&slot| view.free(slot).is_some()).count();
        stretches.push(slot - before..slot + 1 + after);
    }
    stretches
}

/// Returns the minimum number of orphans for any choice of `quantity` seats from stretches of these lengths.
///
/// A stretch taken from one end leaves an orphan only if exactly one seat remains. So the question is how to distribute
/// the seats over the stretches without that.
fn unavoidable(lengths: impl Iterator<Item = usize>, quantity: usize) -> usize {
    let mut least: Vec<Option<usize>> = vec![None; quantity + 1];
    least[0] = Some(0);
    for length in lengths {
        let mut with: Vec<Option<usize>> = vec![None; quantity + 1];
        for (before, so_far) in least.iter().enumerate() {
            let Some(so_far) = so_far else { continue };
            for taken in 0..=length.min(quantity - before) {
                let sum = so_far + usize::from(taken > 0 && taken + 1 == length);
                let best = &mut with[before + taken];
                *best = Some(best.map_or(sum, |best| best.min(sum)));
            }
        }
        least = with;
    }
    least[quantity].unwrap_or_default()
}
