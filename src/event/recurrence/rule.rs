//! Reads the text of a recurrence rule.
//!
//! Invariant: pure and synchronous.

use std::{fmt::Display, ops::RangeInclusive, str::FromStr};

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc, Weekday};

/// The maximum length of a rule's text, in bytes.
const BYTES_MAX: usize = 1_000;
/// The maximum number of different times of a day.
const TIMES_MAX: usize = 24 * 60;

/// Why a text is not a rule, as a sentence for the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError(pub String);

/// The unit of a rule's interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Frequency {
    Secondly,
    Minutely,
    Hourly,
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

/// When a rule ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// After this number of times.
    Count(usize),
    /// With this local day.
    Day(NaiveDate),
    /// With this local time.
    Local(NaiveDateTime),
    /// With this instant.
    Instant(DateTime<Utc>),
    /// Never.
    Never,
}

/// A weekday with an optional ordinal: the second Monday, the last Friday.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ByDay {
    pub(super) nth: Option<i32>,
    pub(super) weekday: Weekday,
}

/// A recurrence rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub(super) frequency: Frequency,
    pub(super) interval: u32,
    /// When the rule ends.
    pub end: End,
    pub(super) months: Vec<u32>,
    pub(super) weeks: Vec<i32>,
    pub(super) year_days: Vec<i32>,
    pub(super) month_days: Vec<i32>,
    pub(super) days: Vec<ByDay>,
    pub(super) hours: Vec<u32>,
    pub(super) minutes: Vec<u32>,
    pub(super) seconds: Vec<u32>,
    pub(super) positions: Vec<i32>,
    pub(super) week_start: Weekday,
}

impl FromStr for Rule {
    type Err = RuleError;

    /// Reads a rule such as `FREQ=WEEKLY;BYDAY=FR;COUNT=10`, with or without `RRULE:` before it.
    fn from_str(text: &str) -> Result<Self, RuleError> {
        if text.len() > BYTES_MAX {
            return Err(RuleError(format!("must have at most {BYTES_MAX} characters")));
        }
        let text = text.trim().to_ascii_uppercase();
        let text = text.strip_prefix("RRULE:").unwrap_or(&text);
        let parts = Parts::of(text)?;
        let rule = Self {
            frequency: parts.frequency()?,
            interval: parts.interval()?,
            end: parts.end()?,
            months: parts.numbers("BYMONTH", 1..=12)?,
            weeks: parts.signed("BYWEEKNO", 53)?,
            year_days: parts.signed("BYYEARDAY", 366)?,
            month_days: parts.signed("BYMONTHDAY", 31)?,
            days: parts.days()?,
            hours: parts.numbers("BYHOUR", 0..=23)?,
            minutes: parts.numbers("BYMINUTE", 0..=59)?,
            seconds: parts.numbers("BYSECOND", 0..=59)?,
            positions: parts.signed("BYSETPOS", 366)?,
            week_start: parts.get("WKST").map_or(Ok(Weekday::Mon), |text| weekday("WKST", text))?,
        };
        rule.checked()
    }
}

impl Rule {
    /// Checks the combinations that the RFC excludes.
    fn checked(self) -> Result<Self, RuleError> {
        use Frequency::{Daily, Monthly, Weekly, Yearly};
        let ordinals = self.days.iter().any(|day| day.nth.is_some());
        let by_other = !self.days.is_empty()
            || [self.months.len(), self.hours.len(), self.minutes.len(), self.seconds.len()]
                .iter()
                .any(|len| *len > 0)
            || [self.weeks.len(), self.year_days.len(), self.month_days.len()].iter().any(|len| *len > 0);
        let times = self.hours.len().max(1) * self.minutes.len().max(1) * self.seconds.len().max(1);
        let faults = [
            (!self.weeks.is_empty() && self.frequency != Yearly, "BYWEEKNO needs FREQ=YEARLY"),
            (
                !self.year_days.is_empty() && matches!(self.frequency, Daily | Weekly | Monthly),
                "BYYEARDAY does not go with FREQ=DAILY, WEEKLY or MONTHLY",
            ),
            (
                !self.month_days.is_empty() && self.frequency == Weekly,
                "BYMONTHDAY does not go with FREQ=WEEKLY",
            ),
            (
                ordinals && !matches!(self.frequency, Monthly | Yearly),
                "BYDAY with a number, such as 1MO, needs FREQ=MONTHLY or YEARLY",
            ),
            (ordinals && !self.weeks.is_empty(), "BYDAY with a number does not go with BYWEEKNO"),
            (!self.positions.is_empty() && !by_other, "BYSETPOS needs another BY part"),
            (times > TIMES_MAX, "has too many times of a day"),
        ];
        match faults.iter().find(|(is_fault, _)| *is_fault) {
            Some((_, why)) => Err(RuleError((*why).to_owned())),
            None => Ok(self),
        }
    }
}

