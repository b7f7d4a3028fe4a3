//! The categories of a plan, by the names that seats and areas refer to them.

use super::color::color;
use super::fault::Cause;
use super::json::{Spot, raw_object};
use super::model::{CATEGORIES_MAX, Category, DEFAULT_COLOR};
use super::read::Reader;
use super::room::{Room, grouped};
use super::warning::WarningCode;

/// The name of the category of seats without one. A number follows if the plan has a category of this name.
const UNCATEGORISED: &str = "Uncategorised";

raw_object!(RawCategory { name, color });

impl Reader {
    /// Reads the categories that the document declares.
    pub(super) fn categories(&mut self, categories: Spot<'_, '_>) {
        let mut blank = None;
        let mut room = Room::new("categories", CATEGORIES_MAX);
        for category in categories.items_if_any(&mut room, &mut self.report) {
            let Some(raw) = category.object::<RawCategory>(&mut self.report) else { continue };
            let color = self.color(category.at("color", raw.color));
            let name = category.at("name", raw.name).text(&mut self.report).unwrap_or_default();
            if name.trim().is_empty() {
                blank = blank.or(Some(color));
            } else if self.by_name.contains_key(&name) {
                self.report.warn(WarningCode::CategoryMerged, format!("`{name}`"));
            } else {
                self.add_category(name.clone(), name, color);
            }
        }
        // Added last, because its name must differ from all others.
        if let Some(color) = blank {
            self.add_uncategorised(color);
        }
    }

    fn color(&mut self, color_at: Spot<'_, '_>) -> String {
        let written = color_at.words(&mut self.report);
        let read = written.as_deref().map(color);
        if let (Some(written), Some(None)) = (written, &read) {
            self.report.warn(WarningCode::ColorIgnored, format!("`{written}`"));
        }
        read.flatten().unwrap_or_else(|| DEFAULT_COLOR.to_owned())
    }

    /// Returns the index of the category of a seat or area. A category that the document does not declare is added.
    pub(super) fn category_of(&mut self, category: Spot<'_, '_>) -> usize {
        let name = category.text(&mut self.report).unwrap_or_default();
        let trimmed = name.trim();
        if trimmed.is_empty() {
            self.report.warn(WarningCode::CategoryAdded, category.path);
        }
        if let Some(index) = self.by_name.get(&name).or_else(|| self.by_name.get(trimmed)) {
            return *index;
        }
        if self.plan.categories.len() >= CATEGORIES_MAX {
            let why = format!("exceeds the limit of {} categories per plan", grouped(CATEGORIES_MAX));
            self.report.last_fault(category.path, Cause::Limit, why);
            return 0;
        }
        if trimmed.is_empty() {
            return self.add_uncategorised(DEFAULT_COLOR.to_owned());
        }
        self.report.warn(WarningCode::CategoryUndeclared, format!("`{trimmed}`"));
        self.add_category(trimmed.to_owned(), trimmed.to_owned(), DEFAULT_COLOR.to_owned())
    }

    /// Adds the category of seats without one.
    fn add_uncategorised(&mut self, color: String) -> usize {
        let mut name = UNCATEGORISED.to_owned();
        let mut number = 1;
        while self.by_name.contains_key(&name) {
            number += 1;
            name = format!("{UNCATEGORISED} {number}");
        }
        self.by_name.insert(name.clone(), self.plan.categories.len());
        self.add_category(String::new(), name, color)
    }

    /// Adds a category that the document calls `written`.
    fn add_category(&mut self, written: String, name: String, color: String) -> usize {
        let index = self.plan.categories.len();
        self.by_name.insert(written, index);
        self.plan.categories.push(Category { name, color });
        index
    }
}
