//! Totals per zone, for buyers who do not look at single seats yet.

use async_graphql::SimpleObject;

use crate::{
    graphql::{event::Tier, scalar::Money},
    inventory::feed::{Availability, PublicStatus},
    venue::SeatMap,
};

/// Totals of one zone of the venue.
#[derive(Clone, Debug, SimpleObject)]
pub struct ZoneAvailability {
    /// The zone's name as plain text.
    name: String,
    /// Number of all places in the zone, seats and area capacity.
    capacity: u32,
    /// Number of places in the zone that can be reserved now.
    available: u32,
    /// Price of the cheapest available place in the zone, including fee and tax. Null if no place is available.
    lowest_price: Option<Money>,
    /// The tiers with available places in the zone, in the event's order.
    tiers: Vec<ZoneTier>,
}

/// The availability of one tier within one zone.
#[derive(Clone, Debug, SimpleObject)]
pub struct ZoneTier {
    /// The tier.
    tier: Tier,
    /// Number of this tier's places in the zone that can be reserved now.
    available: u32,
}

/// Returns the zones in map order. `tiers` must be in the order of the terms that the availability's indices refer to.
pub(super) fn of(
    map: &SeatMap,
    availability: &Availability,
    tiers: &[Option<Tier>],
) -> Vec<ZoneAvailability> {
    let plan = &map.plan;
    let zone = |(index, zone): (usize, &crate::venue::plan::Zone)| {
        let mut sums = Sums { capacity: 0, tiers: vec![0; tiers.len()] };
        for row in &plan.rows[zone.rows.clone()] {
            let seats = availability.seats.get(row.seats.clone()).unwrap_or_default();
            let priced = availability.seat_tiers.get(row.seats.clone()).unwrap_or_default();
            for (seat, tier) in seats.iter().zip(priced) {
                sums.add(1, u32::from(*seat == PublicStatus::Available), *tier);
            }
        }
        let areas = availability.areas.iter().zip(&availability.area_tiers).zip(&plan.areas);
        for ((area, tier), planned) in areas.filter(|(_, planned)| planned.zone == index) {
            sums.add(planned.capacity, area.available(), *tier);
        }
        sums.finish(&zone.name, tiers)
    };
    plan.zones.iter().enumerate().map(zone).collect()
}

struct Sums {
    capacity: u32,
    /// Number of available places per tier.
    tiers: Vec<u32>,
}

impl Sums {
    fn add(&mut self, capacity: u32, available: u32, tier: Option<u16>) {
        self.capacity += capacity;
        if let Some(sum) = tier.and_then(|tier| self.tiers.get_mut(usize::from(tier))) {
            *sum += available;
        }
    }

    fn finish(self, name: &str, tiers: &[Option<Tier>]) -> ZoneAvailability {
        let free = || self.tiers.iter().zip(tiers).filter(|(available, _)| **available > 0);
        let lowest = free().filter_map(|(_, tier)| tier.as_ref()).min_by_key(|tier| tier.price_minor());
        ZoneAvailability {
            name: name.to_owned(),
            capacity: self.capacity,
            available: self.tiers.iter().sum(),
            lowest_price: lowest.map(Tier::price),
            tiers: free()
                .filter_map(|(available, tier)| Some(ZoneTier { tier: tier.clone()?, available: *available }))
                .collect(),
        }
    }
}
