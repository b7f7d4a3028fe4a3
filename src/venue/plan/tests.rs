//! Tests of reading valid documents and of the export. `refusals` tests invalid documents, `properties` random ones.

use serde_json::{Value, json};

use super::*;

/// A small hall with one of everything.
pub(super) fn hall() -> Value {
    json!({
        "name": "Old Hall",
        "size": {"width": 800, "height": 600},
        "categories": [{"name": "Stalls", "color": "#33FFff"}, {"name": "Standing", "color": "#a0C"}, {"name": "Free"}],
        "zones": [
            {
                "name": "Stalls", "zone_id": "st", "position": {"x": 100, "y": 50.5},
                "areas": [
                    {"shape": "rectangle", "position": {"x": 0, "y": 0}, "color": "#000",
                     "rectangle": {"width": 80, "height": 20}, "text": {"text": "Stage", "position": {"x": 0, "y": 0}}},
                    {"shape": "circle", "position": {"x": 10.2, "y": 1}, "circle": {"radius": 30},
                     "area_guid": "pit", "name": "Pit", "category": "Standing", "capacity": 250},
                ],
                "rows": [
                    {"row_number": "A", "position": {"x": 0.1, "y": 10}, "row_number_position": "both", "seats": [
                        {"seat_guid": "A-1", "seat_number": "1", "category": "Stalls", "position": {"x": 0.2, "y": 0}},
                        {"seat_guid": "A-2", "seat_number": "2", "category": "Free", "position": {"x": 20, "y": 0},
                         "wheelchair": true},
                    ]},
                    {"row_number": 7, "row_label": "Table %s", "seat_label": "Chair %s", "seats": [
                        {"seat_guid": "T-1", "seat_number": 3, "category": "Stalls", "position": {"x": -5, "y": 40},
                         "companion_of": "A-2", "uuid": "u", "radius": 12},
                    ]},
                ],
            },
            {"position": {"x": 1, "y": 2}, "rows": []},
        ],
    })
}

pub(super) fn parse(document: &Value) -> Result<Plan, Vec<Fault>> {
    Plan::parse(&document.to_string())
}

#[test]
fn seats_rows_and_areas_are_numbered_in_map_order_and_placed_absolutely() {
    let plan = parse(&hall()).unwrap();
    assert_eq!((plan.name.as_str(), plan.width, plan.height), ("Old Hall", 800.0, 600.0));
    let seats: Vec<_> =
        plan.seats.iter().map(|seat| (seat.guid.as_str(), seat.row, seat.x, seat.y)).collect();
    assert_eq!(seats, [("A-1", 0, 100.3, 60.5), ("A-2", 0, 120.1, 60.5), ("T-1", 1, 95.0, 90.5)]);
    assert_eq!(plan.rows.iter().map(|row| row.seats.clone()).collect::<Vec<_>>(), [0..2, 2..3]);
    assert_eq!(plan.zones.iter().map(|zone| zone.rows.clone()).collect::<Vec<_>>(), [0..2, 2..2]);
    assert_eq!(plan.seats.iter().map(|seat| seat.category).collect::<Vec<_>>(), [0, 2, 0]);
    assert_eq!(plan.places(), 253);
}

#[test]
fn colours_become_long_and_small_and_have_a_default() {
    let colors: Vec<_> =
        parse(&hall()).unwrap().categories.into_iter().map(|category| category.color).collect();
    assert_eq!(colors, ["#33ffff", "#aa00cc", DEFAULT_COLOR]);
}

#[test]
fn numbers_are_taken_for_text_and_labels_make_the_seats_name() {
    let plan = parse(&hall()).unwrap();
    assert_eq!((plan.rows[1].number.as_str(), plan.seats[2].number.as_str()), ("7", "3"));
    assert_eq!(plan.seat_name(0).unwrap(), "Stalls, Row A, Seat 1");
    assert_eq!(plan.seat_name(2).unwrap(), "Stalls, Table 7, Chair 3");
    assert_eq!(plan.seat_name(3), None);
}

#[test]
fn a_companion_seat_knows_its_wheelchair_place() {
    let plan = parse(&hall()).unwrap();
    let access: Vec<_> = plan.seats.iter().map(|seat| seat.access).collect();
    assert_eq!(access, [Access::Standard, Access::Wheelchair, Access::Companion { of: Some(1) }]);

    let mut loose = hall();
    loose["zones"][0]["rows"][1]["seats"][0] = json!({"seat_guid": "T-1", "seat_number": "", "category": "Free",
        "position": {"x": 0, "y": 0}, "companion": true, "wheelchair": false, "companion_of": null});
    assert_eq!(parse(&loose).unwrap().seats[2].access, Access::Companion { of: None });
}

#[test]
fn only_areas_with_a_capacity_are_sold() {
    let plan = parse(&hall()).unwrap();
    let pit = Area {
        guid: "pit".into(),
        name: "Pit".into(),
        zone: 0,
        category: Some(1),
        capacity: 250,
        x: 110.2,
        y: 51.5,
    };
    assert_eq!(plan.areas, [pit]);
}

