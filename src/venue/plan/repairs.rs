//! Tests of plans from other programs: what is repaired, what is guessed, and the warnings about it.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::tests::hall;
use super::*;

/// Imports a document that must be accepted. Returns its plan and warnings.
pub(super) fn import(document: &Value) -> (Plan, Vec<Warning>) {
    import_with(document, ImportOptions::default())
}

fn import_with(document: &Value, options: ImportOptions) -> (Plan, Vec<Warning>) {
    let (plan, warnings) = Plan::import(&document.to_string(), options).unwrap();
    assert_eq!(Plan::parse(&plan.document).unwrap(), plan, "the stored document gives the same plan");
    let names: HashSet<_> = (0..plan.seats.len()).map(|seat| plan.seat_name(seat).unwrap()).collect();
    assert_eq!(names.len(), plan.seats.len(), "labels tell all seats apart");
    for warning in &warnings {
        assert!(!warning.examples.is_empty() && warning.message().ends_with('.'), "{warning:?}");
    }
    (plan, warnings)
}

pub(super) fn counts(warnings: &[Warning]) -> Vec<(WarningCode, u32)> {
    warnings.iter().map(|warning| (warning.code, warning.count)).collect()
}

fn names(plan: &Plan) -> Vec<String> {
    (0..plan.seats.len()).map(|seat| plan.seat_name(seat).unwrap()).collect()
}

/// A row of seats from this point to the right.
pub(super) fn row(number: impl Into<Value>, (x, y): (i32, i32), guids: &[&str]) -> Value {
    let seat = |(index, guid): (i32, &&str)| {
        json!({"seat_guid": guid, "seat_number": (index + 1).to_string(), "category": "c",
            "position": {"x": index * 22, "y": 0}})
    };
    json!({"row_number": number.into(), "position": {"x": x, "y": y}, "seats": (0..).zip(guids).map(seat).collect::<Vec<_>>()})
}

pub(super) fn plan_of(zones: &Value) -> Value {
    json!({"name": "Hall", "size": {"width": 900, "height": 700}, "categories": [{"name": "c"}], "zones": zones})
}

/// Two balconies that were copied from the stalls with all their guids: 84 seats share theirs with an earlier seat.
fn copied_balconies() -> Value {
    let zone = |name: &str, y: i32| {
        let rows: Vec<Value> = (0..6)
            .map(|number| {
                let guids: Vec<String> = (1..=7).map(|seat| format!("{number}-{seat}")).collect();
                let guids: Vec<&str> = guids.iter().map(String::as_str).collect();
                row((number + 1).to_string(), (0, y + 25 * number), &guids)
            })
            .collect();
        json!({"name": name, "position": {"x": 0, "y": 0}, "rows": rows})
    };
    plan_of(&json!([zone("Stalls", 50), zone("Left balcony", 300), zone("Right balcony", 500)]))
}

#[test]
fn duplicate_guids_are_one_fault_with_their_number_and_a_way_out() {
    let faults = Plan::parse(&copied_balconies().to_string()).unwrap_err();
    assert_eq!((faults.len(), faults[0].count), (1, 84));
    let message = faults[0].to_string();
    assert!(
        message.starts_with("zones[1].rows[0].seats[0].seat_guid: `0-1` is already used at zones[0].rows[0]")
    );
    assert!(
        message.contains("84 places of this kind") && message.contains("prefixDuplicateGuids: true"),
        "{message}"
    );
    assert!(message.len() < 600, "{message}");
}

