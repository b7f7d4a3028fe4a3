//! Seating plans: reads, checks and writes the JSON format of pretix, so that a vendor brings the plans
//! they already own and can take them away again.
//!
//! A document is read once, into a [`Plan`]: seats, rows and areas numbered in *map order*, which is the
//! order of the document. The position in [`Plan::seats`] or [`Plan::areas`] is the *ordinal* that
//! inventories and availability strings count by, so it must never depend on anything but the document.
//!
//! To pretix's format Tessera adds, and reads only where they are written:
//! - `capacity` (with `area_guid`, `name`, `category`) on an area makes it general admission;
//! - `wheelchair` on a seat makes it accessible; `companion` or `companion_of` makes it the place beside one;
//! - `focal_point` (`{"x": …, "y": …}`) on the plan is what the house looks at: the best seats are nearest to it.
//!
//! Every other key is somebody else's: it is not looked at, and it comes back with [`Plan::document`].
//! [`Plan::for_pretix`] leaves all of that out, because pretix refuses keys it does not know.
//!
//! Layout: `text` (the raw document), `fault` (what is wrong and where), `json` and `room` (typed access to one
//! value, limits on lists), `read`, `seat` and `area` (the walk), `names` (what refers to what), `shape` (what is drawn
//! besides seats), `focal` (what the house looks at), `pretix` (the way out).
//!
//! Invariant: pure. No clock, no randomness, no I/O; the same text always gives the same plan.

mod area;
mod fault;
mod focal;
mod json;
mod names;
mod pretix;
mod read;
mod room;
mod seat;
pub mod shape;
mod text;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod tests;

use std::ops::Range;

pub use fault::{FAULTS_MAX, Fault};

/// The largest document that is looked at, in bytes.
pub const TEXT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How deep objects and lists may be nested. Every JSON reader a document may meet later copes with this.
pub const DEPTH_MAX: usize = 64;
/// Most price categories in a plan.
pub const CATEGORIES_MAX: usize = 1_000;
/// Most zones in a plan.
pub const ZONES_MAX: usize = 1_000;
/// Most rows in a plan, over all its zones.
pub const ROWS_MAX: usize = 10_000;
/// Most seats in a plan, over all its rows.
pub const SEATS_MAX: usize = 60_000;
/// Most areas in a plan, decoration included.
pub const AREAS_MAX: usize = 5_000;
/// Most people in one general-admission area.
pub const CAPACITY_MAX: u32 = 1_000_000;
/// Most people in a plan, seated and standing, so that every count fits a database's 32-bit integer.
pub const PLACES_MAX: u64 = i32::MAX as u64;
/// Longest name, number or guid, in characters.
pub const NAME_CHARS_MAX: usize = 255;
/// How far from its parent's origin anything may lie, and how large a plan may be, in plan units.
pub const COORDINATE_MAX: f64 = 1e6;
/// The colour of a category that names none.
pub const DEFAULT_COLOR: &str = "#9e9e9e";

/// A validated seating plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What the vendor calls the plan.
    pub name: String,
    /// Width in plan units; pretix draws a seat with a radius of 10.
    pub width: f64,
    /// Height in plan units.
    pub height: f64,
    /// Price categories in the document's order; names are unique.
    pub categories: Vec<Category>,
    /// Zones in map order.
    pub zones: Vec<Zone>,
    /// The rows of all zones in map order.
    pub rows: Vec<Row>,
    /// The seats of all rows in map order; the index is the seat's ordinal.
    pub seats: Vec<Seat>,
    /// The general-admission areas in map order; the index is the area's ordinal. Decoration is not here.
    pub areas: Vec<Area>,
    /// What the house looks at, as far as the document says; see [`Plan::focal_point`].
    pub focal: Option<(f64, f64)>,
    /// The document as it was given, every key and number untouched, only without insignificant white
    /// space. This is what is stored and given back: parsing it yields this very plan. It may contain any
    /// JSON, so store it as text; PostgreSQL's `jsonb` refuses some of it.
    pub document: String,
}

/// A price category.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Category {
    /// Unique within the plan; tiers are matched by it.
    pub name: String,
    /// Always `#rrggbb` in lower case, so it is safe to put into a page.
    pub color: String,
}

