//! Scalars and small values: money, times, versions.

use async_graphql::{
    InputObject, InputValueError, InputValueResult, MaybeUndefined, Scalar, ScalarType, SimpleObject, Value,
};

use chrono::{DateTime, SecondsFormat, Utc};

use crate::{
    error::{Fault, FaultResult},
    input, money,
};

/// An exact decimal number as a string, such as `"12.50"`. It has as many decimal places as its currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decimal(pub String);

/// An exact decimal number as a string, such as `"12.50"`. It has as many decimal places as its currency.
#[Scalar(specified_by_url = "https://www.w3.org/TR/xmlschema-2/#decimal")]
impl ScalarType for Decimal {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = value else { return Err(InputValueError::expected_type(value)) };
        Ok(Self(text))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

/// A date and time as a string in the form of RFC 3339, such as `"2026-06-01T20:00:00+02:00"`. An offset or `Z` is
/// required. Times are stored and returned in UTC, in microseconds: further digits are cut off. Leap seconds are refused.
/// The year in UTC is between 1 and 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instant(pub DateTime<Utc>);

/// A date and time as a string in the form of RFC 3339, such as `"2026-06-01T20:00:00+02:00"`. An offset or `Z` is
/// required. Times are stored and returned in UTC, in microseconds: further digits are cut off. Leap seconds are refused.
/// The year in UTC is between 1 and 9999.
#[Scalar(name = "DateTime", specified_by_url = "https://datatracker.ietf.org/doc/html/rfc3339")]
impl ScalarType for Instant {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = value else { return Err(InputValueError::expected_type(value)) };
        input::instant(&text).map(Self).map_err(InputValueError::custom)
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_rfc3339_opts(SecondsFormat::AutoSi, false))
    }
}

impl From<DateTime<Utc>> for Instant {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time)
    }
}

impl From<Instant> for DateTime<Utc> {
    fn from(instant: Instant) -> Self {
        instant.0
    }
}

/// Returns the change of a time that null removes.
#[expect(clippy::option_option, reason = "no change, no time, and a time")]
pub(crate) fn change(time: MaybeUndefined<Instant>) -> Option<Option<DateTime<Utc>>> {
    time.map_value(DateTime::from).into()
}

/// An ISO 4217 currency code in upper case, such as `"EUR"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrencyCode(pub String);

/// An ISO 4217 currency code in upper case, such as `"EUR"`.
#[Scalar(specified_by_url = "https://www.iso.org/iso-4217-currency-codes.html")]
impl ScalarType for CurrencyCode {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = value else { return Err(InputValueError::expected_type(value)) };
        if money::currency(&text).is_none() {
            return Err(InputValueError::custom("not a supported ISO 4217 currency code"));
        }
        Ok(Self(text))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

/// A 64-bit integer, serialised as a JSON number. It is used for versions and counts that can exceed 32 bits. Values up
/// to 2^53 are exact in JavaScript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Long(pub i64);

/// A 64-bit integer, serialised as a JSON number. It is used for versions and counts that can exceed 32 bits. Values up
/// to 2^53 are exact in JavaScript.
#[Scalar(specified_by_url = "https://scalars.graphql.org/jakobmerrild/long.html")]
impl ScalarType for Long {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::Number(number) = value else { return Err(InputValueError::expected_type(value)) };
        number.as_i64().map(Self).ok_or_else(|| InputValueError::custom("not a 64-bit integer"))
    }

    fn to_value(&self) -> Value {
        Value::Number(self.0.into())
    }
}

/// An amount of money.
#[derive(Clone, Debug, SimpleObject)]
pub struct Money {
    /// The amount.
    pub amount: Decimal,
    /// The currency of the amount.
    pub currency: CurrencyCode,
}

impl Money {
    /// Creates an amount from the database. Currencies are checked before they are stored.
    pub(crate) fn of(minor: i64, code: &str) -> Self {
        let amount = money::currency(code)
            .map_or_else(|| minor.to_string(), |currency| money::Money::new(minor, currency).decimal());
        Self { amount: Decimal(amount), currency: CurrencyCode(code.to_owned()) }
    }
}

/// An amount of money.
#[derive(Clone, Debug, InputObject)]
pub struct MoneyInput {
    /// The amount.
    pub amount: Decimal,
    /// The currency of the amount.
    pub currency: CurrencyCode,
}

impl MoneyInput {
    /// Returns the amount in minor units. If it is negative or not in the currency `code`, returns an invalid-input
    /// fault.
    pub(crate) fn minor(&self, code: &str, path: &str) -> FaultResult<i64> {
        let currency = money::currency(code).ok_or_else(|| Fault::internal("unknown currency"))?;
        if self.currency.0 != code {
            return Err(Fault::invalid(
                &format!("{path}.currency"),
                format!("must be {code}, the shop's currency"),
            ));
        }
        let path = format!("{path}.amount");
        let amount = money::Money::parse(&self.amount.0, currency)
            .map_err(|fault| Fault::invalid(&path, fault.to_string()))?;
        if amount.is_negative() {
            return Err(Fault::invalid(&path, "must not be negative"));
        }
        Ok(amount.minor)
    }
}

/// Converts a number of the input that must not be negative.
pub(crate) fn unsigned(number: i32, path: &str) -> FaultResult<u32> {
    u32::try_from(number).map_err(|_| Fault::invalid(path, "must not be negative"))
}
