//! Tests of invalid documents: each has one fault with an exact path and a helpful message.

use serde_json::{Value, json};

use super::tests::{hall, parse};
use super::*;

type Change = fn(&mut Value);

/// Applies each change to a valid document and expects exactly one fault.
fn refuses(cases: &[(Change, &str, &str)]) {
    for (change, path, why) in cases {
        let mut document = hall();
        change(&mut document);
        let faults = parse(&document).unwrap_err();
        assert_eq!(faults.len(), 1, "{path}: {faults:#?}");
        assert_eq!(faults[0].path, *path, "{}", faults[0]);
        assert!(faults[0].message().contains(why), "{} should say: {why}", faults[0]);
    }
}

fn seat(document: &mut Value, ordinal: usize) -> &mut Value {
    let (row, seat) = if ordinal < 2 { (0, ordinal) } else { (1, ordinal - 2) };
    &mut document["zones"][0]["rows"][row]["seats"][seat]
}

#[test]
fn the_frame_must_be_whole() {
    refuses(&[
        (|d| *d = json!([]), "$", "must be an object, but is a list"),
        (|d| *d = json!(null), "$", "must be an object, but is null"),
        (|d| d["name"] = json!(["a"]), "name", "must be text, but is a list"),
        (|d| d["size"] = json!("big"), "size", "must be an object, but is text"),
        (|d| d["size"]["height"] = json!("9 m"), "size.height", "must be a number, but is text"),
        (|d| d["size"]["height"] = json!(2e6), "size.height", "out of bounds"),
        (|d| d["categories"] = json!({}), "categories", "must be a list, but is an object"),
        (|d| d["zones"] = json!(null), "zones", "is missing"),
        (|d| d["zones"] = json!({}), "zones", "must be a list, but is an object"),
        (|d| d["zones"][1] = json!(null), "zones[1]", "must be an object, but is null"),
        (|d| d["zones"] = json!([]), "$", "nothing to sell"),
        (|d| d["zones"][1]["rows"] = json!(3), "zones[1].rows", "must be a list, but is a number"),
        (|d| d["zones"][0]["position"] = json!({"x": 1}), "zones[0].position.y", "is missing"),
        (
            |d| d["zones"][0]["position"]["x"] = json!(-1_000_001),
            "zones[0].position.x",
            "-1000001 is out of bounds",
        ),
        (
            |d| d["zones"][0]["rows"][0]["row_number"] = json!(true),
            "zones[0].rows[0].row_number",
            "is true or false",
        ),
    ]);
}

#[test]
fn guids_must_be_unique_and_short() {
    const GUID: &str = "zones[0].rows[1].seats[0].seat_guid";
    refuses(&[
        (
            |d| seat(d, 2)["seat_guid"] = json!("A-1"),
            GUID,
            "`A-1` is already used at zones[0].rows[0].seats[0].seat_guid. Set `options: { prefixDuplicateGuids: true }`",
        ),
        (
            |d| seat(d, 2)["seat_guid"] = json!(" A-1 "),
            GUID,
            "`A-1` is already used at zones[0].rows[0].seats[0].seat_guid",
        ),
        (
            |d| seat(d, 2)["seat_guid"] = json!("pit"),
            "zones[0].areas[1].area_guid",
            "already used at zones[0].rows[1].seats[0]",
        ),
        (
            |d| seat(d, 2)["seat_guid"] = json!("ü".repeat(256)),
            GUID,
            "is 256 characters long; the maximum is 255",
        ),
    ]);
}

#[test]
fn more_categories_than_the_limit_are_refused_also_if_only_seats_name_them() {
    let seats: Vec<Value> = (0..1_001)
        .map(|n| json!({"seat_guid": n.to_string(), "seat_number": n, "category": n, "position": {"x": n, "y": 0}}))
        .collect();
    let document = json!({"name": "n", "zones": [{"rows": [{"row_number": "1", "seats": seats}]}]});
    let faults = parse(&document).unwrap_err();
    assert_eq!(faults.len(), 1);
    assert_eq!(
        faults[0].to_string(),
        "zones[0].rows[0].seats[1000].category: exceeds the limit of 1,000 categories per plan"
    );
}

#[test]
fn seats_must_be_placed_and_make_sense() {
    refuses(&[
        (|d| seat(d, 0)["seat_number"] = json!([]), "zones[0].rows[0].seats[0].seat_number", "must be text"),
        (|d| seat(d, 0)["position"] = json!(null), "zones[0].rows[0].seats[0].position", "is missing"),
        (
            |d| seat(d, 0)["position"]["y"] = json!("3rd"),
            "zones[0].rows[0].seats[0].position.y",
            "must be a number",
        ),
        (
            |d| seat(d, 0)["wheelchair"] = json!("yes"),
            "zones[0].rows[0].seats[0].wheelchair",
            "must be true or false, but is text",
        ),
        (
            |d| seat(d, 1)["companion"] = json!(true),
            "zones[0].rows[0].seats[1]",
            "both a wheelchair place and a companion's",
        ),
        (
            |d| seat(d, 2)["companion_of"] = json!("A-1"),
            "zones[0].rows[1].seats[0].companion_of",
            "not the guid of a wheelchair place",
        ),
        (
            |d| seat(d, 2)["companion_of"] = json!("pit"),
            "zones[0].rows[1].seats[0].companion_of",
            "`pit` is not",
        ),
    ]);
}

