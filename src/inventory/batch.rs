//! A batch: the jobs that a desk decides together, and the result of each.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    change::Decision,
    command::{NewClaimCode, Refusal},
    decide_all::decide_all,
    job::{Job, JobError, TransactionError},
    state::{ReservationSnapshot, Stock},
};
use crate::{
    call::PastDeadline,
    idempotency::{Key, Name},
};

/// A job that was decided and applied to the stock, but is not committed yet.
pub(super) struct AcceptedJob {
    pub(super) job: Job,
    pub(super) decisions: Vec<Decision>,
    pub(super) reservations: Vec<ReservationSnapshot>,
}

/// The jobs of a batch after the decision.
#[derive(Default)]
pub(super) struct DecidedBatch {
    /// Time of the decision.
    pub(super) at: DateTime<Utc>,
    /// Jobs to commit.
    pub(super) accepted: Vec<AcceptedJob>,
    /// Jobs that the business refuses.
    refused: Vec<(Job, Refusal)>,
    /// Jobs whose key was used before this batch.
    used: Vec<Job>,
    /// Jobs that could not be written.
    failed: Vec<(Job, JobError)>,
    /// Jobs with the key of an accepted job of this batch. Only one of them may take effect.
    repeated: Vec<Job>,
    /// Jobs to decide again after the commit: their refusal may depend on a job that failed.
    later: Vec<Job>,
}

impl DecidedBatch {
    /// Decides the jobs one after the other, and applies the accepted ones to the stock.
    pub(super) fn all(stock: &mut Stock, jobs: Vec<Job>, now: DateTime<Utc>) -> Self {
        let mut decided = Self { at: now, ..Self::default() };
        let mut keys = HashSet::new();
        for job in jobs {
            let name = job.key.as_ref().map(|(key, _)| key.name());
            if name.as_ref().is_some_and(|name| keys.contains(name)) {
                decided.repeated.push(job);
                continue;
            }
            match decide_all(stock, &job.commands, now) {
                Ok((decisions, reservations)) => {
                    keys.extend(name);
                    decided.accepted.push(AcceptedJob { job, decisions, reservations });
                }
                Err(refusal) => decided.refused.push((job, refusal)),
            }
        }
        decided
    }

    /// Removes the jobs that cannot be committed, and decides the others again without them. If one of these is now
    /// refused, or its companion wrote about a different reservation, the batch is unusable: returns its jobs and
    /// restores the stock.
    pub(super) fn without(
        mut self,
        stock: &mut Stock,
        failures: Vec<(usize, JobError)>,
    ) -> Result<Self, Vec<Job>> {
        self.undo(stock);
        let mut failures: HashMap<usize, JobError> = failures.into_iter().collect();
        let (mut kept, mut sound) = (Vec::new(), true);
        for (index, accepted) in self.accepted.into_iter().enumerate() {
            if let Some(error) = failures.remove(&index) {
                self.failed.push((accepted.job, error));
                continue;
            }
            let again = decide_all(stock, &accepted.job.commands, self.at);
            sound &= again.as_ref().is_ok_and(|(_, reservations)| {
                accepted.job.companion.is_none() || *reservations == accepted.reservations
            });
            let (decisions, reservations) = again.unwrap_or_default();
            kept.push(AcceptedJob { decisions, reservations, ..accepted });
        }
        self.accepted = kept;
        // Their refusal may depend on a removed job.
        self.later.extend(self.refused.drain(..).map(|(job, _)| job));
        if sound {
            return Ok(self);
        }
        self.undo(stock);
        Err(self.jobs())
    }

    /// Returns whether there is nothing to write.
    pub(super) fn is_idle(&self) -> bool {
        self.accepted.iter().all(|accepted| {
            accepted.job.companion.is_none() && accepted.decisions.iter().all(Decision::is_empty)
        })
    }

