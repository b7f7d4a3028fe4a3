//! Property tests with random documents: valid ones survive a round trip, and no document makes the reader panic or
//! return an inconsistent plan.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// A position, sometimes with many digits.
fn position() -> impl Strategy<Value = Value> {
    prop_oneof![
        (-900_000_i32..900_000, 0_i32..2_000).prop_map(|(x, y)| json!({"x": x, "y": y})),
        (-1e6..1e6, -1e6..1e6).prop_map(|(x, y)| json!({"x": x, "y": y})),
    ]
}

/// Realistic and unrealistic text.
fn words() -> impl Strategy<Value = String> {
    prop_oneof!["[A-Za-z0-9 .-]{1,12}", "[^\\p{C}]{0,20}"]
}

/// A seat without a guid, but with an unknown key.
fn seat() -> impl Strategy<Value = Value> {
    let number = prop_oneof![words().prop_map(Value::from), any::<u16>().prop_map(Value::from)];
    (number, 0..3_usize, position(), any::<bool>(), proptest::option::of(words())).prop_map(
        |(number, category, position, wheelchair, extra)| {
            json!({"seat_number": number, "category": format!("c{category}"), "position": position,
                "wheelchair": wheelchair, "x-extra": extra})
        },
    )
}

fn area() -> impl Strategy<Value = Value> {
    (position(), proptest::option::of(1_u32..=CAPACITY_MAX), words()).prop_map(
        |(position, capacity, text)| {
            json!({"shape": "circle", "circle": {"radius": 5}, "position": position, "capacity": capacity,
            "text": {"text": text}})
        },
    )
}

fn zone() -> impl Strategy<Value = Value> {
    let row = (words(), proptest::option::of(position()), proptest::collection::vec(seat(), 0..6)).prop_map(
        |(number, position, seats)| json!({"row_number": number, "position": position, "seats": seats}),
    );
    let rows = proptest::collection::vec(row, 0..4);
    (words(), position(), rows, proptest::collection::vec(area(), 0..3)).prop_map(|(name, position, rows, areas)| {
        json!({"name": name, "position": position, "rows": rows, "areas": areas})
    })
}

/// A valid document. The guids are assigned last, so that they are unique.
fn document() -> impl Strategy<Value = Value> {
    proptest::collection::vec(zone(), 1..4).prop_map(|zones| {
        let categories: Vec<_> = (0..3).map(|n| json!({"name": format!("c{n}")})).collect();
        let mut document = json!({"name": "random", "size": {"width": 5, "height": 7.5}, "categories": categories, "zones": zones});
        let mut count = 0;
        let mut next = |kind: &str| {
            count += 1;
            json!(format!("{kind}{count}"))
        };
        for zone in document["zones"].as_array_mut().unwrap() {
            for area in zone["areas"].as_array_mut().unwrap() {
                area["area_guid"] = next("area");
            }
            for row in zone["rows"].as_array_mut().unwrap() {
                for seat in row["seats"].as_array_mut().unwrap() {
                    seat["seat_guid"] = next("seat");
                }
            }
        }
        let bar = json!({"capacity": 1, "area_guid": "bar"});
        document["zones"][0]["areas"].as_array_mut().unwrap().push(bar);
        document
    })
}

