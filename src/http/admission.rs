//! Limits the operations that run at the same time, by their number and by the sum of their estimated costs.
//!
//! An operation that does not fit is refused before any work, with a time to retry. An unbounded queue would only delay
//! all responses. With one second of work admitted per core, the last admitted operation is answered after about a
//! second.
//!
//! Each class may use a share of the capacity. So anonymous queries are refused first, then other queries, then
//! reservations, and last the operations of buyers who pay for the places that they have. These may also wait for a
//! moment.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_graphql::parser::types::OperationType;
use tokio::{
    sync::{Notify, Semaphore},
    time::timeout,
};

use super::guard::Cost;
use crate::auth::Viewer;

/// Urgent operations that may wait at the same time.
const WAITING_MAX: usize = 64;
/// The longest wait of an urgent operation.
const WAIT: Duration = Duration::from_millis(500);
/// Bytes of every operation: its document, its task and its loaders.
const OPERATION_BYTES: u64 = 16 * 1024;
/// Memory of a response as a tree, as a multiple of its serialised bytes.
const TREE: u64 = 3;
/// The capacity in parts, by which shares are counted.
const PARTS: u64 = 16;

/// The priority of an operation, lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// A query of a caller without a registered account.
    AnonymousBrowse,
    /// A query of a registered user.
    Browse,
    /// A mutation, for example one that reserves places.
    Reserve,
    /// A mutation that pays for, keeps or releases reserved places.
    Urgent,
}

impl Class {
    /// Returns the class of an operation.
    pub(super) fn of(kind: OperationType, is_urgent: bool, viewer: &Viewer) -> Self {
        match kind {
            OperationType::Mutation if is_urgent => Self::Urgent,
            OperationType::Mutation => Self::Reserve,
            // Guest accounts do not count: any client can create them.
            OperationType::Query | OperationType::Subscription if viewer.user().is_ok() => Self::Browse,
            OperationType::Query | OperationType::Subscription => Self::AnonymousBrowse,
        }
    }

    /// Returns the parts that may be in use, including this operation.
    fn parts(self) -> u64 {
        match self {
            Self::AnonymousBrowse => 10,
            Self::Browse => 12,
            Self::Reserve => 14,
            Self::Urgent => PARTS,
        }
    }
}

/// A number of operations and their estimated costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    /// The number of operations.
    pub(super) operations: u64,
    /// Microseconds of one core.
    pub(super) work: u64,
    /// Bytes of memory.
    pub(super) bytes: u64,
}

impl Load {
    /// Returns the load of one operation.
    pub(super) fn one(cost: Cost) -> Self {
        let bytes = cost.bytes.saturating_mul(TREE).saturating_add(OPERATION_BYTES);
        Self { operations: 1, work: cost.work, bytes }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            operations: self.operations.saturating_add(other.operations),
            work: self.work.saturating_add(other.work),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            operations: self.operations.saturating_sub(other.operations),
            work: self.work.saturating_sub(other.work),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }

    fn is_within(self, whole: Self, parts: u64) -> bool {
        let share = |whole: u64| whole.saturating_mul(parts) / PARTS;
        self.operations <= share(whole.operations)
            && self.work <= share(whole.work)
            && self.bytes <= share(whole.bytes)
    }
}

/// Returns whether an operation fits beside those that run. An operation that is larger than its share may run alone.
fn fits(running: Load, one: Load, whole: Load, class: Class) -> bool {
    running.operations == 0 || running.plus(one).is_within(whole, class.parts())
}

/// The capacity for operations. Clones share it.
#[derive(Clone)]
pub(super) struct Admission(Arc<Inner>);

struct Inner {
    whole: Load,
    running: Mutex<Load>,
    freed: Notify,
    waiting: Semaphore,
}

impl Admission {
    /// Returns a capacity of `whole`.
    pub(super) fn new(whole: Load) -> Self {
        Self(Arc::new(Inner {
            whole,
            running: Mutex::default(),
            freed: Notify::new(),
            waiting: Semaphore::new(WAITING_MAX),
        }))
    }

    /// Reserves capacity for one operation until the permit is dropped. Only an urgent operation waits, at most
    /// [`WAIT`].
    pub(super) async fn admit(&self, class: Class, one: Load) -> Option<Permit> {
        if let Some(permit) = self.at_once(class, one) {
            return Some(permit);
        }
        if class != Class::Urgent {
            return None;
        }
        let _place = self.0.waiting.try_acquire().ok()?;
        let room = async {
            loop {
                // Race: `notified` remembers capacity that was freed since the last check.
                self.0.freed.notified().await;
                if let Some(permit) = self.at_once(class, one) {
                    return permit;
                }
            }
        };
        timeout(WAIT, room).await.ok()
    }

