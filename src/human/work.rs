//! The difficulty of a challenge: a pure function of the pressure.
//!
//! A client tries counters until a derived key starts with a prefix. `cost` is the number of hashes for one try and for
//! its verification. The prefix determines the average number of tries. So a verification takes at most [`COST_MAX`]
//! hashes, which are a few milliseconds, for any difficulty.
//!
//! Invariant: pure and synchronous.

use super::Pressure;

/// The maximum number of hashes for a verification.
pub(super) const COST_MAX: u32 = 8_000;
/// The factor by which a hexadecimal digit of the prefix raises the average number of tries.
const TRIES_PER_DIGIT: u64 = 16;
/// Wasted places that double the difficulty.
const WASTED: u32 = 16;
/// The largest effect of wasted places, as a power of two.
const WASTED_MAX: u32 = 4;

/// The difficulty of a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Work {
    /// Hashes per try.
    pub(super) cost: u32,
    /// The required prefix of the derived key, in hexadecimal digits.
    pub(super) prefix: &'static str,
}

impl Work {
    /// Returns the average number of hashes for a solution.
    pub(super) fn hashes(self) -> u64 {
        let digits = u32::try_from(self.prefix.len()).unwrap_or(u32::MAX);
        u64::from(self.cost) * TRIES_PER_DIGIT.saturating_pow(digits)
    }
}

/// Returns the work for a pressure. It never falls when the pressure rises.
pub(super) fn work(pressure: Pressure) -> Work {
    let by_share = match pressure.unpaid_percent {
        0..25 => 0,
        25..50 => 1,
        50..75 => 2,
        75..90 => 3,
        _ => 4,
    };
    let doublings = by_share + (pressure.wasted / WASTED).min(WASTED_MAX);
    // A digit of the prefix equals four doublings.
    if doublings <= 3 {
        Work { cost: 1_000 << doublings, prefix: "00" }
    } else {
        Work { cost: (1_000 << (doublings - 4)).min(COST_MAX), prefix: "000" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_rises_with_pressure() {
        let cases = [
            ((0, 0), 1_000, "00"),
            ((24, 15), 1_000, "00"),
            ((25, 0), 2_000, "00"),
            ((50, 0), 4_000, "00"),
            ((75, 0), 8_000, "00"),
            ((90, 0), 1_000, "000"),
            ((100, 0), 1_000, "000"),
            ((0, 16), 2_000, "00"),
            ((90, 16), 2_000, "000"),
            ((100, u32::MAX), 8_000, "000"),
        ];
        for ((unpaid_percent, wasted), cost, prefix) in cases {
            let work = work(Pressure { unpaid_percent, wasted });
            assert_eq!((work.cost, work.prefix), (cost, prefix), "{unpaid_percent} {wasted}");
        }
    }

    #[test]
    fn work_never_falls_and_verification_stays_cheap() {
        for wasted in (0..100).step_by(4) {
            let all = (0..=100).map(|unpaid_percent| work(Pressure { unpaid_percent, wasted }));
            let hashes: Vec<u64> = all.clone().map(Work::hashes).collect();
            assert!(hashes.is_sorted(), "{wasted}: {hashes:?}");
            assert!(all.map(|work| work.cost).all(|cost| cost <= COST_MAX));
        }
        assert_eq!(work(Pressure::default()).hashes(), 256_000);
        assert_eq!(work(Pressure { unpaid_percent: 100, wasted: 1_000 }).hashes(), 32_768_000);
    }
}
