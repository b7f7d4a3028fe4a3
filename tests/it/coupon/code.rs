//! Codes of claims: shown, shared, and redeemed at a counter.

use futures_util::future::join_all;
use serde_json::{Value, json};
use test_case::test_case;

use crate::support::Database::{self, Postgres, Sqlite};
use crate::support::{Answer, World, run_on};

const REDEEM: &str = "mutation($shop: ID, $code: String!, $amount: MoneyInput, $key: String!) {
    redeemClaim(input: { shopId: $shop, code: $code, amount: $amount, idempotencyKey: $key }) {
        claim { id status balance { amount } } amount { amount } redeemedAt
        errors { code message path balance { amount currency } availableAt retryAfterMs } } }";

/// Redeems at a counter.
pub(crate) async fn redeem(world: &World, token: &str, input: Value) -> Answer {
    world.gql(Some(token), REDEEM, input).await
}

async fn share(world: &World, token: &str, claim: &str) -> Answer {
    let document =
        "mutation($id: ID!) { shareClaim(input: { claimId: $id }) { token expiresAt errors { code } } }";
    world.gql(Some(token), document, json!({ "id": claim })).await
}

async fn accept(world: &World, token: &str, offer: &str) -> Answer {
    let document = "mutation($token: String!) { acceptClaim(input: { token: $token }) {
        claim { id status code } errors { code } } }";
    world.gql(Some(token), document, json!({ "token": offer })).await
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn a_code_is_shown_as_pictures_to_its_holder(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let id = world.published(&stage, json!({})).await;
        let buyer = world.guest().await;
        let (claim, _) = world.claim(&buyer, &id).await;
        let document =
            "query($id: ID!) { claim(id: $id) { code qrSvg qrPng barcodeSvg barcodePng shareable } }";
        let seen = world.gql(Some(&buyer), document, json!({ "id": claim })).await.good();
        for field in ["qrSvg", "barcodeSvg"] {
            assert!(seen.text(&format!("claim.{field}")).starts_with("<svg "), "{field}");
        }
        for field in ["qrPng", "barcodePng"] {
            assert!(seen.text(&format!("claim.{field}")).starts_with("iVBORw0KGgo"), "{field}");
        }
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn a_claim_is_given_away_once_and_the_old_code_dies(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let personal = world.published(&stage, json!({})).await;
        let id = world.published(&stage, json!({ "shareable": true, "stock": 1 })).await;
        let (giver, taker, third) = (world.guest().await, world.guest().await, world.guest().await);
        let (own, _) = world.claim(&giver, &personal).await;
        assert_eq!(share(world, &giver, &own).await.refusal("shareClaim").as_deref(), Some("PERSONAL"));
        let (claim, code) = world.claim(&giver, &id).await;
        assert_eq!(share(world, &taker, &claim).await.refusal("shareClaim").as_deref(), Some("NOT_FOUND"));
        let void = share(world, &giver, &claim).await.good().text("shareClaim.token");
        let offer = share(world, &giver, &claim).await.good().text("shareClaim.token");
        assert_eq!(accept(world, &taker, &void).await.refusal("acceptClaim").as_deref(), Some("OFFER_GONE"));
        // Until somebody accepts it is the giver's.
        assert_eq!(accept(world, &giver, &offer).await.good().text("acceptClaim.claim.id"), claim);
        let accepted = accept(world, &taker, &offer).await.good();
        let new = accepted.text("acceptClaim.claim.code");
        assert_ne!(new, code);
        assert_eq!(accept(world, &taker, &offer).await.good().text("acceptClaim.claim.code"), new, "again");
        // What becomes of it is not the giver's to know, by the key that it was claimed under either.
        let replayed = world.try_claim(&giver, &id, &format!("claim-{id}")).await;
        assert_eq!(replayed.refusal("claimCoupon").as_deref(), Some("GONE"));
        for late in [&third, &giver] {
            assert_eq!(
                accept(world, late, &offer).await.refusal("acceptClaim").as_deref(),
                Some("OFFER_GONE")
            );
        }
        assert_eq!(
            accept(world, &third, "co_nonsense").await.refusal("acceptClaim").as_deref(),
            Some("OFFER_GONE")
        );
        let at_counter = |code: &str, key: &str| json!({ "shop": stage.shop, "code": code, "key": key });
        let old = redeem(world, &stage.vendor, at_counter(&code, "the-old-code")).await;
        assert_eq!(old.refusal("redeemClaim").as_deref(), Some("UNKNOWN_CODE"));
        redeem(world, &stage.vendor, at_counter(&new, "the-new-code")).await.good();
        assert_eq!(share(world, &taker, &claim).await.refusal("shareClaim").as_deref(), Some("USED"));
        let bag = "{ viewer { bag { claims { nodes { id } } } } }";
        let bag = async |token: &str| {
            world.gql(Some(token), bag, json!({})).await.good().data("viewer.bag.claims.nodes")
        };
        assert_eq!(bag(&giver).await.as_array().map(Vec::len), Some(1));
        assert_eq!(bag(&taker).await, json!([{ "id": claim }]));
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn one_of_many_concurrent_accepts_gets_the_claim(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let id = world.published(&stage, json!({ "shareable": true, "limitPerBuyer": 9 })).await;
        let giver = world.guest().await;
        for round in 0..5 {
            let claimed = world.try_claim(&giver, &id, &format!("the-round-{round}")).await.good();
            let claim = claimed.text("claimCoupon.claim.id");
            let offer = share(world, &giver, &claim).await.good().text("shareClaim.token");
            let mut takers = Vec::new();
            for _ in 0..12 {
                takers.push(world.guest().await);
            }
            let answers = join_all(takers.iter().map(|taker| accept(world, taker, &offer))).await;
            let won = answers.iter().filter(|answer| answer.refusal("acceptClaim").is_none()).count();
            assert_eq!(won, 1, "{answers:?}");
        }
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn a_claim_is_redeemed_once_by_the_shops_own_scanners(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let id = world.published(&stage, json!({ "kind": "FREE_ITEM", "amount": null })).await;
        let buyer = world.guest().await;
        let (claim, code) = world.claim(&buyer, &id).await;
        let scanner = world.user("scanner").await;
        let with = |code: &str, key: &str| json!({ "shop": stage.shop, "code": code, "key": key });
        let none = redeem(world, &scanner, with(&code, "no-role-yet")).await;
        assert_eq!(none.code().as_deref(), Some("FORBIDDEN"), "{}", none.body);
        let member =
            "mutation($shop: ID!, $version: Long!) { setShopMember(input: { shopId: $shop, expectedVersion: $version, email: \"scanner@tessera.test\",
            role: SCANNER }) { member { role } errors { code } } }";
        let version = world.shop_version(&stage.shop).await;
        world
            .gql(Some(&stage.vendor), member, json!({ "shop": stage.shop, "version": version }))
            .await
            .good();
        let spelt = code.to_lowercase().replace('-', " ");
        let partly = json!({ "shop": stage.shop, "code": code, "key": "in-part-key", "amount": { "amount": "1.00", "currency": "EUR" } });
        assert_eq!(redeem(world, &scanner, partly).await.refusal("redeemClaim").as_deref(), Some("INVALID"));
        let first = redeem(world, &scanner, with(&spelt, "the-scan-key")).await.good();
        assert_eq!(first.data("redeemClaim.claim.status"), "REDEEMED");
        let again = redeem(world, &scanner, with(&spelt, "the-scan-key")).await.good();
        // The scanner may not read the code.
        let asked = REDEEM.replace("claim { id ", "claim { id code ");
        let asked = world.gql(Some(&scanner), &asked, with(&spelt, "the-scan-key")).await;
        assert_eq!(asked.data("redeemClaim.claim.id"), first.data("redeemClaim.claim.id"));
        assert_eq!(asked.data("redeemClaim.claim.code"), Value::Null);
        assert_eq!(asked.code().as_deref(), Some("FORBIDDEN"), "{}", asked.body);
        assert_eq!(again.data("redeemClaim.redeemedAt"), first.data("redeemClaim.redeemedAt"));
        let twice = redeem(world, &scanner, with(&code, "another-scan")).await;
        assert_eq!(twice.refusal("redeemClaim").as_deref(), Some("USED"));
        let release = "mutation($id: ID!) { releaseClaim(input: { claimId: $id }) { errors { code } } }";
        let released = world.gql(Some(&buyer), release, json!({ "id": claim })).await;
        assert_eq!(released.refusal("releaseClaim").as_deref(), Some("USED"));
        // To another shop's scanner it is as unknown as nonsense.
        let other = world.user("other").await;
        let shop = "mutation { createShop(input: { name: \"Other\", currency: \"EUR\" }) { shop { id } errors { code } } }";
        let shop = world.gql(Some(&other), shop, json!({})).await.good().text("createShop.shop.id");
        for (code, key) in [(code.as_str(), "foreign-code"), ("SUMMER-10", "nonsense-code")] {
            let foreign = redeem(world, &other, json!({ "shop": shop, "code": code, "key": key })).await;
            assert_eq!(foreign.refusal("redeemClaim").as_deref(), Some("UNKNOWN_CODE"));
            assert_eq!(foreign.data("redeemClaim.errors.0.message"), "there is no such code");
        }
        // Whoever names no shop has ten wrong codes in an hour.
        for guess in 0..10 {
            let wrong = json!({ "code": format!("GUESS{guess}"), "key": format!("guess-{guess}-key") });
            assert_eq!(
                redeem(world, &other, wrong).await.refusal("redeemClaim").as_deref(),
                Some("UNKNOWN_CODE")
            );
        }
        let eleventh = redeem(world, &other, json!({ "code": "GUESS10", "key": "guess-10-key" })).await;
        assert_eq!(eleventh.refusal("redeemClaim").as_deref(), Some("TOO_MANY_ATTEMPTS"));
        let named =
            redeem(world, &other, json!({ "shop": shop, "code": "GUESS10", "key": "guess-11-key" })).await;
        assert_eq!(named.refusal("redeemClaim").as_deref(), Some("UNKNOWN_CODE"), "at its own counter");
    });
}

