//! Lists of codes as CSV: import and export.
//!
//! An import is accepted or refused as a whole. A refusal lists the faults by line. Each line has one code. If the
//! first line is a header, the codes are in the column with the first name of [`COLUMNS`]. So an export can be imported
//! again.
//!
//! In an export, a cell that a spreadsheet would evaluate as a formula starts with an apostrophe.
//!
//! Invariant: pure. The numbers of codes and of reported faults are bounded.

use std::collections::{HashMap, hash_map::Entry};

use csv::{ByteRecord, ReaderBuilder, WriterBuilder};

use super::code::{Code, VendorFault};
use crate::error::{Fault, FaultResult};

/// Codes per import.
pub const CODES_MAX: usize = 100_000;
/// Faults that a refusal lists. The others are only counted.
pub const FAULTS_REPORTED: usize = 100;
/// The names of the column with the codes, by precedence. A first line that contains one of these words is a header.
const COLUMNS: [&[u8]; 12] = [
    b"code",
    b"codes",
    b"coupon code",
    b"coupon_code",
    b"voucher code",
    b"voucher_code",
    b"promo code",
    b"promo_code",
    b"voucher",
    b"vouchers",
    b"coupon",
    b"coupons",
];
const BOM: &[u8] = b"\xef\xbb\xbf";

/// The faults of an import.
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

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineProblem {
    /// The code is malformed.
    #[error("the code {0}")]
    Malformed(#[from] VendorFault),
    /// The line is not UTF-8.
    #[error("is not UTF-8")]
    Encoding,
    /// The line has no cell in the column with the codes.
    #[error("has no code")]
    Missing,
    /// An earlier line has the same code.
    #[error("has the code of line {0}")]
    Duplicate(u64),
    /// The shop has this code already.
    #[error("has a code that is taken")]
    Taken,
    /// The import has too many codes.
    #[error("is beyond the 100000 codes that an upload may hold")]
    TooMany,
    /// The import has no code.
    #[error("no code in the upload")]
    NoCodes,
}

impl Faults {
    /// Adds a fault.
    pub(super) fn add(&mut self, line: u64, why: LineProblem) {
        self.count += 1;
        if self.reported.len() < FAULTS_REPORTED {
            self.reported.push(LineFault { line, why });
        }
    }
}

/// Returns the codes with the numbers of their lines, or the faults.
pub fn import(bytes: &[u8]) -> Result<Vec<(u64, Code)>, Faults> {
    let bytes = bytes.strip_prefix(BOM).unwrap_or(bytes);
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
    let mut faults = Faults::default();
    let mut codes: Vec<(u64, Code)> = Vec::new();
    let mut lines: HashMap<Code, u64> = HashMap::new();
    let mut record = ByteRecord::new();
    let mut column = 0;
    let mut is_first = true;
    let mut lines_read = Lines { bytes, counted: 0, line: 1 };
    // Reading from memory cannot fail, and the reader accepts rows of any length.
    while reader.read_byte_record(&mut record).is_ok_and(|more| more) {
        let line = lines_read.at(&record);
        if std::mem::take(&mut is_first)
            && let Some(found) = column_of(&record)
        {
            column = found;
            continue;
        }
        if codes.len() == CODES_MAX {
            faults.add(line, LineProblem::TooMany);
            break;
        }
        match code(record.get(column)).map(|code| (lines.entry(code.clone()), code)) {
            Err(why) => faults.add(line, why),
            Ok((Entry::Occupied(first), _)) => faults.add(line, LineProblem::Duplicate(*first.get())),
            Ok((Entry::Vacant(entry), code)) => {
                entry.insert(line);
                codes.push((line, code));
            }
        }
    }
    if codes.is_empty() && faults.count == 0 {
        faults.add(1, LineProblem::NoCodes);
    }
    if faults.count == 0 { Ok(codes) } else { Err(faults) }
}

/// Counts lines. The reader's own count is not usable: it assigns line ends and empty lines to the next record.
struct Lines<'a> {
    bytes: &'a [u8],
    counted: usize,
    line: u64,
}

