//! Codes that exist before a claim: unique per shop, claimed once, generated in advance, and absent from lists.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Answer, World, given::Stage, run};

/// Somebody else's shop on the same stage.
async fn another(world: &World, stage: &Stage, name: &str) -> Stage {
    let vendor = world.user(name).await;
    let document = "mutation($name: String!) { createShop(input: { name: $name, currency: \"EUR\" }) {
        shop { id } errors { code } } }";
    let shop = world.gql(Some(&vendor), document, json!({ "name": name })).await.good();
    Stage {
        vendor,
        category: stage.category.clone(),
        shop: shop.text("createShop.shop.id"),
        venue: stage.venue.clone(),
        map: stage.map.clone(),
        event: stage.event.clone(),
        seats: stage.seats.clone(),
        area: stage.area.clone(),
    }
}

async fn redeem(world: &World, token: &str, shop: Option<&str>, (code, key): (&str, &str)) -> Answer {
    let document = "mutation($shop: ID, $code: String!, $key: String!) {
        redeemClaim(input: { shopId: $shop, code: $code, idempotencyKey: $key }) {
            claim { id title status } errors { code path } } }";
    world.gql(Some(token), document, json!({ "shop": shop, "code": code, "key": key })).await
}

async fn bag(world: &World, token: &str) -> Value {
    let document = "{ viewer { bag { claims { nodes { id status code } } } } }";
    world.gql(Some(token), document, json!({})).await.good().data("viewer.bag.claims.nodes")
}

#[test]
fn each_shop_has_codes_of_its_own() {
    run(async |world: &World| {
        let hall = world.stage().await;
        let other = another(world, &hall, "other").await;
        let at_hall = world.published_with(&hall, "SPRING\nSUMMER\n", json!({ "title": "Hall's" })).await;
        // The upload of one shop says nothing of another's.
        let at_other = world.published_with(&other, "SPRING\nAUTUMN\n", json!({ "title": "Other's" })).await;
        let second = world.draft_coupon(&hall, json!({ "codes": "UPLOADED" })).await;
        let twice = world.import_codes(&hall.vendor, &second, "WINTER\nsummer\n").await;
        assert_eq!(
            twice.data("importCouponCodes.faults"),
            json!([{ "line": 2, "why": "has a code that is taken" }]),
            "of one shop no two coupons have it"
        );
        let (one, two) = (world.guest().await, world.guest().await);
        let claimed = world.claim_code(&one, &hall.shop, ("spring", "the-hall's")).await.good();
        assert_eq!(claimed.data("claimCode.claim.coupon.id"), at_hall);
        let claimed = world.claim_code(&two, &other.shop, ("SPRING", "the-other's")).await.good();
        assert_eq!(claimed.data("claimCode.claim.coupon.id"), at_other);
        let unknown = world.claim_code(&one, &hall.shop, ("AUTUMN", "at-the-wrong")).await;
        assert_eq!(unknown.refusal("claimCode").as_deref(), Some("UNKNOWN_CODE"));
        // Whoever scans for both has to say for which.
        let member = "mutation($shop: ID!, $version: Long!) { setShopMember(input: { shopId: $shop, expectedVersion: $version,
            email: \"other@tessera.test\", role: SCANNER }) { member { role } errors { code } } }";
        let version = world.shop_version(&hall.shop).await;
        world.gql(Some(&hall.vendor), member, json!({ "shop": hall.shop, "version": version })).await.good();
        let both = redeem(world, &other.vendor, None, ("SPRING", "which-of-them")).await;
        assert_eq!(both.refusal("redeemClaim").as_deref(), Some("SEVERAL_SHOPS"));
        assert_eq!(both.data("redeemClaim.errors.0.path"), json!(["shopId"]));
        let named = redeem(world, &other.vendor, Some(&hall.shop), ("SPRING", "the-hall's-one")).await.good();
        assert_eq!(named.data("redeemClaim.claim.title"), "Hall's");
        let named =
            redeem(world, &other.vendor, Some(&other.shop), ("SPRING", "the-others-one")).await.good();
        assert_eq!(named.data("redeemClaim.claim.title"), "Other's");
        // Whoever scans for one of them does not.
        let third = another(world, &hall, "third").await;
        world.published_with(&third, "SPRING\n", json!({ "title": "Third's" })).await;
        world.claim_code(&one, &third.shop, ("SPRING", "the-third's")).await.good();
        let only = redeem(world, &third.vendor, None, ("SPRING", "the-third-one")).await.good();
        assert_eq!(only.data("redeemClaim.claim.title"), "Third's");
    });
}

