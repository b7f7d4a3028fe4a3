//! Admission: a ticket admits only while its event does, and a member of the shop can undo a check-in.

use std::time::Duration;

use entity::audit::{self, Action};
use futures_util::future::join_all;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};

use crate::support::{
    Answer, World,
    gate::{Bought, verdict, with_plain_times},
    run,
};

const REFUND: &str = "mutation($id: ID!, $token: String, $key: String!) { refundOrder(input: { orderId: $id,
    accessToken: $token, idempotencyKey: $key }) { order { state } errors { code ticketIds } } }";

async fn refund(world: &World, viewer: Option<&str>, bought: &Bought, key: &str) -> Answer {
    let token = if viewer.is_none() { json!(bought.token) } else { Value::Null };
    let input = json!({ "id": bought.order, "token": token, "key": format!("{key}-{}", bought.order) });
    world.gql(viewer, REFUND, input).await
}

/// Adds a scanner to the stage's shop.
async fn scanner(world: &World, vendor: &str, shop: &str) -> String {
    let scanner = world.user("scanner").await;
    let set = "mutation($shop: ID!, $version: Long!) { setShopMember(input: { shopId: $shop,
        expectedVersion: $version, email: \"scanner@tessera.test\", role: SCANNER }) { errors { code } } }";
    let version = world.shop_version(shop).await;
    world.gql(Some(vendor), set, json!({ "shop": shop, "version": version })).await.good();
    scanner
}

/// The show starts in 3 hours and ends in 5. The doors open two hours before the start.
#[test]
fn ticket_admits_from_the_doors_until_the_end() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let show = world.show(&stage, json!({})).await;
        let begin = world.app.clock.now();
        let minutes = [0, 59, 60, 61, 180, 299, 300, 7 * 24 * 60];
        let mut tickets = Vec::new();
        for (seat, _) in minutes.iter().enumerate() {
            tickets.push(world.bought(&show.event, &show.seats[seat]).await);
        }
        let expected = ["NOT_YET", "NOT_YET", "ADMITTED", "ADMITTED", "ADMITTED", "ADMITTED", "OVER", "OVER"];
        for ((minute, bought), expected) in minutes.iter().zip(&tickets).zip(expected) {
            let at = begin + chrono::TimeDelta::minutes(*minute);
            world.advance((at - world.app.clock.now()).to_std().expect("later"));
            let vendor = world.sign_in("vendor").await;
            let answer = world.scan(&vendor, &bought.code).await;
            assert_eq!(verdict(&answer), expected, "minute {minute}: {}", answer.body);
            if expected == "ADMITTED" {
                continue;
            }
            let error = answer.data("checkIn.errors.0");
            let time = |hours| json!(begin + chrono::TimeDelta::hours(hours));
            assert_eq!((&error["admissionFrom"], &error["admissionUntil"]), (&time(1), &time(5)), "{error}");
            assert_eq!(error["ticketId"], *bought.ticket);
            assert_eq!(error["retryable"], expected == "NOT_YET");
            // Nothing was used: the shop can refund.
            let refunded = refund(world, Some(&vendor), bought, "not-used").await.good();
            assert_eq!(refunded.data("refundOrder.order.state"), "REFUNDED");
        }
    });
}

#[test]
fn vendor_sets_the_time_of_admission() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let at = |hours: i64| json!(world.in_hours(hours));
        // The admission, the hours when it begins and ends, and the hour of the scan with its result.
        let table = [
            (json!({ "from": at(-24) }), -24, 5, "ADMITTED"),
            (json!({ "doorsAt": at(0) }), 0, 5, "ADMITTED"),
            (json!({ "doorsAt": at(2) }), 2, 5, "NOT_YET"),
            (json!({ "doorsAt": at(-1), "from": at(1) }), 1, 5, "NOT_YET"),
            (json!({ "from": at(-3), "until": at(-1) }), -3, -1, "OVER"),
            (json!({ "from": at(-3), "until": at(0) }), -3, 0, "OVER"),
            (json!({ "from": at(-3), "until": at(48) }), -3, 48, "ADMITTED"),
            (json!({ "from": null, "until": null, "doorsAt": null }), 1, 5, "NOT_YET"),
        ];
        for (admission, from, until, expected) in table {
            let show = world.show(&stage, json!({ "admission": admission })).await;
            let bought = world.bought(&show.event, &show.seats[0]).await;
            let seen = "query($id: ID!) { event(id: $id) { admission { from until } } }";
            let seen = with_plain_times(world.gql(None, seen, json!({ "id": show.event })).await.good());
            assert_eq!(seen.data("event.admission"), json!({ "from": at(from), "until": at(until) }));
            let answer = world.scan(&stage.vendor, &bought.code).await;
            assert_eq!(verdict(&answer), expected, "{admission}: {}", answer.body);
        }
    });
}

