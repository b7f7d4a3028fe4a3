//! How an uploaded code list was read.

use async_graphql::{Enum, SimpleObject};

use crate::coupon::{
    code_list::{FirstLine, SkipReason, SkippedLine},
    upload::Preview,
};

/// What the first line of an uploaded code list is. Blank lines and comments do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum CodeListFirstLine {
    /// The line names the columns. It is skipped.
    Heading,
    /// The line has a code. It is imported, even if it looks like a heading.
    Code,
}

impl From<CodeListFirstLine> for FirstLine {
    fn from(first_line: CodeListFirstLine) -> Self {
        match first_line {
            CodeListFirstLine::Heading => Self::Heading,
            CodeListFirstLine::Code => Self::Code,
        }
    }
}

/// Why a line of an uploaded code list is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "SkipReason")]
pub enum CodeListSkipReason {
    /// All cells of the line are blank.
    Blank,
    /// The line begins with `#`.
    Comment,
    /// The line names the columns.
    Heading,
    /// The line names the delimiter, such as `sep=;`.
    Delimiter,
}

/// A line of an uploaded code list that is skipped.
#[derive(Debug, SimpleObject)]
pub struct CodeListSkippedLine {
    /// The line number, starting at 1.
    line: u32,
    /// The reason.
    why: CodeListSkipReason,
    /// The beginning of the first cell that is not blank, at most 60 characters.
    text: String,
}

/// How an uploaded code list was read. The delimiter, the encoding, the column and the heading are detected.
#[derive(Debug, SimpleObject)]
pub struct CodeListPreview {
    /// Number of codes in the list.
    code_count: u32,
    /// The first ten codes, as they are stored.
    first_codes: Vec<String>,
    /// The first 100 lines that are skipped. Empty lines are left out.
    skipped: Vec<CodeListSkippedLine>,
    /// Number of all lines that are skipped.
    skipped_count: u32,
    /// What you should check before you use the codes, for people. Empty if the list is clear.
    warnings: Vec<String>,
    /// The character between the cells. Null if the list has one column.
    delimiter: Option<String>,
    /// The name of the encoding of the list, such as `UTF-8` or `windows-1252`.
    encoding: String,
    /// The column with the codes, starting at 1.
    column: u32,
}

impl From<Preview> for CodeListPreview {
    fn from(preview: Preview) -> Self {
        let Preview { count, first_codes, reading } = preview;
        Self {
            code_count: small(count),
            first_codes,
            skipped: reading.skipped.into_iter().map(CodeListSkippedLine::from).collect(),
            skipped_count: small(reading.skipped_count),
            warnings: reading.warnings.iter().map(ToString::to_string).collect(),
            delimiter: reading.delimiter.map(String::from),
            encoding: reading.encoding.to_owned(),
            column: small(reading.column),
        }
    }
}

impl From<SkippedLine> for CodeListSkippedLine {
    fn from(line: SkippedLine) -> Self {
        Self { line: u32::try_from(line.line).unwrap_or(u32::MAX), why: line.why.into(), text: line.text }
    }
}

/// Converts a count to the API's type.
pub(super) fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
