//! Statistics.

use std::time::Duration;

/// Returns a percentile, in thousandths (nearest rank). Returns `None` if there are no values.
pub(crate) fn percentile(values: &mut [u32], per_mille: usize) -> Option<u32> {
    values.sort_unstable();
    let rank = (values.len() * per_mille).div_ceil(1_000);
    values.get(rank.saturating_sub(1)).copied()
}

/// Returns the median, or the lower of two. Returns `None` if there are no values.
pub(crate) fn median(values: &mut [u32]) -> Option<u32> {
    percentile(values, 500)
}

/// Returns the rate per second.
pub(crate) fn rate(count: u32, time: Duration) -> f64 {
    f64::from(count) / time.as_secs_f64().max(f64::EPSILON)
}

/// Returns the value with the highest rate.
pub(crate) fn best<T>(all: impl IntoIterator<Item = (T, f64)>) -> Option<(T, f64)> {
    all.into_iter().max_by(|(_, a), (_, b)| a.total_cmp(b))
}

/// Converts a duration to microseconds. Saturates at the maximum.
pub(crate) fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let mut values: Vec<u32> = (1..=1_000).rev().collect();
        assert_eq!(percentile(&mut values, 990), Some(990));
        assert_eq!(percentile(&mut values, 1_000), Some(1_000));
        assert_eq!(percentile(&mut values, 0), Some(1));
        assert_eq!(percentile(&mut [7], 990), Some(7));
        assert_eq!(percentile(&mut [1, 2, 3], 990), Some(3));
        assert_eq!(percentile(&mut [], 990), None);
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&mut [9, 1, 5]), Some(5));
        assert_eq!(median(&mut [4, 1, 2, 3]), Some(2));
    }

    #[test]
    fn rates_are_by_the_second() {
        assert!((rate(500, Duration::from_millis(250)) - 2_000.0).abs() < 1e-9);
        assert_eq!(best([("a", 1.0), ("b", 3.0), ("c", 2.0)]).map(|(name, _)| name), Some("b"));
    }
}
