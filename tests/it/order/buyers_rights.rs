//! The rights of a buyer: later changes of the event can extend them, but not reduce them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    World,
    gate::{Bought, verdict, with_plain_times},
    run,
};

const LINES: &str = "query($id: ID!, $token: String!) { order(id: $id, accessToken: $token) {
    lines { refundUntil } } }";
const REFUND: &str =
    "mutation($id: ID!, $token: String!) { refundOrder(input: { orderId: $id, accessToken: $token,
    idempotencyKey: \"by-the-buyer\" }) { order { state } errors { code } } }";

/// Returns when the buyer can refund the place, as the API says.
async fn refund_until(world: &World, bought: &Bought) -> Value {
    let input = json!({ "id": bought.order, "token": bought.token });
    with_plain_times(world.gql(None, LINES, input).await.good()).data("order.lines.0.refundUntil")
}

/// The show starts in 3 hours.
#[test]
fn buyer_keeps_the_refund_period_of_the_checkout() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let begin = world.in_hours(0);
        let at = |hours: i64| json!(begin + chrono::TimeDelta::hours(hours));
        let moved = |hours: i64| json!({ "startsAt": at(hours), "endsAt": at(hours + 2) });
        // The period at the checkout, later changes, until when the buyer can refund, and whether hour 1.5 is in time.
        let table = [
            (json!({ "refundUntil": at(2) }), vec![json!({ "refundUntil": at(-1) })], at(2), true),
            (json!({ "refundUntil": at(2) }), vec![json!({ "refundUntil": null })], at(2), true),
            (json!({ "refundUntil": at(2) }), vec![json!({ "refundUntil": at(1) })], at(2), true),
            (json!({ "refundUntil": at(1) }), vec![json!({ "refundUntil": at(2) })], at(2), true),
            (json!({ "refundUntil": at(1) }), vec![json!({ "refundUntil": null })], at(1), false),
            (json!({}), vec![json!({ "refundUntil": at(2) })], at(2), true),
            (
                json!({}),
                vec![json!({ "refundUntil": at(2) }), json!({ "refundUntil": null })],
                Value::Null,
                false,
            ),
            (json!({}), vec![json!({ "name": "Other" })], Value::Null, false),
            (json!({ "refundMinutesBeforeStart": 60 }), vec![moved(1)], at(2), true),
            (json!({ "refundMinutesBeforeStart": 60 }), vec![moved(9)], at(8), true),
            (
                json!({ "refundMinutesBeforeStart": 60 }),
                vec![json!({ "refundMinutesBeforeStart": 170 })],
                at(2),
                true,
            ),
        ];
        let mut tickets = Vec::new();
        for (input, changes, until, in_time) in table {
            let show = world.show(&stage, input.clone()).await;
            let bought = world.bought(&show.event, &show.seats[0]).await;
            for change in &changes {
                world.change_event(&show.event, change.clone()).await.good();
            }
            assert_eq!(refund_until(world, &bought).await, until, "{input} {changes:?}");
            tickets.push((format!("{input} {changes:?}"), bought, in_time));
        }
        world.advance(Duration::from_mins(90));
        for (case, bought, in_time) in tickets {
            let answer = world.gql(None, REFUND, json!({ "id": bought.order, "token": bought.token })).await;
            let expected = if in_time { None } else { Some("REFUND_CLOSED") };
            assert_eq!(answer.refusal("refundOrder").as_deref(), expected, "{case}: {}", answer.body);
        }
    });
}

#[test]
fn period_ends_for_buyers_of_an_unchanged_event() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let show = world.show(&stage, json!({ "refundUntil": world.in_hours(2) })).await;
        let bought = world.bought(&show.event, &show.seats[0]).await;
        world.change_event(&show.event, json!({ "refundUntil": null })).await.good();
        world.advance(Duration::from_hours(2));
        let answer = world.gql(None, REFUND, json!({ "id": bought.order, "token": bought.token })).await;
        assert_eq!(answer.refusal("refundOrder").as_deref(), Some("REFUND_CLOSED"), "{}", answer.body);
    });
}

/// The rules at the checkout, the later rules, and how often the ticket admits in a row.
#[test]
fn buyer_keeps_the_entries_of_the_checkout() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let rules = |max: Option<i32>| json!({ "maxEntries": max, "from": world.in_hours(-1) });
        for (bought_with, changed_to, entries) in [
            (Some(3), Some(1), 3),
            (Some(3), Some(2), 3),
            (Some(1), Some(3), 3),
            (None, Some(1), 5),
            (Some(1), None, 5),
            (Some(2), Some(2), 2),
        ] {
            let show = world.show(&stage, json!({ "admission": rules(bought_with) })).await;
            let bought = world.bought(&show.event, &show.seats[0]).await;
            world
                .change_event(&show.event, json!({ "admission": { "maxEntries": changed_to } }))
                .await
                .good();
            let later = world.bought(&show.event, &show.seats[1]).await;
            let mut admitted = [0, 0];
            for _ in 0..5 {
                for (count, ticket) in admitted.iter_mut().zip([&bought, &later]) {
                    let scan = world.scan(&stage.vendor, &ticket.code).await;
                    *count += i32::from(verdict(&scan) == "ADMITTED");
                }
            }
            let expected = [entries, changed_to.unwrap_or(5)];
            assert_eq!(admitted, expected, "{bought_with:?} {changed_to:?}");
        }
    });
}

#[test]
fn buyer_keeps_the_return_of_the_checkout() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let rules = json!({ "reentry": true, "from": world.in_hours(-1) });
        let show = world.show(&stage, json!({ "admission": rules })).await;
        let bought = world.bought(&show.event, &show.seats[0]).await;
        world.change_event(&show.event, json!({ "admission": { "reentry": false } })).await.good();
        let later = world.bought(&show.event, &show.seats[1]).await;
        for (ticket, expected) in [(bought, "ADMITTED"), (later, "NO_REENTRY")] {
            world.scan(&stage.vendor, &ticket.code).await.good();
            let code = json!({ "code": ticket.code });
            let left = world.leave(&stage.vendor, code).await.good();
            assert_eq!(left.data("checkOut.mayReturn"), expected == "ADMITTED");
            assert_eq!(verdict(&world.scan(&stage.vendor, &ticket.code).await), expected);
        }
    });
}