#[test]
fn code_holder_claims_once_and_others_cannot_see_the_code() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let (one, two) = (world.guest().await, world.guest().await);
        let draft = world.draft_coupon(&stage, json!({ "codes": "UPLOADED" })).await;
        world.import_codes(&stage.vendor, &draft, "CODE-1\nCODE-2\nCODE-3\nCODE-4\n").await.good();
        let early = world.claim_code(&one, &stage.shop, ("CODE-2", "before-its-time")).await;
        assert_eq!(
            early.refusal("claimCode").as_deref(),
            Some("UNKNOWN_CODE"),
            "only its shop knows a draft"
        );
        world.step_coupon(&stage.vendor, "publishCoupon", &draft).await.good();
        let claimed = world.claim_code(&one, &stage.shop, (" code-2 ", "the-second-code")).await.good();
        let claim = claimed.data("claimCode.claim.id");
        assert_eq!(claimed.data("claimCode.claim.code"), "CODE-2");
        assert_eq!(claimed.data("claimCode.claim.coupon.left"), 3);
        for (code, key) in [(" code-2 ", "the-second-code"), ("CODE-2", "the-same-again")] {
            let again = world.claim_code(&one, &stage.shop, (code, key)).await.good();
            assert_eq!(again.data("claimCode.claim.id"), claim, "{key}");
        }
        let other = world.claim_code(&one, &stage.shop, ("CODE-3", "the-second-code")).await;
        assert_eq!(other.refusal("claimCode").as_deref(), Some("IDEMPOTENCY_MISMATCH"));
        // The limit is the coupon's, whichever way it is claimed.
        let limit = world.claim_code(&one, &stage.shop, ("CODE-3", "a-third-code")).await;
        assert_eq!(limit.refusal("claimCode").as_deref(), Some("LIMIT_REACHED"));
        let taken = world.claim_code(&two, &stage.shop, ("CODE-2", "somebody-else's")).await;
        let none = world.claim_code(&two, &stage.shop, ("CODE-9", "nobody's-at-all")).await;
        assert_eq!(taken.refusal("claimCode").as_deref(), Some("UNKNOWN_CODE"));
        assert_eq!(taken.data("claimCode"), none.data("claimCode"));
        // Whoever takes what comes gets those that nobody has.
        let next = world.try_claim(&two, &draft, "whichever-comes").await.good();
        assert_eq!(next.data("claimCoupon.claim.code"), "CODE-1");
        // At the counter its own scanners hear that nobody claimed it, and others nothing.
        let known = redeem(world, &stage.vendor, Some(&stage.shop), ("CODE-4", "not-claimed-yet")).await;
        assert_eq!(known.refusal("redeemClaim").as_deref(), Some("NOT_CLAIMED"));
        let other = another(world, &stage, "other").await;
        let foreign = redeem(world, &other.vendor, None, ("CODE-4", "another-counter")).await;
        assert_eq!(foreign.refusal("redeemClaim").as_deref(), Some("UNKNOWN_CODE"));
        world.step_coupon(&stage.vendor, "pauseCoupon", &draft).await.good();
        let three = world.guest().await;
        let paused = world.claim_code(&three, &stage.shop, ("CODE-4", "while-it-pauses")).await;
        assert_eq!(paused.refusal("claimCode").as_deref(), Some("NOT_OPEN"));
        // A refused code counts as a guess. The viewer's own code and a text that cannot be a code do not.
        for guess in 0..9 {
            let key = format!("a-guess-{guess}");
            let unreadable = world.claim_code(&three, &stage.shop, ("?", &format!("un{key}"))).await;
            assert_eq!(unreadable.refusal("claimCode").as_deref(), Some("UNKNOWN_CODE"));
            let answer = world.claim_code(&three, &stage.shop, ("NO-SUCH-CODE", &key)).await;
            assert_eq!(answer.refusal("claimCode").as_deref(), Some("UNKNOWN_CODE"));
        }
        let eleventh = world.claim_code(&three, &stage.shop, ("CODE-4", "the-eleventh")).await;
        assert_eq!(eleventh.refusal("claimCode").as_deref(), Some("TOO_MANY_ATTEMPTS"));
        assert_eq!(eleventh.data("claimCode.errors.0.retryAfterMs"), 3_601_000);
        for turn in 0..20 {
            let key = format!("own-code-{turn}");
            world.claim_code(&one, &stage.shop, ("CODE-2", &key)).await.good();
        }
    });
}

