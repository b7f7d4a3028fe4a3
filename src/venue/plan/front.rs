//! Inferring the front of a plan that does not say where it is.
//!
//! Each hint is a direction in which a row or zone faces. If most face the same way, the focal point lies in front of the
//! middle of the front row. If they face each other, as around an arena, it is the point that they all face.

use super::focal::{self, FocalPoint, FocalSource};
use super::label::middle;
use super::model::{Plan, Row};
use super::shape::drawn;

/// A row with fewer seats does not show a curve.
const CURVE_SEATS_MIN: usize = 5;
/// The least and the most height of a curve, as a fraction of its width.
const CURVE_HEIGHT: (f64, f64) = (0.02, 0.6);
/// The least height of a curve in plan units.
const CURVE_HEIGHT_MIN: f64 = 2.0;
/// The least share of a row's deviation from a line that the curve must explain.
const CURVE_FIT_MIN: f64 = 0.8;
/// The least share of the seats whose rows must be curved.
const CURVED_MIN: f64 = 0.25;
/// The least correlation between the numbers and the positions of rows.
const ORDER_MIN: f64 = 0.8;
/// From this length of their mean on, directions are the same way.
const PARALLEL_MIN: f64 = 0.8;
/// The least weight of directions that must face the point where they meet.
const MEETING_MIN: f64 = 0.7;

type Point = (f64, f64);

/// The direction in which seats face.
#[derive(Clone, Copy, Debug)]
struct Facing {
    /// The middle of the seats.
    from: Point,
    /// The direction to the front, of length 1.
    to: Point,
    /// The number of seats.
    weight: f64,
}

/// Infers the focal point. `stage` is the position of a text that names it.
pub(super) fn infer(plan: &Plan, document: &str, stage: Option<Point>) -> FocalPoint {
    let found = |(x, y): Point, source| FocalPoint { x: thousandth(x), y: thousandth(y), source };
    if let Some(stage) = stage {
        return found(stage, FocalSource::StageText);
    }
    if let Some(stage) = stage_shape(plan, document) {
        return found(stage, FocalSource::StageShape);
    }
    let curves: Vec<Facing> = plan.rows.iter().filter_map(|row| curve(plan, row)).collect();
    let in_curves: f64 = curves.iter().map(|facing| facing.weight).sum();
    if in_curves >= CURVED_MIN * float(plan.seats.len())
        && let Some(front) = front(plan, &curves)
    {
        return found(front, FocalSource::RowCurve);
    }
    let orders: Vec<Facing> = (0..plan.zones.len()).filter_map(|zone| order(plan, zone)).collect();
    match front(plan, &orders) {
        Some(front) => found(front, FocalSource::RowOrder),
        None => found((plan.width / 2.0, 0.0), FocalSource::UpperEdge),
    }
}

/// Returns the middle of a shape that is named like a stage, or of the shapes of such a zone without places.
fn stage_shape(plan: &Plan, document: &str) -> Option<Point> {
    let is_stage = |name: &str| focal::other_words(name);
    let without_places = |zone: usize| {
        plan.zones.get(zone).is_some_and(|zone| zone.rows.clone().all(|row| plan.rows[row].seats.is_empty()))
            && plan.areas.iter().all(|area| area.zone != zone)
    };
    let drawings = drawn(document);
    let middle_of = |drawing: &super::shape::Drawing| {
        let ((left, top), (right, low)) = drawing.bounds();
        (f64::midpoint(left, right), f64::midpoint(top, low))
    };
    let named = drawings
        .iter()
        .filter(|drawn| drawn.drawing.area.is_none())
        .filter_map(|drawn| Some((is_stage(drawn.name.as_deref()?)?, middle_of(&drawn.drawing))));
    let zones = plan.zones.iter().enumerate().filter_map(|(index, zone)| {
        let words = is_stage(&zone.name)
            .or_else(|| is_stage(zone.id.as_deref()?))
            .filter(|_| without_places(index))?;
        let own = drawings.iter().filter(|drawn| drawn.zone == index).map(|drawn| middle_of(&drawn.drawing));
        Some((words, middle(own)?))
    });
    named.chain(zones).min_by_key(|(words, _)| *words).map(|(_, middle)| middle)
}

