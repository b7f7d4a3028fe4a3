//! The slow model: a list of reservations and a list of sales. Everything else is computed from them.
//!
//! An overdue reservation ends at once: the model has no sweeper, and nothing needs to expire it.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use entity::{AccountId, OrderId, ReservationId, inventory::SeatStatus, reservation::ReservationState};
use proptest::sample::Index;

use super::{AREAS, RESERVATION_SECONDS, RESERVATION_SECONDS_MAX, REVISION, SEATS, start};
use crate::inventory::{Command, NewClaim, Pick, Place, Refusal, ReservationSnapshot, Stock};

/// The reservations and sales.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) open: bool,
    pub(super) limit: u32,
    reservations: BTreeMap<ReservationId, Reserved>,
    sales: Vec<(AccountId, Place)>,
    /// How often each seat was reserved.
    epochs: BTreeMap<u32, u32>,
}

#[derive(Clone, Debug)]
pub(super) struct Reserved {
    pub(super) buyer: AccountId,
    pub(super) places: Vec<Place>,
    state: ReservationState,
    deadline: DateTime<Utc>,
    deadline_max: DateTime<Utc>,
    order: Option<OrderId>,
}

impl Reserved {
    /// The minute after which it is overdue; `None` while it is being paid.
    pub(super) fn comes_back(&self) -> Option<DateTime<Utc>> {
        let minute = |at: DateTime<Utc>| at.timestamp().div_euclid(60) + i64::from(at.timestamp() % 60 > 0);
        let active = self.state == ReservationState::Active;
        active.then(|| DateTime::from_timestamp(minute(self.deadline) * 60, 0)).flatten()
    }
}

/// The acceptable refusals. Which one is given depends on whether overdue reservations were already expired.
pub(super) type Refusals = Vec<Refusal>;

impl Model {
    pub(super) fn new(limit: u32) -> Self {
        Self {
            open: true,
            limit,
            reservations: BTreeMap::new(),
            sales: Vec::new(),
            epochs: (0..SEATS).map(|seat| (seat, 0)).collect(),
        }
    }

    pub(super) fn step(&mut self, command: &Command, now: DateTime<Utc>) -> Result<(), Refusals> {
        self.expire(now);
        match command {
            Command::Reserve { id, caller, pick, .. } => self.reserve(*id, caller.buyer, pick, now),
            Command::Extend { id, buyer } => self.extend(*id, *buyer, now),
            Command::Release { id, buyer, order } => {
                let reserved = self.active(*id, *buyer)?;
                if reserved.order != *order {
                    return Err(vec![Refusal::AlreadyOrdered]);
                }
                reserved.state = ReservationState::Released;
                Ok(())
            }
            Command::Attach { id, buyer, order } => {
                let open = self.open;
                let reserved = self.active(*id, *buyer)?;
                if !open {
                    return Err(vec![Refusal::NotOpen]);
                }
                if reserved.order.is_some() {
                    return Err(vec![Refusal::AlreadyOrdered]);
                }
                reserved.order = Some(*order);
                Ok(())
            }
            Command::BeginPayment { id, order } => {
                let open = self.open;
                let reserved = self.of_order(*id, *order)?;
                if reserved.state == ReservationState::Paying {
                    return Err(vec![Refusal::BeingPaid]);
                }
                if !open {
                    return Err(vec![Refusal::NotOpen]);
                }
                reserved.state = ReservationState::Paying;
                Ok(())
            }
            Command::EndPayment { id, order } => {
                self.paying(*id, *order)?.state = ReservationState::Active;
                self.expire(now);
                Ok(())
            }
            Command::Sell { id, order } => {
                let reserved = self.paying(*id, *order)?;
                reserved.state = ReservationState::Converted;
                let sold: Vec<_> = reserved.places.iter().map(|place| (reserved.buyer, *place)).collect();
                self.sales.extend(sold);
                Ok(())
            }
            Command::ReturnPlaces { buyer, places } => {
                for place in places {
                    let sale = self.sales.iter().position(|sale| sale == &(*buyer, *place));
                    self.sales.remove(sale.ok_or(vec![Refusal::PlacesChanged])?);
                }
                Ok(())
            }
            Command::Claim(new_claim) => self.claim(new_claim, now),
            Command::Transfer { .. } => unreachable!("is tested with claims"),
            // The event of the model is never cancelled.
            Command::Expire | Command::ReleaseAll => Ok(()),
        }
    }