/// Coupon redeemed n times by parallel requests (F22).
#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn a_claim_is_redeemed_once_however_many_scan_it_at_once(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let id = world.published(&stage, json!({ "limitPerBuyer": 20 })).await;
        let second = World::of(world.second().await, world.backend, &world.url);
        let buyer = world.guest().await;
        for round in 0..8 {
            let claimed = world.try_claim(&buyer, &id, &format!("the-round-{round}")).await.good();
            let code = claimed.text("claimCoupon.claim.code");
            let scans = (0..24).map(|scan| {
                let at = if scan % 2 == 0 { world } else { &second };
                let input =
                    json!({ "shop": stage.shop, "code": code, "key": format!("scan-{round}-{scan}") });
                redeem(at, &stage.vendor, input)
            });
            let answers = join_all(scans).await;
            let good = answers
                .iter()
                .filter(|answer| answer.refusal("redeemClaim").is_none() && answer.code().is_none());
            assert_eq!(good.count(), 1, "{answers:?}");
        }
        tessera::server::close(second.app, std::time::Duration::from_secs(5)).await;
    });
}

/// The same scan sent twice at once is one redemption, and both hear of it.
#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn the_same_scan_at_once_is_answered_alike(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let id = world.published(&stage, json!({ "limitPerBuyer": 20 })).await;
        let second = World::of(world.second().await, world.backend, &world.url);
        let buyer = world.guest().await;
        for round in 0..8 {
            let claimed = world.try_claim(&buyer, &id, &format!("the-round-{round}")).await.good();
            let code = claimed.text("claimCoupon.claim.code");
            let scans = (0..12).map(|scan: usize| {
                let at = if scan.is_multiple_of(2) { world } else { &second };
                let input = json!({ "shop": stage.shop, "code": code, "key": format!("one-scan-{round}") });
                redeem(at, &stage.vendor, input)
            });
            for answer in join_all(scans).await {
                assert_eq!(answer.good().text("redeemClaim.claim.status"), "REDEEMED");
            }
        }
        tessera::server::close(second.app, std::time::Duration::from_secs(5)).await;
    });
}

