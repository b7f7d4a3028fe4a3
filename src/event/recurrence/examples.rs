//! The examples of RFC 5545, section 3.8.5.3, and rules for events. The clocks are applied in `zone.rs`.

use chrono::{NaiveDate, NaiveDateTime};

use super::{Occurrences, Rule};

/// Rules, and the first days of each.
const EXAMPLES: &[(&str, &[&str])] = &[
    ("FREQ=DAILY", &["1997-09-02", "1997-09-03", "1997-09-04"]),
    ("FREQ=DAILY;INTERVAL=10", &["1997-09-02", "1997-09-12", "1997-09-22", "1997-10-02"]),
    ("FREQ=YEARLY;BYMONTH=1;BYDAY=SU,MO,TU,WE,TH,FR,SA", &["1998-01-01", "1998-01-02"]),
    ("FREQ=DAILY;BYMONTH=1", &["1998-01-01", "1998-01-02", "1998-01-03"]),
    ("FREQ=WEEKLY", &["1997-09-02", "1997-09-09", "1997-09-16"]),
    ("FREQ=WEEKLY;INTERVAL=2;WKST=SU", &["1997-09-02", "1997-09-16", "1997-09-30", "1997-10-14"]),
    ("FREQ=WEEKLY;WKST=SU;BYDAY=TU,TH", &["1997-09-02", "1997-09-04", "1997-09-09", "1997-09-11"]),
    (
        "FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=MO,WE,FR",
        &["1997-09-03", "1997-09-05", "1997-09-15", "1997-09-17", "1997-09-19", "1997-09-29"],
    ),
    ("FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=TU,TH", &["1997-09-02", "1997-09-04", "1997-09-16", "1997-09-18"]),
    ("FREQ=MONTHLY;BYDAY=1FR", &["1997-09-05", "1997-10-03", "1997-11-07", "1997-12-05", "1998-01-02"]),
    (
        "FREQ=MONTHLY;INTERVAL=2;BYDAY=1SU,-1SU",
        &["1997-09-07", "1997-09-28", "1997-11-02", "1997-11-30", "1998-01-04", "1998-01-25", "1998-03-01"],
    ),
    ("FREQ=MONTHLY;BYDAY=-2MO", &["1997-09-22", "1997-10-20", "1997-11-17", "1997-12-22", "1998-01-19"]),
    ("FREQ=MONTHLY;BYMONTHDAY=-3", &["1997-09-28", "1997-10-29", "1997-11-28", "1997-12-29", "1998-01-29"]),
    ("FREQ=MONTHLY;BYMONTHDAY=2,15", &["1997-09-02", "1997-09-15", "1997-10-02", "1997-10-15"]),
    ("FREQ=MONTHLY;BYMONTHDAY=1,-1", &["1997-09-30", "1997-10-01", "1997-10-31", "1997-11-01"]),
    (
        "FREQ=MONTHLY;INTERVAL=18;BYMONTHDAY=10,11,12,13,14,15",
        &["1997-09-10", "1997-09-11", "1997-09-12", "1997-09-13", "1997-09-14", "1997-09-15", "1999-03-10"],
    ),
    (
        "FREQ=MONTHLY;INTERVAL=2;BYDAY=TU",
        &["1997-09-02", "1997-09-09", "1997-09-16", "1997-09-23", "1997-09-30", "1997-11-04"],
    ),
    ("FREQ=YEARLY;BYMONTH=6,7", &["1998-06-02", "1998-07-02", "1999-06-02"]),
    ("FREQ=YEARLY;INTERVAL=2;BYMONTH=1,2,3", &["1999-01-02", "1999-02-02", "1999-03-02", "2001-01-02"]),
    ("FREQ=YEARLY;INTERVAL=3;BYYEARDAY=1,100,200", &["2000-01-01", "2000-04-09", "2000-07-18", "2003-01-01"]),
    ("FREQ=YEARLY;BYDAY=20MO", &["1998-05-18", "1999-05-17", "2000-05-15"]),
    ("FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", &["1998-05-11", "1999-05-17", "2000-05-15"]),
    (
        "FREQ=YEARLY;BYMONTH=3;BYDAY=TH",
        &["1998-03-05", "1998-03-12", "1998-03-19", "1998-03-26", "1999-03-04"],
    ),
    (
        "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
        &["1998-02-13", "1998-03-13", "1998-11-13", "1999-08-13", "2000-10-13"],
    ),
    ("FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13", &["1997-09-13", "1997-10-11", "1997-11-08"]),
    (
        "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
        &["1997-11-04", "2001-11-06", "2005-11-08"],
    ),
    ("FREQ=MONTHLY;BYDAY=TU,WE,TH;BYSETPOS=3", &["1997-09-04", "1997-10-07", "1997-11-06"]),
    (
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2",
        &["1997-09-29", "1997-10-30", "1997-11-27", "1997-12-30"],
    ),
    // Where the crate `rrule` 0.14 differs.
    (
        "FREQ=MONTHLY;BYDAY=MO,1FR",
        &["1997-09-05", "1997-09-08", "1997-09-15", "1997-09-22", "1997-09-29", "1997-10-03"],
    ),
    ("FREQ=YEARLY;BYWEEKNO=20", &["1998-05-12", "1999-05-18", "2000-05-16"]),
    ("FREQ=YEARLY;BYWEEKNO=53;BYDAY=SA,SU", &["1999-01-02", "1999-01-03", "2005-01-01", "2005-01-02"]),
];

