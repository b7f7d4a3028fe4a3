//! Areas. An area with a `capacity` is general admission and can be sold. One without is decoration (the stage, a
//! pillar, a text) and is only kept in the document.

use super::fault::Report;
use super::focal;
use super::json::{Spot, raw_object};
use super::model::{Area, CAPACITY_MAX, NAME_CHARS_MAX};
use super::names::Owner;
use super::read::{Parent, Reader};

raw_object!(RawArea { capacity, area_guid, uuid, name, text, category, position });
raw_object!(RawText { text, position });

/// A decoration whose text names a stage or similar.
#[derive(Clone, Copy)]
pub(super) struct Stage {
    /// The position of the text.
    pub(super) at: (f64, f64),
    /// How many words the text has besides the stage's name. The fewer, the more likely it is the stage.
    pub(super) other_words: usize,
}

impl Reader {
    pub(super) fn area(&mut self, area: Spot<'_, '_>, index: usize, zone: Parent) {
        let Some(raw) = area.object::<RawArea>(&mut self.report) else { return };
        let capacity = area.at("capacity", raw.capacity);
        if capacity.is_absent() {
            let found = stage(area, &raw, zone);
            if found.is_some_and(|found| self.stage.is_none_or(|stage| found.other_words < stage.other_words))
            {
                self.stage = found;
            }
            return;
        }
        let capacity = capacity.count(CAPACITY_MAX, &mut self.report).unwrap_or_default();
        let guid = self.area_guid(area, &raw, index, zone);
        let name = area.at("name", raw.name).words(&mut self.report);
        // Without any name, the area is called by its guid, which may not be known yet.
        let name = name.or_else(|| self.drawn(area.at("text", raw.text))).unwrap_or_default();
        let category = area.at("category", raw.category);
        let has_category = !category.is_absent() && category.json() != Some("\"\"");
        let category = has_category.then(|| self.category_of(category));
        let (x, y) = zone.place(area.at("position", raw.position).offset(&mut self.report));
        self.plan.areas.push(Area { guid, name, zone: zone.index, category, capacity, x, y });
    }

    /// Reads the area's guid. If it has none, it gets one from the zone's name and the area's index when all others are
    /// known, so that the same document gives the same guid.
    fn area_guid(&mut self, area: Spot<'_, '_>, raw: &RawArea<'_>, index: usize, zone: Parent) -> String {
        let owner = Owner::Area(self.plan.areas.len());
        let own = area.at("area_guid", raw.area_guid);
        let uuid = area.at("uuid", raw.uuid);
        let guid = own.name(&mut self.report).map(|guid| (guid, own.path));
        let guid = guid.or_else(|| uuid.name(&mut self.report).map(|guid| (guid, uuid.path)));
        let Some((guid, path)) = guid else {
            let suffix = format!("-{index}");
            let zone = self.plan.zones[zone.index].name.trim();
            let base = zone.chars().take(NAME_CHARS_MAX - suffix.len()).collect::<String>() + &suffix;
            self.names.leave_unnamed(owner, base, None);
            return String::new();
        };
        let slot = self.repairs.slot(area.json().unwrap_or_default(), "area_guid", raw.area_guid);
        self.names.claim(owner, &guid, path.to_string(), slot);
        guid
    }

    /// Reads the text drawn on an area. Early pretix plans have a string here, later ones an object.
    fn drawn(&mut self, text: Spot<'_, '_>) -> Option<String> {
        if text.is_absent() || text.is_text() {
            return text.words(&mut self.report);
        }
        let raw = text.object::<RawText>(&mut self.report)?;
        text.at("text", raw.text).words(&mut self.report)
    }
}

/// Returns a decoration whose text names a stage or similar. Ignores all faults of a decoration.
fn stage(area: Spot<'_, '_>, raw: &RawArea<'_>, zone: Parent) -> Option<Stage> {
    let report = &mut Report::default();
    let text = area.at("text", raw.text);
    let origin = zone.place(area.at("position", raw.position).offset(report));
    if text.is_text() {
        let other_words = focal::other_words(&text.words(report)?)?;
        return Some(Stage { at: origin, other_words });
    }
    let drawn = text.object::<RawText>(report)?;
    let words = text.at("text", drawn.text).words(report)?;
    let offset = text.at("position", drawn.position).offset(report);
    let other_words = focal::other_words(&words)?;
    Some(Stage { at: Parent { origin, ..zone }.place(offset), other_words })
}
