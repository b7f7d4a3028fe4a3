//! Dates of an event that the vendor has not set: they follow from others, and move with the event.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::support::{World, run};

/// The dates of an event that can follow from others.
const DATES: [&str; 6] =
    ["SALES_START", "SALES_END", "REFUND_UNTIL", "DOORS_AT", "ADMISSION_FROM", "ADMISSION_UNTIL"];

#[test]
fn dates_that_were_not_set_move_with_the_event() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let created = world.app.clock.now();
        let show = world.show(&stage, json!({ "refundMinutesBeforeStart": 90 })).await;
        let hour = |hours: i64| created + TimeDelta::hours(hours);
        // Postponed by months, days and hours, moved back, and to a time before its creation.
        for starts in [2_000, 100, 27, 4, 3, 2, -1, -48] {
            let change = json!({ "startsAt": hour(starts), "endsAt": hour(starts + 2) });
            let event = world.change_event(&show.event, change).await.good().data("updateEvent.event");
            assert_eq!(event["salesEnd"], json!(hour(starts)), "{starts}: {event}");
            assert_eq!(event["refundUntil"], json!(hour(starts) - TimeDelta::minutes(90)), "{starts}");
            assert_eq!(event["admission"]["doorsAt"], json!(hour(starts - 2)), "{starts}");
            assert_eq!(event["admission"]["from"], json!(hour(starts - 2)), "{starts}");
            assert_eq!(event["admission"]["until"], json!(hour(starts + 2)), "{starts}");
            assert_eq!(event["derivedDates"], json!(DATES));
            let sales: DateTime<Utc> = event["salesStart"].as_str().expect("a time").parse().expect("a time");
            assert!(sales == created || starts < 0 && sales < hour(starts), "{starts}: {sales}");
            let status = if starts > 0 {
                "ON_SALE"
            } else if starts > -2 {
                "SALES_ENDED"
            } else {
                "PAST"
            };
            assert_eq!(event["status"], status, "{starts}");
            let list = "query($id: ID!, $status: EventStatus!) { shop(id: $id) {
                events(filter: { status: [$status], search: \"Show\" }) { totalCount } } }";
            let input = json!({ "id": stage.shop, "status": status });
            let listed = world.gql(None, list, input).await.good();
            assert_eq!(listed.data("shop.events.totalCount"), 1, "{starts}");
        }
    });
}

#[test]
fn postponed_event_sells_and_refunds_until_its_new_start() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let show = world.show(&stage, json!({ "refundMinutesBeforeStart": 60 })).await;
        let before = world.bought(&show.event, &show.seats[0]).await;
        let later = json!({ "startsAt": world.in_hours(99), "endsAt": world.in_hours(101) });
        world.change_event(&show.event, later).await.good();
        // After the first start, and after the first deadline of refunds.
        world.advance(std::time::Duration::from_hours(50));
        let after = world.bought(&show.event, &show.seats[1]).await;
        let refund =
            "mutation($id: ID!, $token: String!) { refundOrder(input: { orderId: $id, accessToken: $token,
            idempotencyKey: \"postponed\" }) { order { state } errors { code } } }";
        for bought in [before, after] {
            let input = json!({ "id": bought.order, "token": bought.token });
            let refunded = world.gql(None, refund, input).await.good();
            assert_eq!(refunded.data("refundOrder.order.state"), "REFUNDED");
        }
        world.advance(std::time::Duration::from_hours(49));
        let guest = world.guest().await;
        let closed = world.try_reserve(&guest, &show.event, &[&show.seats[2]], "too-late-now").await;
        assert_eq!(closed.refusal("reserveSeats").as_deref(), Some("SALES_ENDED"), "{}", closed.body);
    });
}