/// Of many who have the same code one gets it, beside others who take what comes.
#[test]
fn a_code_is_claimed_once_however_many_have_it() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let second = World::of(world.second().await, world.backend, &world.url);
        let codes = (0..60).fold(String::new(), |codes, code| codes + &format!("CODE-{code:02}\n"));
        let id = world.published_with(&stage, &codes, json!({ "limitPerBuyer": 60 })).await;
        let mut people = Vec::new();
        for _ in 0..18 {
            people.push(world.guest().await);
        }
        let (holders, others) = people.split_at(12);
        let at = |index: usize| if index.is_multiple_of(2) { world } else { &second };
        for round in 0..4 {
            // The codes that come next, so that those who want them meet those who take what comes.
            let code = |index: usize| format!("CODE-{:02}", round * 9 + index % 3);
            let shop = &stage.shop;
            let named = holders.iter().enumerate().map(|(index, token)| {
                let (code, key) = (code(index), format!("the-round-{round}"));
                async move { at(index).claim_code(token, shop, (&code, &key)).await }
            });
            let any = others.iter().enumerate().map(|(index, token)| {
                let key = format!("whichever-{round}");
                let id = &id;
                async move { at(index).try_claim(token, id, &key).await }
            });
            let (named, any) = tokio::join!(join_all(named), join_all(any));
            let won: Vec<&Answer> =
                named.iter().filter(|answer| answer.refusal("claimCode").is_none()).collect();
            assert!(won.iter().all(|answer| answer.code().is_none()), "{named:?}");
            let mut got: Vec<String> = won.iter().map(|answer| answer.text("claimCode.claim.code")).collect();
            got.extend(any.into_iter().map(|answer| answer.good().text("claimCoupon.claim.code")));
            let distinct: std::collections::BTreeSet<&String> = got.iter().collect();
            assert_eq!(distinct.len(), got.len(), "{got:?}");
            for lost in named.iter().filter_map(|answer| answer.refusal("claimCode")) {
                assert_eq!(lost, "UNKNOWN_CODE");
            }
            // Each of the three is somebody's now, and who has it may say so again.
            for index in 0..3 {
                let code = code(index);
                assert!(got.contains(&code), "{code} of {got:?}");
            }
        }
        tessera::server::close(second.app, std::time::Duration::from_secs(5)).await;
    });
}

