//! Money: whole minor units of one currency inside, an exact decimal text outside.
//! Invariants: no floating point. Amounts in different currencies are never combined. An overflow is an error.

use std::cmp::Ordering;
use std::fmt;

use iso_currency::Currency;

/// The reason why an amount is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyFault {
    /// The text is not a plain decimal number.
    #[error("not a plain decimal number")]
    NotANumber,
    /// The currency has fewer decimals.
    #[error("more decimals than the currency has")]
    TooPrecise,
    /// The amount is out of range.
    #[error("the amount is too large")]
    Overflow,
    /// The amounts have different currencies.
    #[error("the currencies differ")]
    CurrencyMismatch,
}

/// An amount in one currency.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    /// The amount in the currency's smallest unit: cents, yen, fils.
    pub minor: i64,
    /// The currency (ISO 4217).
    pub currency: Currency,
}

/// Returns the number of decimals of the currency. Zero for codes that are not money, such as gold and the test code.
pub fn decimals(currency: Currency) -> u32 {
    currency.exponent().map_or(0, u32::from)
}

/// Returns whether prices can be in the currency. Gold, drawing rights and the test codes have no minor unit.
pub fn is_payable(currency: Currency) -> bool {
    currency.exponent().is_some()
}

/// Returns the currency with this ISO 4217 code, or `None` if prices cannot be in it.
pub fn currency(code: &str) -> Option<Currency> {
    Currency::from_code(code).filter(|currency| is_payable(*currency))
}

impl Money {
    /// Returns an amount of `minor` smallest units.
    pub fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// Returns the amount zero.
    pub fn zero(currency: Currency) -> Self {
        Self::new(0, currency)
    }

    /// Parses a decimal as written by [`Money::decimal`]. Fewer decimals are accepted (`12`, `12.5`), more are not.
    /// Refuses `+`, blanks, exponents, separators and leading zeros. The caller decides whether a negative amount is
    /// valid.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, MoneyFault> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = match digits.split_once('.') {
            Some((_, "")) => return Err(MoneyFault::NotANumber),
            Some(parts) => parts,
            None => (digits, ""),
        };
        let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty()
            || !plain(whole)
            || !plain(fraction)
            || (whole.len() > 1 && whole.starts_with('0'))
        {
            return Err(MoneyFault::NotANumber);
        }
        let places = decimals(currency) as usize;
        if fraction.len() > places {
            return Err(MoneyFault::TooPrecise);
        }
        let minor = format!("{whole}{fraction:0<places$}");
        let signed = if digits.len() < text.len() { format!("-{minor}") } else { minor };
        signed.parse().map(|minor| Self { minor, currency }).map_err(|_| MoneyFault::Overflow)
    }

    /// Returns the exact decimal text: `12.50`, `-0.05`, and `1200` for yen.
    pub fn decimal(self) -> String {
        let places = decimals(self.currency);
        let sign = if self.minor < 0 { "-" } else { "" };
        let amount = self.minor.unsigned_abs();
        if places == 0 {
            return format!("{sign}{amount}");
        }
        let unit = 10_u64.pow(places);
        format!("{sign}{}.{:0places$}", amount / unit, amount % unit, places = places as usize)
    }

    /// Returns whether the amount is below zero.
    pub fn is_negative(self) -> bool {
        self.minor < 0
    }

    /// Returns the sum.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyFault> {
        self.same(other)?;
        self.with(self.minor.checked_add(other.minor))
    }

    /// Returns the difference.
    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyFault> {
        self.same(other)?;
        self.with(self.minor.checked_sub(other.minor))
    }

    /// Returns the amount multiplied by `count`.
    pub fn checked_mul(self, count: u32) -> Result<Self, MoneyFault> {
        self.with(self.minor.checked_mul(i64::from(count)))
    }

    /// Compares two amounts.
    pub fn compare(self, other: Self) -> Result<Ordering, MoneyFault> {
        self.same(other)?;
        Ok(self.minor.cmp(&other.minor))
    }

    /// Returns a share of the amount in basis points (hundredths of a percent), rounded half up. For fees and
    /// discounts.
    pub fn share(self, basis_points: u32) -> Result<Self, MoneyFault> {
        self.portion(basis_points, 10_000)
    }

    /// Returns the tax included in a gross amount at this rate, rounded half up: 19.00 for 119.00 at 1900 basis points.
    pub fn included_tax(self, basis_points: u32) -> Result<Self, MoneyFault> {
        self.portion(basis_points, 10_000 + i128::from(basis_points))
    }

    /// Rounds half away from zero, so that a refund returns exactly the amount of the sale.
    fn portion(self, basis_points: u32, whole: i128) -> Result<Self, MoneyFault> {
        let part = i128::from(self.minor) * i128::from(basis_points);
        let rounded = (2 * part.abs() + whole) / (2 * whole) * part.signum();
        self.with(i64::try_from(rounded).ok())
    }

    fn same(self, other: Self) -> Result<(), MoneyFault> {
        if self.currency == other.currency { Ok(()) } else { Err(MoneyFault::CurrencyMismatch) }
    }

    fn with(self, minor: Option<i64>) -> Result<Self, MoneyFault> {
        minor.map(|minor| Self { minor, ..self }).ok_or(MoneyFault::Overflow)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.decimal(), self.currency.code())
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Money({self})")
    }
}

