//! Races: concurrent calls for the same object, with many seeds, on both databases.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use serde_json::json;
use tessera::{
    auth::{self, Viewer},
    error::Error,
    inventory::{self, Pick, Refusal, Reserve},
};

use crate::support::{World, run};

const BUYERS: usize = 64;
const SEEDS: usize = 100;

/// A pseudo-random order that a seed always gives.
fn shuffled<T>(mut items: Vec<T>, seed: usize) -> Vec<T> {
    let mut state = (seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for index in (1..items.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        items.swap(index, usize::try_from(state % (index as u64 + 1)).expect("small"));
    }
    items
}

async fn viewers(world: &World, count: usize) -> Vec<Viewer> {
    let mut viewers = Vec::with_capacity(count);
    for _ in 0..count {
        let token = world.guest().await;
        viewers.push(auth::authenticate(&world.app, Some(&token)).await.expect("a viewer"));
    }
    viewers
}

/// 64 buyers, one seat each time, 100 times: exactly one wins, the others learn which seat they lost. Half of them ask
/// another instance, so that the version guard decides, not one desk's memory.
#[test]
fn exactly_one_of_64_buyers_gets_the_seat() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let event = world.only_event().await;
        let second = world.second().await;
        let apps = [world.app.clone(), second.clone()];
        let buyers = viewers(world, BUYERS).await;
        for seed in 0..SEEDS {
            let seat = u32::try_from(seed % stage.seats.len()).expect("small");
            let tries = shuffled((0..BUYERS).collect(), seed).into_iter().map(|index| {
                let (app, viewer) = (apps[(index + seed) % 2].clone(), buyers[index]);
                let key = format!("race-{seed}-{index}");
                world.app.spawn(async move {
                    let reserve = Reserve { event, pick: Pick::Seats(vec![seat]), key };
                    (viewer, inventory::reserve(&app, &viewer, reserve).await)
                })
            });
            let mut winners = Vec::new();
            for (viewer, outcome) in join_all(tries).await.into_iter().map(|joined| joined.expect("no panic"))
            {
                match outcome {
                    Ok(reservation) => winners.push((viewer, reservation)),
                    Err(Error::Refused(Refusal::SeatsTaken { seats, .. })) => assert_eq!(seats, [seat]),
                    Err(other) => panic!("seed {seed}: {other:?}"),
                }
            }
            assert_eq!(winners.len(), 1, "seed {seed}: exactly one wins");
            let (winner, reservation) = winners.remove(0);
            inventory::release(&apps[seed % 2], &winner, reservation.snapshot.id).await.expect("released");
        }
        tessera::server::close(second, Duration::from_secs(10)).await;
    });
}

/// One buyer in many tabs, on two instances: the limit holds exactly.
#[test]
fn the_limit_is_exact_under_parallel_requests() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let event = world.only_event().await;
        let second = world.second().await;
        let apps = [world.app.clone(), second.clone()];
        let buyer = viewers(world, 1).await.remove(0);
        let tries = (0..u32::try_from(stage.seats.len()).expect("few")).map(|seat| {
            let (app, viewer) = (apps[seat as usize % 2].clone(), buyer);
            world.app.spawn(async move {
                let reserve =
                    Reserve { event, pick: Pick::Seats(vec![seat]), key: format!("tab-number-{seat}") };
                inventory::reserve(&app, &viewer, reserve).await
            })
        });
        let outcomes = join_all(tries).await;
        let made = outcomes.iter().filter(|outcome| matches!(outcome, Ok(Ok(_)))).count();
        assert_eq!(made, 8, "as many as the event allows one buyer, no more, no fewer");
        tessera::server::close(second, Duration::from_secs(10)).await;
    });
}