    fn extend(&mut self, id: ReservationId, buyer: AccountId, now: DateTime<Utc>) -> Result<(), Refusals> {
        let open = self.open;
        let reserved = self.active(id, buyer)?;
        let later = (now + Duration::seconds(RESERVATION_SECONDS)).min(reserved.deadline_max);
        match (open, later > reserved.deadline) {
            (false, _) => Err(vec![Refusal::NotOpen]),
            (true, false) => Err(vec![Refusal::NoMoreTime]),
            (true, true) => {
                reserved.deadline = later;
                Ok(())
            }
        }
    }

    fn reserve(
        &mut self,
        id: ReservationId,
        buyer: AccountId,
        pick: &Pick,
        now: DateTime<Utc>,
    ) -> Result<(), Refusals> {
        if !self.open {
            return Err(vec![Refusal::NotOpen]);
        }
        if now >= start() + Duration::days(2) {
            return Err(vec![Refusal::SalesEnded]);
        }
        self.limit_source(buyer, pick)?;
        let places = match pick {
            Pick::Seats(seats) => self.free_seats(seats, buyer)?,
            Pick::Admission { area, quantity } => vec![self.free_admission(*area, *quantity, buyer)?],
            Pick::BestAvailable(_) => unreachable!("has a model of its own, in `pick`"),
        };
        let wanted: u32 = places.iter().map(Place::quantity).sum();
        self.limit_buyer(buyer, wanted)?;
        for place in &places {
            if let Place::Seat { ordinal, epoch } = place {
                self.epochs.insert(*ordinal, *epoch);
            }
        }
        let reserved = Reserved {
            buyer,
            places,
            state: ReservationState::Active,
            deadline: now + Duration::seconds(RESERVATION_SECONDS),
            deadline_max: now + Duration::seconds(RESERVATION_SECONDS_MAX),
            order: None,
        };
        self.reservations.insert(id, reserved);
        Ok(())
    }

    /// Like a reservation of one place of the first area that is sold at once.
    fn claim(&mut self, new_claim: &NewClaim, now: DateTime<Utc>) -> Result<(), Refusals> {
        if !self.open {
            return Err(vec![Refusal::NotOpen]);
        }
        if now >= start() + Duration::days(2) {
            return Err(vec![Refusal::SalesEnded]);
        }
        if new_claim.revision != REVISION {
            return Err(vec![Refusal::TermsChanged]);
        }
        let place = self.free_admission(0, 1, new_claim.buyer)?;
        self.limit_buyer(new_claim.buyer, 1)?;
        self.sales.push((new_claim.buyer, place));
        Ok(())
    }

    fn free_seats(&self, seats: &[u32], buyer: AccountId) -> Result<Vec<Place>, Refusals> {
        if seats.iter().any(|seat| *seat >= SEATS) {
            return Err(vec![Refusal::UnknownPlaces]);
        }
        if seats.contains(&(SEATS - 1)) {
            return Err(vec![Refusal::NotForSale { seats: vec![SEATS - 1] }]);
        }
        let lost: Vec<u32> =
            seats.iter().copied().filter(|seat| self.status(*seat) != SeatStatus::Available).collect();
        if lost.is_empty() {
            Ok(seats
                .iter()
                .map(|&ordinal| Place::Seat { ordinal, epoch: self.epochs[&ordinal] + 1 })
                .collect())
        } else {
            let ends =
                lost.iter().map(|seat| self.holder(*seat).and_then(|(_, reserved)| reserved.comes_back()));
            let at = ends.collect::<Option<Vec<_>>>().and_then(|ends| ends.into_iter().max());
            let is_lost =
                |place: &Place| matches!(place, Place::Seat { ordinal, .. } if lost.contains(ordinal));
            let own = self.own(buyer, is_lost);
            Err(vec![Refusal::SeatsTaken { seats: lost, at, own }])
        }
    }

