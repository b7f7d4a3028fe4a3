//! Seats for a party that is too large to sit together: as few blocks as possible, near each other.
//!
//! The number of blocks is minimal: as many as the longest stretches need. The blocks are chosen greedily from several
//! starting stretches, best first. Each step takes the nearest stretch that still allows the minimal number.

use std::{cmp::Reverse, ops::Range};

use super::together::Search;
use crate::venue::hall::distance;

/// Maximum number of starting stretches.
const ANCHORS: usize = 32;
/// Maximum number of stretches examined in total. It bounds the time in a large hall where only single seats are left.
const LOOKS: usize = 400_000;

/// Returns the blocks for `quantity` people. The stretches together must hold them, and no single one does.
pub(super) fn blocks(search: &Search<'_>, stretches: &[Range<usize>], quantity: usize) -> Vec<Range<usize>> {
    let mut longest: Vec<usize> = (0..stretches.len()).collect();
    longest.sort_by_key(|&index| (Reverse(stretches[index].len()), index));
    let groups = groups(longest.iter().map(|&index| stretches[index].len()), quantity);
    let mut anchors: Vec<usize> = (0..stretches.len()).collect();
    anchors.sort_by_cached_key(|&index| {
        let stretch = &stretches[index];
        (search.worst(stretch), search.cost(stretch), index)
    });
    let tries = (LOOKS / (groups * stretches.len()).max(1)).clamp(1, ANCHORS);
    let party = Party { search, stretches, longest, groups, quantity };
    let ways = anchors.into_iter().filter_map(|anchor| party.from(anchor)).take(tries);
    ways.min_by_key(|blocks| party.key(blocks)).unwrap_or_default()
}

/// Returns how many of the longest stretches hold them all.
fn groups(longest_first: impl Iterator<Item = usize>, quantity: usize) -> usize {
    let mut left = quantity;
    let full = longest_first.take_while(|length| {
        let more = left > 0;
        left = left.saturating_sub(*length);
        more
    });
    full.count()
}

struct Party<'a> {
    search: &'a Search<'a>,
    stretches: &'a [Range<usize>],
    /// Indices of the stretches, longest first.
    longest: Vec<usize>,
    groups: usize,
    quantity: usize,
}

impl Party<'_> {
    /// Returns the blocks of a party that starts with this stretch; `None` if it would need more groups than necessary.
    fn from(&self, anchor: usize) -> Option<Vec<Range<usize>>> {
        // The other groups can seat at most the longest remaining stretches.
        let others: usize =
            self.longest[..self.groups - 1].iter().map(|&index| self.stretches[index].len()).sum();
        if self.stretches[anchor].len() + others < self.quantity {
            return None;
        }
        let hall = self.search.hall();
        let middle = hall.centre(&self.stretches[anchor]);
        let apart: Vec<u64> =
            self.stretches.iter().map(|stretch| distance(hall.centre(stretch), middle)).collect();
        let mut is_used = vec![false; self.stretches.len()];
        is_used[anchor] = true;
        let mut used = vec![anchor];
        let mut left = self.quantity.checked_sub(self.stretches[anchor].len())?;
        for after in (0..self.groups - 1).rev() {
            let others = self.longest.iter().filter(|&&index| !is_used[index]).take(after);
            let most: usize = others.map(|&index| self.stretches[index].len()).sum();
            let fit = (0..self.stretches.len())
                .filter(|&index| !is_used[index] && self.stretches[index].len() + most >= left);
            let next = fit.min_by_key(|&index| (apart[index], index))?;
            is_used[next] = true;
            used.push(next);
            left = left.saturating_sub(self.stretches[next].len());
        }
        Some(self.seated(&used))
    }

    /// Fills whole stretches. The last group may have seats to spare, and takes those nearest to the first.
    fn seated(&self, used: &[usize]) -> Vec<Range<usize>> {
        let mut left = self.quantity;
        let mut blocks: Vec<Range<usize>> = Vec::with_capacity(used.len());
        for &index in used {
            let stretch = &self.stretches[index];
            let taken = stretch.len().min(left);
            left -= taken;
            let block = match blocks.first() {
                Some(first) if taken < stretch.len() => {
                    let near = self.search.near(self.search.hall().centre(first), true);
                    near.block_within(stretch, taken)
                }
                _ => None,
            };
            blocks.push(block.unwrap_or_else(|| stretch.clone()));
        }
        blocks
    }

    /// Returns the sort key of a seating: fewer orphans, more wanted tiers, then shorter distances to the stage and to
    /// the first group.
    fn key(&self, blocks: &[Range<usize>]) -> (usize, u64, u64, u32) {
        let hall = self.search.hall();
        let Some(first) = blocks.first() else { return Default::default() };
        let orphans = blocks.iter().map(|block| self.search.view.orphans_beside(block)).sum();
        let way = |block| self.search.cost(block) + distance(hall.centre(block), hall.centre(first));
        let worst = blocks.iter().map(|block| self.search.worst(block)).max().unwrap_or_default();
        (orphans, worst, blocks.iter().map(way).sum(), hall.ordinal(first.start))
    }
}
