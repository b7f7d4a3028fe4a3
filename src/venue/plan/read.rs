//! The reader of a document. It builds the plan in map order, from the document down to each seat.
//!
//! Each value is checked where it is read, because its path is known there. An unusable value adds a fault and is
//! replaced by a default, so that the rest is still read and numbered. A plan with faults is never returned.
//!
//! What other editors leave out is repaired with a warning. A repair that is more than a default is written into the
//! document, so that exports contain it.

use std::collections::HashMap;

use super::area::Stage;
use super::fault::{Cause, Fault, Path, Report};
use super::focal::{FocalPoint, FocalSource};
use super::json::{Raw, Spot, raw_object};
use super::model::{AREAS_MAX, ImportOptions, PLACES_MAX, Plan, ROWS_MAX, SEATS_MAX, ZONES_MAX, Zone};
use super::names::Names;
use super::repair::{Repairs, quoted};
use super::room::Room;
use super::warning::{Warning, WarningCode};
use super::{front, label, size};

/// The name of a plan without one.
const UNNAMED: &str = "Seating plan";

raw_object!(RawPlan { name, size, categories, zones, focal_point });
raw_object!(RawSize { width, height });
raw_object!(RawZone { name, zone_id, position, rows, areas });

/// Parses a compact document.
pub(super) fn read(document: String, options: ImportOptions) -> Result<(Plan, Vec<Warning>), Vec<Fault>> {
    let mut reader = Reader::new(&document);
    reader.document(&document, options);
    reader.plan.document = reader.repairs.apply(document);
    reader.report.unless_faulty(reader.plan)
}

/// The state of the reader: the plan so far, what was found, and the remaining limits.
pub(super) struct Reader {
    pub(super) plan: Plan,
    pub(super) report: Report,
    pub(super) repairs: Repairs,
    pub(super) names: Names,
    /// The indices of the categories by their names in the document.
    pub(super) by_name: HashMap<String, usize>,
    pub(super) seats_left: Room,
    /// The decoration whose text most likely names the stage.
    pub(super) stage: Option<Stage>,
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
    fn new(document: &str) -> Self {
        let plan = Plan {
            name: String::new(),
            width: 0.0,
            height: 0.0,
            categories: Vec::new(),
            zones: Vec::new(),
            rows: Vec::new(),
            seats: Vec::new(),
            areas: Vec::new(),
            focal: FocalPoint { x: 0.0, y: 0.0, source: FocalSource::Given },
            labels: label::Labels::default(),
            document: String::new(),
        };
        Self {
            plan,
            report: Report::default(),
            repairs: Repairs::new(document),
            names: Names::default(),
            by_name: HashMap::new(),
            stage: None,
            rows_left: Room::new("rows", ROWS_MAX),
            seats_left: Room::new("seats", SEATS_MAX),
            areas_left: Room::new("areas", AREAS_MAX),
        }
    }

    fn document(&mut self, document: &str, options: ImportOptions) {
        let document = Spot::document(document);
        let Some(raw) = document.object::<RawPlan>(&mut self.report) else { return };
        self.name(document, raw.name);
        let size = self.size(document.at("size", raw.size));
        self.categories(document.at("categories", raw.categories));
        let zones = document.at("zones", raw.zones);
        for zone in zones.items(&mut Room::new("zones", ZONES_MAX), &mut self.report) {
            self.zone(zone);
        }
        let focal = document.at("focal_point", raw.focal_point);
        let focal = if focal.is_absent() { None } else { focal.point(&mut self.report) };
        self.whole(options);
        if self.report.has_faults() {
            return;
        }
        match size {
            Some((width, height)) => (self.plan.width, self.plan.height) = (width, height),
            None => self.guess_size(document, raw.size),
        }
        self.plan.focal = match focal {
            Some((x, y)) => FocalPoint { x, y, source: FocalSource::Given },
            None => self.front(document.json().unwrap_or_default()),
        };
        self.plan.labels = label::labels(&self.plan);
        let areas = label::tell_areas_apart(&mut self.plan);
        for label in self.plan.labels.values().chain(&areas) {
            self.report.warn(WarningCode::LabelExtended, label);
        }
    }