#[test]
fn moved_event_moves_its_admission() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let show = world.show(&stage, json!({})).await;
        let bought = world.bought(&show.event, &show.seats[0]).await;
        assert_eq!(verdict(&world.scan(&stage.vendor, &bought.code).await), "NOT_YET");
        for (hours, expected) in [(30, "NOT_YET"), (-9, "OVER"), (1, "ADMITTED"), (40, "USED")] {
            let change = if expected == "USED" {
                // Guests who are inside stay so.
                json!({ "name": "Other" })
            } else {
                json!({ "startsAt": world.in_hours(hours), "endsAt": world.in_hours(hours + 2) })
            };
            world.change_event(&show.event, change).await.good();
            assert_eq!(verdict(&world.scan(&stage.vendor, &bought.code).await), expected, "{hours}");
        }
    });
}

#[test]
fn cancelled_event_admits_nobody_and_refunds_used_tickets() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let show =
            world.show(&stage, json!({ "admission": { "from": world.in_hours(-1), "reentry": true } })).await;
        let mut tickets = Vec::new();
        for seat in &show.seats[..5] {
            tickets.push(world.bought(&show.event, seat).await);
        }
        for bought in &tickets[..3] {
            let key = format!("scan-{}", bought.order);
            let input = json!({ "code": bought.code, "idempotencyKey": key });
            world.scan_as(&stage.vendor, input).await.good();
        }
        world.leave(&stage.vendor, json!({ "code": tickets[2].code })).await.good();
        let used = refund(world, Some(&stage.vendor), &tickets[0], "before").await;
        assert_eq!(used.refusal("refundOrder").as_deref(), Some("TICKET_USED"), "{}", used.body);
        assert_eq!(used.data("refundOrder.errors.0.ticketIds"), json!([tickets[0].ticket]));
        world.cancel_event(&show.event).await;
        for bought in &tickets {
            let answer = world.scan(&stage.vendor, &bought.code).await;
            assert_eq!(verdict(&answer), "EVENT_CANCELLED", "{}", answer.body);
            assert_eq!(answer.data("checkIn.errors.0.ticketId"), *bought.ticket);
        }
        // A repeated call of an accepted check-in admits nobody either.
        let input =
            json!({ "code": tickets[0].code, "idempotencyKey": format!("scan-{}", tickets[0].order) });
        assert_eq!(verdict(&world.scan_as(&stage.vendor, input).await), "EVENT_CANCELLED");
        // The vendor and the buyers get refunds, before and after the guests have left.
        for (index, bought) in tickets.iter().enumerate() {
            let viewer = if index % 2 == 0 { Some(stage.vendor.as_str()) } else { None };
            let refunded = refund(world, viewer, bought, "called-off").await.good();
            assert_eq!(refunded.data("refundOrder.order.state"), "REFUNDED", "{}", refunded.body);
            assert_eq!(verdict(&world.scan(&stage.vendor, &bought.code).await), "VOID");
        }
    });
}

