//! How many frames a client of a WebSocket may send.

use std::num::NonZeroU32;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// Pings and pongs per second, and how many at once.
const CONTROLS: Quota = quota(20, 60);
/// Messages per second, and how many at once: a page that opens all its subscriptions.
const MESSAGES: Quota = quota(100, 300);

const fn quota(per_second: u32, burst: u32) -> Quota {
    Quota::per_second(NonZeroU32::MIN.saturating_add(per_second - 1))
        .allow_burst(NonZeroU32::MIN.saturating_add(burst - 1))
}

/// The frames that one client may still send.
pub(super) struct Allowance {
    controls: DefaultDirectRateLimiter,
    messages: DefaultDirectRateLimiter,
}

impl Allowance {
    /// Returns whether another ping or pong is acceptable.
    pub(super) fn control(&self) -> bool {
        self.controls.check().is_ok()
    }

    /// Returns whether another message is acceptable.
    pub(super) fn message(&self) -> bool {
        self.messages.check().is_ok()
    }
}

impl Default for Allowance {
    fn default() -> Self {
        Self { controls: RateLimiter::direct(CONTROLS), messages: RateLimiter::direct(MESSAGES) }
    }
}
