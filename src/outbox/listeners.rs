//! The listeners of this instance, and their notification.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, futures::Notified, watch};
use uuid::Uuid;

/// The listeners of this instance.
#[derive(Debug, Default)]
pub struct Outbox {
    routes: Routes,
    wake: Notify,
}

/// Channels to the listeners, by subject.
#[derive(Clone, Debug, Default)]
struct Routes(Arc<Mutex<HashMap<Uuid, watch::Sender<()>>>>);

/// Receives notifications about one object.
#[derive(Debug)]
pub struct Listener {
    subject: Uuid,
    live: watch::Receiver<()>,
    routes: Routes,
}

impl Outbox {
    /// Listens to facts about the object from now on.
    pub fn listen(&self, subject: Uuid) -> Listener {
        let live = self.routes.open().entry(subject).or_default().subscribe();
        Listener { subject, live, routes: self.routes.clone() }
    }

    /// Returns the number of objects with listeners.
    pub fn listened(&self) -> usize {
        self.routes.open().len()
    }

    /// Waits until [`wake`](Self::wake) is called.
    pub(super) fn woken(&self) -> Notified<'_> {
        self.wake.notified()
    }

    /// Notifies the listeners of these objects.
    pub(super) fn notify(&self, subjects: &[Uuid]) {
        self.routes.notify(subjects);
    }

    /// Makes the tail read at once, after a commit that wrote facts.
    pub fn wake(&self) {
        self.wake.notify_one();
    }
}

impl Routes {
    fn open(&self) -> MutexGuard<'_, HashMap<Uuid, watch::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn notify(&self, subjects: &[Uuid]) {
        let routes = self.open();
        for listeners in subjects.iter().filter_map(|subject| routes.get(subject)) {
            listeners.send_replace(());
        }
    }
}

impl Listener {
    /// Waits until the object may have changed and must be read again. Returns `false` if no more notifications follow.
    pub async fn changed(&mut self) -> bool {
        self.live.changed().await.is_ok()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut routes = self.routes.open();
        // This listener's own receiver still counts. New listeners subscribe under the same lock.
        if routes.get(&self.subject).is_some_and(|listeners| listeners.receiver_count() <= 1) {
            routes.remove(&self.subject);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn fact_wakes_the_listeners_of_its_subject_once() {
        let outbox = Outbox::default();
        let [one, other] = [1, 2].map(Uuid::from_u128);
        let (mut first, mut second, mut third) =
            (outbox.listen(one), outbox.listen(one), outbox.listen(other));
        outbox.notify(&[one, Uuid::from_u128(3), one, one]);
        assert!(first.changed().await && second.changed().await);
        for quiet in [&mut first, &mut third] {
            assert!(
                futures_util::FutureExt::now_or_never(quiet.changed()).is_none(),
                "one notification, for this subject only"
            );
        }
        assert_eq!(outbox.listened(), 2);
        drop(first);
        assert_eq!(outbox.listened(), 2, "another listener of the same subject");
        drop((second, third));
        assert_eq!(outbox.listened(), 0, "no route is left");
    }
}
