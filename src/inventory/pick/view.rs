//! The stock as seen by a buyer who chooses seats now.

use std::ops::Range;

use chrono::{DateTime, Utc};
use entity::{TierId, inventory::SeatStatus};

use crate::{inventory::state::Stock, venue::hall::Hall};

/// The stock at a time, addressed by slot.
pub(super) struct View<'a> {
    pub(super) hall: &'a Hall,
    stock: &'a Stock,
    opened: &'a [TierId],
    now: DateTime<Utc>,
}

impl<'a> View<'a> {
    /// Creates the view of a buyer who has unlocked these hidden tiers. Other hidden seats are not free for them.
    pub(super) fn new(stock: &'a Stock, opened: &'a [TierId], now: DateTime<Utc>) -> Self {
        Self { hall: &stock.terms.hall, stock, opened, now }
    }

    pub(super) fn stock(&self) -> &'a Stock {
        self.stock
    }

    /// Returns the tier if the seat can be reserved now, by an ordinary party or not.
    pub(super) fn open(&self, slot: usize) -> Option<u16> {
        let ordinal = self.hall.ordinal(slot) as usize;
        let tier = self.stock.terms.seat_tiers.get(ordinal).copied().flatten()?;
        if !self.stock.terms.is_open_to(Some(tier), self.opened) {
            return None;
        }
        let seat = self.stock.seats.get(ordinal)?;
        let free = match seat.status {
            SeatStatus::Available => true,
            // An overdue reservation does not block a seat.
            SeatStatus::Reserved => seat
                .reservation
                .and_then(|id| self.stock.reservations.get(&id))
                .is_some_and(|reservation| reservation.is_overdue(self.now)),
            SeatStatus::Paying | SeatStatus::Sold | SeatStatus::Blocked => false,
        };
        free.then_some(tier)
    }

    /// Returns the tier if the seat can be reserved now by an ordinary party.
    pub(super) fn free(&self, slot: usize) -> Option<u16> {
        if self.hall.is_standard(slot) { self.open(slot) } else { None }
    }

    /// Returns whether the slot is in the run and free.
    pub(super) fn is_free_in(&self, run: &Range<usize>, slot: Option<usize>) -> bool {
        slot.is_some_and(|slot| run.contains(&slot) && self.free(slot).is_some())
    }

    /// Returns the number of orphans, 0–2, that remain next to this block if it is taken.
    pub(super) fn orphans_beside(&self, block: &Range<usize>) -> usize {
        let run = &self.hall.run_of(block.start).slots;
        let (before, after) = (block.start.checked_sub(1), Some(block.end));
        let left = self.is_free_in(run, before) && !self.is_free_in(run, block.start.checked_sub(2));
        let right = self.is_free_in(run, after) && !self.is_free_in(run, Some(block.end + 1));
        usize::from(left) + usize::from(right)
    }
}
