//! Overdue orders without a worker: their places are free for others. A worker that cannot end some orders continues
//! with the next ones.

use std::time::Duration;

use entity::{
    OrderId,
    claim::ClaimState,
    order::{self, OrderState, discount},
};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};
use serde_json::json;
use test_case::test_case;

use crate::support::Database::{self, Postgres, Sqlite};
use crate::support::{World, coupons::ClaimHandle, given::Stage, run_on};

const SHARE: &str = "mutation($id: ID!) { shareClaim(input: { claimId: $id }) { token errors { code } } }";
const REDEEM: &str = "mutation($shop: ID!, $code: String!) {
    redeemClaim(input: { shopId: $shop, code: $code, idempotencyKey: $code }) {
        claim { status } errors { code } } }";
const MINUTE_MORE_THAN_A_RESERVATION: Duration = Duration::from_mins(11);

/// A claim in an order that nobody will pay, and the order.
async fn bound(world: &World, stage: &Stage, seat: usize, key: &str) -> (String, ClaimHandle, String) {
    let buyer = world.guest().await;
    let coupon = world.coupon(|coupon| coupon.shareable = true).await;
    let held = world.given_claim(&coupon, &buyer).await;
    let reservation = world.reserve(&buyer, &stage.event, &[&stage.seats[seat]]).await;
    let made = world.spend(&buyer, &[&reservation], &[&held], key).await.good();
    (buyer, held, made.text("checkout.order.id"))
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn a_claim_is_its_holders_as_soon_as_its_order_is_overdue(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let (giver, present, _) = bound(world, &stage, 0, "to-give").await;
        let (_, scanned, _) = bound(world, &stage, 1, "to-scan").await;
        let (spender, spent, _) = bound(world, &stage, 2, "to-spend").await;
        let (_, coded, _) = bound(world, &stage, 3, "to-type").await;
        let early = world.gql(Some(&giver), SHARE, json!({ "id": present.text })).await;
        assert_eq!(early.refusal("shareClaim").as_deref(), Some("IN_ORDER"));
        let input = json!({ "shop": stage.shop, "code": scanned.code });
        let early = world.gql(Some(&stage.vendor), REDEEM, input.clone()).await;
        assert_eq!(early.refusal("redeemClaim").as_deref(), Some("IN_ORDER"));
        world.advance(MINUTE_MORE_THAN_A_RESERVATION);
        world.gql(Some(&giver), SHARE, json!({ "id": present.text })).await.good();
        let redeemed = world.gql(Some(&stage.vendor), REDEEM, input).await.good();
        assert_eq!(redeemed.data("redeemClaim.claim.status"), "REDEEMED");
        let friend = world.guest().await;
        let reservation = world.reserve(&friend, &stage.event, &[&stage.seats[5]]).await;
        world.spend_codes(&friend, &[&reservation], &[&coded.code], "typed").await.good();
        // Not at the same event: reserving there would let the old reservation lapse.
        let second = world.event(&stage.vendor, stage.place(), "Matinee").await;
        let reservation = world.reserve(&spender, &second, &[&world.places(&second).await.0[0]]).await;
        world.spend(&spender, &[&reservation], &[&spent], "spent-elsewhere").await.good();
    });
}

/// As many orders as one look of the worker takes in are in trouble: the ones behind them end all the same.
#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn orders_that_cannot_be_ended_are_in_nobodys_way(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let (_, held, id) = bound(world, &stage, 0, "the-good-one").await;
        let row = order::Entity::find().one(world.app.store.read()).await.expect("read").expect("an order");
        let discounts = discount::Entity::find().all(world.app.store.read()).await.expect("discounts");
        let bad: Vec<OrderId> =
            (0..120_u128).map(|number| OrderId(uuid::Uuid::from_u128(number + 1))).collect();
        let tx = world.app.store.begin().await.expect("begun");
        for (index, id) in bad.iter().enumerate() {
            // Says that it has a claim which is the good one's.
            let order = order::Model { id: *id, number: format!("BAD-{index}"), ..row.clone() };
            order::Entity::insert(order.into_active_model())
                .exec_without_returning(&tx)
                .await
                .expect("an order");
            let claim = discount::Model { order_id: *id, ..discounts[0].clone() };
            discount::Entity::insert(claim.into_active_model())
                .exec_without_returning(&tx)
                .await
                .expect("a discount");
        }
        tx.commit().await.expect("committed");
        world.advance(MINUTE_MORE_THAN_A_RESERVATION);
        world.work().await;
        let document = "query($id: ID!) { order(id: $id) { state } }";
        let good = world.gql(Some(&stage.vendor), document, json!({ "id": id })).await.good();
        assert_eq!(good.data("order.state"), "EXPIRED");
        assert_eq!(world.claim_row(&held).await.state, ClaimState::Claimed);
        let stuck = order::Entity::find()
            .filter(order::Column::Id.is_in(bad.clone()))
            .filter(order::Column::State.eq(OrderState::AwaitingPayment));
        assert_eq!(stuck.all(world.app.store.read()).await.expect("orders").len(), bad.len());
        let tx = world.app.store.begin().await.expect("begun");
        discount::Entity::delete_many()
            .filter(discount::Column::OrderId.is_in(bad.clone()))
            .exec(&tx)
            .await
            .expect("deleted");
        order::Entity::delete_many().filter(order::Column::Id.is_in(bad)).exec(&tx).await.expect("deleted");
        tx.commit().await.expect("committed");
    });
}
