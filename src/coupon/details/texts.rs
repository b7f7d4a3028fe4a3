//! The texts of a coupon in their stored form.
//!
//! Invariant: pure and synchronous.

use super::Change;
use crate::{error::Check, input, limits::text};

/// Characters of the name of a stacking group.
const GROUP_MAX: usize = 50;

impl Change {
    /// Returns the change with its texts in their stored form. Adds the faults of invalid texts to `check`.
    pub(super) fn checked(self, check: &mut Check) -> Self {
        Self {
            title: self.title.map(|title| check.line(&title, "title", 1..=text::NAME)),
            description: self
                .description
                .map(|text| check.paragraphs(&text, "description", 0..=text::DESCRIPTION)),
            terms: self.terms.map(|text| check.paragraphs(&text, "terms", 0..=text::DESCRIPTION)),
            picture_url: self
                .picture_url
                .map(|url| url.and_then(|url| check.parsed("pictureUrl", input::web_address(&url)))),
            stacking_group: self
                .stacking_group
                .map(|group| group.map(|group| check.line(&group, "stackingGroup", 1..=GROUP_MAX))),
            ..self
        }
    }
}
