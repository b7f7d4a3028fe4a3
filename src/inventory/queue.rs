//! The desk's queue: bounded, with priority for buyers who already have places.

use tokio::sync::mpsc::{self, error::TryRecvError, error::TrySendError};

use super::{command::Command, job::Job};

/// Maximum number of queued jobs of each kind. Further callers are refused as overloaded.
const WAITING: usize = 4_096;
/// Maximum number of jobs in one transaction.
const BATCH: usize = 512;
/// Maximum number of jobs with companions in one transaction. Each needs a savepoint, and PostgreSQL caches 64 of them.
const COMPANIONS: usize = 48;

/// The sending end of a desk's queue.
pub(super) struct JobSender {
    urgent: mpsc::Sender<Job>,
    ordinary: mpsc::Sender<Job>,
}

/// The receiving end of a desk's queue.
pub(super) struct JobReceiver {
    urgent: mpsc::Receiver<Job>,
    ordinary: mpsc::Receiver<Job>,
}

/// Reasons why a job was not queued.
pub(super) enum SendError {
    /// The queue is full.
    Full,
    /// The desk has ended.
    Closed,
}

/// Creates a queue.
pub(super) fn queue() -> (JobSender, JobReceiver) {
    let (urgent, urgent_receiver) = mpsc::channel(WAITING);
    let (ordinary, ordinary_receiver) = mpsc::channel(WAITING);
    (JobSender { urgent, ordinary }, JobReceiver { urgent: urgent_receiver, ordinary: ordinary_receiver })
}

/// Returns whether the job only takes new places. Other jobs concern places that a buyer already has, and are urgent.
fn takes_new_places(job: &Job) -> bool {
    job.commands.iter().all(|command| matches!(command, Command::Reserve { .. } | Command::Claim(_)))
}

impl JobSender {
    /// Queues a job if there is room. Never waits.
    pub(super) fn send(&self, job: Job) -> Result<(), SendError> {
        let queue = if takes_new_places(&job) { &self.ordinary } else { &self.urgent };
        queue.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => SendError::Full,
            TrySendError::Closed(_) => SendError::Closed,
        })
    }

    /// Returns the number of queued jobs.
    pub(super) fn len(&self) -> usize {
        [&self.urgent, &self.ordinary].iter().map(|queue| queue.max_capacity() - queue.capacity()).sum()
    }

    /// Returns whether no job is queued.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl JobReceiver {
    /// Waits for a job, and takes as many others as are queued and fit into one transaction.
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

    /// Takes the queued jobs without waiting.
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
