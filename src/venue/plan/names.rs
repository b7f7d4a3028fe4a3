//! References within a document: guids must be unique, categories must exist, and companion seats must refer to
//! wheelchair places.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Display;

use super::fault::{Faults, Path};
use super::{Access, Seat};

/// Maximum number of known categories that the fault about an unknown one lists.
const CATEGORIES_LISTED: usize = 10;

/// The names read so far.
#[derive(Default)]
pub(super) struct Names {
    categories: HashMap<String, usize>,
    /// The categories' names in document order, for messages.
    known: Vec<String>,
    guids: HashMap<String, Owner>,
    companions: Vec<Companion>,
}

/// The seat or area with a guid.
struct Owner {
    path: String,
    /// The ordinal, if it is a seat.
    seat: Option<usize>,
}

/// A companion seat with the guid of its wheelchair place.
struct Companion {
    seat: usize,
    of: String,
    path: String,
}

impl Names {
    /// Declares a category. Its index is the number of categories declared before.
    pub(super) fn declare_category(&mut self, name: &str, path: Path<'_>, faults: &mut Faults) {
        if let Some(first) = self.categories.insert(name.to_owned(), self.known.len()) {
            faults.add(path, format!("`{name}` is already the name of categories[{first}]"));
        }
        self.known.push(name.to_owned());
    }

    /// Returns the index of a category. An unknown one is reported once, not for every seat that names it.
    pub(super) fn category(&mut self, name: String, path: Path<'_>, faults: &mut Faults) -> usize {
        match self.categories.entry(name) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(unknown) => {
                faults.add(
                    path,
                    format!(
                        "`{}` is not a category of this plan; {}",
                        unknown.key(),
                        list_categories(&self.known)
                    ),
                );
                *unknown.insert(0)
            }
        }
    }

    /// Claims a guid for the seat with this ordinal, or for an area. Reports a guid that is already claimed.
    pub(super) fn claim(&mut self, guid: &str, seat: Option<usize>, path: impl Display, faults: &mut Faults) {
        match self.guids.entry(guid.to_owned()) {
            Entry::Occupied(first) => {
                faults.add(path, format!("`{guid}` is already used at {}", first.get().path));
            }
            Entry::Vacant(free) => {
                free.insert(Owner { path: path.to_string(), seat });
            }
        }
    }

    /// Records a companion seat. Its wheelchair place may follow later in the document.
    pub(super) fn accompany(&mut self, seat: usize, of: String, path: Path<'_>) {
        self.companions.push(Companion { seat, of, path: path.to_string() });
    }

    /// Sets the wheelchair place of each companion seat. Call it after all seats have been read.
    pub(super) fn resolve_companions(&mut self, seats: &mut [Seat], faults: &mut Faults) {
        for Companion { seat, of, path } in self.companions.drain(..) {
            let place = self.guids.get(&of).and_then(|owner| owner.seat);
            match place.filter(|&place| seats[place].access == Access::Wheelchair) {
                Some(place) => seats[seat].access = Access::Companion { of: Some(place) },
                None => {
                    faults.add(path, format!("`{of}` is not the guid of a wheelchair place of this plan"));
                }
            }
        }
    }
}

fn list_categories(known: &[String]) -> String {
    if known.is_empty() {
        return "it declares no categories".to_owned();
    }
    let names: Vec<_> = known.iter().take(CATEGORIES_LISTED).map(|name| format!("`{name}`")).collect();
    let more = if known.len() > CATEGORIES_LISTED { ", …" } else { "" };
    format!("it has {}{more}", names.join(", "))
}
