//! The table of faults.

use std::{collections::BTreeMap, time::Duration};

use crate::faults::{fault::Fault, ground::Database, inject::Done, tally::Tally, verify::Finding};

/// The maximum time until purchases are possible after the end of an outage.
const RECOVERY: Duration = Duration::from_secs(10);
/// The maximum duration of a read of a locked event's availability.
const READ: Duration = Duration::from_secs(2);

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// The database.
    pub(crate) database: Database,
    /// The fault.
    pub(crate) fault: Fault,
    /// The results of the clients.
    pub(crate) tally: Tally,
    /// The comparison afterwards.
    pub(crate) finding: Finding,
    /// The result of the fault.
    pub(crate) done: Done,
}

impl Line {
    /// Returns descriptions of all errors. Empty if there are none.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut all = Vec::new();
        let finding = &self.finding;
        if finding.lost + finding.doubled + finding.divergent > 0 || !finding.notes.is_empty() {
            all.push("facts".to_owned());
        }
        let kinds = self.tally.failed.keys().filter(|kind| !self.fault.allows(kind));
        all.extend(kinds.map(|kind| format!("error `{kind}`")));
        if self.tally.gap > self.done.outage + RECOVERY {
            all.push("gap".to_owned());
        }
        if self.fault == Fault::Locked && self.tally.slowest_read > READ {
            all.push(format!("a read took {}", seconds(self.tally.slowest_read)));
        }
        if self.tally.acknowledged == 0 {
            all.push("nothing was acknowledged".to_owned());
        }
        all.extend(self.done.notes.iter().cloned());
        all
    }

    /// Formats the line as Markdown.
    pub(crate) fn markdown(&self) -> String {
        let faults = self.faults();
        let verdict =
            if faults.is_empty() { "pass".to_owned() } else { format!("**FAIL**: {}", faults.join(", ")) };
        format!(
            "| {:?} | {:?} | {} | {} | {} | {} | {} | {} | {} | {verdict} |",
            self.database,
            self.fault,
            self.tally.acknowledged,
            self.finding.lost,
            self.finding.doubled,
            self.finding.divergent,
            counts(&self.tally.failed),
            counts(&self.tally.refused),
            seconds(self.tally.gap),
        )
    }
}

/// The header of the table.
pub(crate) const HEAD: &str = "| database | fault | acknowledged | lost | doubled | divergent | errors seen | refusals | longest gap | |\n\
|---|---|---|---|---|---|---|---|---|---|";

fn counts(all: &BTreeMap<String, u64>) -> String {
    if all.is_empty() {
        return "–".to_owned();
    }
    all.iter().map(|(kind, count)| format!("{kind} {count}")).collect::<Vec<_>>().join(", ").replace('|', " ")
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_line_fails_for_each_thing_that_is_wrong() {
        let mut tally = Tally::new(Instant::now());
        tally.acknowledge(Instant::now());
        tally.fail("UNAVAILABLE");
        let (database, fault) = (Database::Postgres, Fault::Kill);
        let good = Line { database, fault, tally, finding: Finding::default(), done: Done::default() };
        assert_eq!(good.faults(), Vec::<String>::new());
        let mut bad = good.clone();
        bad.tally.fail("INTERNAL");
        assert_eq!(bad.faults(), ["error `INTERNAL`"]);
        let mut bad = good.clone();
        bad.tally.gap = Duration::from_secs(11);
        assert_eq!(bad.faults(), ["gap"]);
        bad.done.outage = Duration::from_secs(2);
        assert_eq!(bad.faults(), Vec::<String>::new());
        let mut bad = good.clone();
        bad.finding.divergent = 1;
        assert_eq!(bad.faults(), ["facts"]);
    }
}
