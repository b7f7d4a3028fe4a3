//! A draft of a decision: its changes on top of the stock.
//!
//! Invariant: pure and synchronous.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, Duration, Utc};
use entity::{AccountId, OrderId, ReservationId, inventory::SeatStatus, reservation::ReservationState};

use super::{
    change::{Decision, Write},
    command::{NewClaim, Refusal},
    fairness::{Fairness, IdleTime, Life},
    state::{Area, Place, ReservationSnapshot, Seat, Stock, Tally, TierTerms},
};

/// The stock with the changes of an unfinished decision.
pub(super) struct Draft<'a> {
    pub(super) stock: &'a Stock,
    pub(super) now: DateTime<Utc>,
    pub(super) seats: BTreeMap<u32, Seat>,
    pub(super) areas: BTreeMap<u32, Area>,
    pub(super) reservations: BTreeMap<ReservationId, ReservationSnapshot>,
    pub(super) buyers: BTreeMap<AccountId, Tally>,
    pub(super) claims: Vec<Arc<NewClaim>>,
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
            claims: Vec::new(),
        }
    }

    pub(super) fn finish(self) -> Decision {
        let stock = self.stock;
        let mut decision = Decision {
            seats: write(self.seats, |ordinal| stock.seats[*ordinal as usize]),
            areas: write(self.areas, |ordinal| stock.areas[*ordinal as usize]),
            reservations: Vec::new(),
            buyers: write(self.buyers, |buyer| stock.tally(*buyer)),
            claims: self.claims,
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

    pub(super) fn tally(&self, buyer: AccountId) -> Tally {
        self.buyers.get(&buyer).copied().unwrap_or_else(|| self.stock.tally(buyer))
    }

    /// Returns the latest deadline of the buyer's reservations other than `id`.
    fn running(&self, buyer: AccountId, id: ReservationId) -> Option<DateTime<Utc>> {
        let others = self.stock.buyers.get(&buyer)?.reservations.iter().filter(|&&other| other != id);
        let now = |id| self.reservations.get(id).or_else(|| self.stock.reservations.get(id));
        others
            .filter_map(now)
            .filter(|reservation| reservation.is_live())
            .map(|reservation| reservation.deadline)
            .max()
    }

    /// Returns the reservation if it belongs to the buyer and has time left.
    pub(super) fn active_of(
        &self,
        id: ReservationId,
        buyer: AccountId,
    ) -> Result<ReservationSnapshot, Refusal> {
        let reservation = self.stock.reservations.get(&id).ok_or(Refusal::ReservationEnded)?;
        if reservation.buyer != buyer {
            return Err(Refusal::ReservationNotFound);
        }
        if reservation.state == ReservationState::Paying {
            return Err(Refusal::BeingPaid);
        }
        if reservation.is_overdue(self.now) {
            return Err(Refusal::ReservationEnded);
        }
        Ok(reservation.clone())
    }

    /// Refuses if the event was cancelled after the reservation.
    pub(super) fn still_open(&self) -> Result<(), Refusal> {
        if self.stock.terms.open { Ok(()) } else { Err(Refusal::NotOpen) }
    }

    /// Returns the reservation if it belongs to the order.
    pub(super) fn of_order(&self, id: ReservationId, order: OrderId) -> Result<ReservationSnapshot, Refusal> {
        let reservation = self.stock.reservations.get(&id).ok_or(Refusal::ReservationEnded)?;
        if reservation.order != Some(order) {
            return Err(Refusal::ReservationNotFound);
        }
        Ok(reservation.clone())
    }

    pub(super) fn save(&mut self, mut reservation: ReservationSnapshot) -> ReservationSnapshot {
        reservation.version += 1;
        self.reservations.insert(reservation.id, reservation.clone());
        reservation
    }

    pub(super) fn mark_seats(&mut self, reservation: &ReservationSnapshot, status: SeatStatus) {
        for item in &reservation.items {
            if let Place::Seat { ordinal, epoch } = item.place {
                self.seats.insert(ordinal, Seat { status, epoch, reservation: Some(reservation.id) });
            }
        }
    }

    /// Counts a copy that changes hands. The limit also holds for copies of other buyers.
    pub(super) fn transfer(
        &mut self,
        giver: Option<AccountId>,
        taker: Option<AccountId>,
    ) -> Result<(), Refusal> {
        if let Some(giver) = giver {
            let tally = self.tally(giver);
            // Earlier versions of the server did not count received copies.
            self.buyers.insert(giver, Tally { taken: tally.taken.saturating_sub(1), ..tally });
        }
        if let Some(taker) = taker {
            self.expire_all_of(taker);
            self.count_taken(taker, 1)?;
        }
        Ok(())
    }

    /// Starts counting the buyer's idle time for a new reservation. Returns the latest end of the reservation.
    pub(super) fn grant(&mut self, id: ReservationId, buyer: AccountId) -> Result<DateTime<Utc>, Refusal> {
        let mut tally = self.tally(buyer);
        let mut until = DateTime::<Utc>::MAX_UTC;
        tally.idle = match self.stock.terms.fairness {
            Some(fairness) => {
                let granted = fairness.grant(tally.idle, self.now, self.running(buyer, id));
                let (idle, end) = granted.map_err(|at| Refusal::CoolingDown { at })?;
                until = end;
                idle
            }
            None => IdleTime::default(),
        };
        self.buyers.insert(buyer, tally);
        Ok(until)
    }

    /// Returns the latest deadline that the reservation can be extended to.
    pub(super) fn limit(&self, reservation: &ReservationSnapshot) -> DateTime<Utc> {
        let Some(fairness) = self.stock.terms.fairness else { return reservation.deadline_max };
        let running = self
            .running(reservation.buyer, reservation.id)
            .map_or(reservation.deadline, |other| other.max(reservation.deadline));
        fairness.limit(self.tally(reservation.buyer).idle, self.now, running).min(reservation.deadline_max)
    }

    /// Ends a reservation without a purchase: frees its places and counts its idle time.
    pub(super) fn end_unsold(
        &mut self,
        reservation: &ReservationSnapshot,
        state: ReservationState,
        ended_at: DateTime<Utc>,
    ) -> ReservationSnapshot {
        self.free(reservation);
        let mut tally = self.tally(reservation.buyer);
        tally.taken -= reservation.quantity();
        let life = Life { created_at: reservation.created_at, deadline: reservation.deadline, ended_at };
        let running = self.running(reservation.buyer, reservation.id);
        let fairness = self.stock.terms.fairness;
        tally.idle = fairness.map(|fairness| fairness.end(tally.idle, life, running)).unwrap_or_default();
        self.buyers.insert(reservation.buyer, tally);
        self.save(ReservationSnapshot { state, ..reservation.clone() })
    }

    /// Counts a sale: a buyer who pays was not idle.
    pub(super) fn count_sale(&mut self, reservation: &ReservationSnapshot) {
        let mut tally = self.tally(reservation.buyer);
        let running = self.running(reservation.buyer, reservation.id);
        let life =
            Life { created_at: reservation.created_at, deadline: reservation.deadline, ended_at: self.now };
        tally.idle = match self.stock.terms.fairness {
            Some(_) if reservation.total() > 0 => Fairness::sold(self.now, running),
            Some(fairness) => fairness.given(tally.idle, life, running),
            None => IdleTime::default(),
        };
        self.buyers.insert(reservation.buyer, tally);
    }

    /// Frees all places of a live reservation.
    fn free(&mut self, reservation: &ReservationSnapshot) {
        for item in &reservation.items {
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
    }

    pub(super) fn expire_where(&mut self, wanted: impl Fn(&ReservationSnapshot) -> bool) {
        let stock = self.stock;
        let overdue = stock
            .reservations
            .values()
            .filter(|reservation| reservation.is_overdue(self.now) && wanted(reservation));
        let buyers: BTreeSet<AccountId> = overdue.map(|reservation| reservation.buyer).collect();
        for buyer in buyers {
            self.expire_all_of(buyer);
        }
    }

    /// Expires all overdue reservations of the buyer, in the order of their deadlines. So the result does not depend on
    /// who expires them, and when.
    pub(super) fn expire_all_of(&mut self, buyer: AccountId) {
        let stock = self.stock;
        let Some(buyer) = stock.buyers.get(&buyer) else { return };
        let all = buyer.reservations.iter().filter_map(|id| stock.reservations.get(id));
        let mut overdue: Vec<&ReservationSnapshot> = all
            .filter(|reservation| {
                reservation.is_overdue(self.now) && !self.reservations.contains_key(&reservation.id)
            })
            .collect();
        overdue.sort_by_key(|reservation| (reservation.deadline, reservation.id));
        for reservation in overdue {
            self.end_unsold(reservation, ReservationState::Expired, reservation.deadline);
        }
    }

    /// Releases the active reservations of a cancelled event. Their time counts until now.
    pub(super) fn release_all(&mut self) {
        if self.stock.terms.open {
            return;
        }
        self.expire_where(|_| true);
        let live = self.stock.reservations.values();
        let mut active: Vec<&ReservationSnapshot> = live
            .filter(|reservation| {
                reservation.state == ReservationState::Active
                    && !self.reservations.contains_key(&reservation.id)
            })
            .collect();
        active.sort_by_key(|reservation| reservation.id);
        for reservation in active {
            self.end_unsold(reservation, ReservationState::Released, self.now);
        }
    }

    pub(super) fn expire_holder_of(&mut self, ordinal: u32) {
        let stock = self.stock;
        if let Some(reservation) =
            stock.seats[ordinal as usize].reservation.and_then(|id| stock.reservations.get(&id))
            && reservation.is_overdue(self.now)
        {
            self.expire_all_of(reservation.buyer);
        }
    }

    /// Returns when all these seats become free unless they are bought.
    pub(super) fn seats_back_at(&self, lost: &[u32]) -> Option<DateTime<Utc>> {
        let ends = lost.iter().map(|&ordinal| {
            let holder = self.seat(ordinal).reservation.and_then(|id| self.stock.reservations.get(&id));
            holder
                .filter(|reservation| reservation.state == ReservationState::Active)
                .map(|reservation| reservation.deadline)
        });
        ends.collect::<Option<Vec<_>>>()?.into_iter().max().map(coarse)
    }

    /// Returns when `wanted` places of the area are free unless they are bought.
    pub(super) fn places_back_at(&self, area: u32, wanted: u32) -> Option<DateTime<Utc>> {
        let live = self.stock.reservations.values();
        let active = live.filter(|reservation| {
            reservation.state == ReservationState::Active && !reservation.is_overdue(self.now)
        });
        let mut ends: Vec<_> =
            active.map(|reservation| (reservation.deadline, reservation.quantity_in(area))).collect();
        ends.sort_unstable();
        let mut free = self.area(area).available();
        ends.into_iter()
            .find(|(_, quantity)| {
                free += quantity;
                free >= wanted
            })
            .map(|(end, _)| coarse(end))
    }

    pub(super) fn seat_tier(&self, ordinal: u32) -> Option<&'a TierTerms> {
        self.tier(self.stock.terms.seat_tiers[ordinal as usize])
    }

    pub(super) fn tier(&self, index: Option<u16>) -> Option<&'a TierTerms> {
        index.and_then(|index| self.stock.terms.tiers.get(usize::from(index)))
    }
}

/// Rounds up to the end of the minute: precise enough to come back, too coarse to snatch the places at once.
pub(super) fn coarse(at: DateTime<Utc>) -> DateTime<Utc> {
    let over = at.timestamp_micros().rem_euclid(60_000_000);
    if over == 0 { at } else { at + Duration::microseconds(60_000_000 - over) }
}

fn write<K, V>(after: BTreeMap<K, V>, before: impl Fn(&K) -> V) -> Vec<Write<K, V>> {
    after.into_iter().map(|(key, after)| Write { before: before(&key), key, after }).collect()
}
