//! The tax that is left in a line that was made cheaper.

use crate::{
    error::{Fault, Faulty},
    money::Money,
};

/// The tax in `rest`, of a line that cost `gross` with `tax` in it: by the rate, if that is what the tax was made of; if
/// the rate was changed since, in proportion.
pub fn tax_of_rest((gross, tax): (Money, i64), rest: i64, basis_points: u32) -> Faulty<i64> {
    let of = |amount: Money| amount.included_tax(basis_points).map_err(Fault::internal);
    if of(gross)?.minor == tax {
        return Ok(of(Money::new(rest, gross.currency))?.minor);
    }
    Ok(proportion(gross.minor, tax, rest))
}

fn proportion(gross: i64, tax: i64, rest: i64) -> i64 {
    let (part, whole) = (i128::from(tax) * i128::from(rest), i128::from(gross.max(1)));
    // Never more than the tax, as the rest is never more than the whole.
    i64::try_from((2 * part + whole) / (2 * whole)).unwrap_or(tax)
}

#[cfg(test)]
mod tests {
    use iso_currency::Currency::EUR;

    use super::*;

    #[test]
    fn the_rest_s_tax_is_what_a_line_of_that_price_would_have() {
        let gross = Money::new(11_900, EUR);
        for (rest, expected) in [(11_900, 1_900), (5_950, 950), (100, 16), (0, 0)] {
            assert_eq!(tax_of_rest((gross, 1_900), rest, 1_900).unwrap(), expected);
        }
    }

    #[test]
    fn a_rate_that_was_changed_since_is_not_believed() {
        let gross = Money::new(11_900, EUR);
        for (rest, expected) in [(11_900, 1_900), (5_950, 950), (100, 16), (0, 0)] {
            assert_eq!(tax_of_rest((gross, 1_900), rest, 700).unwrap(), expected);
        }
        assert_eq!(tax_of_rest((Money::zero(EUR), 5), 0, 700).unwrap(), 0);
    }
}
