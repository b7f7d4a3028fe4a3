//! Areas: with a `capacity` they are general admission and sold, without one they are decoration (the stage,
//! a pillar, a word) and only kept in the document.

use super::json::{Spot, raw_object};
use super::read::{Parent, Reader};
use super::{Area, CAPACITY_MAX, NAME_CHARS_MAX};

raw_object!(RawArea { capacity, area_guid, uuid, name, text, category, position });
raw_object!(RawText { text });

impl Reader {
    pub(super) fn area(&mut self, area: Spot<'_, '_>, index: usize, zone: Parent) {
        let Some(raw) = area.object::<RawArea>(&mut self.faults) else { return };
        let capacity = area.at("capacity", raw.capacity);
        if capacity.is_absent() {
            return;
        }
        let capacity = capacity.count(CAPACITY_MAX, &mut self.faults).unwrap_or_default();
        let guid = self.area_guid(area, &raw, index, zone);
        let name = area.at("name", raw.name).words(&mut self.faults);
        let name = name.or_else(|| self.drawn(area.at("text", raw.text))).unwrap_or_else(|| guid.clone());
        let category = area.at("category", raw.category);
        let category = if category.is_absent() { None } else { self.category_of(category) };
        let (x, y) = zone.place(area.at("position", raw.position).offset(&mut self.faults));
        self.plan.areas.push(Area { guid, name, zone: zone.index, category, capacity, x, y });
    }

    /// The area's own guid, or one made of its place in the document, which is as stable as the document.
    fn area_guid(&mut self, area: Spot<'_, '_>, raw: &RawArea<'_>, index: usize, zone: Parent) -> String {
        let own = match (raw.area_guid, raw.uuid) {
            (None, None) => {
                let suffix = format!("-{index}");
                let zone = self.plan.zones[zone.index].name.trim();
                let guid = zone.chars().take(NAME_CHARS_MAX - suffix.len()).collect::<String>() + &suffix;
                self.names.claim(&guid, None, area.path, &mut self.faults);
                return guid;
            }
            (None, uuid) => area.at("uuid", uuid),
            (guid, _) => area.at("area_guid", guid),
        };
        let path = own.path;
        let Some(guid) = own.guid(&mut self.faults) else { return String::new() };
        self.names.claim(&guid, None, path, &mut self.faults);
        guid
    }

    /// The text drawn on an area. pretix's first plans had it bare, later ones have it in an object.
    fn drawn(&mut self, text: Spot<'_, '_>) -> Option<String> {
        if text.is_absent() || text.is_text() {
            return text.words(&mut self.faults);
        }
        let raw = text.object::<RawText>(&mut self.faults)?;
        text.at("text", raw.text).words(&mut self.faults)
    }
}
