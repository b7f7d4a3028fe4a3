//! What a shared stream told last, and what follows for whoever has some version of it.
//!
//! Invariant: pure. The payloads kept follow one another without a gap, and each is followed up by those behind it.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use axum::extract::ws::Utf8Bytes;

/// Payloads kept.
const KEPT: usize = 64;
/// Bytes of them; the last one is kept whatever its size.
const KEPT_BYTES: usize = 256 * 1024;
/// A snapshot that is older is not handed out any more: it says when it was made.
const FRESH: Duration = Duration::from_secs(1);

/// One serialised response, and the versions that it covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Payload {
    /// The version that it follows; none for a snapshot.
    pub after: Option<i64>,
    /// The version that it leads to.
    pub version: i64,
    /// The response.
    pub text: Utf8Bytes,
}

/// Which version somebody has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Have {
    /// None.
    Nothing,
    /// This one, as the client says.
    Claimed(i64),
    /// This one, as we know.
    Version(i64),
}

/// What has to be made for one who is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Want {
    /// A snapshot.
    Snapshot,
    /// One payload that leads from this version to that one.
    Between(i64, i64),
}

/// What comes next for whoever has some version.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Follow<'a> {
    /// Nothing, yet.
    Here,
    /// This payload.
    Next(&'a Payload),
    /// Something that is not kept.
    Behind(Want),
}

/// The last payloads.
#[derive(Debug, Default)]
pub(super) struct Recent {
    /// The last version that was told; none before the stream began.
    head: Option<i64>,
    told: VecDeque<Payload>,
    bytes: usize,
    /// The last snapshot made for somebody who came, and when.
    snapshot: Option<(Payload, Instant)>,
}

impl Recent {
    /// The stream begins after this version.
    pub(super) fn begin(&mut self, version: i64) {
        self.head = Some(version);
    }

    /// The stream told this. False when that does not follow what it told before.
    pub(super) fn push(&mut self, payload: Payload, now: Instant) -> bool {
        if payload.after.is_some() && payload.after != self.head {
            return false;
        }
        if payload.after.is_none() {
            // Instead of all that came before.
            self.told.clear();
            self.bytes = 0;
            self.keep(payload.clone(), now);
        }
        self.head = Some(payload.version);
        self.bytes += payload.text.len();
        self.told.push_back(payload);
        while self.told.len() > KEPT || (self.bytes > KEPT_BYTES && self.told.len() > 1) {
            let oldest = self.told.pop_front();
            self.bytes -= oldest.map_or(0, |payload| payload.text.len());
        }
        true
    }

    /// Keeps a snapshot for those who come in the next moment.
    pub(super) fn keep(&mut self, snapshot: Payload, now: Instant) {
        let newer = self.snapshot.as_ref().is_none_or(|(kept, _)| kept.version <= snapshot.version);
        if newer {
            self.snapshot = Some((snapshot, now));
        }
    }