#[cfg(test)]
mod tests {
    use iso_currency::Currency::{CLF, EUR, JPY, KWD, USD, XAU};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn amounts_are_written_with_the_currency_s_decimals() {
        let table = [
            (0, JPY, "0"),
            (-1_200, JPY, "-1200"),
            (0, USD, "0.00"),
            (5, USD, "0.05"),
            (-5, USD, "-0.05"),
            (1_250, USD, "12.50"),
            (1, KWD, "0.001"),
            (-12_345, KWD, "-12.345"),
            (1, CLF, "0.0001"),
            (7, XAU, "7"),
            (i64::MAX, USD, "92233720368547758.07"),
            (i64::MIN, USD, "-92233720368547758.08"),
            (i64::MIN, JPY, "-9223372036854775808"),
        ];
        for (minor, currency, text) in table {
            let money = Money::new(minor, currency);
            assert_eq!(money.decimal(), text);
            assert_eq!(Money::parse(text, currency), Ok(money));
        }
        assert_eq!(Money::new(-5, USD).to_string(), "-0.05 USD");
    }

    #[test]
    fn fewer_decimals_are_read_and_more_are_not() {
        assert_eq!(Money::parse("12", USD), Ok(Money::new(1_200, USD)));
        assert_eq!(Money::parse("12.5", USD), Ok(Money::new(1_250, USD)));
        assert_eq!(Money::parse("0.5", KWD), Ok(Money::new(500, KWD)));
        for (text, currency) in [("1.0", JPY), ("1.005", USD), ("1.000", USD), ("0.0001", KWD)] {
            assert_eq!(Money::parse(text, currency), Err(MoneyFault::TooPrecise), "{text}");
        }
    }

    #[test]
    fn other_spellings_are_no_amounts() {
        let texts = [
            "", "-", ".", "-.", "1.", ".5", "+1", "--1", "1-", " 1", "1 ", "1 0", "1e3", "1E3", "1,00",
            "1_000", "1.2.3", "0x10", "00", "01", "-01", "1.-5", "1.+5", "NaN", "Infinity", "١٢", "１",
            "1\0", "1\n", "$1", "1.5 ",
        ];
        for text in texts {
            assert_eq!(Money::parse(text, USD), Err(MoneyFault::NotANumber), "{text:?}");
        }
        let nines = "9".repeat(100_000);
        for text in ["92233720368547758.08", "-92233720368547758.09", "92233720368547759", &nines] {
            assert_eq!(Money::parse(text, USD), Err(MoneyFault::Overflow), "{text:.30}");
        }
    }

    #[test]
    fn sums_are_checked() {
        let one = Money::new(1, USD);
        assert_eq!(one.checked_add(Money::new(2, USD)), Ok(Money::new(3, USD)));
        assert_eq!(one.checked_sub(Money::new(2, USD)), Ok(Money::new(-1, USD)));
        assert_eq!(one.checked_add(Money::new(1, EUR)), Err(MoneyFault::CurrencyMismatch));
        assert_eq!(one.compare(Money::zero(EUR)), Err(MoneyFault::CurrencyMismatch));
        assert_eq!(one.compare(Money::zero(USD)), Ok(Ordering::Greater));
        assert_eq!(Money::new(i64::MAX, USD).checked_add(one), Err(MoneyFault::Overflow));
        assert_eq!(Money::new(i64::MIN, USD).checked_sub(one), Err(MoneyFault::Overflow));
        assert_eq!(Money::new(1_999, USD).checked_mul(3), Ok(Money::new(5_997, USD)));
        assert_eq!(Money::new(i64::MAX / 2, USD).checked_mul(3), Err(MoneyFault::Overflow));
        assert!(!is_payable(XAU) && is_payable(JPY));
    }

    #[test]
    fn tax_and_shares_round_half_up() {
        let tax = |minor, rate| Money::new(minor, EUR).included_tax(rate).unwrap().minor;
        let table = [
            (11_900, 1_900, 1_900),
            (100, 1_900, 16),
            (0, 1_900, 0),
            (100, 0, 0),
            (3, 10_000, 2),
            (-3, 10_000, -2),
        ];
        for (gross, rate, expected) in table {
            assert_eq!(tax(gross, rate), expected, "{gross} at {rate}");
        }
        let share = |minor, rate| Money::new(minor, EUR).share(rate).map(|money| money.minor);
        assert_eq!(share(10_000, 290), Ok(290));
        assert_eq!(share(50, 100), Ok(1));
        assert_eq!(share(49, 100), Ok(0));
        assert_eq!(share(-50, 100), Ok(-1));
        assert_eq!(share(i64::MAX, 20_000), Err(MoneyFault::Overflow));
        assert!(tax(i64::MIN, u32::MAX) < -9_223_000_000_000_000_000, "nothing overflows on the way");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(minor: i64, which in 0..5_usize) {
            let money = Money::new(minor, [JPY, USD, KWD, CLF, XAU][which]);
            prop_assert_eq!(Money::parse(&money.decimal(), money.currency), Ok(money));
        }

        #[test]
        fn what_is_read_is_a_number(text in "-?[0-9]{0,22}(\\.[0-9]{0,5})?") {
            if let Ok(money) = Money::parse(&text, USD) {
                prop_assert!(money.decimal().trim_start_matches('-').starts_with(text.trim_start_matches('-')));
            }
        }

        #[test]
        fn tax_is_the_nearest_amount_and_mirrors(minor in 0..=i64::MAX, rate in 0..=100_000_u32) {
            let gross = Money::new(minor, EUR);
            let tax = gross.included_tax(rate).unwrap();
            let (whole, part) = (i128::from(rate) + 10_000, i128::from(minor) * i128::from(rate));
            let off = 2 * (i128::from(tax.minor) * whole - part);
            prop_assert!(-whole < off && off <= whole);
            prop_assert_eq!(Money::new(-minor, EUR).included_tax(rate).unwrap().minor, -tax.minor);
        }
    }
}