impl Lines<'_> {
    /// Returns the number of the line on which the record starts. Must be called in the order of records.
    fn at(&mut self, record: &ByteRecord) -> u64 {
        let begins = record.position().and_then(|position| usize::try_from(position.byte()).ok());
        let rest = |at: usize| self.bytes.get(at..).unwrap_or_default();
        let mut at = begins.unwrap_or_default();
        at += rest(at).iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        while self.counted < at {
            let ends = match self.bytes[self.counted] {
                b'\n' => true,
                b'\r' => self.bytes.get(self.counted + 1) != Some(&b'\n'),
                _ => false,
            };
            self.line += u64::from(ends);
            self.counted += 1;
        }
        self.line
    }
}

/// Returns the column with the codes if the line is a header, and `None` otherwise.
fn column_of(first: &ByteRecord) -> Option<usize> {
    let called = |name: &[u8]| first.iter().position(|cell| cell.trim_ascii().eq_ignore_ascii_case(name));
    COLUMNS.iter().find_map(|name| called(name))
}

/// Parses the code of a cell.
fn code(cell: Option<&[u8]>) -> Result<Code, LineProblem> {
    let cell = cell.ok_or(LineProblem::Missing)?;
    let text = std::str::from_utf8(cell).map_err(|_| LineProblem::Encoding)?;
    Ok(Code::vendor(text)?)
}

/// Writes rows as CSV, with CRLF as the line end.
pub fn export<'a, R>(rows: impl IntoIterator<Item = R>) -> FaultResult<Vec<u8>>
where
    R: IntoIterator<Item = &'a str>,
{
    let mut writer =
        WriterBuilder::new().terminator(csv::Terminator::CRLF).flexible(true).from_writer(Vec::new());
    for row in rows {
        for cell in row {
            writer.write_field(harmless(cell)).map_err(Fault::internal)?;
        }
        writer.write_record(None::<&[u8]>).map_err(Fault::internal)?;
    }
    writer.into_inner().map_err(|error| Fault::internal(error.to_string()))
}

