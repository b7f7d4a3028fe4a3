//! Areas. An area with a `capacity` is general admission and can be sold. One without is decoration (the stage, a
//! pillar, a text) and is only kept in the document.

use super::fault::Faults;
use super::focal;
use super::json::{Spot, raw_object};
use super::read::{Parent, Reader};
use super::{Area, CAPACITY_MAX, NAME_CHARS_MAX};

raw_object!(RawArea { capacity, area_guid, uuid, name, text, category, position });
raw_object!(RawText { text, position });

impl Reader {
    pub(super) fn area(&mut self, area: Spot<'_, '_>, index: usize, zone: Parent) {
        let Some(raw) = area.object::<RawArea>(&mut self.faults) else { return };
        let capacity = area.at("capacity", raw.capacity);
        if capacity.is_absent() {
            self.stage = self.stage.or_else(|| stage(area, &raw, zone));
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

    /// Reads the area's guid. If it has none, derives one from the zone's name and the area's index, so that the same
    /// document gives the same guid.
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

    /// Reads the text drawn on an area. Early pretix plans have a string here, later ones an object.
    fn drawn(&mut self, text: Spot<'_, '_>) -> Option<String> {
        if text.is_absent() || text.is_text() {
            return text.words(&mut self.faults);
        }
        let raw = text.object::<RawText>(&mut self.faults)?;
        text.at("text", raw.text).words(&mut self.faults)
    }
}

/// Returns the position of a decoration whose text names a stage or similar. Ignores all other faults of a decoration.
fn stage(area: Spot<'_, '_>, raw: &RawArea<'_>, zone: Parent) -> Option<(f64, f64)> {
    let faults = &mut Faults::default();
    let text = area.at("text", raw.text);
    let origin = zone.place(area.at("position", raw.position).offset(faults));
    if text.is_text() {
        return focal::is_looked_at(&text.words(faults)?).then_some(origin);
    }
    let drawn = text.object::<RawText>(faults)?;
    let words = text.at("text", drawn.text).words(faults)?;
    let offset = text.at("position", drawn.position).offset(faults);
    focal::is_looked_at(&words).then(|| Parent { origin, ..zone }.place(offset))
}
