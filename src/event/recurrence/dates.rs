//! The dates of a series: a recurrence rule, explicit dates and exceptions.
//!
//! Invariant: pure and synchronous.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, NaiveDateTime, SubsecRound, Utc};
use chrono_tz::Tz;
use serde::Serialize;

use super::{End, Occurrences, Rule, zone};
use crate::error::{Check, Fault, FaultResult, Invalid};

/// The maximum number of events that one call creates.
pub const EVENTS_MAX: usize = 400;
/// The maximum number of times of a rule, including exceptions.
const TIMES_MAX: usize = 2_000;
/// The maximum number of exceptions of each kind.
const EXCEPTIONS_MAX: usize = 1_000;

/// The dates that a vendor wants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Dates {
    /// A recurrence rule.
    pub rule: Option<String>,
    /// The time from which the rule applies. `None` is the start of the copied event.
    pub from: Option<DateTime<Utc>>,
    /// Explicit starts.
    pub starts_at: Vec<DateTime<Utc>>,
    /// Starts that are left out.
    pub except: Vec<DateTime<Utc>>,
    /// Local days that are left out, such as `2026-12-24`.
    pub except_days: Vec<String>,
}

/// The dates of a series.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The starts in ascending order, each once.
    pub starts: Vec<DateTime<Utc>>,
    /// Times of the rule without an event, in ascending order.
    pub left_out: Vec<LeftOut>,
}

/// A time of the rule without an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOut {
    /// The local time.
    pub local: NaiveDateTime,
    /// Why it has no event.
    pub reason: Reason,
}

/// Why a time of a rule has no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The clocks skip the local time.
    Nonexistent,
    /// It is one of the exceptions.
    Excepted,
    /// The series already has an event at this time.
    InSeries,
}

/// What is left out of a series.
struct Exceptions {
    starts: BTreeSet<DateTime<Utc>>,
    days: BTreeSet<NaiveDate>,
}

impl Exceptions {
    fn has(&self, instant: DateTime<Utc>, local: NaiveDateTime) -> bool {
        self.starts.contains(&instant) || self.days.contains(&local.date())
    }
}

impl Dates {
    /// Returns the dates in the venue's time zone. `start` is the start of the copied event.
    ///
    /// Local times that the clocks skip are left out, and do not count (RFC 5545, section 3.3.10). A local time that the
    /// clocks show twice is the first one (section 3.3.5).
    pub fn plan(&self, zone: Tz, start: DateTime<Utc>) -> FaultResult<Plan> {
        let exceptions = self.exceptions()?;
        let mut plan = match &self.rule {
            Some(rule) => {
                let from = zone::local(zone, self.from.unwrap_or(start)).trunc_subsecs(0);
                by_rule(rule, from, zone, &exceptions).map_err(|why| Fault::invalid("dates.rule", why))?
            }
            None if self.starts_at.is_empty() => {
                return Err(Fault::invalid("dates", "must have a rule or at least one element in startsAt"));
            }
            None => Plan::default(),
        };
        for start in self.starts_at.iter().map(|start| start.trunc_subsecs(6)) {
            let local = zone::local(zone, start);
            if exceptions.has(start, local) {
                plan.left_out.push(LeftOut { local, reason: Reason::Excepted });
            } else {
                plan.starts.push(start);
            }
        }
        plan.starts.sort_unstable();
        plan.starts.dedup();
        plan.left_out.sort_unstable();
        plan.left_out.dedup();
        if plan.starts.is_empty() {
            return Err(Fault::invalid("dates", "have no date that is not left out"));
        }
        if plan.starts.len() > EVENTS_MAX {
            return Err(Fault::invalid("dates", format!("must be at most {EVENTS_MAX} dates")));
        }
        Ok(plan)
    }

    /// Reads the exceptions, and checks the lengths of all lists.
    fn exceptions(&self) -> FaultResult<Exceptions> {
        let mut check = Check::default();
        check
            .that(
                self.starts_at.len() <= EVENTS_MAX,
                "dates.startsAt",
                &format!("must have at most {EVENTS_MAX} elements"),
            )
            .that(
                self.except.len() <= EXCEPTIONS_MAX,
                "dates.except",
                &format!("must have at most {EXCEPTIONS_MAX} elements"),
            )
            .that(
                self.except_days.len() <= EXCEPTIONS_MAX,
                "dates.exceptDays",
                &format!("must have at most {EXCEPTIONS_MAX} elements"),
            );
        check.done()?;
        let mut faults = Vec::new();
        let mut days = BTreeSet::new();
        for (index, text) in self.except_days.iter().enumerate() {
            match day_of(text) {
                Some(day) => _ = days.insert(day),
                None => faults.push(Invalid {
                    path: ["dates", "exceptDays", &index.to_string()].map(str::to_owned).to_vec(),
                    why: "must be a day such as 2026-12-24".to_owned(),
                }),
            }
        }
        if !faults.is_empty() {
            return Err(Fault::Invalid(faults));
        }
        Ok(Exceptions { starts: self.except.iter().map(|start| start.trunc_subsecs(6)).collect(), days })
    }
}

