//! Codes that people read, type and paste: the alphabet of generated codes, and the cleaning of input.
//!
//! Input comes from chats, mails, web pages, PDF files and scanners. They add invisible characters, typographic dashes
//! and quotes, percent escapes, HTML entities and line breaks. [`clean`] undoes this. It changes no character that a
//! code can have, so it never turns one valid code into another.
//!
//! Invariant: pure.

use icu_properties::{
    CodePointSetData,
    props::{Dash, DefaultIgnorableCodePoint, WhiteSpace},
};
use percent_encoding::percent_decode_str;
use unicode_normalization::UnicodeNormalization;

/// The characters of generated codes: digits and consonants, so that no code contains a word. `0` and `1` look like
/// letters. `Y` is a vowel in many languages.
pub(crate) const ALPHABET: &[u8; 28] = b"23456789BCDFGHJKLMNPQRSTVWXZ";
/// Characters that people use as dashes, although Unicode has them for something else: a bullet, a modifier letter, a box
/// drawing, and the Japanese sign for long vowels in both widths.
const LIKE_DASHES: [char; 5] = ['\u{2043}', '\u{2d7}', '\u{2500}', '\u{30fc}', '\u{ff70}'];
/// The rounds of decoding. A link in a mail is escaped twice.
const ROUNDS: usize = 2;

/// Returns the digits of the number in base 28, lowest first, as characters of [`ALPHABET`].
pub(crate) fn spell(mut number: u128) -> impl Iterator<Item = char> {
    std::iter::from_fn(move || {
        let base = ALPHABET.len() as u128;
        let digit = usize::try_from(number % base).unwrap_or_default();
        number /= base;
        ALPHABET.get(digit).copied().map(char::from)
    })
}

/// Returns the input without invisible characters and white space, with plain letters, digits and hyphens. The case is
/// kept.
///
/// - Percent escapes and HTML entities are decoded.
/// - Compatibility characters, such as full-width ones, get their plain form (Unicode form NFKC).
/// - Dashes of all kinds become hyphens.
/// - Characters before the first and after the last letter or digit are removed, except `-` and `_` at the end.
pub(crate) fn clean(text: &str) -> String {
    let plain = straighten(&unescape(text));
    let begins = plain.trim_start_matches(|character: char| !character.is_alphanumeric());
    let is_kept = |character: char| character.is_alphanumeric() || matches!(character, '-' | '_');
    begins.trim_end_matches(|character: char| !is_kept(character)).to_owned()
}

/// Returns the input without invisible characters and white space, in form NFKC and with plain hyphens.
pub(crate) fn straighten(text: &str) -> String {
    let (ignorable, blank, dash) = (
        CodePointSetData::new::<DefaultIgnorableCodePoint>(),
        CodePointSetData::new::<WhiteSpace>(),
        CodePointSetData::new::<Dash>(),
    );
    let is_visible = |character: &char| {
        !ignorable.contains(*character) && !blank.contains(*character) && !is_control(*character)
    };
    // Dashes first: some have other compatibility forms.
    let is_dash = |character| dash.contains(character) || LIKE_DASHES.contains(&character);
    let plain = |character: char| if is_dash(character) { '-' } else { character };
    text.chars().map(plain).filter(is_visible).nfkc().filter(is_visible).collect()
}

/// Returns the text with its percent escapes and HTML entities decoded, also those of escapes. Stray signs stay.
fn unescape(text: &str) -> String {
    (0..ROUNDS).fold(text.to_owned(), |text, _| unescape_once(&text))
}

/// Returns the text with its percent escapes and HTML entities decoded once. Stray signs stay.
pub(crate) fn unescape_once(text: &str) -> String {
    let decoded = percent_decode_str(text).decode_utf8().unwrap_or(text.into());
    html_escape::decode_html_entities(&decoded).into_owned()
}

