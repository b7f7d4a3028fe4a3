//! Seating plans of other programs: repairs and warnings, labels, the focal point, and deleting or replacing seat maps.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    Answer, World,
    given::{Stage, small_plan},
    run,
    socket::Socket,
};

const IMPORT: &str = "mutation($input: ImportSeatMapInput!) { importSeatMap(input: $input) {
    seatMap { id seatCount width focalPoint { x y source } categories { name color }
        zones { rows { seats { id guid label } } } }
    warnings { code count message examples } errors { code message path } } }";
const DELETE: &str = "mutation($map: ID!) { deleteSeatMap(input: { seatMapId: $map }) {
    venue { seatMaps { revision } } errors { code kind message path events } } }";
const CHANGE: &str = "mutation($event: ID!, $version: Long!, $map: ID!) {
    changeEventSeatMap(input: { eventId: $event, expectedVersion: $version, seatMapId: $map }) {
        event { version capacity seatMap { id revision } availability { version rows { statuses } available } }
        errors { code message path } } }";
const BEST: &str = "mutation($event: ID!, $key: String!) {
    reserveSeats(input: { eventId: $event, pick: { bestAvailable: { quantity: 2 } }, idempotencyKey: $key }) {
        reservation { id items { label } } errors { code } } }";

impl World {
    async fn import_plan(&self, stage: &Stage, plan: &Value, options: Value) -> Answer {
        let input = json!({ "venueId": stage.venue, "plan": plan.to_string(), "options": options });
        self.gql(Some(&stage.vendor), IMPORT, json!({ "input": input })).await
    }

    async fn event_version(&self, stage: &Stage, event: &str) -> Value {
        let document = "query($id: ID!) { event(id: $id) { version } }";
        self.gql(Some(&stage.vendor), document, json!({ "id": event })).await.good().data("event.version")
    }

    async fn change_map(&self, stage: &Stage, event: &str, map: &str) -> Answer {
        let version = self.event_version(stage, event).await;
        let input = json!({ "event": event, "version": version, "map": map });
        self.gql(Some(&stage.vendor), CHANGE, input).await
    }

    async fn best_labels(&self, event: &str, key: &str) -> Value {
        let answer =
            self.gql(Some(&self.guest().await), BEST, json!({ "event": event, "key": key })).await.good();
        let items = answer.data("reserveSeats.reservation.items");
        items.as_array().expect("items").iter().map(|item| item["label"].clone()).collect()
    }
}

fn small() -> Value {
    serde_json::from_str(&small_plan()).expect("JSON")
}

/// A plan of two copied galleries without a size, a name, usable colours or a stage. Row 1 is at the lower edge.
fn wild_plan() -> Value {
    let gallery = |name: &str, left: i32| {
        let rows: Vec<Value> = (1..=7)
            .map(|number| {
                let seats: Vec<Value> = (1..=12)
                    .map(|seat| {
                        json!({ "seat_guid": format!("{number}-{seat}"), "seat_number": seat, "category": "Gallery",
                            "position": { "x": seat.to_string() + "0", "y": null_or(0) } })
                    })
                    .collect();
                json!({ "row_number": number, "position": { "x": left, "y": 400 - 25 * number }, "seats": seats })
            })
            .collect();
        json!({ "name": name, "position": { "x": 0, "y": 0 }, "rows": rows })
    };
    json!({ "name": "", "categories": [{ "name": "Gallery", "color": "papayawhip" }, { "name": "x", "color": "none such" }],
        "zones": [gallery("Gallery", 0), gallery("Gallery", 300)], "comment": { "by": null } })
}

fn null_or(number: i32) -> Value {
    json!(number.to_string())
}

fn codes(answer: &Answer) -> Vec<(String, u64)> {
    let warnings = answer.data("importSeatMap.warnings");
    let code = |warning: &Value| {
        let text = warning["message"].as_str().expect("a message");
        assert!(text.ends_with('.') && warning["examples"][0].is_string(), "{warning}");
        (warning["code"].as_str().expect("a code").to_owned(), warning["count"].as_u64().expect("a count"))
    };
    warnings.as_array().expect("warnings").iter().map(code).collect()
}

