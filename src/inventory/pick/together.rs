//! The best block of neighbouring seats.

use std::ops::Range;

use super::view::View;
use crate::{
    inventory::command::BestAvailable,
    venue::hall::{Hall, Point, distance},
};

/// The sort key of a block, compared number by number. Smaller is better.
type Key = [u64; 4];

/// A search for seats that match a party's wish.
pub(super) struct Search<'a> {
    pub(super) view: &'a View<'a>,
    zones: &'a [u32],
    /// By tier: its rank in the wish, 0 for the most wanted; `None` if it is not wanted.
    wanted: Vec<Option<u64>>,
    /// The point to be near; `None` means the focal point.
    near: Option<Point>,
    /// Whether blocks that leave no orphan come first, regardless of their distance.
    tidy: bool,
}

impl<'a> Search<'a> {
    pub(super) fn new(view: &'a View<'a>, wish: &'a BestAvailable) -> Self {
        let rank = |id| wish.tiers.iter().position(|wanted| *wanted == id).map(|rank| rank as u64);
        let any = wish.tiers.is_empty();
        let tiers = view.stock().terms.tiers.iter();
        let wanted = tiers
            .map(|tier| if any { Some(0) } else { rank(tier.id) }.filter(|_| tier.is_open_to(&wish.opened)));
        let wanted = wanted.collect();
        Self { view, zones: &wish.zones, wanted, near: None, tidy: true }
    }

    /// Returns the same search near a point. If `tidy` is false, distance counts more than leaving no orphan.
    pub(super) fn near(&self, point: Point, tidy: bool) -> Self {
        Self { view: self.view, zones: self.zones, wanted: self.wanted.clone(), near: Some(point), tidy }
    }

    pub(super) fn hall(&self) -> &'a Hall {
        self.view.hall
    }

    /// Returns the rank of a seat, 0 for the most wanted, if it is wanted and can be reserved. Wheelchair places and
    /// companions' seats count, too.
    pub(super) fn rank(&self, slot: usize) -> Option<u64> {
        let is_there = self.is_zone_wanted(self.hall().run_of(slot).zone);
        if is_there { self.wanted_tier(self.view.open(slot)?) } else { None }
    }

    /// Returns the rank of the least wanted seat of a block.
    pub(super) fn worst(&self, block: &Range<usize>) -> u64 {
        block.clone().filter_map(|slot| self.rank(slot)).max().unwrap_or_default()
    }

    fn wanted_tier(&self, tier: u16) -> Option<u64> {
        self.wanted.get(usize::from(tier)).copied().flatten()
    }

    fn is_zone_wanted(&self, zone: usize) -> bool {
        self.zones.is_empty() || self.zones.iter().any(|&wanted| wanted as usize == zone)
    }

    /// Returns the distance of a block from the wanted point.
    pub(super) fn cost(&self, block: &Range<usize>) -> u64 {
        match self.near {
            None => self.hall().cost(block),
            Some(point) => distance(self.hall().centre(block), point),
        }
    }

    /// Returns the best block of `quantity` neighbours, at least one. The runs are sorted by their best possible cost,
    /// so the search stops as soon as no later run can be better.
    pub(super) fn block(&self, quantity: usize) -> Option<Range<usize>> {
        let (mut best, mut ranks) = (None, Vec::new());
        for run in self.hall().runs() {
            let bound = [0, 0, run.least, 0];
            if self.near.is_none() && best.as_ref().is_some_and(|(key, _): &(Key, _)| *key < bound) {
                break;
            }
            if run.slots.len() >= quantity && self.is_zone_wanted(run.zone) {
                self.best_in(&run.slots, quantity, &mut ranks, &mut best);
            }
        }
        best.map(|(_, block)| block)
    }

    /// Returns the best block of `quantity` neighbours, at least one, in a part of a run.
    pub(super) fn block_within(&self, slots: &Range<usize>, quantity: usize) -> Option<Range<usize>> {
        let mut best = None;
        self.best_in(slots, quantity, &mut Vec::new(), &mut best);
        best.map(|(_, block)| block)
    }

    fn best_in(
        &self,
        slots: &Range<usize>,
        quantity: usize,
        ranks: &mut Vec<Option<u64>>,
        best: &mut Option<(Key, Range<usize>)>,
    ) {
        self.ranks_in(slots, ranks);
        let mut length = 0;
        for (end, rank) in (1..).zip(ranks.iter()) {
            length = if rank.is_some() { length + 1 } else { 0 };
            if length >= quantity {
                let rank = ranks[end - quantity..end].iter().flatten().max().copied();
                let block = slots.start + end - quantity..slots.start + end;
                self.better(block, rank.unwrap_or_default(), best);
            }
        }
    }

    /// Replaces the best block if this one is better.
    fn better(&self, block: Range<usize>, rank: u64, best: &mut Option<(Key, Range<usize>)>) {
        let orphan = u64::from(self.view.orphans_beside(&block) > 0);
        let ordinal = u64::from(self.hall().ordinal(block.start));
        let key = if self.tidy {
            [orphan, rank, self.cost(&block), ordinal]
        } else {
            [rank, self.cost(&block), orphan, ordinal]
        };
        if best.as_ref().is_none_or(|(other, _)| key < *other) {
            *best = Some((key, block));
        }
    }

    /// Returns all maximal stretches of neighbouring seats that are free and wanted.
    pub(super) fn stretches(&self) -> Vec<Range<usize>> {
        let mut stretches = Vec::new();
        let mut ranks = Vec::new();
        for run in self.hall().runs().iter().filter(|run| self.is_zone_wanted(run.zone)) {
            self.ranks_in(&run.slots, &mut ranks);
            let mut start = run.slots.start;
            for part in ranks.chunk_by(|a, b| a.is_some() == b.is_some()) {
                let end = start + part.len();
                if part.first().is_some_and(Option::is_some) {
                    stretches.push(start..end);
                }
                start = end;
            }
        }
        stretches
    }

    /// Computes the rank of each seat of a run; `None` if it is not wanted or not free.
    fn ranks_in(&self, slots: &Range<usize>, ranks: &mut Vec<Option<u64>>) {
        ranks.clear();
        ranks.extend(slots.clone().map(|slot| self.wanted_tier(self.view.free(slot)?)));
    }
}
