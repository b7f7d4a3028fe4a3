//! Log lines about what may come in crowds, so that an attack does not fill the disk.
//!
//! The first event of a kind is logged at once. Those that follow within a minute are counted, and one line tells their
//! number when the minute is over. So many kinds are remembered as there is room for; beyond that, events are counted
//! together, under a kind that the caller says.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};

/// How long events of one kind are counted before a line tells their number.
const WINDOW: TimeDelta = TimeDelta::minutes(1);

/// What was logged within the last minute.
#[derive(Debug)]
pub(crate) struct Minute<K> {
    windows: Mutex<HashMap<K, Window>>,
    /// Kinds that are remembered.
    most: usize,
}

/// Events of one kind.
#[derive(Clone, Copy, Debug)]
struct Window {
    since: DateTime<Utc>,
    /// Events after the first, which was logged.
    more: u64,
}

/// What is to be logged of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Nothing: it was counted.
    Nothing,
    /// The event itself, after the number of those that were only counted.
    Event {
        /// That number.
        counted_before: u64,
    },
}

impl<K: Copy + Eq + Hash> Minute<K> {
    /// Remembers so many kinds.
    pub(crate) fn new(most: usize) -> Self {
        Self { windows: Mutex::default(), most }
    }

    /// Says what is to be logged of an event of this kind. If there is no room for another kind, it counts as one of `crowd`.
    pub(crate) fn admit(&self, kind: K, crowd: K, now: DateTime<Utc>) -> Line {
        let mut windows = self.lock();
        let is_full = windows.len() >= self.most && !windows.contains_key(&kind);
        let kind = if is_full { crowd } else { kind };
        match windows.get_mut(&kind) {
            Some(window) if now - window.since < WINDOW => {
                window.more += 1;
                Line::Nothing
            }
            Some(window) => {
                let counted_before = window.more;
                *window = Window { since: now, more: 0 };
                Line::Event { counted_before }
            }
            None => {
                windows.insert(kind, Window { since: now, more: 0 });
                Line::Event { counted_before: 0 }
            }
        }
    }

    /// Forgets the kinds whose minute is over. Returns those of which there was more than was logged, and how much.
    pub(crate) fn take_over(&self, now: DateTime<Utc>) -> Vec<(K, u64)> {
        let mut windows = self.lock();
        let over: Vec<(K, u64)> = windows
            .iter()
            .filter(|(_, window)| now - window.since >= WINDOW)
            .map(|(kind, window)| (*kind, window.more))
            .collect();
        for (kind, _) in &over {
            windows.remove(kind);
        }
        over.into_iter().filter(|(_, more)| *more > 0).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Window>> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Line = Line::Event { counted_before: 0 };

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    #[test]
    fn the_first_event_is_logged_and_the_rest_of_the_minute_is_one_number() {
        let minute = Minute::new(10);
        assert_eq!(minute.admit("a", "", at(0)), FIRST);
        for second in 1..60 {
            assert_eq!(minute.admit("a", "", at(second)), Line::Nothing);
        }
        assert_eq!(minute.admit("b", "", at(5)), FIRST);
        assert_eq!(minute.take_over(at(59)), []);
        assert_eq!(minute.take_over(at(60)), [("a", 59)]);
        assert_eq!(minute.take_over(at(70)), [], "single events need no number");
        assert!(minute.lock().is_empty());
    }

    #[test]
    fn an_event_after_the_minute_tells_what_was_counted() {
        let minute = Minute::new(10);
        minute.admit("a", "", at(0));
        minute.admit("a", "", at(1));
        assert_eq!(minute.admit("a", "", at(61)), Line::Event { counted_before: 1 });
    }

    #[test]
    fn many_kinds_do_not_fill_the_memory() {
        let minute = Minute::new(1_000);
        let logged = (1..50_000).filter(|kind| minute.admit(*kind, 0, at(0)) != Line::Nothing);
        assert_eq!(logged.count(), 1_001, "the last line is of the crowd");
        assert_eq!(minute.lock().len(), 1_001);
    }
}
