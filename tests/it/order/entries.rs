//! Entries: how often a ticket admits, exits and returns, days in the venue's time zone, and gates that scan at once.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{
    World,
    gate::{Bought, Show, verdict},
    given::{Stage, small_plan},
    run,
};

/// What happens to a ticket, in order.
enum Step {
    /// A scan at the entrance with this result.
    In(&'static str),
    /// A scan at the exit with this result, and whether the guest may return.
    Out(&'static str, Option<bool>),
    /// An undo of the last check-in.
    Undo,
}

use Step::{In, Out, Undo};

/// Plays the steps with a new ticket of the event.
async fn play(world: &World, stage: &Stage, show: &Show, steps: (usize, &[Step])) {
    let (seat, steps) = steps;
    let bought = world.bought(&show.event, &show.seats[seat]).await;
    let mut version = Value::Null;
    for (index, step) in steps.iter().enumerate() {
        let code = json!({ "code": bought.code });
        match step {
            In(expected) => {
                let answer = world.scan_as(&stage.vendor, code).await;
                assert_eq!(verdict(&answer), *expected, "step {index}: {}", answer.body);
                if *expected == "ADMITTED" {
                    version = answer.data("checkIn.ticket.version");
                    assert_eq!(answer.data("checkIn.ticket.checkedOutAt"), Value::Null);
                }
            }
            Out(expected, may_return) => {
                let answer = world.leave(&stage.vendor, code).await;
                assert_eq!(verdict(&answer), *expected, "step {index}: {}", answer.body);
                assert_eq!(answer.data("checkOut.mayReturn"), json!(may_return), "step {index}");
                if *expected == "ADMITTED" {
                    version = answer.data("checkOut.ticket.version");
                }
            }
            Undo => {
                let answer = world.undo(&stage.vendor, &bought.ticket, &version).await;
                assert_eq!(answer.refusal("undoCheckIn"), None, "step {index}: {}", answer.body);
                version = answer.data("undoCheckIn.ticket.version");
            }
        }
    }
}

#[test]
fn rules_decide_about_entries_and_returns() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let from = world.in_hours(-1);
        let show = async |rules: Value| {
            let mut admission = rules;
            admission["from"] = json!(from);
            world.show(&stage, json!({ "admission": admission })).await
        };
        let (yes, no) = (Some(true), Some(false));
        // One entry, which is the default.
        let once = show(json!({})).await;
        let steps =
            [Out("NOT_INSIDE", None), In("ADMITTED"), In("USED"), Out("ADMITTED", no), In("NO_REENTRY")];
        play(world, &stage, &once, (0, &steps)).await;
        let steps =
            [In("ADMITTED"), Out("ADMITTED", no), Out("NOT_INSIDE", None), Undo, In("ADMITTED"), In("USED")];
        play(world, &stage, &once, (1, &steps)).await;
        // A return after an exit.
        let reentry = show(json!({ "reentry": true })).await;
        let steps = [
            In("ADMITTED"),
            In("USED"),
            Out("ADMITTED", yes),
            Out("NOT_INSIDE", None),
            In("ADMITTED"),
            In("USED"),
            Out("ADMITTED", yes),
            In("ADMITTED"),
        ];
        play(world, &stage, &reentry, (0, &steps)).await;
        // An undone return leaves the guest outside. An undone entry leaves the ticket unused.
        let steps = [
            In("ADMITTED"),
            Out("ADMITTED", yes),
            In("ADMITTED"),
            Undo,
            Out("NOT_INSIDE", None),
            In("ADMITTED"),
            Undo,
            Undo,
            In("ADMITTED"),
            In("USED"),
        ];
        play(world, &stage, &reentry, (1, &steps)).await;
        // A ticket for three people.
        let three = show(json!({ "maxEntries": 3 })).await;
        let steps =
            [In("ADMITTED"), In("ADMITTED"), In("ADMITTED"), In("USED"), Undo, In("ADMITTED"), In("USED")];
        play(world, &stage, &three, (0, &steps)).await;
        let steps = [In("ADMITTED"), Out("ADMITTED", yes), In("ADMITTED"), In("ADMITTED"), In("USED")];
        play(world, &stage, &three, (1, &steps)).await;
        // No limit.
        let unlimited = show(json!({ "maxEntries": null })).await;
        let steps =
            [In("ADMITTED"), In("ADMITTED"), Out("ADMITTED", yes), In("ADMITTED"), In("ADMITTED"), Undo];
        play(world, &stage, &unlimited, (0, &steps)).await;
    });
}

