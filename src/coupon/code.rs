//! The code of a claim: what its holder shows at a counter or types at the checkout.
//!
//! A code of ours is 16 random characters of 32, which are 80 bits, and a check character; it is shown in groups, and
//! read with or without them, in capitals or not. The check character is a weighted sum in the field of 32 elements,
//! with another weight at every place: it catches every single wrong character and every two that changed places.
//!
//! A code that a vendor brought is 4 to 64 letters, digits, hyphens and underscores, compared exactly once it is
//! trimmed and in capitals. None can be read as a code of ours, so one text is one code.
//!
//! Invariant: pure; randomness is given.

use std::fmt;

/// Letters and digits without those that look alike.
const ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
/// The characters that are drawn.
const DRAWN: usize = 16;
/// The drawn characters and the check character.
const WHOLE: usize = DRAWN + 1;
/// How many random bytes a code is made of.
pub const RANDOM_BYTES: usize = DRAWN * 5 / 8;
/// Characters of a group.
const GROUP: usize = 4;
/// How long a vendor's code may be.
pub const VENDOR_CHARS: std::ops::RangeInclusive<usize> = 4..=64;
/// Longer input is not looked at; it leaves room for blanks and hyphens.
const LONGEST_INPUT: usize = 200;

/// A well-formed code; whether anybody has it is another question.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(String);

/// Why a text is no code of a vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VendorFault {
    /// Nothing there.
    #[error("is empty")]
    Empty,
    /// Too few or too many characters.
    #[error("must have 4 to 64 characters")]
    Length,
    /// A character that a code cannot have.
    #[error(
        "must consist of letters A to Z, digits, hyphens and underscores, and begin with a letter or digit"
    )]
    Character,
    /// It would be read as one of the codes that are made here.
    #[error("has the form of a generated code")]
    Ours,
}

impl Code {
    /// A code of ours.
    pub fn generated(random: [u8; RANDOM_BYTES]) -> Self {
        let mut padded = [0; 16];
        padded[16 - RANDOM_BYTES..].copy_from_slice(&random);
        let bits = u128::from_be_bytes(padded);
        let mut digits = [0; WHOLE];
        for (place, digit) in digits[..DRAWN].iter_mut().enumerate() {
            *digit = (bits >> (5 * place)).to_le_bytes()[0] & 31;
        }
        digits[DRAWN] = sum(&digits);
        Self(digits.iter().map(|&digit| char::from(ALPHABET[usize::from(digit)])).collect())
    }

    /// A code that a vendor brought.
    pub fn vendor(text: &str) -> Result<Self, VendorFault> {
        let code = text.trim().to_ascii_uppercase();
        if code.is_empty() {
            return Err(VendorFault::Empty);
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if !code.bytes().all(allowed) || !code.starts_with(|first: char| first.is_ascii_alphanumeric()) {
            return Err(VendorFault::Character);
        }
        if !VENDOR_CHARS.contains(&code.len()) {
            return Err(VendorFault::Length);
        }
        if ours(&code).is_some() { Err(VendorFault::Ours) } else { Ok(Self(code)) }
    }

    /// What somebody typed or scanned; none if it cannot be a code.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST_INPUT {
            return None;
        }
        ours(text).or_else(|| Self::vendor(text).ok())
    }

    /// The code as it is stored and compared.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The code as it is stored and compared.
    pub fn into_string(self) -> String {
        self.0
    }
}

/// As it is shown to people: a code of ours in groups.
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if ours(&self.0).is_none() {
            return f.write_str(&self.0);
        }
        for (index, character) in self.0.chars().enumerate() {
            if index > 0 && index % GROUP == 0 {
                f.write_str("-")?;
            }
            write!(f, "{character}")?;
        }
        Ok(())
    }
}

/// The code of ours that the text spells, if its check character is right.
fn ours(text: &str) -> Option<Code> {
    let mut digits = [0; WHOLE];
    let mut places = digits.iter_mut();
    let mut code = String::with_capacity(WHOLE);
    for character in text.chars().filter(|character| *character != '-' && !character.is_whitespace()) {
        let character = character.to_ascii_uppercase();
        let digit = (0..).zip(ALPHABET).find(|(_, other)| char::from(**other) == character)?.0;
        *places.next()? = digit;
        code.push(character);
    }
    (places.next().is_none() && sum(&digits) == 0).then_some(Code(code))
}

/// The sum of the digits, each times its place's weight; the check character makes it zero. The last weight is one,
/// so the sum of a code whose check character is not there yet is that character.
fn sum(digits: &[u8; WHOLE]) -> u8 {
    digits.iter().fold(0, |sum, &digit| times_two(sum) ^ digit)
}

