//! A fair queue for a few slots. Keys take turns, so a key with many waiting callers delays each other key by one turn.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

/// The queue is full, or a key with fewer waiting callers displaced this caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Crowded;

/// Slots, and the callers that wait for one. Dropping a permit gives its slot to the next key.
pub(super) struct FairQueue<K: Key>(Arc<Mutex<State<K>>>);

/// A key of callers.
pub(super) trait Key: Copy + Eq + Hash + Send + 'static {}

impl<K: Copy + Eq + Hash + Send + 'static> Key for K {}

struct State<K: Key> {
    /// Free slots. Zero while callers wait.
    free: usize,
    /// The number of further callers that may wait.
    room: usize,
    /// The number of callers per key that may wait.
    each: usize,
    lines: HashMap<K, VecDeque<oneshot::Sender<Permit<K>>>>,
    /// The keys with waiting callers, in the order of their turns.
    turns: VecDeque<K>,
}

/// A slot.
pub(super) struct Permit<K: Key>(Arc<Mutex<State<K>>>);

impl<K: Key> FairQueue<K> {
    /// Returns a queue for `slots` and at most `waiting` waiting callers. At most `each` callers with the same key wait.
    pub(super) fn new(slots: usize, waiting: usize, each: usize) -> Self {
        let (lines, turns) = (HashMap::new(), VecDeque::new());
        Self(Arc::new(Mutex::new(State { free: slots, room: waiting, each, lines, turns })))
    }

    /// Waits for a slot.
    pub(super) async fn acquire(&self, key: K) -> Result<Permit<K>, Crowded> {
        let turn = {
            let mut state = locked(&self.0);
            if state.free > 0 {
                state.free -= 1;
                return Ok(Permit(self.0.clone()));
            }
            state.join(key)?
        };
        turn.await.map_err(|_| Crowded)
    }

    /// Returns the number of further callers that get a slot or may wait.
    #[cfg(test)]
    pub(super) fn room(&self) -> usize {
        let state = locked(&self.0);
        state.free + state.room
    }
}

impl<K: Key> State<K> {
    /// Queues a caller. If the queue is full, the caller displaces the last caller of the longest line, if its own line
    /// is shorter by at least two.
    fn join(&mut self, key: K) -> Result<oneshot::Receiver<Permit<K>>, Crowded> {
        self.forget_gone(key);
        let own = self.lines.get(&key).map_or(0, VecDeque::len);
        if own >= self.each {
            return Err(Crowded);
        }
        if self.room == 0 {
            let longest =
                self.lines.iter().max_by_key(|(_, line)| line.len()).map(|(key, line)| (*key, line.len()));
            match longest {
                Some((longest, length)) if length > own + 1 => self.displace(longest),
                Some(_) | None => return Err(Crowded),
            }
        }
        let (sender, receiver) = oneshot::channel();
        let line = self.lines.entry(key).or_default();
        if line.is_empty() {
            self.turns.push_back(key);
        }
        line.push_back(sender);
        self.room -= 1;
        Ok(receiver)
    }

    /// Removes the last caller of a line with at least two, which then gets [`Crowded`].
    fn displace(&mut self, key: K) {
        if self.lines.get_mut(&key).and_then(VecDeque::pop_back).is_some() {
            self.room += 1;
        }
    }

    /// Removes a key's callers that no longer wait.
    fn forget_gone(&mut self, key: K) {
        let Some(line) = self.lines.get_mut(&key) else { return };
        let before = line.len();
        line.retain(|caller| !caller.is_closed());
        self.room += before - line.len();
        if line.is_empty() {
            self.lines.remove(&key);
            self.turns.retain(|other| *other != key);
        }
    }

    /// Returns the next caller.
    fn next(&mut self) -> Option<oneshot::Sender<Permit<K>>> {
        loop {
            let key = self.turns.pop_front()?;
            let Some(line) = self.lines.get_mut(&key) else { continue };
            let caller = line.pop_front();
            if line.is_empty() {
                self.lines.remove(&key);
            } else {
                self.turns.push_back(key);
            }
            if let Some(caller) = caller {
                self.room += 1;
                if !caller.is_closed() {
                    return Some(caller);
                }
            }
        }
    }
}

impl<K: Key> Drop for Permit<K> {
    fn drop(&mut self) {
        let next = {
            let mut state = locked(&self.0);
            let next = state.next();
            if next.is_none() {
                state.free += 1;
            }
            next
        };
        if let Some(next) = next {
            // Race: a caller that no longer waits drops the permit, which gives the slot to the next one.
            drop(next.send(Self(self.0.clone())));
        }
    }
}

