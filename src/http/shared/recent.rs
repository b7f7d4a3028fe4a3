//! The last payloads of a topic, and what a client at a given version needs next.
//!
//! Invariant: pure. The kept payloads follow each other without a gap.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use axum::extract::ws::Utf8Bytes;

/// Payloads that are kept.
const PAYLOADS_MAX: usize = 64;
/// Bytes of the kept payloads. The newest one is kept regardless of its size.
const PAYLOAD_BYTES_MAX: usize = 256 * 1024;
/// The age up to which a snapshot is sent to new members. A snapshot states when it was made.
const SNAPSHOT_MAX_AGE: Duration = Duration::from_secs(1);

/// The number of versions that another instance may be ahead of this one.
const AHEAD_MAX: u64 = 100_000;

/// One serialised response, and the versions that it covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Payload {
    /// The version that it follows. `None` for a snapshot.
    pub after: Option<i64>,
    /// The version that it leads to.
    pub version: i64,
    /// The response.
    pub text: Utf8Bytes,
}

/// The version that a client has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Position {
    /// The client has nothing.
    Empty,
    /// The version that the client reports.
    Claimed(i64),
    /// The version that this server sent.
    Confirmed(i64),
}

/// A payload that must be made for a member that is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum CatchUp {
    /// A snapshot.
    Snapshot,
    /// A delta from the first version to the second.
    Between(i64, i64),
}

/// What a client at some version needs next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Follow<'a> {
    /// Nothing: it has the topic's version.
    UpToDate,
    /// This kept payload.
    Next(&'a Payload),
    /// A payload that is not kept.
    Behind(CatchUp),
}

/// The last payloads.
#[derive(Debug, Default)]
pub(super) struct Recent {
    /// The newest version. `None` before the stream starts.
    head: Option<i64>,
    payloads: VecDeque<Payload>,
    bytes: usize,
    /// The newest snapshot, and when it was made.
    snapshot: Option<(Payload, Instant)>,
}

impl Recent {
    /// Starts the stream after this version.
    pub(super) fn begin(&mut self, version: i64) {
        self.head = Some(version);
    }

    /// Keeps the next payload of the stream. Returns `false` if it does not follow the previous one.
    pub(super) fn push(&mut self, payload: Payload, now: Instant) -> bool {
        if payload.after.is_some() && payload.after != self.head {
            return false;
        }
        if payload.after.is_none() {
            // A snapshot replaces all earlier payloads.
            self.payloads.clear();
            self.bytes = 0;
            self.keep(payload.clone(), now);
        }
        self.head = Some(payload.version);
        self.bytes += payload.text.len();
        self.payloads.push_back(payload);
        while self.payloads.len() > PAYLOADS_MAX
            || (self.bytes > PAYLOAD_BYTES_MAX && self.payloads.len() > 1)
        {
            let oldest = self.payloads.pop_front();
            self.bytes -= oldest.map_or(0, |payload| payload.text.len());
        }
        true
    }

    /// Keeps a snapshot for the next new members.
    pub(super) fn keep(&mut self, snapshot: Payload, now: Instant) {
        let newer = self.snapshot.as_ref().is_none_or(|(kept, _)| kept.version <= snapshot.version);
        if newer {
            self.snapshot = Some((snapshot, now));
        }
    }

    /// Returns what a client at this position needs next.
    pub(super) fn follow(&self, position: Position, now: Instant) -> Follow<'_> {
        match (position, self.head) {
            (Position::Empty, _) => self.first(now),
            (Position::Claimed(_), None) => Follow::Behind(CatchUp::Snapshot),
            // From an instance that is ahead: a kept snapshot may be older than what the client has.
            (Position::Claimed(version), Some(head)) if is_ahead(version, head) => {
                Follow::Behind(CatchUp::Snapshot)
            }
            (Position::Claimed(version), Some(head)) if version > head => self.first(now),
            (Position::Claimed(version) | Position::Confirmed(version), Some(head)) => {
                self.after(version, head)
            }
            (Position::Confirmed(_), None) => Follow::UpToDate,
        }
    }

    /// Returns a recent snapshot, of any version. Deltas follow from there.
    fn first(&self, now: Instant) -> Follow<'_> {
        match &self.snapshot {
            Some((snapshot, made)) if now.duration_since(*made) < SNAPSHOT_MAX_AGE => Follow::Next(snapshot),
            Some(_) | None => Follow::Behind(CatchUp::Snapshot),
        }
    }

    fn after(&self, version: i64, head: i64) -> Follow<'_> {
        if version >= head {
            return Follow::UpToDate;
        }
        let next = self.payloads.partition_point(|payload| payload.version <= version);
        match self.payloads.get(next) {
            Some(payload) if payload.after.is_none_or(|after| after == version) => Follow::Next(payload),
            Some(_) | None => Follow::Behind(CatchUp::Between(version, head)),
        }
    }
}

/// Returns whether the version that a client reports can be from an instance that is ahead. A version further ahead was
/// made up.
pub(super) fn is_ahead(claimed: i64, version: i64) -> bool {
    claimed > version && claimed.abs_diff(version) <= AHEAD_MAX
}

