//! Limits on the frames that a WebSocket client sends.

use std::num::NonZeroU32;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// Pings and pongs per second, and in a burst.
const CONTROLS: Quota = quota(20, 60);
/// Messages per second, and in a burst, for example when a page opens all its subscriptions.
const MESSAGES: Quota = quota(100, 300);

const fn quota(per_second: u32, burst: u32) -> Quota {
    Quota::per_second(NonZeroU32::MIN.saturating_add(per_second - 1))
        .allow_burst(NonZeroU32::MIN.saturating_add(burst - 1))
}

/// The remaining frames of one client.
pub(super) struct Allowance {
    controls: DefaultDirectRateLimiter,
    messages: DefaultDirectRateLimiter,
}

impl Allowance {
    /// Counts a ping or pong. Returns whether it is within the limit.
    pub(super) fn control(&self) -> bool {
        self.controls.check().is_ok()
    }

    /// Counts a message. Returns whether it is within the limit.
    pub(super) fn message(&self) -> bool {
        self.messages.check().is_ok()
    }
}

impl Default for Allowance {
    fn default() -> Self {
        Self { controls: RateLimiter::direct(CONTROLS), messages: RateLimiter::direct(MESSAGES) }
    }
}
