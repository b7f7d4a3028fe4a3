//! Reads a list of codes from a file, as people and spreadsheets write it.
//!
//! Each line has one code. The delimiter (comma, semicolon, tab, bar, or that of a line `sep=;`), the encoding and the
//! column are detected. Blank lines and lines that begin with `#` are skipped. A first line that is a heading is skipped,
//! too. If it only looks like one, the list is refused until the sender says what it is: a heading must never become a
//! code that buyers can guess.
//!
//! A list is accepted or refused as a whole. A refusal lists the faults by line. If the whole file cannot be read for one
//! reason, it has one fault.
//!
//! Invariant: pure. The numbers of codes and of reported lines are bounded.

mod delimiter;
mod encoding;
mod fault;
mod heading;
mod rows;
#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    collections::{HashMap, hash_map::Entry},
};

use serde::Serialize;

pub use self::{
    encoding::NotText,
    fault::{FAULTS_REPORTED, Faults, LineFault, LineProblem},
};
use self::{
    encoding::{Decoded, decode},
    heading::Verdict,
    rows::{Content, Row},
};
use super::code::Code;

/// Codes per list.
pub const CODES_MAX: usize = 100_000;
/// Skipped lines that a reading lists. The others are only counted.
pub const SKIPPED_REPORTED: usize = 100;

/// What the sender says about a list. Everything else is detected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Options {
    /// What the first line is.
    pub first_line: Option<FirstLine>,
    /// The column with the codes, from 1.
    pub column: Option<usize>,
    /// The label of the encoding.
    pub charset: Option<String>,
}

/// What the first line of a list is. Blank lines and comments do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum FirstLine {
    /// A heading.
    Heading,
    /// A code.
    Code,
}

/// A list of codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeList {
    /// The codes with the numbers of their lines, in the order of lines.
    pub codes: Vec<(u64, Code)>,
    /// How the file was read.
    pub reading: Reading,
}

/// How a file was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The name of the encoding, as web standards write it.
    pub encoding: &'static str,
    /// The delimiter; `None` if there is one column.
    pub delimiter: Option<char>,
    /// The column with the codes, from 1.
    pub column: usize,
    /// The first skipped lines, at most [`SKIPPED_REPORTED`]. Empty lines are left out.
    pub skipped: Vec<SkippedLine>,
    /// The number of all skipped lines.
    pub skipped_count: usize,
    /// What the sender should check.
    pub warnings: Vec<Warning>,
}

/// A line that is not imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedLine {
    /// The number of the line, from 1.
    pub line: u64,
    /// The reason.
    pub why: SkipReason,
    /// The beginning of the line's first cell.
    pub text: String,
}

/// Why a line is not imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SkipReason {
    /// All its cells are blank.
    Blank,
    /// It begins with `#`.
    Comment,
    /// It names the columns.
    Heading,
    /// It names the delimiter.
    Delimiter,
}

/// Something about a list that may not be what the sender wants.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// The encoding is a guess.
    #[error("the encoding is a guess: {0}")]
    GuessedEncoding(&'static str),
    /// Several columns have codes.
    #[error("columns {0} and {1} both look like codes; column {0} is used")]
    SeveralColumns(usize, usize),
    /// The first line is taken for a heading.
    #[error("the first line is a heading and not a code: {0}")]
    HeadingSkipped(String),
}

/// Reads the list, or returns the faults.
pub fn read(bytes: &[u8], options: &Options) -> Result<CodeList, Faults> {
    let decoded = decode(bytes, options.charset.as_deref()).map_err(|what| Faults::one(1, what.into()))?;
    let mut content = rows::content(&decoded.text)?;
    let mut warnings = Vec::new();
    if decoded.is_guess {
        warnings.push(Warning::GuessedEncoding(decoded.encoding));
    }
    let column = column(&mut content, options, &mut warnings)?;
    let codes = codes(&content.rows, column)?;
    Ok(CodeList { codes, reading: reading(&decoded, content, column, warnings) })
}

