//! Key material: one Ed25519 key signs sessions, another signs tickets, and their public halves may be published.
//!
//! This module generates keys, and [`files`] stores them. Each key has an id, the first bytes of its hash, by which
//! tokens and ticket codes name their signing key.
//!
//! Invariant: the two purposes never share a key. A private key leaves this module only as a signature, or as the
//! PKCS#8 that `token` passes to the JWT library.

mod files;

use std::fmt;
use std::io;
use std::path::PathBuf;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, VerificationAlgorithm};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// The reason why keys could not be generated, read or stored.
#[derive(Debug, thiserror::Error)]
pub enum KeyFault {
    /// An I/O operation failed.
    #[error("cannot use {path}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file does not contain an Ed25519 key in PEM.
    #[error("{0} is not an Ed25519 key in PEM")]
    Malformed(PathBuf),
    /// Other users of the machine can read the private key.
    #[error("{0} is open to other users of this machine: chmod 600 it")]
    Exposed(PathBuf),
    /// The session key and the ticket key are the same key.
    #[error("the session keys and the ticket keys must differ")]
    Shared,
    /// The cryptographic library failed.
    #[error("the cryptographic library failed")]
    Crypto,
}

/// The purpose of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Signs access tokens.
    Session,
    /// Signs the codes on tickets.
    Ticket,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Ticket => "ticket",
        }
    }
}

/// The id of a public key: the first four bytes of its SHA-256, displayed as eight hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 4]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

/// The public half of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey {
    id: KeyId,
    bytes: [u8; 32],
}

impl PublicKey {
    /// Creates the key from its 32 raw bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        let hash = digest(&SHA256, &bytes);
        let mut id = [0; 4];
        id.copy_from_slice(&hash.as_ref()[..4]);
        Self { id: KeyId(id), bytes }
    }

    /// Returns its id.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Returns its 32 raw bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// Returns whether the matching private key signed exactly `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        ED25519.verify_sig(&self.bytes, message, signature).is_ok()
    }
}

/// A private key.
#[derive(Clone)]
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, ***)", self.public.id)
    }
}

impl SigningKey {
    /// Generates a key with the system's random number generator.
    pub fn generate() -> Result<Self, KeyFault> {
        Self::from_pair(Ed25519KeyPair::generate().map_err(|_| KeyFault::Crypto)?)
    }

    /// Reads the key from a PKCS#8 document, version 1 or 2.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyFault> {
        Self::from_pair(Ed25519KeyPair::from_pkcs8(der).map_err(|_| KeyFault::Crypto)?)
    }

    fn from_pair(pair: Ed25519KeyPair) -> Result<Self, KeyFault> {
        let public = pair.public_key().as_ref().try_into().map_err(|_| KeyFault::Crypto)?;
        Ok(Self { pair, public: PublicKey::new(public) })
    }

    /// Returns the key as PKCS#8 version 1, which OpenSSL also writes. The result is secret.
    pub fn to_pkcs8(&self) -> Result<Vec<u8>, KeyFault> {
        Ok(self.pair.to_pkcs8v1().map_err(|_| KeyFault::Crypto)?.as_ref().to_vec())
    }

    /// Returns its public key.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// Derives a secret for another purpose. All instances with the same key derive the same secret for a label. It is
    /// the hash of a deterministic signature (RFC 8032) that is never disclosed.
    pub fn derive(&self, label: &str) -> [u8; 32] {
        let signature = self.sign(format!("tessera:derive:{label}").as_bytes());
        let mut secret = [0; 32];
        secret.copy_from_slice(digest(&SHA256, &signature).as_ref());
        secret
    }

    /// Signs `message`. The caller adds its domain prefix first.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

/// The keys of one purpose: the signing key, and other keys whose signatures are accepted.
#[derive(Clone, Debug)]
pub struct KeySet {
    /// The key that signs new tokens or codes.
    pub signing: SigningKey,
    /// Retired keys, and new keys that other instances already sign with.
    pub others: Vec<PublicKey>,
}

impl KeySet {
    /// Returns all public keys whose signatures are accepted. The signing key comes first.
    pub fn public(&self) -> impl Iterator<Item = PublicKey> {
        std::iter::once(self.signing.public()).chain(self.others.iter().copied())
    }
}

/// All signing keys of one installation.
#[derive(Clone, Debug)]
pub struct SigningKeys {
    /// The keys of access tokens.
    pub session: KeySet,
    /// The keys of ticket codes.
    pub ticket: KeySet,
}

impl SigningKeys {
    /// Generates keys in memory only. Their signatures are invalid after the process ends.
    pub fn generate() -> Result<Self, KeyFault> {
        let fresh = || Ok(KeySet { signing: SigningKey::generate()?, others: Vec::new() });
        Ok(Self { session: fresh()?, ticket: fresh()? })
    }

    /// Returns the public keys as a JWK set (RFC 7517, RFC 8037) for `/.well-known/jwks.json`. `tessera:purpose`
    /// distinguishes session keys from ticket keys.
    pub fn jwks(&self) -> Value {
        let jwk = |key: PublicKey, purpose: Purpose| {
            json!({
                "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
                "kid": key.id.to_string(), "x": URL_SAFE_NO_PAD.encode(key.bytes),
                "tessera:purpose": purpose.name(),
            })
        };
        let session = self.session.public().map(|key| jwk(key, Purpose::Session));
        let ticket = self.ticket.public().map(|key| jwk(key, Purpose::Ticket));
        json!({ "keys": session.chain(ticket).collect::<Vec<_>>() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_set_tells_public_halves_and_purposes_only() {
        let keys = SigningKeys::generate().unwrap();
        let jwks = keys.jwks();
        let list = jwks["keys"].as_array().unwrap();
        assert_eq!(list.len(), 2);
        for (jwk, (set, purpose)) in list.iter().zip([(&keys.session, "session"), (&keys.ticket, "ticket")]) {
            let key = set.signing.public;
            assert_eq!(jwk["tessera:purpose"], purpose);
            assert_eq!(jwk["kid"], key.id.to_string());
            assert_eq!(URL_SAFE_NO_PAD.decode(jwk["x"].as_str().unwrap()).unwrap(), key.bytes);
            assert_eq!(
                (&jwk["kty"], &jwk["crv"], &jwk["use"]),
                (&json!("OKP"), &json!("Ed25519"), &json!("sig"))
            );
            assert!(jwk.get("d").is_none());
        }
    }

    #[test]
    fn derived_secrets_depend_on_key_and_label_only() {
        let (one, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        assert_eq!(one.derive("a"), one.clone().derive("a"));
        assert_ne!(one.derive("a"), one.derive("b"));
        assert_ne!(one.derive("a"), other.derive("a"));
    }

    #[test]
    fn a_key_is_named_by_its_hash_and_printed_without_its_secret() {
        // RFC 8037, appendix A: the key. The SHA-256 of its 32 bytes was computed with another tool.
        let x = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        assert_eq!(PublicKey::new(x.try_into().unwrap()).id().to_string(), "21fe31df");
        let key = SigningKey::generate().unwrap();
        assert_eq!(format!("{key:?}"), format!("SigningKey({}, ***)", key.public.id));
    }
}
