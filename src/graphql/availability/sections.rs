//! The zones of a house, summed up: what a buyer looks at before a single seat.

use async_graphql::SimpleObject;

use crate::{
    graphql::{scalar::Money, tier::Tier},
    inventory::feed::{Availability, PublicStatus},
    venue::SeatMap,
};

/// A zone of the house.
#[derive(Clone, Debug, SimpleObject)]
pub struct SectionAvailability {
    /// The zone's name.
    name: String,
    /// All its places, numbered and not.
    capacity: u32,
    /// Its places that are free to reserve.
    available: u32,
    /// What its cheapest place that is free now costs, fee and tax included; null when none is free.
    lowest_price: Option<Money>,
    /// The tiers that it has free places of, in the event's order.
    tiers: Vec<SectionTier>,
}

/// A price level within a zone.
#[derive(Clone, Debug, SimpleObject)]
pub struct SectionTier {
    /// Which tier.
    tier: Tier,
    /// Places of it in the zone that are free to reserve.
    available: u32,
}

/// The zones in map order. `tiers` are in the order of the terms that the availability's indices mean.
pub(super) fn of(
    map: &SeatMap,
    availability: &Availability,
    tiers: &[Option<Tier>],
) -> Vec<SectionAvailability> {
    let plan = &map.plan;
    let zone = |(index, zone): (usize, &crate::venue::plan::Zone)| {
        let mut section = Sums { capacity: 0, tiers: vec![0; tiers.len()] };
        for row in &plan.rows[zone.rows.clone()] {
            let seats = availability.seats.get(row.seats.clone()).unwrap_or_default();
            let priced = availability.seat_tiers.get(row.seats.clone()).unwrap_or_default();
            for (seat, tier) in seats.iter().zip(priced) {
                section.add(1, u32::from(*seat == PublicStatus::Available), *tier);
            }
        }
        let areas = availability.areas.iter().zip(&availability.area_tiers).zip(&plan.areas);
        for ((area, tier), planned) in areas.filter(|(_, planned)| planned.zone == index) {
            section.add(planned.capacity, area.available(), *tier);
        }
        section.told(&zone.name, tiers)
    };
    plan.zones.iter().enumerate().map(zone).collect()
}

struct Sums {
    capacity: u32,
    /// Free places by tier.
    tiers: Vec<u32>,
}

impl Sums {
    fn add(&mut self, capacity: u32, available: u32, tier: Option<u16>) {
        self.capacity += capacity;
        if let Some(sum) = tier.and_then(|tier| self.tiers.get_mut(usize::from(tier))) {
            *sum += available;
        }
    }

    fn told(self, name: &str, tiers: &[Option<Tier>]) -> SectionAvailability {
        let free = || self.tiers.iter().zip(tiers).filter(|(available, _)| **available > 0);
        let lowest = free().filter_map(|(_, tier)| tier.as_ref()).min_by_key(|tier| tier.total_minor());
        SectionAvailability {
            name: name.to_owned(),
            capacity: self.capacity,
            available: self.tiers.iter().sum(),
            lowest_price: lowest.map(Tier::total_price),
            tiers: free()
                .filter_map(|(available, tier)| {
                    Some(SectionTier { tier: tier.clone()?, available: *available })
                })
                .collect(),
        }
    }
}
