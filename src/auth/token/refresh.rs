//! Refresh tokens: 256 random bits. Only their hash is stored.
//!
//! The text is `tsr_refresh_` and 43 characters of base64url. Scanners for leaked secrets recognise the prefix, and it
//! cannot be mistaken for an access token or a ticket.
//!
//! Invariant: the text is in no table and no log, and in no response except the one that issues it.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const PREFIX: &str = "tsr_refresh_";
const CHARS: usize = PREFIX.len() + 43;

/// A refresh token when it is issued, which is the only time its text is readable.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken(String);

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshToken(***)")
    }
}

impl RefreshToken {
    /// Returns the token with these bits, which must come from a cryptographic source.
    pub fn generate(random: [u8; 32]) -> Self {
        Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random)))
    }

    /// Returns the text for the client.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns the digest that is stored.
    pub fn digest(&self) -> [u8; 32] {
        hash(&self.0)
    }
}

/// Returns the digest of a text, or `None` if it does not have the form of a refresh token.
///
/// 256 random bits need no slow hash. The timing of a look-up by hash reveals nothing useful.
pub fn digest_of(text: &str) -> Option<[u8; 32]> {
    if text.len() != CHARS {
        return None;
    }
    // The strict decoder accepts only the canonical form, so that a token has one hash.
    let bits = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
    (bits.len() == 32).then(|| hash(text))
}

fn hash(text: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_canonical_text_has_a_digest() {
        let token = RefreshToken::generate([7; 32]);
        let text = token.expose();
        assert_eq!(digest_of(text), Some(token.digest()));
        let canonical = text.to_owned();
        for end in 0..canonical.len() {
            assert_eq!(digest_of(&canonical[..end]), None);
        }
        let alias = format!("{}d", &canonical[..canonical.len() - 1]);
        let others = [
            canonical.to_uppercase(),
            canonical.replace("tsr_refresh_", "tsr_Refresh_"),
            canonical.replace("tsr_refresh_", "tsr_session_"),
            format!("{canonical} "),
            format!(" {canonical}"),
            format!("{canonical}="),
            "eyJhbGciOiJFZERTQSJ9.e30.AAAA".to_owned(),
            "x".repeat(1_000_000),
            "é".repeat(27) + "x",
            alias,
        ];
        for other in others {
            assert_eq!(digest_of(&other), None, "{other:.80}");
        }
    }

    #[test]
    fn debug_output_hides_the_secret() {
        assert_eq!(format!("{:?}", RefreshToken::generate([7; 32])), "RefreshToken(***)");
    }

    proptest! {
        #[test]
        fn different_bits_have_different_digests(one: [u8; 32], other: [u8; 32]) {
            let (a, b) = (RefreshToken::generate(one), RefreshToken::generate(other));
            prop_assert_eq!(digest_of(a.expose()), Some(a.digest()));
            prop_assert_eq!(a.digest() == b.digest(), one == other);
        }
    }
}
