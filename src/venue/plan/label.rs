//! The labels of seats on tickets. A label tells a seat apart from all others of the plan.
//!
//! Plans repeat zones, rows and numbers: a row is often drawn as several rows with an aisle between them, and each block
//! has a seat 1. Labels that clash get the zone's id or number, a block number for the row, or a counter, in this order,
//! and only as far as necessary.

use std::collections::{BTreeMap, HashMap};

use super::model::{Plan, Row, Seat};
use super::unique::Unique;

/// The labels of seats that differ from zone, row and number, by ordinal.
pub(super) type Labels = BTreeMap<usize, String>;

/// Returns the labels of seats whose zone, row and number are not enough.
pub(super) fn labels(plan: &Plan) -> Labels {
    let mut texts = Texts::new(plan);
    if texts.clashes().is_empty() {
        return Labels::new();
    }
    texts.tell_zones_apart();
    texts.tell_rows_apart();
    texts.tell_seats_apart();
    let unchanged = Texts::new(plan);
    let mut unique = Unique::default();
    let clashing: Vec<usize> = {
        let mut all: Vec<usize> = texts.clashes().into_iter().flatten().collect();
        all.sort_unstable();
        all
    };
    for ordinal in (0..plan.seats.len()).filter(|ordinal| clashing.binary_search(ordinal).is_err()) {
        unique.take(texts.label(ordinal));
    }
    let mut labels = Labels::new();
    for ordinal in 0..plan.seats.len() {
        let label = texts.label(ordinal);
        let label = if clashing.binary_search(&ordinal).is_ok() {
            unique.take_or_number(&label, |number| format!("{label} ({number})"))
        } else {
            label
        };
        if label != unchanged.label(ordinal) {
            labels.insert(ordinal, label);
        }
    }
    labels
}

/// Gives areas with the same name their zone or a number. Returns the new names.
pub(super) fn tell_areas_apart(plan: &mut Plan) -> Vec<String> {
    let mut families: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, area) in plan.areas.iter().enumerate() {
        families.entry(&area.name).or_default().push(index);
    }
    let mut clashing: Vec<usize> =
        families.values().filter(|family| family.len() > 1).flatten().copied().collect();
    clashing.sort_unstable();
    let mut unique = Unique::default();
    for (index, area) in plan.areas.iter().enumerate() {
        if clashing.binary_search(&index).is_err() {
            unique.take(area.name.clone());
        }
    }
    let mut extended = Vec::new();
    for index in clashing {
        let area = &plan.areas[index];
        let zone = &plan.zones[area.zone].name;
        let name = if *zone == area.name { area.name.clone() } else { format!("{}, {zone}", area.name) };
        let name = unique.take_or_number(&name, |number| format!("{name} ({number})"));
        if name != area.name {
            extended.push(name.clone());
            plan.areas[index].name = name;
        }
    }
    extended
}

/// The three parts of all labels.
struct Texts<'p> {
    plan: &'p Plan,
    zones: Vec<String>,
    rows: Vec<String>,
    /// The parts of seats that differ from their row's template, by ordinal.
    seats: HashMap<usize, String>,
}

impl<'p> Texts<'p> {
    fn new(plan: &'p Plan) -> Self {
        let zones = plan.zones.iter().map(|zone| zone.name.clone()).collect();
        let row = |row: &Row| named(row.label.as_deref(), "Row", &row.number);
        Self { plan, zones, rows: plan.rows.iter().map(row).collect(), seats: HashMap::new() }
    }

    fn label(&self, ordinal: usize) -> String {
        let seat = &self.plan.seats[ordinal];
        let own = self.seats.get(&ordinal).cloned();
        let own = own.unwrap_or_else(|| self.plan.seat_words(seat));
        joined(&[&self.zones[seat.zone], &self.rows[seat.row], &own])
    }

    /// Returns the groups of seats that have the same label.
    fn clashes(&self) -> Vec<Vec<usize>> {
        let mut by_label: HashMap<String, Vec<usize>> = HashMap::with_capacity(self.plan.seats.len());
        for ordinal in 0..self.plan.seats.len() {
            by_label.entry(self.label(ordinal)).or_default().push(ordinal);
        }
        by_label.into_values().filter(|group| group.len() > 1).collect()
    }

    /// Adds the id or a number to zones with the same name whose seats clash.
    fn tell_zones_apart(&mut self) {
        let zone = |seat: &usize| self.plan.seats[*seat].zone;
        let clashes = self.clashes();
        let marked = clashes.iter().filter(|group| group.iter().any(|seat| zone(seat) != zone(&group[0])));
        let names: Vec<String> = marked.flatten().map(|seat| self.zones[zone(seat)].clone()).collect();
        for family in families(&self.zones, &names) {
            let id = |&index: &usize| self.plan.zones[index].id.as_deref();
            let ids: Option<Vec<&str>> = family.iter().map(id).collect();
            let ids =
                ids.filter(|ids| are_distinct(ids) && ids.iter().all(|id| *id != self.zones[family[0]]));
            for (number, index) in family.iter().enumerate() {
                let word = match &ids {
                    Some(ids) => ids[number].to_owned(),
                    None => format!("Zone {}", number + 1),
                };
                self.zones[*index] = format!("{}, {word}", self.zones[*index]);
            }
        }
    }

