//! The signed code on a ticket. Gates can verify it without a network.
//!
//! `TSR1:` followed by the base45 encoding of `format(1) key(4) ticket(16) event(16) epoch(4) signature(64)`: 163
//! characters, all in QR's alphanumeric mode. The signature covers [`DOMAIN`] and everything before itself, so no other
//! signed data is a valid ticket, even under the same key. It contains no personal data.
//!
//! A ticket has exactly one valid code. Scanners and people may add white space at the ends and change capitals;
//! nothing else is tolerated. White space *inside* is data, because base45 uses the blank as a digit. (The last
//! character is a digit from 0 to 5, so trimming never cuts the code.)
//!
//! Invariant: a verified code proves its origin, not that its bearer may enter. Compare its epoch with the ticket's.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::keys::{KeyId, PublicKey, SigningKey, SigningKeys};

/// Prefix of the signed data. No JWT starts with it: they start with base64url.
const DOMAIN: &[u8] = b"tessera ticket code v1\0";
const PREFIX: &str = "TSR1:";
const FORMAT: u8 = 1;
const BODY: usize = 1 + 4 + 16 + 16 + 4;
const WHOLE: usize = BODY + 64;
/// The length of every code: base45 encodes two bytes as three characters, and a last odd byte as two.
pub const CODE_CHARS: usize = PREFIX.len() + WHOLE / 2 * 3 + 2;
/// Longer input is rejected unread. The margin is for a scanner's blanks.
const LONGEST_INPUT: usize = CODE_CHARS + 64;

/// The content of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The ticket.
    pub ticket: Uuid,
    /// The event that the ticket admits to.
    pub event: Uuid,
    /// The issue of the ticket. A transfer increments it and invalidates the old code.
    pub epoch: u32,
}

/// Reasons why a text is not a valid ticket code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeFault {
    /// Not a ticket code: another QR code, a misreading, or a code of a later format.
    #[error("not a ticket code")]
    Malformed,
    /// Signed with an unknown key: another installation, or an outdated key list.
    #[error("the code's key is not known")]
    UnknownKey,
    /// The signature is invalid.
    #[error("the code is forged")]
    Forged,
}

/// The key that signs tickets.
#[derive(Clone, Debug)]
pub struct TicketKeys(SigningKey);

impl TicketKeys {
    /// Returns the ticket key of this installation.
    pub fn new(keys: &SigningKeys) -> Self {
        Self(keys.ticket.signing.clone())
    }
}

/// Public keys only: a gate with a verifier cannot create tickets.
#[derive(Clone, Debug)]
pub struct TicketVerifier(BTreeMap<KeyId, PublicKey>);

impl TicketVerifier {
    /// Creates a verifier that accepts these keys. Include retired ones.
    pub fn new(keys: impl IntoIterator<Item = PublicKey>) -> Self {
        Self(keys.into_iter().map(|key| (key.id(), key)).collect())
    }
}

/// Returns the code of a ticket. The same claims and key give the same code.
pub fn sign(keys: &TicketKeys, claims: Claims) -> String {
    let mut bytes = Vec::with_capacity(WHOLE);
    bytes.push(FORMAT);
    bytes.extend(keys.0.public().id().0);
    bytes.extend(claims.ticket.as_bytes());
    bytes.extend(claims.event.as_bytes());
    bytes.extend(claims.epoch.to_be_bytes());
    let signature = keys.0.sign(&[DOMAIN, &bytes].concat());
    bytes.extend(signature);
    format!("{PREFIX}{}", base45::encode(bytes))
}

