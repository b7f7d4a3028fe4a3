//! Access tokens: short-lived JWTs in the manner of RFC 9068, signed with Ed25519 and nothing else.
//!
//! The library checks the signature; every claim, and every member of the header, is checked here. A header may
//! hold `alg`, `typ` and `kid` and nothing more, so `jku`, `jwk`, `x5u`, `crit` and their like are refused unread.
//! Claims that are not known yet are ignored, so that instances of two versions can stand side by side.
//!
//! Invariant: the time is always given. Faults are for logs and tests: to the client all of them are one
//! `UNAUTHENTICATED`.

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

/// Longer tokens are not looked at.
const LONGEST_TOKEN: usize = 4 * 1024;
/// Verified tokens that are remembered: checking a signature costs more than selling a seat.
const REMEMBERED_MAX: u64 = 200_000;
/// How far two machines' clocks may differ.
const LEEWAY_SECONDS: i64 = 5;
const TYPE: &str = "at+jwt";
const ALGORITHM: &str = "EdDSA";

/// What sort of subject a token speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Somebody with an account.
    User,
    /// A buyer without one.
    Guest,
}

/// Whom a token speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The user or guest.
    pub id: Uuid,
    /// The session; when it is revoked the token is worth nothing, which the caller checks.
    pub session: Uuid,
    /// User or guest.
    pub kind: Kind,
}

/// What a verified token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessClaims {
    /// Whom it speaks for.
    pub subject: Subject,
    /// When it was issued.
    pub issued_at: DateTime<Utc>,
    /// When it ends; a socket must not outlive it.
    pub expires_at: DateTime<Utc>,
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// Not a token: too long, not three canonical parts, not the JSON it should be.
    #[error("the token is malformed")]
    Malformed,
    /// Another algorithm or type, or a header member that is not allowed.
    #[error("the token's header is not allowed")]
    Header,
    /// Signed with a key that is not known here.
    #[error("the token's key is not known")]
    UnknownKey,
    /// The signature is not ours.
    #[error("the token is forged")]
    Forged,
    /// Ours, but of another issuer or audience, or with claims we never issue.
    #[error("the token's claims are not ours")]
    Claims,
    /// Its time has not come.
    #[error("the token is not valid yet")]
    NotYet,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
}

/// Why no token was issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssueFault {
    /// The lifetime is not between one second and the longest allowed.
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

/// Times are whole seconds: a float, a string or a missing one is not read at all.
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

/// What a token with a good signature says, whatever the time.
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
    /// By digest, so that no token lies in memory for longer than its request. The time is checked anew at every use.
    remembered: Cache<[u8; 32], Signed>,
}

impl AccessTokens {
    /// Tokens of `issuer` for `audience`. One that claims to live longer than `longest` is refused, whoever
    /// signed it.
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
        // The library would ask the system's clock, and reads times we would not: it checks the signature only.
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

    /// A token for `subject` that is valid from `now` on, for `lifetime` in whole seconds.
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

    /// What `token` says, if we issued it and `now` is in its time.
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

    /// What `token` says, if we issued it.
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

    /// The key the header names, once the header holds what ours hold and nothing else.
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

/// Only the spelling we write: lower case with hyphens.
fn uuid(text: &str) -> Result<Uuid, TokenFault> {
    Uuid::try_parse(text).ok().filter(|id| id.to_string() == text).ok_or(TokenFault::Claims)
}

fn time(seconds: i64) -> Result<DateTime<Utc>, TokenFault> {
    DateTime::from_timestamp(seconds, 0).ok_or(TokenFault::Claims)
}
