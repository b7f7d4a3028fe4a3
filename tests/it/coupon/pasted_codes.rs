//! Codes as people paste, type and scan them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Answer, World, given::Stage, run};

/// Spellings of the code `SUMMER-10`, as chats, mails, web pages and keyboards make them.
const PASTED: &[&str] = &[
    "summer-10",
    " SUMMER-10\r\n",
    "SUM\u{200b}MER-10",
    "\u{feff}SUMMER-10",
    "SUMMER\u{2060}-10",
    "SUM\u{ad}MER-10",
    "SUMMER–10",
    "SUMMER—10",
    "SUMMER\u{2011}10",
    "SUMMER\u{2212}10",
    "ＳＵＭＭＥＲ－１０",
    "SUMMER-10.",
    "SUMMER-10,",
    "“SUMMER-10”",
    "„SUMMER-10“",
    "«SUMMER-10»",
    "'SUMMER-10'",
    "(SUMMER-10)",
    "SUMMER -\u{a0}10",
    "SUM\nMER-10",
    "SUMMER%2D10",
    "%20SUMMER-10%0D%0A",
    "SUMMER&ndash;10",
    "&quot;SUMMER-10&quot;",
];

async fn claims_of(world: &World, token: &str) -> Value {
    let bag = "{ viewer { bag { claims { nodes { code status } } } } }";
    world.gql(Some(token), bag, json!({})).await.good().data("viewer.bag.claims.nodes")
}

async fn share(world: &World, token: &str, claim: &str) -> String {
    let document = "mutation($id: ID!) { shareClaim(input: { claimId: $id }) { token errors { code } } }";
    world.gql(Some(token), document, json!({ "id": claim })).await.good().text("shareClaim.token")
}

async fn accept(world: &World, token: &str, offer: &str) -> Answer {
    let document = "mutation($token: String!) { acceptClaim(input: { token: $token }) {
        claim { id coupon { viewerTaken } } errors { code kind limit taken } } }";
    world.gql(Some(token), document, json!({ "token": offer })).await
}