/// Returns the content of `code`. Fails unless one of the verifier's keys signed exactly that.
pub fn verify(verifier: &TicketVerifier, code: &str) -> Result<Claims, CodeFault> {
    if code.len() > LONGEST_INPUT {
        return Err(CodeFault::Malformed);
    }
    let code = code.trim().to_ascii_uppercase();
    let text = code.strip_prefix(PREFIX).ok_or(CodeFault::Malformed)?;
    let bytes = base45::decode(text).map_err(|_| CodeFault::Malformed)?;
    // The library accepts a last pair of characters that overflows its byte: accept only the canonical encoding.
    if bytes.len() != WHOLE || bytes[0] != FORMAT || base45::encode(&bytes) != text {
        return Err(CodeFault::Malformed);
    }
    let (body, signature) = bytes.split_at(BODY);
    let mut fields = Fields(&body[1..]);
    let key = KeyId(fields.take()?);
    let claims = Claims {
        ticket: Uuid::from_bytes(fields.take()?),
        event: Uuid::from_bytes(fields.take()?),
        epoch: u32::from_be_bytes(fields.take()?),
    };
    let key = verifier.0.get(&key).ok_or(CodeFault::UnknownKey)?;
    if !key.verifies(&[DOMAIN, body].concat(), signature) {
        return Err(CodeFault::Forged);
    }
    Ok(claims)
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], CodeFault> {
        let (field, rest) = self.0.split_first_chunk::<N>().ok_or(CodeFault::Malformed)?;
        self.0 = rest;
        Ok(*field)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALPHABET: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";

    fn pair() -> (TicketKeys, TicketVerifier) {
        let keys = SigningKeys::generate().unwrap();
        (TicketKeys::new(&keys), TicketVerifier::new(keys.ticket.public()))
    }

    fn claims() -> Claims {
        Claims { ticket: Uuid::from_u128(0x0199_1234), event: Uuid::from_u128(7), epoch: 3 }
    }

    fn bytes_of(code: &str) -> Vec<u8> {
        base45::decode(&code[PREFIX.len()..]).unwrap()
    }

    fn text_of(bytes: &[u8]) -> String {
        format!("{PREFIX}{}", base45::encode(bytes))
    }

    #[test]
    fn code_is_short_and_fits_the_alphanumeric_mode() {
        let code = sign(&pair().0, claims());
        assert_eq!(code.len(), CODE_CHARS);
        const { assert!(CODE_CHARS <= 180) };
        assert!(code.bytes().all(|byte| ALPHABET.contains(&byte)), "{code}");
    }

    #[test]
    fn lower_case_and_outer_white_space_are_accepted() {
        let (keys, verifier) = pair();
        let code = sign(&keys, claims());
        for text in [code.to_lowercase(), format!("  {code}\r\n"), format!("\t{}\u{a0}", code.to_lowercase())]
        {
            assert_eq!(verify(&verifier, &text), Ok(claims()));
        }
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let (keys, verifier) = pair();
        let bytes = bytes_of(&sign(&keys, claims()));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let expected = match bit / 8 {
                0 => CodeFault::Malformed,
                1..5 => CodeFault::UnknownKey,
                _ => CodeFault::Forged,
            };
            assert_eq!(verify(&verifier, &text_of(&flipped)), Err(expected), "bit {bit}");
        }
    }

    #[test]
    fn every_replaced_character_is_refused() {
        let (keys, verifier) = pair();
        let code = sign(&keys, claims());
        for place in 0..code.len() {
            for other in (0..=127).filter(|other: &u8| !other.eq_ignore_ascii_case(&code.as_bytes()[place])) {
                let mut text = code.clone().into_bytes();
                text[place] = other;
                assert!(verify(&verifier, std::str::from_utf8(&text).unwrap()).is_err(), "{place} {other}");
            }
        }
    }

    #[test]
    fn truncated_and_extended_codes_are_refused() {
        let (keys, verifier) = pair();
        let code = sign(&keys, claims());
        for end in 0..code.len() {
            assert_eq!(verify(&verifier, &code[..end]), Err(CodeFault::Malformed), "{end}");
        }
        for tail in ["0", "00", "000", ":", "\0", "é", code.as_str()] {
            assert_eq!(verify(&verifier, &format!("{code}{tail}")), Err(CodeFault::Malformed), "{tail}");
        }
        let bytes = bytes_of(&code);
        for end in 0..bytes.len() {
            assert_eq!(verify(&verifier, &text_of(&bytes[..end])), Err(CodeFault::Malformed));
        }
        assert_eq!(verify(&verifier, &text_of(&[bytes, vec![0]].concat())), Err(CodeFault::Malformed));
    }

    #[test]
    fn overflowing_last_pair_is_refused() {
        // The library reads the last byte modulo 256, so a second spelling of it exists for the taking.
        let (keys, verifier) = pair();
        let code = sign(&keys, claims());
        let value = u32::from(*bytes_of(&code).last().unwrap()) + 256;
        let digit = |index: u32| char::from(ALPHABET[index as usize]);
        let alias = format!("{}{}{}", &code[..CODE_CHARS - 2], digit(value % 45), digit(value / 45));
        assert_eq!(bytes_of(&alias), bytes_of(&code));
        assert_eq!(verify(&verifier, &alias), Err(CodeFault::Malformed));
    }

    #[test]
    fn signature_derived_from_a_valid_one_is_refused() {
        // Ed25519 is malleable unless S < L is enforced: add the group order to S.
        const ORDER: [u8; 32] = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ];
        let (keys, verifier) = pair();
        let mut bytes = bytes_of(&sign(&keys, claims()));
        let mut carry = 0;
        for (byte, order) in bytes[WHOLE - 32..].iter_mut().zip(ORDER) {
            let sum = u16::from(*byte) + u16::from(order) + carry;
            carry = sum >> 8;
            *byte = sum.to_le_bytes()[0];
        }
        assert_eq!(verify(&verifier, &text_of(&bytes)), Err(CodeFault::Forged));
    }

    #[test]
    fn hundred_thousand_random_mutations_are_refused() {
        let (keys, verifier) = pair();
        let code = sign(&keys, claims());
        let bytes = bytes_of(&code);
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state >> 33).unwrap() % below
        };
        for _ in 0..50_000 {
            let mut text = code.clone().into_bytes();
            for _ in 0..=random(4) {
                let place = random(text.len());
                text[place] = ALPHABET[random(ALPHABET.len())];
            }
            if random(4) == 0 {
                text.swap(random(CODE_CHARS), random(CODE_CHARS));
            }
            let text = String::from_utf8(text).unwrap();
            assert!(text == code || verify(&verifier, &text).is_err(), "{text}");

            let mut changed = bytes.clone();
            for _ in 0..=random(8) {
                changed[5 + random(WHOLE - 5)] = random(256).to_le_bytes()[0];
            }
            assert!(changed == bytes || verify(&verifier, &text_of(&changed)) == Err(CodeFault::Forged));
        }
    }

    #[test]
    fn keys_rotate_and_other_installations_are_unknown() {
        let (old, new) = (SigningKeys::generate().unwrap(), SigningKeys::generate().unwrap());
        let code = sign(&TicketKeys::new(&old), claims());
        let both = TicketVerifier::new(new.ticket.public().chain(old.ticket.public()));
        assert_eq!(verify(&both, &code), Ok(claims()));
        assert_eq!(verify(&both, &sign(&TicketKeys::new(&new), claims())), Ok(claims()));
        assert_eq!(verify(&TicketVerifier::new(new.ticket.public()), &code), Err(CodeFault::UnknownKey));
        assert_eq!(verify(&TicketVerifier::new(old.session.public()), &code), Err(CodeFault::UnknownKey));
    }

    #[test]
    fn signature_without_the_domain_is_forged() {
        let (keys, verifier) = pair();
        let bytes = bytes_of(&sign(&keys, claims()));
        for signed in [bytes[..BODY].to_vec(), [b"tessera ticket code v2\0", &bytes[..BODY]].concat()] {
            let forged = [&bytes[..BODY], &keys.0.sign(&signed)].concat();
            assert_eq!(verify(&verifier, &text_of(&forged)), Err(CodeFault::Forged));
        }
    }

    #[test]
    fn noise_is_malformed() {
        let (_, verifier) = pair();
        let long = "A".repeat(1_000_000);
        for text in
            ["", " ", "TSR1:", "tsr1: ", "TSR2:00", "https://example.org", "eyJhbGciOiJub25lIn0.e30.", &long]
        {
            assert_eq!(verify(&verifier, text), Err(CodeFault::Malformed));
        }
    }

    proptest! {
        #[test]
        fn signed_claims_verify(ticket: u128, event: u128, epoch: u32) {
            let (keys, verifier) = pair();
            let claims = Claims { ticket: Uuid::from_u128(ticket), event: Uuid::from_u128(event), epoch };
            let code = sign(&keys, claims);
            prop_assert_eq!(code.len(), CODE_CHARS);
            prop_assert_eq!(code.trim(), &code);
            prop_assert_eq!(verify(&verifier, &code), Ok(claims));
        }

        #[test]
        fn no_text_panics(text in ".{0,300}") {
            let (_, verifier) = pair();
            prop_assert!(verify(&verifier, &text).is_err());
            let text = format!("{PREFIX}{text}");
            prop_assert!(verify(&verifier, &text).is_err());
        }
    }
}
