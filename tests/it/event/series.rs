//! Duplicates of events, and series: dates by rule in the venue's time zone, previews, publishing.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Answer, World, given::Stage, run};

const DUPLICATE: &str = "mutation($input: DuplicateEventInput!) { duplicateEvent(input: $input) {
    event { id slug name description status startsAt endsAt salesStart salesEnd refundUntil currency limitPerBuyer
        reservationSeconds reservationSecondsMax orphanRule reservationBudgetSeconds coolDownSeconds seriesId version
        reservationRules { buyerRequirement maxUnpaidPerNetwork maxUnpaidPercent }
        venue { id } shop { id } category { id } seatMap { id }
        tiers { name basePrice { amount currency } fee { amount } taxBasisPoints position hidden categories areas { id } } }
    errors { code message path } } }";
/// Creates a series.
pub(crate) const CREATE: &str = "mutation($input: CreateEventsInput!) { createEvents(input: $input) {
    event { id version seriesId } events { id slug name status startsAt endsAt seriesId }
    preview { timeZone count dates { startsAt endsAt localStart } leftOut { localStart reason } }
    errors { code message path } } }";
const PUBLISH: &str = "mutation($series: ID!) { publishEvents(input: { seriesId: $series }) {
    events { id status startsAt } draftsLeft errors { code message path } } }";
/// Reads a series.
pub(crate) const OF_SERIES: &str = "query($series: ID!) { events(filter: { seriesId: $series }, first: 100,
    sort: { field: STARTS_AT }) { totalCount nodes { id startsAt status } } }";

/// Creates a draft at the stage's venue in Vienna, with a hidden tier and a visible one.
pub(crate) async fn show(world: &World, stage: &Stage, with: Value) -> String {
    let mut input = json!({ "shopId": stage.shop, "venueId": stage.venue, "categoryId": stage.category,
        "name": "Die Zauberflöte", "description": "An opera", "startsAt": "2027-03-05T19:00:00Z",
        "endsAt": "2027-03-05T21:30:00Z" });
    for (name, value) in with.as_object().into_iter().flatten() {
        input[name] = value.clone();
    }
    let document = "mutation($input: CreateEventInput!) { createEvent(input: $input) {
        event { id } errors { code message path } } }";
    let event = world.gql(Some(&stage.vendor), document, json!({ "input": input })).await.good();
    let event = event.text("createEvent.event.id");
    for (name, hidden, scope) in
        [("Front", true, json!(["Front"])), ("Back", false, json!(["Back", "Floor"]))]
    {
        let document = "mutation($input: CreateTierInput!) { createTier(input: $input) {
            tier { id } errors { code message path } } }";
        let input = json!({ "eventId": event, "name": name, "hidden": hidden, "categories": scope, "position": 7,
            "taxBasisPoints": 1_000, "basePrice": { "amount": "20.00", "currency": "EUR" },
            "fee": { "amount": "1.50", "currency": "EUR" } });
        world.gql(Some(&stage.vendor), document, json!({ "input": input })).await.good();
        // Tiers with the same position are in the order of their creation.
        world.advance(Duration::from_millis(2));
    }
    event
}

async fn duplicate(world: &World, stage: &Stage, event: &str, with: Value) -> Answer {
    let mut input = json!({ "eventId": event, "startsAt": "2027-05-07T18:00:00Z" });
    for (name, value) in with.as_object().into_iter().flatten() {
        input[name] = value.clone();
    }
    world.gql(Some(&stage.vendor), DUPLICATE, json!({ "input": input })).await
}

/// Sends `createEvents` as the vendor. `with` overrides fields of the input.
pub(crate) async fn create(world: &World, stage: &Stage, event: &str, dates: Value, with: Value) -> Answer {
    let mut input = json!({ "eventId": event, "dates": dates });
    for (name, value) in with.as_object().into_iter().flatten() {
        input[name] = value.clone();
    }
    world.gql(Some(&stage.vendor), CREATE, json!({ "input": input })).await
}

/// The fields that a duplicate has from its original.
const COPIED: [&str; 13] = [
    "limitPerBuyer",
    "reservationSeconds",
    "reservationSecondsMax",
    "orphanRule",
    "reservationBudgetSeconds",
    "coolDownSeconds",
    "reservationRules",
    "venue",
    "shop",
    "category",
    "seatMap",
    "tiers",
    "seriesId",
];

