//! References within a document: guids are unique, seats have a category, and companion seats refer to wheelchair
//! places.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::fault::{Cause, Fault, Report};
use super::model::{Access, NAME_CHARS_MAX, PLACES_NAMED_MAX, Plan};
use super::repair::{Repairs, Slot, quoted};
use super::unique::Unique;
use super::warning::WarningCode;

/// The characters of a guid that a number after it may need.
const NUMBER_CHARS: usize = 8;

/// A seat or area.
#[derive(Clone, Copy)]
pub(super) enum Owner {
    Seat(usize),
    Area(usize),
}

/// The names read so far.
#[derive(Default)]
pub(super) struct Names {
    guids: HashMap<String, First>,
    duplicates: Vec<Duplicate>,
    unnamed: Vec<Unnamed>,
    companions: Vec<Companion>,
}

/// The first seat or area with a guid.
struct First {
    path: String,
    /// The ordinal, if it is a seat.
    seat: Option<usize>,
}

/// Another seat or area with the guid of an earlier one.
struct Duplicate {
    owner: Owner,
    guid: String,
    path: String,
    slot: Slot,
}

/// A seat or area without a guid.
struct Unnamed {
    owner: Owner,
    /// The name to derive the guid from.
    base: String,
    /// The place for the guid, if the document must contain it. The guid of an area follows from its position.
    slot: Option<Slot>,
}

/// A companion seat with the guid of its wheelchair place.
struct Companion {
    seat: usize,
    of: String,
    path: String,
    slot: Slot,
}

impl Names {
    /// Claims a guid for a seat or area. `slot` is its place in the document.
    pub(super) fn claim(&mut self, owner: Owner, guid: &str, path: String, slot: Slot) {
        match self.guids.entry(guid.to_owned()) {
            Entry::Occupied(_) => {
                self.duplicates.push(Duplicate { owner, guid: guid.to_owned(), path, slot });
            }
            Entry::Vacant(free) => {
                let seat = if let Owner::Seat(ordinal) = owner { Some(ordinal) } else { None };
                free.insert(First { path, seat });
            }
        }
    }

    /// Records a seat or area without a guid. It gets one when all others are known.
    pub(super) fn leave_unnamed(&mut self, owner: Owner, base: String, slot: Option<Slot>) {
        self.unnamed.push(Unnamed { owner, base, slot });
    }

    /// Records a companion seat. Its wheelchair place may follow later in the document.
    pub(super) fn accompany(&mut self, seat: usize, of: String, path: String, slot: Slot) {
        self.companions.push(Companion { seat, of, path, slot });
    }

    /// Gives every seat and area its guid, and every companion seat its wheelchair place. Call it after all seats and
    /// areas have been read. Without `prefix`, duplicate guids are a fault.
    pub(super) fn resolve(self, plan: &mut Plan, prefix: bool, report: &mut Report, repairs: &mut Repairs) {
        let Self { guids, duplicates, unnamed, companions } = self;
        let mut unique = Unique::default();
        for guid in guids.keys() {
            unique.take(guid.clone());
        }
        // The seats whose guid was renamed, by the guid that they had.
        let mut renamed: HashMap<String, Vec<usize>> = HashMap::new();
        if prefix {
            for Duplicate { owner, guid, slot, .. } in duplicates {
                let named = distinct(&mut unique, &[&origin(plan, owner), &guid]);
                report.warn(WarningCode::GuidPrefixed, format!("`{guid}`, now `{named}`"));
                repairs.put(slot, quoted(&named));
                if let Owner::Seat(ordinal) = owner {
                    renamed.entry(guid).or_default().push(ordinal);
                }
                set_guid(plan, owner, named);
            }
        } else if let Some(first) = duplicates.first() {
            report.add(Cause::DuplicateGuid, duplicates_fault(first, &guids, &duplicates));
        }
        for Unnamed { owner, base, slot } in unnamed {
            let guid = distinct(&mut unique, &[&base]);
            if let Some(slot) = slot {
                report.warn(WarningCode::GuidAdded, format!("`{guid}`"));
                repairs.put(slot, quoted(&guid));
            }
            set_guid(plan, owner, guid);
        }
        for Companion { seat, of, path, slot } in companions {
            let first = guids.get(&of).and_then(|first| first.seat);
            let others = renamed.get(&of).map(Vec::as_slice).unwrap_or_default();
            let places = first.iter().chain(others).copied();
            let places = places.filter(|&place| plan.seats[place].access == Access::Wheelchair);
            // Of several places with this guid, the one in the same row or zone is meant.
            let near = |&place: &usize| {
                let (own, place) = (&plan.seats[seat], &plan.seats[place]);
                (place.row != own.row, place.zone != own.zone)
            };
            if let Some(place) = places.min_by_key(near) {
                if Some(place) != first {
                    repairs.put(slot, quoted(&plan.seats[place].guid));
                }
                plan.seats[seat].access = Access::Companion { of: Some(place) };
            } else {
                let why = format!("`{of}` is not the guid of a wheelchair place of this plan");
                report.fault(path, Cause::Companion, why);
            }
        }
    }
}

fn duplicates_fault(first: &Duplicate, guids: &HashMap<String, First>, all: &[Duplicate]) -> Fault {
    let used = guids.get(&first.guid).map_or("", |first| first.path.as_str());
    let mut fault = Fault::new(&first.path, format!("`{}` is already used at {used}", first.guid));
    fault.count = all.len();
    fault.more = all.iter().skip(1).take(PLACES_NAMED_MAX - 1).map(|other| other.path.clone()).collect();
    fault.suggestion = Some(
        "Set `options: { prefixDuplicateGuids: true }` to put the zone and row before each guid that is used again.",
    );
    fault
}

/// Returns the zone and row of a seat, or the zone of an area, as a prefix.
fn origin(plan: &Plan, owner: Owner) -> String {
    let (zone, row) = match owner {
        Owner::Seat(ordinal) => {
            let seat = &plan.seats[ordinal];
            (seat.zone, plan.rows[seat.row].number.as_str())
        }
        Owner::Area(index) => (plan.areas[index].zone, ""),
    };
    let zone = &plan.zones[zone];
    let parts = [zone.id.as_deref().unwrap_or(&zone.name), row];
    parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

/// Takes the name that these parts form, with a number if it is taken. The first part is shortened if necessary.
fn distinct(unique: &mut Unique, parts: &[&str]) -> String {
    let (first, rest) = parts.split_first().map_or(("", &[][..]), |(first, rest)| (*first, rest));
    let rest = rest.join("-");
    let room = NAME_CHARS_MAX.saturating_sub(rest.chars().count() + 1 + NUMBER_CHARS);
    let first: String = first.chars().take(room).collect();
    let name = if rest.is_empty() || first.is_empty() { first + &rest } else { format!("{first}-{rest}") };
    let short: String = name.chars().take(NAME_CHARS_MAX - NUMBER_CHARS).collect();
    unique.take_or_number(&name, |number| format!("{short}-{number}"))
}

fn set_guid(plan: &mut Plan, owner: Owner, guid: String) {
    match owner {
        Owner::Seat(ordinal) => plan.seats[ordinal].guid = guid,
        Owner::Area(index) => plan.areas[index].guid = guid,
    }
}
