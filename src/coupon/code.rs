//! The code of a claim, which its holder shows at a counter or types at the checkout.
//!
//! A generated code has 16 random characters from an [alphabet](ALPHABET) of 28, which are 76 bits, and a check
//! character. It is shown in groups. Input may omit the groups, and case does not matter. The check character is a
//! weighted sum in GF(32) with a different weight at every position. It detects every wrong character and every swap of
//! two characters. Older codes use all 32 characters of the field. They stay valid.
//!
//! A vendor's code has 4 to 64 letters, digits, hyphens and underscores. It is trimmed and converted to capitals, and
//! then compared exactly. No vendor's code has the form of a generated code, so a text has one meaning.
//!
//! Input of people is [cleaned](clean) before it is parsed.
//!
//! Invariant: pure. Randomness is an argument.

use std::fmt;

use crate::readable_code::{ALPHABET, clean, spell};

/// The field's elements as characters: letters and digits without `0`, `1`, `I` and `O`, which look alike. New codes use
/// only those that are in [`ALPHABET`].
const FIELD: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
/// The random characters of a generated code.
const DRAWN: usize = 16;
/// All characters of a generated code: the random ones and the check character.
const WHOLE: usize = DRAWN + 1;
/// The number of random bytes of a generated code. It is large enough to make all codes practically equally probable.
pub const RANDOM_BYTES: usize = 16;
/// Characters per group.
const GROUP: usize = 4;
/// Characters of a vendor's code.
pub const VENDOR_CHARS: std::ops::RangeInclusive<usize> = 4..=64;
/// Bytes of an input, with room for escapes of every character. Longer input is not parsed.
const LONGEST_INPUT: usize = 1_000;

/// A well-formed code. It need not exist.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(String);

/// Why a text is not a valid vendor's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VendorFault {
    /// The text is empty.
    #[error("is empty")]
    Empty,
    /// It has too few or too many characters.
    #[error("must have 4 to 64 characters")]
    Length,
    /// It has an invalid character.
    #[error(
        "must consist of letters A to Z, digits, hyphens and underscores, and begin with a letter or digit"
    )]
    Character,
    /// It has the form of a generated code.
    #[error("has the form of a generated code")]
    Generated,
}

impl Code {
    /// Returns a generated code with these random bytes.
    pub fn generated(random: [u8; RANDOM_BYTES]) -> Self {
        let number = u128::from_be_bytes(random);
        // The check character follows from the others. If it is not in the alphabet, one of the next numbers is taken:
        // they differ in their last digit, and so have other check characters.
        let mut codes = (0..FIELD.len() as u128).map(|step| Self::with_check(number.wrapping_add(step)));
        let is_speakable = |code: &Self| code.0.bytes().all(|character| ALPHABET.contains(&character));
        codes.find(is_speakable).unwrap_or_else(|| Self::with_check(number))
    }

    /// Returns the code of the number, with its check character.
    fn with_check(number: u128) -> Self {
        let mut code: String = spell(number).take(DRAWN).collect();
        let mut digits = [0; WHOLE];
        for (digit, character) in digits.iter_mut().zip(code.chars()) {
            *digit = digit_of(character).unwrap_or_default();
        }
        let check = usize::from(sum(&digits));
        code.extend(FIELD.get(check).copied().map(char::from));
        Self(code)
    }

    /// Parses a vendor's code.
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
        if parse_generated(&code).is_some() { Err(VendorFault::Generated) } else { Ok(Self(code)) }
    }

    /// Parses typed, pasted or scanned input. Returns `None` if it is not a well-formed code.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST_INPUT {
            return None;
        }
        let text = clean(text);
        parse_generated(&text).or_else(|| Self::vendor(&text).ok())
    }

    /// Returns the code as it is stored and compared.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the code as it is stored and compared.
    pub fn into_string(self) -> String {
        self.0
    }
}

