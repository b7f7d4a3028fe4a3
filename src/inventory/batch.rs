//! A batch: the jobs that a desk decides together, and what becomes of each.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use tokio::sync::oneshot;

use super::{
    change::Decision,
    deal::{Claim, Companion, NoDeal, decide_all},
    decide::{Command, Refusal},
    state::{Held, Stock},
};
use crate::error::Fault;

/// What somebody asked of a desk.
pub(super) struct Job {
    pub(super) commands: Vec<Command>,
    pub(super) companion: Option<Companion>,
    pub(super) key: Option<Claim>,
    pub(super) reply: oneshot::Sender<Result<Vec<Held>, NoDeal>>,
}

/// A job that was decided and applied to the stock, but is not committed yet.
pub(super) struct Good {
    pub(super) job: Job,
    pub(super) decisions: Vec<Decision>,
    pub(super) held: Vec<Held>,
}

/// The jobs of a batch after they were decided.
pub(super) struct Decided {
    /// To be committed.
    pub(super) good: Vec<Good>,
    /// The business says no.
    refused: Vec<(Job, Refusal)>,
    /// Under the key of another job of this batch: only one of them may have its effect.
    repeated: Vec<Job>,
}

impl Decided {
    /// Decides the jobs one upon the other, and applies what is good to the stock.
    pub(super) fn all(stock: &mut Stock, jobs: Vec<Job>, now: DateTime<Utc>) -> Self {
        let mut decided = Self { good: Vec::new(), refused: Vec::new(), repeated: Vec::new() };
        let mut keys = HashSet::new();
        for job in jobs {
            if job.key.as_ref().is_some_and(|(key, _)| !keys.insert(key.name())) {
                decided.repeated.push(job);
                continue;
            }
            match decide_all(stock, &job.commands, now) {
                Ok((decisions, held)) => decided.good.push(Good { job, decisions, held }),
                Err(refusal) => decided.refused.push((job, refusal)),
            }
        }
        decided
    }

    /// Whether there is nothing to write.
    pub(super) fn is_idle(&self) -> bool {
        self.good
            .iter()
            .all(|good| good.job.companion.is_none() && good.decisions.iter().all(Decision::is_empty))
    }

    /// All decisions, in order.
    pub(super) fn decisions(&self) -> Vec<Decision> {
        self.good.iter().flat_map(|good| good.decisions.clone()).collect()
    }

    /// Takes back from the stock what was applied.
    pub(super) fn undo(&self, stock: &mut Stock) {
        for decision in self.good.iter().rev().flat_map(|good| good.decisions.iter().rev()) {
            stock.undo(decision);
        }
    }

    /// The jobs, to be decided again.
    pub(super) fn jobs(self) -> Vec<Job> {
        let good = self.good.into_iter().map(|good| good.job);
        good.chain(self.refused.into_iter().map(|(job, _)| job)).chain(self.repeated).collect()
    }

    /// Answers, after the commit. Gives back what is still to be decided: repetitions of what was refused.
    pub(super) fn answer(self) -> Vec<Job> {
        let mut claimed = HashSet::new();
        for Good { job, held, .. } in self.good {
            claimed.extend(job.key.as_ref().map(|(key, _)| key.name()));
            job.answer(Ok(held));
        }
        for (job, refusal) in self.refused {
            job.answer(Err(NoDeal::Refused(refusal)));
        }
        let mut left = Vec::new();
        for job in self.repeated {
            if job.key.as_ref().is_some_and(|(key, _)| claimed.contains(&key.name())) {
                job.answer(Err(NoDeal::KeyUsed));
            } else {
                left.push(job);
            }
        }
        left
    }
}

impl Job {
    /// Answers whoever asked. They may be gone; the fact stays.
    pub(super) fn answer(self, answer: Result<Vec<Held>, NoDeal>) {
        let _ = self.reply.send(answer);
    }
}

/// Tells everybody that it could not be done now.
pub(super) fn give_up(jobs: Vec<Job>, fault: &Fault) {
    for job in jobs {
        let told = match fault {
            Fault::NotFound(what) => Fault::NotFound(what),
            Fault::Invalid(_)
            | Fault::Stale(_)
            | Fault::IdempotencyMismatch
            | Fault::Unauthenticated
            | Fault::Forbidden(_)
            | Fault::Overloaded { .. }
            | Fault::Unavailable
            | Fault::Internal(_) => Fault::Unavailable,
        };
        job.answer(Err(NoDeal::Fault(told)));
    }
}
