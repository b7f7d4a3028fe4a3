//! The proof of work of ALTCHA (protocol version 2, PBKDF2 with SHA-256), by its official crate.
//!
//! A challenge is signed with a secret that all instances derive from their keys, so nothing is stored. Refusing a
//! forged one takes one HMAC. The crate uses the machine's time. This module uses the application's clock, so it checks
//! the expiry itself and removes it before the crate's check.

use altcha::{
    Challenge as Signed, CreateChallengeOptions, HmacAlgorithm, Payload, VerifySolutionOptions,
    create_challenge, sign_challenge, verify_solution,
};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use serde_json::Value;

use super::{
    Challenge, HumanCheck, Pressure, Proof, Subject, VALID, Verdict,
    work::{COST_MAX, work},
};
use crate::{
    clock::Clock,
    error::{Fault, FaultResult},
    keys::SigningKeys,
};

/// Bytes of a response. A valid one has about 700.
const RESPONSE_MAX: usize = 4_096;
/// The key derivation.
const ALGORITHM: &str = "PBKDF2/SHA-256";
/// The names of the data that bind a challenge.
const ACCOUNT: &str = "account";
const EVENT: &str = "event";

/// The proof of work.
pub struct Altcha {
    secret: String,
    clock: Clock,
}

impl Altcha {
    /// Returns the check with the keys of this installation.
    pub fn new(keys: &SigningKeys, clock: Clock) -> Self {
        Self { secret: STANDARD.encode(keys.session.signing.derive("proof of work")), clock }
    }

    fn make(&self, subject: Subject, pressure: Pressure) -> FaultResult<Challenge> {
        let work = work(pressure);
        let expires_at = self.clock.now() + VALID;
        let data = [(ACCOUNT, subject.account), (EVENT, subject.event)];
        let signed = create_challenge(CreateChallengeOptions {
            algorithm: ALGORITHM.to_owned(),
            cost: work.cost,
            key_prefix: work.prefix.to_owned(),
            data: Some(data.map(|(name, id)| (name.to_owned(), Value::from(id.to_string()))).into()),
            expires_at: Some(expires_at.timestamp()),
            hmac_signature_secret: Some(self.secret.clone()),
            ..CreateChallengeOptions::default()
        })
        .map_err(Fault::internal)?;
        let text = serde_json::to_string(&signed).map_err(Fault::internal)?;
        let expires_at = DateTime::<Utc>::from_timestamp(expires_at.timestamp(), 0).unwrap_or(expires_at);
        Ok(Challenge { text, expires_at, work: work.hashes() })
    }

    /// Returns the proof if the response solves a challenge that this server made for the subject, in time.
    fn check(&self, subject: Subject, response: &str) -> Option<Proof> {
        let Payload { challenge, solution } = payload(response)?;
        let signed = self.sign(&challenge)?;
        let signature = challenge.signature.as_deref()?;
        verify_slices_are_equal(signed.signature?.as_bytes(), signature.as_bytes()).ok()?;
        // The signature is valid: the parameters are those of this server.
        let parameters = &challenge.parameters;
        let is_bound = |name, id: uuid::Uuid| {
            let bound = parameters.data.as_ref().and_then(|data| data.get(name));
            bound.and_then(Value::as_str) == Some(id.to_string().as_str())
        };
        let in_time = parameters.expires_at.is_some_and(|at| self.clock.now().timestamp() < at);
        if !in_time
            || !is_bound(ACCOUNT, subject.account)
            || !is_bound(EVENT, subject.event)
            || parameters.cost > COST_MAX
        {
            return None;
        }
        let mut timeless = challenge.clone();
        timeless.parameters.expires_at = None;
        let timeless = self.sign(&timeless)?;
        let options = VerifySolutionOptions::new(&timeless, &solution, self.secret.as_str());
        let verified = verify_solution(options).ok()?.verified;
        verified.then_some(Proof(challenge.parameters.nonce))
    }

    fn sign(&self, challenge: &Signed) -> Option<Signed> {
        let mut parameters = challenge.parameters.clone();
        sign_challenge(&HmacAlgorithm::Sha256, &mut parameters, None, &self.secret, None).ok()
    }
}