/// Creates a venue with the small plan in this time zone.
async fn venue(world: &World, stage: &Stage, zone: &str) -> String {
    let document =
        "mutation($shop: ID!, $zone: String!) { createVenue(input: { shopId: $shop, name: \"Field\",
        city: \"Graz\", country: \"AT\", timeZone: $zone }) { venue { id } errors { code message path } } }";
    let vendor = world.sign_in("vendor").await;
    let input = json!({ "shop": stage.shop, "zone": zone });
    let venue = world.gql(Some(&vendor), document, input).await.good().text("createVenue.venue.id");
    world.import(&vendor, &venue, &small_plan()).await;
    venue
}

/// Advances the clock to a time, and scans the ticket.
async fn scan_at(world: &World, at: &str, bought: &Bought) -> (String, Value) {
    let at: DateTime<Utc> = at.parse().expect("a time");
    world.advance((at - world.app.clock.now()).to_std().expect("later"));
    let vendor = world.sign_in("vendor").await;
    let answer = world.scan(&vendor, &bought.code).await;
    (verdict(&answer), answer.data("checkIn.errors.0.admitsAgainAt"))
}

/// A pass admits once per day. The zone, the period, and the moments with their results. `midnight` is when it admits
/// again.
#[test]
fn pass_for_several_days_admits_once_per_day_of_the_venue() {
    run(async |world: &World| {
        let stage = world.stage().await;
        // Sorted by time, because the clock only advances. The worlds begin on 2026-06-01.
        let table = [
            ("Pacific/Kiritimati", "2026-06-05T09:59:59Z", "2026-06-05T10:00:00Z", "2026-06-06T09:59:59Z"),
            ("America/Chicago", "2026-06-08T04:59:59Z", "2026-06-08T05:00:00Z", "2026-06-09T04:59:59Z"),
            ("Asia/Kolkata", "2026-06-12T18:29:59Z", "2026-06-12T18:30:00Z", "2026-06-13T18:29:59Z"),
            ("Europe/Vienna", "2026-06-19T21:59:59Z", "2026-06-19T22:00:00Z", "2026-06-20T21:59:59Z"),
            // 25 hours: clocks go back on 25 October.
            ("Europe/Vienna", "2026-10-24T21:59:59Z", "2026-10-24T22:00:00Z", "2026-10-25T22:59:59Z"),
            // Havana has the hour after midnight twice.
            ("America/Havana", "2026-11-01T03:59:59Z", "2026-11-01T04:00:00Z", "2026-11-02T04:59:59Z"),
        ];
        for (zone, evening, midnight, late) in table {
            let venue = venue(world, &stage, zone).await;
            let start: DateTime<Utc> = evening.parse().expect("a time");
            let rules = json!({ "maxEntries": 1, "entryPeriod": "DAY" });
            let pass = json!({ "startsAt": start - TimeDelta::hours(12), "endsAt": start + TimeDelta::hours(72),
                "salesEnd": start + TimeDelta::hours(72), "admission": rules });
            let show = world.show_at(&stage, &venue, pass).await;
            let bought = world.bought(&show.event, &show.seats[0]).await;
            assert_eq!(scan_at(world, evening, &bought).await.0, "ADMITTED", "{zone}");
            assert_eq!(
                scan_at(world, evening, &bought).await,
                ("USED".to_owned(), json!(utc(midnight))),
                "{zone}"
            );
            assert_eq!(scan_at(world, midnight, &bought).await.0, "ADMITTED", "{zone}");
            assert_eq!(scan_at(world, midnight, &bought).await.0, "USED", "{zone}");
            let (result, again) = scan_at(world, late, &bought).await;
            let next = utc(late) + TimeDelta::seconds(1);
            assert_eq!((result.as_str(), again), ("USED", json!(next)), "{zone}");
        }
    });
}

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time")
}