/// The same call at once has one effect, and all hear of it.
#[test]
fn the_same_code_at_once_by_one_viewer_is_answered_alike() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let second = World::of(world.second().await, world.backend, &world.url);
        world.published_with(&stage, "CODE-1\nCODE-2\nCODE-3\nCODE-4\n", json!({ "limitPerBuyer": 4 })).await;
        let viewer = world.guest().await;
        for round in 1..5 {
            let calls = (0..8).map(|call: usize| {
                let at = if call.is_multiple_of(2) { world } else { &second };
                let (code, key) = (format!("CODE-{round}"), format!("call-{}", call % 3));
                let (viewer, shop, key) = (&viewer, &stage.shop, format!("{key}-{round}"));
                async move { at.claim_code(viewer, shop, (&code, &key)).await.good() }
            });
            for answer in join_all(calls).await {
                assert_eq!(answer.text("claimCode.claim.code"), format!("CODE-{round}"));
            }
        }
        assert_eq!(bag(world, &viewer).await.as_array().map(Vec::len), Some(4));
        tessera::server::close(second.app, std::time::Duration::from_secs(5)).await;
    });
}

#[test]
fn unclaimed_code_is_redeemed_at_checkout_only_if_the_checkout_succeeds() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let other = another(world, &stage, "other").await;
        world.published_with(&stage, "FIVE-1\nFIVE-2\nFIVE-3\n", json!({})).await;
        world.published_with(&other, "FIVE-1\nELSE-1\n", json!({})).await;
        let (buyer, second) = (world.guest().await, world.guest().await);
        let reservation = world.reserve(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let foreign = world.spend_codes(&buyer, &[&reservation], &["ELSE-1"], "foreign").await;
        assert_eq!(foreign.refusal("checkout").as_deref(), Some("UNKNOWN_CODE"));
        assert_eq!(bag(world, &buyer).await, json!([]));
        let made = world.spend_codes(&buyer, &[&reservation], &["five-1"], "with-a-code").await.good();
        assert_eq!(made.data("checkout.order.discount.amount"), "5.00");
        let again = world.spend_codes(&buyer, &[&reservation], &["five-1"], "with-a-code").await.good();
        assert_eq!(again.data("checkout.order.id"), made.data("checkout.order.id"));
        assert_eq!(bag(world, &buyer).await[0]["status"], "RESERVED");
        let limit = world.reserve(&buyer, &stage.event, &[&stage.seats[1]]).await;
        let limit = world.spend_codes(&buyer, &[&limit], &["FIVE-2"], "above-the-limit").await;
        assert_eq!(limit.refusal("checkout").as_deref(), Some("UNKNOWN_CODE"));
        // A refused checkout claims nothing: another guest can use the code.
        let reservation = world.reserve(&second, &stage.event, &[&stage.seats[2]]).await;
        let refused = world.spend_codes(&second, &[&reservation], &["FIVE-3", "NONSENSE"], "no-order").await;
        assert_eq!(refused.refusal("checkout").as_deref(), Some("UNKNOWN_CODE"));
        assert_eq!(refused.data("checkout.errors.0.path"), json!(["codes", "1"]));
        assert_eq!(bag(world, &second).await, json!([]));
        let third = world.guest().await;
        let other = world.reserve(&third, &stage.event, &[&stage.seats[3]]).await;
        world.spend_codes(&third, &[&other], &["FIVE-3"], "an-order").await.good();
        assert_eq!(bag(world, &third).await[0]["status"], "RESERVED");
    });
}

