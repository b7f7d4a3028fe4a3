//! The faults of a document: each has one sentence for the vendor and an exact JSON path.

use std::fmt::{self, Display};

/// Maximum number of faults in a report. A document with more is repaired in rounds.
pub const FAULTS_MAX: usize = 20;

/// One reason why a document is refused, written for the vendor who drew the plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {why}")]
pub struct Fault {
    /// The JSON path, such as `zones[3].rows[0].seats[12].seat_guid`. `$` is the whole document.
    pub path: String,
    /// One sentence: what is wrong and how to correct it.
    pub why: String,
}

impl Fault {
    pub(super) fn new(path: impl Display, why: impl Into<String>) -> Self {
        Self { path: path.to_string(), why: why.into() }
    }
}

/// The path of a value, as a chain of stack frames up to the root. It allocates nothing until it is formatted, which
/// only a fault does.
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

/// The faults found so far.
#[derive(Default)]
pub(super) struct Faults {
    found: Vec<Fault>,
    closed: bool,
}

impl Faults {
    pub(super) fn add(&mut self, path: impl Display, why: impl Into<String>) {
        if !self.closed && self.found.len() < FAULTS_MAX {
            self.found.push(Fault::new(path, why));
        }
    }

    /// Adds a fault and ignores all later ones. A limit was exceeded and part of the document was not read, so later
    /// faults would mislead.
    pub(super) fn add_last(&mut self, path: impl Display, why: impl Into<String>) {
        self.add(path, why);
        self.closed = true;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Returns the value, or the faults if there are any.
    pub(super) fn unless_found<T>(self, value: T) -> Result<T, Vec<Fault>> {
        if self.found.is_empty() { Ok(value) } else { Err(self.found) }
    }
}
