//! Percentages and proportional splits of amounts.

/// Returns `basis_points` hundredths of a percent of the sum of the amounts. Rounds to the nearest minor unit, and a half
/// up. The result is never more than the sum.
pub(super) fn portion(amounts: &[i64], basis_points: i32) -> i64 {
    let sum: i128 = amounts.iter().map(|&amount| i128::from(amount)).sum();
    let part = (sum * i128::from(basis_points) + 5_000) / 10_000;
    i64::try_from(part.min(sum)).unwrap_or(i64::MAX)
}

/// If the sum of the amounts is at most `most`, returns the amounts. Otherwise splits `most` in proportion to them:
/// each part is rounded down, and the remaining cents go to the largest remainders; of equal ones, to the first.
pub(super) fn bounded(most: i64, amounts: Vec<i64>) -> Vec<i64> {
    let sum: i128 = amounts.iter().map(|&amount| i128::from(amount)).sum();
    if sum <= i128::from(most) {
        return amounts;
    }
    let mut parts = Vec::with_capacity(amounts.len());
    let mut remainders = Vec::with_capacity(amounts.len());
    for (index, &amount) in amounts.iter().enumerate() {
        let part = i128::from(most) * i128::from(amount);
        // No more than the amount, as `most` is less than the sum.
        parts.push(i64::try_from(part / sum).unwrap_or(amount));
        remainders.push((std::cmp::Reverse(part % sum), index));
    }
    let over = most - parts.iter().sum::<i64>();
    remainders.sort_unstable();
    for &(_, index) in remainders.iter().take(usize::try_from(over).unwrap_or_default()) {
        parts[index] += 1;
    }
    parts
}