    /// Returns whether everything to write is known in advance: there are no companions and no codes from a list.
    pub(super) fn is_plain(&self) -> bool {
        self.accepted.iter().all(|accepted| accepted.job.companion.is_none())
            && self
                .decisions()
                .flat_map(|decision| &decision.claims)
                .all(|claim| matches!(claim.code, NewClaimCode::Made(_)))
    }

    /// Returns the keys of the accepted jobs with their subjects.
    pub(super) fn claims(&self) -> Vec<(&Key, Uuid)> {
        let keys = self.accepted.iter().filter_map(|accepted| accepted.job.key.as_ref());
        keys.map(|(key, subject)| (key, *subject)).collect()
    }

    /// Announces the commit to the calls of the accepted jobs. If one of them was abandoned, fails and announces
    /// nothing.
    pub(super) fn begin_commit(&self) -> Result<(), PastDeadline> {
        for (index, accepted) in self.accepted.iter().enumerate() {
            if let Err(past) = accepted.job.call.begin_commit() {
                self.accepted[..index].iter().for_each(|accepted| accepted.job.call.withdraw_commit());
                return Err(past);
            }
        }
        Ok(())
    }

    /// Notes on the calls that the announced commit certainly did not happen.
    pub(super) fn withdraw_commit(&self) {
        self.accepted.iter().for_each(|accepted| accepted.job.call.withdraw_commit());
    }

    /// Returns whether several jobs would commit together.
    pub(super) fn is_shared(&self) -> bool {
        self.accepted.len() > 1
    }

    /// Returns all decisions, in order.
    pub(super) fn decisions(&self) -> impl Iterator<Item = &Decision> + Clone {
        self.accepted.iter().flat_map(|accepted| &accepted.decisions)
    }

    /// Reverts the applied decisions on the stock.
    pub(super) fn undo(&self, stock: &mut Stock) {
        for decision in self.accepted.iter().rev().flat_map(|accepted| accepted.decisions.iter().rev()) {
            stock.undo(decision);
        }
    }

    /// Returns the keys of refused jobs. A repeated call conflicts with what the first call took, but must get the
    /// first result.
    pub(super) fn refused_keys(&self) -> Vec<&Key> {
        self.refused.iter().filter_map(|(job, _)| job.key.as_ref()).map(|(key, _)| key).collect()
    }

    /// Moves refused jobs whose key was used before to the jobs with a used key.
    pub(super) fn mark_used(&mut self, used: &HashSet<Name>) {
        let is_used = |job: &Job| job.key.as_ref().is_some_and(|(key, _)| used.contains(&key.name()));
        let (repeated, refused) = self.refused.drain(..).partition(|(job, _)| is_used(job));
        self.refused = refused;
        self.used.extend(Vec::into_iter(repeated).map(|(job, _)| job));
    }

    /// Returns all jobs, to be decided again.
    pub(super) fn jobs(self) -> Vec<Job> {
        let accepted = self.accepted.into_iter().map(|accepted| accepted.job);
        let refused = self.refused.into_iter().map(|(job, _)| job);
        let failed = self.failed.into_iter().map(|(job, _)| job);
        accepted
            .chain(refused)
            .chain(failed)
            .chain(self.used)
            .chain(self.repeated)
            .chain(self.later)
            .collect()
    }

    /// Answers the jobs after the commit. Returns those that must be decided again.
    pub(super) fn answer(mut self) -> Vec<Job> {
        let mut claimed = HashSet::new();
        for AcceptedJob { job, reservations, .. } in self.accepted {
            claimed.extend(job.key.as_ref().map(|(key, _)| key.name()));
            job.answer(Ok(reservations));
        }
        for job in self.repeated {
            if job.key.as_ref().is_some_and(|(key, _)| claimed.contains(&key.name())) {
                job.answer(Err(TransactionError::KeyUsed));
            } else {
                self.later.push(job);
            }
        }
        for (job, refusal) in self.refused {
            job.answer(Err(TransactionError::Refused(refusal)));
        }
        for job in self.used {
            job.answer(Err(TransactionError::KeyUsed));
        }
        for (job, error) in self.failed {
            job.answer(Err(error));
        }
        self.later
    }
}
