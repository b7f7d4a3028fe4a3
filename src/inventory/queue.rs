//! What waits at a desk: bounded, and whoever is already paying comes first.

use tokio::sync::mpsc::{self, error::TryRecvError, error::TrySendError};

use super::{batch::Job, command::Command};

/// Jobs of each kind that may wait before callers are told to come back.
const WAITING: usize = 4_096;
/// Jobs that one transaction commits at the most.
const BATCH: usize = 512;
/// Jobs with companions in one transaction at the most: each is a savepoint, and `PostgreSQL` keeps 64 of them at hand.
const COMPANIONS: usize = 48;

/// The end at which jobs are put in.
pub(super) struct Asking {
    first: mpsc::Sender<Job>,
    crowd: mpsc::Sender<Job>,
}

/// The end from which the desk takes them.
pub(super) struct Waiting {
    first: mpsc::Receiver<Job>,
    crowd: mpsc::Receiver<Job>,
}

/// Why a job was not taken.
pub(super) enum NoRoom {
    /// As many wait as may.
    Full,
    /// The desk is gone.
    Closed,
}

/// Makes the two ends.
pub(super) fn queue() -> (Asking, Waiting) {
    let (first, urgent) = mpsc::channel(WAITING);
    let (crowd, others) = mpsc::channel(WAITING);
    (Asking { first, crowd }, Waiting { first: urgent, crowd: others })
}

/// Who takes new places is the crowd; everybody else has some already, or gives some back.
fn is_of_the_crowd(job: &Job) -> bool {
    job.commands.iter().all(|command| matches!(command, Command::Reserve { .. } | Command::Claim(_)))
}

impl Asking {
    /// Puts a job in, if there is room; never waits for it.
    pub(super) fn put(&self, job: Job) -> Result<(), NoRoom> {
        let queue = if is_of_the_crowd(&job) { &self.crowd } else { &self.first };
        queue.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => NoRoom::Full,
            TrySendError::Closed(_) => NoRoom::Closed,
        })
    }

    /// How many jobs wait.
    pub(super) fn len(&self) -> usize {
        [&self.first, &self.crowd].iter().map(|queue| queue.max_capacity() - queue.capacity()).sum()
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Waiting {
    /// Waits for a job, and takes as many more as are there and one transaction can commit.
    pub(super) async fn batch(&mut self) -> Vec<Job> {
        let job = tokio::select! {
            biased;
            job = self.first.recv() => job,
            job = self.crowd.recv() => job,
        };
        let mut batch: Vec<Job> = job.into_iter().collect();
        self.fill(&mut batch);
        batch
    }

    /// Takes what is there.
    pub(super) fn rest(&mut self) -> Vec<Job> {
        let mut batch = Vec::new();
        self.fill(&mut batch);
        batch
    }

    fn fill(&mut self, batch: &mut Vec<Job>) {
        let mut companions = batch.iter().filter(|job| job.companion.is_some()).count();
        while batch.len() < BATCH
            && companions < COMPANIONS
            && let Ok(job) = self.next()
        {
            companions += usize::from(job.companion.is_some());
            batch.push(job);
        }
    }

    fn next(&mut self) -> Result<Job, TryRecvError> {
        self.first.try_recv().or_else(|_| self.crowd.try_recv())
    }
}