#[test]
fn wild_plan_is_one_error_with_a_way_out_or_imported_with_warnings() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let refused = world.import_plan(&stage, &wild_plan(), json!({})).await;
        let errors = refused.data("importSeatMap.errors");
        assert_eq!(errors.as_array().map(Vec::len), Some(1), "{errors}");
        assert_eq!(errors[0]["code"], "INVALID");
        assert_eq!(errors[0]["path"], json!(["plan", "zones[1].rows[0].seats[0].seat_guid"]));
        let message = errors[0]["message"].as_str().expect("a message");
        assert!(message.contains("84 places") && message.contains("prefixDuplicateGuids"), "{message}");
        assert_eq!(refused.data("importSeatMap.warnings"), json!([]));

        let imported =
            world.import_plan(&stage, &wild_plan(), json!({ "prefixDuplicateGuids": true })).await.good();
        let expected = [
            ("NAME_ADDED", 1),
            ("COLOR_IGNORED", 1),
            ("GUID_PREFIXED", 84),
            ("SIZE_GUESSED", 1),
            ("FRONT_GUESSED", 1),
            ("LABEL_EXTENDED", 168),
        ];
        assert_eq!(codes(&imported), expected.map(|(code, count)| (code.to_owned(), count)));
        let map = imported.data("importSeatMap.seatMap");
        assert_eq!((&map["seatCount"], &map["width"]), (&json!(168), &json!(450.0)));
        assert_eq!(map["categories"][0]["color"], "#ffefd5");
        assert_eq!(map["focalPoint"]["source"], "ROW_ORDER");
        assert!(
            map["focalPoint"]["y"].as_f64().expect("a number") > 375.0,
            "row 1 is at the lower edge: {map}"
        );
        assert_eq!(map["zones"][1]["rows"][0]["seats"][0]["guid"], "Gallery-1-1-1");
        assert_eq!(map["zones"][1]["rows"][0]["seats"][0]["label"], "Gallery, Zone 2, Row 1, Seat 1");
        // What is exported can be imported without any option.
        let export = "query($id: ID!) { seatMapExport(seatMapId: $id) }";
        let exported = world.gql(Some(&stage.vendor), export, json!({ "id": map["id"] })).await.good();
        let exported: Value = serde_json::from_str(&exported.text("seatMapExport")).expect("JSON");
        let again = world.import_plan(&stage, &exported, json!({})).await.good();
        assert_eq!(again.data("importSeatMap.seatMap.zones.1.rows.0.seats.0.guid"), "Gallery-1-1-1");
    });
}

#[test]
fn repeated_import_returns_the_same_warnings() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let input = json!({ "venueId": stage.venue, "plan": wild_plan().to_string(),
            "options": { "prefixDuplicateGuids": true }, "idempotencyKey": "import-once" });
        let first = world.gql(Some(&stage.vendor), IMPORT, json!({ "input": input })).await.good();
        let again = world.gql(Some(&stage.vendor), IMPORT, json!({ "input": input })).await.good();
        assert_eq!(first.data("importSeatMap"), again.data("importSeatMap"));
        assert_eq!(codes(&again).len(), 6);
        let mut other = input.clone();
        other["options"] = Value::Null;
        let other = world.gql(Some(&stage.vendor), IMPORT, json!({ "input": other })).await;
        assert_eq!(other.refusal("importSeatMap").as_deref(), Some("IDEMPOTENCY_MISMATCH"));
        let plain = world.import_plan(&stage, &small(), Value::Null).await.good();
        assert_eq!(plain.data("importSeatMap.warnings"), json!([]));
    });
}

