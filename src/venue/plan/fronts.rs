//! Tests of inferring the front of a plan that does not say where it is.

use serde_json::{Value, json};

use super::repairs::{counts, import, plan_of, row};
use super::*;

/// Rows of eight straight seats at these heights, with these numbers.
fn rows(rows: &[(&str, i32)]) -> Value {
    let row_of = |(index, (number, y)): (usize, &(&str, i32))| {
        let guids: Vec<String> = (0..8).map(|seat| format!("{index}-{seat}")).collect();
        row(*number, (300, *y), &guids.iter().map(String::as_str).collect::<Vec<_>>())
    };
    plan_of(&json!([{"name": "Hall", "rows": rows.iter().enumerate().map(row_of).collect::<Vec<_>>()}]))
}

#[test]
fn front_is_inferred_from_the_order_of_rows() {
    for (plan, is_above) in [
        (rows(&[("1", 100), ("2", 130), ("3", 160)]), true),
        (rows(&[("3", 100), ("2", 130), ("1", 160)]), false),
        (rows(&[("C", 100), ("B", 130), ("A", 160)]), false),
        (rows(&[("Reihe 12", 100), ("Reihe 11", 130), ("Reihe 10", 160)]), false),
        (rows(&[("AB", 100), ("AA", 130), ("Z", 160), ("Y", 190)]), false),
        // Drawn from the back, but numbered from the front.
        (rows(&[("1", 160), ("2", 130), ("3", 100)]), false),
        // Without numbers, the rows are listed from the front.
        (rows(&[("", 160), ("", 130), ("", 100)]), false),
        (rows(&[("x", 100), ("x", 130), ("x", 160)]), true),
    ] {
        let (plan, warnings) = import(&plan);
        assert_eq!(plan.focal.source, FocalSource::RowOrder);
        assert!((plan.focal.x - 377.0).abs() < 1e-3, "in front of the middle: {:?}", plan.focal);
        assert_eq!(plan.focal.y < 100.0, is_above, "{:?}", plan.focal);
        assert!(counts(&warnings).contains(&(WarningCode::FrontGuessed, 1)));
    }
    // One row shows nothing.
    assert_eq!(import(&rows(&[("1", 600)])).0.focal.source, FocalSource::UpperEdge);
}

/// Returns a row on a circle around a centre, from one angle to another in degrees.
fn arc(centre: (f64, f64), radius: f64, angles: (f64, f64), guid: &str) -> Value {
    let ((x, y), (from, to)) = (centre, angles);
    let seats: Vec<Value> = (0..12)
        .map(|seat| {
            let angle = (from + (to - from) * f64::from(seat) / 11.0).to_radians();
            json!({"seat_guid": format!("{guid}-{seat}"), "seat_number": seat, "category": "c",
                "position": {"x": x + radius * angle.cos(), "y": y + radius * angle.sin()}})
        })
        .collect();
    json!({"row_number": guid, "seats": seats})
}

#[test]
fn front_is_inferred_from_curved_rows_even_if_they_are_numbered_from_the_back() {
    let curved = |centre: (f64, f64), from: f64, to: f64| {
        let rows: Vec<Value> = (0..4)
            .map(|row| arc(centre, 200.0 + 30.0 * f64::from(row), (from, to), &(4 - row).to_string()))
            .collect();
        import(&plan_of(&json!([{"name": "Hall", "rows": rows}]))).0.focal
    };
    // The seats are below, above, to the right and to the left of the stage.
    let below = curved((400.0, 100.0), 60.0, 120.0);
    assert!(
        below.source == FocalSource::RowCurve && below.y < 274.0 && (below.x - 400.0).abs() < 1.0,
        "{below:?}"
    );
    let above = curved((400.0, 600.0), -120.0, -60.0);
    assert!(above.source == FocalSource::RowCurve && above.y > 426.0, "{above:?}");
    let right = curved((100.0, 300.0), -25.0, 25.0);
    assert!(
        right.source == FocalSource::RowCurve && right.x < 282.0 && (right.y - 300.0).abs() < 1.0,
        "{right:?}"
    );
    let left = curved((600.0, 300.0), 155.0, 205.0);
    assert!(left.source == FocalSource::RowCurve && left.x > 418.0, "{left:?}");
}

#[test]
fn stands_that_face_each_other_have_their_front_in_the_middle() {
    let stand = |name: &str, dx: i32, dy: i32| {
        let rows: Vec<Value> = (1..=4)
            .map(|number| {
                let seats: Vec<Value> = (-4..=4)
                    .map(|seat| {
                        let (depth, along) = (100 + 30 * number, 22 * seat);
                        json!({"seat_guid": format!("{name}{number}{seat}"), "seat_number": seat, "category": "c",
                            "position": {"x": 400 + dx * depth + dy * along, "y": 300 + dy * depth + dx * along}})
                    })
                    .collect();
                json!({"row_number": number, "seats": seats})
            })
            .collect();
        json!({"name": name, "rows": rows})
    };
    let all = [stand("N", 0, -1), stand("E", 1, 0), stand("S", 0, 1), stand("W", -1, 0)];
    for stands in [&all[..], &all[..3], &all[..2], &[all[0].clone(), all[2].clone()]] {
        let (plan, _) = import(&plan_of(&json!(stands)));
        assert_eq!((plan.focal.x, plan.focal.y), (400.0, 300.0), "{} stands", stands.len());
    }
}

#[test]
fn stage_text_outweighs_rows_and_best_seats_are_never_in_the_back() {
    let mut document = rows(&[("1", 100), ("2", 130), ("3", 160)]);
    document["zones"][0]["areas"] = json!([{"shape": "text", "text": {"text": "Scène", "position": {"x": 0, "y": 0}},
        "position": {"x": 380, "y": 400}}]);
    let (plan, warnings) = import(&document);
    assert_eq!((plan.focal.y, plan.focal.source), (400.0, FocalSource::StageText));
    assert_eq!(counts(&warnings), []);
    let hall = crate::venue::hall::Hall::new(&plan);
    assert_eq!(hall.runs()[0].row, 2);
    let (plan, _) = import(&rows(&[("3", 100), ("2", 130), ("1", 160)]));
    let hall = crate::venue::hall::Hall::new(&plan);
    assert_eq!(hall.runs()[0].row, 2, "row 1 is at the lower edge");
}