#[test]
fn unclaimed_access_code_unlocks_its_tier() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let document = "query($id: ID!) { event(id: $id) { tiers { id name version } } }";
        let event = world.gql(Some(&stage.vendor), document, json!({ "id": stage.event })).await.good();
        let tiers = event.data("event.tiers");
        let front = tiers.as_array().expect("tiers").iter().find(|tier| tier["name"] == "Front");
        let front = front.expect("the front").clone();
        let hide = "mutation($id: ID!, $version: Long!) {
            updateTier(input: { tierId: $id, expectedVersion: $version, hidden: true }) { errors { code } } }";
        let input = json!({ "id": front["id"], "version": front["version"] });
        world.gql(Some(&stage.vendor), hide, input).await.good();
        let opening =
            json!({ "kind": "ACCESS_CODE", "amount": null, "appliesTo": [front["id"]], "listed": false });
        world.published_with(&stage, "OPEN-1\nOPEN-2\n", opening).await;
        let reserve = "mutation($event: ID!, $seat: ID!, $code: String!, $key: String!) {
            reserveSeats(input: { eventId: $event, pick: { seatIds: [$seat] }, accessCode: $code, idempotencyKey: $key }) {
                reservation { id } errors { code path } } }";
        let reserve = async |token: &str, seat: usize, code: &str, key: &str| {
            let input = json!({ "event": stage.event, "seat": stage.seats[seat], "code": code, "key": key });
            world.gql(Some(token), reserve, input).await
        };
        let (one, two) = (world.guest().await, world.guest().await);
        let made = reserve(&one, 0, "open-1", "the-first-seat").await.good();
        let again = reserve(&one, 0, "open-1", "the-first-seat").await.good();
        assert_eq!(made.data("reserveSeats.reservation.id"), again.data("reserveSeats.reservation.id"));
        assert_eq!(bag(world, &one).await[0]["code"], "OPEN-1");
        let foreign = reserve(&two, 1, "OPEN-1", "not-their-code").await;
        assert_eq!(foreign.refusal("reserveSeats").as_deref(), Some("UNKNOWN_ACCESS_CODE"));
        reserve(&two, 1, "OPEN-2", "a-code-of-theirs").await.good();
    });
}

#[test]
fn a_list_of_codes_is_made_ahead_and_given_out() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let id = world.draft_coupon(&stage, json!({ "codes": "UPLOADED" })).await;
        let document = "mutation($id: ID!, $count: Int!, $key: String!) {
            generateCouponCodes(input: { couponId: $id, count: $count, idempotencyKey: $key }) {
                coupon { stock } generated errors { code message path } } }";
        let generate = async |token: &str, id: &str, count: u32, key: &str| {
            world.gql(Some(token), document, json!({ "id": id, "count": count, "key": key })).await
        };
        let made = generate(&stage.vendor, &id, 3, "three-of-them").await.good();
        assert_eq!(
            made.data("generateCouponCodes"),
            json!({ "coupon": { "stock": 3 }, "generated": 3, "errors": [] })
        );
        let again = generate(&stage.vendor, &id, 3, "three-of-them").await.good();
        assert_eq!(again.data("generateCouponCodes.coupon.stock"), 3, "the same call again");
        let mismatch = generate(&stage.vendor, &id, 4, "three-of-them").await;
        assert_eq!(mismatch.refusal("generateCouponCodes").as_deref(), Some("IDEMPOTENCY_MISMATCH"));
        generate(&stage.vendor, &id, 2, "two-more-of-them").await.good();
        for (count, key) in [(0, "none-at-all"), (100_001, "too-many-of-them")] {
            let refused = generate(&stage.vendor, &id, count, key).await;
            assert_eq!(refused.refusal("generateCouponCodes").as_deref(), Some("INVALID"), "{count}");
        }
        let stranger = world.user("stranger").await;
        let foreign = generate(&stranger, &id, 1, "not-my-coupon").await;
        assert_eq!(foreign.refusal("generateCouponCodes").as_deref(), Some("NOT_FOUND"));
        let own = world.draft_coupon(&stage, json!({})).await;
        let own = generate(&stage.vendor, &own, 1, "makes-its-own").await;
        assert_eq!(own.refusal("generateCouponCodes").as_deref(), Some("INVALID"));
        world.step_coupon(&stage.vendor, "publishCoupon", &id).await.good();
        let file = world.codes_file(&stage.vendor, &id).await;
        let lines: Vec<&str> = file.lines().collect();
        assert_eq!(lines.len(), 6, "{file}");
        assert!(lines[1..].iter().all(|line| line.ends_with(",free,,")), "{file}");
        // Printed in groups, typed as it comes.
        let code = lines[4].split(',').next().expect("a code").to_lowercase();
        let typed = format!("{} {}", &code[..8], &code[8..]);
        let buyer = world.guest().await;
        let claimed = world.claim_code(&buyer, &stage.shop, (&typed, "as-it-is-printed")).await.good();
        assert_eq!(claimed.text("claimCode.claim.code").replace('-', "").to_lowercase(), code);
        let file = world.codes_file(&stage.vendor, &id).await;
        assert_eq!(file.lines().filter(|line| line.contains(",claimed,")).count(), 1, "{file}");
        assert_eq!(file.lines().filter(|line| line.contains(",free,")).count(), 4, "{file}");
    });
}