/// The parts of a rule's text: names and values.
struct Parts<'a>(Vec<(&'a str, &'a str)>);

const NAMES: [&str; 14] = [
    "FREQ",
    "UNTIL",
    "COUNT",
    "INTERVAL",
    "BYSECOND",
    "BYMINUTE",
    "BYHOUR",
    "BYDAY",
    "BYMONTHDAY",
    "BYYEARDAY",
    "BYWEEKNO",
    "BYMONTH",
    "BYSETPOS",
    "WKST",
];

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Result<Self, RuleError> {
        let mut parts: Vec<(&str, &str)> = Vec::new();
        // RFC 2445 wrote a semicolon after the last part too.
        for part in text.strip_suffix(';').unwrap_or(text).split(';') {
            let Some((name, value)) = part.split_once('=') else {
                return Err(RuleError(
                    "must be a rule of RFC 5545, such as FREQ=WEEKLY;BYDAY=FR;COUNT=10".to_owned(),
                ));
            };
            let (name, value) = (name.trim(), value.trim());
            if !NAMES.contains(&name) {
                return Err(RuleError(format!("has the unknown part {}", shown(name))));
            }
            if parts.iter().any(|(other, _)| *other == name) {
                return Err(RuleError(format!("has {name} twice")));
            }
            parts.push((name, value));
        }
        Ok(Self(parts))
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(other, _)| *other == name).map(|(_, value)| *value)
    }

    fn frequency(&self) -> Result<Frequency, RuleError> {
        match self.get("FREQ") {
            Some("SECONDLY") => Ok(Frequency::Secondly),
            Some("MINUTELY") => Ok(Frequency::Minutely),
            Some("HOURLY") => Ok(Frequency::Hourly),
            Some("DAILY") => Ok(Frequency::Daily),
            Some("WEEKLY") => Ok(Frequency::Weekly),
            Some("MONTHLY") => Ok(Frequency::Monthly),
            Some("YEARLY") => Ok(Frequency::Yearly),
            Some(other) => Err(unreadable("FREQ", other)),
            None => Err(RuleError("needs FREQ".to_owned())),
        }
    }

    fn interval(&self) -> Result<u32, RuleError> {
        self.get("INTERVAL").map_or(Ok(1), |text| number("INTERVAL", text, &(1..=100_000)))
    }

    fn end(&self) -> Result<End, RuleError> {
        match (self.get("COUNT"), self.get("UNTIL")) {
            (Some(_), Some(_)) => Err(RuleError("has both COUNT and UNTIL".to_owned())),
            (Some(count), None) => number("COUNT", count, &(1..=1_000_000)).map(End::Count),
            (None, Some(until)) => until_of(until).ok_or_else(|| unreadable("UNTIL", until)),
            (None, None) => Ok(End::Never),
        }
    }

    fn list<T>(&self, name: &str, read: impl Fn(&str) -> Result<T, RuleError>) -> Result<Vec<T>, RuleError> {
        self.get(name).map_or(Ok(Vec::new()), |text| text.split(',').map(|item| read(item.trim())).collect())
    }

    /// Reads a sorted list of numbers.
    fn numbers(&self, name: &str, range: RangeInclusive<u32>) -> Result<Vec<u32>, RuleError> {
        let mut numbers = self.list(name, |text| number(name, text, &range))?;
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers)
    }

    /// Reads a list of numbers from `-most` to `most`, without zero.
    fn signed(&self, name: &str, most: i32) -> Result<Vec<i32>, RuleError> {
        let mut numbers = self.list(name, |text| signed(name, text, most))?;
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers)
    }

    fn days(&self) -> Result<Vec<ByDay>, RuleError> {
        self.list("BYDAY", |text| {
            let (nth, name) = text.split_at_checked(text.len().saturating_sub(2)).unwrap_or(("", text));
            let nth = if nth.is_empty() { None } else { Some(signed("BYDAY", nth, 53)?) };
            Ok(ByDay { nth, weekday: weekday("BYDAY", name)? })
        })
    }
}