#[test]
fn pasted_coupon_codes_are_understood_everywhere() {
    run(async |world: &World| {
        let stage = world.stage().await;
        world.published_with(&stage, "SUMMER-10\n", json!({})).await;
        let buyer = world.guest().await;
        // The first spelling claims the code, and the others find the claim.
        for (number, pasted) in PASTED.iter().enumerate() {
            let key = format!("pasted-number-{number}");
            let claimed = world.claim_code(&buyer, &stage.shop, (pasted, &key)).await.good();
            assert_eq!(claimed.text("claimCode.claim.code"), "SUMMER-10", "{pasted:?}");
        }
        let reservation = world.reserve(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let spent = world.spend_codes(&buyer, &[&reservation], &["„summer–10“."], "pasted").await.good();
        assert_eq!(spent.data("checkout.order.discount.amount"), "5.00");
        // A generated code at a counter.
        let coupon = world.published(&stage, json!({ "kind": "FREE_ITEM", "amount": null })).await;
        let (_, code) = world.claim(&buyer, &coupon).await;
        let redeem = "mutation($shop: ID, $code: String!) { redeemClaim(input: { shopId: $shop, code: $code,
            idempotencyKey: \"at-the-counter\" }) { claim { status } errors { code } } }";
        let code = format!("\u{200e}{}\r\n", code.to_lowercase().replace('-', " \u{2013} "));
        let input = json!({ "shop": stage.shop, "code": code });
        let redeemed = world.gql(Some(&stage.vendor), redeem, input).await.good();
        assert_eq!(redeemed.data("redeemClaim.claim.status"), "REDEEMED");
    });
}

#[test]
fn text_that_cannot_be_a_code_is_no_guess() {
    run(async |world: &World| {
        let stage = world.stage().await;
        world.published_with(&stage, "SUMMER-10\nSUMMER-11\n", json!({ "limitPerBuyer": 2 })).await;
        let buyer = world.guest().await;
        let reservation = world.reserve(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let texts = [
            "?",
            "",
            "SÜMMER-10",
            "SUMMER+10",
            "ab",
            "https://example.org/SUMMER-10",
            "СУММА-10",
            "😀😀😀😀",
        ];
        for round in 0..2 {
            for (number, text) in texts.iter().enumerate() {
                let key = format!("typing-error-{round}-{number}");
                let answer = world.claim_code(&buyer, &stage.shop, (text, &key)).await;
                assert_eq!(answer.refusal("claimCode").as_deref(), Some("UNKNOWN_CODE"), "{text:?}");
                let answer = world.spend_codes(&buyer, &[&reservation], &[text], &key).await;
                assert_eq!(answer.refusal("checkout").as_deref(), Some("UNKNOWN_CODE"), "{text:?}");
            }
        }
        world.claim_code(&buyer, &stage.shop, ("SUMMER-10", "the-right-code")).await.good();
        // Well-formed unknown codes still count, in any spelling.
        for number in 0..10 {
            let answer = world
                .claim_code(
                    &buyer,
                    &stage.shop,
                    (&format!("“GUESS–{number}”"), &format!("guess-key-{number}")),
                )
                .await;
            assert_eq!(answer.refusal("claimCode").as_deref(), Some("UNKNOWN_CODE"));
        }
        let locked = world.claim_code(&buyer, &stage.shop, ("SUMMER-11", "the-other-code")).await;
        assert_eq!(locked.refusal("claimCode").as_deref(), Some("TOO_MANY_ATTEMPTS"));
    });
}

/// Offers a new guest's claim of the coupon.
async fn offered(world: &World, coupon: &str) -> String {
    let giver = world.guest().await;
    let (claim, _) = world.claim(&giver, coupon).await;
    share(world, &giver, &claim).await
}

#[test]
fn accepted_claims_count_for_the_limit_per_buyer() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let id = world.published(&stage, json!({ "shareable": true, "limitPerBuyer": 2 })).await;
        let taker = world.guest().await;
        for count in 1..=2 {
            let accepted = accept(world, &taker, &offered(world, &id).await).await.good();
            assert_eq!(accepted.data("acceptClaim.claim.coupon.viewerTaken"), count);
        }
        let offer = offered(world, &id).await;
        let refused = accept(world, &taker, &offer).await;
        let expected = json!([{ "code": "LIMIT_REACHED", "kind": "LIMITED", "limit": 2, "taken": 2 }]);
        assert_eq!(refused.data("acceptClaim.errors"), expected);
        let own = world.try_claim(&taker, &id, "beyond-the-limit").await;
        assert_eq!(own.refusal("claimCoupon").as_deref(), Some("LIMIT_REACHED"));
        // The refused offer is still good, for another account.
        let friend = world.guest().await;
        accept(world, &friend, &offer).await.good();
        assert_eq!(claims_of(world, &taker).await.as_array().map(Vec::len), Some(2));
    });
}

#[test]
fn claim_counts_for_its_buyer_and_for_its_holder() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let id = world.published(&stage, json!({ "shareable": true, "limitPerBuyer": 1 })).await;
        let (buyer, first, second) = (world.guest().await, world.guest().await, world.guest().await);
        let (claim, _) = world.claim(&buyer, &id).await;
        let hand_over = async |from: &str, to: &str| {
            let offer = share(world, from, &claim).await;
            accept(world, to, &offer).await
        };
        hand_over(&buyer, &first).await.good();
        // A buyer who gave a copy away cannot take another one.
        let again = world.try_claim(&buyer, &id, "after-giving-away").await;
        assert_eq!(again.refusal("claimCoupon").as_deref(), Some("LIMIT_REACHED"));
        hand_over(&first, &second).await.good();
        // The account in between has none.
        world.try_claim(&first, &id, "after-passing-on").await.good();
        let full = hand_over(&second, &first).await;
        assert_eq!(full.refusal("acceptClaim").as_deref(), Some("LIMIT_REACHED"));
        // The buyer may take its own copy back.
        hand_over(&second, &buyer).await.good();
        let free = world.try_claim(&second, &id, "after-giving-back").await.good();
        let release = "mutation($id: ID!) { releaseClaim(input: { claimId: $id }) { errors { code } } }";
        let held = free.text("claimCoupon.claim.id");
        world.gql(Some(&second), release, json!({ "id": held })).await.good();
        hand_over(&buyer, &second).await.good();
        world.gql(Some(&second), release, json!({ "id": claim })).await.good();
        for (token, key) in [(&second, "all-returned-2"), (&buyer, "all-returned-1")] {
            world.try_claim(token, &id, key).await.good();
        }
    });
}

