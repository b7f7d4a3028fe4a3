//! Codes: shown, given away, redeemed at a counter, uploaded and given out.

use axum::{
    body::{Body, to_bytes},
    http::Request,
};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Answer, World, given::Stage, run};

const REDEEM: &str = "mutation($shop: ID, $code: String!, $amount: MoneyInput, $key: String!) {
    redeemClaim(input: { shopId: $shop, code: $code, amount: $amount, idempotencyKey: $key }) {
        claim { id state code balance { amount } } amount { amount } redeemedAt
        errors { code message path balance availableAt retryAfterSeconds } } }";

async fn redeem(world: &World, token: &str, input: Value) -> Answer {
    world.gql(Some(token), REDEEM, input).await
}

async fn share(world: &World, token: &str, claim: &str) -> Answer {
    let document =
        "mutation($id: ID!) { shareClaim(input: { claimId: $id }) { token expiresAt errors { code } } }";
    world.gql(Some(token), document, json!({ "id": claim })).await
}

async fn accept(world: &World, token: &str, offer: &str) -> Answer {
    let document = "mutation($token: String!) { acceptClaim(input: { token: $token }) {
        claim { id state code } errors { code } } }";
    world.gql(Some(token), document, json!({ "token": offer })).await
}

#[test]
fn a_code_is_shown_as_pictures_to_its_holder() {
    run(async |world: &World| {
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

#[test]
fn a_claim_is_given_away_once_and_the_old_code_dies() {
    run(async |world: &World| {
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

#[test]
fn of_many_who_accept_at_once_one_has_it() {
    run(async |world: &World| {
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

#[test]
fn a_claim_is_redeemed_once_by_the_shops_own_scanners() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let id = world.published(&stage, json!({ "kind": "FREE_ITEM", "amount": null })).await;
        let buyer = world.guest().await;
        let (claim, code) = world.claim(&buyer, &id).await;
        let scanner = world.user("scanner").await;
        let with = |code: &str, key: &str| json!({ "shop": stage.shop, "code": code, "key": key });
        let none = redeem(world, &scanner, with(&code, "no-role-yet")).await;
        assert_eq!(none.code().as_deref(), Some("FORBIDDEN"), "{}", none.body);
        let member =
            "mutation($shop: ID!) { setShopMember(input: { shopId: $shop, email: \"scanner@tessera.test\",
            role: SCANNER }) { member { role } errors { code } } }";
        world.gql(Some(&stage.vendor), member, json!({ "shop": stage.shop })).await.good();
        let spelt = code.to_lowercase().replace('-', " ");
        let partly = json!({ "shop": stage.shop, "code": code, "key": "in-part-key", "amount": { "amount": "1.00", "currency": "EUR" } });
        assert_eq!(redeem(world, &scanner, partly).await.refusal("redeemClaim").as_deref(), Some("INVALID"));
        let first = redeem(world, &scanner, with(&spelt, "the-scan-key")).await.good();
        assert_eq!(first.data("redeemClaim.claim.state"), "REDEEMED");
        assert_eq!(first.data("redeemClaim.claim.code"), Value::Null, "the scanner does not see it");
        let again = redeem(world, &scanner, with(&spelt, "the-scan-key")).await.good();
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
#[test]
fn a_claim_is_redeemed_once_however_many_scan_it_at_once() {
    run(async |world: &World| {
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
#[test]
fn the_same_scan_at_once_is_answered_alike() {
    run(async |world: &World| {
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
                assert_eq!(answer.good().text("redeemClaim.claim.state"), "REDEEMED");
            }
        }
        tessera::server::close(second.app, std::time::Duration::from_secs(5)).await;
    });
}

/// A code that is scanned while its claim is given away: either it was used in time, or it is dead.
#[test]
fn the_old_code_is_not_good_while_its_claim_is_given_away() {
    run(async |world: &World| {
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

#[test]
fn a_gift_card_is_used_in_part_and_never_overdrawn() {
    run(async |world: &World| {
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
        assert_eq!(first.data("redeemClaim.claim.state"), "CLAIMED");
        redeem(world, &stage.vendor, pay("20.00", "first-purchase")).await.good();
        let over = redeem(world, &stage.vendor, pay("30.01", "too-much-key")).await;
        assert_eq!(over.refusal("redeemClaim").as_deref(), Some("BALANCE_TOO_LOW"));
        assert_eq!(over.data("redeemClaim.errors.0.balance"), 3_000);
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
        let seen = "query($id: ID!) { claim(id: $id) { state balance { amount } code } }";
        let seen = world.gql(Some(&buyer), seen, json!({ "id": claim })).await.good();
        assert_eq!(
            seen.data("claim"),
            json!({ "state": "REDEEMED", "balance": { "amount": "0.00" }, "code": null })
        );
    });
}

async fn upload(world: &World, token: Option<&str>, coupon: &str, csv: &str) -> (u16, Value) {
    let mut request = Request::post(format!("/coupons/{coupon}/codes")).header("content-type", "text/csv");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let response = world.http(request.body(Body::from(csv.to_owned())).expect("a request")).await;
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), usize::MAX).await.expect("a body");
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

async fn uploaded(world: &World, stage: &Stage) -> String {
    world.draft_coupon(stage, json!({ "codes": "UPLOADED", "limitPerBuyer": 5 })).await
}

#[test]
fn uploaded_codes_are_taken_all_or_none_and_given_out_one_by_one() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let id = uploaded(world, &stage).await;
        let early = world.step_coupon(&stage.vendor, "publishCoupon", &id).await;
        assert_eq!(early.refusal("publishCoupon").as_deref(), Some("NO_CODES"));
        let import = async |csv: &str| world.import_codes(&stage.vendor, &id, csv).await;
        let wrong = import("code\nFIRST\nx\nSECOND\nfirst\n").await;
        assert_eq!(wrong.refusal("importCouponCodes").as_deref(), Some("INVALID_CODES"));
        assert_eq!(wrong.data("importCouponCodes.imported"), 0);
        assert_eq!(wrong.data("importCouponCodes.faultCount"), 2);
        assert_eq!(wrong.data("importCouponCodes.faults.0.line"), 3);
        assert_eq!(
            wrong.data("importCouponCodes.faults.1"),
            json!({ "line": 5, "why": "has the code of line 2" })
        );
        assert_eq!(wrong.data("importCouponCodes.coupon"), Value::Null);
        let good = import("code\nFIRST\nSECOND\n").await.good();
        assert_eq!(good.data("importCouponCodes.imported"), 2);
        assert_eq!(good.data("importCouponCodes.coupon.stock"), 2);
        world.step_coupon(&stage.vendor, "publishCoupon", &id).await.good();
        let taken = import("THIRD\n\nsecond\n").await;
        assert_eq!(
            taken.data("importCouponCodes.faults"),
            json!([{ "line": 3, "why": "has a code that is taken" }])
        );
        let buyer = world.guest().await;
        let claim = async |key: &str| world.try_claim(&buyer, &id, key).await;
        assert_eq!(claim("the-first-claim").await.good().text("claimCoupon.claim.code"), "FIRST");
        assert_eq!(claim("the-second-claim").await.good().text("claimCoupon.claim.code"), "SECOND");
        assert_eq!(claim("the-third-claim").await.refusal("claimCoupon").as_deref(), Some("SOLD_OUT"));
        import("THIRD\n").await.good();
        let third = claim("the-third-claim").await.good();
        assert_eq!(third.text("claimCoupon.claim.code"), "THIRD");
        let release = "mutation($id: ID!) { releaseClaim(input: { claimId: $id }) { errors { code } } }";
        let kept =
            world.gql(Some(&buyer), release, json!({ "id": third.text("claimCoupon.claim.id") })).await;
        assert_eq!(kept.refusal("releaseClaim").as_deref(), Some("NOT_RELEASABLE"));
        let at_counter = json!({ "shop": stage.shop, "code": " second ", "key": "scan-the-second" });
        redeem(world, &stage.vendor, at_counter).await.good();
        let raised = world.update_coupon(&stage.vendor, &id, json!({ "stock": 9 })).await;
        assert_eq!(raised.refusal("updateCoupon").as_deref(), Some("INVALID"));
        let generated = world.published(&stage, json!({})).await;
        let (status, _) = upload(world, Some(&stage.vendor), &generated, "AAAA\n").await;
        assert_eq!(status, 400, "it makes its own codes");
    });
}

#[test]
fn a_hundred_thousand_codes_go_in_and_out_as_files() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let id = uploaded(world, &stage).await;
        let codes =
            (0..100_000).fold(String::new(), |codes, number| codes + &format!("CODE-{number:06}\r\n"));
        let stranger = world.user("stranger").await;
        assert_eq!(upload(world, None, &id, &codes).await.0, 401);
        assert_eq!(upload(world, Some(&stranger), &id, &codes).await.0, 404);
        let (status, told) =
            upload(world, Some(&stage.vendor), &id, &format!("{codes}CODE-000007\r\nx\r\n")).await;
        assert_eq!((status, &told["code"]), (422, &json!("INVALID_CODES")), "{told}");
        assert_eq!(told["faults"][0]["line"], 100_001);
        let (status, told) = upload(world, Some(&stage.vendor), &id, &codes).await;
        assert_eq!((status, told), (200, json!({ "imported": 100_000, "stock": 100_000 })));
        let (status, told) = upload(world, Some(&stage.vendor), &id, "NEW-1\nCODE-099999\n").await;
        assert_eq!(
            (status, &told["faults"]),
            (422, &json!([{ "line": 2, "why": "has a code that is taken" }]))
        );
        world.step_coupon(&stage.vendor, "publishCoupon", &id).await.good();
        world.claim(&world.guest().await, &id).await;
        let get = async |token: Option<&str>| {
            let response = world.ask_codes(token, &id).await;
            let status = response.status().as_u16();
            let body = to_bytes(response.into_body(), usize::MAX).await.expect("a body");
            (status, String::from_utf8(body.to_vec()).expect("text"))
        };
        assert_eq!(get(None).await.0, 401);
        assert_eq!(get(Some(&stranger)).await.0, 404);
        let (status, text) = get(Some(&stage.vendor)).await;
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((status, lines.len(), lines[0]), (200, 100_001, "code,state,claimed_at,redeemed_at"));
        assert!(lines[1].starts_with("CODE-000000,claimed,2026-"), "{}", lines[1]);
        assert_eq!(lines[2], "CODE-000001,free,,");
        assert!(lines[100_000].starts_with("CODE-099999,free"), "{}", lines[100_000]);
    });
}

/// A shop's files go one after the other: an export that nobody reads on keeps nothing in memory, and no other waits.
#[test]
fn one_file_of_a_shop_is_on_its_way_at_a_time() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let id = uploaded(world, &stage).await;
        let codes = (0..20_000).fold(String::new(), |codes, number| codes + &format!("CODE-{number:06}\n"));
        assert_eq!(upload(world, Some(&stage.vendor), &id, &codes).await.0, 200);
        let reading = world.ask_codes(Some(&stage.vendor), &id).await;
        assert_eq!(reading.status(), 200);
        let second = world.ask_codes(Some(&stage.vendor), &id).await;
        assert_eq!(
            (second.status().as_u16(), &second.headers()["retry-after"]),
            (429, &"5".parse().unwrap())
        );
        let (status, told) = upload(world, Some(&stage.vendor), &id, "LATER-1\n").await;
        assert_eq!((status, &told["errors"][0]["extensions"]["code"]), (429, &json!("TOO_MANY_REQUESTS")));
        // Read to its end, it makes way.
        let file = to_bytes(reading.into_body(), usize::MAX).await.expect("a body");
        assert_eq!(String::from_utf8_lossy(&file).lines().count(), 20_001);
        assert_eq!(upload(world, Some(&stage.vendor), &id, "LATER-1\n").await.0, 200);
        assert_eq!(world.codes_file(&stage.vendor, &id).await.lines().count(), 20_002);
    });
}

