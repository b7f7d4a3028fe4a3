//! The printed table.

/// A line of the table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    /// The measured figure.
    pub(crate) figure: String,
    /// The reference.
    pub(crate) reference: String,
    /// The reference's result.
    pub(crate) reference_value: String,
    /// Tessera's result.
    pub(crate) ours: String,
    /// The ratio of both.
    pub(crate) ratio: String,
    /// The target.
    pub(crate) reach: String,
}

impl Line {
    /// Creates a line without a measurement, with the reason.
    pub(crate) fn without(figure: &str, reach: &str, why: &str) -> Self {
        Self {
            figure: figure.to_owned(),
            ours: why.replace(['|', '\n'], " "),
            reach: reach.to_owned(),
            ..Self::default()
        }
    }
}

/// Formats a ratio.
pub(crate) fn ratio(ours: f64, reference: f64) -> String {
    if reference > 0.0 { format!("{:.2}×", ours / reference) } else { "—".to_owned() }
}

/// Formats a rate.
pub(crate) fn per_second(rate: f64) -> String {
    format!("{rate:.0}/s")
}

/// Formats a time in milliseconds.
pub(crate) fn millis(micros: u32) -> String {
    format!("{:.2} ms", f64::from(micros) / 1_000.0)
}

/// Formats the table as Markdown.
pub(crate) fn markdown(lines: &[Line]) -> String {
    let mut text =
        "| figure | reference | reference value | ours | ratio | reach |\n|---|---|---|---|---|---|\n"
            .to_owned();
    for line in lines {
        let cells =
            [&line.figure, &line.reference, &line.reference_value, &line.ours, &line.ratio, &line.reach];
        for cell in cells {
            text.push_str("| ");
            text.push_str(if cell.is_empty() { "—" } else { cell });
            text.push(' ');
        }
        text.push_str("|\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_six_columns() {
        let text = markdown(&[Line::without("a figure", "≥ 1×", "failed: a|b")]);
        assert_eq!(text.lines().last(), Some("| a figure | — | — | failed: a b | — | ≥ 1× |"));
        assert_eq!(ratio(3.0, 2.0), "1.50×");
        assert_eq!(ratio(3.0, 0.0), "—");
        assert_eq!(millis(1_500), "1.50 ms");
    }
}