#[test]
fn undone_entry_frees_the_day_and_returns_stay_within_it() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let rules = json!({ "entryPeriod": "DAY", "reentry": true, "from": world.in_hours(-1) });
        let pass = json!({ "startsAt": world.in_hours(1), "endsAt": world.in_hours(60), "admission": rules });
        let show = world.show(&stage, pass).await;
        let (yes, may_not) = (Some(true), None);
        let steps = [
            In("ADMITTED"),
            Undo,
            In("ADMITTED"),
            In("USED"),
            Out("ADMITTED", yes),
            In("ADMITTED"),
            Out("ADMITTED", yes),
            Out("NOT_INSIDE", may_not),
            In("ADMITTED"),
        ];
        play(world, &stage, &show, (0, &steps)).await;
        let bought = world.bought(&show.event, &show.seats[1]).await;
        world.scan(&stage.vendor, &bought.code).await.good();
        // The next day begins while the guest is inside, and another one after they have left.
        for leaves in [false, true] {
            world.advance(std::time::Duration::from_hours(24));
            let vendor = world.sign_in("vendor").await;
            let admitted = world.scan(&vendor, &bought.code).await.good();
            assert_eq!(admitted.data("checkIn.ticket.entries"), 2 + i32::from(leaves));
            assert_eq!(verdict(&world.scan(&vendor, &bought.code).await), "USED");
            world.leave(&vendor, json!({ "code": bought.code })).await.good();
        }
    });
}

#[test]
fn tier_can_have_its_own_rules() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let show = world.show(&stage, json!({ "admission": { "from": world.in_hours(-1) } })).await;
        let rules = json!({ "maxEntries": 2 });
        let input = json!({ "name": "Family", "categories": ["Floor"], "entryRules": rules });
        let tier = world.show_tier(&show.event, input).await;
        let seen = "query($id: ID!) { event(id: $id) { tiers { name version entryRules { maxEntries entryPeriod reentry } } } }";
        let seen = world.gql(None, seen, json!({ "id": show.event })).await.good();
        let tiers = seen.data("event.tiers");
        let family =
            tiers.as_array().expect("tiers").iter().find(|tier| tier["name"] == "Family").expect("it");
        let expected = json!({ "maxEntries": 2, "entryPeriod": "EVENT", "reentry": false });
        assert_eq!(family["entryRules"], expected);
        let all = tiers.as_array().expect("tiers").iter().find(|tier| tier["name"] == "All").expect("it");
        assert_eq!(all["entryRules"], Value::Null);
        let (_, area) = world.places(&show.event).await;
        let buyer = world.guest().await;
        let reserve = "mutation($event: ID!, $area: ID!) { reserveSeats(input: { eventId: $event, idempotencyKey: \"family-place\",
            pick: { admission: { areaId: $area, quantity: 1 } } }) { reservation { id } errors { code message } } }";
        let place =
            world.gql(Some(&buyer), reserve, json!({ "event": show.event, "area": area })).await.good();
        let order = world.checkout(&buyer, &[&place.text("reserveSeats.reservation.id")]).await;
        let paid = world.pay(&buyer, &order, "pm_card_visa", "family-pays").await.good();
        let code = paid.text("payOrder.order.tickets.0.code");
        for expected in ["ADMITTED", "ADMITTED", "USED"] {
            assert_eq!(verdict(&world.scan(&stage.vendor, &code).await), expected);
        }
        let update = "mutation($input: UpdateTierInput!) { updateTier(input: $input) {
            tier { version entryRules { maxEntries } } errors { code path } } }";
        let change = async |version: &Value, rules: Value| {
            let input = json!({ "tierId": tier, "expectedVersion": version, "entryRules": rules });
            world.gql(Some(&stage.vendor), update, json!({ "input": input })).await
        };
        let bad = change(&family["version"], json!({ "maxEntries": 0 })).await;
        assert_eq!(bad.data("updateTier.errors.0.path"), json!(["entryRules", "maxEntries"]), "{}", bad.body);
        let none = change(&family["version"], Value::Null).await.good();
        assert_eq!(none.data("updateTier.tier.entryRules"), Value::Null);
        assert_eq!(verdict(&world.scan(&stage.vendor, &code).await), "USED");
    });
}