/// A part of the house: stalls, circle, north stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// The `name`, else the `zone_id`, else `Zone <n>`. Two zones may bear the same name.
    pub name: String,
    /// Its rows, as indices into [`Plan::rows`].
    pub rows: Range<usize>,
}

/// A row of seats, or the seats around one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Index into [`Plan::zones`].
    pub zone: usize,
    /// What is written beside the row; may be empty, need not be unique.
    pub number: String,
    /// The row's name in words (`Table 7`), when the plan has its own.
    pub label: Option<String>,
    /// The name of its seats in words, `%s` standing for the seat's number, when the plan has its own.
    pub seat_label: Option<String>,
    /// Its seats, as indices into [`Plan::seats`].
    pub seats: Range<usize>,
}

/// One numbered seat.
#[derive(Debug, Clone, PartialEq)]
pub struct Seat {
    /// The vendor's own key, unique among seats and areas.
    pub guid: String,
    /// Index into [`Plan::zones`].
    pub zone: usize,
    /// Index into [`Plan::rows`].
    pub row: usize,
    /// What is written on the seat; may be empty, need not be unique.
    pub number: String,
    /// Index into [`Plan::categories`].
    pub category: usize,
    /// Distance from the plan's left edge: zone, row and seat summed, to a thousandth of a unit.
    pub x: f64,
    /// Distance from the plan's upper edge, likewise.
    pub y: f64,
    /// Who the seat is meant for.
    pub access: Access,
}

/// Who a seat is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Standard,
    /// A wheelchair user.
    Wheelchair,
    /// Someone who accompanies a wheelchair user; with the wheelchair place's ordinal when the plan names it.
    Companion {
        /// Index of the wheelchair place in [`Plan::seats`].
        of: Option<usize>,
    },
}

/// A general-admission area: people, but no numbered seats.
#[derive(Debug, Clone, PartialEq)]
pub struct Area {
    /// The `area_guid`, else the `uuid`, else `<zone name>-<index in its zone>`; unique among seats and areas.
    pub guid: String,
    /// The `name`, else the text drawn on it, else the guid.
    pub name: String,
    /// Index into [`Plan::zones`].
    pub zone: usize,
    /// Index into [`Plan::categories`], when the area names one.
    pub category: Option<usize>,
    /// How many people it holds, at least one.
    pub capacity: u32,
    /// Distance of its anchor from the plan's left edge: zone and area summed.
    pub x: f64,
    /// Distance of its anchor from the plan's upper edge.
    pub y: f64,
}

impl Plan {
    /// Reads a document, or says everything that is wrong with it: never an empty list, at most [`FAULTS_MAX`].
    pub fn parse(text: &str) -> Result<Plan, Vec<Fault>> {
        let document = text::compact(text).map_err(|fault| vec![fault])?;
        read::read(document)
    }

    /// How many people the plan holds, seated and standing.
    pub fn places(&self) -> u64 {
        self.seats.len() as u64 + self.areas.iter().map(|area| u64::from(area.capacity)).sum::<u64>()
    }

    /// What the house looks at, and what the best seats are nearest to, in plan units: the plan's own `focal_point`;
    /// else the first decoration on which is written that it is a stage, a screen, a pitch or the like; else the middle
    /// of the upper edge, because that is where plans are drawn to have their stage.
    pub fn focal_point(&self) -> (f64, f64) {
        self.focal.unwrap_or((self.width / 2.0, 0.0))
    }

    /// The seat's full name as printed on a ticket: `Stalls, Row A, Seat 12`. Parts the plan leaves empty are
    /// left out, and an unknown ordinal has no name.
    pub fn seat_name(&self, ordinal: usize) -> Option<String> {
        let seat = self.seats.get(ordinal)?;
        let row = self.rows.get(seat.row)?;
        let words = |own: Option<&str>, word: &str, number: &str| match own {
            Some(own) => own.replace("%s", number),
            None if number.is_empty() => String::new(),
            None => format!("{word} {number}"),
        };
        let parts = [
            self.zones.get(seat.zone)?.name.clone(),
            words(row.label.as_deref(), "Row", &row.number),
            words(row.seat_label.as_deref(), "Seat", &seat.number),
        ];
        Some(parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", "))
    }
}
