//! Codes as CSV: what a vendor uploads, and what is given out.
//!
//! An upload is good or refused as a whole, with everything that is wrong with it by line. It is one code a line; if
//! the first line names columns, the codes are in the one that is called as codes usually are, so a vendor's own codes that
//! were given out can be taken in again.
//!
//! A cell that a spreadsheet would take for a formula is given out with an apostrophe in front.
//!
//! Invariant: pure; the number of lines and of faults told is bounded.

use std::collections::{HashMap, hash_map::Entry};

use csv::{ByteRecord, ReaderBuilder, WriterBuilder};

use super::code::{Code, VendorFault};
use crate::error::{Fault, Faulty};

/// Codes that one upload may hold.
pub const CODES_MAX: usize = 100_000;
/// Faults that are told of one upload; the rest is counted.
pub const FAULTS_TOLD: usize = 100;
/// What the column that holds the codes may be called; of several the first of these is it. A first line with one of these
/// words is never a code.
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

/// Everything that is wrong with an upload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// The first of them, in the order of lines.
    pub told: Vec<LineFault>,
    /// How many there are.
    pub count: usize,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineFault {
    /// The line, counted from one.
    pub line: u64,
    /// What is wrong.
    pub why: Why,
}

/// What can be wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// Its code is none.
    #[error("the code {0}")]
    Bad(#[from] VendorFault),
    /// It is not text.
    #[error("is not UTF-8")]
    Encoding,
    /// It has no cell where the codes are.
    #[error("has no code")]
    Missing,
    /// Its code was there before.
    #[error("has the code of line {0}")]
    Duplicate(u64),
    /// A code that the shop has already.
    #[error("has a code that is taken")]
    Taken,
    /// There are too many lines.
    #[error("is beyond the 100000 codes that an upload may hold")]
    TooMany,
    /// There is no code at all.
    #[error("no code in the upload")]
    Nothing,
}

impl Faults {
    /// Notes one more.
    pub(super) fn add(&mut self, line: u64, why: Why) {
        self.count += 1;
        if self.told.len() < FAULTS_TOLD {
            self.told.push(LineFault { line, why });
        }
    }
}

/// The codes of an upload in its order, each with its line, or all that is wrong with it.
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
    // Reading bytes from memory fails nowhere, and rows may be of any length.
    while reader.read_byte_record(&mut record).is_ok_and(|more| more) {
        let line = lines_read.at(&record);
        if std::mem::take(&mut is_first)
            && let Some(found) = column_of(&record)
        {
            column = found;
            continue;
        }
        if codes.len() == CODES_MAX {
            faults.add(line, Why::TooMany);
            break;
        }
        match code(record.get(column)).map(|code| (lines.entry(code.clone()), code)) {
            Err(why) => faults.add(line, why),
            Ok((Entry::Occupied(first), _)) => faults.add(line, Why::Duplicate(*first.get())),
            Ok((Entry::Vacant(entry), code)) => {
                entry.insert(line);
                codes.push((line, code));
            }
        }
    }
    if codes.is_empty() && faults.count == 0 {
        faults.add(1, Why::Nothing);
    }
    if faults.count == 0 { Ok(codes) } else { Err(faults) }
}

/// Counts lines: the reader's own count takes the end of a line for a part of the next one, and empty lines too.
struct Lines<'a> {
    bytes: &'a [u8],
    counted: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line on which the record begins. Records are asked for in their order.
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

/// Which column of a first line that names columns holds the codes; none if it names none that could.
fn column_of(first: &ByteRecord) -> Option<usize> {
    let called = |name: &[u8]| first.iter().position(|cell| cell.trim_ascii().eq_ignore_ascii_case(name));
    COLUMNS.iter().find_map(|name| called(name))
}

fn code(cell: Option<&[u8]>) -> Result<Code, Why> {
    let cell = cell.ok_or(Why::Missing)?;
    let text = std::str::from_utf8(cell).map_err(|_| Why::Encoding)?;
    Ok(Code::vendor(text)?)
}

/// Rows as CSV, with CRLF at the end of lines.
pub fn export<'a, R>(rows: impl IntoIterator<Item = R>) -> Faulty<Vec<u8>>
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

