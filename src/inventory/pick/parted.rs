//! Seats for a party that is too large to sit together: as few blocks as possible, near each other.
//!
//! How few is found exactly: as many as the longest stretches need. Which ones is tried from several stretches, the best
//! first: from each, the party takes the nearest that still lets the rest do with as few.

use std::{cmp::Reverse, ops::Range};

use super::together::Search;
use crate::venue::hall::distance;

/// From how many stretches it is tried, at the most.
const ANCHORS: usize = 32;
/// How many stretches are looked at in all: what bounds the time in a large hall sold in single seats.
const LOOKS: usize = 400_000;

/// The blocks for `quantity` people out of stretches that hold as many, none of them all.
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

/// How many of the longest stretches hold them all.
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
    /// Indices of the stretches, the longest first.
    longest: Vec<usize>,
    groups: usize,
    quantity: usize,
}

impl Party<'_> {
    /// The blocks of a party that begins with this stretch; none if it would need more groups than necessary.
    fn from(&self, anchor: usize) -> Option<Vec<Range<usize>>> {
        // The others can seat no more than the longest that are left.
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

    /// All sit in full stretches, but the last group may have seats to spare, and takes those nearest to the first.
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

    /// What makes one way of sitting better than another: fewer orphans, better wanted price levels, and then less way to
    /// the stage and to the first group.
    fn key(&self, blocks: &[Range<usize>]) -> (usize, u64, u64, u32) {
        let hall = self.search.hall();
        let Some(first) = blocks.first() else { return Default::default() };
        let orphans = blocks.iter().map(|block| self.search.view.orphans_beside(block)).sum();
        let way = |block| self.search.cost(block) + distance(hall.centre(block), hall.centre(first));
        let worst = blocks.iter().map(|block| self.search.worst(block)).max().unwrap_or_default();
        (orphans, worst, blocks.iter().map(way).sum(), hall.ordinal(first.start))
    }
}
