//! Seating plans: reads, checks and writes pretix's JSON format, so that vendors can import their existing plans and
//! export them again.
//!
//! A document is parsed once into a [`Plan`]. Seats, rows and areas are numbered in *map order*, which is their order
//! in the document. The index in [`Plan::seats`] or [`Plan::areas`] is the *ordinal* in inventories and availability
//! strings, so it must depend on the document only.
//!
//! Tessera adds optional keys to pretix's format:
//! - `capacity` (with `area_guid`, `name`, `category`) on an area makes it general admission;
//! - `wheelchair` on a seat makes it a wheelchair place; `companion` or `companion_of` makes it a companion seat;
//! - `focal_point` (`{"x": …, "y": …}`) on the plan is the point that the best seats are nearest to, such as a stage.
//!
//! All other keys are ignored and preserved in [`Plan::document`]. [`Plan::for_pretix`] omits them, because pretix
//! refuses unknown keys.
//!
//! pretix stores much that its editor would not draw, and other programs write the format too. So the reader accepts
//! numbers as texts and texts as numbers, colours of CSS, and missing sizes, names, numbers, categories and guids. It
//! reports each kind of repair or guess as one [`Warning`]. What cannot be repaired is a [`Fault`], one per kind.
//!
//! Layout: `text` (the raw document), `fault` and `warning` (what is wrong, and where), `json` and `room` (typed access
//! to one value, limits of lists), `model` (the plan and the limits), `read`, `category`, `seat` and `area` (the reader), `names` and `unique` (references
//! and distinct names), `repair` (repairs in the document), `label` (seats' labels), `focal` and `front` (the focal
//! point), `shape` and `color` (drawings other than seats), `size` (the size of a plan without one), `pretix` (the
//! export).
//!
//! Invariant: pure. No clock, no randomness, no I/O. The same text always gives the same plan.

mod area;
mod category;
mod color;
mod fault;
mod focal;
mod front;
mod json;
mod label;
mod model;
mod names;
mod pretix;
mod read;
mod repair;
mod room;
mod seat;
pub mod shape;
mod size;
mod text;
mod unique;
mod warning;

#[cfg(test)]
mod fronts;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod repairs;
#[cfg(test)]
mod tests;

pub use fault::{FAULTS_MAX, Fault};
pub use focal::{FocalPoint, FocalSource};
pub use model::{
    AREAS_MAX, Access, Area, CAPACITY_MAX, CATEGORIES_MAX, COORDINATE_MAX, Category, DEFAULT_COLOR,
    DEPTH_MAX, ImportOptions, NAME_CHARS_MAX, PLACES_MAX, PLACES_NAMED_MAX, Plan, ROWS_MAX, Row, SEATS_MAX,
    Seat, TEXT_BYTES_MAX, ZONES_MAX, Zone,
};
pub use warning::{Warning, WarningCode};

impl Plan {
    /// Parses a document. If it is invalid, returns at least one and at most [`FAULTS_MAX`] faults.
    pub fn parse(text: &str) -> Result<Plan, Vec<Fault>> {
        Self::import(text, ImportOptions::default()).map(|(plan, _)| plan)
    }

    /// Parses a document of another program, and returns what was repaired or guessed. If it is invalid, returns at least
    /// one and at most [`FAULTS_MAX`] faults. Each kind of repair or fault is one entry.
    pub fn import(text: &str, options: ImportOptions) -> Result<(Plan, Vec<Warning>), Vec<Fault>> {
        let document = text::compact(text).map_err(|fault| vec![fault])?;
        read::read(text::unwrapped(document), options)
    }
}