/// Replaces the value at the given step of a traversal of the document.
fn mutate(value: &mut Value, step: &mut usize, with: &Value) {
    if *step == 0 {
        value.clone_from(with);
    }
    *step = step.wrapping_sub(1);
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| mutate(item, step, with)),
        Value::Object(keys) => keys.values_mut().for_each(|item| mutate(item, step, with)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Checks the invariants of a parsed plan.
fn assert_sound(plan: &Plan) {
    let rows: Vec<usize> = plan.zones.iter().flat_map(|zone| zone.rows.clone()).collect();
    assert_eq!(rows, (0..plan.rows.len()).collect::<Vec<_>>());
    let seats: Vec<usize> = plan.rows.iter().flat_map(|row| row.seats.clone()).collect();
    assert_eq!(seats, (0..plan.seats.len()).collect::<Vec<_>>());
    let mut guids = std::collections::HashSet::new();
    for (ordinal, seat) in plan.seats.iter().enumerate() {
        assert!(guids.insert(&seat.guid) && seat.category < plan.categories.len());
        assert!(plan.rows[seat.row].seats.contains(&ordinal) && plan.rows[seat.row].zone == seat.zone);
        assert!(seat.x.is_finite() && seat.y.is_finite());
    }
    assert!(
        plan.areas.iter().all(|area| guids.insert(&area.guid) && area.capacity > 0 && !area.name.is_empty())
    );
    assert!(plan.places() > 0 && plan.places() <= PLACES_MAX);
    assert_eq!(&Plan::parse(&plan.document).unwrap(), plan);
    let labels: std::collections::HashSet<_> =
        (0..plan.seats.len()).map(|seat| plan.seat_name(seat).unwrap()).collect();
    assert_eq!(labels.len(), plan.seats.len(), "labels tell all seats apart");
    let areas: std::collections::HashSet<_> = plan.areas.iter().map(|area| &area.name).collect();
    assert_eq!(areas.len(), plan.areas.len(), "names tell all areas apart");
    assert!(plan.focal.x.is_finite() && plan.focal.y.is_finite());

    // The export for pretix is the same plan, except for standing room, accessibility and the fraction of the size.
    let mut returned: Value = serde_json::from_str(&plan.for_pretix()).unwrap();
    let bar = json!([{"capacity": 1, "area_guid": "the bar"}]);
    returned["zones"][0]["areas"] = bar;
    let returned = Plan::parse(&returned.to_string()).unwrap();
    assert_eq!(returned.seats.len(), plan.seats.len());
    for (returned, seat) in returned.seats.iter().zip(&plan.seats) {
        assert_eq!((&returned.guid, &returned.number, returned.row), (&seat.guid, &seat.number, seat.row));
        assert!((returned.x - seat.x).abs() < 1e-3 && (returned.y - seat.y).abs() < 1e-3);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_valid_document_survives_the_round_trip(document in document()) {
        let plan = Plan::parse(&document.to_string()).unwrap();
        prop_assert_eq!(&plan.document, &document.to_string());
        let pretty = Plan::parse(&serde_json::to_string_pretty(&document).unwrap()).unwrap();
        prop_assert_eq!(&pretty, &plan);
        assert_sound(&plan);
    }

    #[test]
    fn a_mutated_document_is_refused_or_sound(
        mut document in document(),
        steps in proptest::collection::vec((0..150_usize, 0..15_usize), 1..4),
    ) {
        let values = [json!(null), json!({}), json!([]), json!(""), json!("c1"), json!("seat1"), json!(true), json!(-1),
            json!(1e300), json!(0.5), json!("7,5"), json!("Stage\n"), json!({"text": "Bühne"}), json!({"x": 1, "y": 2}), json!([[{"seats": [{}]}]])];
        for (mut step, with) in steps {
            mutate(&mut document, &mut step, &values[with]);
        }
        match Plan::import(&document.to_string(), ImportOptions { prefix_duplicate_guids: true }) {
            Ok((plan, _)) => assert_sound(&plan),
            Err(faults) => prop_assert!((1..=FAULTS_MAX).contains(&faults.len())),
        }
    }

    #[test]
    fn text_cut_and_spliced_anywhere_never_panics(document in document(), cut: prop::sample::Index, splice in "\\PC{0,8}") {
        let text = document.to_string();
        let at = text.floor_char_boundary(cut.index(text.len()));
        let spliced = format!("{}{splice}{}", &text[..at], &text[at..]);
        for text in [&text[..at], &spliced] {
            if let Ok(plan) = Plan::parse(text) {
                assert_sound(&plan);
            }
        }
    }
}
