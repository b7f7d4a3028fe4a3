//! The cost of the schema's fields: microseconds of one core and bytes of the response.
//!
//! The figures are from a release build on one core of 2024. They are up to twice the measured values, so an operation
//! with the maximum cost of 100,000 takes about 50 ms. `http/guard/cost.rs` adds them up over a document before it
//! runs. `scripts/attack --calibrate` compares the sums with measured times. [`of`] returns the cost of fields that are
//! not in the table.

/// The cost of one value of a field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// Microseconds of one core.
    pub work: u64,
    /// Bytes of the response.
    pub bytes: u64,
}

/// Object type, field, microseconds and bytes.
pub const WEIGHTS: &[(&str, &str, u64, u64)] = &[
    // Long texts of 40 KB, the maximum. Their real length is charged in addition, while they are read.
    ("ClaimTerms", "description", 90, 2_000),
    ("ClaimTerms", "smallPrint", 90, 2_000),
    ("Coupon", "description", 90, 2_000),
    ("Coupon", "terms", 90, 2_000),
    ("Event", "description", 90, 2_000),
    ("Product", "description", 90, 2_000),
    ("Shop", "description", 90, 2_000),
    // Pictures.
    ("Claim", "barcodePng", 300, 2_000),
    ("Claim", "barcodeSvg", PICTURE_BARCODE, 6_000),
    ("Claim", "qrPng", 600, 3_000),
    ("Claim", "qrSvg", PICTURE_CLAIM, 8_000),
    ("Ticket", "qrPng", 2_500, 4_000),
    ("Ticket", "qrSvg", PICTURE_TICKET, 15_000),
    // Signatures, and terms that are parsed from JSON.
    ("Claim", "terms", 40, 0),
    ("Claim", "title", 40, 40),
    ("Claim", "shareable", 40, 6),
    ("Ticket", "code", 40, 170),
    // Seating plans.
    ("Query", "seatMapExport", 3_000, 250_000),
    ("SeatMap", "plan", 3_000, 250_000),
    ("Event", "focalPoint", 20, 0),
    ("SeatMap", "focalPoint", 20, 0),
    ("SeatMap", "zones", 20, 0),
    ("SeatMap", "areas", 20, 0),
    ("SeatMap", "categories", 20, 0),
    // The snapshot of a venue with many rows is built as a whole.
    ("AvailabilitySnapshot", "rows", 2_500, 0),
    ("RowAvailability", "statuses", 2, 60),
    // Stock: read by the desk or in one batch per list.
    ("Event", "availability", 1_200, 0),
    ("Event", "seatsLeft", 60, 4),
    ("Event", "status", 60, 12),
    ("Event", "capacity", 40, 4),
    ("Coupon", "left", 60, 4),
    ("Coupon", "counts", 200, 0),
    ("Coupon", "viewerTaken", 40, 4),
    ("Coupon", "viewerMayClaim", 60, 6),
    ("Coupon", "viewerClaims", 100, 0),
    ("Event", "tiersOpenedBy", 500, 0),
    ("Event", "priceRange", 60, 0),
    ("Event", "tiers", 60, 0),
    // Up to 400 events with their tiers. Each new event is charged as an operation too.
    ("Mutation", "createEvents", 40_000, 0),
    ("Mutation", "publishEvents", 40_000, 0),
    // Fields with their own statements.
    ("Order", "claims", 60, 0),
    ("Order", "payments", 60, 0),
    ("Order", "refunds", 60, 0),
    ("Order", "tickets", 60, 0),
    ("Query", "applicableCoupons", 3_000, 0),
    ("Query", "categories", 1_500, 0),
    ("Shop", "members", 200, 0),
    ("Venue", "seatMaps", 60, 0),
    ("Viewer", "reservations", 200, 0),
    ("Viewer", "shops", 200, 0),
];

