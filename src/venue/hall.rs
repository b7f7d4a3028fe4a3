//! The geometry of a seat map, arranged for selecting seats: which seats are adjacent, and how far each is from the
//! stage.
//!
//! Seats are adjacent if they follow each other along a row without a gap. A gap of more than [`AISLE`] times the row's
//! median spacing (an aisle, a missing seat) splits a row into *runs*. All runs are concatenated, and a seat's position
//! in this sequence is its *slot*. So adjacent seats have consecutive slots, and a block of adjacent seats is a range
//! of slots.
//!
//! A hall is built once per seat map and shared by all selections.
//!
//! Invariant: pure and synchronous. The same plan always gives the same hall. Costs are integers, so that equal
//! distances compare as equal on every machine.

use std::ops::Range;

use super::plan::{Access, Plan, Row};

/// The minimum gap of an aisle, as a fraction of the row's median spacing.
const AISLE: (u64, u64) = (7, 4);
/// The weight of the horizontal distance from the focal point. It is added to the straight distance.
const SKEW: f64 = 1.0 / 8.0;

/// A point on the plan, in thousandths of its unit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// The distance from the left edge.
    pub x: f64,
    /// The distance from the upper edge.
    pub y: f64,
}

/// Adjacent seats of one row, without a gap between them.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The slots of its seats, in their order along the row.
    pub slots: Range<usize>,
    /// Index of its zone in the plan.
    pub zone: usize,
    /// Index of its row in the plan.
    pub row: usize,
    /// A lower bound for the cost of any block of its seats.
    pub least: u64,
}

/// A wheelchair place and its companion seats.
#[derive(Clone, Debug, PartialEq)]
pub struct WheelchairPlace {
    /// The slot of the wheelchair place.
    pub slot: usize,
    /// The slots of its companion seats, nearest first.
    pub companions: Vec<usize>,
}

/// The geometry of a seat map, arranged for selecting seats.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hall {
    focal: Point,
    runs: Vec<Run>,
    /// By slot: the seat's ordinal in the plan.
    ordinals: Vec<u32>,
    /// By slot: whether the seat is for any buyer.
    standard: Vec<bool>,
    /// By slot: index into `runs`.
    run_of: Vec<usize>,
    /// By slot: the sum of all positions before it. One element longer than the other vectors.
    sums: Vec<(i64, i64)>,
    /// By ordinal: the seat's slot.
    slots: Vec<usize>,
    wheelchairs: Vec<WheelchairPlace>,
}

// No coordinate of a plan is NaN.
impl Eq for Hall {}

impl Hall {
    /// Arranges the plan's seats around its focal point.
    pub fn new(plan: &Plan) -> Self {
        let focal = Point { x: (plan.focal.x * 1e3).round(), y: (plan.focal.y * 1e3).round() };
        Self::around(plan, focal)
    }

