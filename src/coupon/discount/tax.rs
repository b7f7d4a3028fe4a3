//! The tax of a line after discounts.

use crate::{
    error::{Fault, FaultResult},
    money::Money,
};

/// Returns the tax in `rest`, for a line that cost `gross` including `tax`. If `tax` matches the rate, the result is
/// calculated from the rate. If the rate has changed since, the result is proportional.
pub fn tax_of_rest((gross, tax): (Money, i64), rest: i64, basis_points: u32) -> FaultResult<i64> {
    let of = |amount: Money| amount.included_tax(basis_points).map_err(Fault::internal);
    if of(gross)?.minor == tax {
        return Ok(of(Money::new(rest, gross.currency))?.minor);
    }
    Ok(proportion(gross.minor, tax, rest))
}

fn proportion(gross: i64, tax: i64, rest: i64) -> i64 {
    let (part, whole) = (i128::from(tax) * i128::from(rest), i128::from(gross.max(1)));
    // Never more than the tax, because the rest is never more than the gross amount.
    i64::try_from((2 * part + whole) / (2 * whole)).unwrap_or(tax)
}

#[cfg(test)]
mod tests {
    use iso_currency::Currency::EUR;

    use super::*;

    #[test]
    fn tax_of_the_rest_is_that_of_a_line_with_this_price() {
        let gross = Money::new(11_900, EUR);
        for (rest, expected) in [(11_900, 1_900), (5_950, 950), (100, 16), (0, 0)] {
            assert_eq!(tax_of_rest((gross, 1_900), rest, 1_900).unwrap(), expected);
        }
    }

    #[test]
    fn changed_rate_is_ignored() {
        let gross = Money::new(11_900, EUR);
        for (rest, expected) in [(11_900, 1_900), (5_950, 950), (100, 16), (0, 0)] {
            assert_eq!(tax_of_rest((gross, 1_900), rest, 700).unwrap(), expected);
        }
        assert_eq!(tax_of_rest((Money::zero(EUR), 5), 0, 700).unwrap(), 0);
    }
}