#[test]
fn an_upload_under_a_key_is_taken_in_once() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let id = uploaded(world, &stage).await;
        let import = "mutation($id: ID!, $csv: String!, $key: String!) {
            importCouponCodes(input: { couponId: $id, csv: $csv, idempotencyKey: $key }) {
                coupon { stock } imported errors { code } } }";
        let import = async |csv: &str| {
            let input = json!({ "id": id, "csv": csv, "key": "the-one-upload" });
            world.gql(Some(&stage.vendor), import, input).await
        };
        let refused = import("ONCE-1\nx\n").await;
        assert_eq!(refused.refusal("importCouponCodes").as_deref(), Some("INVALID_CODES"));
        for _ in 0..2 {
            let answer = import("ONCE-1\nONCE-2\n").await.good();
            assert_eq!(answer.data("importCouponCodes.imported"), 2);
            assert_eq!(answer.data("importCouponCodes.coupon.stock"), 2);
        }
        let mismatch = import("ONCE-3\n").await;
        assert_eq!(mismatch.refusal("importCouponCodes").as_deref(), Some("IDEMPOTENCY_MISMATCH"));
        let file = async |csv: &'static str| {
            let request = Request::post(format!("/coupons/{id}/codes"))
                .header("content-type", "text/csv")
                .header("idempotency-key", "the-one-file")
                .header("authorization", format!("Bearer {}", stage.vendor));
            world.http(request.body(Body::from(csv)).expect("a request")).await.status().as_u16()
        };
        assert_eq!((file("FILE-1\n").await, file("FILE-1\n").await, file("FILE-2\n").await), (200, 200, 409));
    });
}

/// Two uploads at once that bring the same code: one of them is refused, with the line.
#[test]
fn of_two_uploads_at_once_one_has_the_code() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let second = World::of(world.second().await, world.backend, &world.url);
        for round in 0..6 {
            let (one, two) = (uploaded(world, &stage).await, uploaded(world, &stage).await);
            let own = |name: &str| format!("{name}-{round}-1\nBOTH-{round}\n{name}-{round}-2\n");
            let (first, other) = (own("ONE"), own("TWO"));
            let (first, other) = tokio::join!(
                world.import_codes(&stage.vendor, &one, &first),
                second.import_codes(&stage.vendor, &two, &other),
            );
            let lost = [&first, &other].into_iter().filter(|answer| {
                answer.data("importCouponCodes.faults")
                    == json!([{ "line": 2, "why": "has a code that is taken" }])
            });
            assert_eq!(lost.count(), 1, "{} {}", first.body, other.body);
        }
        tessera::server::close(second.app, std::time::Duration::from_secs(5)).await;
    });
}
