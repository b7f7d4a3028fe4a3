//! Percentages and proportional splits of amounts.

/// Returns `basis_points` hundredths of a percent of the amount, rounded down.
pub(super) fn portion(amount: i64, basis_points: i32) -> i64 {
    let part = i128::from(amount) * i128::from(basis_points) / 10_000;
    // A percentage off is never more than the amount.
    i64::try_from(part).unwrap_or(amount).min(amount)
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
