//! The speed at which a peer must read, and the bytes that it may send besides requests.
//!
//! Both are token buckets. The time is an argument, so tests need no clock.

use std::time::Duration;

use tokio::time::Instant;

/// Bytes per second that a peer must read while a write waits.
const LEAST_RATE: u32 = 8 * 1024;
/// Bytes per second that a peer may send beyond requests and bodies: frames of HTTP/2, TLS records, pings.
const OVERHEAD_RATE: u64 = 16 * 1024;

/// The remaining time for which writes may wait for a peer.
///
/// Waiting uses credit, and bytes that the peer reads add credit. A peer that reads too slowly runs out of credit,
/// later than one that reads nothing.
#[derive(Debug)]
pub(super) struct Pace {
    credit: Duration,
    most: Duration,
    blocked_since: Option<Instant>,
}

impl Pace {
    /// Returns a credit of `most`.
    pub(super) fn new(most: Duration) -> Self {
        Self { credit: most, most, blocked_since: None }
    }

    /// Records that a write has to wait. Returns when the peer runs out of credit.
    pub(super) fn blocked(&mut self, now: Instant) -> Instant {
        *self.blocked_since.get_or_insert(now) + self.credit
    }

    /// Records that bytes were written.
    pub(super) fn wrote(&mut self, bytes: usize, now: Instant) {
        // The usual case: no write waited.
        let Some(since) = self.blocked_since.take() else { return };
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let earned = Duration::from_secs(1) * bytes / LEAST_RATE;
        let left = self.credit.saturating_sub(now.saturating_duration_since(since));
        self.credit = (left + earned).min(self.most);
    }
}

/// The bytes from a peer that are not part of a request, body or message: pings, settings, empty fragments and resets.
/// Floods consist of them.
#[derive(Debug)]
pub(super) struct Overhead {
    bytes: u64,
    most: u64,
    at: Instant,
}

impl Overhead {
    /// Returns an allowance of `most` bytes at once.
    pub(super) fn new(most: u64, now: Instant) -> Self {
        Self { bytes: 0, most, at: now }
    }

    /// Counts received bytes. Returns `false` if there are too many.
    pub(super) fn received(&mut self, bytes: usize, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.at);
        let forgiven =
            u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).saturating_mul(OVERHEAD_RATE) / 1_000;
        if forgiven > 0 {
            self.at = now;
        }
        self.bytes = self.bytes.saturating_sub(forgiven).saturating_add(bytes as u64);
        self.bytes <= self.most
    }

    /// Removes bytes from the count that were part of a body or message.
    pub(super) fn used(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes as u64);
    }

    /// Resets the count after a request.
    pub(super) fn reset(&mut self) {
        self.bytes = 0;
    }

    /// Changes the bytes that are allowed at once.
    pub(super) fn limit(&mut self, most: u64) {
        self.most = most;
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn peer_that_never_reads_runs_out_of_credit() {
        let now = Instant::now();
        let mut pace = Pace::new(secs(10));
        assert_eq!(pace.blocked(now), now + secs(10));
        assert_eq!(pace.blocked(now + secs(4)), now + secs(10), "the same wait");
    }

    #[test]
    fn too_slow_reader_runs_out_of_credit() {
        let start = Instant::now();
        for (bytes, every, survives) in [
            (4 * 1024, secs(9), false),
            (1, secs(1), false),
            (16 * 1024, secs(1), true),
            (8 * 1024, secs(1), true),
        ] {
            let mut pace = Pace::new(secs(10));
            let mut now = start;
            let survived = (0..100).all(|_| {
                let deadline = pace.blocked(now);
                now += every;
                pace.wrote(bytes, now);
                now < deadline
            });
            assert_eq!(survived, survives, "{bytes} bytes every {every:?}");
        }
    }

    #[test]
    fn credit_never_exceeds_its_first_value() {
        let now = Instant::now();
        let mut pace = Pace::new(secs(10));
        pace.blocked(now);
        pace.wrote(100 * 1024 * 1024, now + secs(1));
        assert_eq!(pace.blocked(now + secs(1)), now + secs(11));
    }

    #[test]
    fn overhead_is_limited_and_expires() {
        let now = Instant::now();
        let mut overhead = Overhead::new(1_000, now);
        assert!(overhead.received(1_000, now));
        assert!(!overhead.received(1, now));
        assert!(overhead.received(1_000, now + secs(1)));
        overhead.used(600);
        assert!(overhead.received(600, now + secs(1)), "a body is no overhead");
        overhead.reset();
        assert!(overhead.received(1_000, now + secs(1)));
        overhead.limit(10);
        assert!(overhead.received(10, now + secs(1)) && !overhead.received(1, now + secs(1)));
    }
}
