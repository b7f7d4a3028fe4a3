//! What is free and what is sold: the only definition, for each audience. Fields, filters, lists and the live feed use it.
//!
//! | the place | a buyer sees | a member of the shop sees |
//! |---|---|---|
//! | in a tier that the audience sees | its status | its status |
//! | in a hidden tier that the buyer has not unlocked | blocked | – |
//! | in no tier, free | blocked: nobody can reserve it | blocked |
//! | in no tier, reserved or sold | its status | its status |
//!
//! So the four counts always add up to the capacity, and a change of the tiers' places never changes how many places are
//! sold. The stock keeps the totals up to date with every change of a place, so that each version in the log has its own
//! without a count over all places.
//!
//! Invariant: pure and synchronous.

use std::{borrow::Cow, collections::BTreeSet};

use entity::{TierId, inventory::SeatStatus};
use serde::{Deserialize, Serialize};

use super::{
    state::{Area, Counts, Stock},
    terms::{Terms, TierTerms},
};

/// Who looks at a stock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience<'a> {
    /// A buyer who has unlocked these hidden tiers.
    Buyer(&'a [TierId]),
    /// A member of the shop, who sees all tiers.
    Shop,
}

impl Audience<'_> {
    /// All buyers: no hidden tier is unlocked.
    pub const PUBLIC: Self = Self::Buyer(&[]);

    /// Returns whether the audience sees the tier.
    pub fn sees(self, tier: &TierTerms) -> bool {
        match self {
            Self::Buyer(opened) => tier.is_open_to(opened),
            Self::Shop => true,
        }
    }
}

/// How a place is offered to an audience.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// For sale in the tier with this index in the terms.
    ForSale(u16),
    /// In a hidden tier that the audience does not see.
    Hidden,
    /// In no tier.
    Unpriced,
}

impl Offer {
    /// Returns the status that the audience sees; `None` if the seat is not for sale to it.
    pub(super) fn seat(self, status: SeatStatus) -> Option<SeatStatus> {
        match (self, status) {
            (Self::Hidden, _) | (Self::Unpriced, SeatStatus::Available) => None,
            (Self::ForSale(_) | Self::Unpriced, status) => Some(status),
        }
    }

    /// Returns the part of the area that the audience sees. The rest of its capacity is blocked.
    pub(super) fn area(self, area: Area) -> Area {
        match self {
            Self::ForSale(_) => area,
            Self::Hidden => Area::NOTHING,
            Self::Unpriced => Area { capacity: area.reserved + area.sold, ..area },
        }
    }

    /// Returns the index of the tier if the place is for sale.
    pub(super) fn tier(self) -> Option<usize> {
        match self {
            Self::ForSale(tier) => Some(tier.into()),
            Self::Hidden | Self::Unpriced => None,
        }
    }
}

impl Terms {
    /// Returns how places of this tier are offered to the audience.
    pub(super) fn offer(&self, tier: Option<u16>, audience: Audience<'_>) -> Offer {
        let Some((index, tier)) = tier.and_then(|index| Some((index, self.tiers.get(usize::from(index))?)))
        else {
            return Offer::Unpriced;
        };
        if audience.sees(tier) { Offer::ForSale(index) } else { Offer::Hidden }
    }

    /// Returns how the seat is offered to the audience.
    pub(super) fn seat_offer(&self, ordinal: u32, audience: Audience<'_>) -> Offer {
        self.offer(self.seat_tiers.get(ordinal as usize).copied().flatten(), audience)
    }

    /// Returns how the area is offered to the audience.
    pub(super) fn area_offer(&self, ordinal: u32, audience: Audience<'_>) -> Offer {
        self.offer(self.area_tiers.get(ordinal as usize).copied().flatten(), audience)
    }
}

/// The totals of a stock for an audience.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AudienceTotals {
    /// Number of places by status.
    pub counts: Counts,
    /// Number of available places by index of the tier in the terms; 0 for tiers that the audience does not see.
    pub tiers: Vec<u32>,
}

/// The totals of a stock that are kept up to date with every change of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptTotals {
    /// For the public.
    pub public: AudienceTotals,
    /// For members of the shop.
    pub shop: AudienceTotals,
}

/// The totals for an audience after a version: the number of available, reserved, sold and blocked places, and the
/// number of available places of each tier with a changed place. (Short, because every change contains them.)
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals(pub [u32; 4], pub Vec<(TierId, u32)>);

impl Totals {
    /// Returns the number of places by status.
    pub fn counts(&self) -> Counts {
        let [available, reserved, sold, blocked] = self.0;
        Counts { available, reserved, sold, blocked }
    }
}

impl AudienceTotals {
    /// Creates totals without places.
    pub(super) fn of_tiers(tiers: usize) -> Self {
        Self { tiers: vec![0; tiers], ..Self::default() }
    }

    /// Adds a seat. Returns the status that the audience sees; `None` if the seat is not for sale to it.
    pub(super) fn add_seat(&mut self, offer: Offer, status: SeatStatus) -> Option<SeatStatus> {
        let seen = offer.seat(status);
        *self.of_status(seen) += 1;
        if let Some(available) = self.of_tier(offer) {
            *available += u32::from(seen == Some(SeatStatus::Available));
        }
        seen
    }