#[test]
fn vendor_sets_the_focal_point_of_an_event() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let about = "query($id: ID!) { event(id: $id) { version focalPoint { x y source }
            seatMap { focalPoint { x y source } } } }";
        let update = "mutation($id: ID!, $version: Long!, $point: FocalPointInput) {
            updateEvent(input: { eventId: $id, expectedVersion: $version, focalPoint: $point }) {
                event { focalPoint { x y source } } errors { code path } } }";
        let seen = world.gql(None, about, json!({ "id": stage.event })).await.good();
        let stage_text = json!({ "x": 110.0, "y": 160.0, "source": "STAGE_TEXT" });
        assert_eq!(seen.data("event.focalPoint"), stage_text);
        assert_eq!(seen.data("event.seatMap.focalPoint"), stage_text);
        // The wheelchair places of row C are not for other parties.
        assert_eq!(
            world.best_labels(&stage.event, "near-stage").await,
            json!(["Hall, Row C, Seat 5", "Hall, Row C, Seat 6"])
        );
        let set = async |point: Value| {
            let version = world.event_version(&stage, &stage.event).await;
            let input = json!({ "id": stage.event, "version": version, "point": point });
            world.gql(Some(&stage.vendor), update, input).await
        };
        let moved = set(json!({ "x": 20, "y": -50.5 })).await.good();
        let given = json!({ "x": 20.0, "y": -50.5, "source": "GIVEN" });
        assert_eq!(moved.data("updateEvent.event.focalPoint"), given);
        assert_eq!(
            world.gql(None, about, json!({ "id": stage.event })).await.data("event.focalPoint"),
            given
        );
        assert_eq!(
            world.best_labels(&stage.event, "near-point").await,
            json!(["Hall, Row A, Seat 1", "Hall, Row A, Seat 2"])
        );
        for (point, path) in [
            (json!({ "x": 1e7, "y": 0 }), "x"),
            (json!({ "x": 0, "y": -1_000_001 }), "y"),
            (json!({ "x": 1e300, "y": 0 }), "x"),
        ] {
            let refused = set(point).await;
            assert_eq!(
                refused.data("updateEvent.errors.0"),
                json!({ "code": "INVALID", "path": ["focalPoint", path] })
            );
        }
        let unset = set(Value::Null).await.good();
        assert_eq!(unset.data("updateEvent.event.focalPoint"), stage_text);
    });
}

#[test]
fn unused_seat_map_is_deleted_and_a_used_one_is_kept() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let stranger = world.user("stranger").await;
        let spare = world.import(&stage.vendor, &stage.venue, &small_plan()).await;
        let delete =
            async |token: &str, map: &str| world.gql(Some(token), DELETE, json!({ "map": map })).await;
        assert_eq!(delete(&stranger, &spare).await.refusal("deleteSeatMap").as_deref(), Some("NOT_FOUND"));
        let used = delete(&stage.vendor, &stage.map).await;
        let error = used.data("deleteSeatMap.errors.0");
        assert_eq!(
            (&error["code"], &error["kind"], &error["events"]),
            (&json!("IN_USE"), &json!("REFUSED"), &json!(1))
        );
        assert_eq!(used.data("deleteSeatMap.venue"), Value::Null);
        let deleted = delete(&stage.vendor, &spare).await.good();
        assert_eq!(deleted.data("deleteSeatMap.venue.seatMaps"), json!([{ "revision": 1 }]));
        assert_eq!(
            delete(&stage.vendor, &spare).await.refusal("deleteSeatMap").as_deref(),
            Some("NOT_FOUND")
        );
        let seen = "query($id: ID!) { seatMap(id: $id) { id } node(id: $id) { id } }";
        let seen = world.gql(Some(&stage.vendor), seen, json!({ "id": spare })).await.good();
        assert_eq!((seen.data("seatMap"), seen.data("node")), (Value::Null, Value::Null));
        for bad in ["nonsense", &stage.event] {
            assert_eq!(delete(&stage.vendor, bad).await.refusal("deleteSeatMap").as_deref(), Some("INVALID"));
        }
    });
}

