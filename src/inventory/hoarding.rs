//! Limits of unpaid places. They keep one client with many accounts from reserving a whole event.
//!
//! Guest accounts are free, so a limit per buyer does not stop a client with many of them. Two rules count by *source*,
//! the network that a reservation was made from:
//!
//! - A source has a maximum number of reserved and unpaid places per inventory. A purchase makes room at once, so a
//!   school class behind one address can buy one after the other.
//! - If most of an inventory is reserved and unpaid, each source may have only as many unpaid places as two buyers.
//!   Honest networks have one or two buyers in such a rush; a hoarder has many.
//!
//! A third rule shortens the reservations of a source that has reserved much and bought nothing.
//!
//! Invariant: pure and synchronous; the time is an argument.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};

/// Half-life of wasted places.
const HALF_LIFE: Duration = Duration::minutes(30);
/// Maximum number of halvings of a reservation's time and of wasted places.
const HALVINGS_MAX: u32 = 16;

/// The network that a reservation was made from, per inventory. It is a keyed hash, so no address is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Source(pub i64);

/// The limits of one inventory. The default has no limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hoarding {
    /// Maximum unpaid places per source.
    pub per_source: Option<u32>,
    /// Total of unpaid places from which `in_crowd` applies.
    pub crowded: Option<u32>,
    /// Maximum unpaid places per source while `crowded` is reached. A source without any always gets a reservation.
    pub in_crowd: u32,
    /// Each multiple of this many wasted places halves the source's reservation time; 0 disables the rule.
    pub wasted: u32,
    /// Minimum duration of its reservations in seconds.
    pub shortest: i64,
}

/// A limit that a reservation would exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// The limit of the source.
    Source {
        /// Maximum number of places.
        limit: u32,
    },
    /// Most places are unpaid, and the source already has some.
    Crowded,
}

/// The server's settings, from which the limits of an inventory are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// Minimum of the limit per source, in places.
    pub places: u32,
    /// Limit per source as a percentage of the capacity, if that is more.
    pub percent_per_source: u32,
    /// Percentage of unpaid places that counts as crowded; 100 disables the rule.
    pub percent_in_all: u32,
    /// See [`Hoarding::wasted`].
    pub wasted: u32,
    /// See [`Hoarding::shortest`].
    pub shortest: i64,
}

impl Shares {
    /// Returns the limits of an inventory with `capacity` places to sell. One buyer may always have `limit_per_buyer`
    /// places. The vendor's own values take precedence: `places`, where 0 means no limit, and `percent`, where 100
    /// does.
    pub fn limits(
        &self,
        capacity: u32,
        limit_per_buyer: u32,
        (places, percent): (Option<u32>, Option<u32>),
    ) -> Hoarding {
        let share = |percent: u32| {
            let share = (u64::from(capacity) * u64::from(percent)).div_ceil(100);
            u32::try_from(share).unwrap_or(u32::MAX)
        };
        let places = places.unwrap_or_else(|| self.places.max(share(self.percent_per_source)));
        let percent = percent.unwrap_or(self.percent_in_all);
        Hoarding {
            per_source: (places > 0).then(|| places.max(limit_per_buyer)),
            crowded: (percent < 100).then(|| share(percent)),
            in_crowd: limit_per_buyer.saturating_mul(2),
            wasted: self.wasted,
            shortest: self.shortest,
        }
    }
}

impl Hoarding {
    /// Returns the limit that `wanted` more places would exceed, for a source that has `own` of `all` unpaid places.
    pub fn excess(&self, own: u32, all: u32, wanted: u32) -> Option<Excess> {
        if let Some(limit) = self.per_source.filter(|limit| own.saturating_add(wanted) > *limit) {
            return Some(Excess::Source { limit });
        }
        let is_crowded = self.crowded.is_some_and(|crowded| all >= crowded);
        let is_more = own > 0 && own.saturating_add(wanted) > self.in_crowd;
        (is_crowded && is_more).then_some(Excess::Crowded)
    }

    /// Returns the seconds, out of `seconds`, that a reservation of a source with `wasted` places gets.
    pub fn seconds(&self, seconds: i64, wasted: u32) -> i64 {
        let halvings = wasted.checked_div(self.wasted).unwrap_or_default().min(HALVINGS_MAX);
        if halvings == 0 { seconds } else { (seconds >> halvings).max(self.shortest.min(seconds)) }
    }
}