/// The same key from many tabs at once: one reservation, and everybody learns of it.
#[test]
fn the_same_key_at_once_reserves_once() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let event = world.only_event().await;
        let second = world.second().await;
        let apps = [world.app.clone(), second.clone()];
        let buyer = viewers(world, 1).await.remove(0);
        for round in 0..20 {
            let seat = u32::try_from(round % stage.seats.len()).expect("few");
            let tries = (0..10).map(|tab| {
                let (app, viewer) = (apps[tab % 2].clone(), buyer);
                world.app.spawn(async move {
                    let reserve =
                        Reserve { event, pick: Pick::Seats(vec![seat]), key: format!("same-key-{round}") };
                    inventory::reserve(&app, &viewer, reserve).await
                })
            });
            let ids: Vec<_> = join_all(tries)
                .await
                .into_iter()
                .map(|outcome| outcome.expect("no panic").expect("reserved").snapshot.id)
                .collect();
            assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "one reservation for one key");
            inventory::release(&world.app, &buyer, ids[0]).await.expect("released");
        }
        tessera::server::close(second, Duration::from_secs(10)).await;
    });
}

/// One order, paid from many tabs under keys of their own: it is paid once, and charged once.
#[test]
fn an_order_paid_from_many_tabs_is_charged_once() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.user("buyer").await;
        for round in 0..10 {
            let reservation = world.reserve(&buyer, &stage.event, &[&stage.seats[round]]).await;
            let order = world.checkout(&buyer, &[&reservation]).await;
            let keys: Vec<String> = (0..6).map(|tab| format!("paying-tab-{round}-{tab}")).collect();
            let answers =
                join_all(keys.iter().map(|key| world.pay(&buyer, &order, "pm_card_visa", key))).await;
            for answer in &answers {
                assert!(answer.body["errors"].is_null(), "{}", answer.body);
                let refused = answer.refusal("payOrder");
                assert!(
                    matches!(refused.as_deref(), None | Some("BEING_PAID" | "ALREADY_PAID")),
                    "{}",
                    answer.body
                );
            }
            let document = "query($id: ID!) { order(id: $id) { state payments { state } tickets { id } } }";
            let order_now = world.gql(Some(&buyer), document, json!({ "id": order })).await.good();
            assert_eq!(order_now.data("order.state"), "PAID");
            assert_eq!(order_now.data("order.payments"), json!([{ "state": "CAPTURED" }]));
            let refund = "mutation($id: ID!, $key: String!) { refundOrder(input: { orderId: $id, idempotencyKey: $key }) {
                order { state } errors { code } } }";
            world
                .gql(Some(&buyer), refund, json!({ "id": order, "key": format!("refund-{round}") }))
                .await
                .good();
        }
    });
}

/// The buyer's page and the browser's return ask at the same time how the payment stands: it is sold and collected once,
/// and the one that comes too late gives nothing up.
#[test]
fn a_payment_confirmed_twice_at_once_is_collected() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let sandbox = world.app.payment.sandbox.clone().expect("the sandbox");
        let confirm = "mutation($id: ID!) { confirmPayment(input: { paymentId: $id }) {
            order { state } payment { state } errors { code } } }";
        for seat in &stage.seats[..20] {
            let buyer = world.guest().await;
            let reservation = world.reserve(&buyer, &stage.event, &[seat]).await;
            let order = world.checkout(&buyer, &[&reservation]).await;
            let asked =
                world.pay(&buyer, &order, "pm_card_authenticationRequired", "twice-at-once").await.good();
            let url = asked.text("payOrder.payment.nextActionUrl");
            sandbox.authenticate(url.rsplit('/').next().expect("an intent"), true).await.expect("answered");
            let id = asked.text("payOrder.payment.id");
            let asks = (0..4).map(|_| world.gql(Some(&buyer), confirm, json!({ "id": id })));
            for answer in join_all(asks).await {
                assert!(answer.body["errors"].is_null(), "{}", answer.body);
            }
            let document = "query($id: ID!) { order(id: $id) { state payments { state } } }";
            let now = world.gql(Some(&buyer), document, json!({ "id": order })).await.good();
            assert_eq!(now.data("order"), json!({ "state": "PAID", "payments": [{ "state": "CAPTURED" }] }));
        }
    });
}

