//! The geometry of a seat map arranged for choosing seats: who sits beside whom, and how far from the stage.
//!
//! Seats are neighbours when they follow each other along a row without a gap. A gap of more than [`AISLE`] times the
//! row's usual spacing (an aisle, a seat that is not there) parts a row into *runs*. A seat's place in a run, with all
//! runs one after the other, is its *slot*: neighbours have consecutive slots, and any block of seats is a range of them.
//!
//! Built once for a seat map and shared by all who choose from it.
//!
//! Invariant: pure and synchronous; the same plan always gives the same hall. Costs are whole numbers, so that what is
//! equally far compares as equal on every machine.

use std::ops::Range;

use super::plan::{Access, Plan, Row};

/// A gap is an aisle from this many times the row's median spacing on, as a fraction.
const AISLE: (u64, u64) = (7, 4);
/// Sitting off the axis costs this part of the distance from it, on top of being further away.
const SKEW: f64 = 1.0 / 8.0;

/// A point on the plan, in thousandths of its unit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// From the left edge.
    pub x: f64,
    /// From the upper edge.
    pub y: f64,
}

/// Seats of one row side by side, without a gap between them.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Its seats, in their order along the row.
    pub slots: Range<usize>,
    /// Index of its zone in the plan.
    pub zone: usize,
    /// Index of its row in the plan.
    pub row: usize,
    /// No block of its seats costs less than this.
    pub least: u64,
}

/// A wheelchair place and the seats of those who come along.
#[derive(Clone, Debug, PartialEq)]
pub struct WheelchairPlace {
    /// The place.
    pub slot: usize,
    /// The companion seats that belong to it, nearest first.
    pub companions: Vec<usize>,
}

/// The geometry of a seat map, arranged for choosing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hall {
    focal: Point,
    runs: Vec<Run>,
    /// By slot: the seat's ordinal in the plan.
    ordinals: Vec<u32>,
    /// By slot: whether anybody may sit there.
    standard: Vec<bool>,
    /// By slot: index into `runs`.
    run_of: Vec<usize>,
    /// By slot: the sum of all positions before it.
    sums: Vec<(i64, i64)>,
    /// By ordinal.
    slots: Vec<usize>,
    wheelchairs: Vec<WheelchairPlace>,
}

// No coordinate of a plan is NaN.
impl Eq for Hall {}

impl Hall {
    /// Arranges the plan's seats.
    pub fn new(plan: &Plan) -> Self {
        let (x, y) = plan.focal_point();
        let focal = Point { x: (x * 1e3).round(), y: (y * 1e3).round() };
        let points: Vec<(i64, i64)> =
            plan.seats.iter().map(|seat| (thousandths(seat.x), thousandths(seat.y))).collect();
        let mut parted: Vec<(u64, Vec<usize>)> = plan
            .rows
            .iter()
            .flat_map(|row| runs_of(row, &points))
            .map(|seats| (least(&seats, &points, focal), seats))
            .collect();
        // The runs with the best seats come first. The sort is stable: equals stay in map order.
        parted.sort_by_key(|(least, _)| *least);

        let mut hall =
            Self { focal, slots: vec![0; plan.seats.len()], sums: vec![(0, 0)], ..Self::default() };
        for (least, seats) in parted {
            let first = hall.ordinals.len();
            let Some(seat) = seats.first().and_then(|&seat| plan.seats.get(seat)) else { continue };
            let (zone, row) = (seat.zone, seat.row);
            for ordinal in seats {
                hall.slots[ordinal] = hall.ordinals.len();
                hall.ordinals.push(u32::try_from(ordinal).unwrap_or(u32::MAX));
                hall.standard.push(plan.seats[ordinal].access == Access::Standard);
                hall.run_of.push(hall.runs.len());
                let (x, y) = hall.sums.last().copied().unwrap_or_default();
                hall.sums.push((x + points[ordinal].0, y + points[ordinal].1));
            }
            hall.runs.push(Run { slots: first..hall.ordinals.len(), zone, row, least });
        }
        hall.wheelchairs = hall.wheelchairs_of(plan);
        hall
    }

    /// The runs, those with the best seats first.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The run that the slot is in.
    pub fn run_of(&self, slot: usize) -> &Run {
        &self.runs[self.run_of[slot]]
    }

    /// The slot of the seat with this ordinal.
    pub fn slot(&self, ordinal: u32) -> Option<usize> {
        self.slots.get(ordinal as usize).copied()
    }

