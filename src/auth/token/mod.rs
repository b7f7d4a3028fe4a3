//! Access tokens: short-lived JWTs similar to RFC 9068, signed with Ed25519 only.
//!
//! The library checks the signature. All claims and header members are checked here. A header may have only `alg`,
//! `typ` and `kid`, so `jku`, `jwk`, `x5u` and `crit` are refused. Unknown claims are ignored, so that instances of two
//! versions can run together.
//!
//! Invariant: the time is an argument. Faults are for logs and tests; the client always gets `UNAUTHENTICATED`.

#[cfg(test)]
mod attacks;
pub mod refresh;

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use moka::sync::Cache;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::keys::{KeyFault, SigningKeys};

/// Bytes of a token. Longer ones are refused without a check.
const LONGEST_TOKEN: usize = 4 * 1024;
/// Verified tokens in the cache. Checking a signature is more expensive than selling a seat.
const REMEMBERED_MAX: u64 = 200_000;
/// The largest difference between the clocks of two instances, in seconds.
const LEEWAY_SECONDS: i64 = 5;
const TYPE: &str = "at+jwt";
const ALGORITHM: &str = "EdDSA";

/// The kind of a token's subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A signed-up user.
    User,
    /// A guest.
    Guest,
}

/// The subject of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The account.
    pub id: Uuid,
    /// The session. The caller must check that it has not ended.
    pub session: Uuid,
    /// User or guest.
    pub kind: Kind,
}

/// The claims of a verified token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessClaims {
    /// The subject.
    pub subject: Subject,
    /// When it was issued.
    pub issued_at: DateTime<Utc>,
    /// When it expires. A socket must be closed by then.
    pub expires_at: DateTime<Utc>,
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// It is too long, does not have three canonical parts, or has invalid JSON.
    #[error("the token is malformed")]
    Malformed,
    /// The header has another algorithm or type, or a member that is not allowed.
    #[error("the token's header is not allowed")]
    Header,
    /// It is signed with an unknown key.
    #[error("the token's key is not known")]
    UnknownKey,
    /// The signature is wrong.
    #[error("the token is forged")]
    Forged,
    /// The signature is valid, but the issuer, the audience or another claim is wrong.
    #[error("the token has wrong claims")]
    Claims,
    /// It is not valid yet.
    #[error("the token is not valid yet")]
    NotYet,
    /// It has expired.
    #[error("the token has expired")]
    Expired,
}

/// Why no token was issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssueFault {
    /// The lifetime is not between one second and the longest one allowed.
    #[error("the lifetime is not allowed")]
    Lifetime,
    /// The library could not sign.
    #[error("the token could not be signed")]
    Signing,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireHeader {
    alg: String,
    typ: String,
    kid: String,
}

/// The claims as JSON. Times are whole seconds; floats, strings and missing times are refused.
#[derive(Serialize, Deserialize)]
struct WireClaims {
    iss: String,
    aud: String,
    sub: String,
    sid: String,
    kind: Kind,
    iat: i64,
    nbf: i64,
    exp: i64,
}

/// The claims of a token with a valid signature, at any time.
#[derive(Clone, Copy, Debug)]
struct Signed {
    claims: AccessClaims,
    not_before: i64,
    expires: i64,
}

/// Issues access tokens and verifies them.
#[derive(Clone, Debug)]
pub struct AccessTokens {
    issuer: String,
    audience: String,
    longest: TimeDelta,
    header: Header,
    signing: EncodingKey,
    believed: BTreeMap<String, DecodingKey>,
    signature_only: Validation,
    /// The verified tokens by digest, so that no token stays in memory. The time is checked at every use.
    remembered: Cache<[u8; 32], Signed>,
}

impl AccessTokens {
    /// Returns the tokens of `issuer` for `audience`. A token with a lifetime above `longest` is refused.
    pub fn new(
        keys: &SigningKeys,
        issuer: &str,
        audience: &str,
        longest: TimeDelta,
    ) -> Result<Self, KeyFault> {
        let keys = &keys.session;
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(keys.signing.public().id().to_string());
        // The library uses the system's clock and accepts other forms of times, so it checks only the signature.
        let mut signature_only = Validation::new(Algorithm::EdDSA);
        signature_only.required_spec_claims.clear();
        signature_only.validate_exp = false;
        signature_only.validate_nbf = false;
        signature_only.validate_aud = false;
        let believe =
            |key: crate::keys::PublicKey| (key.id().to_string(), DecodingKey::from_ed_der(key.bytes()));
        Ok(Self {
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
            longest,
            header,
            signing: EncodingKey::from_ed_der(&keys.signing.to_pkcs8()?),
            believed: keys.public().map(believe).collect(),
            signature_only,
            remembered: Cache::builder()
                .max_capacity(REMEMBERED_MAX)
                .time_to_live(longest.to_std().unwrap_or_default())
                .build(),
        })
    }

