//! Inventory transactions and jobs: what callers ask of desks, and what they are answered.

use std::any::Any;

use entity::InventoryId;
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{
    command::{Command, Refusal},
    state::ReservationSnapshot,
};
use crate::{
    call::Call,
    error::{self, Fault, Never},
    idempotency::{AttemptError, Key},
    store::Tx,
};

/// Writes that commit together with the commands, unless they refuse. May run several times, each time in a new database
/// transaction.
pub(crate) type Companion<R = Never> = Box<
    dyn for<'a> Fn(&'a Tx, &'a [ReservationSnapshot]) -> BoxFuture<'a, error::Result<(), R>> + Send + Sync,
>;

/// A companion's refusal in a queue of jobs with companions of several slices.
pub(super) type AnyRefusal = Box<dyn Any + Send + Sync>;
/// The companion of a job.
pub(super) type JobCompanion = Companion<AnyRefusal>;
/// The error of a job.
pub(super) type JobError = TransactionError<AnyRefusal>;

/// An idempotency key, and the id of the object that it stands for.
pub(crate) type IdempotencyClaim = (Key, Uuid);

/// Commands that commit all or nothing.
pub(crate) struct InventoryTransaction<R = Never> {
    /// The commands by inventory. Those of one inventory are decided in order.
    pub(crate) parts: Vec<(InventoryId, Vec<Command>)>,
    /// Writes in the same database transaction.
    pub(crate) companion: Option<Companion<R>>,
    /// An idempotency key to claim in the same database transaction.
    pub(crate) key: Option<IdempotencyClaim>,
}

/// Reasons why a transaction did not commit.
pub(crate) enum TransactionError<R = Never> {
    /// A desk refuses a command.
    Refused(Refusal),
    /// The companion refuses.
    Companion(R),
    /// The idempotency key is already used: the caller reads its result.
    KeyUsed,
    /// A technical error.
    Fault(Fault),
}

impl TransactionError {
    /// Returns the error of an attempt under the transaction's key. A desk looks up the keys of the commands that it
    /// refuses, but only if the transaction is on one inventory.
    pub(crate) fn of_one_desk<R>(self, refused: impl FnOnce(Refusal) -> R) -> AttemptError<R> {
        match self {
            Self::Refused(refusal) => AttemptError::RefusedUnused(refused(refusal)),
            Self::KeyUsed => AttemptError::KeyUsed,
            Self::Fault(fault) => AttemptError::Failed(fault.into()),
        }
    }
}

impl InventoryTransaction {
    /// Creates a transaction without a companion.
    pub(crate) fn new(parts: Vec<(InventoryId, Vec<Command>)>, key: Option<IdempotencyClaim>) -> Self {
        Self { parts, companion: None, key }
    }
}

/// A unit of work for a desk.
pub(super) struct Job {
    pub(super) commands: Vec<Command>,
    pub(super) companion: Option<JobCompanion>,
    pub(super) key: Option<IdempotencyClaim>,
    /// The calling request and its deadline.
    pub(super) call: Call,
    pub(super) reply: oneshot::Sender<Result<Vec<ReservationSnapshot>, JobError>>,
}

impl Job {
    /// Answers the caller. If the caller is gone, the committed result stays.
    pub(super) fn answer(self, answer: Result<Vec<ReservationSnapshot>, JobError>) {
        let _ = self.reply.send(answer);
    }
}