#[test]
fn concurrent_accepts_respect_the_limit() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let id = world.published(&stage, json!({ "shareable": true, "limitPerBuyer": 3 })).await;
        let taker = world.guest().await;
        let mut offers = Vec::new();
        for _ in 0..10 {
            offers.push(offered(world, &id).await);
        }
        let accepted =
            futures_util::future::join_all(offers.iter().map(|offer| accept(world, &taker, offer))).await;
        let won = accepted.iter().filter(|answer| answer.refusal("acceptClaim").is_none()).count();
        assert_eq!(won, 3, "{accepted:?}");
    });
}

/// An order that is refused claims no printed code, so that the code is not lost with a guest's session.
#[test]
fn refused_operation_claims_no_printed_code() {
    run(async |world: &World| {
        let stage = world.stage().await;
        world.published_with(&stage, "PRINT-1\nPRINT-2\n", json!({ "limitPerBuyer": 1 })).await;
        let minimum = json!({ "minimumSpend": { "amount": "9000.00", "currency": "EUR" } });
        world.published_with(&stage, "LARGE-1\n", minimum).await;
        let guest = world.guest().await;
        let reservation = world.reserve(&guest, &stage.event, &[&stage.seats[0]]).await;
        let reservations: &[&str] = &[&reservation];
        for (number, codes) in [
            &["PRINT-1", "NONSENSE"][..],
            &["PRINT-1", "PRINT-2"],
            &["LARGE-1"],
            &["PRINT-1", "LARGE-1"],
            &["PRINT-1", "?"],
        ]
        .into_iter()
        .enumerate()
        {
            let refused = world.spend_codes(&guest, reservations, codes, &format!("refused-{number}")).await;
            assert!(refused.refusal("checkout").is_some(), "{codes:?}: {}", refused.body);
            assert_eq!(claims_of(world, &guest).await, json!([]), "{codes:?}");
        }
        // The holder of the paper uses it in another session.
        let other = world.guest().await;
        let own = world.reserve(&other, &stage.event, &[&stage.seats[1]]).await;
        let made = world.spend_codes(&other, &[&own], &["print-1", "PRINT–1"], "in-time").await.good();
        assert_eq!(made.data("checkout.order.discount.amount"), "5.00");
        assert_eq!(claims_of(world, &other).await, json!([{ "code": "PRINT-1", "status": "RESERVED" }]));
        let late = world.spend_codes(&guest, reservations, &["PRINT-1"], "too-late").await;
        assert_eq!(late.refusal("checkout").as_deref(), Some("UNKNOWN_CODE"));
    });
}

/// Two checkouts with the same printed code at once: one of them gets it, and the other one claims nothing.
#[test]
fn printed_code_is_spent_by_one_of_two_checkouts() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let second = World::of(world.second().await, world.backend, &world.url);
        world.published_with(&stage, "ONCE-1\nONCE-2\nONCE-3\nONCE-4\n", json!({})).await;
        for round in 1..=4 {
            let code = format!("ONCE-{round}");
            let (one, two) = (world.guest().await, world.guest().await);
            let seats = [&stage.seats[2 * round - 2], &stage.seats[2 * round - 1]];
            let first = world.reserve(&one, &stage.event, &[seats[0]]).await;
            let other = world.reserve(&two, &stage.event, &[seats[1]]).await;
            let key = format!("once-{round}");
            let (first_order, other_order) = ([first.as_str()], [other.as_str()]);
            let codes = [code.as_str()];
            let (first, other) = tokio::join!(
                world.spend_codes(&one, &first_order, &codes, &key),
                second.spend_codes(&two, &other_order, &codes, &key),
            );
            let lost: Vec<String> =
                [&first, &other].into_iter().filter_map(|answer| answer.refusal("checkout")).collect();
            assert_eq!(lost, ["UNKNOWN_CODE"], "{} {}", first.body, other.body);
            let held = [claims_of(world, &one).await, claims_of(world, &two).await];
            assert_eq!(held.iter().filter(|claims| **claims == json!([])).count(), 1);
        }
        tessera::server::close(second.app, Duration::from_secs(5)).await;
    });
}

