//! Jobs that could not be done: their answers, and log lines with their requests.

use std::fmt::{self, Display};

use entity::InventoryId;
use sea_orm::DbErr;

use super::job::{Job, TransactionError};
use crate::error::Fault;

/// Maximum number of requests in a log line.
const NAMED_MAX: usize = 20;

/// Reasons why a batch was not committed.
pub(super) enum Failure {
    /// Nothing was written.
    Fault(Fault),
    /// The result of the commit is unknown.
    Unknown(DbErr),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// The requests of some jobs: the ids of the first, and the number of the others.
struct Requests<'a> {
    named: Vec<&'a str>,
    more: usize,
}

impl<'a> Requests<'a> {
    /// Collects the requests. Jobs of the server itself have none.
    fn of(requests: impl Iterator<Item = Option<&'a str>>) -> Self {
        let mut all = Self { named: Vec::new(), more: 0 };
        for request in requests.flatten() {
            if all.named.len() < NAMED_MAX {
                all.named.push(request);
            } else {
                all.more += 1;
            }
        }
        all
    }

    fn of_jobs(jobs: &'a [Job]) -> Self {
        Self::of(jobs.iter().map(|job| job.call.request()))
    }
}

impl Display for Requests<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.named.join(" "))?;
        if self.more > 0 { write!(f, " and {} more", self.more) } else { Ok(()) }
    }
}

/// Answers jobs that ran out of time.
pub(super) fn answer_late(id: InventoryId, jobs: Vec<Job>) {
    let requests = Requests::of_jobs(&jobs);
    tracing::warn!(inventory = %id.0, jobs = jobs.len(), %requests, "a batch reached its deadline; nothing was done");
    for job in jobs {
        let fault = job.call.too_late();
        job.answer(Err(TransactionError::Fault(fault)));
    }
}

/// Answers jobs that lost too often against other instances.
pub(super) fn answer_lost(id: InventoryId, jobs: Vec<Job>) {
    let requests = Requests::of_jobs(&jobs);
    tracing::warn!(inventory = %id.0, jobs = jobs.len(), %requests, "a batch failed: other instances were first at every attempt");
    for job in jobs {
        job.answer(Err(TransactionError::Fault(Fault::unavailable())));
    }
}

/// Logs a batch whose jobs are now decided one by one.
pub(super) fn log_split(id: InventoryId, jobs: &[Job], error: &dyn Display) {
    let requests = Requests::of_jobs(jobs);
    tracing::error!(inventory = %id.0, jobs = jobs.len(), %requests, %error, "cannot write a batch; its jobs are tried one by one");
}

/// Answers jobs that failed.
pub(super) fn answer_failed(id: InventoryId, jobs: Vec<Job>, failure: &Failure) {
    let (count, requests) = (jobs.len(), Requests::of_jobs(&jobs));
    match failure {
        Failure::Unknown(error) => {
            tracing::error!(
                inventory = %id.0, jobs = count, %requests, %error,
                "a batch failed at its commit; the result is unknown"
            );
        }
        Failure::Fault(Fault::Internal(error)) => {
            tracing::error!(inventory = %id.0, jobs = count, %requests, %error, "a batch failed");
        }
        // A missing object is not an internal error.
        Failure::Fault(Fault::NotFound(_)) => {}
        Failure::Fault(fault) => {
            tracing::warn!(inventory = %id.0, jobs = count, %requests, ?fault, "a batch failed");
        }
    }
    for job in jobs {
        let fault_for_caller = match failure {
            Failure::Fault(Fault::NotFound(what)) => Fault::NotFound(*what),
            Failure::Fault(_) | Failure::Unknown(_) => Fault::unavailable(),
        };
        job.answer(Err(TransactionError::Fault(fault_for_caller)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_line_names_twenty_requests_and_counts_the_rest() {
        let text = |requests: &[Option<&str>]| Requests::of(requests.iter().copied()).to_string();
        assert_eq!(text(&[]), "");
        assert_eq!(text(&[Some("a"), None, Some("b")]), "a b");
        let many = text(&[Some("x"); 512]);
        assert_eq!(many.matches('x').count(), 20);
        assert!(many.ends_with("x and 492 more"));
    }
}
