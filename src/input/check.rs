//! Collects the faults of an input, one value after another.

use std::{fmt::Display, ops::RangeInclusive};

use super::text::Text;
use crate::error::Check;

impl Check {
    /// Returns the value. If it is a fault, adds it at `path` and returns `None`.
    pub fn parsed<T, F: Display>(&mut self, path: &str, parsed: Result<T, F>) -> Option<T> {
        match parsed {
            Ok(value) => Some(value),
            Err(fault) => {
                self.that(false, path, &fault.to_string());
                None
            }
        }
    }

    /// Returns the text of one line in its stored form. If it is invalid, adds the fault and returns an empty text.
    pub fn line(&mut self, text: &str, path: &str, length: RangeInclusive<usize>) -> String {
        self.parsed(path, Text::line(length).parse(text)).unwrap_or_default()
    }

    /// Does the same for a text of any number of lines.
    pub fn paragraphs(&mut self, text: &str, path: &str, length: RangeInclusive<usize>) -> String {
        self.parsed(path, Text::paragraphs(length).parse(text)).unwrap_or_default()
    }

    /// Checks the length in characters of a text that programs write, such as an idempotency key, and that it has no
    /// control characters. It is stored unchanged.
    pub fn opaque(&mut self, text: &str, path: &str, length: RangeInclusive<usize>) -> &mut Self {
        let (min, max) = (length.start(), length.end());
        let good = text.trim().chars().count() >= *min && text.chars().count() <= *max;
        self.that(good, path, &format!("must have {min} to {max} characters"));
        self.that(!text.contains(char::is_control), path, "must not contain control characters")
    }
}