/// The cell so that no spreadsheet runs it: some look behind blanks, and some take the wide forms too.
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

    fn good(text: &str) -> Vec<String> {
        import(text.as_bytes()).unwrap().into_iter().map(|(_, code)| code.into_string()).collect()
    }

    fn bad(bytes: &[u8]) -> Vec<(u64, Why)> {
        import(bytes).unwrap_err().told.into_iter().map(|fault| (fault.line, fault.why)).collect()
    }

    #[test]
    fn codes_are_taken_in_the_order_of_lines() {
        assert_eq!(good("BBBB\naaaa\n"), ["BBBB", "AAAA"]);
        assert_eq!(good("BBBB\r\n\"AAAA\"\r\n\r\nCCCC"), ["BBBB", "AAAA", "CCCC"]);
        assert_eq!(good("\u{feff}Code\nAAAA\n"), ["AAAA"]);
        assert_eq!(good("title,code\n\"Ten, off\",AAAA\nTen,BBBB\n"), ["AAAA", "BBBB"]);
    }

    #[test]
    fn a_first_line_that_is_a_usual_heading_is_no_code() {
        for heading in
            ["Codes", "VOUCHER", " coupon ", "Coupon Code", "title,Voucher_Code", "Promo code,title"]
        {
            let cells = heading.split(',').count();
            let line = if cells == 1 { "AAAA" } else { "AAAA,AAAA" };
            assert_eq!(good(&format!("{heading}\n{line}\n")), ["AAAA"], "{heading}");
        }
        assert_eq!(good("coupon,code\nTen,AAAA\n"), ["AAAA"], "the plainest heading is it");
        assert_eq!(good("AAAA\nCOUPON\n"), ["AAAA", "COUPON"], "further down it is a code");
        assert_eq!(good("COUPON-1\nAAAA\n"), ["COUPON-1", "AAAA"]);
    }

    #[test]
    fn everything_wrong_is_told_by_line_and_nothing_is_taken() {
        let upload = b"code\nAAAA\nab\nBBBB\n=1+1\naaaa\n\xff\xfe\xfd\xfc\n\"\"\nAAAA\n";
        let expected = [
            (3, Why::Bad(VendorFault::Length)),
            (5, Why::Bad(VendorFault::Character)),
            (6, Why::Duplicate(2)),
            (7, Why::Encoding),
            (8, Why::Bad(VendorFault::Empty)),
            (9, Why::Duplicate(2)),
        ];
        assert_eq!(bad(upload), expected);
        assert_eq!(bad(b"title,code\nTen,AAAA\nTen\n"), [(3, Why::Missing)]);
    }

    #[test]
    fn lines_are_counted_as_people_count_them() {
        for end in ["\n", "\r\n", "\r"] {
            let upload = ["code", "", "AAAA", "", "", "x", "BBBB", "y"].join(end);
            let lines: Vec<u64> = bad(upload.as_bytes()).into_iter().map(|(line, _)| line).collect();
            assert_eq!(lines, [6, 8], "{end:?}");
        }
    }

    #[test]
    fn an_upload_without_codes_is_refused() {
        for upload in [&b""[..], b"\n\n", b"code\n", b"\xef\xbb\xbf"] {
            assert_eq!(bad(upload), [(1, Why::Nothing)]);
        }
    }

    #[test]
    fn a_hundred_thousand_codes_are_taken_and_one_more_is_not() {
        let lines =
            |count: usize| (0..count).map(|code| format!("CODE{code}\n")).collect::<Vec<_>>().concat();
        assert_eq!(good(&lines(CODES_MAX)).len(), CODES_MAX);
        assert_eq!(bad(lines(CODES_MAX + 1).as_bytes()), [(CODES_MAX as u64 + 1, Why::TooMany)]);
    }

    #[test]
    fn the_faults_told_are_bounded_and_the_others_counted() {
        let faults = import("A\n".repeat(50_000).as_bytes()).unwrap_err();
        assert_eq!((faults.told.len(), faults.count), (FAULTS_TOLD, 50_000));
    }

    #[test]
    fn formulas_are_defused() {
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
        fn no_cell_begins_as_a_formula_and_all_are_read_again(
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
        fn what_is_given_out_is_taken_in(codes in proptest::collection::hash_set("[A-Z0-9][A-Z0-9_-]{3,20}", 1..20)) {
            let header = ["code", "state"];
            let rows = std::iter::once(header).chain(codes.iter().map(|code| [code.as_str(), "-"]));
            let taken: Vec<Code> =
                import(&export(rows).unwrap()).unwrap().into_iter().map(|(_, code)| code).collect();
            let taken: std::collections::HashSet<String> = taken.into_iter().map(Code::into_string).collect();
            prop_assert_eq!(taken, codes);
        }

        #[test]
        fn no_upload_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = import(&bytes);
        }
    }
}
