//! Limits per network: a school class buys, a flood is refused, and guests that own nothing are deleted.

use std::time::Duration;

use chrono::TimeDelta;
use entity::account;
use sea_orm::{ConnectionTrait, EntityTrait, PaginatorTrait, Statement};
use serde_json::json;
use tessera::{guest_pruning::prune_guests, http::Patience};

use crate::support::{
    Answer, World,
    given::{CHECKOUT, GUEST, PAY, RESERVE},
    run,
};

const SCHOOL: &str = "203.0.113.7";
const ELSEWHERE: &str = "198.51.100.20";

async fn guest(world: &World, address: &str) -> Answer {
    world.gql_from(address, None, (GUEST, json!({}))).await
}

#[test]
fn a_school_class_behind_one_address_buys_without_a_refusal() {
    run(async |world: &World| {
        let stage = world.large_stage().await;
        let call = async |token: Option<&str>, document: &str, variables| {
            world.gql_from(SCHOOL, token, (document, variables)).await.good()
        };
        for pupil in 0..30 {
            let guest = call(None, GUEST, json!({})).await;
            let token = guest.text("createGuestSession.session.accessToken");
            call(None, "{ events(first: 20) { nodes { id name seatsLeft } } }", json!({})).await;
            let seats =
                "query($id: ID!) { event(id: $id) { name seatMap { zones { rows { seats { id } } } } } }";
            for _ in 0..5 {
                call(Some(&token), seats, json!({ "id": stage.event })).await;
            }
            let (one, two) = (&stage.seats[2 * pupil], &stage.seats[2 * pupil + 1]);
            let input =
                json!({ "event": stage.event, "seats": [one, two], "key": format!("reserve-{pupil:08}") });
            let reserved = call(Some(&token), RESERVE, input).await;
            let id = reserved.text("reserveSeats.reservation.id");
            let input = json!({ "reservations": [id], "key": format!("checkout-{pupil:08}") });
            let order = call(Some(&token), CHECKOUT, input).await.text("checkout.order.id");
            let input = json!({ "order": order, "method": "pm_card_visa", "key": format!("pay-{pupil:08}") });
            let paid = call(Some(&token), PAY, input).await;
            assert_eq!(paid.data("payOrder.order.state"), "PAID");
        }
        assert!(world.app.limits.refusals().iter().all(|(_, count)| *count == 0));
    });
}

#[test]
fn one_address_makes_sixty_guests_at_once_and_then_one_per_second() {
    run(async |world: &World| {
        for _ in 0..60 {
            guest(world, SCHOOL).await.good();
        }
        let refused = guest(world, SCHOOL).await;
        assert_eq!(refused.code().as_deref(), Some("RATE_LIMITED"), "{}", refused.body);
        assert!(refused.body["errors"][0]["extensions"]["retryAfterMs"].as_u64().is_some());
        guest(world, ELSEWHERE).await.good();
        world.advance(Duration::from_secs(1));
        guest(world, SCHOOL).await.good();
        assert_eq!(guest(world, SCHOOL).await.code().as_deref(), Some("RATE_LIMITED"));
        for host in 1..=61_u32 {
            let answer = guest(world, &format!("2001:db8:0:1::{host:x}")).await;
            assert_eq!(
                answer.code().is_some(),
                host == 61,
                "an IPv6 /64 counts as one address: {}",
                answer.body
            );
        }
        guest(world, "2001:db8:0:2::1").await.good();
        let counted = world.app.limits.refusals();
        assert!(counted.contains(&("network_guests", 3)), "{counted:?}");
        let listed = world.beside(&["--allowed-networks", "203.0.113.0/24"], Patience::default()).await;
        for _ in 0..100 {
            guest(&listed, SCHOOL).await.good();
        }
        listed.end().await;
    });
}