#[test]
fn undone_check_in_admits_again_and_can_be_refunded() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let scanner = scanner(world, &stage.vendor, &stage.shop).await;
        let bought = world.bought(&stage.event, &stage.seats[0]).await;
        for member in [&scanner, &stage.vendor, &scanner] {
            let admitted = world.scan(&scanner, &bought.code).await.good();
            assert_eq!(verdict(&world.scan(&scanner, &bought.code).await), "USED");
            let version = admitted.data("checkIn.ticket.version");
            let undone = world.undo(member, &bought.ticket, &version).await;
            let ticket = undone.data("undoCheckIn.ticket");
            assert_eq!(undone.data("undoCheckIn.errors"), json!([]), "{}", undone.body);
            assert_eq!((&ticket["state"], &ticket["entries"]), (&json!("ISSUED"), &json!(0)), "{ticket}");
            assert_eq!(ticket["checkedInAt"], Value::Null);
            assert_eq!(ticket["code"], Value::Null, "members do not see the code");
            assert_eq!(undone.code().as_deref(), Some("FORBIDDEN"), "{}", undone.body);
            // The lost answer: the version is no longer current, and the payload shows the ticket.
            let again = world.undo(member, &bought.ticket, &version).await;
            assert_eq!(again.refusal("undoCheckIn").as_deref(), Some("STALE"), "{}", again.body);
            assert_eq!(again.data("undoCheckIn.ticket.state"), "ISSUED");
            let none = world.undo(member, &bought.ticket, &again.data("undoCheckIn.ticket.version")).await;
            assert_eq!(none.refusal("undoCheckIn").as_deref(), Some("NOT_CHECKED_IN"), "{}", none.body);
        }
        let rows = audit::Entity::find().filter(audit::Column::Action.eq(Action::CheckInUndone));
        let rows = rows.all(world.app.store.read()).await.expect("rows");
        assert_eq!(rows.len(), 3);
        assert!(rows.iter().all(|row| row.details.contains("the wrong guest") && row.account_id.is_some()));
        let refunded = refund(world, Some(&stage.vendor), &bought, "after-the-undo").await.good();
        assert_eq!(refunded.data("refundOrder.order.state"), "REFUNDED");
        let void = world.scan(&scanner, &bought.code).await;
        assert_eq!(verdict(&void), "VOID");
        let undo = world.undo(&scanner, &bought.ticket, &void.data("checkIn.errors.0.ticketVersion")).await;
        assert_eq!(undo.refusal("undoCheckIn").as_deref(), Some("VOID"), "{}", undo.body);
    });
}

#[test]
fn only_members_of_the_shop_undo_and_check_out() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.user("buyer").await;
        let order = world.buy(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let tickets = "query($id: ID!) { order(id: $id) { tickets { id code } } }";
        let tickets = world.gql(Some(&buyer), tickets, json!({ "id": order })).await.good();
        let (ticket, code) = (tickets.text("order.tickets.0.id"), tickets.text("order.tickets.0.code"));
        let admitted = world.scan(&stage.vendor, &code).await.good();
        let version = admitted.data("checkIn.ticket.version");
        let other = world.user("other-vendor").await;
        let shop = "mutation { createShop(input: { name: \"The Barn\", currency: \"EUR\" }) { shop { id } errors { code } } }";
        world.gql(Some(&other), shop, json!({})).await.good();
        for stranger in [&buyer, &other] {
            let undo = world.undo(stranger, &ticket, &version).await;
            assert_eq!(undo.refusal("undoCheckIn").as_deref(), Some("NOT_FOUND"), "{}", undo.body);
            assert_eq!(undo.data("undoCheckIn.ticket"), Value::Null);
            let leave = world.leave(stranger, json!({ "code": code })).await;
            assert_eq!(verdict(&leave), "WRONG_EVENT");
            assert_eq!(leave.data("checkOut.errors.0.ticketId"), Value::Null);
        }
        let guest = world.guest().await;
        assert_eq!(world.undo(&guest, &ticket, &version).await.code().as_deref(), Some("FORBIDDEN"));
        assert_eq!(verdict(&world.leave(&guest, json!({ "code": code })).await), "FORBIDDEN");
        assert_eq!(verdict(&world.scan(&stage.vendor, &code).await), "USED", "nothing was changed");
    });
}

