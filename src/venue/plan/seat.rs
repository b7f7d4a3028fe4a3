//! Rows and seats: the inner part of the reader, called up to 60,000 times.

use super::fault::Cause;
use super::json::{Spot, raw_object};
use super::model::{Access, Row, Seat};
use super::names::Owner;
use super::read::{Parent, Reader};
use super::warning::WarningCode;

raw_object!(RawRow { row_number, row_label, seat_label, position, seats });
raw_object!(RawSeat {
    seat_guid,
    uuid,
    seat_number,
    position,
    category,
    wheelchair,
    companion,
    companion_of
});

impl Reader {
    pub(super) fn row(&mut self, row: Spot<'_, '_>, zone: Parent) {
        let Some(raw) = row.object::<RawRow>(&mut self.report) else { return };
        let (index, first) = (self.plan.rows.len(), self.plan.seats.len());
        let number = row.at("row_number", raw.row_number).text(&mut self.report).unwrap_or_default();
        let label = row.at("row_label", raw.row_label).words(&mut self.report);
        let label = label.map(|label| label.replace("%s", &number));
        let seat_label = row.at("seat_label", raw.seat_label).words(&mut self.report);
        self.plan.rows.push(Row { zone: zone.index, number, label, seat_label, seats: first..first });

        let origin = zone.place(row.at("position", raw.position).offset(&mut self.report));
        let parent = Parent { index, origin };
        let seats = row.at("seats", raw.seats);
        for seat in seats.items(&mut self.seats_left, &mut self.report) {
            self.seat(seat, parent);
        }
        self.plan.rows[index].seats.end = self.plan.seats.len();
    }

    fn seat(&mut self, seat: Spot<'_, '_>, row: Parent) {
        let Some(raw) = seat.object::<RawSeat>(&mut self.report) else { return };
        let ordinal = self.plan.seats.len();
        let number = seat.at("seat_number", raw.seat_number);
        if number.is_absent() {
            self.report.warn(WarningCode::NumberMissing, number.path);
        }
        let number = number.text(&mut self.report).unwrap_or_default();
        let guid = self.seat_guid(seat, &raw, row, &number);
        let category = self.category_of(seat.at("category", raw.category));
        let (x, y) = row.place(seat.at("position", raw.position).point(&mut self.report));
        let access = self.access(seat, &raw, ordinal);
        let zone = self.plan.rows[row.index].zone;
        self.plan.seats.push(Seat { guid, zone, row: row.index, number, category, x, y, access });
    }

    /// Reads the guid of the next seat. A seat without one gets one when all others are known: its `uuid`, or else zone,
    /// row and number.
    fn seat_guid(&mut self, seat: Spot<'_, '_>, raw: &RawSeat<'_>, row: Parent, number: &str) -> String {
        let owner = Owner::Seat(self.plan.seats.len());
        let slot = self.repairs.slot(seat.json().unwrap_or_default(), "seat_guid", raw.seat_guid);
        let at = seat.at("seat_guid", raw.seat_guid);
        if let Some(guid) = at.name(&mut self.report) {
            self.names.claim(owner, &guid, at.path.to_string(), slot);
            return guid;
        }
        let base = seat.at("uuid", raw.uuid).name(&mut self.report).unwrap_or_else(|| {
            let row = &self.plan.rows[row.index];
            let zone = &self.plan.zones[row.zone];
            let parts = [zone.id.as_deref().unwrap_or(&zone.name), &row.number, number];
            let parts = parts.into_iter().map(str::trim).filter(|part| !part.is_empty());
            parts.collect::<Vec<_>>().join("-")
        });
        self.names.leave_unnamed(owner, base, Some(slot));
        String::new()
    }

    /// Reads the seat's accessibility. A companion seat's wheelchair place is resolved later.
    fn access(&mut self, seat: Spot<'_, '_>, raw: &RawSeat<'_>, ordinal: usize) -> Access {
        let wheelchair = seat.at("wheelchair", raw.wheelchair).flag(&mut self.report);
        let companion = seat.at("companion", raw.companion).flag(&mut self.report);
        let of = seat.at("companion_of", raw.companion_of);
        let path = of.path;
        let of = of.name(&mut self.report);
        if wheelchair && (companion || of.is_some()) {
            let why = "is both a wheelchair place and a companion's seat; it can be only one";
            self.report.fault(seat.path, Cause::Access, why);
        }
        let is_companion = companion || of.is_some();
        if let Some(of) = of {
            let slot = self.repairs.slot(seat.json().unwrap_or_default(), "companion_of", raw.companion_of);
            self.names.accompany(ordinal, of, path.to_string(), slot);
        }
        match (wheelchair, is_companion) {
            (true, _) => Access::Wheelchair,
            (false, true) => Access::Companion { of: None },
            (false, false) => Access::Standard,
        }
    }
}