/// Everywhere where a stranger may look for a coupon.
const PLACES: &str = "query($id: ID!, $event: ID!, $shop: ID!) {
    coupon(id: $id) { id } node(id: $id) { id } coupons { nodes { id } totalCount }
    shop(id: $shop) { coupons { nodes { id } } } event(id: $event) { coupons { nodes { id } } } }";

#[test]
fn unlisted_coupons_are_found_only_by_code() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let secret = json!({ "listed": false, "eventId": stage.event });
        let id = world.published_with(&stage, "SECRET-1\nSECRET-2\n", secret).await;
        let paid = json!({ "listed": false, "price": { "amount": "1.00", "currency": "EUR" } });
        let paid = world.published(&stage, paid).await;
        let buyer = world.guest().await;
        let nothing = json!({ "coupon": null, "node": null, "coupons": { "nodes": [], "totalCount": 0 },
            "shop": { "coupons": { "nodes": [] } }, "event": { "coupons": { "nodes": [] } } });
        let seen = async |token: Option<&str>| {
            let input = json!({ "id": id, "event": stage.event, "shop": stage.shop });
            world.gql(token, PLACES, input).await.good().body["data"].clone()
        };
        assert_eq!(seen(None).await, nothing);
        assert_eq!(seen(Some(&buyer)).await, nothing);
        assert_eq!(seen(Some(&stage.vendor)).await["coupons"]["totalCount"], 2);
        assert_eq!(seen(Some(&stage.vendor)).await["event"]["coupons"]["nodes"], json!([{ "id": id }]));
        let plain = world.try_claim(&buyer, &id, "without-a-code").await;
        assert_eq!(plain.refusal("claimCoupon").as_deref(), Some("NOT_FOUND"));
        let reserve =
            "mutation($id: ID!) { reserveCoupon(input: { couponId: $id, idempotencyKey: \"bought-key\" }) {
            reservation { id } errors { code } } }";
        let bought = world.gql(Some(&buyer), reserve, json!({ "id": paid })).await;
        assert_eq!(bought.refusal("reserveCoupon").as_deref(), Some("NOT_FOUND"));
        let claimed = world.claim_code(&buyer, &stage.shop, ("SECRET-2", "with-its-code")).await.good();
        assert_eq!(claimed.data("claimCode.claim.coupon.title"), "Five off");
        assert_eq!(seen(Some(&buyer)).await, nothing, "its holder sees it in the bag");
        // Listed later, and taken out again, also where another instance has seen it.
        world.update_coupon(&stage.vendor, &id, json!({ "listed": true })).await.good();
        assert_eq!(seen(None).await["coupon"]["id"], json!(id));
        let other = World::of(world.second().await, world.backend, &world.url);
        let third = world.guest().await;
        let listed = other.try_claim(&third, &id, "while-it-is-listed").await.good();
        world.update_coupon(&stage.vendor, &id, json!({ "listed": false })).await.good();
        let gone = other.try_claim(&world.guest().await, &id, "not-any-more").await;
        assert_eq!(gone.refusal("claimCoupon").as_deref(), Some("NOT_FOUND"));
        let again = other.try_claim(&third, &id, "while-it-is-listed").await.good();
        assert_eq!(again.data("claimCoupon.claim.id"), listed.data("claimCoupon.claim.id"));
        tessera::server::close(other.app, std::time::Duration::from_secs(5)).await;
    });
}