/// The code as it is shown to people: a generated code in groups.
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if parse_generated(&self.0).is_none() {
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

/// Parses a generated code. Returns `None` if the form or the check character is wrong.
fn parse_generated(text: &str) -> Option<Code> {
    let mut digits = [0; WHOLE];
    let mut places = digits.iter_mut();
    let mut code = String::with_capacity(WHOLE);
    for character in text.chars().filter(|character| *character != '-' && !character.is_whitespace()) {
        let character = character.to_ascii_uppercase();
        *places.next()? = digit_of(character)?;
        code.push(character);
    }
    (places.next().is_none() && sum(&digits) == 0).then_some(Code(code))
}

/// Returns the element of the field that the character stands for.
fn digit_of(character: char) -> Option<u8> {
    (0..).zip(FIELD).find(|(_, other)| char::from(**other) == character).map(|(digit, _)| digit)
}

/// Returns the weighted sum of the digits, which is zero for a valid code. The last weight is one, so the sum of a code
/// without its check character is that character.
fn sum(digits: &[u8; WHOLE]) -> u8 {
    digits.iter().fold(0, |sum, &digit| times_two(sum) ^ digit)
}

/// Multiplies by the generator of GF(32), modulo x⁵ + x² + 1. The powers of the generator are all elements except zero.
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
    fn powers_of_the_generator_are_all_elements() {
        let mut seen = std::collections::BTreeSet::new();
        let mut element = 1;
        while seen.insert(element) {
            element = times_two(element);
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), (1..32).collect::<Vec<u8>>());
    }

    #[test]
    fn generated_code_has_many_random_bits_and_no_look_alikes() {
        let bits = f64::from(u32::try_from(DRAWN).unwrap())
            * f64::from(u32::try_from(ALPHABET.len()).unwrap()).log2();
        assert!(bits > 76.0, "{bits}");
        for look_alike in [b'0', b'1', b'I', b'O'] {
            assert!(!ALPHABET.contains(&look_alike) && !FIELD.contains(&look_alike));
        }
        assert!(ALPHABET.iter().all(|character| FIELD.contains(character)));
        let codes: std::collections::BTreeSet<_> =
            (0..1_000_u128).map(|number| Code::generated((number << 7).to_be_bytes())).collect();
        assert_eq!(codes.len(), 1_000);
    }

    #[test]
    fn generated_code_contains_no_vowels() {
        let mut number = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835_u128;
        for _ in 0..50_000 {
            number = number.wrapping_mul(0xda94_2042_e4dd_58b5).wrapping_add(1).rotate_left(29);
            let code = Code::generated(number.to_be_bytes());
            assert_eq!(code.as_str().len(), WHOLE);
            assert!(!code.as_str().contains(['A', 'E', 'I', 'O', 'U', 'Y']), "{code}");
            assert_eq!(Code::parse(code.as_str()), Some(code));
        }
    }

    /// The former algorithm.
    fn older(random: [u8; 10]) -> Code {
        let mut padded = [0; 16];
        padded[6..].copy_from_slice(&random);
        let bits = u128::from_be_bytes(padded);
        let mut digits = [0; WHOLE];
        for (place, digit) in digits[..DRAWN].iter_mut().enumerate() {
            *digit = (bits >> (5 * place)).to_le_bytes()[0] & 31;
        }
        digits[DRAWN] = sum(&digits);
        Code(digits.iter().map(|&digit| char::from(FIELD[usize::from(digit)])).collect())
    }

    #[test]
    fn generated_code_is_shown_in_groups_and_read_in_any_form() {
        let code = Code::generated(*b"0123456789abcdef");
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
    fn vendor_code_is_trimmed_and_capitalised() {
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
        ];
        for (text, fault) in table {
            assert_eq!(Code::vendor(text), Err(fault), "{text:?}");
        }
        for text in ["", " \t", "ABC", &long, "=1+1", "ÄBCD", "AB+CD", "СУММА", "?", "...", "ABC😀"] {
            assert_eq!(Code::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn pasted_code_is_read() {
        let expected = Code::vendor("SUMMER-10").unwrap();
        for pasted in [
            "summer\u{200b}-10",
            "SUMMER–10",
            "ＳＵＭＭＥＲ－１０",
            "summer-10.",
            "“Summer-10”",
            "SUMMER -\n10",
            "summer%2D10",
        ] {
            assert_eq!(Code::parse(pasted).as_ref(), Some(&expected), "{pasted:?}");
        }
        let code = Code::generated(*b"fedcba9876543210");
        for pasted in [
            code.to_string().replace('-', "–"),
            code.to_string().replace('-', "\u{200b} \u{ad}"),
            format!("„{code}“."),
            format!("{code}%0D%0A"),
            code.to_string().replace('-', "&#8209;"),
        ] {
            assert_eq!(Code::parse(&pasted).as_ref(), Some(&code), "{pasted:?}");
        }
    }

    #[test]
    fn vendor_code_cannot_have_the_form_of_a_generated_one() {
        let code = Code::generated(*b"9876543210fedcba");
        for spelling in [code.to_string(), code.as_str().to_lowercase(), format!("{code}-")] {
            assert_eq!(Code::vendor(&spelling), Err(VendorFault::Generated), "{spelling}");
        }
    }

    proptest! {
        #[test]
        fn every_wrong_character_is_detected(random: [u8; RANDOM_BYTES]) {
            let code = Code::generated(random);
            for place in 0..WHOLE {
                for &other in FIELD.iter().filter(|&&other| other != code.as_str().as_bytes()[place]) {
                    prop_assert_eq!(parse_generated(&changed(&code, place, other)), None, "{} {}", place, other);
                }
            }
        }

        #[test]
        fn every_swap_of_two_characters_is_detected(random: [u8; RANDOM_BYTES]) {
            let code = Code::generated(random);
            for a in 0..WHOLE {
                for b in a + 1..WHOLE {
                    let mut bytes = code.as_str().as_bytes().to_vec();
                    bytes.swap(a, b);
                    let swapped = String::from_utf8(bytes).unwrap();
                    prop_assert!(swapped == code.as_str() || parse_generated(&swapped).is_none(), "{} {}", a, b);
                }
            }
        }

        #[test]
        fn missing_and_doubled_characters_are_detected(random: [u8; RANDOM_BYTES], place in 0..WHOLE) {
            let code = Code::generated(random);
            let (before, after) = code.as_str().split_at(place);
            prop_assert_eq!(parse_generated(&format!("{before}{}", &after[1..])), None);
            prop_assert_eq!(parse_generated(&format!("{before}{}{after}", &after[..1])), None);
        }

        #[test]
        fn older_generated_code_is_read(random: [u8; 10]) {
            let code = older(random);
            prop_assert_eq!(Code::parse(&code.to_string()), Some(code.clone()));
            prop_assert_eq!(Code::vendor(code.as_str()), Err(VendorFault::Generated));
        }

        #[test]
        fn generated_code_can_be_parsed(random: [u8; RANDOM_BYTES]) {
            let code = Code::generated(random);
            prop_assert_eq!(Code::parse(&code.to_string()), Some(code.clone()));
            prop_assert_eq!(Code::parse(code.as_str()), Some(code));
        }

        #[test]
        fn no_text_panics_and_parsed_codes_can_be_parsed_again(text in "\\PC{0,80}|[A-Za-z0-9_ -]{0,70}") {
            if let Some(code) = Code::parse(&text) {
                prop_assert_eq!(Code::parse(code.as_str()), Some(code.clone()));
                prop_assert_eq!(Code::parse(&code.to_string()), Some(code));
            }
        }
    }
}
