//! Human checks: challenges that a client solves before it reserves places, if the event requires this.
//!
//! [`altcha`] implements the trait [`HumanCheck`] by a proof of work. Checks that call another server, such as
//! Turnstile or hCaptcha, can implement it too: both methods are asynchronous, and are never called in a database
//! transaction or while a desk waits.
//!
//! A proof is valid for one reservation, one account and one event. Each instance remembers used proofs until they
//! expire. On another instance the account could use a proof once more. It would gain one reservation within its limit
//! per buyer, which does not justify a row in the database.

pub mod altcha;
mod work;

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use moka::sync::Cache;
use uuid::Uuid;

use crate::error::FaultResult;

/// How long a challenge and its solution are valid.
pub const VALID: Duration = Duration::from_mins(5);
/// Used proofs that are remembered. Displacing them is expensive, because each proof needs work.
const USED_MAX: u64 = 200_000;

/// A human check.
pub trait HumanCheck: Send + Sync {
    /// Makes a challenge. Its difficulty rises with the pressure.
    fn challenge(&self, subject: Subject, pressure: Pressure) -> BoxFuture<'_, FaultResult<Challenge>>;

    /// Verifies a client's response to a challenge for the same subject.
    fn verify<'a>(&'a self, subject: Subject, response: &'a str) -> BoxFuture<'a, FaultResult<Verdict>>;
}

/// The account and event of a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The account that solves it.
    pub account: Uuid,
    /// The event of the places.
    pub event: Uuid,
}

/// The inputs of a challenge's difficulty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pressure {
    /// The percentage of the event's unsold places that are reserved and unpaid.
    pub unpaid_percent: u32,
    /// Places that the caller's network recently reserved and did not buy.
    pub wasted: u32,
}

/// A challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The text for the client's widget.
    pub text: String,
    /// When the challenge and its solution expire.
    pub expires_at: DateTime<Utc>,
    /// The average number of hashes for a solution. 0 for challenges without hashing.
    pub work: u64,
}

/// The result of verifying a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The response is correct.
    Human(Proof),
    /// The response is wrong, expired, or of another subject.
    NotHuman,
}

/// Identifies a correct response. All responses to one challenge are the same proof.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Proof(pub String);

/// The proofs used on this instance, with the idempotency keys of their reservations.
pub(crate) struct Proofs(Cache<Proof, String>);

impl Default for Proofs {
    fn default() -> Self {
        // A proof is at least as old as its challenge, so it is remembered longer than it can be valid.
        Self(Cache::builder().max_capacity(USED_MAX).time_to_live(VALID * 2).build())
    }
}

impl Proofs {
    /// Uses a proof for an idempotency key. Returns `false` if it was used for another key. The same key may use it
    /// again, because a repeated call has no second effect.
    ///
    /// Race: of several calls with one proof, the first one gets it.
    pub(crate) fn begin(&self, proof: &Proof, key: &str) -> bool {
        self.0.get_with_by_ref(proof, || key.to_owned()) == key
    }

    /// Makes a proof usable again, because its call reserved nothing.
    pub(crate) fn give_back(&self, proof: &Proof) {
        self.0.invalidate(proof);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proof_is_used_for_one_key() {
        let (proofs, proof) = (Proofs::default(), Proof("a".to_owned()));
        assert!(proofs.begin(&proof, "key-1"));
        assert!(proofs.begin(&proof, "key-1"), "a repeated call");
        assert!(!proofs.begin(&proof, "key-2"));
        assert!(proofs.begin(&Proof("b".to_owned()), "key-2"));
        proofs.give_back(&proof);
        assert!(proofs.begin(&proof, "key-2"));
    }
}