impl HumanCheck for Altcha {
    fn challenge(&self, subject: Subject, pressure: Pressure) -> BoxFuture<'_, FaultResult<Challenge>> {
        Box::pin(async move { self.make(subject, pressure) })
    }

    fn verify<'a>(&'a self, subject: Subject, response: &'a str) -> BoxFuture<'a, FaultResult<Verdict>> {
        Box::pin(async move { Ok(self.check(subject, response).map_or(Verdict::NotHuman, Verdict::Human)) })
    }
}

/// Reads the widget's response: JSON in base64.
fn payload(response: &str) -> Option<Payload> {
    if response.len() > RESPONSE_MAX {
        return None;
    }
    serde_json::from_slice(&STANDARD.decode(response.trim()).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use altcha::{SolveChallengeOptions, solve_challenge};
    use uuid::Uuid;

    use super::*;

    const SUBJECT: Subject = Subject { account: Uuid::from_u128(1), event: Uuid::from_u128(2) };

    fn check() -> Altcha {
        let keys = SigningKeys::generate().expect("keys");
        Altcha::new(&keys, Clock::manual(DateTime::UNIX_EPOCH))
    }

    /// An easy challenge and its solution.
    fn solved(check: &Altcha) -> Payload {
        let text = check.make(SUBJECT, Pressure::default()).expect("a challenge").text;
        let challenge: Signed = serde_json::from_str(&text).expect("JSON");
        let solution = solve_challenge(SolveChallengeOptions::new(&challenge)).expect("solvable");
        Payload { challenge, solution: solution.expect("in time") }
    }

    fn sent(payload: &Payload) -> String {
        STANDARD.encode(serde_json::to_vec(payload).expect("JSON"))
    }

    #[test]
    fn solution_is_valid_for_its_subject_until_it_expires() {
        let check = check();
        let response = sent(&solved(&check));
        assert!(check.check(SUBJECT, &response).is_some());
        assert_eq!(check.check(Subject { account: Uuid::from_u128(3), ..SUBJECT }, &response), None);
        assert_eq!(check.check(Subject { event: Uuid::from_u128(3), ..SUBJECT }, &response), None);
        check.clock.advance(VALID.saturating_sub(Duration::from_secs(1)));
        assert!(check.check(SUBJECT, &response).is_some());
        check.clock.advance(Duration::from_secs(1));
        assert_eq!(check.check(SUBJECT, &response), None);
    }

    #[test]
    fn instances_with_the_same_keys_agree() {
        let keys = SigningKeys::generate().expect("keys");
        let one = Altcha::new(&keys, Clock::manual(DateTime::UNIX_EPOCH));
        let other = Altcha::new(&keys, Clock::manual(DateTime::UNIX_EPOCH));
        let response = sent(&solved(&one));
        assert!(one.check(SUBJECT, &response).is_some());
        assert_eq!(one.check(SUBJECT, &response), other.check(SUBJECT, &response));
        assert_eq!(check().check(SUBJECT, &response), None, "other keys");
    }

    #[test]
    fn changed_response_is_refused() {
        let check = check();
        let good = solved(&check);
        let changes: [fn(&mut Payload); 8] = [
            |payload| payload.challenge.parameters.cost = 1,
            |payload| payload.challenge.parameters.key_prefix = String::new(),
            |payload| payload.challenge.parameters.expires_at = Some(i64::MAX),
            |payload| payload.challenge.parameters.expires_at = None,
            |payload| payload.challenge.parameters.data = None,
            |payload| payload.challenge.signature = None,
            |payload| payload.challenge.signature = Some(String::new()),
            |payload| payload.solution.counter = payload.solution.counter.wrapping_add(1),
        ];
        for (index, change) in changes.into_iter().enumerate() {
            let mut payload = good.clone();
            change(&mut payload);
            assert_eq!(check.check(SUBJECT, &sent(&payload)), None, "change {index}");
        }
        for garbage in ["", "x", "e30=", &"A".repeat(RESPONSE_MAX + 1), "{}"] {
            assert_eq!(check.check(SUBJECT, garbage), None, "{garbage}");
        }
    }
}
