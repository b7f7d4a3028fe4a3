//! Many at once for one coupon: never more than there are, never more than one may have.

use std::sync::Arc;

use entity::CouponId;
use futures_util::future::join_all;
use serde_json::json;
use tessera::{
    app::App,
    auth::{self, Viewer},
    coupon::claim::{self, ClaimCoupon, Refusal},
    error::Error,
};
use tokio::sync::Barrier;

use crate::support::{World, run};

const CLIENTS: usize = 1_000;
const STOCK: usize = 50;

async fn only_coupon(world: &World) -> CouponId {
    use sea_orm::EntityTrait;
    let coupons = entity::coupon::Entity::find().all(world.app.store.read()).await.expect("coupons");
    assert_eq!(coupons.len(), 1);
    coupons[0].id
}

/// Accounts are made past the API: it would hash a thousand tokens first.
async fn clients(world: &World) -> Vec<Viewer> {
    let mut clients = Vec::with_capacity(CLIENTS);
    for _ in 0..CLIENTS {
        let Ok(session) = tessera::account::create_guest(&world.app).await else { panic!("no guest") };
        let viewer = auth::authenticate(&world.app, Some(&session.access_token)).await.expect("a viewer");
        clients.push(viewer);
    }
    clients
}

/// Each client sends its claim three times at once, twice under one key: in bursts of a hundred clients.
async fn storm(apps: &[App], clients: &[Viewer], coupon: CouponId) -> (usize, usize) {
    let (mut claimed, mut refused) = (0, 0);
    for (burst, clients) in clients.chunks(100).enumerate() {
        let start = Arc::new(Barrier::new(clients.len() * 3));
        let tries = clients
            .iter()
            .enumerate()
            .flat_map(|(index, viewer)| (0..3).map(move |attempt| (index, viewer.clone(), attempt)));
        let tries = tries.map(|(index, viewer, attempt)| {
            let app = apps[(index + attempt + burst) % apps.len()].clone();
            let (start, spawner) = (start.clone(), app.clone());
            let key = format!("storm-{}", if attempt == 2 { "other" } else { "same" });
            spawner.spawn(async move {
                start.wait().await;
                // Whoever is told to come back, comes back.
                loop {
                    let input = ClaimCoupon { coupon, key: key.clone() };
                    match claim::claim(&app, &viewer, input).await {
                        Ok(claim) => return Some(claim.id),
                        Err(Error::Refused(Refusal::SoldOut { .. } | Refusal::LimitReached { .. })) => {
                            return None;
                        }
                        Err(Error::Fault(
                            tessera::error::Fault::Overloaded { .. } | tessera::error::Fault::Unavailable,
                        )) => tokio::task::yield_now().await,
                        Err(error) => panic!("{error:?}"),
                    }
                }
            })
        });
        let answers = join_all(tries.collect::<Vec<_>>()).await;
        let answers: Vec<_> = answers.into_iter().map(|answer| answer.expect("no panic")).collect();
        for three in answers.chunks(3) {
            let mut own: Vec<_> = three.iter().flatten().collect();
            own.sort();
            own.dedup();
            assert!(own.len() <= 1, "one client has {} claims", own.len());
            claimed += own.len();
            refused += three.iter().filter(|answer| answer.is_none()).count();
        }
    }
    (claimed, refused)
}

#[test]
fn of_a_thousand_clients_exactly_fifty_get_one_each() {
    run(async |world: &World| {
        let stage = world.stage().await;
        world.published(&stage, json!({ "stock": STOCK })).await;
        let (coupon, clients) = (only_coupon(world).await, clients(world).await);
        let (claimed, refused) = storm(std::slice::from_ref(&world.app), &clients, coupon).await;
        assert_eq!(claimed, STOCK);
        assert!(refused >= 2 * (CLIENTS - STOCK), "{refused} refused");
    });
}

#[test]
fn nor_do_two_instances_give_out_more() {
    run(async |world: &World| {
        let stage = world.stage().await;
        world.published(&stage, json!({ "stock": STOCK })).await;
        let (coupon, clients) = (only_coupon(world).await, clients(world).await);
        let second = world.second().await;
        let (claimed, _) = storm(&[world.app.clone(), second.clone()], &clients, coupon).await;
        assert_eq!(claimed, STOCK);
        tessera::server::close(second, std::time::Duration::from_secs(10)).await;
    });
}