    fn at_once(&self, class: Class, one: Load) -> Option<Permit> {
        let mut running = self.0.running();
        if !fits(*running, one, self.0.whole, class) {
            return None;
        }
        *running = running.plus(one);
        Some(Permit { room: self.0.clone(), one })
    }
}

impl Inner {
    fn running(&self) -> MutexGuard<'_, Load> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The capacity that one operation uses.
pub(super) struct Permit {
    room: Arc<Inner>,
    one: Load,
}

impl Drop for Permit {
    fn drop(&mut self) {
        {
            let mut running = self.room.running();
            *running = running.minus(self.one);
        }
        self.room.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::{Class::*, *};

    const SMALL: Load = Load { operations: 1, work: 1, bytes: 1 };

    fn all_of(admission: &Admission, class: Class, one: Load) -> Vec<Permit> {
        std::iter::from_fn(|| admission.at_once(class, one)).collect()
    }

    #[test]
    fn lower_classes_leave_capacity_for_higher_ones() {
        let admission = Admission::new(Load { operations: 16, work: 1_000, bytes: 1_000 });
        let anonymous = all_of(&admission, AnonymousBrowse, SMALL);
        let counts = [Browse, Reserve, Urgent].map(|class| {
            let permits = all_of(&admission, class, SMALL);
            let count = permits.len();
            std::mem::forget(permits);
            count
        });
        assert_eq!((anonymous.len(), counts), (10, [2, 2, 2]));
        drop(anonymous);
        assert!(admission.at_once(AnonymousBrowse, SMALL).is_some(), "room is given back");
    }

    #[test]
    fn expensive_operations_use_the_capacity_of_many() {
        let whole = Load { operations: 1_000, work: 1_600, bytes: 16_000 };
        let admission = Admission::new(whole);
        let heavy = Load { operations: 1, work: 400, bytes: 1 };
        let permits = all_of(&admission, AnonymousBrowse, heavy);
        assert_eq!(permits.len(), 2);
        assert_eq!(all_of(&admission, AnonymousBrowse, SMALL).len(), 200);
        drop(permits);
        let large = Load { operations: 1, work: 1, bytes: 8_000 };
        assert_eq!(all_of(&admission, AnonymousBrowse, large).len(), 1);
    }

    #[test]
    fn operation_larger_than_its_share_runs_alone() {
        let admission = Admission::new(Load { operations: 16, work: 10, bytes: 10 });
        let huge = Load { operations: 1, work: 1_000, bytes: 1_000 };
        let alone = admission.at_once(AnonymousBrowse, huge).expect("it runs alone");
        assert!(admission.at_once(Urgent, SMALL).is_none());
        drop(alone);
        assert!(admission.at_once(Urgent, SMALL).is_some());
    }

    #[tokio::test]
    async fn only_urgent_operations_wait() {
        let admission = Admission::new(Load { operations: 1, work: 10, bytes: 10 });
        let first = admission.at_once(Urgent, SMALL).expect("room");
        assert!(matches!(admission.admit(Reserve, SMALL).now_or_never(), Some(None)), "refused at once");
        assert!(matches!(admission.admit(AnonymousBrowse, SMALL).now_or_never(), Some(None)));
        let free = async {
            tokio::task::yield_now().await;
            drop(first);
        };
        let (second, ()) = tokio::join!(admission.admit(Urgent, SMALL), free);
        assert!(second.is_some(), "the payment got the room");
        drop(second);
        let _third = admission.at_once(Urgent, SMALL).expect("room");
        assert!(admission.admit(Urgent, SMALL).await.is_none(), "it does not wait for ever");
    }

    #[test]
    fn classes_follow_from_the_operation_and_the_caller() {
        let anonymous = Viewer::ANONYMOUS;
        assert_eq!(Class::of(OperationType::Query, false, &anonymous), AnonymousBrowse);
        assert_eq!(Class::of(OperationType::Mutation, false, &anonymous), Reserve);
        assert_eq!(Class::of(OperationType::Mutation, true, &anonymous), Urgent);
        assert!(AnonymousBrowse < Browse && Browse < Reserve && Reserve < Urgent);
    }
}