/// Returns the time that is written as `1997-09-02 09:00`.
fn at(text: &str) -> NaiveDateTime {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").expect("a time")
}

fn first(rule: &str, start: &str, count: usize) -> Vec<String> {
    let rule: Rule = rule.parse().expect("a rule");
    Occurrences::new(&rule, at(start))
        .take(count)
        .map(|time| time.format("%Y-%m-%d %H:%M").to_string())
        .collect()
}

/// Returns the days of the rule from Tuesday, 2 September 1997, 09:00 on.
fn days(rule: &str, count: usize) -> Vec<String> {
    let all = first(rule, "1997-09-02 09:00", count);
    assert!(all.iter().all(|time| time.ends_with(" 09:00")), "{rule}: {all:?}");
    all.into_iter().map(|time| time.trim_end_matches(" 09:00").to_owned()).collect()
}

#[test]
fn examples_of_the_rfc_have_their_days() {
    for (rule, expected) in EXAMPLES {
        assert_eq!(days(rule, expected.len()), *expected, "{rule}");
    }
}

#[test]
fn start_is_the_lower_bound_and_supplies_what_the_rule_omits() {
    for (rule, start, expected) in [
        // A start that the rule does not match is no time of it.
        ("FREQ=WEEKLY;BYDAY=FR", "2027-05-05 20:00", ["2027-05-07 20:00", "2027-05-14 20:00"]),
        ("FREQ=WEEKLY;BYDAY=FR", "2027-05-07 20:00", ["2027-05-07 20:00", "2027-05-14 20:00"]),
        ("FREQ=DAILY;BYHOUR=14,20;BYMINUTE=30", "2027-05-05 15:00", ["2027-05-05 20:30", "2027-05-06 14:30"]),
        ("FREQ=MONTHLY", "2027-01-31 20:00", ["2027-01-31 20:00", "2027-03-31 20:00"]),
        ("FREQ=YEARLY", "2028-02-29 20:00", ["2028-02-29 20:00", "2032-02-29 20:00"]),
        (
            "FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=31",
            "2027-05-05 22:00",
            ["2027-12-31 22:00", "2028-12-31 22:00"],
        ),
        (
            "FREQ=MONTHLY;BYDAY=SA,SU;BYSETPOS=-1",
            "2027-05-01 11:00",
            ["2027-05-30 11:00", "2027-06-27 11:00"],
        ),
        ("FREQ=HOURLY;BYHOUR=10,11;BYDAY=SA", "2027-05-01 10:30", ["2027-05-01 10:30", "2027-05-01 11:30"]),
        ("FREQ=HOURLY;INTERVAL=36", "2027-05-01 10:30", ["2027-05-01 10:30", "2027-05-02 22:30"]),
        (
            "FREQ=MINUTELY;INTERVAL=90;BYHOUR=9,10,11,12,13,14,15,16",
            "2027-05-01 09:00",
            ["2027-05-01 09:00", "2027-05-01 10:30"],
        ),
        (
            "FREQ=MINUTELY;INTERVAL=20;BYDAY=SU;BYHOUR=3",
            "2027-05-01 09:05",
            ["2027-05-02 03:05", "2027-05-02 03:25"],
        ),
        (
            "FREQ=SECONDLY;INTERVAL=30;BYSECOND=0",
            "2027-05-01 09:00",
            ["2027-05-01 09:00", "2027-05-01 09:01"],
        ),
    ] {
        assert_eq!(first(rule, start, 2), expected, "{rule} from {start}");
    }
}

#[test]
fn rules_that_match_nothing_end() {
    for rule in [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;BYMONTH=4;BYMONTHDAY=31",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=HOURLY;INTERVAL=24;BYHOUR=5",
        "FREQ=MINUTELY;INTERVAL=60;BYMINUTE=7",
        "FREQ=SECONDLY;INTERVAL=60;BYSECOND=7",
        "FREQ=SECONDLY;INTERVAL=86400;BYHOUR=5",
        "FREQ=YEARLY;INTERVAL=100000;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY;BYDAY=53MO;BYSETPOS=2",
        "FREQ=MONTHLY;BYDAY=6MO",
    ] {
        assert_eq!(first(rule, "2027-05-01 20:00", 1), [""; 0], "{rule}");
    }
    let rule: Rule = "FREQ=SECONDLY".parse().expect("a rule");
    let start = NaiveDate::MAX.and_hms_opt(0, 0, 0).expect("a time");
    assert_eq!(Occurrences::new(&rule, start).count(), 0, "after the last year");
    let rule: Rule = "FREQ=SECONDLY;BYHOUR=1".parse().expect("a rule");
    let mut all = Occurrences::new(&rule, at("2027-05-01 20:00"));
    assert!(all.by_ref().count() < 200_000 && all.was_given_up());
}
