//! Random delays, so that many clients do not retry at the same moment.

/// Returns a random number from `least` to `most`.
pub(crate) fn jitter(least: u64, most: u64) -> u64 {
    let mut bytes = [0; 8];
    // Without random bytes all get the least pause, which is no fault.
    let random = aws_lc_rs::rand::fill(&mut bytes).map_or(0, |()| u64::from_le_bytes(bytes));
    least + random % most.saturating_sub(least).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_lies_within_its_bounds() {
        for _ in 0..1_000 {
            assert!((500..=2_000).contains(&jitter(500, 2_000)));
        }
        assert_eq!(jitter(7, 7), 7);
        assert_eq!(jitter(7, 3), 7, "bounds in the wrong order");
    }
}
