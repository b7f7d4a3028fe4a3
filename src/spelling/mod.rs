//! The forms of a text for comparing, searching and sorting it, and for web addresses.
//!
//! Both databases store these forms, so that no result depends on a database's locale.
//!
//! Invariant: pure and synchronous.

mod address;
mod order;
#[cfg(test)]
mod properties;
pub(crate) mod search;

use std::borrow::Cow;

use icu_casemap::CaseMapper;
use icu_properties::{CodePointSetData, props::DefaultIgnorableCodePoint};
use unicode_normalization::UnicodeNormalization;

pub(crate) use self::{address::ascii, order::sort_key};

/// Returns the form of a text in which spellings of the same text are equal.
///
/// It ignores upper and lower case, composed and decomposed characters, compatibility variants such as full width,
/// invisible characters, and the length of blanks (Unicode 16, D146, "compatibility caseless match"). Also, the Turkish
/// `İ` and `ı` are equal to `i`: their other cases are `i` and `I`. Accents count.
pub(crate) fn key(text: &str) -> String {
    let once = folded(text.nfkd());
    let twice = one_i(&folded(once.nfkd()));
    let words: Vec<&str> = twice.split_whitespace().collect();
    words.join(" ").nfkc().collect()
}

/// Removes invisible characters and the difference of cases. A control character becomes a blank.
fn folded(letters: impl Iterator<Item = char>) -> String {
    let ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    let visible: String = letters
        .filter(|letter| !ignorable.contains(*letter))
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    match CaseMapper::new().fold_string(&visible) {
        Cow::Borrowed(_) => visible,
        Cow::Owned(folded) => folded,
    }
}

/// Replaces the dotless `ı` by `i`, and removes dots above `i`, which the small letter of `İ` has.
fn one_i(folded: &str) -> String {
    let mut text = String::with_capacity(folded.len());
    for letter in folded.chars() {
        match letter {
            'ı' => text.push('i'),
            '\u{307}' if text.ends_with('i') => {}
            _ => text.push(letter),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_a_text_are_equal() {
        for (one, other) in [
            ("VIP", "vip"),
            ("Café", "Cafe\u{301}"),
            ("CAFÉ", "cafe\u{301}"),
            ("Straße", "STRASSE"),
            ("GROẞ", "groß"),
            ("İzmir", "izmir"),
            ("İZMİR", "izmir"),
            ("DIŞ", "dış"),
            ("ΣΊΣΥΦΟΣ", "σίσυφος"),
            ("Ｐａｒｋｅｔｔ　１", "Parkett 1"),
            ("ﬁnale", "FINALE"),
            ("  Rang \u{a0} 2\n", "rang 2"),
            ("Par\u{ad}kett\u{200b}", "parkett"),
            ("한국", "\u{1112}\u{1161}\u{11ab}\u{1100}\u{116e}\u{11a8}"),
            ("ЁЛКА", "е\u{308}лка"),
            ("Ǆ", "ǆ"),
            ("①", "1"),
        ] {
            assert_eq!(key(one), key(other), "{one} {other}");
        }
        for (one, other) in
            [("Cafe", "Café"), ("Block A", "BlockA"), ("Rang 1", "Rang 2"), ("o", "ø"), ("a", "а")]
        {
            assert_ne!(key(one), key(other), "{one} {other}");
        }
    }

    #[test]
    fn key_of_a_key_is_itself() {
        for text in [
            "İIıi",
            "ẞßSS",
            "ᾳ ͅ",
            "ﬃ",
            "Ａ\u{301}",
            "ϓ",
            "K",
            "Å",
            "\u{1e9b}\u{323}",
            "ŉ",
            "ǰ",
            "ΐ",
            "\u{3a9}\u{345}",
        ] {
            assert_eq!(key(&key(text)), key(text), "{text:?}");
        }
    }
}
