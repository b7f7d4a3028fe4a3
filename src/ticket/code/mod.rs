//! The signed code on a ticket. Gates can verify it without a network.
//!
//! `TSR2`, followed by `format(1) key(4) ticket(16) event(16) epoch(4) signature(64)` in base 32: 172 characters. The
//! signature covers [`DOMAIN`] and everything before itself, so no other signed data is a valid ticket, even under the
//! same key. It contains no personal data.
//!
//! The [alphabet](text::ALPHABET) has digits and letters only, which are in QR's alphanumeric mode. No character has a
//! meaning in URLs, HTML, mails and shells. None has another place on a German keyboard than on an English one, because
//! scanners type codes as keyboards do. Earlier codes begin with `TSR1:` and use base 45, whose digits include blanks
//! and punctuation. They stay valid.
//!
//! A ticket has one code of each version. What copying adds is [removed](crate::readable_code): white space, invisible
//! characters, escapes, line breaks, dashes and quotes. Capitals do not matter. White space *inside* an earlier code is
//! data, so there only its escapes and the line breaks around it are undone.
//!
//! Invariants: pure. A verified code proves its origin, not that its bearer may enter. Compare its epoch with the
//! ticket's.

#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;

use uuid::Uuid;

pub use self::text::ReadHint;
use self::text::{BLOCK, BLOCK_CHARS, PREFIX, encode, hint, read};
use crate::keys::{KeyId, PublicKey, SigningKey, SigningKeys};

/// Prefix of the signed data. No JWT starts with it: they start with base64url.
const DOMAIN: &[u8] = b"tessera ticket code v1\0";
const FORMAT: u8 = 1;
const BODY: usize = 1 + 4 + 16 + 16 + 4;
const WHOLE: usize = BODY + 64;
/// The length of every code.
pub const CODE_CHARS: usize = PREFIX.len() + WHOLE / BLOCK * BLOCK_CHARS;
/// Bytes of an input. Longer input is rejected unread. A code of escaped characters is shorter.
const LONGEST_INPUT: usize = 2_000;
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
    /// The text has no signature that can be checked.
    #[error("the code cannot be read: {0}")]
    Unreadable(ReadHint),
    /// The signature is wrong.
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
    format!("{PREFIX}{}", encode(&bytes))
}

/// Returns the content of `code`. Fails unless one of the verifier's keys signed exactly that.
pub fn verify(verifier: &TicketVerifier, code: &str) -> Result<Claims, CodeFault> {
    if code.len() > LONGEST_INPUT {
        return Err(CodeFault::Unreadable(ReadHint::NotATicket));
    }
    let bytes = read(code).ok_or_else(|| CodeFault::Unreadable(hint(code)))?;
    let (body, signature) = bytes.split_at(BODY);
    let (key, claims) = content(body).ok_or(CodeFault::Unreadable(ReadHint::Damaged))?;
    let key = verifier.0.get(&key).ok_or(CodeFault::Unreadable(ReadHint::OtherSystem))?;
    if !key.verifies(&[DOMAIN, body].concat(), signature) {
        return Err(CodeFault::Forged);
    }
    Ok(claims)
}

/// Returns the content of the signed part, with the id of its key.
fn content(body: &[u8]) -> Option<(KeyId, Claims)> {
    let mut fields = Fields(body.get(1..)?);
    let key = KeyId(fields.take()?);
    let claims = Claims {
        ticket: Uuid::from_bytes(fields.take()?),
        event: Uuid::from_bytes(fields.take()?),
        epoch: u32::from_be_bytes(fields.take()?),
    };
    Some((key, claims))
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }
}
