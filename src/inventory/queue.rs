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
pub(super) struct JobSender {
    urgent: mpsc::Sender<Job>,
    ordinary: mpsc::Sender<Job>,
}

/// The end from which the desk takes them.
pub(super) struct JobReceiver {
    urgent: mpsc::Receiver<Job>,
    ordinary: mpsc::Receiver<Job>,
}

/// Why a job was not taken.
pub(super) enum SendError {
    /// As many wait as may.
    Full,
    /// The desk is gone.
    Closed,
}

/// Makes the two ends.
pub(super) fn queue() -> (JobSender, JobReceiver) {
    let (urgent, urgent_receiver) = mpsc::channel(WAITING);
    let (ordinary, ordinary_receiver) = mpsc::channel(WAITING);
    (JobSender { urgent, ordinary }, JobReceiver { urgent: urgent_receiver, ordinary: ordinary_receiver })
}

/// Who takes new places is the crowd; everybody else has some already, or gives some back.
fn takes_new_places(job: &Job) -> bool {
    job.commands.iter().all(|command| matches!(command, Command::Reserve { .. } | Command::Claim(_)))
}

impl JobSender {
    /// Puts a job in, if there is room; never waits for it.
    pub(super) fn send(&self, job: Job) -> Result<(), SendError> {
        let queue = if takes_new_places(&job) { &self.ordinary } else { &self.urgent };
        queue.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => SendError::Full,
            TrySendError::Closed(_) => SendError::Closed,
        })
    }

    /// How many jobs wait.
    pub(super) fn len(&self) -> usize {
        [&self.urgent, &self.ordinary].iter().map(|queue| queue.max_capacity() - queue.capacity()).sum()
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl JobReceiver {
    /// Waits for a job, and takes as many more as are there and one transaction can commit.
    pub(super) async fn batch(&mut self) -> Vec<Job> {
        let job = tokio::select! {
            biased;
            job = self.urgent.recv() => job,
            job = self.ordinary.recv() => job,
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
        self.urgent.try_recv().or_else(|_| self.ordinary.try_recv())
    }
}