    /// The ordinal of the seat at this slot.
    pub fn ordinal(&self, slot: usize) -> u32 {
        self.ordinals[slot]
    }

    /// Whether anybody may sit there: it is neither a wheelchair place nor a companion's seat.
    pub fn is_standard(&self, slot: usize) -> bool {
        self.standard[slot]
    }

    /// The wheelchair places, the best first.
    pub fn wheelchairs(&self) -> &[WheelchairPlace] {
        &self.wheelchairs
    }

    /// The middle of a block of seats; an empty one has none worth the name.
    pub fn centre(&self, block: &Range<usize>) -> Point {
        let ((ax, ay), (bx, by)) = (self.sums[block.start], self.sums[block.end]);
        let seats = float(i64::try_from(block.len()).unwrap_or(i64::MAX));
        Point { x: float(bx - ax) / seats, y: float(by - ay) / seats }
    }

    /// How good a block of seats is; less is better. The distance of its middle from the focal point, and an eighth of
    /// how far it is off the axis.
    pub fn cost(&self, block: &Range<usize>) -> u64 {
        cost(self.centre(block), self.focal)
    }

    fn wheelchairs_of(&self, plan: &Plan) -> Vec<WheelchairPlace> {
        let is = |slot: usize, access| plan.seats[self.ordinals[slot] as usize].access == access;
        let all = 0..self.ordinals.len();
        let mut places: Vec<WheelchairPlace> = all
            .filter(|&slot| is(slot, Access::Wheelchair))
            .map(|slot| WheelchairPlace { slot, companions: Vec::new() })
            .collect();
        let belongs: Vec<(usize, usize)> = plan
            .seats
            .iter()
            .zip(&self.slots)
            .filter_map(|(seat, &slot)| match seat.access {
                Access::Companion { of: Some(place) } => Some((slot, self.slots[place])),
                Access::Companion { of: None } => Some((slot, self.wheelchair_beside(slot, plan)?)),
                Access::Standard | Access::Wheelchair => None,
            })
            .collect();
        for (companion, place) in belongs {
            if let Ok(index) = places.binary_search_by_key(&place, |place| place.slot) {
                places[index].companions.push(companion);
            }
        }
        let at = |slot: usize| slot..slot + 1;
        for place in &mut places {
            let middle = self.centre(&at(place.slot));
            place.companions.sort_by_key(|&slot| (distance(self.centre(&at(slot)), middle), slot));
        }
        places.sort_by_key(|place| (self.cost(&at(place.slot)), self.ordinals[place.slot]));
        places
    }

    /// The wheelchair place that a companion's seat belongs to when the plan does not say: the nearest in its run.
    fn wheelchair_beside(&self, slot: usize, plan: &Plan) -> Option<usize> {
        let places = self.run_of(slot).slots.clone();
        places
            .filter(|&place| plan.seats[self.ordinals[place] as usize].access == Access::Wheelchair)
            .min_by_key(|&place| (place.abs_diff(slot), place))
    }
}

/// How far two points lie apart, rounded.
pub fn distance(a: Point, b: Point) -> u64 {
    let (x, y) = (a.x - b.x, a.y - b.y);
    rounded((x * x + y * y).sqrt())
}

fn cost(centre: Point, focal: Point) -> u64 {
    let (x, y) = (centre.x - focal.x, centre.y - focal.y);
    rounded((x * x + y * y).sqrt() + x.abs() * SKEW)
}

/// No block of these seats costs less: none has its middle outside of their bounds.
fn least(seats: &[usize], points: &[(i64, i64)], focal: Point) -> u64 {
    let bounds = |of: fn(&(i64, i64)) -> i64, focal: f64| {
        let all = || seats.iter().map(|&seat| of(&points[seat]));
        let (least, most) = (all().min().unwrap_or_default(), all().max().unwrap_or_default());
        focal.clamp(float(least), float(most))
    };
    let nearest = Point { x: bounds(|point| point.0, focal.x), y: bounds(|point| point.1, focal.y) };
    // One less for what rounding may take away.
    cost(nearest, focal).saturating_sub(1)
}

/// The row's seats in their order along it, parted where there is a gap.
fn runs_of(row: &Row, points: &[(i64, i64)]) -> Vec<Vec<usize>> {
    let seats = along(row, points);
    let gap = |pair: &[usize]| apart(points[pair[0]], points[pair[1]]);
    let mut gaps: Vec<u64> = seats.windows(2).map(gap).collect();
    gaps.sort_unstable();
    let usual = gaps.get(gaps.len().saturating_sub(1) / 2).copied().unwrap_or_default();
    let is_aisle = |a: &usize, b: &usize| apart(points[*a], points[*b]) * AISLE.1 > usual * AISLE.0;
    seats.chunk_by(|a, b| !is_aisle(a, b)).map(<[usize]>::to_vec).collect()
}

