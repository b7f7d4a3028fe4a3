//! Watchers: readers of the feed that maintain a map, and leave and return. Their maps are compared with the log
//! afterwards.

use std::{pin::pin, time::Duration};

use entity::EventId;
use futures_util::StreamExt;
use tessera::{
    app::App,
    inventory::{
        Area,
        feed::{self, Availability, Message, PublicStatus},
    },
};
use tokio::sync::watch;

use super::log::{Log, Moment};
use crate::support::random::Random;

/// The behaviour of a watcher.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Habit {
    /// Reads each message at once.
    Steady,
    /// Leaves repeatedly, and returns with its last version.
    Restless,
    /// Waits before it reads each message.
    Slow,
}

/// The observations of a watcher.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    version: i64,
    now: Option<Moment>,
    /// Each version with the watcher's map at that version.
    seen: Vec<(i64, Moment)>,
    /// The responses to its queries of the complete availability.
    asked: Vec<Availability>,
    snapshots: usize,
}

/// Watches until the goal is set and reached.
pub(crate) async fn watch(
    app: App,
    event: EventId,
    habit: Habit,
    mut goal: watch::Receiver<Option<i64>>,
    mut random: Random,
) -> Watched {
    let mut watched = Watched::default();
    loop {
        let after = (watched.version > 0).then_some(watched.version);
        let mut stream = pin!(feed::subscribe(&app, event.into(), after));
        let visits = if matches!(habit, Habit::Restless) { random.below(30) } else { usize::MAX };
        for _ in 0..=visits {
            let version = watched.version;
            let is_done = |goal: &Option<i64>| goal.is_some_and(|goal| version >= goal);
            tokio::select! {
                message = stream.next() => match message.expect("the feed goes on") {
                    Ok(message) => watched.take(message),
                    // The watcher was disconnected. It returns with its last version.
                    Err(_) => break,
                },
                _ = goal.wait_for(is_done) => return watched,
            }
            if random.chance(5)
                && let Ok(availability) = feed::availability(&app, event.into()).await
            {
                watched.asked.push(availability);
            }
            if matches!(habit, Habit::Slow) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

impl Watched {
    fn take(&mut self, message: Message) {
        match message {
            Message::Snapshot(all) => self.snapshot(all.version, moment(&all)),
            Message::Delta(delta) => self.delta(delta.after, delta.version, delta.seats, delta.areas),
        }
    }

    /// Returns its version. 0 before the first message.
    pub(crate) fn version(&self) -> i64 {
        self.version
    }

    /// Applies a snapshot.
    pub(crate) fn snapshot(&mut self, version: i64, moment: Moment) {
        assert!(version >= self.version, "a snapshot is not older");
        self.snapshots += 1;
        self.version = version;
        self.seen.push((version, moment.clone()));
        self.now = Some(moment);
    }

    /// Applies the changes after the first version, up to the second.
    pub(crate) fn delta(
        &mut self,
        after: i64,
        version: i64,
        seats: impl IntoIterator<Item = (u32, PublicStatus)>,
        areas: impl IntoIterator<Item = (u32, u32)>,
    ) {
        assert_eq!(after, self.version, "a delta follows the previous version");
        assert!(version > after, "a delta goes forward");
        let now = self.now.as_mut().expect("a snapshot before the first delta");
        for (seat, status) in seats {
            now.seats[seat as usize] = status;
        }
        for (area, available) in areas {
            now.areas[area as usize] = available;
        }
        self.version = version;
        self.seen.push((version, now.clone()));
    }

    /// Panics unless all observations agree with the log and their counts add up. Returns the number of observed
    /// versions.
    pub(crate) fn prove(&self, log: &Log) -> usize {
        assert_eq!(self.version, log.last(), "the watcher reached the end");
        for (version, now) in &self.seen {
            assert_eq!(now, log.at(*version), "the map at version {version} is the log's");
        }
        for all in &self.asked {
            let truth = log.at(all.version);
            assert_eq!(&moment(all), truth, "the availability at version {} is the log's", all.version);
            let count = |wanted| {
                u32::try_from(all.seats.iter().filter(|seat| **seat == wanted).count()).expect("few")
            };
            let areas = |of: fn(&Area) -> u32| all.areas.iter().map(of).sum::<u32>();
            let counts = all.counts;
            assert_eq!(counts.available, count(feed::PublicStatus::Available) + areas(Area::available));
            assert_eq!(counts.reserved, count(feed::PublicStatus::Reserved) + areas(|area| area.reserved));
            assert_eq!(counts.sold, count(feed::PublicStatus::Sold) + areas(|area| area.sold));
            let capacity = u32::try_from(all.seats.len()).expect("few") + areas(|area| area.capacity);
            assert_eq!(counts.available + counts.reserved + counts.sold + counts.blocked, capacity);
            assert_eq!(all.tiers.iter().map(|(_, available)| available).sum::<u32>(), counts.available);
        }
        self.seen.len()
    }

    /// Returns the number of snapshots that it received.
    pub(crate) fn snapshots(&self) -> usize {
        self.snapshots
    }
}

fn moment(all: &Availability) -> Moment {
    Moment { seats: all.seats.clone(), areas: all.areas.iter().map(Area::available).collect() }
}