/// Multiplication by the generator of the field of 32 elements, whose powers are all others: x⁵ + x² + 1.
fn times_two(element: u8) -> u8 {
    let shifted = element << 1;
    if shifted & 32 == 0 { shifted } else { shifted ^ 0b10_0101 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn changed(code: &Code, place: usize, to: u8) -> String {
        let mut bytes = code.as_str().as_bytes().to_vec();
        bytes[place] = to;
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_generator_s_powers_are_all_elements() {
        let mut seen = std::collections::BTreeSet::new();
        let mut element = 1;
        while seen.insert(element) {
            element = times_two(element);
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), (1..32).collect::<Vec<u8>>());
    }

    #[test]
    fn a_code_has_eighty_random_bits_and_no_look_alikes() {
        assert_eq!(RANDOM_BYTES * 8, 80);
        for look_alike in [b'0', b'1', b'I', b'O'] {
            assert!(!ALPHABET.contains(&look_alike));
        }
        let mut seen = std::collections::BTreeSet::new();
        for bit in 0..80 {
            seen.insert(Code::generated((1_u128 << bit).to_be_bytes()[6..].try_into().unwrap()));
        }
        assert_eq!(seen.len(), 80, "every bit tells in the code");
    }

    #[test]
    fn it_is_shown_in_groups_and_read_as_it_is_typed() {
        let code = Code::generated(*b"0123456789");
        let shown = code.to_string();
        assert_eq!(shown.split('-').map(str::len).collect::<Vec<_>>(), [4, 4, 4, 4, 1]);
        for typed in [
            shown.clone(),
            shown.to_lowercase(),
            shown.replace('-', " "),
            shown.replace('-', ""),
            format!(" \t{}\r\n", shown.replace('-', " - ")),
        ] {
            assert_eq!(Code::parse(&typed), Some(code.clone()), "{typed}");
        }
    }

    #[test]
    fn a_vendor_s_code_is_kept_as_it_is_but_for_case_and_blanks_around() {
        let code = Code::vendor(" summer-2026_A ").unwrap();
        assert_eq!((code.as_str(), code.to_string().as_str()), ("SUMMER-2026_A", "SUMMER-2026_A"));
        assert_eq!(Code::parse("Summer-2026_a\n"), Some(code));
        assert_eq!(Code::parse("SUMMER2026_A"), Code::vendor("SUMMER2026_A").ok());
        let long = "A".repeat(65);
        let table = [
            ("", VendorFault::Empty),
            (" \t", VendorFault::Empty),
            ("ABC", VendorFault::Length),
            (long.as_str(), VendorFault::Length),
            ("AB CD", VendorFault::Character),
            ("-ABCD", VendorFault::Character),
            ("_ABCD", VendorFault::Character),
            ("=1+1", VendorFault::Character),
            ("ÄBCD", VendorFault::Character),
            ("ABCD\u{200b}", VendorFault::Character),
        ];
        for (text, fault) in table {
            assert_eq!(Code::vendor(text), Err(fault), "{text:?}");
            assert_eq!(Code::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn no_vendor_s_code_is_read_as_one_of_ours() {
        let code = Code::generated(*b"9876543210");
        for spelling in [code.to_string(), code.as_str().to_lowercase(), format!("{code}-")] {
            assert_eq!(Code::vendor(&spelling), Err(VendorFault::Ours), "{spelling}");
        }
    }

    proptest! {
        #[test]
        fn every_wrong_character_is_caught(random: [u8; RANDOM_BYTES]) {
            let code = Code::generated(random);
            for place in 0..WHOLE {
                for &other in ALPHABET.iter().filter(|&&other| other != code.as_str().as_bytes()[place]) {
                    prop_assert_eq!(ours(&changed(&code, place, other)), None, "{} {}", place, other);
                }
            }
        }

        #[test]
        fn every_two_that_changed_places_are_caught(random: [u8; RANDOM_BYTES]) {
            let code = Code::generated(random);
            for a in 0..WHOLE {
                for b in a + 1..WHOLE {
                    let mut bytes = code.as_str().as_bytes().to_vec();
                    bytes.swap(a, b);
                    let swapped = String::from_utf8(bytes).unwrap();
                    prop_assert!(swapped == code.as_str() || ours(&swapped).is_none(), "{} {}", a, b);
                }
            }
        }

        #[test]
        fn a_missing_and_a_doubled_character_are_caught(random: [u8; RANDOM_BYTES], place in 0..WHOLE) {
            let code = Code::generated(random);
            let (before, after) = code.as_str().split_at(place);
            prop_assert_eq!(ours(&format!("{before}{}", &after[1..])), None);
            prop_assert_eq!(ours(&format!("{before}{}{after}", &after[..1])), None);
        }

        #[test]
        fn what_is_made_is_read(random: [u8; RANDOM_BYTES]) {
            let code = Code::generated(random);
            prop_assert_eq!(Code::parse(&code.to_string()), Some(code.clone()));
            prop_assert_eq!(Code::parse(code.as_str()), Some(code));
        }

        #[test]
        fn no_text_panics_and_what_is_read_is_read_again(text in "\\PC{0,80}|[A-Za-z0-9_ -]{0,70}") {
            if let Some(code) = Code::parse(&text) {
                prop_assert_eq!(Code::parse(code.as_str()), Some(code.clone()));
                prop_assert_eq!(Code::parse(&code.to_string()), Some(code));
            }
        }
    }
}
