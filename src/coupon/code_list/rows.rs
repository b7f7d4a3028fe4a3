//! The rows of a file, without blank lines and comments.
//!
//! Invariant: pure.

use std::borrow::Cow;

use csv::{ReaderBuilder, StringRecord};

use super::{
    super::code::{Code, VendorFault},
    CODES_MAX, Faults, LineProblem, SkipReason, SkippedLine, delimiter,
};
use crate::readable_code::straighten;

/// Rows by which the column with the codes is found.
pub(super) const SAMPLE: usize = 1_000;
/// Columns that may have the codes.
pub(super) const COLUMNS_MAX: usize = 50;
/// Characters of a skipped line that a reading shows.
const TEXT_CHARS: usize = 60;
/// Signs around a cell that are no part of the code: typographic quotes, and those of spreadsheets that keep zeros.
const WRAPPINGS: [(&str, &str); 8] =
    [("=\"", "\""), ("\"", "\""), ("'", "'"), ("“", "”"), ("„", "“"), ("«", "»"), ("‘", "’"), ("'", "")];

/// The rows of a file.
#[derive(Debug)]
pub(super) struct Content<'a> {
    pub(super) rows: Vec<Row<'a>>,
    pub(super) delimiter: Option<char>,
    pub(super) skipped: Vec<SkippedLine>,
}

/// A row with cells that are not all blank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row<'a> {
    /// The number of the line on which it begins, from 1.
    pub(super) line: u64,
    pub(super) cells: Vec<Cow<'a, str>>,
}

impl Row<'_> {
    /// Returns the beginning of the row's first cell that is not blank.
    pub(super) fn text(&self) -> String {
        let cell = self.cells.iter().find(|cell| !cell.trim().is_empty());
        cell.map(|cell| cell.trim().chars().take(TEXT_CHARS).collect()).unwrap_or_default()
    }
}

/// Returns the rows of the text. Fails if a quotation mark swallows a part of the file.
pub(super) fn content(text: &str) -> Result<Content<'static>, Faults> {
    let named = delimiter::named(text);
    let sign = named.or_else(|| delimiter::detected(text));
    let (mut kept, mut skipped) = (Vec::new(), Vec::new());
    let is_odd = !text.matches('"').count().is_multiple_of(2);
    for row in rows(text, sign) {
        let reason = if named.is_some() && row.line == 1 {
            Some(SkipReason::Delimiter)
        } else if row.cells.iter().all(|cell| cell.trim().is_empty()) {
            Some(SkipReason::Blank)
        } else if row.cells.first().is_some_and(|cell| cell.trim_start().starts_with('#')) {
            Some(SkipReason::Comment)
        } else {
            None
        };
        if is_odd && row.cells.iter().any(|cell| cell.contains(['\n', '\r'])) {
            return Err(Faults::one(row.line, LineProblem::OpenQuote));
        }
        match reason {
            Some(why) => skipped.push(SkippedLine { line: row.line, why, text: row.text() }),
            // One more than allowed, for the fault.
            None if kept.len() > CODES_MAX + 1 => break,
            None => kept.push(row),
        }
    }
    let delimiter = sign.filter(|_| kept.iter().any(|row: &Row<'_>| row.cells.len() > 1));
    Ok(Content { rows: kept, delimiter, skipped })
}

/// Returns all rows of the text except empty lines.
pub(super) fn rows(text: &str, delimiter: Option<char>) -> Vec<Row<'static>> {
    let sign = delimiter.and_then(|sign| u8::try_from(sign).ok()).unwrap_or(b',');
    let mut reader =
        ReaderBuilder::new().has_headers(false).flexible(true).delimiter(sign).from_reader(text.as_bytes());
    let mut lines = Lines { bytes: text.as_bytes(), counted: 0, line: 1 };
    let (mut rows, mut record) = (Vec::new(), StringRecord::new());
    // Reading from memory cannot fail, and the reader accepts rows of any length.
    while reader.read_record(&mut record).is_ok_and(|more| more) {
        let line = lines.at(&record);
        rows.push(Row { line, cells: record.iter().map(|cell| Cow::Owned(cell.to_owned())).collect() });
        if rows.len() > CODES_MAX * 2 {
            break;
        }
    }
    rows
}

/// Returns the columns that have codes in the most rows, in order.
pub(super) fn code_columns(rows: &[Row<'_>]) -> Vec<usize> {
    let rows = rows.get(..SAMPLE).unwrap_or(rows);
    let widest = rows.iter().map(|row| row.cells.len()).max().unwrap_or(0).min(COLUMNS_MAX);
    // Equal cells are no codes.
    let count = |column: usize| {
        let codes = rows.iter().filter_map(|row| code_in(row, column).ok());
        codes.collect::<std::collections::HashSet<Code>>().len()
    };
    let counts: Vec<usize> = (0..widest).map(count).collect();
    let most = counts.iter().copied().max().unwrap_or(0);
    (0..widest)
        .zip(counts)
        .filter(|(_, count)| most > 0 && *count == most)
        .map(|(column, _)| column)
        .collect()
}

/// Parses the code of the row in the column.
pub(super) fn code_in(row: &Row<'_>, column: usize) -> Result<Code, LineProblem> {
    let cell = row.cells.get(column).ok_or(LineProblem::Missing)?.trim();
    let peeled = WRAPPINGS.iter().find_map(|(begin, end)| cell.strip_prefix(begin)?.strip_suffix(end));
    let cell = peeled.unwrap_or(cell).trim();
    if cell.contains(char::is_whitespace) {
        return Err(VendorFault::Character.into());
    }
    Ok(Code::vendor(&straighten(cell))?)
}

/// Counts lines. The reader's own count is not usable: it assigns line ends and empty lines to the next record.
struct Lines<'a> {
    bytes: &'a [u8],
    counted: usize,
    line: u64,
}

impl Lines<'_> {
    /// Returns the number of the line on which the record starts. Must be called in the order of records.
    fn at(&mut self, record: &StringRecord) -> u64 {
        let begins = record.position().and_then(|position| usize::try_from(position.byte()).ok());
        let rest = |at: usize| self.bytes.get(at..).unwrap_or_default();
        let mut at = begins.unwrap_or_default();
        at += rest(at).iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        while self.counted < at {
            let ends = match self.bytes.get(self.counted) {
                Some(b'\n') => true,
                Some(b'\r') => self.bytes.get(self.counted + 1) != Some(&b'\n'),
                Some(_) | None => false,
            };
            self.line += u64::from(ends);
            self.counted += 1;
        }
        self.line
    }
}