    /// Adds an area. Returns the part that the audience sees.
    pub(super) fn add_area(&mut self, offer: Offer, area: Area) -> Area {
        let seen = offer.area(area);
        self.counts.available += seen.available();
        self.counts.reserved += seen.reserved;
        self.counts.sold += seen.sold;
        self.counts.blocked += area.capacity - seen.capacity;
        if let Some(available) = self.of_tier(offer) {
            *available += seen.available();
        }
        seen
    }

    fn remove_seat(&mut self, offer: Offer, status: SeatStatus) {
        let seen = offer.seat(status);
        *self.of_status(seen) -= 1;
        if let Some(available) = self.of_tier(offer) {
            *available -= u32::from(seen == Some(SeatStatus::Available));
        }
    }

    fn remove_area(&mut self, offer: Offer, area: Area) {
        let seen = offer.area(area);
        self.counts.available -= seen.available();
        self.counts.reserved -= seen.reserved;
        self.counts.sold -= seen.sold;
        self.counts.blocked -= area.capacity - seen.capacity;
        if let Some(available) = self.of_tier(offer) {
            *available -= seen.available();
        }
    }

    /// Returns the counter for seats that the audience sees like this.
    fn of_status(&mut self, seen: Option<SeatStatus>) -> &mut u32 {
        match seen {
            Some(status) => self.counts.of(status),
            None => &mut self.counts.blocked,
        }
    }

    fn of_tier(&mut self, offer: Offer) -> Option<&mut u32> {
        offer.tier().and_then(|tier| self.tiers.get_mut(tier))
    }
}

impl Stock {
    /// Returns the totals for an audience, computed from seats and areas.
    pub fn totals_for(&self, audience: Audience<'_>) -> AudienceTotals {
        let mut totals = AudienceTotals::of_tiers(self.terms.tiers.len());
        for (ordinal, seat) in (0..).zip(&self.seats) {
            totals.add_seat(self.terms.seat_offer(ordinal, audience), seat.status);
        }
        for (ordinal, area) in (0..).zip(&self.areas) {
            totals.add_area(self.terms.area_offer(ordinal, audience), *area);
        }
        totals
    }

    /// Returns the totals to keep, computed from seats and areas.
    pub fn count_totals(&self) -> KeptTotals {
        KeptTotals { public: self.totals_for(Audience::PUBLIC), shop: self.totals_for(Audience::Shop) }
    }

    /// Returns the kept totals, or computes them.
    fn current_totals(&self) -> Cow<'_, KeptTotals> {
        self.totals.as_ref().map_or_else(|| Cow::Owned(self.count_totals()), Cow::Borrowed)
    }

    /// Returns the number of free places that the public can reserve.
    pub fn public_available(&self) -> u32 {
        self.current_totals().public.counts.available
    }

    /// Returns the number of free places in any tier, hidden or not.
    pub(super) fn free_in_tiers(&self) -> u32 {
        self.current_totals().shop.counts.available
    }

    /// Updates the kept totals for a seat's new status.
    pub(super) fn total_seat(&mut self, ordinal: u32, before: SeatStatus, after: SeatStatus) {
        let Some(kept) = &mut self.totals else { return };
        for (totals, audience) in kept.each() {
            let offer = self.terms.seat_offer(ordinal, audience);
            totals.remove_seat(offer, before);
            totals.add_seat(offer, after);
        }
    }

    /// Updates the kept totals for an area's new numbers.
    pub(super) fn total_area(&mut self, ordinal: u32, before: Area, after: Area) {
        let Some(kept) = &mut self.totals else { return };
        for (totals, audience) in kept.each() {
            let offer = self.terms.area_offer(ordinal, audience);
            totals.remove_area(offer, before);
            totals.add_area(offer, after);
        }
    }

    /// Returns the totals for a change of these seats and areas, which are already applied: those for the public, and
    /// those for members of the shop if they differ.
    pub(super) fn totals_of(&self, seats: &BTreeSet<u32>, areas: &BTreeSet<u32>) -> (Totals, Option<Totals>) {
        let kept = self.current_totals();
        let of = |audience: Audience<'_>, totals: &AudienceTotals| {
            let seats = seats.iter().map(|seat| self.terms.seat_offer(*seat, audience));
            let areas = areas.iter().map(|area| self.terms.area_offer(*area, audience));
            let tiers: BTreeSet<usize> = seats.chain(areas).filter_map(Offer::tier).collect();
            let Counts { available, reserved, sold, blocked } = totals.counts;
            let tiers = tiers.into_iter().filter_map(|tier| {
                Some((self.terms.tiers.get(tier)?.id, totals.tiers.get(tier).copied().unwrap_or_default()))
            });
            Totals([available, reserved, sold, blocked], tiers.collect())
        };
        let public = of(Audience::PUBLIC, &kept.public);
        let shop = of(Audience::Shop, &kept.shop);
        let differs = shop != public;
        (public, differs.then_some(shop))
    }
}

impl KeptTotals {
    fn each(&mut self) -> [(&mut AudienceTotals, Audience<'static>); 2] {
        [(&mut self.public, Audience::PUBLIC), (&mut self.shop, Audience::Shop)]
    }
}