    fn free_admission(&self, ordinal: u32, quantity: u32, buyer: AccountId) -> Result<Place, Refusals> {
        let capacity = *AREAS.get(ordinal as usize).ok_or(vec![Refusal::UnknownPlaces])?;
        if ordinal as usize == AREAS.len() - 1 {
            return Err(vec![Refusal::NotForSale { seats: Vec::new() }]);
        }
        let available = capacity - self.reserved_in(ordinal) - self.sold_in(ordinal);
        if available < quantity {
            let ends = self.live().filter_map(|(_, reserved)| reserved.comes_back());
            let by = |end: &DateTime<Utc>| {
                let back = self.live().filter(|(_, of)| of.comes_back().is_some_and(|back| back <= *end));
                back.flat_map(|(_, of)| &of.places).map(|place| within(*place, ordinal)).sum::<u32>()
            };
            let at = ends.filter(|end| available + by(end) >= quantity).min();
            let own = self.own(buyer, |place| within(*place, ordinal) > 0);
            return Err(vec![Refusal::AreaFull { available, at, own }]);
        }
        Ok(Place::Area { ordinal, quantity })
    }

    /// Checks the reservation's state and numbers as returned to the caller.
    pub(super) fn agrees_with(&self, reservation: &ReservationSnapshot) {
        let reserved = &self.reservations[&reservation.id];
        assert_eq!(reservation.state, reserved.state);
        assert_eq!((reservation.buyer, reservation.order), (reserved.buyer, reserved.order));
        assert_eq!(
            (reservation.deadline, reservation.deadline_max),
            (reserved.deadline, reserved.deadline_max)
        );
        let places: Vec<Place> = reservation.items.iter().map(|item| item.place).collect();
        assert_eq!(places, reserved.places);
    }