/// One tab gives the payment up while another takes the last step of it: either the order is paid and collected, or the
/// payment is cancelled and nothing is sold. Never are there tickets for an authorisation that was given back.
#[test]
fn a_payment_given_up_while_it_is_sold_is_one_or_the_other() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let sandbox = world.app.payment.sandbox.clone().expect("the sandbox");
        let confirm = "mutation($id: ID!) { confirmPayment(input: { paymentId: $id }) { errors { code } } }";
        let cancel = "mutation($id: ID!) { cancelPayment(input: { paymentId: $id }) { errors { code } } }";
        for seat in &stage.seats {
            let buyer = world.guest().await;
            let reservation = world.reserve(&buyer, &stage.event, &[seat]).await;
            let order = world.checkout(&buyer, &[&reservation]).await;
            let asked = world.pay(&buyer, &order, "pm_card_authenticationRequired", "either-or").await.good();
            let url = asked.text("payOrder.payment.nextActionUrl");
            sandbox.authenticate(url.rsplit('/').next().expect("an intent"), true).await.expect("answered");
            let id = asked.text("payOrder.payment.id");
            let asks =
                [confirm, cancel, confirm].map(|ask| world.gql(Some(&buyer), ask, json!({ "id": id })));
            join_all(asks).await;
            let document = "query($id: ID!) { order(id: $id) { state payments { state } } }";
            let now = world.gql(Some(&buyer), document, json!({ "id": order })).await.good().data("order");
            let paid = json!({ "state": "PAID", "payments": [{ "state": "CAPTURED" }] });
            let cancelled = json!({ "state": "AWAITING_PAYMENT", "payments": [{ "state": "CANCELLED" }] });
            assert!(now == paid || now == cancelled, "{now}");
        }
    });
}

/// Whoever repeats a key at once must not stand in the way of others, and is answered as the first was.
#[test]
fn repeated_keys_do_not_starve_the_neighbours() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let event = world.only_event().await;
        let (impatient, others) = (viewers(world, 1).await.remove(0), viewers(world, 20).await);
        let repeated = (0..40).map(|_| {
            let (app, viewer) = (world.app.clone(), impatient);
            let pick = Pick::Admission { area: 0, quantity: 1 };
            let reserve = Reserve { event, pick, key: "again-and-again".to_owned() };
            world.app.spawn(async move {
                inventory::reserve(&app, &viewer, reserve).await.map(|made| made.snapshot.id)
            })
        });
        let honest = others.into_iter().enumerate().map(|(index, viewer)| {
            let app = world.app.clone();
            let pick = Pick::Seats(vec![u32::try_from(index).expect("few")]);
            let reserve = Reserve { event, pick, key: format!("honest-buyer-{index}") };
            world.app.spawn(async move {
                inventory::reserve(&app, &viewer, reserve).await.map(|made| made.snapshot.id)
            })
        });
        // The honest ones first: while the first of them is committed, the others and all repetitions pile up together.
        let (honest, repeated) = (honest.collect::<Vec<_>>(), repeated.collect::<Vec<_>>());
        for made in join_all(honest).await {
            made.expect("no panic").expect("reserved");
        }
        let ids: Vec<_> = join_all(repeated)
            .await
            .into_iter()
            .map(|made| made.expect("no panic").expect("the same answer"))
            .collect();
        assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "one reservation for one key");
        assert_eq!(stage.seats.len(), 30);
    });
}

/// Several scanners at once, same ticket: one lets in.
#[test]
fn a_ticket_admits_exactly_once() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.user("buyer").await;
        let order = world.buy(&buyer, &stage.event, &[&stage.seats[0], &stage.seats[1]]).await;
        let document = "query($id: ID!) { order(id: $id) { tickets { code } } }";
        let tickets = world.gql(Some(&buyer), document, json!({ "id": order })).await.good();
        for ticket in 0..2 {
            let code = Arc::new(tickets.text(&format!("order.tickets.{ticket}.code")));
            let scan = "mutation($code: String!) { checkIn(input: { code: $code }) {
                ticket { state } errors { code earlierCheckIn { at } } } }";
            let scans =
                join_all((0..8).map(|_| world.gql(Some(&stage.vendor), scan, json!({ "code": *code }))))
                    .await;
            let admitted =
                scans.iter().filter(|scan| scan.data("checkIn.ticket.state") == "CHECKED_IN").count();
            let used = scans.iter().filter(|scan| scan.refusal("checkIn").as_deref() == Some("USED")).count();
            assert_eq!((admitted, used), (1, 7));
        }
    });
}