/// Reads a day in the form of ISO 8601.
fn day_of(text: &str) -> Option<NaiveDate> {
    let is_complete = text.len() == 10 && text.is_ascii();
    is_complete.then(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()).flatten()
}

/// Returns the dates of a rule, or why there are none, as a sentence for the caller.
fn by_rule(text: &str, from: NaiveDateTime, zone: Tz, exceptions: &Exceptions) -> Result<Plan, String> {
    let rule: Rule = text.parse().map_err(|error: super::RuleError| error.0)?;
    if rule.end == End::Never {
        return Err("needs COUNT or UNTIL".to_owned());
    }
    let mut plan = Plan::default();
    let mut count = 0;
    let mut times = Occurrences::new(&rule, from);
    for (read, local) in times.by_ref().enumerate() {
        let instant = zone::instant(zone, local);
        let is_over = match rule.end {
            End::Count(most) => count >= most,
            End::Day(last) => local.date() > last,
            End::Local(last) => local > last,
            End::Instant(last) => zone::instant_or_later(zone, local) > last,
            End::Never => false,
        };
        if is_over {
            return Ok(plan);
        }
        if plan.starts.len() >= EVENTS_MAX || read >= TIMES_MAX {
            return Err(format!("has more than {EVENTS_MAX} dates; {local} is one too many"));
        }
        let Some(instant) = instant else {
            plan.left_out.push(LeftOut { local, reason: Reason::Nonexistent });
            continue;
        };
        count += 1;
        if exceptions.has(instant, local) {
            plan.left_out.push(LeftOut { local, reason: Reason::Excepted });
        } else {
            plan.starts.push(instant);
        }
    }
    match rule.end {
        End::Count(most) if count < most => Err(format!("has only {count} dates, and COUNT is {most}")),
        End::Day(_) | End::Local(_) | End::Instant(_) if times.was_given_up() => {
            Err("has no date for centuries; choose an earlier UNTIL".to_owned())
        }
        End::Count(_) | End::Day(_) | End::Local(_) | End::Instant(_) | End::Never => Ok(plan),
    }
}

#[cfg(test)]
mod tests {
    use chrono_tz::{America::New_York, Europe::Vienna};

    use super::*;

    /// Returns the time that is written as `2027-03-28 20:00`.
    fn at(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap()
    }

    fn rule(rule: &str) -> Dates {
        Dates { rule: Some(rule.to_owned()), ..Dates::default() }
    }

    /// Returns the local starts of a plan from the local time on.
    fn local_starts(dates: &Dates, zone: Tz, from: &str) -> Vec<String> {
        let plan = dates.plan(zone, zone::instant(zone, at(from)).unwrap()).unwrap();
        let local = |start: &DateTime<Utc>| zone::local(zone, *start).format("%Y-%m-%d %H:%M").to_string();
        plan.starts.iter().map(local).collect()
    }

    fn invalid(dates: &Dates) -> (String, String) {
        match dates.plan(Vienna, at("2027-05-07 18:00").and_utc()) {
            Err(Fault::Invalid(all)) => (all[0].path.join("."), all[0].why.clone()),
            other => panic!("{other:?} is not about the input"),
        }
    }

    #[test]
    fn shows_keep_their_local_time_across_changes_of_the_clocks() {
        let fridays = local_starts(&rule("FREQ=WEEKLY;BYDAY=FR;COUNT=10"), Vienna, "2027-03-05 20:00");
        assert_eq!(fridays.len(), 10);
        assert!(fridays.iter().all(|start| start.ends_with(" 20:00")), "{fridays:?}");
        let start = zone::instant(Vienna, at("2027-03-26 20:00")).unwrap();
        let plan = rule("FREQ=WEEKLY;COUNT=2").plan(Vienna, start).unwrap();
        assert_eq!(plan.starts, [at("2027-03-26 19:00").and_utc(), at("2027-04-02 18:00").and_utc()]);
    }

    #[test]
    fn skipped_times_are_left_out_and_do_not_count() {
        for (zone, from, expected, skipped) in [
            (Vienna, "2027-03-27 02:30", ["2027-03-27 02:30", "2027-03-29 02:30"], "2027-03-28 02:30"),
            (New_York, "2027-03-13 02:00", ["2027-03-13 02:00", "2027-03-15 02:00"], "2027-03-14 02:00"),
        ] {
            let dates = rule("FREQ=DAILY;COUNT=2");
            assert_eq!(local_starts(&dates, zone, from), expected);
            let plan = dates.plan(zone, zone::instant(zone, at(from)).unwrap()).unwrap();
            assert_eq!(plan.left_out, [LeftOut { local: at(skipped), reason: Reason::Nonexistent }]);
        }
        // A time that comes twice is the first one, and there is one event.
        let start = zone::instant(Vienna, at("2027-10-30 02:30")).unwrap();
        let plan = rule("FREQ=DAILY;COUNT=2").plan(Vienna, start).unwrap();
        assert_eq!(plan.starts[1], at("2027-10-31 00:30").and_utc());
    }

