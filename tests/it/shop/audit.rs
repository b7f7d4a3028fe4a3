//! The audit log: one permanent row for each change of permissions or money, visible to the managers of the shop.

use entity::audit::{self, Action, Actor};
use sea_orm::{ConnectionTrait, EntityTrait, QueryOrder};
use serde_json::{Value, json};
use test_case::test_case;

use crate::support::Database::{self, Postgres, Sqlite};
use crate::support::{World, run_on};

async fn rows(world: &World) -> Vec<audit::Model> {
    let rows = audit::Entity::find().order_by_asc(audit::Column::Position).all(world.app.store.read()).await;
    rows.expect("rows")
}

async fn open_shop(world: &World, owner: &str) -> String {
    let document = "mutation { createShop(input: { name: \"The Hall\", currency: \"EUR\" }) {
        shop { id } errors { code } } }";
    world.gql(Some(owner), document, json!({})).await.good().text("createShop.shop.id")
}

fn details(row: &audit::Model) -> Value {
    serde_json::from_str(&row.details).expect("JSON")
}

const LOG: &str = "query($id: ID!, $after: String) { shop(id: $id) { auditLog(first: 2, after: $after) {
    nodes { id at action actor accountId objectId requestId details }
    pageInfo { hasNextPage endCursor } } } }";

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn member_changes_are_recorded_with_their_actor(database: Database) {
    run_on(database, async |world| {
        let owner = world.user("owner").await;
        let colleague = world.user("colleague").await;
        let shop = open_shop(world, &owner).await;
        let set = "mutation($shop: ID!, $version: Long!, $role: ShopRole!) { setShopMember(input: { shopId: $shop,
            expectedVersion: $version, email: \"colleague@tessera.test\", role: $role }) { member { accountId } errors { code } } }";
        for role in ["SELLER", "SELLER", "MANAGER"] {
            let version = world.shop_version(&shop).await;
            let input = json!({ "shop": shop, "version": version, "role": role });
            world.gql(Some(&owner), set, input).await.good();
        }
        let account = world.gql(Some(&colleague), "{ viewer { account { id } } }", json!({})).await;
        let account = account.text("viewer.account.id");
        let version = world.shop_version(&shop).await;
        let remove =
            "mutation($shop: ID!, $version: Long!, $account: ID!) { removeShopMember(input: { shopId: $shop,
            expectedVersion: $version, accountId: $account }) { shop { id } errors { code } } }";
        world
            .gql(Some(&owner), remove, json!({ "shop": shop, "version": version, "account": account }))
            .await
            .good();

        let rows = rows(world).await;
        let actions: Vec<Action> = rows.iter().map(|row| row.action).collect();
        let expected =
            [Action::ShopCreated, Action::MemberAdded, Action::MemberRoleChanged, Action::MemberRemoved];
        assert_eq!(actions, expected, "no row for a role that did not change");
        assert!(rows.iter().all(|row| row.actor == Actor::Account && row.account_id.is_some()));
        assert!(rows.iter().all(|row| row.request_id.is_some()), "{rows:?}");
        assert_eq!(details(&rows[2]), json!({ "from": "seller", "to": "manager" }));
        assert!(!format!("{rows:?}").contains("tessera.test"), "no addresses");

        let page = world.gql(Some(&owner), LOG, json!({ "id": shop })).await.good();
        assert_eq!(page.text("shop.auditLog.nodes.0.action"), "MEMBER_REMOVED");
        assert_eq!(page.text("shop.auditLog.nodes.0.objectId"), account);
        let cursor = page.text("shop.auditLog.pageInfo.endCursor");
        let next = world.gql(Some(&owner), LOG, json!({ "id": shop, "after": cursor })).await.good();
        assert_eq!(next.text("shop.auditLog.nodes.1.action"), "SHOP_CREATED");
        for stranger in [Some(colleague.as_str()), None] {
            let refused = world.gql(stranger, LOG, json!({ "id": shop })).await;
            let code = if stranger.is_some() { "FORBIDDEN" } else { "UNAUTHENTICATED" };
            assert_eq!(refused.code().as_deref(), Some(code));
        }
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn money_that_moves_is_recorded_with_its_amount(database: Database) {
    run_on(database, async |world| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let order = world.buy(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let refund =
            "mutation($order: ID!) { refundOrder(input: { orderId: $order, idempotencyKey: \"refund-1\" }) {
            refund { amount { amount } } errors { code } } }";
        world.gql(Some(&buyer), refund, json!({ "order": order })).await.good();
        let rows = rows(world).await;
        let of = |action| rows.iter().filter(move |row| row.action == action).collect::<Vec<_>>();
        let [captured, asked, refunded] =
            [Action::PaymentCaptured, Action::RefundRequested, Action::PaymentRefunded].map(of);
        assert_eq!([captured.len(), asked.len(), refunded.len()], [1, 1, 1], "{rows:?}");
        let amounts = [captured[0], asked[0], refunded[0]].map(|row| details(row)["amount"].clone());
        assert!(amounts[0].as_i64().is_some_and(|amount| amount > 0));
        assert_eq!(amounts[0], amounts[1]);
        assert_eq!(amounts[0], amounts[2]);
        assert_eq!((captured[0].actor, asked[0].actor), (Actor::Server, Actor::Account));
        let page = world.gql(Some(&stage.vendor), LOG, json!({ "id": stage.shop })).await.good();
        let shown: Value = serde_json::from_str(&page.text("shop.auditLog.nodes.0.details")).expect("JSON");
        assert_eq!(shown["amount"], json!({ "amount": "21.00", "currency": "EUR" }), "not in minor units");
        let made = of(Action::TierCreated);
        assert!(!made.is_empty() && made.iter().all(|row| row.shop_id == captured[0].shop_id), "{rows:?}");
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn rows_of_the_audit_log_cannot_be_changed_or_deleted(database: Database) {
    run_on(database, async |world| {
        let owner = world.user("owner").await;
        open_shop(world, &owner).await;
        let tx = |sql: &'static str| async move {
            let tx = world.app.store.begin().await.expect("begun");
            let result = tx.execute_unprepared(sql).await;
            drop(tx);
            result.expect_err(sql).to_string()
        };
        for sql in ["UPDATE audit SET details = '{}'", "DELETE FROM audit"] {
            let error = tx(sql).await;
            assert!(error.contains("append-only"), "{sql}: {error}");
        }
        assert_eq!(rows(world).await.len(), 1);
    });
}
