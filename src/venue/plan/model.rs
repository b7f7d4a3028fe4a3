//! The parts of a plan, and the limits of a document.

use std::collections::BTreeMap;
use std::ops::Range;

use super::focal::FocalPoint;

/// The maximum number of places that a fault or warning names.
pub const PLACES_NAMED_MAX: usize = 5;
/// The maximum size of a document, in bytes.
pub const TEXT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The maximum nesting depth of objects and lists. Common JSON parsers support it.
pub const DEPTH_MAX: usize = 64;
/// The maximum number of price categories in a plan.
pub const CATEGORIES_MAX: usize = 1_000;
/// The maximum number of zones in a plan.
pub const ZONES_MAX: usize = 1_000;
/// The maximum number of rows in a plan.
pub const ROWS_MAX: usize = 10_000;
/// The maximum number of seats in a plan.
pub const SEATS_MAX: usize = 60_000;
/// The maximum number of areas in a plan, including decoration.
pub const AREAS_MAX: usize = 5_000;
/// The maximum capacity of one general-admission area.
pub const CAPACITY_MAX: u32 = 1_000_000;
/// The maximum number of seats and standing places in a plan, so that all counts fit a 32-bit integer of the database.
pub const PLACES_MAX: u64 = i32::MAX as u64;
/// The maximum length of a name, number or guid, in characters.
pub const NAME_CHARS_MAX: usize = 255;
/// The maximum distance from the parent's origin, and the maximum size of a plan, in plan units.
pub const COORDINATE_MAX: f64 = 1e6;
/// The colour of a category without a colour.
pub const DEFAULT_COLOR: &str = "#9e9e9e";

/// How a document is imported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ImportOptions {
    /// Whether guids that are used again get their zone and row as a prefix. Otherwise, the document is refused.
    pub prefix_duplicate_guids: bool,
}

/// A validated seating plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The name in the document.
    pub name: String,
    /// The width in plan units. pretix draws a seat with a radius of 10.
    pub width: f64,
    /// The height in plan units.
    pub height: f64,
    /// The price categories in document order. Their names are unique.
    pub categories: Vec<Category>,
    /// The zones in map order.
    pub zones: Vec<Zone>,
    /// The rows of all zones, in map order.
    pub rows: Vec<Row>,
    /// The seats of all rows, in map order. The index is the seat's ordinal.
    pub seats: Vec<Seat>,
    /// The general-admission areas in map order, without decoration. The index is the area's ordinal.
    pub areas: Vec<Area>,
    /// The point that the best seats are nearest to: the plan's `focal_point`, or else an inferred one.
    pub focal: FocalPoint,
    /// The labels of seats whose zone, row and number are not enough, by ordinal.
    pub(super) labels: BTreeMap<usize, String>,
    /// The original document without insignificant white space, and with the repairs that [`Plan::import`] made. All
    /// other keys and numbers are unchanged. This text is stored and exported, and parsing it gives the same plan. It may contain any JSON, so store it as text: PostgreSQL's
    /// `jsonb` refuses some of it.
    pub document: String,
}

/// A price category.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Category {
    /// The name, unique within the plan. Tiers refer to it.
    pub name: String,
    /// The colour as `#rrggbb` in lower case. Safe in HTML.
    pub color: String,
}

/// A part of the venue, such as stalls, circle or north stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// The `name`, else the `zone_id`, else `Zone <n>`. Not necessarily unique.
    pub name: String,
    /// The `zone_id`, if there is one.
    pub id: Option<String>,
    /// The indices of its rows in [`Plan::rows`].
    pub rows: Range<usize>,
}

/// A row of seats, or the seats around one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Index into [`Plan::zones`].
    pub zone: usize,
    /// The row's number or letter. May be empty. Not necessarily unique.
    pub number: String,
    /// The row's full name (`Table 7`), if the plan has one.
    pub label: Option<String>,
    /// The template of its seats' names, if the plan has one. `%s` stands for the seat's number.
    pub seat_label: Option<String>,
    /// The indices of its seats in [`Plan::seats`].
    pub seats: Range<usize>,
}

/// One numbered seat.
#[derive(Debug, Clone, PartialEq)]
pub struct Seat {
    /// The vendor's key, unique among seats and areas.
    pub guid: String,
    /// Index into [`Plan::zones`].
    pub zone: usize,
    /// Index into [`Plan::rows`].
    pub row: usize,
    /// The seat's number. May be empty. Not necessarily unique.
    pub number: String,
    /// Index into [`Plan::categories`].
    pub category: usize,
    /// The distance from the plan's left edge, in plan units, rounded to thousandths. It is the sum of the zone's,
    /// row's and seat's positions.
    pub x: f64,
    /// The distance from the plan's upper edge, in the same way.
    pub y: f64,
    /// The seat's accessibility.
    pub access: Access,
}

/// The accessibility of a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A seat for any buyer.
    Standard,
    /// A wheelchair place.
    Wheelchair,
    /// A seat for a companion of a wheelchair user.
    Companion {
        /// The index of the wheelchair place in [`Plan::seats`], if the plan names it.
        of: Option<usize>,
    },
}

/// A general-admission area: capacity without numbered seats.
#[derive(Debug, Clone, PartialEq)]
pub struct Area {
    /// The `area_guid`, else the `uuid`, else `<zone name>-<index in its zone>`. Unique among seats and areas.
    pub guid: String,
    /// The `name`, else the text drawn on it, else the guid. If areas share it, with their zone or a number.
    pub name: String,
    /// Index into [`Plan::zones`].
    pub zone: usize,
    /// Index into [`Plan::categories`], if the area has a category.
    pub category: Option<usize>,
    /// The number of people it holds, at least 1.
    pub capacity: u32,
    /// The distance of its anchor from the plan's left edge, in plan units. It is the sum of the zone's and the area's
    /// positions.
    pub x: f64,
    /// The distance of its anchor from the plan's upper edge, in the same way.
    pub y: f64,
}

impl Plan {
    /// Returns the number of seats plus the capacity of all areas.
    pub fn places(&self) -> u64 {
        self.seats.len() as u64 + self.areas.iter().map(|area| u64::from(area.capacity)).sum::<u64>()
    }
}