    /// Makes the checks that need the whole document.
    fn whole(&mut self, options: ImportOptions) {
        let names = std::mem::take(&mut self.names);
        names.resolve(&mut self.plan, options.prefix_duplicate_guids, &mut self.report, &mut self.repairs);
        for area in self.plan.areas.iter_mut().filter(|area| area.name.is_empty()) {
            area.name.clone_from(&area.guid);
        }
        let places = self.plan.places();
        if places > PLACES_MAX {
            let why = format!("holds {places} people in all; the maximum is {PLACES_MAX}");
            self.report.fault(Path::Root, Cause::Limit, why);
        } else if places == 0 && !self.report.has_faults() {
            let why = "has neither a seat nor an area with a `capacity`, so there is nothing to sell";
            self.report.fault(Path::Root, Cause::Nothing, why);
        }
    }

    fn name(&mut self, document: Spot<'_, '_>, raw: Raw<'_>) {
        let name = document.at("name", raw).text(&mut self.report).unwrap_or_default();
        if !name.trim().is_empty() {
            self.plan.name = name;
        } else if !self.report.has_faults() {
            UNNAMED.clone_into(&mut self.plan.name);
            self.report.warn(WarningCode::NameAdded, UNNAMED);
            let slot = self.repairs.slot(document.json().unwrap_or_default(), "name", raw);
            self.repairs.put(slot, quoted(UNNAMED));
        }
    }

    /// Reads the size. Returns `None` if there is no usable one.
    fn size(&mut self, size: Spot<'_, '_>) -> Option<(f64, f64)> {
        if size.is_absent() {
            return None;
        }
        let raw = size.object::<RawSize>(&mut self.report)?;
        let (width, height) = (size.at("width", raw.width), size.at("height", raw.height));
        if width.is_absent() || height.is_absent() {
            return None;
        }
        let (width, height) = (width.number(&mut self.report), height.number(&mut self.report));
        width.zip(height).filter(|(width, height)| *width > 0.0 && *height > 0.0)
    }

    fn guess_size(&mut self, document: Spot<'_, '_>, raw: Raw<'_>) {
        let (width, height) = size::needed(&self.plan, document.json().unwrap_or_default());
        (self.plan.width, self.plan.height) = (width, height);
        self.report.warn(WarningCode::SizeGuessed, format!("{width} × {height}"));
        let slot = self.repairs.slot(document.json().unwrap_or_default(), "size", raw);
        self.repairs.put(slot, format!(r#"{{"width":{width},"height":{height}}}"#));
    }

    /// Infers the focal point.
    fn front(&mut self, document: &str) -> FocalPoint {
        let stage = self.stage.map(|stage| stage.at);
        let focal = front::infer(&self.plan, document, stage);
        if let Some(guess) = focal.source.guess() {
            self.report.warn(WarningCode::FrontGuessed, guess);
        }
        focal
    }

    fn zone(&mut self, zone: Spot<'_, '_>) {
        let Some(raw) = zone.object::<RawZone>(&mut self.report) else { return };
        let (index, first) = (self.plan.zones.len(), self.plan.rows.len());
        let name = zone.at("name", raw.name).words(&mut self.report);
        let id = zone.at("zone_id", raw.zone_id).words(&mut self.report);
        let name = name.or_else(|| id.clone()).unwrap_or_else(|| format!("Zone {}", index + 1));
        let origin = zone.at("position", raw.position).offset(&mut self.report).unwrap_or_default();
        let parent = Parent { index, origin };
        self.plan.zones.push(Zone { name, id, rows: first..first });

        let rows = zone.at("rows", raw.rows);
        for row in rows.items_if_any(&mut self.rows_left, &mut self.report) {
            self.row(row, parent);
        }
        self.plan.zones[index].rows.end = self.plan.rows.len();
        let areas = zone.at("areas", raw.areas);
        for (index, area) in areas.items_if_any(&mut self.areas_left, &mut self.report).enumerate() {
            self.area(area, index, parent);
        }
    }
}
