//! Lists the local times of a recurrence rule in ascending order.
//!
//! All parts of a rule except `BYSETPOS` are conditions on a day or a time. So a period (a year, a month, a week, a day, or a
//! shorter unit) is a range of days. The conditions select some of them. The information that the rule does not have is
//! taken from its start (RFC 5545, section 3.3.10).
//!
//! Invariant: pure and synchronous.

use chrono::{Datelike, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Weekday};

use super::rule::{ByDay, Frequency, Rule};

/// The steps of an expansion: days and times that it looks at. They suffice for one time in each of 400 years, and take
/// a few milliseconds.
const STEPS_MAX: u32 = 150_000;
/// The last year.
const YEAR_MAX: i32 = 2_999;

/// The local times of a rule, from its start on. The end of the rule is not applied.
#[derive(Debug)]
pub struct Occurrences {
    rule: Rule,
    start: NaiveDateTime,
    /// The beginning of the next period. `None` after the last one.
    next: Option<NaiveDateTime>,
    /// The rest of the current period, in descending order.
    rest: Vec<NaiveDateTime>,
    steps: u32,
}

impl Occurrences {
    /// Lists the times of the rule from `start` on. The start itself is one of them only if the rule matches it.
    pub fn new(rule: &Rule, start: NaiveDateTime) -> Self {
        let rule = completed(rule.clone(), start);
        let next = Some(first_period(&rule, start));
        Self { rule, start, next, rest: Vec::new(), steps: 0 }
    }

    /// Returns whether the expansion was given up before its last year.
    pub fn was_given_up(&self) -> bool {
        self.steps >= STEPS_MAX
    }

    /// Reads the next period.
    fn read(&mut self, period: NaiveDateTime) {
        let mut times = if self.rule.frequency >= Frequency::Daily {
            self.times_of_days(period)
        } else {
            self.times_within_day(period)
        };
        if !self.rule.positions.is_empty() {
            times = at_positions(&times, &self.rule.positions);
        }
        self.next = self.after(period, times.is_empty()).filter(|next| next.year() <= YEAR_MAX);
        times.retain(|time| *time >= self.start && time.year() <= YEAR_MAX);
        times.reverse();
        self.rest = times;
    }

    /// Returns the times of a period of one day or more.
    fn times_of_days(&mut self, period: NaiveDateTime) -> Vec<NaiveDateTime> {
        let end = period_after(self.rule.frequency, period.date(), 1).unwrap_or(NaiveDate::MAX);
        let mut times = Vec::new();
        for day in period.date().iter_days().take_while(|day| *day < end) {
            self.steps += 1;
            if matches(&self.rule, day) {
                let of_day = clock_times(&self.rule.hours, &self.rule.minutes, &self.rule.seconds);
                times.extend(of_day.map(|time| day.and_time(time)));
            }
        }
        self.steps += u32::try_from(times.len()).unwrap_or(u32::MAX - self.steps);
        times
    }

    /// Returns the times of a period of an hour, a minute or a second.
    fn times_within_day(&mut self, period: NaiveDateTime) -> Vec<NaiveDateTime> {
        let Rule { frequency, hours, minutes, seconds, .. } = &self.rule;
        self.steps += 1;
        let admits = |list: &[u32], value: u32| list.is_empty() || list.contains(&value);
        let is_admitted = matches(&self.rule, period.date())
            && admits(hours, period.hour())
            && (*frequency == Frequency::Hourly || admits(minutes, period.minute()))
            && (*frequency > Frequency::Secondly || admits(seconds, period.second()));
        if !is_admitted {
            return Vec::new();
        }
        let (own_minute, own_second) = ([period.minute()], [period.second()]);
        let minutes = if *frequency == Frequency::Hourly { minutes.as_slice() } else { &own_minute };
        let seconds = if *frequency == Frequency::Secondly { &own_second } else { seconds.as_slice() };
        let times: Vec<_> = clock_times(&[period.hour()], minutes, seconds)
            .map(|time| period.date().and_time(time))
            .collect();
        self.steps += u32::try_from(times.len()).unwrap_or_default();
        times
    }