#[cfg(test)]
mod tests {
    use super::{Follow::*, *};

    fn payload(after: Option<i64>, version: i64) -> Payload {
        Payload { after, version, text: format!("{after:?}-{version}").into() }
    }

    /// A stream that started after 10, with payloads (10, 12], (12, 13], (13, 20].
    fn recent(now: Instant) -> Recent {
        let mut recent = Recent::default();
        recent.begin(10);
        for (after, version) in [(10, 12), (12, 13), (13, 20)] {
            assert!(recent.push(payload(Some(after), version), now));
        }
        recent
    }

    #[test]
    fn client_at_the_start_of_a_payload_gets_it() {
        let now = Instant::now();
        let recent = recent(now);
        for position in [Position::Confirmed, Position::Claimed] {
            assert_eq!(recent.follow(position(10), now), Next(&payload(Some(10), 12)));
            assert_eq!(recent.follow(position(13), now), Next(&payload(Some(13), 20)));
            assert_eq!(recent.follow(position(20), now), UpToDate);
            assert_eq!(recent.follow(position(11), now), Behind(CatchUp::Between(11, 20)));
            assert_eq!(recent.follow(position(3), now), Behind(CatchUp::Between(3, 20)));
        }
    }

    #[test]
    fn reported_version_ahead_of_the_topic_gets_a_snapshot() {
        let now = Instant::now();
        let recent = recent(now);
        assert_eq!(recent.follow(Position::Confirmed(21), now), UpToDate, "from a snapshot of this server");
        assert_eq!(recent.follow(Position::Claimed(21), now), Behind(CatchUp::Snapshot));
        assert_eq!(Recent::default().follow(Position::Claimed(21), now), Behind(CatchUp::Snapshot));
    }

    #[test]
    fn kept_snapshot_never_takes_a_client_back_in_time() {
        let now = Instant::now();
        let mut recent = recent(now);
        recent.keep(payload(None, 20), now);
        assert_eq!(recent.follow(Position::Claimed(21), now), Behind(CatchUp::Snapshot));
        let made_up = Position::Claimed(i64::MAX);
        assert_eq!(recent.follow(made_up, now), Next(&payload(None, 20)), "no instance is so far ahead");
    }

    #[test]
    fn recent_snapshot_is_shared() {
        let now = Instant::now();
        let mut recent = recent(now);
        assert_eq!(recent.follow(Position::Empty, now), Behind(CatchUp::Snapshot));
        for version in [13, 20, 25] {
            recent.keep(payload(None, version), now);
            assert_eq!(recent.follow(Position::Empty, now), Next(&payload(None, version)));
        }
        assert!(recent.push(payload(Some(20), 30), now));
        assert_eq!(recent.follow(Position::Empty, now), Next(&payload(None, 25)));
        assert_eq!(
            recent.follow(Position::Confirmed(25), now),
            Behind(CatchUp::Between(25, 30)),
            "25 is inside (20, 30]"
        );
        let later = now + SNAPSHOT_MAX_AGE;
        assert_eq!(
            recent.follow(Position::Empty, later),
            Behind(CatchUp::Snapshot),
            "the snapshot is too old"
        );
    }

    #[test]
    fn snapshot_in_the_stream_is_next_for_all_earlier_versions() {
        let now = Instant::now();
        let mut recent = recent(now);
        assert!(recent.push(payload(None, 30), now));
        assert!(recent.push(payload(Some(30), 31), now));
        for version in [3, 11, 20, 29] {
            assert_eq!(recent.follow(Position::Confirmed(version), now), Next(&payload(None, 30)));
        }
        assert_eq!(recent.follow(Position::Confirmed(30), now), Next(&payload(Some(30), 31)));
    }

    #[test]
    fn gap_in_the_stream_is_refused() {
        let now = Instant::now();
        let mut recent = recent(now);
        assert!(!recent.push(payload(Some(21), 22), now));
        assert!(!recent.push(payload(Some(19), 22), now));
    }

    #[test]
    fn kept_payloads_are_bounded() {
        let now = Instant::now();
        let mut recent = Recent::default();
        recent.begin(0);
        let large: Utf8Bytes = "x".repeat(PAYLOAD_BYTES_MAX / 2).into();
        for version in 1..=1_000 {
            let text = if version > 900 { large.clone() } else { "small".into() };
            assert!(recent.push(Payload { after: Some(version - 1), version, text }, now));
            assert!(recent.payloads.len() <= PAYLOADS_MAX && recent.bytes <= PAYLOAD_BYTES_MAX);
        }
        assert_eq!(recent.payloads.len(), 2);
        let huge: Utf8Bytes = "x".repeat(2 * PAYLOAD_BYTES_MAX).into();
        assert!(recent.push(Payload { after: Some(1_000), version: 1_001, text: huge }, now));
        assert!(matches!(recent.follow(Position::Confirmed(1_000), now), Next(_)));
    }
}