    /// Adds the number or a block number to rows of a zone with the same name whose seats clash.
    fn tell_rows_apart(&mut self) {
        let row = |seat: &usize| self.plan.seats[*seat].row;
        let zone_and_row: Vec<(usize, &str)> =
            self.plan.rows.iter().zip(&self.rows).map(|(row, text)| (row.zone, text.as_str())).collect();
        let clashes = self.clashes();
        let marked = clashes.iter().filter(|group| group.iter().any(|seat| row(seat) != row(&group[0])));
        let names: Vec<(usize, &str)> = marked.flatten().map(|seat| zone_and_row[row(seat)]).collect();
        let mut texts = self.rows.clone();
        for mut family in families(&zone_and_row, &names) {
            let numbers: Vec<&str> =
                family.iter().map(|&index| self.plan.rows[index].number.as_str()).collect();
            if are_distinct(&numbers) && numbers.iter().all(|number| !number.trim().is_empty()) {
                for (&index, number) in family.iter().zip(numbers) {
                    texts[index] = format!("{}, Row {number}", self.rows[index]);
                }
                continue;
            }
            self.sort_by_position(&mut family);
            for (number, &index) in family.iter().enumerate() {
                let block = format!("Block {}", number + 1);
                texts[index] = joined(&[&block, &self.rows[index]]);
            }
        }
        self.rows = texts;
    }

    /// Sorts rows from left to right, or from top to bottom if they lie rather below each other.
    fn sort_by_position(&self, rows: &mut [usize]) {
        let middle = |row: usize| self.plan.middle_of_row(row);
        let spread = |of: fn((f64, f64)) -> f64| {
            let all = || rows.iter().map(|&row| of(middle(row)));
            all().fold(f64::MIN, f64::max) - all().fold(f64::MAX, f64::min)
        };
        let is_across = spread(|(x, _)| x) >= spread(|(_, y)| y);
        let key = |row: usize| if is_across { middle(row) } else { (middle(row).1, middle(row).0) };
        rows.sort_by(|&a, &b| {
            let (a, b) = ((key(a), a), (key(b), b));
            a.0.0.total_cmp(&b.0.0).then(a.0.1.total_cmp(&b.0.1)).then(a.1.cmp(&b.1))
        });
    }

    /// Adds the number to clashing seats whose row's template omits it.
    fn tell_seats_apart(&mut self) {
        for ordinal in self.clashes().into_iter().flatten() {
            let seat = &self.plan.seats[ordinal];
            let words = self.plan.seat_words(seat);
            let number = seat.number.trim();
            if self.plan.rows[seat.row].seat_label.as_deref().is_some_and(|label| !label.contains("%s"))
                && !number.is_empty()
            {
                self.seats.insert(ordinal, format!("{words} {number}"));
            }
        }
    }
}

impl Plan {
    /// Returns the seat's full name for tickets, such as `Stalls, Row A, Seat 12`. Omits empty parts. No other seat of the
    /// plan has the same name. Returns `None` if the ordinal is unknown.
    pub fn seat_name(&self, ordinal: usize) -> Option<String> {
        if let Some(label) = self.labels.get(&ordinal) {
            return Some(label.clone());
        }
        let seat = self.seats.get(ordinal)?;
        let row = self.rows.get(seat.row)?;
        let row = named(row.label.as_deref(), "Row", &row.number);
        Some(joined(&[&self.zones.get(seat.zone)?.name, &row, &self.seat_words(seat)]))
    }

    /// Returns the part of a seat's label that names the seat in its row.
    fn seat_words(&self, seat: &Seat) -> String {
        let template = self.rows.get(seat.row).and_then(|row| row.seat_label.as_deref());
        named(template, "Seat", &seat.number)
    }

    /// Returns the middle of a row's seats.
    pub(super) fn middle_of_row(&self, row: usize) -> (f64, f64) {
        let seats = self.rows.get(row).and_then(|row| self.seats.get(row.seats.clone())).unwrap_or_default();
        middle(seats.iter().map(|seat| (seat.x, seat.y))).unwrap_or_default()
    }
}

/// Returns the middle of points, or `None` if there are none.
pub(super) fn middle(points: impl Iterator<Item = (f64, f64)>) -> Option<(f64, f64)> {
    let (count, x, y) =
        points.fold((0.0, 0.0, 0.0), |(count, x, y), point| (count + 1.0, x + point.0, y + point.1));
    (count > 0.0).then(|| (x / count, y / count))
}

/// Returns the parts that are not empty, with commas.
pub(super) fn joined(parts: &[&str]) -> String {
    parts.iter().copied().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

/// Returns the words for a row or seat: the template with its number, or a word and the number.
pub(super) fn named(template: Option<&str>, word: &str, number: &str) -> String {
    match template {
        Some(template) => template.replace("%s", number),
        None if number.is_empty() => String::new(),
        None => format!("{word} {number}"),
    }
}

/// Returns the indices of equal names, for each of the wanted names that occurs several times.
fn families<N: Ord>(names: &[N], wanted: &[N]) -> Vec<Vec<usize>> {
    let wanted: std::collections::BTreeSet<&N> = wanted.iter().collect();
    let mut families: BTreeMap<&N, Vec<usize>> = BTreeMap::new();
    for (index, name) in names.iter().enumerate().filter(|(_, name)| wanted.contains(name)) {
        families.entry(name).or_default().push(index);
    }
    families.into_values().filter(|family| family.len() > 1).collect()
}

fn are_distinct(texts: &[&str]) -> bool {
    let distinct: std::collections::HashSet<_> = texts.iter().collect();
    distinct.len() == texts.len()
}
