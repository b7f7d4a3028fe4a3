//! Device tokens: the proof that a device signed in to an account before.
//!
//! Wrong passwords from a device with a token have a separate limit, so that attackers cannot lock the owner out. The
//! token gives no access: the owner still needs the password.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::keys::{KeySet, SigningKeys};

const PREFIX: &str = "td_";
/// The prefix of the signed data. It keeps other signatures of the key from being valid for device tokens.
const DOMAIN: &[u8] = b"tessera-device-v1\0";
/// Bytes of a token before its signature: the device and the time of issue.
const BODY: usize = 24;
const SIGNATURE: usize = 64;
/// How long a token is valid.
const VALID: TimeDelta = TimeDelta::days(365);
/// The largest difference between the clocks of two instances.
const LEEWAY: TimeDelta = TimeDelta::seconds(5);

/// Issues and verifies device tokens.
#[derive(Clone, Debug)]
pub struct DeviceTokens(KeySet);

impl DeviceTokens {
    /// Returns device tokens that are signed with the session keys.
    pub fn new(keys: &SigningKeys) -> Self {
        Self(keys.session.clone())
    }

    /// Issues a token for a device that signed in as `email`, in its one spelling.
    pub fn issue(&self, email: &str, device: Uuid, now: DateTime<Utc>) -> String {
        let mut token = body(device, now.timestamp()).to_vec();
        token.extend(self.0.signing.sign(&message(email, &token)));
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(token))
    }

    /// Returns the device, if its token was issued for this e-mail address within the last year.
    pub fn verify(&self, token: &str, email: &str, now: DateTime<Utc>) -> Option<Uuid> {
        let text = token.strip_prefix(PREFIX)?;
        if text.len() != ((BODY + SIGNATURE) * 4).div_ceil(3) {
            return None;
        }
        let token = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (body, signature) = token.split_at_checked(BODY)?;
        let (device, issued) = body.split_at_checked(16)?;
        let issued = DateTime::from_timestamp(i64::from_be_bytes(issued.try_into().ok()?), 0)?;
        if issued > now + LEEWAY || now - issued > VALID {
            return None;
        }
        let message = message(email, body);
        let is_signed = self.0.public().any(|key| key.verifies(&message, signature));
        is_signed.then(|| Uuid::from_slice(device).ok()).flatten()
    }
}

fn body(device: Uuid, issued: i64) -> [u8; BODY] {
    let mut body = [0; BODY];
    body[..16].copy_from_slice(device.as_bytes());
    body[16..].copy_from_slice(&issued.to_be_bytes());
    body
}

fn message(email: &str, body: &[u8]) -> Vec<u8> {
    [DOMAIN, digest(&SHA256, email.as_bytes()).as_ref(), body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_is_valid_for_its_account_and_for_a_year() {
        let keys = SigningKeys::generate().unwrap();
        let tokens = DeviceTokens::new(&keys);
        let (device, now) = (Uuid::from_u128(7), DateTime::from_timestamp(1_800_000_000, 0).unwrap());
        let token = tokens.issue("ada@example.org", device, now);
        assert_eq!(tokens.verify(&token, "ada@example.org", now), Some(device));
        assert_eq!(tokens.verify(&token, "ada@example.org", now + TimeDelta::days(365)), Some(device));
        assert_eq!(tokens.verify(&token, "ada@example.org", now + TimeDelta::days(366)), None);
        assert_eq!(tokens.verify(&token, "ada@example.org", now - TimeDelta::days(1)), None);
        assert_eq!(tokens.verify(&token, "bob@example.org", now), None);
        let others = DeviceTokens::new(&SigningKeys::generate().unwrap());
        assert_eq!(others.verify(&token, "ada@example.org", now), None);
    }

    #[test]
    fn every_changed_token_is_refused() {
        let tokens = DeviceTokens::new(&SigningKeys::generate().unwrap());
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let token = tokens.issue("ada@example.org", Uuid::from_u128(7), now);
        for place in PREFIX.len()..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(tokens.verify(&changed, "ada@example.org", now), None, "{place}");
        }
        for text in
            ["", "td_", &token[3..], &format!("{token}A"), &token[..token.len() - 1], &"x".repeat(9_999)]
        {
            assert_eq!(tokens.verify(text, "ada@example.org", now), None, "{text}");
        }
    }
}