/// Gates on two servers scan the same code at the same moment: exactly as many guests enter as the rules permit.
#[test]
fn gates_that_scan_at_once_admit_exactly_as_often_as_the_rules_permit() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let second = World::of(world.second().await, world.backend, &world.url);
        let worlds = [world, &second];
        let from = json!(world.in_hours(-1));
        for (rules, permitted) in [
            (json!({ "from": from }), 1),
            (json!({ "from": from, "maxEntries": 3 }), 3),
            (json!({ "from": from, "entryPeriod": "DAY", "maxEntries": 2 }), 2),
            (json!({ "from": from, "reentry": true }), 1),
            (json!({ "from": from, "maxEntries": 7 }), 7),
        ] {
            let show = world.show(&stage, json!({ "admission": rules })).await;
            let bought = world.bought(&show.event, &show.seats[0]).await;
            let mut admitted = 0;
            // A gate that finds another one ahead of it more often than it tries again is told to repeat the scan.
            for _ in 0..4 {
                let scans =
                    join_all((0..10).map(|nth| worlds[nth % 2].scan(&stage.vendor, &bought.code))).await;
                let verdicts: Vec<String> = scans.iter().map(verdict).collect();
                admitted += verdicts.iter().filter(|verdict| *verdict == "ADMITTED").count();
                let known = ["ADMITTED", "USED", "UNAVAILABLE"];
                assert!(verdicts.iter().all(|verdict| known.contains(&verdict.as_str())), "{verdicts:?}");
            }
            assert_eq!(admitted, permitted, "{rules}");
            // At the exits, one scan counts, and one guest returns.
            let code = json!({ "code": bought.code });
            let exits = join_all((0..6).map(|nth| worlds[nth % 2].leave(&stage.vendor, code.clone()))).await;
            assert_eq!(exits.iter().filter(|exit| verdict(exit) == "ADMITTED").count(), 1);
            let returns = join_all((0..6).map(|nth| worlds[nth % 2].scan(&stage.vendor, &bought.code))).await;
            let returned = returns.iter().filter(|scan| verdict(scan) == "ADMITTED").count();
            assert_eq!(returned, usize::from(rules["reentry"] == true), "{rules}");
        }
        second.end().await;
    });
}

#[test]
fn repeated_calls_with_a_key_count_once() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let rules = json!({ "from": world.in_hours(-1), "maxEntries": 2, "reentry": true });
        let show = world.show(&stage, json!({ "admission": rules })).await;
        let bought = world.bought(&show.event, &show.seats[0]).await;
        let scan = |key: &str| json!({ "code": bought.code, "idempotencyKey": key });
        for key in ["first-entry", "second-entry"] {
            for _ in 0..3 {
                world.scan_as(&stage.vendor, scan(key)).await.good();
            }
        }
        assert_eq!(verdict(&world.scan_as(&stage.vendor, scan("third-entry")).await), "USED");
        let first = world.leave(&stage.vendor, scan("first-exit")).await.good();
        assert_eq!(first.data("checkOut.ticket.entries"), 2);
        let again = world.leave(&stage.vendor, scan("first-exit")).await.good();
        assert_eq!(again.body, first.body);
        assert_eq!(verdict(&world.leave(&stage.vendor, scan("second-exit")).await), "NOT_INSIDE");
        // The same key at the entrance is another operation.
        world.scan_as(&stage.vendor, scan("first-exit")).await.good();
        let mismatch = json!({ "code": bought.code, "eventId": show.event, "idempotencyKey": "first-exit" });
        assert_eq!(verdict(&world.leave(&stage.vendor, mismatch).await), "IDEMPOTENCY_MISMATCH");
    });
}
