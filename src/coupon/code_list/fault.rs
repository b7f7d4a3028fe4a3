//! The faults of a list.
//!
//! Invariant: pure.

use super::{super::code::VendorFault, encoding::NotText};

/// Faults that a refusal lists. The others are only counted.
pub const FAULTS_REPORTED: usize = 100;

/// The faults of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// The first faults, at most [`FAULTS_REPORTED`], in the order of lines.
    pub reported: Vec<LineFault>,
    /// The number of all faults.
    pub count: usize,
}

/// A fault of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineFault {
    /// The number of the line, from 1.
    pub line: u64,
    /// The fault.
    pub why: LineProblem,
}

/// What is wrong with a line, or with the whole file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineProblem {
    /// The code is malformed.
    #[error("the code {0}")]
    Malformed(#[from] VendorFault),
    /// The line has no cell in the column with the codes.
    #[error("has no code")]
    Missing,
    /// An earlier line has the same code.
    #[error("has the code of line {0}")]
    Duplicate(u64),
    /// The shop has this code already.
    #[error("has a code that is taken")]
    Taken,
    /// The list has too many codes.
    #[error("is beyond the 100000 codes that an upload may hold")]
    TooMany,
    /// The list has no code.
    #[error("no code in the upload")]
    NoCodes,
    /// No line has a code, all for the same reason.
    #[error(
        "no line of the upload has a code: the code of this line {0}. Each line must have one code; columns may be \
         separated by commas, semicolons, tabs or bars"
    )]
    NoLine(VendorFault),
    /// The first line may be a heading or a code.
    #[error(
        "looks like a heading. Set `firstLine` to HEADING if it is one, and to CODE if buyers shall be able to use it"
    )]
    LooksLikeHeading,
    /// The only line has several codes.
    #[error("has several codes. Put each code on a line of its own")]
    SeveralCodes,
    /// A quotation mark is not closed.
    #[error("has a quotation mark that is not closed")]
    OpenQuote,
    /// The file is not a text.
    #[error(transparent)]
    NotText(#[from] NotText),
}

impl Faults {
    /// Returns a single fault.
    pub(super) fn one(line: u64, why: LineProblem) -> Self {
        Self { reported: vec![LineFault { line, why }], count: 1 }
    }

    /// Adds a fault.
    pub(in crate::coupon) fn add(&mut self, line: u64, why: LineProblem) {
        self.count += 1;
        if self.reported.len() < FAULTS_REPORTED {
            self.reported.push(LineFault { line, why });
        }
    }

    /// Returns one fault if all of several lines have the same one: the file is wrong, and not its lines.
    pub(super) fn merged(self, lines: usize) -> Self {
        let Some(first) = self.reported.first() else { return self };
        let is_general =
            lines > 1 && self.count == lines && self.reported.iter().all(|other| other.why == first.why);
        match first.why {
            LineProblem::Malformed(fault) if is_general => Self::one(first.line, LineProblem::NoLine(fault)),
            LineProblem::Missing if is_general => Self::one(first.line, LineProblem::Missing),
            LineProblem::Malformed(_)
            | LineProblem::Missing
            | LineProblem::Duplicate(_)
            | LineProblem::Taken
            | LineProblem::TooMany
            | LineProblem::NoCodes
            | LineProblem::NoLine(_)
            | LineProblem::LooksLikeHeading
            | LineProblem::SeveralCodes
            | LineProblem::OpenQuote
            | LineProblem::NotText(_) => self,
        }
    }
}