    /// What comes next.
    pub(super) fn follow(&self, have: Have, now: Instant) -> Follow<'_> {
        match (have, self.head) {
            (Have::Nothing, _) => self.first(now),
            (Have::Claimed(_), None) => Follow::Behind(Want::Snapshot),
            // From the future, or from an instance that is ahead of us.
            (Have::Claimed(version), Some(head)) if version > head => self.first(now),
            (Have::Claimed(version) | Have::Version(version), Some(head)) => self.after(version, head),
            (Have::Version(_), None) => Follow::Here,
        }
    }

    /// A snapshot that was made a moment ago does, wherever it stands: from there everybody is brought up together.
    fn first(&self, now: Instant) -> Follow<'_> {
        match &self.snapshot {
            Some((snapshot, made)) if now.duration_since(*made) < FRESH => Follow::Next(snapshot),
            Some(_) | None => Follow::Behind(Want::Snapshot),
        }
    }

    fn after(&self, version: i64, head: i64) -> Follow<'_> {
        if version >= head {
            return Follow::Here;
        }
        let next = self.told.partition_point(|payload| payload.version <= version);
        match self.told.get(next) {
            Some(payload) if payload.after.is_none_or(|after| after == version) => Follow::Next(payload),
            Some(_) | None => Follow::Behind(Want::Between(version, head)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Follow::*, *};

    fn payload(after: Option<i64>, version: i64) -> Payload {
        Payload { after, version, text: format!("{after:?}-{version}").into() }
    }

    /// A stream that began after 10 and told (10, 12], (12, 13], (13, 20].
    fn recent(now: Instant) -> Recent {
        let mut recent = Recent::default();
        recent.begin(10);
        for (after, version) in [(10, 12), (12, 13), (13, 20)] {
            assert!(recent.push(payload(Some(after), version), now));
        }
        recent
    }

    #[test]
    fn who_stands_at_a_seam_goes_on_there() {
        let now = Instant::now();
        let recent = recent(now);
        for have in [Have::Version, Have::Claimed] {
            assert_eq!(recent.follow(have(10), now), Next(&payload(Some(10), 12)));
            assert_eq!(recent.follow(have(13), now), Next(&payload(Some(13), 20)));
            assert_eq!(recent.follow(have(20), now), Here);
            assert_eq!(recent.follow(have(11), now), Behind(Want::Between(11, 20)));
            assert_eq!(recent.follow(have(3), now), Behind(Want::Between(3, 20)));
        }
    }

    #[test]
    fn a_version_that_is_only_claimed_is_not_believed_when_it_is_ahead() {
        let now = Instant::now();
        let recent = recent(now);
        assert_eq!(recent.follow(Have::Version(21), now), Here, "from a snapshot of our own");
        assert_eq!(recent.follow(Have::Claimed(21), now), Behind(Want::Snapshot));
        assert_eq!(Recent::default().follow(Have::Claimed(21), now), Behind(Want::Snapshot));
    }

    #[test]
    fn a_snapshot_is_shared_while_it_is_fresh() {
        let now = Instant::now();
        let mut recent = recent(now);
        assert_eq!(recent.follow(Have::Nothing, now), Behind(Want::Snapshot));
        for version in [13, 20, 25] {
            recent.keep(payload(None, version), now);
            assert_eq!(recent.follow(Have::Nothing, now), Next(&payload(None, version)));
        }
        assert!(recent.push(payload(Some(20), 30), now));
        assert_eq!(recent.follow(Have::Nothing, now), Next(&payload(None, 25)));
        assert_eq!(
            recent.follow(Have::Version(25), now),
            Behind(Want::Between(25, 30)),
            "25 is inside (20, 30]"
        );
        let later = now + FRESH;
        assert_eq!(recent.follow(Have::Nothing, later), Behind(Want::Snapshot), "it says when it was made");
    }

    #[test]
    fn a_snapshot_in_the_stream_is_for_everybody_before_it() {
        let now = Instant::now();
        let mut recent = recent(now);
        assert!(recent.push(payload(None, 30), now));
        assert!(recent.push(payload(Some(30), 31), now));
        for version in [3, 11, 20, 29] {
            assert_eq!(recent.follow(Have::Version(version), now), Next(&payload(None, 30)));
        }
        assert_eq!(recent.follow(Have::Version(30), now), Next(&payload(Some(30), 31)));
    }

    #[test]
    fn a_gap_in_the_stream_is_refused() {
        let now = Instant::now();
        let mut recent = recent(now);
        assert!(!recent.push(payload(Some(21), 22), now));
        assert!(!recent.push(payload(Some(19), 22), now));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let now = Instant::now();
        let mut recent = Recent::default();
        recent.begin(0);
        let large: Utf8Bytes = "x".repeat(KEPT_BYTES / 2).into();
        for version in 1..=1_000 {
            let text = if version > 900 { large.clone() } else { "small".into() };
            assert!(recent.push(Payload { after: Some(version - 1), version, text }, now));
            assert!(recent.told.len() <= KEPT && recent.bytes <= KEPT_BYTES);
        }
        assert_eq!(recent.told.len(), 2);
        let huge: Utf8Bytes = "x".repeat(2 * KEPT_BYTES).into();
        assert!(recent.push(Payload { after: Some(1_000), version: 1_001, text: huge }, now));
        assert!(matches!(recent.follow(Have::Version(1_000), now), Next(_)));
    }
}