    /// Issues a token for `subject` that is valid from `now`, for `lifetime` in whole seconds.
    pub fn issue(
        &self,
        subject: Subject,
        now: DateTime<Utc>,
        lifetime: TimeDelta,
    ) -> Result<String, IssueFault> {
        if lifetime < TimeDelta::seconds(1) || lifetime > self.longest {
            return Err(IssueFault::Lifetime);
        }
        let iat = now.timestamp();
        let claims = WireClaims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: subject.id.to_string(),
            sid: subject.session.to_string(),
            kind: subject.kind,
            iat,
            nbf: iat,
            exp: iat + lifetime.num_seconds(),
        };
        jsonwebtoken::encode(&self.header, &claims, &self.signing).map_err(|_| IssueFault::Signing)
    }

    /// Returns the claims of a token that this server issued and that is valid at `now`.
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<AccessClaims, TokenFault> {
        let mut name = [0; 32];
        name.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        let signed = if let Some(signed) = self.remembered.get(&name) {
            signed
        } else {
            let signed = self.check(token)?;
            self.remembered.insert(name, signed);
            signed
        };
        let now = now.timestamp();
        if signed.not_before > now.saturating_add(LEEWAY_SECONDS) {
            return Err(TokenFault::NotYet);
        }
        if signed.expires.saturating_add(LEEWAY_SECONDS) <= now {
            return Err(TokenFault::Expired);
        }
        Ok(signed.claims)
    }

    /// Returns the claims of a token that this server issued.
    fn check(&self, token: &str) -> Result<Signed, TokenFault> {
        let key = self.key_of(token)?;
        let wire = match jsonwebtoken::decode::<WireClaims>(token, key, &self.signature_only) {
            Ok(data) => data.claims,
            Err(error) if matches!(error.kind(), ErrorKind::InvalidSignature) => {
                return Err(TokenFault::Forged);
            }
            Err(_) => return Err(TokenFault::Malformed),
        };
        let ours = wire.iss == self.issuer && wire.aud == self.audience;
        let ordered = 0 <= wire.iat && wire.iat <= wire.nbf && wire.nbf < wire.exp;
        if !ours || !ordered || wire.exp - wire.iat > self.longest.num_seconds() {
            return Err(TokenFault::Claims);
        }
        let claims = AccessClaims {
            subject: Subject { id: uuid(&wire.sub)?, session: uuid(&wire.sid)?, kind: wire.kind },
            issued_at: time(wire.iat)?,
            expires_at: time(wire.exp)?,
        };
        Ok(Signed { claims, not_before: wire.nbf, expires: wire.exp })
    }

    /// Returns the key that the header names, if the header has only the allowed members.
    fn key_of(&self, token: &str) -> Result<&DecodingKey, TokenFault> {
        if token.len() > LONGEST_TOKEN || token.bytes().filter(|byte| *byte == b'.').count() != 2 {
            return Err(TokenFault::Malformed);
        }
        let (header, _) = token.split_once('.').ok_or(TokenFault::Malformed)?;
        let header = URL_SAFE_NO_PAD.decode(header).map_err(|_| TokenFault::Malformed)?;
        let header: WireHeader = serde_json::from_slice(&header).map_err(|_| TokenFault::Header)?;
        if header.alg != ALGORITHM || header.typ != TYPE {
            return Err(TokenFault::Header);
        }
        self.believed.get(&header.kid).ok_or(TokenFault::UnknownKey)
    }
}

/// Returns whether a token that ends at `until` is refused at `now`, leeway included.
pub fn is_over(until: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    until.timestamp().saturating_add(LEEWAY_SECONDS) <= now.timestamp()
}

/// Parses a UUID in lower case with hyphens only.
fn uuid(text: &str) -> Result<Uuid, TokenFault> {
    Uuid::try_parse(text).ok().filter(|id| id.to_string() == text).ok_or(TokenFault::Claims)
}

fn time(seconds: i64) -> Result<DateTime<Utc>, TokenFault> {
    DateTime::from_timestamp(seconds, 0).ok_or(TokenFault::Claims)
}