#[test]
fn an_operation_over_its_lane_is_refused_with_a_time_to_come_back() {
    run(async |world: &World| {
        let strict = world.beside(&["--network-sign-in", "3:3"], Patience::default()).await;
        let aliases = "mutation {
            a: refreshSession(input: { refreshToken: \"a\" }) { errors { code } }
            b: refreshSession(input: { refreshToken: \"b\" }) { errors { code } }
            c: refreshSession(input: { refreshToken: \"c\" }) { errors { code } } }";
        let first = strict.gql_from(SCHOOL, None, (aliases, json!({}))).await;
        assert_eq!((first.status, first.code()), (200, None), "{}", first.body);
        let response = strict.http_from(SCHOOL, None, (GUEST, json!({}))).await;
        assert_eq!(response.status(), 429);
        for (name, value) in [
            ("retry-after", "21"),
            ("ratelimit-limit", "3"),
            ("ratelimit-remaining", "0"),
            ("ratelimit-reset", "21"),
            ("ratelimit-policy", "\"network_sign_in\";q=3"),
        ] {
            assert_eq!(response.headers()[name], value, "{name}");
        }
        let refused = guest(&strict, SCHOOL).await;
        assert_eq!(refused.code().as_deref(), Some("RATE_LIMITED"));
        let query = "{ events(first: 1) { nodes { id } } }";
        strict.gql_from(SCHOOL, None, (query, json!({}))).await.good();
        guest(&strict, ELSEWHERE).await.good();
        strict.gql(None, GUEST, json!({})).await.good();
        world.advance(Duration::from_secs(21));
        guest(&strict, SCHOOL).await.good();
        strict.end().await;
    });
}

#[test]
fn unused_guest_accounts_are_deleted_after_a_day() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let coupon = world.published(&stage, json!({ "shareable": true, "limitPerBuyer": 2 })).await;
        for _ in 0..3 {
            world.guest().await;
        }
        let (holder, buyer, claimer, giver) =
            (world.guest().await, world.guest().await, world.guest().await, world.guest().await);
        world.reserve(&holder, &stage.event, &[&stage.seats[0]]).await;
        world.buy(&buyer, &stage.event, &[&stage.seats[1]]).await;
        world.claim(&claimer, &coupon).await;
        let (claim, _) = world.claim(&giver, &coupon).await;
        let document = "mutation($id: ID!) { shareClaim(input: { claimId: $id }) { token errors { code } } }";
        let shared = world.gql(Some(&giver), document, json!({ "id": claim })).await.good();
        let document = "mutation($token: String!) { acceptClaim(input: { token: $token }) { claim { id } errors { code } } }";
        world.gql(Some(&claimer), document, json!({ "token": shared.text("shareClaim.token") })).await.good();
        let refreshed = world
            .gql(
                None,
                "mutation { createGuestSession { session { refreshToken } errors { code } } }",
                json!({}),
            )
            .await
            .good();
        let count = async || account::Entity::find().count(world.app.store.read()).await.expect("a count");
        let before = count().await;
        world.advance(Duration::from_hours(23));
        assert_eq!(prune_guests(&world.app).await.expect("pruned"), 0);
        let document = "mutation($token: String!) { refreshSession(input: { refreshToken: $token }) {
            session { accessToken } errors { code } } }";
        let token = refreshed.text("createGuestSession.session.refreshToken");
        let session = world.gql(None, document, json!({ "token": token })).await.good();
        world.advance(Duration::from_hours(2));
        assert_eq!(prune_guests(&world.app).await.expect("pruned"), 3);
        assert_eq!(count().await, before - 3);
        assert_eq!(prune_guests(&world.app).await.expect("pruned"), 0);
        let token = session.text("refreshSession.session.accessToken");
        let seen = world.gql(Some(&token), "{ viewer { account { kind } } }", json!({})).await;
        // Its access token has ended meanwhile, but the guest is still there until a day after the refresh.
        assert_eq!(seen.code().as_deref(), Some("UNAUTHENTICATED"));
        world.advance(TimeDelta::hours(24).to_std().expect("a time"));
        assert_eq!(prune_guests(&world.app).await.expect("pruned"), 1);
    });
}

#[test]
fn every_reference_to_accounts_keeps_a_guest() {
    run(async |world: &World| {
        let db = world.app.store.read();
        let sql = match world.backend {
            "SQLite" => {
                "SELECT count(*) AS n FROM sqlite_master AS m, pragma_foreign_key_list(m.name) AS f
                    WHERE m.type = 'table' AND f.\"table\" = 'account'"
            }
            _ => {
                "SELECT count(*) AS n FROM pg_constraint WHERE contype = 'f' AND confrelid = 'account'::regclass"
            }
        };
        let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await;
        let count: i64 = row.expect("a query").expect("a row").try_get("", "n").expect("a number");
        // Sessions, and the thirteen that src/guest_pruning.rs lists: a new one must be added there.
        assert_eq!(count, 14);
    });
}