#[test]
fn repeated_call_of_an_undone_check_in_does_not_admit() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let bought = world.bought(&stage.event, &stage.seats[0]).await;
        let input = json!({ "code": bought.code, "idempotencyKey": "the-first-scan" });
        let admitted = world.scan_as(&stage.vendor, input.clone()).await.good();
        let version = admitted.data("checkIn.ticket.version");
        world.undo(&stage.vendor, &bought.ticket, &version).await;
        assert_eq!(verdict(&world.scan_as(&stage.vendor, input.clone()).await), "UNDONE");
        let other = json!({ "code": bought.code, "idempotencyKey": "the-second-scan" });
        world.scan_as(&stage.vendor, other.clone()).await.good();
        assert_eq!(verdict(&world.scan_as(&stage.vendor, other).await), "ADMITTED", "its answer was lost");
        assert_eq!(
            verdict(&world.scan_as(&stage.vendor, input).await),
            "UNDONE",
            "the first one stays undone"
        );
    });
}

/// Two members undo, gates scan and the vendor refunds at the same time, on two servers. The laws hold afterwards, and
/// an undo has one effect.
#[test]
fn concurrent_undos_scans_and_refunds_agree() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let second = World::of(world.second().await, world.backend, &world.url);
        for seat in &stage.seats[..6] {
            let bought = world.bought(&stage.event, seat).await;
            let admitted = world.scan(&stage.vendor, &bought.code).await.good();
            let version = admitted.data("checkIn.ticket.version");
            let worlds = [world, &second];
            let undos =
                join_all((0..6).map(|nth| worlds[nth % 2].undo(&stage.vendor, &bought.ticket, &version)));
            let scans = join_all((0..4).map(|nth| worlds[nth % 2].scan(&stage.vendor, &bought.code)));
            let money = refund(world, Some(&stage.vendor), &bought, "meanwhile");
            let (undos, scans, money) = tokio::join!(undos, scans, money);
            let bodies: Vec<&Value> = undos.iter().map(|undo| &undo.body).collect();
            let undone = undos.iter().filter(|undo| undo.refusal("undoCheckIn").is_none()).count();
            assert_eq!(undone, 1, "one undo of one version: {bodies:?}");
            let outdated =
                undos.iter().filter(|undo| undo.refusal("undoCheckIn").as_deref() == Some("STALE"));
            assert_eq!(outdated.count(), 5);
            let admitted = scans.iter().filter(|scan| verdict(scan) == "ADMITTED").count();
            let refunded = money.data("refundOrder.order.state") == "REFUNDED";
            assert!(admitted + usize::from(refunded) <= 1, "{admitted} {}", money.body);
        }
        second.end().await;
    });
}

#[test]
fn invalid_admission_is_refused_with_its_path() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let show = world.show(&stage, json!({})).await;
        let at = |hours: i64| json!(world.in_hours(hours));
        let table = [
            (json!({ "doorsAt": at(4) }), "doorsAt"),
            (json!({ "from": at(5) }), "from"),
            (json!({ "until": at(1) }), "until"),
            (json!({ "from": at(2), "until": at(2) }), "until"),
            (json!({ "maxEntries": 0 }), "maxEntries"),
            (json!({ "maxEntries": 1_001 }), "maxEntries"),
            (json!({ "until": "9999-01-01T00:00:00Z" }), "until"),
            (json!({ "from": "1970-01-01T00:00:00Z" }), "from"),
        ];
        for (admission, path) in table {
            let answer = world.change_event(&show.event, json!({ "admission": admission })).await;
            assert_eq!(answer.refusal("updateEvent").as_deref(), Some("INVALID"), "{}", answer.body);
            assert_eq!(
                answer.data("updateEvent.errors.0.path"),
                json!(["admission", path]),
                "{}",
                answer.body
            );
        }
        world.advance(Duration::from_hours(1));
        let bought = world.bought(&show.event, &show.seats[0]).await;
        let vendor = world.sign_in("vendor").await;
        assert_eq!(verdict(&world.scan(&vendor, &bought.code).await), "ADMITTED", "nothing was stored");
    });
}