#[test]
fn seat_map_is_deleted_or_taken_by_an_event_but_never_both() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let create = "mutation($input: CreateEventInput!) { createEvent(input: $input) { event { id } errors { code } } }";
        for round in 0..8 {
            let map = world.import(&stage.vendor, &stage.venue, &small_plan()).await;
            let starts = world.app.clock.now() + chrono::TimeDelta::days(40);
            let input = json!({ "shopId": stage.shop, "venueId": stage.venue, "categoryId": stage.category,
                "seatMapId": map, "name": format!("Round {round}"), "startsAt": starts, "endsAt": starts });
            let (created, deleted) = tokio::join!(
                world.gql(Some(&stage.vendor), create, json!({ "input": input })),
                world.gql(Some(&stage.vendor), DELETE, json!({ "map": map })),
            );
            match (created.refusal("createEvent").as_deref(), deleted.refusal("deleteSeatMap").as_deref()) {
                (None, Some("IN_USE")) | (Some("NOT_FOUND"), None) => {}
                other => panic!("{other:?}: {} {}", created.body, deleted.body),
            }
        }
    });
}

/// The small plan with another row of the back, and with a standing area for 20.
fn larger_plan() -> Value {
    let mut plan = small();
    let mut row = plan["zones"][0]["rows"][1].clone();
    row["row_number"] = json!("D");
    row["position"]["y"] = json!(60);
    for seat in row["seats"].as_array_mut().expect("seats") {
        seat["seat_guid"] = json!(format!("D-{}", seat["seat_number"].as_str().expect("a number")));
    }
    plan["zones"][0]["rows"].as_array_mut().expect("rows").insert(0, row);
    plan["zones"][0]["areas"][0]["capacity"] = json!(20);
    plan
}

#[test]
fn unsold_event_moves_to_another_revision_and_its_watchers_get_a_snapshot() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let second = world.second().await;
        let buyer = world.guest().await;
        let address = world.listen().await;
        // A reservation that came to nothing does not matter.
        let dropped = world.reserve(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let release =
            "mutation($id: ID!) { releaseReservation(input: { reservationId: $id }) { errors { code } } }";
        world.gql(Some(&buyer), release, json!({ "id": dropped })).await.good();
        let watch = "subscription($event: ID!) { seatAvailability(eventId: $event) { __typename
            ... on AvailabilitySnapshot { version capacity available rows { row statuses } }
            ... on AvailabilityDelta { after version seats { id status } } } }";
        let mut watcher = Socket::open(&address, None).await;
        watcher.subscribe("map", watch, json!({ "event": stage.event })).await;
        let before = watcher.next().await["seatAvailability"].clone();
        assert_eq!(before["capacity"], 80);

        let imported = world.import_plan(&stage, &larger_plan(), Value::Null).await.good();
        let map = imported.text("importSeatMap.seatMap.id");
        let moved = world.change_map(&stage, &stage.event, &map).await.good();
        let event = moved.data("changeEventSeatMap.event");
        assert_eq!((&event["capacity"], &event["seatMap"]["id"]), (&json!(60), &json!(map)));
        assert_eq!(event["availability"]["available"], 60);
        assert_eq!(event["availability"]["rows"].as_array().map(Vec::len), Some(4));
        let mut after = watcher.next().await["seatAvailability"].clone();
        while after["capacity"] != 60 {
            after = watcher.next().await["seatAvailability"].clone();
        }
        assert_eq!(after["rows"][0]["row"], "D");
        assert!(after["version"].as_i64() > before["version"].as_i64(), "{before} {after}");

        // Old ids are unknown, new ones are sold, also by another instance.
        let old = world.try_reserve(&buyer, &stage.event, &[&stage.seats[1]], "an-old-seat").await;
        assert_eq!(old.refusal("reserveSeats").as_deref(), Some("INVALID"), "{}", old.body);
        let (seats, _) = world.places(&stage.event).await;
        assert_eq!(seats.len(), 40);
        world.buy(&buyer, &stage.event, &[&seats[39]]).await;
        let delta = watcher.next().await["seatAvailability"].clone();
        assert_eq!(delta["seats"][0]["id"], seats[39], "{delta}");
        tessera::inventory::follow_others(&second).await.expect("followed");
        let counts = tessera::inventory::feed::availability(&second, world.only_event().await.into()).await;
        assert_eq!(counts.expect("read").counts.sold, 1);
        let back = world.change_map(&stage, &stage.event, &stage.map).await;
        assert_eq!(back.refusal("changeEventSeatMap").as_deref(), Some("PLACES_TAKEN"));
        tessera::server::close(second, Duration::from_secs(10)).await;
    });
}