    /// Arranges the plan's seats around another focal point.
    pub fn around(plan: &Plan, focal: Point) -> Self {
        let points: Vec<(i64, i64)> =
            plan.seats.iter().map(|seat| (thousandths(seat.x), thousandths(seat.y))).collect();
        let mut parted: Vec<(u64, Vec<usize>)> = plan
            .rows
            .iter()
            .flat_map(|row| runs_of(row, &points))
            .map(|seats| (least(&seats, &points, focal), seats))
            .collect();
        // The runs with the best seats come first. The sort is stable, so equal runs keep their map order.
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

    /// Returns the runs. Those with the best seats come first.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Returns the run that contains the slot.
    pub fn run_of(&self, slot: usize) -> &Run {
        &self.runs[self.run_of[slot]]
    }

    /// Returns the slot of the seat with this ordinal, or `None` if there is no such seat.
    pub fn slot(&self, ordinal: u32) -> Option<usize> {
        self.slots.get(ordinal as usize).copied()
    }

    /// Returns the ordinal of the seat at this slot.
    pub fn ordinal(&self, slot: usize) -> u32 {
        self.ordinals[slot]
    }

    /// Returns whether the seat is neither a wheelchair place nor a companion seat.
    pub fn is_standard(&self, slot: usize) -> bool {
        self.standard[slot]
    }

    /// Returns the wheelchair places, best first.
    pub fn wheelchairs(&self) -> &[WheelchairPlace] {
        &self.wheelchairs
    }

    /// Returns the centre of a block of seats. The block must not be empty.
    pub fn centre(&self, block: &Range<usize>) -> Point {
        let ((ax, ay), (bx, by)) = (self.sums[block.start], self.sums[block.end]);
        let seats = float(i64::try_from(block.len()).unwrap_or(i64::MAX));
        Point { x: float(bx - ax) / seats, y: float(by - ay) / seats }
    }

    /// Returns the cost of a block of seats; less is better. It is the distance of the block's centre from the focal
    /// point, plus an eighth of its horizontal distance.
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

    /// Returns the wheelchair place of a companion seat for which the plan names none: the nearest place in the same
    /// run.
    fn wheelchair_beside(&self, slot: usize, plan: &Plan) -> Option<usize> {
        let places = self.run_of(slot).slots.clone();
        places
            .filter(|&place| plan.seats[self.ordinals[place] as usize].access == Access::Wheelchair)
            .min_by_key(|&place| (place.abs_diff(slot), place))
    }
}

/// Returns the distance between two points, rounded.
pub fn distance(a: Point, b: Point) -> u64 {
    let (x, y) = (a.x - b.x, a.y - b.y);
    rounded((x * x + y * y).sqrt())
}

fn cost(centre: Point, focal: Point) -> u64 {
    let (x, y) = (centre.x - focal.x, centre.y - focal.y);
    rounded((x * x + y * y).sqrt() + x.abs() * SKEW)
}

/// Returns a lower bound for the cost of any block of these seats: the centre of a block lies within the seats' bounds.
fn least(seats: &[usize], points: &[(i64, i64)], focal: Point) -> u64 {
    let bounds = |of: fn(&(i64, i64)) -> i64, focal: f64| {
        let all = || seats.iter().map(|&seat| of(&points[seat]));
        let (least, most) = (all().min().unwrap_or_default(), all().max().unwrap_or_default());
        focal.clamp(float(least), float(most))
    };
    let nearest = Point { x: bounds(|point| point.0, focal.x), y: bounds(|point| point.1, focal.y) };
    // Subtract 1 to allow for rounding.
    cost(nearest, focal).saturating_sub(1)
}

/// Returns the row's seats in their order along the row, split at gaps.
fn runs_of(row: &Row, points: &[(i64, i64)]) -> Vec<Vec<usize>> {
    let seats = along(row, points);
    let gap = |pair: &[usize]| apart(points[pair[0]], points[pair[1]]);
    let mut gaps: Vec<u64> = seats.windows(2).map(gap).collect();
    gaps.sort_unstable();
    let usual = gaps.get(gaps.len().saturating_sub(1) / 2).copied().unwrap_or_default();
    let is_aisle = |a: &usize, b: &usize| apart(points[*a], points[*b]) * AISLE.1 > usual * AISLE.0;
    seats.chunk_by(|a, b| !is_aisle(a, b)).map(<[usize]>::to_vec).collect()
}

/// Returns the seats in their order along the row. Of three orders, selects the one with the shortest path: as drawn,
/// from left to right, or from top to bottom.
fn along(row: &Row, points: &[(i64, i64)]) -> Vec<usize> {
    let drawn: Vec<usize> = row.seats.clone().collect();
    let (mut across, mut down) = (drawn.clone(), drawn.clone());
    across.sort_by_key(|&seat| points[seat]);
    down.sort_by_key(|&seat| (points[seat].1, points[seat].0));
    let length =
        |way: &Vec<usize>| way.windows(2).map(|pair| apart(points[pair[0]], points[pair[1]])).sum::<u64>();
    // If several are equally short, `min_by_key` selects the first.
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

    /// Returns the runs of a hall with one row and seats at these positions, as ordinals.
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
        // Drawn from the other side, odd numbers before even ones, and sloping down.
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