/// Returns a text field of all objects of a list.
pub(crate) fn texts(list: &Value, field: &str) -> Vec<String> {
    let list = list.as_array().unwrap_or_else(|| panic!("{list} is no list"));
    list.iter().map(|item| item[field].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn duplicate_has_all_that_the_vendor_set_and_dates_in_local_time() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let settings = json!({ "salesStart": "2027-02-01T09:00:00Z", "salesEnd": "2027-03-05T18:30:00Z",
            "refundUntil": "2027-02-26T19:00:00Z", "reservationSeconds": 300, "reservationSecondsMax": 900,
            "limitPerBuyer": 4, "orphanRule": false, "reservationBudgetSeconds": null, "coolDownSeconds": 60,
            "reservationRules": { "buyerRequirement": "REGISTERED", "maxUnpaidPerNetwork": 12, "maxUnpaidPercent": 30 } });
        let event = show(world, &stage, settings).await;
        let original =
            duplicate(world, &stage, &event, json!({ "startsAt": "2027-03-05T19:00:00Z" })).await.good();
        let original = original.data("duplicateEvent.event");
        let copy = duplicate(world, &stage, &event, json!({})).await.good().data("duplicateEvent.event");
        // From winter time to summer time.
        for (field, expected) in [
            ("startsAt", "2027-05-07T18:00:00+00:00"),
            ("endsAt", "2027-05-07T20:30:00+00:00"),
            ("salesStart", "2027-04-05T08:00:00+00:00"),
            ("salesEnd", "2027-05-07T17:30:00+00:00"),
            ("refundUntil", "2027-04-30T18:00:00+00:00"),
            ("status", "DRAFT"),
            ("name", "Die Zauberflöte"),
            ("description", "An opera"),
            ("currency", "EUR"),
        ] {
            let text = copy[field].as_str().expect(field);
            let same_time = |text: &str| text.replace("+00:00", "Z");
            assert_eq!(same_time(text), same_time(expected), "{field}");
        }
        for field in COPIED {
            assert_eq!(copy[field], original[field], "{field}");
        }
        assert_eq!(copy["limitPerBuyer"], 4);
        assert_eq!(copy["reservationBudgetSeconds"], Value::Null);
        assert_eq!(copy["reservationRules"]["maxUnpaidPercent"], 30);
        assert_eq!(texts(&copy["tiers"], "name"), ["Front", "Back"]);
        assert_eq!(copy["tiers"][0]["hidden"], true);
        assert_eq!(copy["tiers"][1]["categories"], json!(["Back", "Floor"]));
        assert_eq!(copy["tiers"][1]["fee"]["amount"], "1.50");
        assert_ne!(copy["slug"], original["slug"]);

        let named = json!({ "name": "Matinee", "slug": "matinee-in-may" });
        let named = duplicate(world, &stage, &event, named).await.good();
        assert_eq!(named.data("duplicateEvent.event.slug"), "matinee-in-may");
        let taken = duplicate(world, &stage, &event, json!({ "slug": "matinee-in-may" })).await;
        assert_eq!(taken.refusal("duplicateEvent").as_deref(), Some("SLUG_TAKEN"), "{}", taken.body);
        assert_eq!(taken.data("duplicateEvent.errors.0.path"), json!(["slug"]));
        for (bad, path) in [
            (json!({ "slug": "Not a slug" }), json!(["slug"])),
            (json!({ "name": "  " }), json!(["name"])),
            (json!({ "startsAt": "1999-01-01T00:00:00Z" }), json!(["startsAt"])),
            (json!({ "eventId": "nonsense" }), json!(["eventId"])),
            (json!({ "eventId": stage.shop }), json!(["eventId"])),
        ] {
            let refused = duplicate(world, &stage, &event, bad.clone()).await;
            assert_eq!(
                refused.refusal("duplicateEvent").as_deref(),
                Some("INVALID"),
                "{bad}: {}",
                refused.body
            );
            assert_eq!(refused.data("duplicateEvent.errors.0.path"), path, "{bad}");
        }
    });
}

