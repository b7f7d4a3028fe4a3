//! Limits log lines about frequent events, so that an attack does not fill the disk.
//!
//! The first event of a kind is logged immediately. Further ones within a minute are counted, and then one line has
//! their number. The number of kinds is limited. Events of further kinds count as one kind, which the caller names.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};

/// How long events of one kind are counted before their number is logged.
const WINDOW: TimeDelta = TimeDelta::minutes(1);

/// The kinds of events of the last minute.
#[derive(Debug)]
pub(crate) struct Minute<K> {
    windows: Mutex<HashMap<K, Window>>,
    /// The largest number of kinds.
    most: usize,
}

/// Events of one kind.
#[derive(Clone, Copy, Debug)]
struct Window {
    since: DateTime<Utc>,
    /// Events after the first, which was logged.
    more: u64,
}

/// What to log for an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Nothing. The event was counted.
    Nothing,
    /// The event, with the number of earlier ones that were only counted.
    Event {
        /// The number of earlier events.
        counted_before: u64,
    },
}

impl<K: Copy + Eq + Hash> Minute<K> {
    /// Returns a counter for at most `most` kinds.
    pub(crate) fn new(most: usize) -> Self {
        Self { windows: Mutex::default(), most }
    }

    /// Counts an event of this kind. Returns what to log. If there are too many kinds, the event counts as one of
    /// `overflow`.
    pub(crate) fn admit(&self, kind: K, overflow: K, now: DateTime<Utc>) -> Line {
        let mut windows = self.lock();
        let is_full = windows.len() >= self.most && !windows.contains_key(&kind);
        let kind = if is_full { overflow } else { kind };
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

    /// Removes the kinds whose minute is over. Returns those with events that were only counted, and their numbers.
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
    fn first_event_is_logged_and_the_others_are_counted() {
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
    fn event_after_the_minute_has_the_count() {
        let minute = Minute::new(10);
        minute.admit("a", "", at(0));
        minute.admit("a", "", at(1));
        assert_eq!(minute.admit("a", "", at(61)), Line::Event { counted_before: 1 });
    }

    #[test]
    fn number_of_kinds_is_limited() {
        let minute = Minute::new(1_000);
        let logged = (1..50_000).filter(|kind| minute.admit(*kind, 0, at(0)) != Line::Nothing);
        assert_eq!(logged.count(), 1_001, "the last line is of the overflow kind");
        assert_eq!(minute.lock().len(), 1_001);
    }
}
