//! Telephone numbers.

use std::fmt::{self, Display};

use unicode_normalization::UnicodeNormalization;

/// Characters of a telephone number as it is stored.
const LENGTH_MAX: usize = 32;
/// The least number of digits.
const DIGITS_MIN: usize = 3;
/// The longest text that is read, in bytes.
const BYTES_MAX: usize = 400;

/// A text that is no telephone number. `Display` writes a sentence for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhoneFault;

/// Returns the telephone number as it is stored: digits, an optional `+` before them, and blanks, `-`, `(`, `)`, `.`
/// and `/` between them. At most 32 characters, and at least 3 digits.
///
/// What address books and word processors add is cleaned: direction marks and other invisible characters are removed,
/// and other dashes, blanks and full-width digits are replaced.
pub fn phone(text: &str) -> Result<String, PhoneFault> {
    if text.len() > BYTES_MAX {
        return Err(PhoneFault);
    }
    let plain: String = text.nfkc().filter(|sign| !is_direction_mark(*sign)).map(plain).collect();
    let phone = plain.trim();
    let local = phone.strip_prefix('+').unwrap_or(phone);
    let good = phone.len() <= LENGTH_MAX
        && local.bytes().all(|byte| byte.is_ascii_digit() || b" -()./".contains(&byte))
        && local.bytes().filter(u8::is_ascii_digit).count() >= DIGITS_MIN;
    if good { Ok(phone.to_owned()) } else { Err(PhoneFault) }
}

/// Returns whether an address book puts the character around a telephone number.
fn is_direction_mark(sign: char) -> bool {
    matches!(sign, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Returns the ASCII form of a dash or a blank.
fn plain(sign: char) -> char {
    match sign {
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        blank if blank.is_whitespace() && !blank.is_control() => ' ',
        sign => sign,
    }
}

impl Display for PhoneFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "must be a telephone number of at most {LENGTH_MAX} characters")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn telephone_numbers_are_cleaned() {
        for (text, stored) in [
            ("+49 431 12345", "+49 431 12345"),
            (" (0431) 12-34/5 ", "(0431) 12-34/5"),
            ("110", "110"),
            ("\u{202a}+49 431 12345\u{202c}", "+49 431 12345"),
            ("+49\u{a0}431\u{2011}12345", "+49 431-12345"),
            ("＋４９ ４３１", "+49 431"),
            ("0431–12345", "0431-12345"),
        ] {
            assert_eq!(phone(text).as_deref(), Ok(stored), "{text:?}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        let long = "1".repeat(33);
        for text in [
            "",
            "12",
            "abc",
            "call me",
            "++49 431",
            "49+431",
            "123\0",
            "12\n34",
            "tel:+49431123",
            "😀123",
            &long,
        ] {
            assert_eq!(phone(text), Err(PhoneFault), "{text:?}");
        }
    }
}