/// Returns whether the character is a control character, or formats text without being visible.
fn is_control(character: char) -> bool {
    // Interlinear annotations and the object replacement character are neither ignorable nor visible.
    character.is_control() || matches!(character, '\u{fff9}'..='\u{fffc}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn alphabet_spells_no_words() {
        for letter in b"AEIOUY01" {
            assert!(!ALPHABET.contains(letter));
        }
        let mut sorted = *ALPHABET;
        sorted.sort_unstable();
        assert_eq!(&sorted, ALPHABET, "without repetitions");
        assert_eq!(spell(28 * 28 + 1).take(4).collect::<String>(), "3232");
    }

    #[test]
    fn pasted_code_is_cleaned() {
        for pasted in [
            "SUMMER-10",
            " SUMMER-10\r\n",
            "SUM\u{200b}MER-10",
            "\u{feff}SUMMER-10",
            "SUMMER\u{2060}-10\u{200e}",
            "\u{202a}SUMMER-10\u{202c}",
            "SUM\u{ad}MER-10",
            "SUMMER\u{2010}10",
            "SUMMER\u{2011}10",
            "SUMMER\u{2012}10",
            "SUMMER–10",
            "SUMMER—10",
            "SUMMER\u{2212}10",
            "SUMMER\u{ff0d}10",
            "SUMMER\u{fe63}10",
            "SUMMER\u{2043}10",
            "SUMMER\u{2500}10",
            "ＳＵＭＭＥＲｰ１０",
            "ＳＵＭＭＥＲ-１０",
            "SUMMER-10.",
            "SUMMER-10,",
            "SUMMER-10!",
            "SUMMER-10;",
            "(SUMMER-10)",
            "[SUMMER-10]",
            "\"SUMMER-10\"",
            "'SUMMER-10'",
            "`SUMMER-10`",
            "´SUMMER-10´",
            "“SUMMER-10”",
            "„SUMMER-10“",
            "«SUMMER-10»",
            "‹SUMMER-10›",
            "「SUMMER-10」",
            "<SUMMER-10>",
            "*SUMMER-10*",
            "_SUMMER-10",
            "• SUMMER-10",
            "→ SUMMER-10",
            "SUMMER-10。",
            "SUMMER-10…",
            "SUMMER\u{a0}-\u{202f}10",
            "SUMMER- 10",
            "SUM\nMER-\r\n10",
            "SUMMER\t-10",
            "SUMMER%2D10",
            "%20SUMMER-10%0D%0A",
            "SUMMER%E2%80%9310",
            "SUMMER%252D10",
            "SUMMER&ndash;10",
            "&nbsp;SUMMER-10&nbsp;",
            "&quot;SUMMER-10&quot;",
            "SUM&shy;MER-10",
            "SUM&#8203;MER&#x2d;10",
            "SUMMER&amp;ndash;10",
            "SUMMER-10\0",
            "𝐒𝐔𝐌𝐌𝐄𝐑-𝟏𝟎",
        ] {
            assert_eq!(clean(pasted), "SUMMER-10", "{pasted:?}");
        }
    }

    #[test]
    fn other_characters_stay() {
        for (text, cleaned) in [
            ("ÄBCD", "ÄBCD"),
            ("ABCDé", "ABCDé"),
            ("СУММА", "СУММА"),
            ("AB+CD", "AB+CD"),
            ("1+1", "1+1"),
            ("100%", "100"),
            ("AB%CD", "AB%CD"),
            ("AB%ZZ", "AB%ZZ"),
            ("AB%FFCD", "AB%FFCD"),
            ("AB&CD", "AB&CD"),
            ("AB&nosuch;CD", "AB&nosuch;CD"),
            ("ABCD-", "ABCD-"),
            ("ABCD_", "ABCD_"),
            ("ABCD\u{fffd}", "ABCD"),
            ("A😀B", "A😀B"),
            ("…", ""),
            ("", ""),
        ] {
            assert_eq!(clean(text), cleaned, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn valid_code_is_not_changed(code in "[A-Za-z0-9][A-Za-z0-9_-]{0,63}") {
            prop_assert_eq!(clean(&code), code);
        }

        #[test]
        fn cleaned_code_has_no_blanks_and_stays_as_it_is(text in "\\PC{0,40}|[ -~\u{200b}\u{2013}]{0,40}") {
            let cleaned = clean(&text);
            prop_assert!(!cleaned.contains(char::is_whitespace));
            if !cleaned.contains(['%', '&']) {
                prop_assert_eq!(clean(&cleaned), cleaned);
            }
        }
    }
}
