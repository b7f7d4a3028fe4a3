//! Parts of amounts: portions rounded down, and amounts shared out to the last cent.

/// The part that so many hundredths of a percent are, rounded down.
pub(super) fn portion(amount: i64, basis_points: i32) -> i64 {
    let part = i128::from(amount) * i128::from(basis_points) / 10_000;
    // At most the amount itself: a share off is never more than all of it.
    i64::try_from(part).unwrap_or(amount).min(amount)
}

/// The amounts, or, if they are more than `most` together, `most` shared out in proportion to them: each gets its part
/// rounded down, and what is over goes cent by cent to the largest remainders, the first ones first.
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
