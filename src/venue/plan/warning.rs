//! What the reader repaired or guessed, so that the plan could be imported.

use std::fmt::Display;

use serde::{Deserialize, Serialize};

use super::model::PLACES_NAMED_MAX;
use super::room::grouped;

/// Maximum number of characters of an example.
const EXAMPLE_CHARS_MAX: usize = 300;

/// The kind of a repair or guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarningCode {
    /// The plan has no name.
    NameAdded,
    /// The plan has no usable size.
    SizeGuessed,
    /// A colour cannot be read.
    ColorIgnored,
    /// Two categories have the same name.
    CategoryMerged,
    /// Seats have no category, or one without a name.
    CategoryAdded,
    /// Seats have a category that the plan does not declare.
    CategoryUndeclared,
    /// Seats have no guid.
    GuidAdded,
    /// Seats or areas share a guid.
    GuidPrefixed,
    /// Seats have no number.
    NumberMissing,
    /// Texts have line breaks, invisible or control characters.
    TextCleaned,
    /// Seats of different places have the same label.
    LabelExtended,
    /// The plan does not say where the front is.
    FrontGuessed,
}

/// What the reader repaired or guessed: one entry per kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// The kind.
    pub code: WarningCode,
    /// The number of places.
    pub count: u32,
    /// The first places: JSON paths, labels, or texts of the plan. At most [`PLACES_NAMED_MAX`].
    pub examples: Vec<String>,
}

impl Warning {
    pub(super) fn new(code: WarningCode, place: impl Display) -> Self {
        let mut warning = Self { code, count: 0, examples: Vec::new() };
        warning.count_another(place);
        warning
    }

    pub(super) fn count_another(&mut self, place: impl Display) {
        self.count = self.count.saturating_add(1);
        if self.examples.len() < PLACES_NAMED_MAX {
            self.examples.push(place.to_string().chars().take(EXAMPLE_CHARS_MAX).collect());
        }
    }

    /// Returns a sentence for the vendor: what was repaired or guessed, how often, and what to check.
    pub fn message(&self) -> String {
        let (count, first) = (grouped(self.count as usize), self.examples.first().map_or("", String::as_str));
        match self.code {
            WarningCode::NameAdded => format!("The plan has no name. It is now called `{first}`."),
            WarningCode::SizeGuessed => {
                format!("The plan has no usable size. Its size is now {first}, so that all places fit.")
            }
            WarningCode::ColorIgnored => {
                format!("{count} colours cannot be read, such as {first}. The default colour replaces them.")
            }
            WarningCode::CategoryMerged => {
                format!(
                    "{count} categories have the name of an earlier one, such as {first}. They were merged."
                )
            }
            WarningCode::CategoryAdded => format!(
                "{count} seats or categories have no category name, such as {first}. They are now in a category \
                 named `Uncategorised`. Give it a tier, or its seats are not for sale."
            ),
            WarningCode::CategoryUndeclared => format!(
                "The plan does not declare {count} categories of its seats, such as {first}. They were added. Check \
                 their spelling, and give each a tier."
            ),
            WarningCode::GuidAdded => {
                format!(
                    "{count} seats have no guid, such as {first}. They got one from zone, row and number."
                )
            }
            WarningCode::GuidPrefixed => format!(
                "{count} guids were already used in the plan, such as {first}. They got their zone and row as a prefix."
            ),
            WarningCode::NumberMissing => format!("{count} seats have no number, such as {first}."),
            WarningCode::TextCleaned => format!(
                "{count} texts have line breaks, invisible or control characters, such as {first}. These were \
                 removed."
            ),
            WarningCode::LabelExtended => format!(
                "{count} seats or areas had the label of another place. Zone, block or number now tell them apart, as in \
                 `{first}`."
            ),
            WarningCode::FrontGuessed => format!(
                "The plan does not say where the front is. The best seats are those near {first}. If that is wrong, \
                 set `focalPoint` on the event, or `focal_point` in the plan."
            ),
        }
    }
}