/// Returns the cell in a form that no spreadsheet evaluates. Some spreadsheets skip leading blanks, and some accept
/// full-width characters.
fn harmless(cell: &str) -> String {
    let begins = |text: &str| {
        text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠', '|', '%'])
    };
    if begins(cell) || begins(cell.trim_start()) { format!("'{cell}") } else { cell.to_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn codes_of(text: &str) -> Vec<String> {
        import(text.as_bytes()).unwrap().into_iter().map(|(_, code)| code.into_string()).collect()
    }

    fn faults_of(bytes: &[u8]) -> Vec<(u64, LineProblem)> {
        import(bytes).unwrap_err().reported.into_iter().map(|fault| (fault.line, fault.why)).collect()
    }

    #[test]
    fn codes_keep_the_order_of_lines() {
        assert_eq!(codes_of("BBBB\naaaa\n"), ["BBBB", "AAAA"]);
        assert_eq!(codes_of("BBBB\r\n\"AAAA\"\r\n\r\nCCCC"), ["BBBB", "AAAA", "CCCC"]);
        assert_eq!(codes_of("\u{feff}Code\nAAAA\n"), ["AAAA"]);
        assert_eq!(codes_of("title,code\n\"Ten, off\",AAAA\nTen,BBBB\n"), ["AAAA", "BBBB"]);
    }

    #[test]
    fn header_is_not_a_code() {
        for heading in
            ["Codes", "VOUCHER", " coupon ", "Coupon Code", "title,Voucher_Code", "Promo code,title"]
        {
            let cells = heading.split(',').count();
            let line = if cells == 1 { "AAAA" } else { "AAAA,AAAA" };
            assert_eq!(codes_of(&format!("{heading}\n{line}\n")), ["AAAA"], "{heading}");
        }
        assert_eq!(codes_of("coupon,code\nTen,AAAA\n"), ["AAAA"], "`code` precedes `coupon`");
        assert_eq!(codes_of("AAAA\nCOUPON\n"), ["AAAA", "COUPON"], "a later line is a code");
        assert_eq!(codes_of("COUPON-1\nAAAA\n"), ["COUPON-1", "AAAA"]);
    }

    #[test]
    fn all_faults_are_reported_by_line() {
        let upload = b"code\nAAAA\nab\nBBBB\n=1+1\naaaa\n\xff\xfe\xfd\xfc\n\"\"\nAAAA\n";
        let expected = [
            (3, LineProblem::Malformed(VendorFault::Length)),
            (5, LineProblem::Malformed(VendorFault::Character)),
            (6, LineProblem::Duplicate(2)),
            (7, LineProblem::Encoding),
            (8, LineProblem::Malformed(VendorFault::Empty)),
            (9, LineProblem::Duplicate(2)),
        ];
        assert_eq!(faults_of(upload), expected);
        assert_eq!(faults_of(b"title,code\nTen,AAAA\nTen\n"), [(3, LineProblem::Missing)]);
    }

    #[test]
    fn lines_are_counted_as_in_an_editor() {
        for end in ["\n", "\r\n", "\r"] {
            let upload = ["code", "", "AAAA", "", "", "x", "BBBB", "y"].join(end);
            let lines: Vec<u64> = faults_of(upload.as_bytes()).into_iter().map(|(line, _)| line).collect();
            assert_eq!(lines, [6, 8], "{end:?}");
        }
    }

    #[test]
    fn import_without_codes_is_refused() {
        for upload in [&b""[..], b"\n\n", b"code\n", b"\xef\xbb\xbf"] {
            assert_eq!(faults_of(upload), [(1, LineProblem::NoCodes)]);
        }
    }

    #[test]
    fn number_of_codes_is_bounded() {
        let lines =
            |count: usize| (0..count).map(|code| format!("CODE{code}\n")).collect::<Vec<_>>().concat();
        assert_eq!(codes_of(&lines(CODES_MAX)).len(), CODES_MAX);
        assert_eq!(
            faults_of(lines(CODES_MAX + 1).as_bytes()),
            [(CODES_MAX as u64 + 1, LineProblem::TooMany)]
        );
    }

    #[test]
    fn number_of_reported_faults_is_bounded() {
        let faults = import("A\n".repeat(50_000).as_bytes()).unwrap_err();
        assert_eq!((faults.reported.len(), faults.count), (FAULTS_REPORTED, 50_000));
    }

    #[test]
    fn formulas_are_escaped() {
        let cells = [
            "=cmd|' /C calc'!A0",
            "+1",
            "-1",
            "@SUM(A1)",
            "\t=1",
            "\r=1",
            " =1",
            "＝1",
            "plain",
            "a=1",
            "a\"b,c",
        ];
        let text = String::from_utf8(export([cells]).unwrap()).unwrap();
        let read = ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes()).into_records();
        let record = read.map(Result::unwrap).next().unwrap();
        for (cell, written) in cells.iter().zip(record.iter()) {
            let expected = if ["plain", "a=1", "a\"b,c"].contains(cell) {
                (*cell).to_owned()
            } else {
                format!("'{cell}")
            };
            assert_eq!(written, expected);
        }
        assert!(text.ends_with("\r\n"));
    }

    proptest! {
        #[test]
        fn no_exported_cell_is_a_formula_and_all_can_be_read(
            rows in proptest::collection::vec(proptest::collection::vec("\\PC{0,8}|[=+@\t\r\n\",;-]{0,4}", 2), 1..5)
        ) {
            let bytes = export(rows.iter().map(|row| row.iter().map(String::as_str))).unwrap();
            let mut reader = ReaderBuilder::new().has_headers(false).from_reader(bytes.as_slice());
            let mut read = 0;
            for (row, record) in rows.iter().zip(reader.records()) {
                for (cell, written) in row.iter().zip(&record.unwrap()) {
                    prop_assert!(written == cell || written.strip_prefix('\'') == Some(cell));
                    prop_assert!(!written.trim_start().starts_with(['=', '+', '-', '@']));
                }
                read += 1;
            }
            prop_assert_eq!(read, rows.len());
        }

        #[test]
        fn export_can_be_imported(codes in proptest::collection::hash_set("[A-Z0-9][A-Z0-9_-]{3,20}", 1..20)) {
            let header = ["code", "state"];
            let rows = std::iter::once(header).chain(codes.iter().map(|code| [code.as_str(), "-"]));
            let taken: Vec<Code> =
                import(&export(rows).unwrap()).unwrap().into_iter().map(|(_, code)| code).collect();
            let taken: std::collections::HashSet<String> = taken.into_iter().map(Code::into_string).collect();
            prop_assert_eq!(taken, codes);
        }

        #[test]
        fn no_import_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = import(&bytes);
        }
    }
}
