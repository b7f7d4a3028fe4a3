//! The effect of a command on a stock: the rules of reserving, as a pure function.
//!
//! [`decide`] changes nothing. It returns what would change, or a refusal; the desk applies and commits. An overdue
//! reservation blocks nobody: a decision that takes its places also expires it. So correctness needs no sweeper.
//!
//! Invariant: pure and synchronous; the time is an argument.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use entity::{
    AccountId, OrderId, ReservationId, TierId, inventory::SeatStatus, reservation::ReservationState,
};

use super::{
    caller::Caller,
    change::Decision,
    command::{Command, CouponTerms, NewClaim, OwnReservations, Pick, Refusal},
    draft::Draft,
    pick,
    state::{Item, Place, ReservationSnapshot, Seat, Stock, TierTerms},
};

/// The single area of a coupon's stock. Its places are the copies.
const COPIES: u32 = 0;

/// Returns the effect of `command` on `stock` at `now`, and the new state of its reservation, if it has one.
pub fn decide(
    stock: &Stock,
    command: &Command,
    now: DateTime<Utc>,
) -> Result<(Decision, Option<ReservationSnapshot>), Refusal> {
    let mut draft = Draft::new(stock, now);
    let reservation = match command {
        Command::Reserve { map, .. } if map.is_some() && *map != stock.terms.seat_map => {
            // The event moved to another seat map after the places were looked up.
            return Err(Refusal::UnknownPlaces);
        }
        Command::Reserve { id, caller, pick, opened, coupon_terms, .. } => {
            let coupon_terms = coupon_terms.as_deref();
            let wish = Wish { pick, opened, coupon_terms };
            Some(draft.reserve(*id, caller, wish)?)
        }
        Command::Extend { id, buyer } => Some(draft.extend(*id, *buyer)?),
        Command::Release { id, buyer, order } => Some(draft.release(*id, *buyer, *order)?),
        Command::Attach { id, buyer, order } => Some(draft.attach(*id, *buyer, *order)?),
        Command::BeginPayment { id, order } => Some(draft.begin_payment(*id, *order)?),
        Command::EndPayment { id, order } => Some(draft.end_payment(*id, *order)?),
        Command::Sell { id, order } => Some(draft.sell(*id, *order)?),
        Command::ReturnPlaces { buyer, places } => {
            draft.return_places(*buyer, places)?;
            None
        }
        Command::Claim(new_claim) => {
            draft.claim(new_claim)?;
            None
        }
        Command::Transfer { giver, taker } => {
            draft.transfer(*giver, *taker)?;
            None
        }
        Command::Expire => {
            draft.expire_where(|_| true);
            None
        }
        Command::ReleaseAll => {
            draft.release_all();
            None
        }
    };
    Ok((draft.finish(), reservation))
}

/// What a buyer wants to reserve.
#[derive(Clone, Copy)]
struct Wish<'a> {
    pick: &'a Pick,
    /// Hidden tiers that the buyer has unlocked.
    opened: &'a [TierId],
    /// The terms of a coupon's copies; `None` for places of an event.
    coupon_terms: Option<&'a CouponTerms>,
}