    /// Checks a stock without overdue reservations.
    pub(super) fn agrees(mut self, stock: &Stock, now: DateTime<Utc>) {
        self.expire(now);
        for (ordinal, seat) in (0..).zip(&stock.seats) {
            assert_eq!(seat.status, self.status(ordinal), "seat {ordinal}");
            assert_eq!(
                seat.epoch, self.epochs[&ordinal],
                "the epoch of seat {ordinal} counts its reservations"
            );
            if seat.status != SeatStatus::Sold {
                assert_eq!(seat.reservation, self.holder(ordinal).map(|(id, _)| id), "seat {ordinal}");
            }
        }
        for (ordinal, area) in (0..).zip(&stock.areas) {
            assert_eq!((area.reserved, area.sold), (self.reserved_in(ordinal), self.sold_in(ordinal)));
            assert_eq!(area.capacity, AREAS[ordinal as usize]);
        }
        let mut live: Vec<_> = stock.reservations.keys().copied().collect();
        live.sort_unstable();
        assert_eq!(live, self.live().map(|(id, _)| id).collect::<Vec<_>>(), "the live reservations");
        stock.reservations.values().for_each(|reservation| self.agrees_with(reservation));
        for number in 0..10 {
            let buyer = super::account(number);
            assert_eq!(stock.taken(buyer), self.taken(buyer), "what buyer {number} has");
            assert!(stock.taken(buyer) <= self.limit, "buyer {number} has too much");
            let theirs = stock.buyers.get(&buyer).map(|buyer| buyer.reservations.clone()).unwrap_or_default();
            let expected = self.live().filter(|(_, reserved)| reserved.buyer == buyer).map(|(id, _)| id);
            assert_eq!(theirs.into_iter().collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        }
        self.sources_agree(stock);
        let capacity = SEATS + AREAS.iter().sum::<u32>();
        let counts = stock.counts;
        assert_eq!(counts.available + counts.reserved + counts.sold + counts.blocked, capacity);
    }

    /// Returns the buyer of the reservation; `None` if it was refused.
    pub(super) fn buyer_of(&self, id: ReservationId) -> AccountId {
        self.reservations.get(&id).map_or(super::account(8), |reserved| reserved.buyer)
    }

    /// Returns the live reservations.
    pub(super) fn live_ids(&self, now: DateTime<Utc>) -> Vec<ReservationId> {
        let mut model = self.clone();
        model.expire(now);
        model.live().map(|(id, _)| id).collect()
    }

    /// Returns one of the sales; `None` if there are none.
    pub(super) fn some_sale(&self, which: Index) -> Option<(AccountId, Place)> {
        (!self.sales.is_empty()).then(|| *which.get(&self.sales))
    }

    fn expire(&mut self, now: DateTime<Utc>) {
        for reserved in self.reservations.values_mut() {
            if reserved.state == ReservationState::Active && reserved.deadline <= now {
                reserved.state = ReservationState::Expired;
            }
        }
    }

    pub(super) fn live(&self) -> impl Iterator<Item = (ReservationId, &Reserved)> {
        let is_live = |state| matches!(state, ReservationState::Active | ReservationState::Paying);
        self.reservations.iter().filter(move |(_, of)| is_live(of.state)).map(|(id, of)| (*id, of))
    }

    fn active(&mut self, id: ReservationId, buyer: AccountId) -> Result<&mut Reserved, Refusals> {
        let reserved = self.reservations.get_mut(&id).ok_or(vec![Refusal::ReservationEnded])?;
        match reserved.state {
            ReservationState::Active | ReservationState::Paying if reserved.buyer != buyer => {
                Err(vec![Refusal::ReservationNotFound])
            }
            ReservationState::Paying => Err(vec![Refusal::BeingPaid]),
            ReservationState::Active => Ok(reserved),
            ReservationState::Expired if reserved.buyer != buyer => {
                Err(vec![Refusal::ReservationEnded, Refusal::ReservationNotFound])
            }
            ReservationState::Expired | ReservationState::Released | ReservationState::Converted => {
                Err(vec![Refusal::ReservationEnded])
            }
        }
    }

    /// Returns the reservation, active or being paid, if it belongs to the order.
    fn of_order(&mut self, id: ReservationId, order: OrderId) -> Result<&mut Reserved, Refusals> {
        let reserved = self.reservations.get_mut(&id).ok_or(vec![Refusal::ReservationEnded])?;
        match reserved.state {
            ReservationState::Active | ReservationState::Paying if reserved.order != Some(order) => {
                Err(vec![Refusal::ReservationNotFound])
            }
            ReservationState::Active | ReservationState::Paying => Ok(reserved),
            ReservationState::Expired if reserved.order != Some(order) => {
                Err(vec![Refusal::ReservationEnded, Refusal::ReservationNotFound])
            }
            ReservationState::Expired | ReservationState::Released | ReservationState::Converted => {
                Err(vec![Refusal::ReservationEnded])
            }
        }
    }

    fn paying(&mut self, id: ReservationId, order: OrderId) -> Result<&mut Reserved, Refusals> {
        let reserved = self.of_order(id, order)?;
        let is_paying = reserved.state == ReservationState::Paying;
        if is_paying { Ok(reserved) } else { Err(vec![Refusal::ReservationEnded]) }
    }

    fn holder(&self, seat: u32) -> Option<(ReservationId, &Reserved)> {
        let has = |place: &Place| matches!(place, Place::Seat { ordinal, .. } if *ordinal == seat);
        let mut holders = self.live().filter(|(_, reserved)| reserved.places.iter().any(has));
        let holder = holders.next();
        assert!(holders.next().is_none(), "seat {seat} is held twice");
        holder
    }

    fn status(&self, seat: u32) -> SeatStatus {
        let has = |place: &Place| matches!(place, Place::Seat { ordinal, .. } if *ordinal == seat);
        match self.holder(seat) {
            Some((_, reserved)) if reserved.state == ReservationState::Paying => SeatStatus::Paying,
            Some(_) => SeatStatus::Reserved,
            None if self.sales.iter().any(|(_, place)| has(place)) => SeatStatus::Sold,
            None => SeatStatus::Available,
        }
    }

    fn reserved_in(&self, area: u32) -> u32 {
        self.live().flat_map(|(_, reserved)| &reserved.places).map(|place| within(*place, area)).sum()
    }

    pub(super) fn sold(&self) -> u32 {
        self.sales.iter().map(|(_, place)| place.quantity()).sum()
    }

    fn sold_in(&self, area: u32) -> u32 {
        self.sales.iter().map(|(_, place)| within(*place, area)).sum()
    }

    pub(super) fn taken(&self, buyer: AccountId) -> u32 {
        let live = self.live().filter(|(_, reserved)| reserved.buyer == buyer);
        let reserved_places: u32 = live.flat_map(|(_, reserved)| &reserved.places).map(Place::quantity).sum();
        let sold = self.sales.iter().filter(|sale| sale.0 == buyer);
        reserved_places + sold.map(|(_, place)| place.quantity()).sum::<u32>()
    }
}

fn within(place: Place, area: u32) -> u32 {
    match place {
        Place::Area { ordinal, quantity } if ordinal == area => quantity,
        Place::Seat { .. } | Place::Area { .. } => 0,
    }
}
