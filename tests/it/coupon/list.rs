//! Code lists of vendors: imported atomically, claimed one by one, and exported as a file.

use axum::{
    body::{Body, to_bytes},
    http::Request,
};
use serde_json::{Value, json};
use test_case::test_case;

use crate::support::Database::{self, Postgres, Sqlite};
use crate::{
    coupon::code::redeem,
    support::{World, given::Stage, run_on},
};

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

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn uploaded_codes_are_stored_atomically_and_claimed_one_by_one(database: Database) {
    run_on(database, async |world: &World| {
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

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn a_hundred_thousand_codes_go_in_and_out_as_files(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let id = uploaded(world, &stage).await;
        let codes =
            (0..100_000).fold(String::new(), |codes, number| codes + &format!("CODE-{number:06}\r\n"));
        let stranger = world.user("stranger").await;
        assert_eq!(upload(world, None, &id, &codes).await.0, 401);
        assert_eq!(upload(world, Some(&stranger), &id, &codes).await.0, 404);
        let (status, body) =
            upload(world, Some(&stage.vendor), &id, &format!("{codes}CODE-000007\r\nx\r\n")).await;
        assert_eq!((status, &body["code"]), (422, &json!("INVALID_CODES")), "{body}");
        assert_eq!(body["faults"][0]["line"], 100_001);
        let (status, body) = upload(world, Some(&stage.vendor), &id, &codes).await;
        assert_eq!((status, body), (200, json!({ "imported": 100_000, "stock": 100_000 })));
        let (status, body) = upload(world, Some(&stage.vendor), &id, "NEW-1\nCODE-099999\n").await;
        assert_eq!(
            (status, &body["faults"]),
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
#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn one_file_of_a_shop_is_on_its_way_at_a_time(database: Database) {
    run_on(database, async |world: &World| {
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
        let (status, body) = upload(world, Some(&stage.vendor), &id, "LATER-1\n").await;
        assert_eq!((status, &body["errors"][0]["extensions"]["code"]), (429, &json!("TOO_MANY_REQUESTS")));
        // Nor are codes made meanwhile: that is one long write too.
        let generate = "mutation($id: ID!, $key: String!) {
            generateCouponCodes(input: { couponId: $id, count: 5, idempotencyKey: $key }) { generated errors { code } } }";
        let input = json!({ "id": id, "key": "made-meanwhile" });
        let made = world.gql(Some(&stage.vendor), generate, input.clone()).await;
        assert_eq!(made.code().as_deref(), Some("OVERLOADED"), "{}", made.body);
        // Read to its end, it makes way.
        let file = to_bytes(reading.into_body(), usize::MAX).await.expect("a body");
        assert_eq!(String::from_utf8_lossy(&file).lines().count(), 20_001);
        assert_eq!(upload(world, Some(&stage.vendor), &id, "LATER-1\n").await.0, 200);
        assert_eq!(world.codes_file(&stage.vendor, &id).await.lines().count(), 20_002);
        let made = world.gql(Some(&stage.vendor), generate, input).await.good();
        assert_eq!(made.data("generateCouponCodes.generated"), 5);
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn an_upload_under_a_key_is_taken_in_once(database: Database) {
    run_on(database, async |world: &World| {
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
#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn one_of_two_concurrent_uploads_gets_the_code(database: Database) {
    run_on(database, async |world: &World| {
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
