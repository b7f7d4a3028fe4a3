//! Which places clients want: by name, some of an area, or the best there are.

use async_graphql::{Context, ID, InputObject, OneofObject};
use entity::{EventId, TierId};

use crate::{
    error::{Fault, Faulty},
    graphql::{
        context::ContextExt,
        id::{self, decode},
        tier::TiersOf,
    },
    inventory::{self, AccessibleParty, BestAvailable, Pick},
    venue::SeatMap,
};

/// More names than this are not looked up.
const NAMES_MAX: usize = 100;

/// Which places: exactly one of these.
#[derive(Debug, OneofObject)]
pub enum PickInput {
    /// These seats, all or none. Where the event's `orphanRule` holds, the pick must not leave a single seat behind that
    /// another pick of as many would not leave; one with a wheelchair place or a companion's seat always may.
    SeatIds(Vec<ID>),
    /// Places of an area without numbered seats.
    Admission(AdmissionInput),
    /// The best seats that are free.
    BestAvailable(BestAvailableInput),
}

/// Places of an area without numbered seats.
#[derive(Debug, InputObject)]
pub struct AdmissionInput {
    /// The area.
    pub area_id: ID,
    /// How many places.
    pub quantity: u32,
}

/// A party that takes the best seats that are free: neighbours in one row, as near as possible to the stage, and such
/// that no single seat is left behind if that can be avoided. The reservation says which they are. Seats for wheelchair
/// users and their companions are only taken where `accessible` asks for them.
#[derive(Debug, InputObject)]
pub struct BestAvailableInput {
    /// How many seats, all in all: 1 to 100, but no more than the event allows one buyer.
    pub quantity: u32,
    /// Only seats at these tiers, the one wanted most first: a seat further away at an earlier tier is better. At any
    /// tier when left out or empty.
    #[graphql(default)]
    pub tier_ids: Vec<ID>,
    /// Only seats in zones with these names. In any zone when left out or empty.
    #[graphql(default)]
    pub zones: Vec<String>,
    /// Who of the party needs a wheelchair place; nobody when left out.
    pub accessible: Option<AccessibleInput>,
    /// Whether the party may be parted if as many seats are not free together: into as few groups as possible, near each
    /// other. If not, it is refused with `NOT_ENOUGH_TOGETHER`.
    #[graphql(default)]
    pub split: bool,
}

/// Wheelchair users and who comes along; both are counted in `quantity`. Everybody else in the party gets seats beside
/// them if there are any, else as near as possible.
#[derive(Debug, InputObject)]
pub struct AccessibleInput {
    /// How many wheelchair places, at least 1: in one row, unless the party may be parted.
    pub wheelchair_places: u32,
    /// How many companions. They get the companions' seats that belong to these wheelchair places, and ordinary seats
    /// where there are not enough.
    #[graphql(default)]
    pub companions: u32,
}

impl PickInput {
    /// The places by their ordinals on the map.
    pub(super) async fn parse(self, ctx: &Context<'_>, event: EventId, map: &SeatMap) -> Faulty<Pick> {
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
                Ok(Pick::Admission { area, quantity: admission.quantity })
            }
            Self::BestAvailable(wish) => wish.parse(ctx, event, map).await.map(Pick::BestAvailable),
        }
    }
}

impl BestAvailableInput {
    async fn parse(self, ctx: &Context<'_>, event: EventId, map: &SeatMap) -> Faulty<BestAvailable> {
        let accessible = self.accessible.map(|party| AccessibleParty {
            wheelchair_places: party.wheelchair_places,
            companions: party.companions,
        });
        Ok(BestAvailable {
            quantity: self.quantity,
            tiers: tiers(ctx, event, &self.tier_ids).await?,
            zones: zones(map, &self.zones)?,
            accessible,
            split: self.split,
            opened: Vec::new(),
        })
    }
}

/// The tiers, each of which must be the event's.
async fn tiers(ctx: &Context<'_>, event: EventId, ids: &[ID]) -> Faulty<Vec<TierId>> {
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

/// The zones with these names, by index.
fn zones(map: &SeatMap, names: &[String]) -> Faulty<Vec<u32>> {
    at_most(names.len(), "pick.bestAvailable.zones")?;
    let mut zones = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let before = zones.len();
        let bear_it = (0..).zip(&map.plan.zones).filter(|(_, zone)| zone.name == *name);
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

fn at_most(length: usize, path: &str) -> Faulty<()> {
    if length <= NAMES_MAX { Ok(()) } else { Err(Fault::invalid(path, "names too many")) }
}