    /// Returns the beginning of the period after this one. After an empty period, skips those that are empty for the same
    /// reason.
    fn after(&self, period: NaiveDateTime, was_empty: bool) -> Option<NaiveDateTime> {
        let Rule { frequency, interval, hours, minutes, .. } = &self.rule;
        let unit = match frequency {
            Frequency::Secondly => 1,
            Frequency::Minutely => 60,
            Frequency::Hourly => 3_600,
            Frequency::Daily | Frequency::Weekly | Frequency::Monthly | Frequency::Yearly => {
                let date = period_after(*frequency, period.date(), *interval)?;
                return Some(date.and_time(NaiveTime::MIN));
            }
        };
        let step = i64::from(*interval) * unit;
        let least = if !was_empty {
            step
        } else if !matches(&self.rule, period.date()) {
            86_400 - i64::from(period.num_seconds_from_midnight())
        } else if !hours.is_empty() && !hours.contains(&period.hour()) {
            3_600 - i64::from(period.minute() * 60 + period.second())
        } else if !minutes.is_empty() && !minutes.contains(&period.minute()) {
            60 - i64::from(period.second())
        } else {
            step
        };
        // The next multiple of the interval that is at least this far.
        let steps = (least + step - 1) / step;
        period.checked_add_signed(TimeDelta::try_seconds(steps.max(1) * step)?)
    }
}

impl Iterator for Occurrences {
    type Item = NaiveDateTime;

    fn next(&mut self) -> Option<NaiveDateTime> {
        loop {
            if let Some(time) = self.rest.pop() {
                return Some(time);
            }
            if self.was_given_up() {
                return None;
            }
            let period = self.next?;
            self.read(period);
        }
    }
}

/// Adds what the rule does not say, from its start.
fn completed(mut rule: Rule, start: NaiveDateTime) -> Rule {
    use Frequency::{Daily, Hourly, Minutely, Monthly, Secondly, Weekly, Yearly};
    let by_day = !rule.days.is_empty();
    let by_date = by_day || !rule.month_days.is_empty() || !rule.year_days.is_empty();
    match rule.frequency {
        Yearly if !rule.weeks.is_empty() && !by_date => rule.days.push(every(start.weekday())),
        Yearly if rule.weeks.is_empty() && !by_date => {
            if rule.months.is_empty() {
                rule.months.push(start.month());
            }
            rule.month_days.push(start.day().cast_signed());
        }
        Monthly if !by_date => rule.month_days.push(start.day().cast_signed()),
        Weekly if !by_day => rule.days.push(every(start.weekday())),
        Secondly | Minutely | Hourly | Daily | Weekly | Monthly | Yearly => {}
    }
    if rule.frequency >= Daily && rule.hours.is_empty() {
        rule.hours.push(start.hour());
    }
    if rule.frequency >= Hourly && rule.minutes.is_empty() {
        rule.minutes.push(start.minute());
    }
    if rule.frequency >= Minutely && rule.seconds.is_empty() {
        rule.seconds.push(start.second());
    }
    rule
}

fn every(weekday: Weekday) -> ByDay {
    ByDay { nth: None, weekday }
}

/// Returns the beginning of the period that contains the start.
fn first_period(rule: &Rule, start: NaiveDateTime) -> NaiveDateTime {
    let day = start.date();
    let first = match rule.frequency {
        Frequency::Yearly => day.with_ordinal(1),
        Frequency::Monthly => day.with_day(1),
        Frequency::Weekly => day.checked_sub_days(Days::new(days_since(rule.week_start, day).into())),
        Frequency::Daily => Some(day),
        Frequency::Hourly => {
            return start.with_minute(0).and_then(|time| time.with_second(0)).unwrap_or(start);
        }
        Frequency::Minutely => return start.with_second(0).unwrap_or(start),
        Frequency::Secondly => return start,
    };
    first.unwrap_or(day).and_time(NaiveTime::MIN)
}