impl Draft<'_> {
    fn reserve(
        &mut self,
        id: ReservationId,
        caller: &Caller,
        wish: Wish<'_>,
    ) -> Result<ReservationSnapshot, Refusal> {
        let Wish { pick, opened, coupon_terms } = wish;
        let terms = &self.stock.terms;
        self.on_sale()?;
        if coupon_terms.is_some_and(|coupon_terms| coupon_terms.revision != terms.revision) {
            return Err(Refusal::TermsChanged);
        }
        caller.meets(terms.requirement)?;
        let buyer = caller.buyer;
        // Expired reservations of the buyer must not count against the limit.
        self.expire_all_of(buyer);
        let until = self.grant(id, buyer)?.min(terms.reservations_end);
        // Checked before any place, because a search for the best seats is expensive.
        self.limit_source(caller.source, pick.quantity())?;
        let mut items = match pick {
            Pick::Seats(ordinals) => {
                let items =
                    self.take_seats(id, ordinals, opened).map_err(|refusal| self.with_own(refusal, buyer))?;
                pick::leaves_no_orphans(self.stock, ordinals, opened, self.now)?;
                items
            }
            Pick::BestAvailable(wish) => {
                self.take_seats(id, &pick::best_available(self.stock, wish, self.now)?, opened)?
            }
            Pick::Admission { area, quantity } => {
                let item = self.take_admission((*area, *quantity), buyer, opened)?;
                vec![item]
            }
        };
        for item in &mut items {
            item.coupon_terms = coupon_terms.map(|coupon_terms| coupon_terms.text.clone());
        }
        let wanted: u32 = items.iter().map(|item| item.place.quantity()).sum();
        self.count_taken(buyer, wanted)?;
        let after =
            |seconds| until.min(self.now + Duration::seconds(terms.hoarding.seconds(seconds, caller.wasted)));
        let reservation = ReservationSnapshot {
            id,
            buyer,
            state: ReservationState::Active,
            items,
            currency: terms.currency.clone(),
            deadline: after(terms.reservation_seconds),
            deadline_max: after(terms.reservation_seconds_max),
            order: None,
            source: caller.source,
            created_at: self.now,
            version: 1,
        };
        self.reservations.insert(id, reservation.clone());
        Ok(reservation)
    }

    /// Refuses if new places are not on sale now.
    fn on_sale(&self) -> Result<(), Refusal> {
        let terms = &self.stock.terms;
        if !terms.open {
            return Err(Refusal::NotOpen);
        }
        if self.now < terms.sales_start {
            return Err(Refusal::SalesNotStarted { at: terms.sales_start });
        }
        if self.now >= terms.sales_end {
            return Err(Refusal::SalesEnded);
        }
        Ok(())
    }

    /// Gives the buyer a copy of a free coupon at once.
    fn claim(&mut self, new_claim: &Arc<NewClaim>) -> Result<(), Refusal> {
        self.on_sale()?;
        if new_claim.revision != self.stock.terms.revision {
            return Err(Refusal::TermsChanged);
        }
        self.expire_all_of(new_claim.buyer);
        self.take_admission((COPIES, 1), new_claim.buyer, &[])?;
        let mut area = self.area(COPIES);
        area.reserved -= 1;
        area.sold += 1;
        self.areas.insert(COPIES, area);
        self.count_taken(new_claim.buyer, 1)?;
        self.claims.push(new_claim.clone());
        Ok(())
    }

    fn take_seats(
        &mut self,
        id: ReservationId,
        ordinals: &[u32],
        opened: &[TierId],
    ) -> Result<Vec<Item>, Refusal> {
        if ordinals.iter().any(|&ordinal| ordinal as usize >= self.stock.seats.len()) {
            return Err(Refusal::UnknownPlaces);
        }
        let is_sold = |ordinal: u32| self.seat_tier(ordinal).is_some_and(|tier| tier.is_open_to(opened));
        let without_price: Vec<u32> = ordinals.iter().copied().filter(|&ordinal| !is_sold(ordinal)).collect();
        if !without_price.is_empty() {
            return Err(Refusal::NotForSale { seats: without_price });
        }
        for &ordinal in ordinals {
            self.expire_holder_of(ordinal);
        }
        let lost: Vec<u32> = ordinals
            .iter()
            .copied()
            .filter(|&ordinal| self.seat(ordinal).status != SeatStatus::Available)
            .collect();
        if !lost.is_empty() {
            let at = self.seats_back_at(&lost);
            return Err(Refusal::SeatsTaken { seats: lost, at, own: OwnReservations::default() });
        }
        let mut items = Vec::with_capacity(ordinals.len());
        for &ordinal in ordinals {
            let epoch = self.seat(ordinal).epoch + 1;
            self.seats.insert(ordinal, Seat { status: SeatStatus::Reserved, epoch, reservation: Some(id) });
            items.extend(self.seat_tier(ordinal).map(|tier| item(Place::Seat { ordinal, epoch }, tier)));
        }
        Ok(items)
    }

    fn take_admission(
        &mut self,
        (ordinal, quantity): (u32, u32),
        buyer: AccountId,
        opened: &[TierId],
    ) -> Result<Item, Refusal> {
        if ordinal as usize >= self.stock.areas.len() {
            return Err(Refusal::UnknownPlaces);
        }
        let tier = self.tier(self.stock.terms.area_tiers[ordinal as usize]);
        let Some(tier) = tier.filter(|tier| tier.is_open_to(opened)) else {
            return Err(Refusal::NotForSale { seats: Vec::new() });
        };
        if self.area(ordinal).available() < quantity {
            self.expire_where(|reservation| reservation.quantity_in(ordinal) > 0);
        }
        let mut area = self.area(ordinal);
        if area.available() < quantity {
            let at = self.places_back_at(ordinal, quantity);
            let own = self.own(buyer, |reservation| reservation.quantity_in(ordinal) > 0);
            return Err(Refusal::AreaFull { available: area.available(), at, own });
        }
        area.reserved += quantity;
        self.areas.insert(ordinal, area);
        Ok(item(Place::Area { ordinal, quantity }, tier))
    }

    fn extend(&mut self, id: ReservationId, buyer: AccountId) -> Result<ReservationSnapshot, Refusal> {
        let mut reservation = self.active_of(id, buyer)?;
        self.still_open()?;
        self.expire_all_of(buyer);
        let wanted = self.now + Duration::seconds(self.stock.terms.reservation_seconds);
        let deadline = wanted.min(self.limit(&reservation));
        if deadline <= reservation.deadline {
            return Err(Refusal::NoMoreTime);
        }
        reservation.deadline = deadline;
        Ok(self.save(reservation))
    }

    fn release(
        &mut self,
        id: ReservationId,
        buyer: AccountId,
        order: Option<OrderId>,
    ) -> Result<ReservationSnapshot, Refusal> {
        let reservation = self.active_of(id, buyer)?;
        if reservation.order != order {
            return Err(Refusal::AlreadyOrdered);
        }
        self.expire_all_of(buyer);
        Ok(self.end_unsold(&reservation, ReservationState::Released, self.now))
    }

    fn attach(
        &mut self,
        id: ReservationId,
        buyer: AccountId,
        order: OrderId,
    ) -> Result<ReservationSnapshot, Refusal> {
        let mut reservation = self.active_of(id, buyer)?;
        self.still_open()?;
        if reservation.order.is_some() {
            return Err(Refusal::AlreadyOrdered);
        }
        reservation.order = Some(order);
        Ok(self.save(reservation))
    }

    fn begin_payment(&mut self, id: ReservationId, order: OrderId) -> Result<ReservationSnapshot, Refusal> {
        let mut reservation = self.of_order(id, order)?;
        if reservation.state == ReservationState::Paying {
            return Err(Refusal::BeingPaid);
        }
        if reservation.is_overdue(self.now) {
            return Err(Refusal::ReservationEnded);
        }
        self.still_open()?;
        reservation.state = ReservationState::Paying;
        self.mark_seats(&reservation, SeatStatus::Paying);
        Ok(self.save(reservation))
    }

    fn end_payment(&mut self, id: ReservationId, order: OrderId) -> Result<ReservationSnapshot, Refusal> {
        let mut reservation = self.of_order(id, order)?;
        if reservation.state != ReservationState::Paying {
            return Err(Refusal::ReservationEnded);
        }
        reservation.state = ReservationState::Active;
        if reservation.is_overdue(self.now) {
            self.expire_all_of(reservation.buyer);
            return Ok(self.end_unsold(&reservation, ReservationState::Expired, self.now));
        }
        self.mark_seats(&reservation, SeatStatus::Reserved);
        Ok(self.save(reservation))
    }

    fn sell(&mut self, id: ReservationId, order: OrderId) -> Result<ReservationSnapshot, Refusal> {
        let mut reservation = self.of_order(id, order)?;
        if reservation.state != ReservationState::Paying {
            return Err(Refusal::ReservationEnded);
        }
        self.expire_all_of(reservation.buyer);
        self.count_sale(&reservation);
        self.mark_seats(&reservation, SeatStatus::Sold);
        for item in &reservation.items {
            if let Place::Area { ordinal, quantity } = item.place {
                let mut area = self.area(ordinal);
                area.reserved -= quantity;
                area.sold += quantity;
                self.areas.insert(ordinal, area);
            }
        }
        reservation.state = ReservationState::Converted;
        Ok(self.save(reservation))
    }

    fn return_places(&mut self, buyer: AccountId, places: &[Place]) -> Result<(), Refusal> {
        let mut returned = 0;
        for place in places {
            match *place {
                Place::Seat { ordinal, epoch } => {
                    let seat = self.stock.seats.get(ordinal as usize).ok_or(Refusal::UnknownPlaces)?;
                    // The epoch is the fence: a seat that was sold again since then belongs to another buyer.
                    if seat.status != SeatStatus::Sold || seat.epoch != epoch {
                        return Err(Refusal::PlacesChanged);
                    }
                    self.seats
                        .insert(ordinal, Seat { status: SeatStatus::Available, epoch, reservation: None });
                }
                Place::Area { ordinal, quantity } => {
                    if ordinal as usize >= self.stock.areas.len() {
                        return Err(Refusal::UnknownPlaces);
                    }
                    let mut area = self.area(ordinal);
                    area.sold = area.sold.checked_sub(quantity).ok_or(Refusal::PlacesChanged)?;
                    self.areas.insert(ordinal, area);
                }
            }
            returned += place.quantity();
        }
        let mut tally = self.tally(buyer);
        tally.taken = tally.taken.checked_sub(returned).ok_or(Refusal::PlacesChanged)?;
        self.buyers.insert(buyer, tally);
        Ok(())
    }
}

fn item(place: Place, tier: &TierTerms) -> Item {
    Item { place, tier: tier.id, price: tier.price, fee: tier.fee, tax: tier.tax, coupon_terms: None }
}
