//! Human checks: what a client must solve before places are reserved for it, where an event asks for that.
//!
//! [`HumanCheck`] is the one trait. [`altcha`] implements it by a proof of work; verifiers that ask another server, such as
//! Turnstile or hCaptcha, can implement it too: both calls are asynchronous, and are never made inside a database
//! transaction or while a desk waits.
//!
//! A proof is good for one reservation. It is bound to an account and an event, so that it is of no use to others. Each
//! instance remembers the used ones until they are too old. On another instance the same account could use a proof once
//! more: it gains one reservation within its own limit per buyer, which is not worth a row in the database.

pub mod altcha;
mod work;

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use moka::sync::Cache;
use uuid::Uuid;

use crate::error::Faulty;

/// How long a challenge can be solved and its solution used.
pub const VALID: Duration = Duration::from_mins(5);
/// Used proofs remembered at a time. Each cost its work, so that pushing others out is dear.
const USED_MAX: u64 = 200_000;

/// A human check.
pub trait HumanCheck: Send + Sync {
    /// Makes a challenge, the harder the higher the pressure.
    fn challenge(&self, subject: Subject, pressure: Pressure) -> BoxFuture<'_, Faulty<Challenge>>;

    /// Verifies a client's response to a challenge for the same subject.
    fn verify<'a>(&'a self, subject: Subject, response: &'a str) -> BoxFuture<'a, Faulty<Verdict>>;
}

/// What a challenge is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The account that solves it.
    pub account: Uuid,
    /// The event whose places it reserves.
    pub event: Uuid,
}

/// How much a check should ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pressure {
    /// Of the event's unsold places, how many percent are reserved and unpaid.
    pub unpaid_percent: u32,
    /// Places that the caller's network reserved lately and did not buy.
    pub wasted: u32,
}

/// A challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// What the client's widget gets.
    pub text: String,
    /// When it is too late to use a solution.
    pub expires_at: DateTime<Utc>,
    /// How many hashes a solution takes on average; 0 if it is not found by hashing.
    pub work: u64,
}

/// What a response proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The response is good.
    Human(Proof),
    /// It is wrong, too old, or of another subject.
    NotHuman,
}

/// Identifies a good response: all responses to one challenge are the same proof.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Proof(pub String);

/// The proofs that were used on this instance, each with the idempotency key of its reservation.
pub(crate) struct Proofs(Cache<Proof, String>);

impl Default for Proofs {
    fn default() -> Self {
        // A proof is as old as its challenge, so it is remembered for longer than it can be good.
        Self(Cache::builder().max_capacity(USED_MAX).time_to_live(VALID * 2).build())
    }
}

impl Proofs {
    /// Uses a proof under an idempotency key; returns `false` if it was used under another. With the same key it may come
    /// again: the call that repeats has no second effect.
    ///
    /// Race: of several calls with one proof, the first to get here has it.
    pub(crate) fn begin(&self, proof: &Proof, key: &str) -> bool {
        self.0.get_with_by_ref(proof, || key.to_owned()) == key
    }

    /// The proof reserved nothing, so it may be used again.
    pub(crate) fn give_back(&self, proof: &Proof) {
        self.0.invalidate(proof);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_used_under_one_key() {
        let (proofs, proof) = (Proofs::default(), Proof("a".to_owned()));
        assert!(proofs.begin(&proof, "key-1"));
        assert!(proofs.begin(&proof, "key-1"), "a repeated call");
        assert!(!proofs.begin(&proof, "key-2"));
        assert!(proofs.begin(&Proof("b".to_owned()), "key-2"));
        proofs.give_back(&proof);
        assert!(proofs.begin(&proof, "key-2"));
    }
}