/// Returns the column with the codes, from 0, and removes the heading from the rows.
fn column(
    content: &mut Content<'_>,
    options: &Options,
    warnings: &mut Vec<Warning>,
) -> Result<usize, Faults> {
    let Some((first, others)) = content.rows.split_first() else {
        return Err(Faults::one(1, LineProblem::NoCodes));
    };
    let line = first.line;
    let chosen = options.column.map(|column| column.saturating_sub(1));
    let cells = cells(&first.cells);
    let below: Vec<Vec<&str>> = others.iter().take(rows::SAMPLE).map(|row| self::cells(&row.cells)).collect();
    let is_named_heading = options.first_line == Some(FirstLine::Heading) && !others.is_empty();
    let by_content = || rows::code_columns(if is_named_heading { others } else { &content.rows });
    let named = heading::named_column(&cells, &below);
    let (is_heading, column) = match options.first_line {
        Some(FirstLine::Code) => {
            (false, chosen.unwrap_or_else(|| by_content().first().copied().unwrap_or(0)))
        }
        Some(FirstLine::Heading) => {
            let column = chosen.or(named).unwrap_or_else(|| by_content().first().copied().unwrap_or(0));
            (true, column)
        }
        None => {
            let column = chosen.or_else(|| by_content().first().copied()).unwrap_or(0);
            match heading::judge(&cells, &below, column) {
                Verdict::Heading(named) => (true, chosen.unwrap_or(named)),
                Verdict::Code => (false, column),
                Verdict::Unclear => {
                    return Err(Faults::one(line, LineProblem::LooksLikeHeading));
                }
            }
        }
    };
    if chosen.is_none()
        && !(is_heading && named.is_some())
        && let Some(other) = by_content().into_iter().find(|other| *other > column)
    {
        if others.is_empty() {
            return Err(Faults::one(line, LineProblem::SeveralCodes));
        }
        warnings.push(Warning::SeveralColumns(column + 1, other + 1));
    }
    if is_heading {
        let text = content.rows.first().map(Row::text).unwrap_or_default();
        warnings.push(Warning::HeadingSkipped(text.clone()));
        content.skipped.push(SkippedLine { line, why: SkipReason::Heading, text });
        content.rows.remove(0);
    }
    Ok(column)
}

fn cells<'a>(row: &'a [Cow<'_, str>]) -> Vec<&'a str> {
    row.iter().map(AsRef::as_ref).collect()
}

/// Returns the codes of the column, or the faults.
fn codes(rows: &[Row<'_>], column: usize) -> Result<Vec<(u64, Code)>, Faults> {
    let mut faults = Faults::default();
    let mut codes: Vec<(u64, Code)> = Vec::new();
    let mut lines: HashMap<Code, u64> = HashMap::new();
    for row in rows {
        if codes.len() == CODES_MAX {
            faults.add(row.line, LineProblem::TooMany);
            break;
        }
        match rows::code_in(row, column).map(|code| (lines.entry(code.clone()), code)) {
            Err(why) => faults.add(row.line, why),
            Ok((Entry::Occupied(first), _)) => faults.add(row.line, LineProblem::Duplicate(*first.get())),
            Ok((Entry::Vacant(entry), code)) => {
                entry.insert(row.line);
                codes.push((row.line, code));
            }
        }
    }
    if codes.is_empty() && faults.count == 0 {
        faults.add(1, LineProblem::NoCodes);
    }
    if faults.count == 0 { Ok(codes) } else { Err(faults.merged(rows.len())) }
}

fn reading(decoded: &Decoded, content: Content<'_>, column: usize, warnings: Vec<Warning>) -> Reading {
    let mut skipped = content.skipped;
    skipped.sort_by_key(|skipped| skipped.line);
    let skipped_count = skipped.len();
    skipped.truncate(SKIPPED_REPORTED);
    Reading {
        encoding: decoded.encoding,
        delimiter: content.delimiter,
        column: column + 1,
        skipped,
        skipped_count,
        warnings,
    }
}