/// Returns the beginning of the period that comes `interval` periods after this one.
fn period_after(frequency: Frequency, first: NaiveDate, interval: u32) -> Option<NaiveDate> {
    match frequency {
        Frequency::Yearly => first.checked_add_months(Months::new(interval.checked_mul(12)?)),
        Frequency::Monthly => first.checked_add_months(Months::new(interval)),
        Frequency::Weekly => first.checked_add_days(Days::new(u64::from(interval) * 7)),
        Frequency::Secondly | Frequency::Minutely | Frequency::Hourly | Frequency::Daily => {
            first.checked_add_days(Days::new(interval.into()))
        }
    }
}

/// Returns whether the rule's conditions on days select the day.
fn matches(rule: &Rule, day: NaiveDate) -> bool {
    let year_days = if day.leap_year() { 366 } else { 365 };
    let (of_year, of_month) = (day.ordinal().cast_signed(), day.day().cast_signed());
    let month_days = i32::from(day.num_days_in_month());
    (rule.months.is_empty() || rule.months.contains(&day.month()))
        && (rule.year_days.is_empty() || contains(&rule.year_days, of_year, year_days))
        && (rule.month_days.is_empty() || contains(&rule.month_days, of_month, month_days))
        && (rule.weeks.is_empty() || {
            let (week, weeks) = week_of(day, rule.week_start);
            contains(&rule.weeks, week, weeks)
        })
        && (rule.days.is_empty() || {
            // An ordinal counts in the month, unless the rule is about years only.
            let in_month = rule.frequency == Frequency::Monthly || !rule.months.is_empty();
            let (nth, length) = if in_month { (of_month, month_days) } else { (of_year, year_days) };
            let is_nth = |wanted: i32| wanted == (nth - 1) / 7 + 1 || wanted == -((length - nth) / 7 + 1);
            rule.days.iter().any(|by| by.weekday == day.weekday() && by.nth.is_none_or(is_nth))
        })
}

/// Returns whether the list has the number, counted from the start or, if negative, from the end.
fn contains(list: &[i32], number: i32, length: i32) -> bool {
    list.contains(&number) || list.contains(&(number - length - 1))
}

/// Returns the number of the day's week, and the number of weeks of the year to which the week belongs. Week 1 is the
/// first one with at least four days in the year.
fn week_of(day: NaiveDate, week_start: Weekday) -> (i32, i32) {
    // The fourth day of a week is in the week's year.
    let fourth = day.num_days_from_ce() - days_since(week_start, day).cast_signed() + 3;
    let year = NaiveDate::from_num_days_from_ce_opt(fourth).map_or(day.year(), |day| day.year());
    let first = |year: i32| {
        // 4 January is always in week 1.
        NaiveDate::from_ymd_opt(year, 1, 4)
            .map_or(0, |day| day.num_days_from_ce() - days_since(week_start, day).cast_signed())
    };
    ((fourth - 3 - first(year)) / 7 + 1, (first(year + 1) - first(year)) / 7)
}

/// Returns the number of days from the last `weekday` to the day.
fn days_since(weekday: Weekday, day: NaiveDate) -> u32 {
    day.weekday().days_since(weekday)
}

/// Returns all combinations, in ascending order.
fn clock_times(hours: &[u32], minutes: &[u32], seconds: &[u32]) -> impl Iterator<Item = NaiveTime> {
    hours.iter().flat_map(move |hour| {
        minutes.iter().flat_map(move |minute| {
            seconds.iter().filter_map(move |second| NaiveTime::from_hms_opt(*hour, *minute, *second))
        })
    })
}

/// Returns the times at these positions of their period.
fn at_positions(times: &[NaiveDateTime], positions: &[i32]) -> Vec<NaiveDateTime> {
    let length = i32::try_from(times.len()).unwrap_or(i32::MAX);
    let is_wanted = |(position, _): &(i32, &NaiveDateTime)| contains(positions, *position, length);
    (1..).zip(times).filter(is_wanted).map(|(_, time)| *time).collect()
}
