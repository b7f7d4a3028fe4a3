//! Rows and seats: the inner part of the reader, called up to 60,000 times.

use super::json::{Spot, raw_object};
use super::read::{Parent, Reader};
use super::{Access, Row, Seat};

raw_object!(RawRow { row_number, row_label, seat_label, position, seats });
raw_object!(RawSeat { seat_guid, seat_number, position, category, wheelchair, companion, companion_of });

impl Reader {
    pub(super) fn row(&mut self, row: Spot<'_, '_>, zone: Parent) {
        let Some(raw) = row.object::<RawRow>(&mut self.faults) else { return };
        let (index, first) = (self.plan.rows.len(), self.plan.seats.len());
        let number = row.at("row_number", raw.row_number).text(&mut self.faults).unwrap_or_default();
        let label = row.at("row_label", raw.row_label).words(&mut self.faults);
        let label = label.map(|label| label.replace("%s", &number));
        let seat_label = row.at("seat_label", raw.seat_label).words(&mut self.faults);
        self.plan.rows.push(Row { zone: zone.index, number, label, seat_label, seats: first..first });

        let origin = zone.place(row.at("position", raw.position).offset(&mut self.faults));
        let parent = Parent { index, origin };
        let seats = row.at("seats", raw.seats);
        for seat in seats.items(&mut self.seats_left, &mut self.faults) {
            self.seat(seat, parent);
        }
        self.plan.rows[index].seats.end = self.plan.seats.len();
    }

    fn seat(&mut self, seat: Spot<'_, '_>, row: Parent) {
        let Some(raw) = seat.object::<RawSeat>(&mut self.faults) else { return };
        let ordinal = self.plan.seats.len();
        let guid = seat.at("seat_guid", raw.seat_guid);
        let path = guid.path;
        let guid = guid.guid(&mut self.faults).unwrap_or_default();
        if !guid.is_empty() {
            self.names.claim(&guid, Some(ordinal), path, &mut self.faults);
        }
        let number = seat.at("seat_number", raw.seat_number).text(&mut self.faults).unwrap_or_default();
        let category = self.category_of(seat.at("category", raw.category)).unwrap_or_default();
        let (x, y) = row.place(seat.at("position", raw.position).point(&mut self.faults));
        let access = self.access(seat, &raw, ordinal);
        self.plan.seats.push(Seat {
            guid,
            zone: self.plan.rows[row.index].zone,
            row: row.index,
            number,
            category,
            x,
            y,
            access,
        });
    }

    /// Reads the seat's accessibility. A companion seat's wheelchair place is resolved later.
    fn access(&mut self, seat: Spot<'_, '_>, raw: &RawSeat<'_>, ordinal: usize) -> Access {
        let wheelchair = seat.at("wheelchair", raw.wheelchair).flag(&mut self.faults);
        let companion = seat.at("companion", raw.companion).flag(&mut self.faults);
        let of = seat.at("companion_of", raw.companion_of);
        if wheelchair && (companion || !of.is_absent()) {
            self.faults
                .add(seat.path, "is both a wheelchair place and a companion's seat; it can be only one");
        }
        if !of.is_absent() {
            let path = of.path;
            if let Some(of) = of.guid(&mut self.faults) {
                self.names.accompany(ordinal, of, path);
            }
        }
        match (wheelchair, companion || !of.is_absent()) {
            (true, _) => Access::Wheelchair,
            (false, true) => Access::Companion { of: None },
            (false, false) => Access::Standard,
        }
    }

    /// Returns the index of the category of a seat or area.
    pub(super) fn category_of(&mut self, category: Spot<'_, '_>) -> Option<usize> {
        let name = category.text(&mut self.faults)?;
        Some(self.names.category(name, category.path, &mut self.faults))
    }
}