#[test]
fn sold_event_is_duplicated_without_its_sales() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        world.buy(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let copy = duplicate(world, &stage, &stage.event, json!({})).await.good();
        let copy = copy.text("duplicateEvent.event.id");
        let series =
            create(world, &stage, &copy, json!({ "startsAt": ["2027-05-08T18:00:00Z"] }), json!({})).await;
        let series = series.good().text("createEvents.events.0.seriesId");
        world.gql(Some(&stage.vendor), PUBLISH, json!({ "series": series })).await.good();
        let seen = "query($id: ID!) { event(id: $id) { status seatsLeft capacity } }";
        let list = world.gql(None, OF_SERIES, json!({ "series": series })).await.good();
        let published = list.text("events.nodes.0.id");
        let seen = world.gql(None, seen, json!({ "id": published })).await.good();
        assert_eq!(seen.data("event"), json!({ "status": "ON_SALE", "seatsLeft": 80, "capacity": 80 }));
        world.buy(&buyer, &published, &[&stage.seats[1]]).await;
    });
}

#[test]
fn fridays_keep_their_local_time_across_a_change_of_the_clocks() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let event = show(world, &stage, json!({})).await;
        let dates = json!({ "rule": "FREQ=WEEKLY;BYDAY=FR;COUNT=10" });
        let preview = create(world, &stage, &event, dates.clone(), json!({ "dryRun": true })).await.good();
        let seen = preview.data("createEvents.preview");
        assert_eq!((&seen["timeZone"], &seen["count"]), (&json!("Europe/Vienna"), &json!(9)));
        let local = texts(&seen["dates"], "localStart");
        assert!(local.iter().all(|time| time.ends_with("T20:00:00")), "{local:?}");
        assert_eq!(seen["leftOut"], json!([{ "localStart": "2027-03-05T20:00:00", "reason": "IN_SERIES" }]));
        assert_eq!(preview.data("createEvents.events"), Value::Null, "a preview stores nothing");
        let all = world.gql(Some(&stage.vendor), "{ events { totalCount } }", json!({})).await.good();
        assert_eq!(all.data("events.totalCount"), 2);

        let created = create(world, &stage, &event, dates.clone(), json!({})).await.good();
        let events = created.data("createEvents.events");
        assert_eq!(texts(&events, "startsAt"), texts(&seen["dates"], "startsAt"));
        assert_eq!(texts(&events, "endsAt"), texts(&seen["dates"], "endsAt"));
        assert!(texts(&events, "startsAt")[2].starts_with("2027-03-26T19:00:00"), "{events}");
        assert!(texts(&events, "startsAt")[3].starts_with("2027-04-02T18:00:00"), "{events}");
        let series = created.text("createEvents.event.seriesId");
        assert!(texts(&events, "seriesId").iter().all(|id| *id == series) && series.starts_with("series_"));
        let slugs = texts(&events, "slug");
        assert!(slugs[0].contains("-2027-03-12-"), "{slugs:?}");
        let list = world.gql(Some(&stage.vendor), OF_SERIES, json!({ "series": series })).await.good();
        assert_eq!(list.data("events.totalCount"), 10, "with the event that was copied");

        // The same dates are there, and more of them join the series.
        let again = create(world, &stage, &event, dates, json!({})).await;
        assert_eq!(again.refusal("createEvents").as_deref(), Some("NOTHING_NEW"), "{}", again.body);
        let more = json!({ "rule": "FREQ=WEEKLY;BYDAY=FR;COUNT=12" });
        let more = create(world, &stage, &event, more, json!({})).await.good();
        assert_eq!(more.data("createEvents.events").as_array().map(Vec::len), Some(2));
        assert_eq!(more.data("createEvents.events.0.seriesId"), series.as_str());
    });
}