#[test]
fn dates_that_were_set_stay_and_are_named_when_they_contradict() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let at = |hours: i64| json!(world.in_hours(hours));
        let moved = |hours: i64| json!({ "startsAt": at(hours), "endsAt": at(hours + 2) });
        // The date that is set, where the event returns it, a move that keeps it and one that contradicts it.
        let table = [
            (json!({ "salesEnd": at(2) }), "salesEnd", 50, -1),
            (json!({ "salesStart": at(1), "salesEnd": at(2) }), "salesEnd", 50, -1),
            (json!({ "salesStart": at(1) }), "salesStart", 50, -5),
            (json!({ "admission": { "doorsAt": at(2) } }), "admission.doorsAt", 50, 1),
            (json!({ "admission": { "from": at(2) } }), "admission.from", 50, -1),
            (json!({ "admission": { "until": at(9) } }), "admission.until", 6, 50),
        ];
        for (more, field, keeps, contradicts) in table {
            let show = world.show(&stage, more.clone()).await;
            let read =
                |event: &Value| field.split('.').fold(event.clone(), |value, name| value[name].clone());
            let kept = world.change_event(&show.event, moved(keeps)).await.good();
            assert_eq!(read(&kept.data("updateEvent.event")), read(&more), "{field}");
            let refused = world.change_event(&show.event, moved(contradicts)).await;
            assert_eq!(
                refused.refusal("updateEvent").as_deref(),
                Some("INVALID"),
                "{more}: {}",
                refused.body
            );
            let path: Vec<&str> = field.split('.').collect();
            assert_eq!(refused.data("updateEvent.errors.0.path"), json!(path), "{more}");
            assert_eq!(refused.data("updateEvent.errors.1"), Value::Null, "{more}: one error");
            // Null lets it follow again, also together with the move.
            let mut freed = moved(contradicts);
            match path[..] {
                [outer, inner] => freed[outer] = json!({ inner: null }),
                [one] => {
                    freed[one] = Value::Null;
                    if more.get("salesStart").is_some() {
                        freed["salesStart"] = Value::Null;
                    }
                }
                _ => panic!("{field}"),
            }
            world.change_event(&show.event, freed).await.good();
        }
        let show = world.show(&stage, json!({ "refundUntil": at(2) })).await;
        let kept = world.change_event(&show.event, moved(50)).await.good();
        assert_eq!(kept.data("updateEvent.event.refundUntil"), at(2));
    });
}

#[test]
fn deadline_of_refunds_is_a_date_or_minutes_before_the_start() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let show = world.show(&stage, json!({})).await;
        let at = |hours: i64| json!(world.in_hours(hours));
        let table = [
            (json!({}), Value::Null, Value::Null),
            (json!({ "refundMinutesBeforeStart": 60 }), at(2), json!(60)),
            (json!({ "name": "Other" }), at(2), json!(60)),
            (json!({ "refundUntil": at(1) }), at(1), Value::Null),
            (json!({ "refundMinutesBeforeStart": null }), at(1), Value::Null),
            (json!({ "refundMinutesBeforeStart": 0 }), at(3), json!(0)),
            (json!({ "refundUntil": null }), Value::Null, Value::Null),
            (json!({ "refundMinutesBeforeStart": 120, "refundUntil": null }), at(1), json!(120)),
            (json!({ "refundMinutesBeforeStart": null }), Value::Null, Value::Null),
        ];
        for (change, until, minutes) in table {
            let event =
                world.change_event(&show.event, change.clone()).await.good().data("updateEvent.event");
            assert_eq!(
                (&event["refundUntil"], &event["refundMinutesBeforeStart"]),
                (&until, &minutes),
                "{change}"
            );
        }
        for (change, path) in [
            (json!({ "refundMinutesBeforeStart": -1 }), "refundMinutesBeforeStart"),
            (json!({ "refundMinutesBeforeStart": 525_601 }), "refundMinutesBeforeStart"),
            (json!({ "refundMinutesBeforeStart": i32::MAX }), "refundMinutesBeforeStart"),
            (json!({ "refundMinutesBeforeStart": 5, "refundUntil": at(1) }), "refundUntil"),
        ] {
            let refused = world.change_event(&show.event, change.clone()).await;
            assert_eq!(
                refused.data("updateEvent.errors.0.path"),
                json!([path]),
                "{change}: {}",
                refused.body
            );
        }
    });
}