fn number<T: FromStr + PartialOrd + Display>(
    name: &str,
    text: &str,
    range: &RangeInclusive<T>,
) -> Result<T, RuleError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse().ok().filter(|number| digits && range.contains(number)) {
        Some(number) => Ok(number),
        None => Err(RuleError(format!("{name} must be from {} to {}", range.start(), range.end()))),
    }
}

fn signed(name: &str, text: &str, most: i32) -> Result<i32, RuleError> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    match number(name, digits, &(1..=most)) {
        Ok(number) => Ok(sign * number),
        Err(_) => Err(RuleError(format!("{name} must be from 1 to {most}, or from -1 to -{most}"))),
    }
}

fn weekday(part: &str, text: &str) -> Result<Weekday, RuleError> {
    Ok(match text {
        "MO" => Weekday::Mon,
        "TU" => Weekday::Tue,
        "WE" => Weekday::Wed,
        "TH" => Weekday::Thu,
        "FR" => Weekday::Fri,
        "SA" => Weekday::Sat,
        "SU" => Weekday::Sun,
        _ => return Err(RuleError(format!("{part} must name days as MO, TU, WE, TH, FR, SA or SU"))),
    })
}

/// Reads the end of a rule. The RFC wants UTC beside a time zone; people and programs also write a day or a local time.
fn until_of(text: &str) -> Option<End> {
    if !text.is_ascii() {
        return None;
    }
    let (text, is_utc) = text.strip_suffix('Z').map_or((text, false), |local| (local, true));
    if text.len() == 8 && !is_utc {
        return NaiveDate::parse_from_str(text, "%Y%m%d").ok().map(End::Day);
    }
    let local = (text.len() == 15).then(|| NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%S").ok())??;
    Some(if is_utc { End::Instant(local.and_utc()) } else { End::Local(local) })
}

fn unreadable(name: &str, value: &str) -> RuleError {
    RuleError(format!("{name} cannot be {}", shown(value)))
}

/// Shortens a text of the caller for a message.
fn shown(text: &str) -> String {
    let short: String = text.chars().filter(|c| !c.is_control()).take(20).collect();
    format!("`{short}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_are_no_rules_have_a_reason() {
        for (text, why) in [
            ("", "must be a rule"),
            ("every friday", "must be a rule"),
            ("FREQ=WEEKLY,BYDAY=FR", "FREQ cannot be"),
            ("FREQ=FORTNIGHTLY", "FREQ cannot be `FORTNIGHTLY`"),
            ("BYDAY=FR;COUNT=3", "needs FREQ"),
            ("FREQ=WEEKLY;FREQ=DAILY", "has FREQ twice"),
            ("FREQ=WEEKLY;BYWEEKDAY=FR", "unknown part `BYWEEKDAY`"),
            ("FREQ=DAILY;INTERVAL=0", "INTERVAL must be from 1"),
            ("FREQ=DAILY;INTERVAL=-1", "INTERVAL must be from 1"),
            ("FREQ=DAILY;COUNT=0", "COUNT must be from 1"),
            ("FREQ=DAILY;COUNT=+3", "COUNT must be from 1"),
            ("FREQ=DAILY;COUNT=3;UNTIL=20270101", "both COUNT and UNTIL"),
            ("FREQ=DAILY;UNTIL=20270230", "UNTIL cannot be `20270230`"),
            ("FREQ=DAILY;UNTIL=2027-01-01", "UNTIL cannot be"),
            ("FREQ=DAILY;UNTIL=20270101T200000+0100", "UNTIL cannot be"),
            ("FREQ=DAILY;UNTIL=２０２７０１０１", "UNTIL cannot be"),
            ("FREQ=DAILY;BYHOUR=24", "BYHOUR must be from 0 to 23"),
            ("FREQ=DAILY;BYHOUR=10,,11", "BYHOUR must be from 0 to 23"),
            ("FREQ=DAILY;BYMINUTE=60", "BYMINUTE must be from 0 to 59"),
            ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY must be from 1 to 31"),
            ("FREQ=MONTHLY;BYMONTHDAY=32", "BYMONTHDAY must be from 1 to 31"),
            ("FREQ=MONTHLY;BYDAY=0MO", "BYDAY must be from 1 to 53"),
            ("FREQ=MONTHLY;BYDAY=FRI", "BYDAY must be from 1 to 53"),
            ("FREQ=WEEKLY;BYDAY=FREITAG", "BYDAY must be from 1 to 53"),
            ("FREQ=WEEKLY;BYDAY=XX", "BYDAY must name days"),
            ("FREQ=WEEKLY;BYDAY=ü", "BYDAY must name days"),
            ("FREQ=WEEKLY;BYDAY=", "BYDAY must name days"),
            ("FREQ=WEEKLY;BYDAY=1MO", "BYDAY with a number"),
            ("FREQ=YEARLY;BYWEEKNO=20;BYDAY=1MO", "BYDAY with a number does not go with BYWEEKNO"),
            ("FREQ=MONTHLY;BYWEEKNO=20", "BYWEEKNO needs FREQ=YEARLY"),
            ("FREQ=WEEKLY;BYMONTHDAY=1", "BYMONTHDAY does not go with"),
            ("FREQ=DAILY;BYYEARDAY=1", "BYYEARDAY does not go with"),
            ("FREQ=MONTHLY;BYSETPOS=1", "BYSETPOS needs another"),
            ("FREQ=DAILY;WKST=1", "WKST must name days"),
        ] {
            let error = text.parse::<Rule>().expect_err(text);
            assert!(error.0.contains(why), "{text}: {}", error.0);
        }
        let long = format!("FREQ=DAILY;BYHOUR={}", "1,".repeat(600));
        assert!(long.parse::<Rule>().is_err());
        let list = |most: u32| (0..most).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
        let dense = format!("FREQ=YEARLY;BYHOUR={};BYMINUTE={};BYSECOND=0,30", list(24), list(60));
        assert_eq!(dense.parse::<Rule>(), Err(RuleError("has too many times of a day".to_owned())));
    }

    #[test]
    fn rules_are_read_in_all_their_spellings() {
        let rule: Rule = "FREQ=WEEKLY;BYDAY=FR;COUNT=10".parse().unwrap();
        for text in [
            "RRULE:FREQ=WEEKLY;BYDAY=FR;COUNT=10",
            " freq=weekly;byday=fr;count=10 ",
            "COUNT=10;BYDAY=FR;FREQ=WEEKLY;",
            "FREQ=WEEKLY;INTERVAL=1;BYDAY=FR;COUNT=10;WKST=MO",
            "FREQ=WEEKLY; BYDAY = FR; COUNT=10",
        ] {
            assert_eq!(text.parse::<Rule>().as_ref(), Ok(&rule), "{text}");
        }
        let end = |text: &str| format!("FREQ=DAILY;{text}").parse::<Rule>().unwrap().end;
        let day = NaiveDate::from_ymd_opt(2027, 3, 28).unwrap();
        let time = day.and_hms_opt(20, 0, 0).unwrap();
        assert_eq!(end("UNTIL=20270328"), End::Day(day));
        assert_eq!(end("UNTIL=20270328T200000"), End::Local(time));
        assert_eq!(end("UNTIL=20270328T200000Z"), End::Instant(time.and_utc()));
        assert_eq!(end("INTERVAL=2"), End::Never);
    }
}
