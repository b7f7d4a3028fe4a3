//! The table that `scripts/attack` prints: one line per attack.

use std::time::Duration;

use crate::attack::usage::Usage;

/// The maximum processor time of one attack.
pub(crate) const CPU: Duration = Duration::from_millis(50);
/// The maximum memory of one attack, in KiB.
pub(crate) const MEMORY_KIB: i64 = 10 * 1024;

/// The result of one attack.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// The row of the table in issue 10.
    pub(crate) row: u8,
    /// A description of the attack.
    pub(crate) attack: String,
    /// The processor time and memory, if they were measured.
    pub(crate) usage: Option<Usage>,
    /// The server's reaction.
    pub(crate) answer: String,
    /// The requirement.
    pub(crate) required: String,
    /// Whether the requirement is met.
    pub(crate) passed: bool,
}

/// All results so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// The row in progress.
    pub(crate) row: u8,
    lines: Vec<Line>,
}

impl Report {
    /// Adds the result of an attack whose processor time and memory are limited.
    pub(crate) fn spent(&mut self, attack: &str, usage: Usage, answer: String) {
        self.add(Line {
            row: self.row,
            attack: attack.to_owned(),
            usage: Some(usage),
            answer,
            required: "≤ 50 ms, ≤ 10 MB".to_owned(),
            passed: usage.cpu <= CPU && usage.peak_kib <= MEMORY_KIB,
        });
    }

    /// Adds the result of an attack that is judged by the server's reaction.
    pub(crate) fn judged(&mut self, attack: &str, passed: bool, answer: String, required: &str) {
        self.add(Line {
            row: self.row,
            attack: attack.to_owned(),
            usage: None,
            answer,
            required: required.to_owned(),
            passed,
        });
    }

    /// Adds a line and prints it.
    #[expect(clippy::print_stdout, reason = "the table is what the command is for")]
    pub(crate) fn add(&mut self, line: Line) {
        if self.lines.is_empty() {
            println!("| row | attack | CPU | RSS | peak | answer | required | |");
            println!("|---|---|---|---|---|---|---|---|");
        }
        println!("{}", line.markdown());
        self.lines.push(line);
    }

    /// Returns the number of attacks, and the number of failed ones.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.lines.len(), self.lines.iter().filter(|line| !line.passed).count())
    }
}

impl Line {
    fn markdown(&self) -> String {
        let dash = || "–".to_owned();
        let megabytes = |kib: i64| {
            let sign = if kib < 0 { "−" } else { "+" };
            let tenths = kib.unsigned_abs() * 10 / 1024;
            format!("{sign}{}.{} MB", tenths / 10, tenths % 10)
        };
        let cpu = self.usage.map_or_else(dash, |usage| milliseconds(usage.cpu));
        let growth = self.usage.map_or_else(dash, |usage| megabytes(usage.growth_kib));
        let peak = self.usage.map_or_else(dash, |usage| megabytes(usage.peak_kib));
        let verdict = if self.passed { "pass" } else { "**FAIL**" };
        let cell = |text: &str| text.replace(['|', '\n', '\r'], " ");
        format!(
            "| {} | {} | {cpu} | {growth} | {peak} | {} | {} | {verdict} |",
            self.row,
            cell(&self.attack),
            cell(&self.answer),
            cell(&self.required)
        )
    }
}

/// Formats a duration in milliseconds.
pub(crate) fn milliseconds(time: Duration) -> String {
    let tenths = time.as_micros() / 100;
    if tenths < 1_000 { format!("{}.{} ms", tenths / 10, tenths % 10) } else { format!("{} ms", tenths / 10) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expensive_attacks_fail() {
        let mut report = Report::default();
        let usage = |cpu, peak_kib| Usage { cpu: Duration::from_millis(cpu), growth_kib: -2_048, peak_kib };
        report.spent("cheap", usage(50, 10_240), String::new());
        report.spent("slow", usage(51, 0), String::new());
        report.spent("large", usage(0, 10_241), String::new());
        assert_eq!(report.counts(), (3, 2));
        let text = report.lines[1].markdown();
        assert_eq!(text, "| 0 | slow | 51.0 ms | −2.0 MB | +0.0 MB |  | ≤ 50 ms, ≤ 10 MB | **FAIL** |");
    }
}