#[test]
fn general_admission_needs_a_capacity_in_bounds() {
    const CAPACITY: &str = "zones[0].areas[1].capacity";
    refuses(&[
        (
            |d| d["zones"][0]["areas"][1]["capacity"] = json!(0),
            CAPACITY,
            "0 is not a whole number from 1 to 1,000,000",
        ),
        (|d| d["zones"][0]["areas"][1]["capacity"] = json!(-1), CAPACITY, "-1 is not a whole number"),
        (|d| d["zones"][0]["areas"][1]["capacity"] = json!(1.5), CAPACITY, "1.5 is not a whole number"),
        (
            |d| d["zones"][0]["areas"][1]["capacity"] = json!(1_000_001),
            CAPACITY,
            "not a whole number from 1 to 1,000,000",
        ),
        (
            |d| d["zones"][0]["areas"][1]["capacity"] = json!("many"),
            CAPACITY,
            "must be a number, but is text",
        ),
        (|d| d["zones"][0]["areas"][1]["capacity"] = json!("0"), CAPACITY, "0 is not a whole number"),
        (|d| d["zones"][0]["areas"][1]["name"] = json!(false), "zones[0].areas[1].name", "must be text"),
        (|d| d["zones"][0]["areas"][0] = json!("x"), "zones[0].areas[0]", "must be an object"),
        (
            |d| d["zones"][1]["areas"] = vec![json!({"capacity": 1_000_000}); 2_148].into(),
            "$",
            "holds 2148000253 people in all; the maximum is 2147483647",
        ),
    ]);
}

#[test]
fn exceeded_limit_is_reported_once_at_its_list() {
    fn seats(from: usize, count: usize) -> Value {
        let seat = |n: usize| json!({"seat_guid": n.to_string(), "seat_number": n, "category": "Free", "position": {"x": n % 99, "y": 0}});
        json!({"row_number": "", "seats": (from..from + count).map(seat).collect::<Vec<_>>()})
    }
    refuses(&[
        (
            |d| d["categories"] = vec![json!({"name": "a"}); 1_001].into(),
            "categories",
            "limit of 1,000 categories",
        ),
        (|d| d["zones"] = vec![json!({}); 1_001].into(), "zones", "limit of 1,000 zones"),
        (
            |d| d["zones"][1]["rows"] = vec![json!({"row_number": 1, "seats": []}); 9_999].into(),
            "zones[1].rows",
            "10,000 rows",
        ),
        (|d| d["zones"][1]["areas"] = vec![json!({}); 4_999].into(), "zones[1].areas", "5,000 areas"),
        (
            |d| d["zones"][1]["rows"] = json!([seats(0, 59_997), seats(60_000, 1)]),
            "zones[1].rows[1].seats",
            "60,000 seats",
        ),
    ]);
}

#[test]
fn text_that_serde_would_accept_or_build_in_part_is_refused_too() {
    let with_seat = |keys: &str| {
        format!(
            r#"{{"name":"n","size":{{"width":1,"height":1}},"categories":[{{"name":"c"}}],
            "zones":[{{"rows":[{{"row_number":"","seats":[{{{keys},"category":"c","seat_number":"1"}}]}}]}}]}}"#
        )
    };
    for (keys, path, why) in [
        (
            r#""seat_guid":"a","position":{"x":1e999,"y":0}"#,
            "zones[0].rows[0].seats[0].position.x",
            "1e999 is out of bounds",
        ),
        (
            r#""seat_guid":"a","position":[1,2]"#,
            "zones[0].rows[0].seats[0].position",
            "must be an object, but is a list",
        ),
        (
            r#""seat_guid":"a","seat_guid":"b","position":{"x":1,"y":0}"#,
            "zones[0].rows[0].seats[0]",
            "duplicate field `seat_guid`",
        ),
        (
            r#""seat_guid":"\ud800","position":{"x":1,"y":0}"#,
            "zones[0].rows[0].seats[0].seat_guid",
            "not a character",
        ),
    ] {
        let faults = Plan::parse(&with_seat(keys)).unwrap_err();
        assert_eq!((faults.len(), faults[0].path.as_str()), (1, path), "{faults:?}");
        assert!(faults[0].why.contains(why), "{}", faults[0]);
    }
}

#[test]
fn faults_of_one_kind_are_one_fault_in_document_order() {
    let mut document = hall();
    document["zones"][1]["rows"] = json!([{"row_number": "", "seats": vec![json!({"seat_guid": "x"}); 100]}]);
    document["name"] = json!({});
    let faults = parse(&document).unwrap_err();
    let counts: Vec<_> = faults.iter().map(|fault| (fault.path.as_str(), fault.count)).collect();
    assert_eq!(
        counts,
        [
            ("name", 1),
            ("zones[1].rows[0].seats[0].position", 100),
            ("zones[1].rows[0].seats[1].seat_guid", 99),
        ]
    );
}

#[test]
fn at_most_twenty_kinds_of_faults_are_reported() {
    let zone = |n: usize| json!({"name": [n], "position": n, "rows": n, "areas": n});
    let mut document =
        json!({"name": [], "size": [], "categories": 1, "focal_point": 1, "zones": [zone(1), zone(2)]});
    let row = json!({"row_number": [], "row_label": [], "seat_label": [], "position": 1,
        "seats": [{"seat_guid": [], "seat_number": [], "category": [], "position": 1, "wheelchair": 1, "companion": 1,
            "companion_of": [], "uuid": []}, 7]});
    let area = json!({"capacity": [], "area_guid": [], "uuid": [], "name": [], "text": [], "category": [], "position": 1});
    document["zones"][1]["rows"] = json!([row]);
    document["zones"][1]["areas"] = json!([area]);
    let faults = parse(&document).unwrap_err();
    assert_eq!(faults.len(), FAULTS_MAX, "{faults:#?}");
}