#[test]
fn fifty_six_slots_are_one_call_and_one_publication() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let slot = json!({ "name": "Guided tour", "startsAt": "2027-06-01T08:00:00Z", "endsAt": "2027-06-01T09:00:00Z" });
        let event = show(world, &stage, slot).await;
        let dates = json!({ "rule": "FREQ=DAILY;BYHOUR=10,11,12,13,14,15,16,17;COUNT=56" });
        let created = create(world, &stage, &event, dates, json!({ "slug": "tour" })).await.good();
        let slugs = texts(&created.data("createEvents.events"), "slug");
        assert_eq!(slugs.len(), 55, "and the event itself");
        assert_eq!((slugs[0].as_str(), slugs[54].as_str()), ("tour-2027-06-01-1100", "tour-2027-06-07-1700"));
        let series = created.data("createEvents.event.seriesId");
        let published = world.gql(Some(&stage.vendor), PUBLISH, json!({ "series": series })).await.good();
        assert_eq!(published.data("publishEvents.events").as_array().map(Vec::len), Some(56));
        assert_eq!(published.data("publishEvents.draftsLeft"), 0);
        let found = world.gql(None, OF_SERIES, json!({ "series": series })).await.good();
        assert_eq!(found.data("events.totalCount"), 56);
        let again = world.gql(Some(&stage.vendor), PUBLISH, json!({ "series": series })).await;
        assert_eq!(again.refusal("publishEvents").as_deref(), Some("NO_DRAFTS"), "{}", again.body);
        let guest = world.guest().await;
        let last = found.text("events.nodes.55.id");
        world.reserve(&guest, &last, &[&stage.seats[10]]).await;
    });
}

#[test]
fn one_call_creates_as_many_events_as_the_limits_say() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let event = show(world, &stage, json!({})).await;
        let limits = "{ limits { uploads { eventsPerCall } } }";
        let limits = world.gql(None, limits, json!({})).await.good();
        let most = limits.data("limits.uploads.eventsPerCall").as_u64().expect("a number");
        let daily = |count: u64| json!({ "rule": format!("FREQ=DAILY;COUNT={count}"), "from": "2027-06-01T18:00:00Z" });
        let refused = create(world, &stage, &event, daily(most + 1), json!({})).await;
        assert_eq!(refused.refusal("createEvents").as_deref(), Some("INVALID"), "{}", refused.body);
        let created = create(world, &stage, &event, daily(most), json!({})).await.good();
        let slugs = texts(&created.data("createEvents.events"), "slug");
        assert_eq!(slugs.len() as u64, most);
        let search = "{ events(filter: { search: \"zauberfl\" }) { totalCount } }";
        let found = world.gql(Some(&stage.vendor), search, json!({})).await.good();
        assert_eq!(found.data("events.totalCount"), most + 1);
    });
}

#[test]
fn skipped_and_excepted_times_are_shown_and_left_out() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let night = json!({ "startsAt": "2027-03-27T01:30:00Z", "endsAt": "2027-03-27T02:00:00Z" });
        let event = show(world, &stage, night).await;
        let dates = json!({ "rule": "FREQ=DAILY;COUNT=4", "exceptDays": ["2027-03-30"],
            "startsAt": ["2027-04-10T10:00:00Z"], "except": ["2027-03-29T00:30:00Z"] });
        let preview = create(world, &stage, &event, dates, json!({ "dryRun": true })).await.good();
        let preview = preview.data("createEvents.preview");
        assert_eq!(
            preview["leftOut"],
            json!([
                { "localStart": "2027-03-27T02:30:00", "reason": "IN_SERIES" },
                { "localStart": "2027-03-28T02:30:00", "reason": "NONEXISTENT" },
                { "localStart": "2027-03-29T02:30:00", "reason": "EXCEPTED" },
                { "localStart": "2027-03-30T02:30:00", "reason": "EXCEPTED" },
            ])
        );
        assert_eq!(texts(&preview["dates"], "localStart"), ["2027-03-31T02:30:00", "2027-04-10T12:00:00"]);
    });
}

