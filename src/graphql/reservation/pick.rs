//! Parses which places a client wants: named seats, places of an area, or the best available seats.

use async_graphql::{Context, ID, InputObject, OneofObject};
use entity::{EventId, TierId};

use crate::{
    error::{Fault, FaultResult},
    graphql::{
        context::ContextExt,
        id::{self, decode},
        scalar::unsigned,
        tier::TiersOf,
    },
    inventory::{self, AccessibleParty, BestAvailable, Pick},
    spelling,
    venue::SeatMap,
};

/// Maximum number of names that are looked up.
const NAMES_MAX: usize = 100;

/// The places to reserve. Set exactly one field.
#[derive(Debug, OneofObject)]
pub enum PickInput {
    /// The ids of the seats, all or none. If the event's `orphanRule` is set, the pick must not leave single seats
    /// behind that an equally large pick would avoid. A pick with a wheelchair place or companion seat is exempt.
    SeatIds(Vec<ID>),
    /// Places of a general-admission area.
    Admission(AdmissionInput),
    /// The best available seats.
    BestAvailable(BestAvailableInput),
}

/// Places of a general-admission area.
#[derive(Debug, InputObject)]
pub struct AdmissionInput {
    /// The id of the area.
    pub area_id: ID,
    /// Number of places.
    pub quantity: i32,
}

/// A party that takes the best available seats: adjacent seats in one row, as close as possible to the stage, without
/// leaving single seats behind if possible. The resulting reservation lists the seats. Wheelchair places and companion
/// seats are used only if `accessible` asks for them.
#[derive(Debug, InputObject)]
pub struct BestAvailableInput {
    /// Number of seats in total: 1 to 100, at most the event's `limitPerBuyer`.
    pub quantity: i32,
    /// Only seats in these tiers, in order of preference. A tier's rank counts more than the distance to the stage. If
    /// omitted or empty, all tiers.
    #[graphql(default)]
    pub tier_ids: Vec<ID>,
    /// Only seats in the zones with these names, in upper or lower case. If omitted or empty, all zones.
    #[graphql(default)]
    pub zones: Vec<String>,
    /// The wheelchair users and companions in the party. If omitted, there are none.
    pub accessible: Option<AccessibleInput>,
    /// Whether the party may be split if there are not enough adjacent seats. It is then split into as few groups as
    /// possible, close to each other. If false, the error is `NOT_ENOUGH_TOGETHER`.
    #[graphql(default)]
    pub split: bool,
}

/// The wheelchair users and their companions in a party. `quantity` includes both. The rest of the party gets seats
/// next to them, or else as close as possible.
#[derive(Debug, InputObject)]
pub struct AccessibleInput {
    /// Number of wheelchair places, at least 1. They are in one row, unless `split` is true.
    pub wheelchair_places: i32,
    /// Number of companions. They get the companion seats of these wheelchair places, and ordinary seats if there are
    /// too few.
    #[graphql(default)]
    pub companions: i32,
}

impl PickInput {
    /// Converts the places to their ordinals on the map.
    pub(super) async fn parse(self, ctx: &Context<'_>, event: EventId, map: &SeatMap) -> FaultResult<Pick> {
        match self {
            Self::SeatIds(ids) => {
                let mut ordinals = Vec::with_capacity(ids.len().min(inventory::PLACES_MAX));
                for (index, id) in ids.iter().enumerate() {
                    let path = format!("pick.seatIds.{index}");
                    let seat = id::decode_as(id::SEAT, id, &path)?;
                    let ordinal =
                        map.ordinal(seat).filter(|&ordinal| (ordinal as usize) < map.plan.seats.len());
                    ordinals
                        .push(ordinal.ok_or_else(|| Fault::invalid(&path, "is not a seat of this event"))?);
                }
                Ok(Pick::Seats(ordinals))
            }
            Self::Admission(admission) => {
                let path = "pick.admission.areaId";
                let area = id::decode_as(id::AREA, &admission.area_id, path)?;
                let area = map.ordinal(area).filter(|&ordinal| (ordinal as usize) < map.plan.areas.len());
                let area = area.ok_or_else(|| Fault::invalid(path, "is not an area of this event"))?;
                let quantity = unsigned(admission.quantity, "pick.admission.quantity")?;
                Ok(Pick::Admission { area, quantity })
            }
            Self::BestAvailable(wish) => wish.parse(ctx, event, map).await.map(Pick::BestAvailable),
        }
    }
}

impl BestAvailableInput {
    async fn parse(self, ctx: &Context<'_>, event: EventId, map: &SeatMap) -> FaultResult<BestAvailable> {
        let path = |field: &str| format!("pick.bestAvailable.{field}");
        let accessible = self.accessible.map(|party| {
            let places = unsigned(party.wheelchair_places, &path("accessible.wheelchairPlaces"))?;
            let companions = unsigned(party.companions, &path("accessible.companions"))?;
            FaultResult::Ok(AccessibleParty { wheelchair_places: places, companions })
        });
        let accessible = accessible.transpose()?;
        Ok(BestAvailable {
            quantity: unsigned(self.quantity, &path("quantity"))?,
            tiers: tiers(ctx, event, &self.tier_ids).await?,
            zones: zones(map, &self.zones)?,
            accessible,
            split: self.split,
            opened: Vec::new(),
        })
    }
}

/// Parses the tiers. All must belong to the event.
async fn tiers(ctx: &Context<'_>, event: EventId, ids: &[ID]) -> FaultResult<Vec<TierId>> {
    at_most(ids.len(), "pick.bestAvailable.tierIds")?;
    let of_event = match ids {
        [] => Vec::new(),
        _ => ctx.loaders().one(TiersOf(event)).await?.unwrap_or_default(),
    };
    let tier = |(index, id): (usize, &ID)| {
        let path = format!("pick.bestAvailable.tierIds.{index}");
        let tier: TierId = decode(id, &path)?;
        let is_there = of_event.iter().any(|other| other.id == tier);
        if is_there { Ok(tier) } else { Err(Fault::invalid(&path, "is not a tier of this event")) }
    };
    ids.iter().enumerate().map(tier).collect()
}

/// Returns the indices of the zones with these names.
fn zones(map: &SeatMap, names: &[String]) -> FaultResult<Vec<u32>> {
    at_most(names.len(), "pick.bestAvailable.zones")?;
    let keys: Vec<String> = map.plan.zones.iter().map(|zone| spelling::key(&zone.name)).collect();
    let mut zones = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let (before, key) = (zones.len(), spelling::key(name));
        let bear_it = (0..).zip(&keys).filter(|(_, other)| **other == key);
        zones.extend(bear_it.map(|(zone, _)| zone));
        if zones.len() == before {
            let path = format!("pick.bestAvailable.zones.{index}");
            return Err(Fault::invalid(&path, "is not the name of a zone of this event"));
        }
    }
    zones.sort_unstable();
    zones.dedup();
    Ok(zones)
}

fn at_most(length: usize, path: &str) -> FaultResult<()> {
    if length <= NAMES_MAX { Ok(()) } else { Err(Fault::invalid(path, "names too many")) }
}
