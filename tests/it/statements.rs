//! How many statements lists take: as many for twenty nodes as for two.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use entity::coupon::CouponKind;
use serde_json::json;
use tessera::{app::App, store::Store};

use crate::support::{World, run};

const COUPONS: &str = "query($first: Int!) { coupons(first: $first) { totalCount nodes { id title left viewerTaken
    viewerMayClaim viewerClaims(first: 3) { id code terms { kind } } stages { created claimed } budget { amount }
    appliesTo { ... on Event { name } ... on Tier { name } ... on Category { name } } shop { name } category { name } product { name } event { name } } } }";
const BAG: &str = "query($first: Int!) { viewer { bag { claims(first: $first) { nodes { id state code title
    coupon { title shop { name } stages { claimed } } order { number state total { amount }
        lines { label event { name } } discounts { label claim { id } coupon { title } } claims { id code } shop { name } }
    } } } } }";
const ORDERS: &str = "query($first: Int!) { viewer { orders(first: $first) { nodes { number
    lines { label event { name } coupon { title } } discounts { label claim { id } coupon { title } }
    claims { id code coupon { title } } shop { name } } } } }";

/// A second application on the world's database, whose reads are counted.
async fn counted(world: &World) -> (World, Arc<AtomicU64>) {
    let mut store = Store::connect(&world.url, 4).await.expect("a database");
    let count = store.count_reads();
    let app = &world.app;
    let app = App::new(app.config.clone(), store, app.clock.clone(), app.keys.clone()).expect("an app");
    (World::of(app, world.backend, &world.url), count)
}

#[test]
fn lists_take_as_many_statements_for_twenty_nodes_as_for_two() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let holder = world.guest().await;
        // Twenty coupons, of each of which one is spent in an order of its own, and one is held.
        for number in 0..20 {
            let title = format!("Number {number}");
            let coupon = world
                .coupon(|coupon| {
                    coupon.title.clone_from(&title);
                    (coupon.kind, coupon.amount_minor) = (CouponKind::AmountOff, Some(100));
                })
                .await;
            // The newest come first, so that any two nodes have all that twenty have.
            world.given_claim(&coupon, &holder).await;
            world.advance(Duration::from_millis(1));
            let spent = world.given_claim(&coupon, &holder).await;
            let event =
                world.event(&stage.vendor, (&stage.shop, &stage.venue, &stage.category), &title).await;
            let key = format!("reserve-number-{number}");
            let reserved = world.try_reserve(&holder, &event, &[&stage.seats[0]], &key).await.good();
            let own = reserved.text("reserveSeats.reservation.id");
            world.spend(&holder, &[&own], &[&spent], &title).await.good();
            world.advance(Duration::from_millis(1));
        }
        let (counting, count) = counted(world).await;
        for (name, document, token, list) in [
            ("coupons of everybody", COUPONS, &holder, "coupons.nodes"),
            ("coupons of the shop", COUPONS, &stage.vendor, "coupons.nodes"),
            ("the bag", BAG, &holder, "viewer.bag.claims.nodes"),
            ("orders", ORDERS, &holder, "viewer.orders.nodes"),
        ] {
            let mut taken = [Vec::new(), Vec::new()];
            for (first, taken) in [2, 20].into_iter().zip(&mut taken) {
                for _ in 0..5 {
                    // Who asks is known from now on, for a moment.
                    counting.gql(Some(token), "{ viewer { account { id } } }", json!({})).await.good();
                    count.store(0, Relaxed);
                    let answer = counting.gql(Some(token), document, json!({ "first": first })).await.good();
                    assert_eq!(answer.data(list).as_array().map(Vec::len), Some(first), "{name}");
                    taken.push(count.load(Relaxed));
                }
            }
            // What two fields want of the same kind is one statement if what leads to it comes back at the same time:
            // so a few more or less, by chance, but never one for each node.
            let [two, twenty] = taken;
            assert!(two.iter().all(|taken| *taken > 2), "{name}: {two:?}");
            assert!(
                twenty.iter().min() <= two.iter().max(),
                "{name}: {twenty:?} for twenty, {two:?} for two"
            );
        }
        counting.end().await;
    });
}
