//! The text of a ticket code: its two alphabets, and what copies do to it.
//!
//! Invariant: pure.

use super::{CODE_CHARS, FORMAT, WHOLE};
use crate::readable_code;

/// The beginning of a code in base 32.
pub(super) const PREFIX: &str = "TSR2";
/// The beginning of a code in base 45.
pub(super) const PREFIX_45: &str = "TSR1:";
/// Digits and letters without `I` and `O`, which look like digits, and without `Y` and `Z`, which German and English
/// keyboards exchange.
pub(super) const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKLMNPQRSTUVWX";
/// Bytes that become a whole number of characters.
pub(super) const BLOCK: usize = 5;
/// The characters of a block.
pub(super) const BLOCK_CHARS: usize = 8;
/// The shortest input that can be a copy of a code, in characters.
const SHORTEST_COPY: usize = CODE_CHARS / 2;
/// The beginnings of codes that a scanner types on a keyboard of another language: French, German, Russian, Greek and
/// Dvorak.
const OTHER_KEYBOARDS: [&str; 7] = ["TSRÉ", "TSR&", "TSR1Ö", "TSR\"", "ЕЫК", "ΤΣΡ", "YOP"];

/// The probable reason why a text cannot be read as a ticket code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadHint {
    /// Another code, such as a link.
    #[error("it is not a ticket")]
    NotATicket,
    /// A ticket code with missing, additional or changed characters.
    #[error("it is a damaged copy of a ticket code")]
    Damaged,
    /// The scanner types on a keyboard of another language.
    #[error("the scanner types with the keyboard layout of another language")]
    KeyboardLayout,
    /// Its key is unknown: another installation, an outdated key list, or a damaged copy.
    #[error("the ticket is of another system")]
    OtherSystem,
}

/// Returns the bytes of a code of either version.
pub(super) fn read(text: &str) -> Option<Vec<u8>> {
    let plain = readable_code::clean(text).replace(['-', '_'], "").to_ascii_uppercase();
    let bytes = match plain.strip_prefix(PREFIX) {
        Some(digits) => decode(digits),
        None => spellings_45(text).iter().find_map(|text| decode_45(text)),
    };
    bytes.filter(|bytes| bytes.len() == WHOLE && bytes.first() == Some(&FORMAT))
}

/// Returns the texts that an earlier code may have had before it was copied, the most probable first.
fn spellings_45(text: &str) -> Vec<String> {
    let plain = |text: &str| {
        let blank = |character: char| if character == '\u{a0}' { ' ' } else { character };
        let without_breaks = text.chars().map(blank).filter(|character| !character.is_control());
        without_breaks.collect::<String>().trim().to_ascii_uppercase()
    };
    // A percent sign is a digit, too, so a text may look escaped by chance.
    vec![text.trim().to_ascii_uppercase(), plain(&readable_code::unescape_once(text)), plain(text)]
}

fn decode_45(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix(PREFIX_45)?;
    // The library accepts a last pair of characters that overflows its byte: accept only the canonical encoding.
    base45::decode(digits).ok().filter(|bytes| bytes.len() == WHOLE && base45::encode(bytes) == digits)
}

/// Returns the bytes in base 32. Their number must be a multiple of [`BLOCK`].
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() / BLOCK * BLOCK_CHARS);
    for block in bytes.chunks(BLOCK) {
        let bits = block.iter().fold(0_u64, |bits, byte| (bits << 8) | u64::from(*byte));
        let digits =
            (0..BLOCK_CHARS).rev().map(|place| usize::from((bits >> (5 * place)).to_le_bytes()[0] & 31));
        text.extend(digits.filter_map(|digit| ALPHABET.get(digit)).copied().map(char::from));
    }
    text
}

/// Returns the bytes of a text in base 32, or `None` if it has other characters or a wrong length.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let digit = |character: u8| ALPHABET.iter().position(|other| *other == character);
    let digits: Option<Vec<usize>> = text.bytes().map(digit).collect();
    let mut bytes = Vec::with_capacity(WHOLE);
    for block in digits?.chunks(BLOCK_CHARS) {
        if block.len() < BLOCK_CHARS {
            return None;
        }
        let bits = block.iter().fold(0_u64, |bits, digit| (bits << 5) | *digit as u64);
        bytes.extend_from_slice(bits.to_be_bytes().get(size_of::<u64>() - BLOCK..)?);
    }
    Some(bytes)
}

/// Returns why the text probably cannot be read.
pub(super) fn hint(text: &str) -> ReadHint {
    let upper = text.trim().to_uppercase();
    let is_long = upper.chars().count() >= SHORTEST_COPY;
    if is_long && OTHER_KEYBOARDS.iter().any(|begin| upper.starts_with(begin)) {
        ReadHint::KeyboardLayout
    } else if upper.contains(PREFIX) || upper.contains(PREFIX_45.trim_end_matches(':')) {
        ReadHint::Damaged
    } else {
        ReadHint::NotATicket
    }
}
