//! The delimiter of a file: the one with which the most lines have a code.
//!
//! Invariant: pure.

use super::rows::{self, Row};

/// The delimiters, by precedence.
const CANDIDATES: [char; 4] = [',', ';', '\t', '|'];
/// Bytes of the file that are examined.
const SAMPLE: usize = 64 * 1024;

/// Returns the delimiter that the first line of the text names, as spreadsheets write it: `sep=;`.
pub(super) fn named(text: &str) -> Option<char> {
    let line = text.split(['\r', '\n']).next()?.trim_matches(' ').trim_matches('"');
    let (name, sign) = line.split_once('=')?;
    let mut signs = sign.chars();
    let sign = signs.next().filter(|sign| sign.is_ascii() && !sign.is_ascii_alphanumeric() && *sign != '"');
    // A spreadsheet fills the line with delimiters.
    let is_alone = signs.all(|other| Some(other) == sign || other == '"');
    sign.filter(|_| name.trim().eq_ignore_ascii_case("sep") && is_alone)
}

/// Returns the delimiter of the text, or `None` if it has one column.
pub(super) fn detected(text: &str) -> Option<char> {
    let end = (0..=SAMPLE.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    let sample = text.get(..end).unwrap_or(text);
    let scores = CANDIDATES.into_iter().filter(|candidate| sample.contains(*candidate)).map(|candidate| {
        let rows = rows::rows(sample, Some(candidate));
        (score(&rows), candidate)
    });
    // The first of equal candidates.
    let best = scores.reduce(|best, other| if other.0 > best.0 { other } else { best });
    best.map(|(_, candidate)| candidate)
}

/// Rates a reading of the file: the lines that have a code in one column, the cells that name such a column, and the lines
/// with as many cells as the others.
fn score(rows: &[Row<'_>]) -> (usize, bool, usize) {
    let widest = rows.iter().map(|row| row.cells.len()).max().unwrap_or(0).min(rows::COLUMNS_MAX);
    let in_column = |column: usize| rows.iter().filter(|row| rows::code_in(row, column).is_ok()).count();
    let codes = (0..widest).map(in_column).max().unwrap_or(0);
    let names_column = rows.first().is_some_and(|row| {
        let cells: Vec<&str> = row.cells.iter().map(AsRef::as_ref).collect();
        cells.len() > 1 && super::heading::named_column(&cells, &[]).is_some()
    });
    let common = rows.first().map_or(0, |row| row.cells.len());
    let alike = rows.iter().filter(|row| common > 1 && row.cells.len() == common).count();
    (codes, names_column, alike)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreadsheets_name_the_delimiter() {
        for (line, sign) in [
            ("sep=;", Some(';')),
            ("SEP=,\r\nA", Some(',')),
            ("\"sep=|\"\nA", Some('|')),
            ("sep=\t\nA", Some('\t')),
            ("sep=^\nA", Some('^')),
            ("sep=;;;\nA", Some(';')),
            ("sep=", None),
            ("sep=x", None),
            ("sep=;x", None),
            ("separator=;", None),
            ("AAAA\nsep=;", None),
        ] {
            assert_eq!(named(line), sign, "{line:?}");
        }
    }

    #[test]
    fn delimiter_is_that_with_which_lines_have_codes() {
        for (text, sign) in [
            ("AAAA\nBBBB\n", None),
            ("AAAA,1\nBBBB,2\n", Some(',')),
            ("AAAA;1\nBBBB;2\n", Some(';')),
            ("AAAA\t1\nBBBB\t2\n", Some('\t')),
            ("AAAA|1\nBBBB|2\n", Some('|')),
            ("AAAA;10,00\nBBBB;5,50\n", Some(';')),
            ("Ten, off;AAAA\nTwo, off;BBBB\n", Some(';')),
            ("\"Ten; off\",AAAA\n\"Two; off\",BBBB\n", Some(',')),
            ("Code;Wert\nAAAA;1,5\n", Some(';')),
            ("title,code\nTen,AAAA\nTen\n", Some(',')),
            ("# a, list; of\nAAAA;1\nBBBB;2\n", Some(';')),
        ] {
            assert_eq!(detected(text), sign, "{text:?}");
        }
    }
}