#[test]
fn bad_dates_are_refused_with_their_path_and_nothing_is_stored() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let event = show(world, &stage, json!({})).await;
        for (dates, with, path) in [
            (json!({}), json!({}), json!(["dates"])),
            (json!({ "rule": "every Friday" }), json!({}), json!(["dates", "rule"])),
            (json!({ "rule": "FREQ=WEEKLY" }), json!({}), json!(["dates", "rule"])),
            (json!({ "rule": "FREQ=SECONDLY;COUNT=1000000" }), json!({}), json!(["dates", "rule"])),
            (json!({ "rule": "FREQ=DAILY;COUNT=402" }), json!({}), json!(["dates", "rule"])),
            (
                json!({ "rule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;COUNT=2" }),
                json!({}),
                json!(["dates", "rule"]),
            ),
            (json!({ "rule": "FREQ=DAILY;COUNT=3\u{0}" }), json!({}), json!(["dates", "rule"])),
            (json!({ "startsAt": ["1999-05-01T10:00:00Z"] }), json!({}), json!(["dates"])),
            (
                json!({ "startsAt": ["2027-05-01T10:00:00Z"], "exceptDays": ["2027-05-02", "1. Mai"] }),
                json!({}),
                json!(["dates", "exceptDays", "1"]),
            ),
            (json!({ "rule": "FREQ=DAILY;COUNT=3" }), json!({ "slug": "Tour!" }), json!(["slug"])),
            (json!({ "rule": "FREQ=DAILY;COUNT=3" }), json!({ "slug": "x".repeat(61) }), json!(["slug"])),
            (json!({ "rule": "FREQ=DAILY;COUNT=3" }), json!({ "name": " " }), json!(["name"])),
            (json!({ "rule": "FREQ=DAILY;COUNT=3" }), json!({ "name": "x".repeat(201) }), json!(["name"])),
        ] {
            for dry_run in [true, false] {
                let mut with = with.clone();
                with["dryRun"] = dry_run.into();
                let refused = create(world, &stage, &event, dates.clone(), with).await;
                assert_eq!(
                    refused.refusal("createEvents").as_deref(),
                    Some("INVALID"),
                    "{dates}: {}",
                    refused.body
                );
                assert_eq!(refused.data("createEvents.errors.0.path"), path, "{dates}: {}", refused.body);
            }
        }
        // One slug of three is taken: all or nothing.
        let copy = json!({ "slug": "tour-2027-03-07" });
        duplicate(world, &stage, &event, copy).await.good();
        let dates = json!({ "rule": "FREQ=DAILY;COUNT=3" });
        let refused = create(world, &stage, &event, dates, json!({ "slug": "tour" })).await;
        assert_eq!(refused.refusal("createEvents").as_deref(), Some("SLUG_TAKEN"), "{}", refused.body);
        let all = world.gql(Some(&stage.vendor), "{ events { totalCount } }", json!({})).await.good();
        assert_eq!(all.data("events.totalCount"), 3);
    });
}

#[test]
fn drafts_that_cannot_be_published_are_left() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let event = show(world, &stage, json!({})).await;
        let dates = json!({ "rule": "FREQ=DAILY;COUNT=3" });
        let created = create(world, &stage, &event, dates, json!({})).await.good();
        let series = created.text("createEvents.event.seriesId");
        let unpriced = created.text("createEvents.events.0.id");
        let tiers = "query($id: ID!) { event(id: $id) { tiers { id version } } }";
        let tiers = world.gql(Some(&stage.vendor), tiers, json!({ "id": unpriced })).await.good();
        for tier in tiers.data("event.tiers").as_array().expect("tiers") {
            let delete = "mutation($id: ID!, $version: Long!) {
                deleteTier(input: { tierId: $id, expectedVersion: $version }) { errors { code } } }";
            let input = json!({ "id": tier["id"], "version": tier["version"] });
            world.gql(Some(&stage.vendor), delete, input).await.good();
        }
        let published = world.gql(Some(&stage.vendor), PUBLISH, json!({ "series": series })).await.good();
        assert_eq!(published.data("publishEvents.events").as_array().map(Vec::len), Some(2));
        assert_eq!(published.data("publishEvents.draftsLeft"), 1);
        let refused = world.gql(Some(&stage.vendor), PUBLISH, json!({ "series": series })).await;
        assert_eq!(refused.refusal("publishEvents").as_deref(), Some("NOTHING_FOR_SALE"), "{}", refused.body);
        world.advance(Duration::from_hours(400 * 24));
        let vendor = world.sign_in("vendor").await;
        let over = world.gql(Some(&vendor), PUBLISH, json!({ "series": series })).await;
        assert_eq!(over.refusal("publishEvents").as_deref(), Some("OVER"), "{}", over.body);
        let unknown = json!({ "series": "series_01h455vb4pex5vsknk084sn02q" });
        let unknown = world.gql(Some(&vendor), PUBLISH, unknown).await;
        assert_eq!(unknown.refusal("publishEvents").as_deref(), Some("NOT_FOUND"), "{}", unknown.body);
    });
}