#[test]
fn an_area_finds_its_guid_and_name_where_there_are_some() {
    for (area, guid, name) in [
        (json!({"capacity": 1, "area_guid": "g", "uuid": "u", "name": "North"}), "g", "North"),
        (json!({"capacity": 1, "uuid": "u", "text": {"text": "Beer\n garden"}}), "u", "Beer garden"),
        (json!({"capacity": 1, "uuid": 5, "text": "Old style"}), "5", "Old style"),
        (json!({"capacity": 1, "text": {"text": ""}}), "Stalls-1", "Stalls-1"),
        (json!({"capacity": 1, "name": ""}), "Stalls-1", "Stalls-1"),
    ] {
        let mut document = hall();
        document["zones"][0]["areas"][1] = area;
        let area = parse(&document).unwrap().areas.remove(0);
        assert_eq!((area.guid.as_str(), area.name.as_str(), area.category), (guid, name, None));
    }
}

#[test]
fn a_zone_without_a_name_goes_by_its_id_or_its_place() {
    let mut document = hall();
    assert_eq!(parse(&document).unwrap().zones[1].name, "Zone 2");
    document["zones"][0]["name"] = json!("");
    assert_eq!(parse(&document).unwrap().zones[0].name, "st");
}

#[test]
fn a_plan_may_be_all_standing() {
    let document = json!({"name": "Field", "size": {"width": 10, "height": 10}, "categories": [],
        "zones": [{"name": "Field", "areas": [{"capacity": 1_000_000}]}]});
    let plan = parse(&document).unwrap();
    assert_eq!((plan.areas[0].guid.as_str(), plan.places()), ("Field-0", 1_000_000));
}

#[test]
fn the_document_keeps_every_key_number_and_their_order() {
    let text = r#"{ "zones": [ {"rows": [{"seats": [{"zz": {"b": 1.50, "a": [1e3, 18446744073709551616]}, "seat_guid": "A",
        "position": {"y": -0.10, "x": 5}, "seat_number": "1", "category": "c", "status": "sold"}], "row_number": ""}],
        "position": {"x": 0, "y": 0}, "curve": null} ], "size": {"width": 9.5, "height": 1},
        "name": "\u00fc ", "editor": true, "categories": [{"name": "c", "price": 3}] }"#;
    let plan = Plan::parse(text).unwrap();
    let squeezed: String = text.split_inclusive('"').map(|part| part.replace(['\n', ' '], "")).collect();
    assert_eq!(plan.document, squeezed.replace("\\u00fc", "\\u00fc "));
    assert_eq!(Plan::parse(&plan.document).unwrap(), plan);
}

#[test]
fn pretix_export_has_only_pretix_keys() {
    let mut document = hall();
    document["editor"] = json!({"zoom": 2});
    document["size"]["width"] = json!(799.5);
    document["zones"][0]["rows"][0]["row_number_position"] = json!("left");
    document["zones"][0]["areas"]
        .as_array_mut()
        .unwrap()
        .push(json!({"shape": "star", "ellipse": {"radius": 3},
        "polygon": {"points": [{"x": 1, "y": 2}, {"x": 1}]}, "rotation": "much"}));
    let pretix: Value = serde_json::from_str(&parse(&document).unwrap().for_pretix()).unwrap();
    assert_eq!(pretix["size"], json!({"width": 800, "height": 600}));
    assert_eq!(pretix.get("editor"), None);
    let zone = &pretix["zones"][0];
    assert_eq!(zone["zone_id"], "st");
    assert_eq!(zone["rows"][0].get("row_number_position"), None);
    assert_eq!(
        zone["rows"][1],
        json!({"row_number": "7", "row_label": "Table %s", "seat_label": "Chair %s", "position": {"x": 0, "y": 0}, "seats": [
            {"seat_guid": "T-1", "seat_number": "3", "category": "Stalls", "position": {"x": -5, "y": 40}, "uuid": "u", "radius": 12},
        ]})
    );
    assert_eq!(zone["areas"][0], hall()["zones"][0]["areas"][0]);
    assert_eq!(
        zone["areas"][1],
        json!({"shape": "circle", "position": {"x": 10.2, "y": 1}, "circle": {"radius": 30}})
    );
    assert_eq!(
        zone["areas"][2],
        json!({"position": {"x": 0, "y": 0}, "polygon": {"points": [{"x": 1, "y": 2}]}})
    );
    assert_eq!(pretix["zones"][1], json!({"name": "", "position": {"x": 1, "y": 2}, "rows": []}));
}

#[test]
fn category_of_a_seat_is_found_in_any_spelling() {
    for (declared, named) in [
        ("Stalls", "STALLS"),
        ("Loge \u{e9}", "Loge e\u{301}"),
        ("Stra\u{df}e", "STRASSE"),
        ("Parkett", "\u{ff30}arkett"),
        ("\u{130}n", "in"),
    ] {
        let mut document = hall();
        document["categories"][0]["name"] = json!(declared);
        let rows = &mut document["zones"][0]["rows"];
        rows[0]["seats"][0]["category"] = json!(named);
        rows[1]["seats"][0]["category"] = json!(declared);
        let plan = parse(&document).unwrap();
        assert_eq!(plan.seats.iter().map(|seat| seat.category).collect::<Vec<_>>(), [0, 2, 0], "{named}");
        assert_eq!(plan.categories.len(), 3, "{named}");
    }
}