/// The places that a source reserved and did not buy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WastedPlaces {
    places: u32,
    since: DateTime<Utc>,
}

impl WastedPlaces {
    /// Returns a count of zero.
    pub(super) fn nothing(now: DateTime<Utc>) -> Self {
        Self { places: 0, since: now }
    }

    /// Returns the count at `now`: it halves with each half-life.
    pub(super) fn at(&self, now: DateTime<Utc>) -> u32 {
        let halvings = (now - self.since).num_seconds().max(0) / HALF_LIFE.num_seconds();
        self.places >> u32::try_from(halvings).unwrap_or(HALVINGS_MAX).min(HALVINGS_MAX)
    }

    /// Adds `places`.
    #[must_use]
    pub(super) fn more(&self, places: u32, now: DateTime<Utc>) -> Self {
        Self { places: self.at(now).saturating_add(places), since: now }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARES: Shares =
        Shares { places: 40, percent_per_source: 2, percent_in_all: 85, wasted: 16, shortest: 120 };

    #[test]
    fn limits_are_places_or_a_share_of_the_capacity() {
        let cases = [
            // Capacity, limit per buyer, the vendor's own values: per source, crowded.
            (941, 8, (None, None), Some(40), Some(800)),
            (5_000, 8, (None, None), Some(100), Some(4_250)),
            (60_000, 8, (None, None), Some(1_200), Some(51_000)),
            (30, 8, (None, None), Some(40), Some(26)),
            (941, 100, (None, None), Some(100), Some(800)),
            (941, 8, (Some(0), Some(100)), None, None),
            (941, 8, (Some(4), Some(50)), Some(8), Some(471)),
            (941, 8, (Some(12), None), Some(12), Some(800)),
            (u32::MAX, 8, (None, None), Some(85_899_346), Some(3_650_722_201)),
        ];
        for (capacity, per_buyer, own, per_source, crowded) in cases {
            let limits = SHARES.limits(capacity, per_buyer, own);
            assert_eq!((limits.per_source, limits.crowded), (per_source, crowded), "{capacity} {own:?}");
        }
    }

    #[test]
    fn source_gets_its_limit_and_only_two_buyers_share_when_crowded() {
        let limits = SHARES.limits(941, 8, (None, None));
        let limit = Some(Excess::Source { limit: 40 });
        let cases = [
            ((0, 0, 8), None),
            ((32, 32, 8), None),
            ((33, 33, 8), limit),
            ((40, 900, 1), limit),
            ((0, 900, 8), None),
            ((1, 799, 1), None),
            ((8, 800, 8), None),
            ((9, 800, 8), Some(Excess::Crowded)),
            ((16, 800, 1), Some(Excess::Crowded)),
            ((u32::MAX, 0, 1), limit),
        ];
        for ((own, all, wanted), expected) in cases {
            assert_eq!(limits.excess(own, all, wanted), expected, "{own} {all} {wanted}");
        }
        assert_eq!(Hoarding::default().excess(900, 941, 41), None, "the default limits nothing");
    }

    #[test]
    fn wasted_places_halve_the_reservation_time() {
        let limits = SHARES.limits(941, 8, (None, None));
        let cases = [(0, 600), (15, 600), (16, 300), (31, 300), (32, 150), (48, 120), (u32::MAX, 120)];
        for (wasted, seconds) in cases {
            assert_eq!(limits.seconds(600, wasted), seconds, "{wasted}");
        }
        assert_eq!(limits.seconds(60, 1_000), 60, "never more than the event gives");
        assert_eq!(Hoarding::default().seconds(600, u32::MAX), 600);
    }

    #[test]
    fn wasted_places_decay() {
        let start = DateTime::UNIX_EPOCH;
        let wasted = WastedPlaces::nothing(start).more(40, start);
        let after = |minutes| wasted.at(start + Duration::minutes(minutes));
        assert_eq!([0, 29, 30, 60, 180, 1_000_000].map(after), [40, 40, 20, 10, 0, 0]);
        let more = wasted.more(8, start + Duration::minutes(30));
        assert_eq!(more.at(start + Duration::minutes(59)), 28);
    }
}
