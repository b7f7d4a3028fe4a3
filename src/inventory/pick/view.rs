//! The stock as somebody sees it who chooses seats now.

use std::ops::Range;

use chrono::{DateTime, Utc};
use entity::{TierId, inventory::SeatStatus};

use crate::{inventory::state::Stock, venue::hall::Hall};

/// The stock at a time, by slot.
pub(super) struct View<'a> {
    pub(super) hall: &'a Hall,
    stock: &'a Stock,
    opened: &'a [TierId],
    now: DateTime<Utc>,
}

impl<'a> View<'a> {
    /// For somebody to whom these hidden price levels were opened: other hidden seats are not free for them.
    pub(super) fn new(stock: &'a Stock, opened: &'a [TierId], now: DateTime<Utc>) -> Self {
        Self { hall: &stock.terms.hall, stock, opened, now }
    }

    pub(super) fn stock(&self) -> &'a Stock {
        self.stock
    }

    /// The price level, if the seat can be had now, whoever it is meant for.
    pub(super) fn open(&self, slot: usize) -> Option<u16> {
        let ordinal = self.hall.ordinal(slot) as usize;
        let tier = self.stock.terms.seat_tiers.get(ordinal).copied().flatten()?;
        if !self.stock.terms.is_open_to(Some(tier), self.opened) {
            return None;
        }
        let seat = self.stock.seats.get(ordinal)?;
        let free = match seat.status {
            SeatStatus::Available => true,
            // An overdue reservation is in nobody's way.
            SeatStatus::Reserved => seat
                .reservation
                .and_then(|id| self.stock.reservations.get(&id))
                .is_some_and(|reservation| reservation.is_overdue(self.now)),
            SeatStatus::Paying | SeatStatus::Sold | SeatStatus::Blocked => false,
        };
        free.then_some(tier)
    }

    /// The price level, if the seat can be had now by anybody.
    pub(super) fn free(&self, slot: usize) -> Option<u16> {
        if self.hall.is_standard(slot) { self.open(slot) } else { None }
    }

    /// Whether the slot is in the run and free.
    pub(super) fn is_free_in(&self, run: &Range<usize>, slot: Option<usize>) -> bool {
        slot.is_some_and(|slot| run.contains(&slot) && self.free(slot).is_some())
    }

    /// How many orphans it leaves when these neighbouring seats are taken: none, one or two.
    pub(super) fn orphans_beside(&self, block: &Range<usize>) -> usize {
        let run = &self.hall.run_of(block.start).slots;
        let (before, after) = (block.start.checked_sub(1), Some(block.end));
        let left = self.is_free_in(run, before) && !self.is_free_in(run, block.start.checked_sub(2));
        let right = self.is_free_in(run, after) && !self.is_free_in(run, Some(block.end + 1));
        usize::from(left) + usize::from(right)
    }
}
