//! The reader of a document. It builds the plan in map order, from the document down to each seat.
//!
//! Each value is checked where it is read, because its path is known there. An unusable value adds a fault and is
//! replaced by a default, so that the rest is still read and numbered. A plan with faults is never returned.

use super::fault::{Fault, Faults, Path};
use super::json::{Spot, raw_object};
use super::names::Names;
use super::room::Room;
use super::{
    AREAS_MAX, CATEGORIES_MAX, Category, DEFAULT_COLOR, PLACES_MAX, Plan, ROWS_MAX, SEATS_MAX, ZONES_MAX,
    Zone,
};

raw_object!(RawPlan { name, size, categories, zones, focal_point });
raw_object!(RawSize { width, height });
raw_object!(RawCategory { name, color });
raw_object!(RawZone { name, zone_id, position, rows, areas });

/// Parses a compact document.
pub(super) fn read(document: String) -> Result<Plan, Vec<Fault>> {
    let mut reader = Reader::new();
    reader.document(&document);
    reader.plan.document = document;
    reader.faults.unless_found(reader.plan)
}

/// The state of the reader: the plan so far, its faults, and the remaining limits.
pub(super) struct Reader {
    pub(super) plan: Plan,
    pub(super) faults: Faults,
    pub(super) names: Names,
    pub(super) seats_left: Room,
    /// The position of the first decoration whose text names a stage or similar.
    pub(super) stage: Option<(f64, f64)>,
    rows_left: Room,
    areas_left: Room,
}

/// The zone or row that contains the current value: its index and its origin.
#[derive(Clone, Copy)]
pub(super) struct Parent {
    pub(super) index: usize,
    pub(super) origin: (f64, f64),
}

impl Parent {
    /// Returns the position of an offset on the plan, rounded to thousandths to remove floating-point error.
    pub(super) fn place(self, offset: Option<(f64, f64)>) -> (f64, f64) {
        let (x, y) = offset.unwrap_or_default();
        let sum = |origin: f64, offset: f64| ((origin + offset) * 1e3).round() / 1e3 + 0.0;
        (sum(self.origin.0, x), sum(self.origin.1, y))
    }
}

impl Reader {
    fn new() -> Self {
        let plan = Plan {
            name: String::new(),
            width: 0.0,
            height: 0.0,
            categories: Vec::new(),
            zones: Vec::new(),
            rows: Vec::new(),
            seats: Vec::new(),
            areas: Vec::new(),
            focal: None,
            document: String::new(),
        };
        Self {
            plan,
            faults: Faults::default(),
            names: Names::default(),
            stage: None,
            rows_left: Room::new("rows", ROWS_MAX),
            seats_left: Room::new("seats", SEATS_MAX),
            areas_left: Room::new("areas", AREAS_MAX),
        }
    }

    fn document(&mut self, document: &str) {
        let document = Spot::document(document);
        let Some(raw) = document.object::<RawPlan>(&mut self.faults) else { return };
        self.plan.name = document.at("name", raw.name).name(&mut self.faults).unwrap_or_default();
        self.size(document.at("size", raw.size));
        let categories = document.at("categories", raw.categories);
        for category in categories.items(&mut Room::new("categories", CATEGORIES_MAX), &mut self.faults) {
            self.category(category);
        }
        let zones = document.at("zones", raw.zones);
        for zone in zones.items(&mut Room::new("zones", ZONES_MAX), &mut self.faults) {
            self.zone(zone);
        }
        let focal = document.at("focal_point", raw.focal_point);
        self.plan.focal = if focal.is_absent() { self.stage } else { focal.point(&mut self.faults) };
        self.whole();
    }

    /// Makes the checks that need the whole document.
    fn whole(&mut self) {
        self.names.resolve_companions(&mut self.plan.seats, &mut self.faults);
        let places = self.plan.places();
        if places > PLACES_MAX {
            self.faults.add(Path::Root, format!("holds {places} people in all; the maximum is {PLACES_MAX}"));
        } else if places == 0 && self.faults.is_empty() {
            let why = "has neither a seat nor an area with a `capacity`, so there is nothing to sell";
            self.faults.add(Path::Root, why);
        }
    }

    fn size(&mut self, size: Spot<'_, '_>) {
        let Some(raw) = size.object::<RawSize>(&mut self.faults) else { return };
        self.plan.width = self.length(size.at("width", raw.width));
        self.plan.height = self.length(size.at("height", raw.height));
    }

    fn length(&mut self, length: Spot<'_, '_>) -> f64 {
        let number = length.number(&mut self.faults).unwrap_or(1.0);
        if number <= 0.0 {
            self.faults.add(length.path, format!("must be greater than zero, but is {number}"));
        }
        number
    }

    fn category(&mut self, category: Spot<'_, '_>) {
        let Some(raw) = category.object::<RawCategory>(&mut self.faults) else { return };
        let name = category.at("name", raw.name);
        let color = self.color(category.at("color", raw.color));
        let path = name.path;
        if let Some(name) = name.name(&mut self.faults) {
            self.names.declare_category(&name, path, &mut self.faults);
            self.plan.categories.push(Category { name, color });
        }
    }

    fn color(&mut self, color: Spot<'_, '_>) -> String {
        if color.is_absent() {
            return DEFAULT_COLOR.to_owned();
        }
        let written = color.text(&mut self.faults).unwrap_or_else(|| DEFAULT_COLOR.to_owned());
        let digits = written.strip_prefix('#').unwrap_or_default().to_ascii_lowercase();
        match digits.len() {
            _ if !digits.chars().all(|digit| digit.is_ascii_hexdigit()) => {}
            6 => return format!("#{digits}"),
            3 => return "#".chars().chain(digits.chars().flat_map(|digit| [digit, digit])).collect(),
            _ => {}
        }
        self.faults.add(color.path, format!("`{written}` is not a colour; write it as `#rgb` or `#rrggbb`"));
        written
    }

    fn zone(&mut self, zone: Spot<'_, '_>) {
        let Some(raw) = zone.object::<RawZone>(&mut self.faults) else { return };
        let (index, first) = (self.plan.zones.len(), self.plan.rows.len());
        let name = zone.at("name", raw.name).words(&mut self.faults);
        let id = zone.at("zone_id", raw.zone_id).words(&mut self.faults);
        let name = name.or(id).unwrap_or_else(|| format!("Zone {}", index + 1));
        let origin = zone.at("position", raw.position).offset(&mut self.faults).unwrap_or_default();
        let parent = Parent { index, origin };
        self.plan.zones.push(Zone { name, rows: first..first });

        let rows = zone.at("rows", raw.rows);
        for row in rows.items_if_any(&mut self.rows_left, &mut self.faults) {
            self.row(row, parent);
        }
        self.plan.zones[index].rows.end = self.plan.rows.len();
        let areas = zone.at("areas", raw.areas);
        for (index, area) in areas.items_if_any(&mut self.areas_left, &mut self.faults).enumerate() {
            self.area(area, index, parent);
        }
    }
}
