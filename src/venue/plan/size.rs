//! The size that a plan without one needs.

use super::model::{COORDINATE_MAX, Plan};
use super::shape::drawn;

/// The least distance of a place from the right and lower edges. pretix draws a seat with a radius of 10.
const MARGIN: f64 = 30.0;

/// Returns the width and height, in whole plan units, that show all places and drawings.
pub(super) fn needed(plan: &Plan, document: &str) -> (f64, f64) {
    let places = plan.seats.iter().map(|seat| (seat.x, seat.y));
    let areas = plan.areas.iter().map(|area| (area.x, area.y));
    let corners = drawn(document).into_iter().map(|drawn| drawn.drawing.bounds().1);
    let all = places.chain(areas).chain(corners);
    let (x, y) = all.fold((0.0_f64, 0.0_f64), |most, (x, y)| (most.0.max(x), most.1.max(y)));
    ((x + MARGIN).ceil().min(COORDINATE_MAX), (y + MARGIN).ceil().min(COORDINATE_MAX))
}