#[test]
fn generated_codes_contain_no_words() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let id = world.draft_coupon(&stage, json!({ "codes": "UPLOADED" })).await;
        let generate = "mutation($id: ID!) { generateCouponCodes(input: { couponId: $id, count: 2000,
            idempotencyKey: \"two-thousand\" }) { generated errors { code } } }";
        world.gql(Some(&stage.vendor), generate, json!({ "id": id })).await.good();
        let file = world.codes_file(&stage.vendor, &id).await;
        let codes: Vec<&str> = file.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
        assert_eq!(codes.len(), 2_000);
        let buyer = world.guest().await;
        let order = world.buy(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let number = "query($id: ID!) { order(id: $id) { number } }";
        let number =
            world.gql(Some(&buyer), number, json!({ "id": order })).await.good().text("order.number");
        for code in codes.into_iter().chain([number.as_str()]) {
            assert!(!code.contains(['A', 'E', 'I', 'O', 'U', 'Y', '0', '1']), "{code}");
        }
    });
}

/// Reserves a seat with an access code.
async fn reserve_with(world: &World, stage: &Stage, token: &str, try_of: [&str; 2], seat: usize) -> Answer {
    let [code, key] = try_of;
    let reserve = "mutation($event: ID!, $seat: ID!, $code: String!, $key: String!) {
        reserveSeats(input: { eventId: $event, pick: { seatIds: [$seat] }, accessCode: $code, idempotencyKey: $key }) {
            reservation { id } errors { code } } }";
    let input = json!({ "event": stage.event, "seat": stage.seats[seat], "code": code, "key": key });
    world.gql(Some(token), reserve, input).await
}

#[test]
fn refused_reservation_claims_no_access_code() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let document = "query($id: ID!) { event(id: $id) { tiers { id name version } } }";
        let event = world.gql(Some(&stage.vendor), document, json!({ "id": stage.event })).await.good();
        let tiers = event.data("event.tiers");
        let front =
            tiers.as_array().expect("tiers").iter().find(|tier| tier["name"] == "Front").expect("front");
        let hide = "mutation($id: ID!, $version: Long!) {
            updateTier(input: { tierId: $id, expectedVersion: $version, hidden: true }) { errors { code } } }";
        let input = json!({ "id": front["id"], "version": front["version"] });
        world.gql(Some(&stage.vendor), hide, input).await.good();
        let opening =
            json!({ "kind": "ACCESS_CODE", "amount": null, "appliesTo": [front["id"]], "listed": false });
        world.published_with(&stage, "OPEN-1\nOPEN-2\n", opening).await;
        let (first, second) = (world.guest().await, world.guest().await);
        reserve_with(world, &stage, &first, ["OPEN-1", "the-only-seat"], 0).await.good();
        let refused = reserve_with(world, &stage, &second, ["OPEN-2", "the-same-seat"], 0).await;
        assert_eq!(refused.refusal("reserveSeats").as_deref(), Some("SEATS_TAKEN"));
        assert_eq!(claims_of(world, &second).await, json!([]));
        let third = world.guest().await;
        let made = reserve_with(world, &stage, &third, ["open–2", "another-seat"], 1).await.good();
        let again = reserve_with(world, &stage, &third, ["open–2", "another-seat"], 1).await.good();
        assert_eq!(again.data("reserveSeats.reservation"), made.data("reserveSeats.reservation"));
        assert_eq!(claims_of(world, &third).await[0]["code"], "OPEN-2");
    });
}
