//! A decision in the making: the stock, with what the decision changes laid over it.
//!
//! Invariant: pure and synchronous.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entity::{AccountId, OrderId, ReservationId, inventory::SeatStatus, reservation::ReservationState};

use super::{
    change::{Decision, Write},
    command::Refusal,
    state::{Area, Held, Place, Seat, Stock, TierTerms},
};

/// The stock with a decision in the making laid over it.
pub(super) struct Draft<'a> {
    pub(super) stock: &'a Stock,
    pub(super) now: DateTime<Utc>,
    pub(super) seats: BTreeMap<u32, Seat>,
    pub(super) areas: BTreeMap<u32, Area>,
    pub(super) reservations: BTreeMap<ReservationId, Held>,
    pub(super) buyers: BTreeMap<AccountId, u32>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(stock: &'a Stock, now: DateTime<Utc>) -> Self {
        Self {
            stock,
            now,
            seats: BTreeMap::new(),
            areas: BTreeMap::new(),
            reservations: BTreeMap::new(),
            buyers: BTreeMap::new(),
        }
    }

    pub(super) fn finish(self) -> Decision {
        let stock = self.stock;
        let mut decision = Decision {
            seats: write(self.seats, |ordinal| stock.seats[*ordinal as usize]),
            areas: write(self.areas, |ordinal| stock.areas[*ordinal as usize]),
            reservations: Vec::new(),
            buyers: write(self.buyers, |buyer| stock.taken(*buyer)),
        };
        for (key, after) in self.reservations {
            let before = stock.reservations.get(&key).cloned();
            decision.reservations.push(Write { key, before, after: Some(after) });
        }
        decision
    }

    pub(super) fn seat(&self, ordinal: u32) -> Seat {
        self.seats.get(&ordinal).copied().unwrap_or_else(|| self.stock.seats[ordinal as usize])
    }

    pub(super) fn area(&self, ordinal: u32) -> Area {
        self.areas.get(&ordinal).copied().unwrap_or_else(|| self.stock.areas[ordinal as usize])
    }

    pub(super) fn taken(&self, buyer: AccountId) -> u32 {
        self.buyers.get(&buyer).copied().unwrap_or_else(|| self.stock.taken(buyer))
    }

    /// The reservation, if it is the buyer's and still has time.
    pub(super) fn active_of(&self, id: ReservationId, buyer: AccountId) -> Result<Held, Refusal> {
        let held = self.stock.reservations.get(&id).ok_or(Refusal::ReservationEnded)?;
        if held.buyer != buyer {
            return Err(Refusal::ReservationNotFound);
        }
        if held.state == ReservationState::Paying {
            return Err(Refusal::BeingPaid);
        }
        if held.is_overdue(self.now) {
            return Err(Refusal::ReservationEnded);
        }
        Ok(held.clone())
    }

    /// A reservation made before the event was called off leads nowhere any more.
    pub(super) fn still_open(&self) -> Result<(), Refusal> {
        if self.stock.terms.open { Ok(()) } else { Err(Refusal::NotOpen) }
    }

    /// The reservation, if it is the order's.
    pub(super) fn of_order(&self, id: ReservationId, order: OrderId) -> Result<Held, Refusal> {
        let held = self.stock.reservations.get(&id).ok_or(Refusal::ReservationEnded)?;
        if held.order != Some(order) {
            return Err(Refusal::ReservationNotFound);
        }
        Ok(held.clone())
    }

    pub(super) fn save(&mut self, mut held: Held) -> Held {
        held.version += 1;
        self.reservations.insert(held.id, held.clone());
        held
    }

    pub(super) fn mark_seats(&mut self, held: &Held, status: SeatStatus) {
        for item in &held.items {
            if let Place::Seat { ordinal, epoch } = item.place {
                self.seats.insert(ordinal, Seat { status, epoch, reservation: Some(held.id) });
            }
        }
    }

    /// Gives all places of a live reservation back.
    pub(super) fn free(&mut self, held: &Held) {
        for item in &held.items {
            match item.place {
                Place::Seat { ordinal, epoch } => {
                    self.seats
                        .insert(ordinal, Seat { status: SeatStatus::Available, epoch, reservation: None });
                }
                Place::Area { ordinal, quantity } => {
                    let mut area = self.area(ordinal);
                    area.reserved -= quantity;
                    self.areas.insert(ordinal, area);
                }
            }
        }
        let left = self.taken(held.buyer) - held.quantity();
        self.buyers.insert(held.buyer, left);
    }

    fn lapse(&mut self, held: &Held) {
        if held.is_overdue(self.now) && !self.reservations.contains_key(&held.id) {
            self.free(held);
            self.save(Held { state: ReservationState::Expired, ..held.clone() });
        }
    }

    pub(super) fn lapse_where(&mut self, wanted: impl Fn(&Held) -> bool) {
        let stock = self.stock;
        for held in stock.reservations.values().filter(|held| wanted(held)) {
            self.lapse(held);
        }
    }

    pub(super) fn lapse_of(&mut self, buyer: AccountId) {
        let stock = self.stock;
        if let Some(buyer) = stock.buyers.get(&buyer) {
            for held in buyer.reservations.iter().filter_map(|id| stock.reservations.get(id)) {
                self.lapse(held);
            }
        }
    }

    pub(super) fn lapse_holder_of(&mut self, ordinal: u32) {
        let stock = self.stock;
        if let Some(held) =
            stock.seats[ordinal as usize].reservation.and_then(|id| stock.reservations.get(&id))
        {
            self.lapse(held);
        }
    }

    pub(super) fn seat_tier(&self, ordinal: u32) -> Option<&'a TierTerms> {
        self.tier(self.stock.terms.seat_tiers[ordinal as usize])
    }

    pub(super) fn tier(&self, index: Option<u16>) -> Option<&'a TierTerms> {
        index.and_then(|index| self.stock.terms.tiers.get(usize::from(index)))
    }
}

fn write<K, V>(after: BTreeMap<K, V>, before: impl Fn(&K) -> V) -> Vec<Write<K, V>> {
    after.into_iter().map(|(key, after)| Write { before: before(&key), key, after }).collect()
}