/// Microseconds for a barcode.
pub(super) const PICTURE_BARCODE: u64 = 150;
/// Microseconds for a claim's QR code, which holds about 20 characters.
pub(super) const PICTURE_CLAIM: u64 = 500;
/// Microseconds for a ticket's QR code, which holds 172 characters.
pub(super) const PICTURE_TICKET: u64 = 2_000;

/// Object type, list field, and the length of a long list.
pub const LENGTHS: &[(&str, &str, u64)] = &[
    ("AvailabilitySnapshot", "rows", 300),
    ("Category", "children", 10),
    ("ClaimTerms", "appliesTo", 5),
    ("Coupon", "appliesTo", 5),
    ("Event", "derivedDates", 6),
    ("CreateEventsPayload", "events", 200),
    ("EventsPreview", "dates", 200),
    ("PublishEventsPayload", "events", 100),
    ("Event", "tiers", 6),
    ("Order", "claims", 3),
    ("Order", "payments", 3),
    ("Order", "refunds", 3),
    ("Order", "tickets", 10),
    ("Payment", "refunds", 3),
    ("Query", "categories", 30),
    // A venue with 4,000 seats. For a larger one, the rest is charged while the response is built.
    ("Row", "seats", 40),
    ("SeatMap", "zones", 5),
    ("Tier", "categories", 5),
    ("Zone", "rows", 20),
];

/// The assumed length of a list that is not in the table: one page.
pub const LIST: u64 = 20;
/// Microseconds of a root field: one statement and one decision.
const ROOT: u64 = 300;
/// Microseconds of a connection: one statement. Its rows are charged when they are requested.
const CONNECTION: u64 = 300;
/// Microseconds of the count of a connection: one statement.
const COUNT: u64 = 300;
/// Microseconds of a referenced object, which is read in a batch for the whole list.
const OBJECT: u64 = 40;
/// The cost of a name, a number or a time.
const SCALAR: Weight = Weight { work: 1, bytes: 24 };

/// Returns the cost of a value of the field `on.field`, whose type is `of`.
pub fn of(on: &str, field: &str, of: &str) -> Weight {
    let root = if matches!(on, "Query" | "Mutation") { ROOT } else { 0 };
    let listed = WEIGHTS.iter().find(|(object, name, ..)| *object == on && *name == field);
    let own = match listed {
        Some((.., work, bytes)) => Weight { work: *work, bytes: *bytes },
        None if field == "totalCount" => Weight { work: COUNT, bytes: 4 },
        None if of.ends_with("Connection") => Weight { work: CONNECTION, bytes: 0 },
        None if is_leaf(of) => SCALAR,
        None => Weight { work: OBJECT, bytes: 0 },
    };
    Weight { work: own.work + root, bytes: own.bytes }
}

/// Returns the assumed length of the list `on.field`. A successful mutation has no errors.
pub fn length(on: &str, field: &str) -> u64 {
    if field == "errors" {
        return 2;
    }
    LENGTHS
        .iter()
        .find(|(object, name, _)| *object == on && *name == field)
        .map_or(LIST, |(.., length)| *length)
}

/// Returns whether values of the type have no fields to load. `Money` counts as one: its two fields need no work.
fn is_leaf(of: &str) -> bool {
    matches!(
        of,
        "ID" | "String"
            | "Int"
            | "Float"
            | "Boolean"
            | "Long"
            | "DateTime"
            | "Decimal"
            | "CurrencyCode"
            | "Money"
    ) || of.ends_with("State")
        || of.ends_with("Status")
        || of.ends_with("Kind")
        || of.ends_with("Code")
        || of.ends_with("Role")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_their_weights() {
        assert_eq!(of("Event", "name", "String"), SCALAR);
        assert_eq!(of("Event", "seatsLeft", "Int").work, 60);
        assert_eq!(of("Query", "events", "EventConnection").work, CONNECTION + ROOT);
        assert_eq!(of("VenueConnection", "totalCount", "Int").work, COUNT);
        assert_eq!(of("Ticket", "qrSvg", "String").work, PICTURE_TICKET);
        assert_eq!((length("Row", "seats"), length("Shop", "members")), (40, LIST));
    }
}