/// Returns the direction in which a curved row faces: its ends are nearer to the front than its middle.
fn curve(plan: &Plan, row: &Row) -> Option<Facing> {
    let seats = plan.seats.get(row.seats.clone())?;
    if seats.len() < CURVE_SEATS_MIN {
        return None;
    }
    let from = middle(seats.iter().map(|seat| (seat.x, seat.y)))?;
    let offsets: Vec<Point> = seats.iter().map(|seat| (seat.x - from.0, seat.y - from.1)).collect();
    // The direction of the row is the main axis of its seats.
    let sum = |of: fn(Point) -> f64| offsets.iter().copied().map(of).sum::<f64>();
    let (xx, yy, xy) = (sum(|(x, _)| x * x), sum(|(_, y)| y * y), sum(|(x, y)| x * y));
    let angle = (2.0 * xy).atan2(xx - yy) / 2.0;
    let (along, across) = ((angle.cos(), angle.sin()), (-angle.sin(), angle.cos()));
    let points: Vec<Point> =
        offsets.iter().map(|&offset| (dot(offset, along), dot(offset, across))).collect();
    let half = points.iter().map(|(t, _)| t.abs()).fold(0.0, f64::max);
    if half <= 0.0 {
        return None;
    }
    // Least squares: distance across = height · ((t / half)² - mean). The sums of both sides are zero.
    let squares: Vec<f64> = points.iter().map(|(t, _)| (t / half) * (t / half)).collect();
    let mean = squares.iter().sum::<f64>() / float(squares.len());
    let pairs = || squares.iter().map(|square| square - mean).zip(points.iter().map(|(_, across)| *across));
    let (with, own): (f64, f64) = (pairs().map(|(s, v)| s * v).sum(), pairs().map(|(s, _)| s * s).sum());
    let deviation: f64 = pairs().map(|(_, v)| v * v).sum();
    if own <= 0.0 || deviation <= 0.0 {
        return None;
    }
    let height = with / own;
    let explained = height * with / deviation;
    let is_curve = height.abs() >= (CURVE_HEIGHT.0 * 2.0 * half).max(CURVE_HEIGHT_MIN)
        && height.abs() <= CURVE_HEIGHT.1 * 2.0 * half
        && explained >= CURVE_FIT_MIN;
    let to = (across.0 * height.signum(), across.1 * height.signum());
    is_curve.then_some(Facing { from, to, weight: float(seats.len()) })
}

/// Returns the direction from the last to the first rows of a zone, by their numbers or else by their order.
fn order(plan: &Plan, zone: usize) -> Option<Facing> {
    let rows = plan.zones.get(zone)?.rows.clone().filter(|&row| !plan.rows[row].seats.is_empty());
    let rows: Vec<(usize, Point)> = rows.map(|row| (row, plan.middle_of_row(row))).collect();
    let ranked = |rank: fn(&str) -> Option<f64>| -> Vec<(f64, Point)> {
        rows.iter().filter_map(|&(row, at)| Some((rank(&plan.rows[row].number)?, at))).collect()
    };
    let kinds = [ranked(digits), ranked(letters)];
    let numbered = kinds.into_iter().max_by_key(Vec::len).filter(|ranked| {
        let first = ranked.first().map(|(rank, _)| *rank);
        ranked.len() * 2 > rows.len() && ranked.iter().any(|(rank, _)| Some(*rank) != first)
    });
    let listed = || rows.iter().enumerate().map(|(index, &(_, at))| (float(index), at)).collect();
    let (to, from) = gradient(&numbered.unwrap_or_else(listed))?;
    let weight = rows.iter().map(|&(row, _)| plan.rows[row].seats.len()).sum();
    Some(Facing { from, to, weight: float(weight) })
}

/// Returns the direction in which the ranks fall, and the middle of the points.
fn gradient(ranked: &[(f64, Point)]) -> Option<(Point, Point)> {
    let from = middle(ranked.iter().map(|(_, at)| *at))?;
    let mean = ranked.iter().map(|(rank, _)| rank).sum::<f64>() / float(ranked.len());
    let both = |of: fn(Point) -> f64| ranked.iter().map(|(rank, at)| (rank - mean) * of(*at)).sum::<f64>();
    let (x, y) = (both(|(x, _)| x), both(|(_, y)| y));
    let length = x.hypot(y);
    if length <= 0.0 {
        return None;
    }
    let to = (-x / length, -y / length);
    let along = |at: Point| dot((at.0 - from.0, at.1 - from.1), to);
    let ranks: f64 = ranked.iter().map(|(rank, _)| (rank - mean) * (rank - mean)).sum();
    let ways: f64 = ranked.iter().map(|(_, at)| along(*at) * along(*at)).sum();
    (ranks > 0.0 && ways > 0.0 && length / (ranks * ways).sqrt() >= ORDER_MIN).then_some((to, from))
}