/// A code that is scanned while its claim is given away: either it was used in time, or it is dead.
#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn the_old_code_is_not_good_while_its_claim_is_given_away(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let id = world.published(&stage, json!({ "limitPerBuyer": 40, "shareable": true })).await;
        let second = World::of(world.second().await, world.backend, &world.url);
        let (buyer, friend) = (world.guest().await, world.guest().await);
        for round in 0..24 {
            let claimed = world.try_claim(&buyer, &id, &format!("the-round-{round}")).await.good();
            let (claim, code) =
                (claimed.text("claimCoupon.claim.id"), claimed.text("claimCoupon.claim.code"));
            let token = share(world, &buyer, &claim).await.good().text("shareClaim.token");
            let input = json!({ "shop": stage.shop, "code": code, "key": format!("scan-{round}") });
            let (accepted, scanned) =
                tokio::join!(accept(world, &friend, &token), redeem(&second, &stage.vendor, input));
            let (given, used) = (accepted.refusal("acceptClaim"), scanned.refusal("redeemClaim"));
            assert_ne!(given.is_none(), used.is_none(), "{} {}", accepted.body, scanned.body);
        }
        tessera::server::close(second.app, std::time::Duration::from_secs(5)).await;
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn a_gift_card_is_used_in_part_and_never_overdrawn(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let id = world
            .published(
                &stage,
                json!({ "kind": "GIFT_CARD", "amount": { "amount": "50.00", "currency": "EUR" } }),
            )
            .await;
        let buyer = world.guest().await;
        let (claim, code) = world.claim(&buyer, &id).await;
        let pay = |amount: &str, key: &str| {
            json!({ "shop": stage.shop, "code": code, "key": key,
            "amount": { "amount": amount, "currency": "EUR" } })
        };
        let whole = json!({ "shop": stage.shop, "code": code, "key": "without-amount" });
        assert_eq!(
            redeem(world, &stage.vendor, whole).await.refusal("redeemClaim").as_deref(),
            Some("INVALID")
        );
        let first = redeem(world, &stage.vendor, pay("20.00", "first-purchase")).await.good();
        assert_eq!(first.data("redeemClaim.claim.balance.amount"), "30.00");
        assert_eq!(first.data("redeemClaim.claim.status"), "CLAIMED");
        redeem(world, &stage.vendor, pay("20.00", "first-purchase")).await.good();
        let over = redeem(world, &stage.vendor, pay("30.01", "too-much-key")).await;
        assert_eq!(over.refusal("redeemClaim").as_deref(), Some("BALANCE_TOO_LOW"));
        assert_eq!(
            over.data("redeemClaim.errors.0.balance"),
            json!({ "amount": "30.00", "currency": "EUR" })
        );
        // Ten counters take five each at once: six of them can.
        let keys: Vec<String> = (0..10).map(|counter| format!("counter-{counter}")).collect();
        let answers = join_all(keys.iter().map(|key| redeem(world, &stage.vendor, pay("5.00", key)))).await;
        let mut good = answers
            .iter()
            .filter(|answer| answer.refusal("redeemClaim").is_none() && answer.code().is_none())
            .count();
        for (key, answer) in keys.iter().zip(&answers) {
            // Whoever was told to come back does.
            if answer.code().is_some() {
                good += usize::from(
                    redeem(world, &stage.vendor, pay("5.00", key)).await.refusal("redeemClaim").is_none(),
                );
            }
        }
        assert_eq!(good, 6, "{answers:?}");
        let seen = "query($id: ID!) { claim(id: $id) { status balance { amount } code } }";
        let seen = world.gql(Some(&buyer), seen, json!({ "id": claim })).await.good();
        assert_eq!(
            seen.data("claim"),
            json!({ "status": "REDEEMED", "balance": { "amount": "0.00" }, "code": null })
        );
    });
}
