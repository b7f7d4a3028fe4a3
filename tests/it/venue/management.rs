//! Venues and seat maps: importing, revisions, exporting, and who may see them.

use serde_json::{Value, json};
use test_case::test_case;

use crate::support::Database::{self, Postgres, Sqlite};
use crate::support::{World, given::small_plan, run_on};

const EXPORT: &str = "query($map: ID!) { seatMapExport(seatMapId: $map) }";
const IMPORT: &str = "mutation($venue: ID!, $plan: String!) {
    importSeatMap(input: { venueId: $venue, plan: $plan }) {
        seatMap { id revision seatCount areaCapacity } errors { code message path } } }";

fn value(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn an_imported_plan_comes_back_as_it_was_and_is_kept_in_revisions(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let first = world.gql(Some(&stage.vendor), EXPORT, json!({ "map": stage.map })).await.good();
        assert_eq!(value(&first.text("seatMapExport")), value(&small_plan()));

        let input = json!({ "venue": stage.venue, "plan": small_plan() });
        let second = world.gql(Some(&stage.vendor), IMPORT, input).await.good();
        assert_eq!(second.data("importSeatMap.seatMap.revision"), 2);
        assert_eq!(second.data("importSeatMap.seatMap.seatCount"), 30);
        assert_eq!(second.data("importSeatMap.seatMap.areaCapacity"), 50);

        let document = "query($venue: ID!, $event: ID!) {
            venue(id: $venue) { seatMaps { revision } latestSeatMap { revision } }
            event(id: $event) { seatMap { revision } capacity } }";
        let input = json!({ "venue": stage.venue, "event": stage.event });
        let seen = world.gql(Some(&stage.vendor), document, input.clone()).await.good();
        assert_eq!(seen.data("venue.seatMaps"), json!([{ "revision": 2 }, { "revision": 1 }]));
        assert_eq!(seen.data("venue.latestSeatMap.revision"), 2);
        assert_eq!(seen.data("event.seatMap.revision"), 1, "an event stays on its revision");
        let seen = world.gql(None, document, input).await.good();
        assert_eq!(seen.data("venue.seatMaps"), json!([{ "revision": 1 }]), "what nothing public is sold on");
        assert_eq!(seen.data("event.capacity"), 80);
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn invalid_plan_is_refused_with_the_path_of_each_fault(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let mut plan = value(&small_plan());
        plan["zones"][0]["rows"][1]["seats"][3]["seat_guid"] = json!("A-1");
        for (plan, path) in [
            (plan.to_string(), "zones[0].rows[1].seats[3].seat_guid"),
            ("{".to_owned(), "$"),
            ("[]".to_owned(), "$"),
        ] {
            let input = json!({ "venue": stage.venue, "plan": plan });
            let answer = world.gql(Some(&stage.vendor), IMPORT, input).await;
            assert_eq!(answer.refusal("importSeatMap").as_deref(), Some("INVALID"), "{}", answer.body);
            assert_eq!(answer.data("importSeatMap.errors.0.path"), json!(["plan", path]));
        }
        let document = "query($venue: ID!) { venue(id: $venue) { seatMaps { revision } } }";
        let seen = world.gql(Some(&stage.vendor), document, json!({ "venue": stage.venue })).await.good();
        assert_eq!(seen.data("venue.seatMaps"), json!([{ "revision": 1 }]));
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn venues_are_private_to_their_shop_until_an_event_is_public(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let stranger = world.user("stranger").await;
        let input = json!({ "venue": stage.venue, "plan": small_plan() });
        let hidden = world.gql(Some(&stage.vendor), IMPORT, input.clone()).await.good();
        let hidden = hidden.text("importSeatMap.seatMap.id");
        for token in [None, Some(stranger.as_str())] {
            for map in [&stage.map, &hidden] {
                let seen = world.gql(token, EXPORT, json!({ "map": map })).await.good();
                assert_eq!(seen.data("seatMapExport"), Value::Null);
            }
            let document = "query($map: ID!) { seatMap(id: $map) { id } }";
            let seen = world.gql(token, document, json!({ "map": hidden })).await.good();
            assert_eq!(seen.data("seatMap"), Value::Null);
        }
        let answer = world.gql(Some(&stranger), IMPORT, input).await;
        assert_eq!(answer.refusal("importSeatMap").as_deref(), Some("NOT_FOUND"));
        let document = "mutation($venue: ID!) {
            updateVenue(input: { venueId: $venue, expectedVersion: 1, name: \"Mine\" }) { errors { code } } }";
        let answer = world.gql(Some(&stranger), document, json!({ "venue": stage.venue })).await;
        assert_eq!(answer.refusal("updateVenue").as_deref(), Some("NOT_FOUND"));
        let answer = world.gql(None, document, json!({ "venue": stage.venue })).await;
        assert_eq!(answer.code().as_deref(), Some("UNAUTHENTICATED"));
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn a_renamed_venue_is_found_by_its_new_name_and_not_by_a_stale_writer(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let document = "mutation($venue: ID!, $name: String!) {
            updateVenue(input: { venueId: $venue, expectedVersion: 1, name: $name }) {
                venue { version name city } errors { code } } }";
        let input = json!({ "venue": stage.venue, "name": "Odeon" });
        let answer = world.gql(Some(&stage.vendor), document, input.clone()).await.good();
        assert_eq!(
            answer.data("updateVenue.venue"),
            json!({ "version": 2, "name": "Odeon", "city": "Graz" })
        );
        let answer = world.gql(Some(&stage.vendor), document, input).await;
        assert_eq!(answer.refusal("updateVenue").as_deref(), Some("STALE"));
        let search = "query($search: String!) { events(filter: { search: $search }) { totalCount } }";
        for (words, count) in [("ode", 1), ("small", 0), ("gra con", 1)] {
            let found = world.gql(None, search, json!({ "search": words })).await.good();
            assert_eq!(found.data("events.totalCount"), count, "{words}");
        }
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn wheelchair_places_and_areas_are_in_the_geometry(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let document = "query($map: ID!) { seatMap(id: $map) { name width height categories { name color }
            zones { name rows { number seats { guid number label x y category wheelchair companion } } }
            areas { guid name zone category capacity } plan } }";
        let seen = world.gql(None, document, json!({ "map": stage.map })).await;
        assert_eq!(seen.code().as_deref(), Some("UNAUTHENTICATED"), "{}", seen.body);
        let seat = seen.data("seatMap.zones.0.rows.2.seats.0");
        assert_eq!(seat["wheelchair"], true, "{seat}");
        assert_eq!(seat["label"], "Hall, Row C, Seat 1");
        assert_eq!((&seat["x"], &seat["y"]), (&json!(30.0), &json!(50.0)));
        let areas = seen.data("seatMap.areas");
        assert_eq!(
            areas,
            json!([{ "guid": "floor", "name": "Floor", "zone": "Hall", "category": "Floor", "capacity": 50 }])
        );
        assert_eq!(seen.data("seatMap.plan"), Value::Null, "the document is the shop's");
    });
}