/// Returns the first number in the text.
fn digits(number: &str) -> Option<f64> {
    let start = number.find(|letter: char| letter.is_ascii_digit())?;
    let digits = number.get(start..)?;
    let end = digits.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(digits.len());
    digits.get(..end)?.parse().ok()
}

/// Returns the place of the last word among A, B, … Z, AA, AB, …
fn letters(number: &str) -> Option<f64> {
    let word = number.split_whitespace().last()?.to_ascii_uppercase();
    let is_letters = word.len() <= 2 && word.bytes().all(|byte| byte.is_ascii_uppercase());
    is_letters.then(|| word.bytes().fold(0.0, |sum, byte| sum * 26.0 + f64::from(byte - b'A') + 1.0))
}

/// Returns the point that the seats face, or `None` if they show none.
fn front(plan: &Plan, all: &[Facing]) -> Option<Point> {
    let weight: f64 = all.iter().map(|facing| facing.weight).sum();
    if weight <= 0.0 {
        return None;
    }
    let sum =
        |of: fn(&Facing) -> f64| all.iter().map(|facing| of(facing) * facing.weight).sum::<f64>() / weight;
    let mean = (sum(|facing| facing.to.0), sum(|facing| facing.to.1));
    let length = mean.0.hypot(mean.1);
    if length < PARALLEL_MIN
        && let Some(point) = meeting(all, weight)
    {
        return Some(point);
    }
    (length >= PARALLEL_MIN / 2.0).then(|| before(plan, (mean.0 / length, mean.1 / length)))
}

/// Returns the point that is nearest to the lines of sight, if most seats look at it.
fn meeting(all: &[Facing], weight: f64) -> Option<Point> {
    // The distance of p from a line with direction f through c is |(I - f fᵀ)(p - c)|.
    let (mut xx, mut xy, mut yy, mut right_x, mut right_y) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for &Facing { from, to, weight } in all {
        let (a, b, c) = (1.0 - to.0 * to.0, -to.0 * to.1, 1.0 - to.1 * to.1);
        xx += weight * a;
        xy += weight * b;
        yy += weight * c;
        right_x += weight * (a * from.0 + b * from.1);
        right_y += weight * (b * from.0 + c * from.1);
    }
    let determinant = xx * yy - xy * xy;
    if determinant <= 1e-6 * weight * weight {
        // All lines are parallel: the point is between the seats that face each other.
        let middle = all.iter().fold((0.0, 0.0), |sum, facing| {
            (sum.0 + facing.from.0 * facing.weight / weight, sum.1 + facing.from.1 * facing.weight / weight)
        });
        return Some(middle).filter(|&point| seen_by(all, point) >= MEETING_MIN * weight);
    }
    let point = ((right_x * yy - right_y * xy) / determinant, (right_y * xx - right_x * xy) / determinant);
    Some(point).filter(|&point| seen_by(all, point) >= MEETING_MIN * weight)
}

/// Returns the weight of the directions that have the point in front of them.
fn seen_by(all: &[Facing], point: Point) -> f64 {
    let sees = |facing: &&Facing| dot((point.0 - facing.from.0, point.1 - facing.from.1), facing.to) > 0.0;
    all.iter().filter(sees).map(|facing| facing.weight).sum()
}

/// Returns the point in front of the middle of the seats in this direction.
fn before(plan: &Plan, to: Point) -> Point {
    let across = (-to.1, to.0);
    let range = |direction: Point| {
        let all = || plan.seats.iter().map(|seat| dot((seat.x, seat.y), direction));
        (all().fold(f64::MAX, f64::min), all().fold(f64::MIN, f64::max))
    };
    let ((back, front), (left, right)) = (range(to), range(across));
    let ahead = front + ((front - back) / 8.0).clamp(20.0, 500.0);
    let middle = f64::midpoint(left, right);
    (to.0 * ahead + across.0 * middle, to.1 * ahead + across.1 * middle)
}

fn dot(a: Point, b: Point) -> f64 {
    a.0 * b.0 + a.1 * b.1
}

fn thousandth(number: f64) -> f64 {
    (number * 1e3).round() / 1e3 + 0.0
}

fn float(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}