/// The seats in the order in which one walks past them: as they were drawn, or from left to right, or from top to
/// bottom, whichever way is the shortest.
fn along(row: &Row, points: &[(i64, i64)]) -> Vec<usize> {
    let drawn: Vec<usize> = row.seats.clone().collect();
    let (mut across, mut down) = (drawn.clone(), drawn.clone());
    across.sort_by_key(|&seat| points[seat]);
    down.sort_by_key(|&seat| (points[seat].1, points[seat].0));
    let length =
        |way: &Vec<usize>| way.windows(2).map(|pair| apart(points[pair[0]], points[pair[1]])).sum::<u64>();
    // Of equals the first.
    [drawn, across, down].into_iter().min_by_key(length).unwrap_or_default()
}

fn apart(a: (i64, i64), b: (i64, i64)) -> u64 {
    let point = |(x, y)| Point { x: float(x), y: float(y) };
    distance(point(a), point(b))
}

fn thousandths(units: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "a plan's coordinates are bounded by a few millions")]
    let whole = (units * 1e3).round() as i64;
    whole
}

fn float(whole: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "sums of a plan's coordinates stay far below 2^53")]
    let float = whole as f64;
    float
}

fn rounded(distance: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a distance is not negative, and bounded by the size of a plan"
    )]
    let whole = distance.round() as u64;
    whole
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A hall of one row with seats at these positions, and its runs by ordinal.
    fn runs(positions: &[(i64, i64)]) -> Vec<Vec<u32>> {
        let seat = |(index, (x, y)): (usize, &(i64, i64))| {
            json!({"seat_guid": format!("s{index}"), "seat_number": index, "category": "c",
                "position": {"x": x, "y": y}})
        };
        let seats: Vec<Value> = positions.iter().enumerate().map(seat).collect();
        let document = json!({
            "name": "Hall", "size": {"width": 100, "height": 100}, "categories": [{"name": "c"}],
            "zones": [{"name": "Hall", "rows": [{"row_number": "1", "seats": seats}]}],
        });
        let hall = Hall::new(&Plan::parse(&document.to_string()).unwrap());
        let run = |run: &Run| run.slots.clone().map(|slot| hall.ordinal(slot)).collect();
        for slot in 0..positions.len() {
            assert_eq!(hall.slot(hall.ordinal(slot)), Some(slot));
            assert!(hall.run_of(slot).slots.contains(&slot));
        }
        hall.runs().iter().map(run).collect()
    }

    #[test]
    fn neighbours_follow_each_other_however_the_row_is_drawn_and_lies() {
        let straight = [(10, 0), (30, 0), (50, 0), (70, 0)];
        assert_eq!(runs(&straight), [[0, 1, 2, 3]]);
        // Drawn from the other side, odd numbers before even ones, going down.
        assert_eq!(runs(&[(70, 0), (50, 0), (30, 0), (10, 0)]), [[0, 1, 2, 3]]);
        assert_eq!(runs(&[(10, 0), (50, 0), (30, 0), (70, 0)]), [[0, 2, 1, 3]]);
        assert_eq!(runs(&[(0, 10), (3, 50), (6, 30), (9, 70)]), [[0, 2, 1, 3]]);
        // Around a table.
        assert_eq!(runs(&[(0, 20), (20, 0), (40, 20), (20, 40)]), [[0, 1, 2, 3]]);
    }

    #[test]
    fn an_aisle_parts_neighbours_and_a_wider_seat_does_not() {
        assert_eq!(runs(&[(0, 0), (20, 0), (40, 0), (75, 0)]), [[0, 1, 2, 3]]);
        assert_eq!(runs(&[(0, 0), (20, 0), (40, 0), (76, 0)]).len(), 2);
        assert_eq!(runs(&[(0, 0), (60, 0), (120, 0)]), [[0, 1, 2]], "places far apart, but evenly");
        assert_eq!(runs(&[(5, 5)]), [[0]]);
    }

    #[test]
    fn the_best_runs_come_first() {
        // The focal point is the middle of the upper edge.
        assert_eq!(runs(&[(0, 0), (20, 0), (60, 0), (80, 0)]), [vec![2, 3], vec![0, 1]]);
    }
}