#[test]
fn duplicate_guids_get_zone_and_row_as_a_prefix_in_the_document_too() {
    let (plan, warnings) = import_with(&copied_balconies(), ImportOptions { prefix_duplicate_guids: true });
    assert_eq!(counts(&warnings)[0], (WarningCode::GuidPrefixed, 84));
    assert_eq!(warnings[0].examples[0], "`0-1`, now `Left balcony-1-0-1`");
    let guid = |seat: usize| plan.seats[seat].guid.as_str();
    assert_eq!((guid(0), guid(42), guid(125)), ("0-1", "Left balcony-1-0-1", "Right balcony-6-5-7"));
    assert!(
        plan.document.contains(r#""seat_guid":"Right balcony-6-5-7""#)
            && plan.for_pretix().contains("Left balcony-1-0-1")
    );
    let again = import_with(&copied_balconies(), ImportOptions { prefix_duplicate_guids: true });
    assert_eq!(again.0, plan, "the same document gives the same guids");
}

#[test]
fn duplicate_guids_of_one_row_and_of_areas_are_told_apart_too() {
    let areas = json!([{"capacity": 5, "area_guid": "a"}, {"capacity": 5, "uuid": "a"}, {"capacity": 5}]);
    let zone = json!({"zone_id": "Z", "name": "Hall", "rows": [row("1", (0, 0), &["a", "a", "a", "Z-1-a", "b"])], "areas": areas});
    let (plan, _) = import_with(&plan_of(&json!([zone])), ImportOptions { prefix_duplicate_guids: true });
    let guids: Vec<&str> = plan.seats.iter().map(|seat| seat.guid.as_str()).collect();
    assert_eq!(guids, ["a", "Z-1-a-2", "Z-1-a-3", "Z-1-a", "b"]);
    let areas: Vec<&str> = plan.areas.iter().map(|area| area.guid.as_str()).collect();
    assert_eq!(areas, ["Z-a", "Z-a-2", "Hall-2"]);
}

#[test]
fn companion_belongs_to_the_wheelchair_place_of_its_own_row() {
    let zone = |name: &str| {
        let mut row = row("1", (0, 0), &["w", "k"]);
        row["seats"][0]["wheelchair"] = json!(true);
        row["seats"][1]["companion_of"] = json!("w");
        json!({"name": name, "rows": [row]})
    };
    let document = plan_of(&json!([zone("North"), zone("South")]));
    let (plan, _) = import_with(&document, ImportOptions { prefix_duplicate_guids: true });
    let companions: Vec<Access> = [1, 3].map(|seat| plan.seats[seat].access).to_vec();
    assert_eq!(companions, [Access::Companion { of: Some(0) }, Access::Companion { of: Some(2) }]);
}

#[test]
fn thousands_of_equal_guids_and_labels_are_told_apart_quickly() {
    let seat = json!({"seat_guid": "x", "seat_number": "1", "category": "c", "position": {"x": 0, "y": 0}});
    let zone = json!({"name": "Z", "rows": [{"row_number": "1", "seats": vec![seat; 20_000]}]});
    let (plan, warnings) =
        import_with(&plan_of(&json!([zone])), ImportOptions { prefix_duplicate_guids: true });
    assert_eq!(counts(&warnings)[0], (WarningCode::GuidPrefixed, 19_999));
    assert_eq!(plan.seat_name(19_999).unwrap(), "Z, Row 1, Seat 1 (20000)");
}

/// A concert hall of 760 seats with 198 labels: the blocks of a row are rows of their own, and all seats count from 1.
fn concert_hall() -> Value {
    let block = |prefix: &str, number: i32, (x, y): (i32, i32), seats: i32| {
        let guids: Vec<String> = (1..=seats).map(|seat| format!("{prefix}.{number}.{seat}")).collect();
        row(number.to_string(), (x, y), &guids.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let floor: Vec<Value> = (1..=18)
        .flat_map(|number| {
            [("m", 300, 11), ("l", 0, 11), ("r", 600, 11)]
                .map(|(side, x, seats)| block(side, number, (x, 100 + 25 * number), seats))
        })
        .collect();
    let box_of = |name: &str, y: i32| {
        json!({"name": "Ground floor", "zone_id": name, "position": {"x": 0, "y": y},
            "rows": [block(name, 1, (0, 0), 11), block(&format!("{name}2"), 2, (0, 25), 11)]})
    };
    let mut zones = vec![json!({"name": "Ground floor", "zone_id": "floor", "rows": floor})];
    zones.extend((0..7).map(|number| box_of(&format!("box{number}"), 700 + 60 * number)));
    let last = json!({"name": "Ground floor", "zone_id": "last", "rows": [block("z", 1, (0, 1200), 11), block("zz", 1, (0, 1230), 1)]});
    zones.push(last);
    plan_of(&Value::Array(zones))
}

#[test]
fn real_hall_gets_a_label_for_each_seat() {
    let document = concert_hall();
    let (plan, warnings) = import(&document);
    let original =
        |seat: &Seat| format!("Ground floor, Row {}, Seat {}", plan.rows[seat.row].number, seat.number);
    let labels: HashSet<String> = plan.seats.iter().map(original).collect();
    assert_eq!((plan.seats.len(), labels.len()), (760, 198));
    assert_eq!(
        names(&plan)[0],
        "Ground floor, floor, Block 2, Row 1, Seat 1",
        "blocks count from left to right"
    );
    assert!(names(&plan).contains(&"Ground floor, box3, Row 2, Seat 11".to_owned()));
    let extended = warnings.iter().find(|warning| warning.code == WarningCode::LabelExtended).unwrap();
    assert_eq!(extended.count, 760);
}

#[test]
fn labels_are_extended_as_far_as_necessary() {
    let labelled = |mut row: Value, label: &str, seat: &str| {
        row["row_label"] = json!(label);
        row["seat_label"] = json!(seat);
        row
    };
    for (zones, labels) in [
        // Nothing clashes.
        (
            json!([{"name": "A", "rows": [row("1", (0, 0), &["a", "b"])]}]),
            vec!["A, Row 1, Seat 1", "A, Row 1, Seat 2"],
        ),
        // Zones without ids.
        (
            json!([{"name": "A", "rows": [row("1", (0, 0), &["a"])]}, {"name": "A", "rows": [row("1", (0, 9), &["b"])]},
                {"name": "B", "rows": [row("1", (0, 9), &["c"])]}]),
            vec!["A, Zone 1, Row 1, Seat 1", "A, Zone 2, Row 1, Seat 1", "B, Row 1, Seat 1"],
        ),
        // Blocks below each other, drawn from the last.
        (
            json!([{"name": "A", "rows": [row("1", (0, 50), &["a"]), row("1", (0, 0), &["b"]), row("2", (0, 99), &["c"])]}]),
            vec!["A, Block 2, Row 1, Seat 1", "A, Block 1, Row 1, Seat 1", "A, Row 2, Seat 1"],
        ),
        // The label hides the row's number, or the seat's.
        (
            json!([{"name": "A", "rows": [labelled(row("1", (0, 0), &["a"]), "Box", "Seat %s"),
                labelled(row("2", (0, 9), &["b"]), "Box", "Seat %s")]}]),
            vec!["A, Box, Row 1, Seat 1", "A, Box, Row 2, Seat 1"],
        ),
        (
            json!([{"name": "A", "rows": [labelled(row("1", (0, 0), &["a", "b"]), "Table %s", "Chair")]}]),
            vec!["A, Table 1, Chair 1", "A, Table 1, Chair 2"],
        ),
        // No numbers at all.
        (
            json!([{"name": "A", "rows": [{"row_number": null, "seats": [
                {"seat_guid": "a", "seat_number": null, "category": "c", "position": {"x": 1, "y": 1}},
                {"seat_guid": "b", "category": "c", "position": {"x": 2, "y": 1}}]}]}]),
            vec!["A", "A (2)"],
        ),
    ] {
        assert_eq!(names(&import(&plan_of(&zones)).0), labels);
    }
}

#[test]
fn areas_with_the_same_name_are_told_apart() {
    let area = |guid: &str| json!({"capacity": 10, "area_guid": guid, "name": "Standing"});
    let zones = json!([{"name": "North", "areas": [area("a"), area("b")]}, {"name": "South", "areas": [area("c")]},
        {"name": "Standing", "areas": [area("d"), {"capacity": 1, "name": "Bar"}]}]);
    let (plan, warnings) = import(&plan_of(&zones));
    let names: Vec<&str> = plan.areas.iter().map(|area| area.name.as_str()).collect();
    assert_eq!(names, ["Standing, North", "Standing, North (2)", "Standing, South", "Standing", "Bar"]);
    assert!(counts(&warnings).contains(&(WarningCode::LabelExtended, 3)));
}

#[test]
fn odd_plans_are_imported_with_a_warning_for_each_repair() {
    type Change = fn(&mut Value);
    let cases: &[(Change, &[(WarningCode, u32)])] = &[
        (|d| d["size"] = json!(null), &[(WarningCode::SizeGuessed, 1)]),
        (|d| d["size"] = json!({"width": 5}), &[(WarningCode::SizeGuessed, 1)]),
        (|d| d["size"]["width"] = json!(-3), &[(WarningCode::SizeGuessed, 1)]),
        (|d| d["size"] = json!({"width": "800", "height": "600,5"}), &[]),
        (|d| d["name"] = json!(" "), &[(WarningCode::NameAdded, 1)]),
        (|d| drop(d.as_object_mut().unwrap().remove("name")), &[(WarningCode::NameAdded, 1)]),
        (|d| d["categories"][0]["color"] = json!("rebeccapurple"), &[]),
        (|d| d["categories"][0]["color"] = json!("hsl(20 50% 50%)"), &[]),
        (|d| d["categories"][0]["color"] = json!(""), &[]),
        (|d| d["categories"][0]["color"] = json!("reddish"), &[(WarningCode::ColorIgnored, 1)]),
        (|d| d["categories"] = json!(null), &[(WarningCode::CategoryUndeclared, 3)]),
        (|d| d["categories"] = json!([]), &[(WarningCode::CategoryUndeclared, 3)]),
        (|d| d["categories"][0] = json!({"name": ""}), &[(WarningCode::CategoryUndeclared, 1)]),
        (
            |d| d["categories"].as_array_mut().unwrap().push(json!({"name": "Free"})),
            &[(WarningCode::CategoryMerged, 1)],
        ),
        (|d| seat(d, 0)["category"] = json!(""), &[(WarningCode::CategoryAdded, 1)]),
        (|d| seat(d, 0)["category"] = json!(null), &[(WarningCode::CategoryAdded, 1)]),
        (|d| seat(d, 0)["category"] = json!(" Free "), &[]),
        (|d| d["zones"][0]["areas"][1]["category"] = json!(""), &[]),
        (|d| seat(d, 0)["seat_guid"] = json!(null), &[(WarningCode::GuidAdded, 1)]),
        (|d| seat(d, 0)["seat_guid"] = json!("  "), &[(WarningCode::GuidAdded, 1)]),
        (|d| drop(seat(d, 0).as_object_mut().unwrap().remove("seat_guid")), &[(WarningCode::GuidAdded, 1)]),
        (|d| seat(d, 0)["seat_guid"] = json!(" A 1\n"), &[(WarningCode::TextCleaned, 1)]),
        (|d| seat(d, 0)["seat_number"] = json!(null), &[(WarningCode::NumberMissing, 1)]),
        (|d| seat(d, 0)["seat_number"] = json!("1\u{202e}\t"), &[(WarningCode::TextCleaned, 1)]),
        (|d| seat(d, 0)["position"] = json!({"x": "0,2", "y": "0"}), &[]),
        (|d| d["zones"][0]["position"] = json!({"x": "100", "y": " 50.5 "}), &[]),
        (|d| d["zones"][0]["areas"][1]["capacity"] = json!("250"), &[]),
        (|d| d["zones"][0]["areas"][1]["capacity"] = json!(250.0), &[]),
        (
            |d| {
                d["zones"][0]["areas"][0] =
                    json!({"width": 80, "height": 20, "position": {"x": 0, "y": 0}, "text": "Stage"});
            },
            &[],
        ),
        (
            |d| {
                d["zones"][0]["areas"][0] = json!({"shape": "ellipse", "text": {"text": "Bühne", "position": null}, "rotation": null});
            },
            &[],
        ),
        (|d| d["zones"][1]["rows"] = json!(null), &[]),
        (|d| d["metadata"] = json!({"anything": [1, {"x": null}]}), &[]),
        (|d| *d = json!({"id": 7, "name": "From the API", "layout": d.clone()}), &[]),
    ];
    for (number, (change, expected)) in cases.iter().enumerate() {
        let mut document = hall();
        change(&mut document);
        let (plan, warnings) = import(&document);
        assert_eq!(counts(&warnings), *expected, "case {number}");
        let pretix: Value = serde_json::from_str(&plan.for_pretix()).unwrap();
        assert!(pretix["size"]["width"].is_u64(), "case {number}: pretix needs a size");
        assert_eq!(Plan::parse(&pretix.to_string()).unwrap().seats.len(), 3, "case {number}");
    }
}

fn seat(document: &mut Value, ordinal: usize) -> &mut Value {
    let (row, seat) = if ordinal < 2 { (0, ordinal) } else { (1, ordinal - 2) };
    &mut document["zones"][0]["rows"][row]["seats"][seat]
}

#[test]
fn guessed_size_shows_all_places_and_drawings() {
    let mut document = hall();
    document["size"] = json!(null);
    assert_eq!((import(&document).0.width, import(&document).0.height), (210.0, 121.0));
    let wide = json!({"shape": "rectangle", "rectangle": {"width": 900, "height": 5}});
    document["zones"][0]["areas"].as_array_mut().unwrap().push(wide);
    let (plan, _) = import(&document);
    assert_eq!((plan.width, plan.height), (1030.0, 121.0));
    assert!(plan.document.contains(r#""size":{"width":1030,"height":121}"#));
}

#[test]
fn seats_without_a_category_share_one_that_a_tier_can_price() {
    let mut document = hall();
    document["categories"].as_array_mut().unwrap().insert(0, json!({"name": "", "color": "teal"}));
    document["categories"].as_array_mut().unwrap().push(json!({"name": "Uncategorised"}));
    seat(&mut document, 0)["category"] = json!("");
    let (plan, _) = import(&document);
    let categories: Vec<&str> = plan.categories.iter().map(|category| category.name.as_str()).collect();
    assert_eq!(categories, ["Stalls", "Standing", "Free", "Uncategorised", "Uncategorised 2"]);
    assert_eq!(
        plan.categories[plan.seats[0].category],
        Category { name: "Uncategorised 2".into(), color: "#008080".into() }
    );
}