impl<K: Key> fmt::Debug for FairQueue<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FairQueue").finish_non_exhaustive()
    }
}

impl<K: Key> fmt::Debug for Permit<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, future::BoxFuture};

    use super::*;

    type Waiting<'a> = BoxFuture<'a, Result<Permit<u8>, Crowded>>;

    /// Joins the queue and returns the future to wait for.
    fn join(queue: &FairQueue<u8>, key: u8) -> Waiting<'_> {
        let mut waiting = queue.acquire(key).boxed();
        match (&mut waiting).now_or_never() {
            None => waiting,
            Some(done) => std::future::ready(done).boxed(),
        }
    }

    /// Passes one slot on until the queue is empty. Returns the keys in that order.
    fn order(first: Permit<u8>, mut waiting: Vec<(u8, Waiting<'_>)>) -> Vec<u8> {
        let mut order = Vec::new();
        let mut held = Some(first);
        while held.take().is_some() {
            waiting.retain_mut(|(key, waiting)| match waiting.now_or_never() {
                None => true,
                Some(Ok(permit)) => {
                    order.push(*key);
                    held = Some(permit);
                    false
                }
                Some(Err(Crowded)) => false,
            });
        }
        order
    }

    #[test]
    fn keys_take_turns() {
        let queue = FairQueue::new(1, 64, 16);
        let first = join(&queue, 1).now_or_never().unwrap().unwrap();
        let keys = [[1; 10].as_slice(), &[2, 3, 2]].concat();
        let waiting = keys.into_iter().map(|key| (key, join(&queue, key))).collect();
        assert_eq!(order(first, waiting), [1, 2, 3, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1]);
        assert_eq!(queue.room(), 65);
    }

    #[test]
    fn flood_of_one_key_does_not_fill_the_queue() {
        let queue = FairQueue::new(1, 64, 16);
        let first = join(&queue, 1).now_or_never().unwrap().unwrap();
        let mut waiting = Vec::new();
        for _ in 0..100 {
            waiting.push((1, join(&queue, 1)));
        }
        let refused = waiting.iter_mut().filter_map(|(_, waiting)| waiting.now_or_never()).count();
        assert_eq!(refused, 84, "16 wait");
        for key in 2..=14 {
            waiting.push((key, join(&queue, key)));
        }
        drop(first);
        drop(waiting);
        assert_eq!(queue.room(), 65, "callers that went away leave no trace");
    }

    #[test]
    fn shorter_line_displaces_the_longest_in_a_full_queue() {
        let queue = FairQueue::new(1, 4, 4);
        let first = join(&queue, 1).now_or_never().unwrap().unwrap();
        let mut flood: Vec<_> = (0..4).map(|_| join(&queue, 1)).collect();
        let other = join(&queue, 2);
        let displaced: Vec<_> = flood.iter_mut().map(FutureExt::now_or_never).collect();
        assert!(matches!(displaced[..], [None, None, None, Some(Err(Crowded))]), "{displaced:?}");
        flood.truncate(3);
        let mut waiting: Vec<_> = flood.into_iter().map(|waiting| (1, waiting)).collect();
        waiting.push((2, other));
        assert_eq!(order(first, waiting), [1, 2, 1, 1]);
    }

    #[test]
    fn ninety_percent_succeed_under_a_flood_of_a_hundred_connections() {
        let queue = FairQueue::new(4, 64, 16);
        let flood = 0;
        let mut held: VecDeque<Permit<u8>> =
            (0..4).map(|_| join(&queue, flood).now_or_never().unwrap().unwrap()).collect();
        let (mut flooding, mut honest, mut served) = (Vec::new(), Vec::new(), 0);
        for round in 0..50_u8 {
            // All hundred connections try again, and one honest caller arrives.
            flooding.extend((0..100).map(|_| join(&queue, flood)));
            honest.push((round, join(&queue, 1 + round)));
            // A hash is finished on each of the four threads.
            held.clear();
            flooding.retain_mut(|waiting| match waiting.now_or_never() {
                None => true,
                Some(done) => {
                    held.extend(done.ok());
                    false
                }
            });
            honest.retain_mut(|(since, waiting)| match waiting.now_or_never() {
                None => true,
                Some(done) => {
                    served += usize::from(done.is_ok() && round <= *since + 1);
                    held.extend(done.ok());
                    false
                }
            });
        }
        assert!(served >= 49, "{served} of 50 got a slot within two rounds");
    }
}