#[test]
fn seat_map_of_an_event_is_not_changed_if_that_would_lose_something() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let map = world
            .import_plan(&stage, &larger_plan(), Value::Null)
            .await
            .good()
            .text("importSeatMap.seatMap.id");
        let code = |answer: &Answer| answer.refusal("changeEventSeatMap");
        let mut other = small();
        other["categories"][0]["name"] = json!("Parterre");
        other["zones"][0]["rows"][0]["seats"].as_array_mut().expect("seats").iter_mut().for_each(|seat| {
            seat["category"] = json!("Parterre");
        });
        let other =
            world.import_plan(&stage, &other, Value::Null).await.good().text("importSeatMap.seatMap.id");
        let refused = world.change_map(&stage, &stage.event, &other).await;
        assert_eq!(code(&refused).as_deref(), Some("NOT_ON_SEAT_MAP"));
        assert!(
            refused.data("changeEventSeatMap.errors.0.message").to_string().contains("`Front`"),
            "{}",
            refused.body
        );
        let outdated = json!({ "event": stage.event, "version": 1, "map": map });
        assert_eq!(code(&world.gql(Some(&stage.vendor), CHANGE, outdated).await).as_deref(), Some("STALE"));
        let stranger = world.user("stranger").await;
        let version = world.event_version(&stage, &stage.event).await;
        let foreign = json!({ "event": stage.event, "version": version, "map": map });
        assert_eq!(code(&world.gql(Some(&stranger), CHANGE, foreign).await).as_deref(), Some("NOT_FOUND"));

        let reservation = world.reserve(&buyer, &stage.event, &[&stage.seats[3]]).await;
        assert_eq!(
            code(&world.change_map(&stage, &stage.event, &map).await).as_deref(),
            Some("PLACES_TAKEN")
        );
        world.advance(Duration::from_secs(601));
        world.work().await;
        world.change_map(&stage, &stage.event, &map).await.good();
        let gone = "query($id: ID!) { reservation(id: $id) { id } }";
        let gone = world.gql(Some(&buyer), gone, json!({ "id": reservation })).await;
        assert_eq!(gone.data("reservation"), Value::Null, "it named a seat of the other map");
    });
}

#[test]
fn reservation_races_with_the_change_of_the_seat_map() {
    run(async |world: &World| {
        let stage = world.stage().await;
        for round in 0..6 {
            let event = world.event(&stage.vendor, stage.place(), &format!("Round {round}")).await;
            let (seats, _) = world.places(&event).await;
            let map = world.import_plan(&stage, &larger_plan(), Value::Null).await.good();
            let map = map.text("importSeatMap.seatMap.id");
            let buyer = world.guest().await;
            let wanted = [&*seats[0]];
            let (reserved, moved) = tokio::join!(
                world.try_reserve(&buyer, &event, &wanted, "in-a-race"),
                world.change_map(&stage, &event, &map),
            );
            match (
                reserved.refusal("reserveSeats").as_deref(),
                moved.refusal("changeEventSeatMap").as_deref(),
            ) {
                (None, Some("PLACES_TAKEN")) | (Some("INVALID"), None) => {}
                other => panic!("{other:?}: {} {}", reserved.body, moved.body),
            }
        }
    });
}
