//! The focal point that a vendor sets for an event, instead of that of the seat map.
//!
//! Invariant: pure and synchronous.

use entity::event;
use serde::Serialize;

use crate::{
    error::{Check, FaultResult},
    venue::plan::COORDINATE_MAX,
};

/// A point on the plan, in thousandths of a plan unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FocalPoint {
    /// The distance from the plan's left edge.
    pub x: i32,
    /// The distance from the plan's upper edge.
    pub y: i32,
}

impl FocalPoint {
    /// Returns the point of a row, or `None` if the event has none.
    pub fn of(row: &event::Model) -> Option<Self> {
        row.focal_x.zip(row.focal_y).map(|(x, y)| Self { x, y })
    }

    /// Converts a point in plan units.
    pub fn in_units(x: f64, y: f64) -> FaultResult<Self> {
        let mut check = Check::default();
        for (path, number) in [("focalPoint.x", x), ("focalPoint.y", y)] {
            check.that(number.abs() <= COORDINATE_MAX, path, "must be between -1000000 and 1000000");
        }
        check.done()?;
        Ok(Self { x: thousandths(x), y: thousandths(y) })
    }

    /// Returns the distances from the left and the upper edge in plan units.
    pub fn units(self) -> (f64, f64) {
        (f64::from(self.x) / 1e3, f64::from(self.y) / 1e3)
    }
}

fn thousandths(units: f64) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "at most a billion")]
    let whole = (units * 1e3).round() as i32;
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_kept_in_thousandths() {
        for (given, kept) in [
            ((0.0, 0.0), (0, 0)),
            ((1.5, -2.25), (1_500, -2_250)),
            ((1e6, -1e6), (1_000_000_000, -1_000_000_000)),
            ((0.0004, 0.0006), (0, 1)),
        ] {
            let point = FocalPoint::in_units(given.0, given.1).unwrap();
            assert_eq!((point.x, point.y), kept);
        }
        assert_eq!(FocalPoint { x: 1_500, y: -1 }.units(), (1.5, -0.001));
    }

    #[test]
    fn points_off_every_plan_are_refused() {
        for (x, y) in [(1e6 + 1.0, 0.0), (0.0, -2e9), (f64::NAN, 0.0), (0.0, f64::INFINITY), (1e300, 1e300)] {
            assert!(FocalPoint::in_units(x, y).is_err(), "{x} {y}");
        }
    }
}