    #[test]
    fn rules_end_by_count_day_local_time_or_instant() {
        for (end, expected) in [
            ("COUNT=3", 3),
            ("UNTIL=20270521", 3),
            ("UNTIL=20270521T200000", 3),
            ("UNTIL=20270521T195959", 2),
            ("UNTIL=20270521T180000Z", 3),
            ("UNTIL=20270521T175959Z", 2),
            ("UNTIL=20270520", 2),
        ] {
            let starts = local_starts(&rule(&format!("FREQ=WEEKLY;{end}")), Vienna, "2027-05-07 20:00");
            assert_eq!(starts.len(), expected, "{end}: {starts:?}");
        }
    }

    #[test]
    fn a_day_of_slots_on_several_days_without_a_holiday() {
        let slots = Dates {
            rule: Some("FREQ=DAILY;BYHOUR=10,11,12,13,14,15,16,17;COUNT=64".to_owned()),
            except_days: vec!["2027-05-04".to_owned()],
            except: vec![zone::instant(Vienna, at("2027-05-01 10:00")).unwrap()],
            ..Dates::default()
        };
        let starts = local_starts(&slots, Vienna, "2027-05-01 10:00");
        assert_eq!(starts.len(), 64 - 8 - 1, "exceptions count in COUNT");
        assert_eq!((starts[0].as_str(), starts[54].as_str()), ("2027-05-01 11:00", "2027-05-08 17:00"));
        let plan = slots.plan(Vienna, zone::instant(Vienna, at("2027-05-01 10:00")).unwrap()).unwrap();
        assert_eq!(plan.left_out.len(), 9);
        assert!(plan.left_out.iter().all(|left_out| left_out.reason == Reason::Excepted));
    }

    #[test]
    fn explicit_dates_and_those_of_a_rule_are_united() {
        let instant = |text| zone::instant(Vienna, at(text)).unwrap();
        let both = Dates {
            rule: Some("FREQ=DAILY;COUNT=2".to_owned()),
            from: Some(instant("2027-05-02 20:00")),
            starts_at: vec![
                instant("2027-05-09 11:00"),
                instant("2027-05-02 20:00"),
                instant("2027-05-01 15:00"),
            ],
            ..Dates::default()
        };
        let expected = ["2027-05-01 15:00", "2027-05-02 20:00", "2027-05-03 20:00", "2027-05-09 11:00"];
        assert_eq!(local_starts(&both, Vienna, "2027-01-01 10:00"), expected);
    }

    #[test]
    fn bad_dates_have_their_path_and_reason() {
        let day = at("2027-05-07 18:00").and_utc();
        for (dates, path, why) in [
            (Dates::default(), "dates", "must have a rule"),
            (rule("every Friday"), "dates.rule", "must be a rule"),
            (rule("FREQ=WEEKLY"), "dates.rule", "needs COUNT or UNTIL"),
            (rule("FREQ=DAILY;COUNT=401"), "dates.rule", "has more than 400 dates"),
            (rule("FREQ=SECONDLY;UNTIL=20280101"), "dates.rule", "has more than 400 dates"),
            (rule("FREQ=MINUTELY;COUNT=1000000"), "dates.rule", "has more than 400 dates"),
            (rule("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;COUNT=3"), "dates.rule", "has only 0 dates"),
            (rule("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;UNTIL=29991231"), "dates.rule", "for centuries"),
            (rule("FREQ=DAILY;UNTIL=20200101"), "dates", "have no date"),
            (Dates { starts_at: vec![day; 401], ..Dates::default() }, "dates.startsAt", "at most 400"),
            (Dates { starts_at: vec![day], except: vec![day], ..Dates::default() }, "dates", "have no date"),
            (
                Dates {
                    starts_at: vec![day],
                    except_days: vec!["2027-05-07".to_owned()],
                    ..Dates::default()
                },
                "dates",
                "have no date",
            ),
            (
                Dates {
                    starts_at: vec![day],
                    except_days: vec!["24.12.2026".to_owned()],
                    ..Dates::default()
                },
                "dates.exceptDays.0",
                "must be a day",
            ),
            (
                Dates { starts_at: vec![day], except: vec![day; 1_001], ..Dates::default() },
                "dates.except",
                "1000",
            ),
        ] {
            let (found, reason) = invalid(&dates);
            assert_eq!(found, path, "{dates:?}");
            assert!(reason.contains(why), "{dates:?}: {reason}");
        }
        let too_many = Dates { starts_at: vec![day], ..rule("FREQ=DAILY;COUNT=400;BYHOUR=9") };
        assert_eq!(invalid(&too_many), ("dates".to_owned(), "must be at most 400 dates".to_owned()));
        assert!(rule("FREQ=DAILY;COUNT=400").plan(Vienna, day).is_ok());
    }
}
