//! Lists of codes as CSV: the export. [`code_list`](super::code_list) reads it again.
//!
//! A cell that a spreadsheet would evaluate as a formula starts with an apostrophe.
//!
//! Invariant: pure.

use csv::WriterBuilder;

use crate::error::{Fault, FaultResult};

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
    use csv::ReaderBuilder;
    use proptest::prelude::*;

    use super::{
        super::{
            code::Code,
            code_list::{Options, read},
        },
        *,
    };

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
            let list = read(&export(rows).unwrap(), &Options::default()).unwrap();
            let taken: std::collections::HashSet<String> =
                list.codes.into_iter().map(|(_, code)| Code::into_string(code)).collect();
            prop_assert_eq!(taken, codes);
        }
    }
}
