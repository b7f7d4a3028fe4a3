//! The report of a reader: faults, for which a document is refused, and warnings about what the reader repaired.
//!
//! Findings of one kind are one entry with a count and a few places, so that a plan with one mistake in each of a
//! thousand seats has one fault.

use std::collections::HashMap;
use std::fmt::{self, Display};

use super::model::PLACES_NAMED_MAX;
use super::room::grouped;
use super::warning::{Warning, WarningCode};

/// Maximum number of faults in a report. A document with more is repaired in rounds.
pub const FAULTS_MAX: usize = 20;

/// One reason why a document is refused, written for the vendor who drew the plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {}", self.message())]
pub struct Fault {
    /// The JSON path of the first place, such as `zones[3].rows[0].seats[12].seat_guid`. `$` is the whole document.
    pub path: String,
    /// One sentence: what is wrong at the first place, and how to correct it.
    pub why: String,
    /// The number of places with a fault of this kind, at least 1.
    pub count: usize,
    /// The next places of this kind, at most [`PLACES_NAMED_MAX`] - 1.
    pub more: Vec<String>,
    /// A sentence: how to import the plan in spite of this, if there is a way.
    pub suggestion: Option<&'static str>,
}

impl Fault {
    pub(super) fn new(path: impl Display, why: impl Into<String>) -> Self {
        Self { path: path.to_string(), why: why.into(), count: 1, more: Vec::new(), suggestion: None }
    }

    /// Returns what is wrong, with the number of places, the first ones, and the suggestion.
    pub fn message(&self) -> String {
        let mut message = self.why.clone();
        if self.count > 1 {
            let rest = if self.count > self.more.len() + 1 { ", …" } else { "" };
            let (count, more) = (grouped(self.count), self.more.join(", "));
            message.extend([" (", &count, " places of this kind, also ", &more, rest, ")"]);
        }
        if let Some(suggestion) = self.suggestion {
            message.extend([". ", suggestion]);
        }
        message
    }
}

/// The path of a value, as a chain of stack frames up to the root. It allocates nothing until it is formatted, which
/// only a finding does.
#[derive(Clone, Copy)]
pub(super) enum Path<'p> {
    Root,
    Key(&'p Path<'p>, &'static str),
    Index(&'p Path<'p>, usize),
}

impl<'p> Path<'p> {
    pub(super) fn key(&'p self, key: &'static str) -> Path<'p> {
        Path::Key(self, key)
    }

    pub(super) fn index(&'p self, index: usize) -> Path<'p> {
        Path::Index(self, index)
    }
}

impl Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Path::Root => f.write_str("$"),
            Path::Key(Path::Root, key) => f.write_str(key),
            Path::Key(parent, key) => write!(f, "{parent}.{key}"),
            Path::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// What is wrong with a value. Together with the path without indices, it is the kind of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Cause {
    Missing,
    WrongKind,
    TooLong,
    Escape,
    OutOfBounds,
    Capacity,
    DuplicateKey,
    DuplicateGuid,
    Access,
    Companion,
    Limit,
    Nothing,
}

/// The faults and warnings found so far.
#[derive(Default)]
pub(super) struct Report {
    faults: Vec<Fault>,
    /// By cause and path without indices: index into `faults`.
    kinds: HashMap<(Cause, String), usize>,
    warnings: Vec<Warning>,
    closed: bool,
}

impl Report {
    /// Adds a fault, or counts it if there is one of its kind.
    pub(super) fn fault(&mut self, path: impl Display, cause: Cause, why: impl Into<String>) {
        if self.closed {
            return;
        }
        let path = path.to_string();
        let kind = (cause, without_indices(&path));
        if let Some(fault) = self.kinds.get(&kind).and_then(|&index| self.faults.get_mut(index)) {
            fault.count += 1;
            if fault.more.len() + 1 < PLACES_NAMED_MAX {
                fault.more.push(path);
            }
        } else if self.faults.len() < FAULTS_MAX {
            self.kinds.insert(kind, self.faults.len());
            self.faults.push(Fault::new(path, why));
        }
    }

    /// Adds a fault that stands for all of its cause.
    pub(super) fn add(&mut self, cause: Cause, fault: Fault) {
        if !self.closed && self.faults.len() < FAULTS_MAX {
            self.kinds.insert((cause, without_indices(&fault.path)), self.faults.len());
            self.faults.push(fault);
        }
    }

    /// Adds a fault and ignores all later ones. A limit was exceeded and part of the document was not read, so later
    /// faults would mislead.
    pub(super) fn last_fault(&mut self, path: impl Display, cause: Cause, why: impl Into<String>) {
        self.fault(path, cause, why);
        self.closed = true;
    }

    /// Counts a repair. `place` is the path or the text that it is about.
    pub(super) fn warn(&mut self, code: WarningCode, place: impl Display) {
        match self.warnings.iter_mut().find(|warning| warning.code == code) {
            Some(warning) => warning.count_another(place),
            None => self.warnings.push(Warning::new(code, place)),
        }
    }

    pub(super) fn has_faults(&self) -> bool {
        !self.faults.is_empty()
    }

    /// Returns the value with the warnings, or the faults if there are any.
    pub(super) fn unless_faulty<T>(self, value: T) -> Result<(T, Vec<Warning>), Vec<Fault>> {
        if self.faults.is_empty() { Ok((value, self.warnings)) } else { Err(self.faults) }
    }
}

/// Returns the path with `[]` for each index.
fn without_indices(path: &str) -> String {
    let mut kept = String::with_capacity(path.len());
    let mut in_index = false;
    for letter in path.chars() {
        in_index = (in_index || letter == '[') && letter != ']';
        if !in_index || letter == '[' {
            kept.push(letter);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_one_kind_are_one_fault_with_a_count_and_the_first_places() {
        let mut report = Report::default();
        for seat in 0..84 {
            report.fault(format!("zones[0].rows[1].seats[{seat}].position"), Cause::Missing, "is missing");
            report.fault(format!("zones[0].rows[{seat}].seats"), Cause::WrongKind, "must be a list");
        }
        report.fault("zones[0].rows[1].seats[3].position", Cause::WrongKind, "must be an object");
        let Err(faults) = report.unless_faulty(()) else { panic!("there are faults") };
        let counts: Vec<_> = faults.iter().map(|fault| (fault.why.as_str(), fault.count)).collect();
        assert_eq!(counts, [("is missing", 84), ("must be a list", 84), ("must be an object", 1)]);
        assert_eq!(faults[0].more.len(), PLACES_NAMED_MAX - 1);
        assert_eq!(
            faults[0].to_string(),
            "zones[0].rows[1].seats[0].position: is missing (84 places of this kind, also \
             zones[0].rows[1].seats[1].position, zones[0].rows[1].seats[2].position, \
             zones[0].rows[1].seats[3].position, zones[0].rows[1].seats[4].position, …)"
        );
        assert_eq!(faults[2].message(), "must be an object");
    }

    #[test]
    fn nothing_is_added_after_the_last_fault() {
        let mut report = Report::default();
        report.last_fault("zones", Cause::Limit, "too many");
        report.fault("name", Cause::Missing, "is missing");
        assert_eq!(report.unless_faulty(()).unwrap_err().len(), 1);
    }

    #[test]
    fn indices_are_not_part_of_a_kind() {
        for (path, kind) in [("$", "$"), ("zones[12].rows[3].seats", "zones[].rows[].seats"), ("[0]", "[]")] {
            assert_eq!(without_indices(path), kind);
        }
    }
}
