//! Lists of codes as vendors have them: exported by spreadsheets, with headings, and with mistakes.

use std::fmt::Write;

use axum::{
    body::{Body, to_bytes},
    http::Request,
};
use entity::{audit, coupon::code};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::{Value, json};

use crate::support::{Answer, World, given::Stage, run};

const IMPORT: &str = "mutation($input: ImportCouponCodesInput!) { importCouponCodes(input: $input) {
    coupon { stock } imported faultCount faults { line why } errors { code path }
    preview { codeCount firstCodes skipped { line why text } skippedCount warnings delimiter encoding column } } }";

impl World {
    async fn list(&self, stage: &Stage) -> String {
        self.draft_coupon(stage, json!({ "codes": "UPLOADED", "limitPerBuyer": 9 })).await
    }

    async fn import_list(&self, stage: &Stage, coupon: &str, csv: &str, with: Value) -> Answer {
        let key = uuid::Uuid::from_bytes(self.app.random()).to_string();
        let mut input = json!({ "couponId": coupon, "csv": csv, "idempotencyKey": key });
        for (name, value) in with.as_object().into_iter().flatten() {
            input[name] = value.clone();
        }
        self.gql(Some(&stage.vendor), IMPORT, json!({ "input": input })).await
    }

    /// Uploads a file. Returns the status and the body.
    async fn upload(&self, stage: &Stage, path: &str, (media, file): (&str, Vec<u8>)) -> (u16, Value) {
        let request = Request::post(path)
            .header("content-type", media)
            .header("authorization", format!("Bearer {}", stage.vendor));
        let response = self.http(request.body(Body::from(file)).expect("a request")).await;
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), usize::MAX).await.expect("a body");
        (status, serde_json::from_slice(&body).expect("JSON"))
    }

    /// Returns the codes that are stored.
    async fn stored(&self) -> Vec<String> {
        let rows = code::Entity::find().all(self.app.store.read()).await.expect("codes");
        let mut codes: Vec<String> = rows.into_iter().map(|row| row.code).collect();
        codes.sort();
        codes
    }

    async fn withdraw(&self, token: &str, (coupon, code, key): (&str, &str, &str)) -> Answer {
        let document = "mutation($id: ID!, $code: String!, $key: String!) {
            withdrawCouponCode(input: { couponId: $id, code: $code, idempotencyKey: $key }) {
                coupon { id stock left } errors { code path } } }";
        let input = json!({ "id": coupon, "code": code, "key": key });
        self.gql(Some(token), document, input).await
    }
}

/// Lists of the same two codes.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    let wide = |text: &str, mark: bool, to_bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        let marked = if mark { format!("\u{feff}{text}") } else { text.to_owned() };
        marked.encode_utf16().flat_map(to_bytes).collect()
    };
    let latin = |text: &str| text.chars().map(|c| u8::try_from(u32::from(c)).expect("Latin-1")).collect();
    let excel = "Gutscheincode;Wert;Käufer\r\nFILE-1;5,00;Jürgen\r\nFILE-2;10,00;Zoë\r\n";
    vec![
        ("commas", b"code,value\nFILE-1,5.00\nFILE-2,10.00\n".to_vec()),
        ("semicolons", excel.into()),
        ("windows-1252", latin(excel)),
        ("a mark", format!("\u{feff}{excel}").into_bytes()),
        ("UTF-16LE", wide(excel, true, u16::to_le_bytes)),
        ("UTF-16BE", wide(excel, true, u16::to_be_bytes)),
        ("UTF-16LE without a mark", wide(excel, false, u16::to_le_bytes)),
        ("tabs", b"Voucher-Code\tName\nFILE-1\tA, B\nFILE-2\tC; D\n".to_vec()),
        ("bars", b"id|PromoCode\n1|FILE-1\n2|FILE-2\n".to_vec()),
        ("sep=;", b"sep=;\r\nWert;Code\r\n5,00;FILE-1\r\n5,00;FILE-2\r\n".to_vec()),
        ("sep=,", b"\"sep=,\"\nFILE-1\nFILE-2\n".to_vec()),
        ("comments", b"# exported by the shop\n\nFILE-1\n# another\n  \nFILE-2\n#".to_vec()),
        ("old line ends", b"Codes\rFILE-1\rFILE-2".to_vec()),
        ("quotes", b"\"Coupon \"\"code\"\"\"\n\"FILE-1\"\n\"FILE-2\"\n".to_vec()),
        ("formulas", b"=\"FILE-1\"\n=\"FILE-2\"\n".to_vec()),
        ("invisible characters", "FILE-1\u{200b}\n\u{a0}FILE\u{2011}2\n".into()),
        ("blank rows", b"C\xf3digo;;\nFILE-1;;\n;;\nFILE-2;;\n;;\n".to_vec()),
        ("a Polish heading", "Kod rabatowy;Ważny do\nFILE-1;2026-12-31\nFILE-2;2026-12-31\n".into()),
        ("a Japanese heading", "クーポンコード\nFILE-1\nFILE-2\n".into()),
    ]
}

#[test]
fn lists_of_all_programs_are_imported() {
    run(async |world: &World| {
        let stage = world.stage().await;
        for (number, (name, file)) in files().into_iter().enumerate() {
            let id = world.list(&stage).await;
            let (status, body) =
                world.upload(&stage, &format!("/coupons/{id}/codes"), ("text/csv", file.clone())).await;
            assert_eq!(
                (status, &body["imported"], &body["stock"]),
                (200, &json!(2), &json!(2)),
                "{name}: {body}"
            );
            assert_eq!(world.stored().await, ["FILE-1", "FILE-2"], "{name}");
            for code in ["FILE-1", "FILE-2"] {
                world.withdraw(&stage.vendor, (&id, code, &format!("withdraw-{number}-{code}"))).await.good();
            }
            // The API takes the same list as a text.
            if let Ok(text) = String::from_utf8(file) {
                let answer = world.import_list(&stage, &id, &text, json!({})).await.good();
                assert_eq!(answer.data("importCouponCodes.imported"), 2, "{name}");
                for code in ["FILE-1", "FILE-2"] {
                    world
                        .withdraw(&stage.vendor, (&id, code, &format!("again-{number}-{code}")))
                        .await
                        .good();
                }
            }
        }
    });
}

#[test]
fn heading_is_never_imported_without_consent() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let id = world.list(&stage).await;
        for heading in [
            "Gutscheincode",
            "PromoCode",
            "Voucher-Code",
            "CODE",
            "Kod",
            "Código",
            "Rabattcode",
            "Codice sconto",
            "Kortingscode",
            "Slevový kód",
            "Code promo",
            "Gift card number",
            "Промокод",
        ] {
            let csv = format!("{heading}\nWORD-1\nWORD-2\n");
            let answer = world.import_list(&stage, &id, &csv, json!({ "dryRun": true })).await.good();
            assert_eq!(answer.data("importCouponCodes.preview.codeCount"), 2, "{heading}");
            let skipped = json!([{ "line": 1, "why": "HEADING", "text": heading }]);
            assert_eq!(answer.data("importCouponCodes.preview.skipped"), skipped, "{heading}");
        }
        for unclear in ["Bezeichnung", "Zugangsdaten", "WELCOME", "Label", "Barcode", "Wert"] {
            let csv = format!("{unclear}\nWORD-1\nWORD-2\n");
            let answer = world.import_list(&stage, &id, &csv, json!({})).await;
            assert_eq!(answer.refusal("importCouponCodes").as_deref(), Some("INVALID_CODES"), "{unclear}");
            assert_eq!(answer.data("importCouponCodes.faultCount"), 1, "{unclear}");
            let why = answer.text("importCouponCodes.faults.0.why");
            assert!(why.contains("heading") && why.contains("firstLine"), "{unclear}: {why}");
        }
        assert_eq!(world.stored().await, Vec::<String>::new());
        let heading = json!({ "firstLine": "HEADING" });
        world.import_list(&stage, &id, "Bezeichnung\nWORD-1\n", heading).await.good();
        assert_eq!(world.stored().await, ["WORD-1"]);
        let code = json!({ "firstLine": "CODE" });
        world.import_list(&stage, &id, "Voucher\nWORD-2\n", code).await.good();
        assert_eq!(world.stored().await, ["VOUCHER", "WORD-1", "WORD-2"]);
    });
}

#[test]
fn preview_shows_what_would_be_imported_and_stores_nothing() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let id = world.list(&stage).await;
        let mut csv = "# spring\nNr;Gutschein-Code\n".to_owned();
        for number in 1..=12 {
            writeln!(csv, "{number};spring-{number:02}").expect("written");
        }
        let dry = world.import_list(&stage, &id, &csv, json!({ "dryRun": true })).await.good();
        assert_eq!(dry.data("importCouponCodes.imported"), 0);
        assert_eq!(dry.data("importCouponCodes.coupon.stock"), 0);
        let preview = dry.data("importCouponCodes.preview");
        assert_eq!((&preview["codeCount"], &preview["delimiter"]), (&json!(12), &json!(";")));
        assert_eq!((&preview["encoding"], &preview["column"]), (&json!("UTF-8"), &json!(2)));
        assert_eq!(preview["firstCodes"].as_array().map(Vec::len), Some(10));
        assert_eq!((&preview["firstCodes"][0], &preview["skippedCount"]), (&json!("SPRING-01"), &json!(2)));
        assert_eq!(preview["skipped"][0], json!({ "line": 1, "why": "COMMENT", "text": "# spring" }));
        assert_eq!(preview["warnings"].as_array().map(Vec::len), Some(1));
        assert_eq!(world.stored().await, Vec::<String>::new());
        let done = world.import_list(&stage, &id, &csv, json!({})).await.good();
        assert_eq!(done.data("importCouponCodes.imported"), 12);
        assert_eq!(done.data("importCouponCodes.preview.codeCount"), 12);
        // A preview finds codes that are taken.
        let taken = world.import_list(&stage, &id, "SPRING-01\nNEW-1\n", json!({ "dryRun": true })).await;
        let faults = json!([{ "line": 1, "why": "has a code that is taken" }]);
        assert_eq!(taken.data("importCouponCodes.faults"), faults);
        let path = format!("/coupons/{id}/codes?dryRun=true&firstLine=HEADING&column=2");
        let file = ("text/csv; charset=windows-1252", b"K\xe4ufer;Karte\nA;NEW-1\n".to_vec());
        let (status, body) = world.upload(&stage, &path, file).await;
        assert_eq!((status, &body["imported"], &body["stock"]), (200, &json!(0), &json!(12)), "{body}");
        assert_eq!(body["preview"]["firstCodes"], json!(["NEW-1"]));
        assert_eq!(body["preview"]["encoding"], "windows-1252");
        for path in ["?firstLine=MAYBE", "?column=0", "?dryRun=perhaps"] {
            let path = format!("/coupons/{id}/codes{path}");
            assert_eq!(world.upload(&stage, &path, ("text/csv", b"NEW-1".to_vec())).await.0, 400, "{path}");
        }
        let column = world.import_list(&stage, &id, "NEW-1", json!({ "column": 0 })).await;
        assert_eq!(column.refusal("importCouponCodes").as_deref(), Some("INVALID"));
        assert_eq!(world.stored().await.len(), 12);
    });
}

#[test]
fn file_that_cannot_be_read_has_one_fault_with_its_cause() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let id = world.list(&stage).await;
        let many = |line: &str| format!("{line}\n").repeat(50).into_bytes();
        for (file, cause) in [
            (b"PK\x03\x04\x14\0\x06\0".to_vec(), "spreadsheet"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec(), "spreadsheet"),
            (b"%PDF-1.7".to_vec(), "PDF"),
            (b"\xff\xfe\0\0F\0\0\0".to_vec(), "UTF-32"),
            (b"FILE-1\0\nFILE-2\n".to_vec(), "zero bytes"),
            (b"<!DOCTYPE html>".to_vec(), "web page"),
            (many("FILE/1"), "no line"),
            (many("A B C D"), "no line"),
            (many("x"), "no line"),
            (b"\"FILE-1\nFILE-2\nFILE-3\n".to_vec(), "quotation mark"),
            (b"FILE-1,FILE-2,FILE-3\n".to_vec(), "several codes"),
            (b"\n\n".to_vec(), "no code"),
        ] {
            let (status, body) =
                world.upload(&stage, &format!("/coupons/{id}/codes"), ("text/csv", file)).await;
            assert_eq!(
                (status, &body["code"], &body["faultCount"]),
                (422, &json!("INVALID_CODES"), &json!(1)),
                "{body}"
            );
            assert!(
                body["faults"][0]["why"].as_str().is_some_and(|why| why.contains(cause)),
                "{cause}: {body}"
            );
        }
        assert_eq!(world.stored().await, Vec::<String>::new());
    });
}

#[test]
fn withdrawn_code_cannot_be_claimed() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let id =
            world.published_with(&stage, "LEAK-1\nLEAK-2\nLEAK-3\n", json!({ "limitPerBuyer": 9 })).await;
        let buyer = world.guest().await;
        let gone = world.withdraw(&stage.vendor, (&id, " leak–2 ", "withdraw-two")).await.good();
        assert_eq!(gone.data("withdrawCouponCode.coupon"), json!({ "id": id, "stock": 2, "left": 2 }));
        let again = world.withdraw(&stage.vendor, (&id, " leak–2 ", "withdraw-two")).await.good();
        assert_eq!(again.data("withdrawCouponCode.coupon.stock"), 2);
        let refused = async |code: &str, key: &str| {
            world.withdraw(&stage.vendor, (&id, code, key)).await.refusal("withdrawCouponCode")
        };
        assert_eq!(refused("LEAK-2", "withdraw-two-again").await.as_deref(), Some("UNKNOWN_CODE"));
        assert_eq!(refused("?", "withdraw-nonsense").await.as_deref(), Some("UNKNOWN_CODE"));
        assert_eq!(refused("LEAK-1", "withdraw-two").await.as_deref(), Some("IDEMPOTENCY_MISMATCH"));
        let claim = world.claim_code(&buyer, &stage.shop, ("LEAK-2", "claim-withdrawn")).await;
        assert_eq!(claim.refusal("claimCode").as_deref(), Some("UNKNOWN_CODE"));
        world.claim_code(&buyer, &stage.shop, ("LEAK-1", "claim-the-first")).await.good();
        assert_eq!(refused("LEAK-1", "withdraw-claimed").await.as_deref(), Some("CLAIMED"));
        // The next code follows the last one, although there is a gap.
        world.import_codes(&stage.vendor, &id, "LEAK-4\nLEAK-2\n").await.good();
        let next = world.try_claim(&buyer, &id, "claim-the-next").await.good();
        assert_eq!(next.text("claimCoupon.claim.code"), "LEAK-3");
        let stranger = world.user("stranger").await;
        let foreign = world.withdraw(&stranger, (&id, "LEAK-4", "not-my-coupon")).await;
        assert_eq!(foreign.refusal("withdrawCouponCode").as_deref(), Some("NOT_FOUND"));
        let generated = world.published(&stage, json!({})).await;
        let own = world.withdraw(&stage.vendor, (&generated, "LEAK-4", "no-list-at-all")).await;
        assert_eq!(own.refusal("withdrawCouponCode").as_deref(), Some("INVALID"));
        let rows = audit::Entity::find().filter(audit::Column::Action.eq(audit::Action::CouponCodeWithdrawn));
        let rows = rows.all(world.app.store.read()).await.expect("the log");
        assert_eq!(rows.len(), 1);
        assert!(!rows[0].details.to_uppercase().contains("LEAK"), "{}", rows[0].details);
    });
}

/// A code is either withdrawn or claimed, also on another instance.
#[test]
fn code_is_withdrawn_or_claimed() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let second = World::of(world.second().await, world.backend, &world.url);
        let codes = (0..24).fold(String::new(), |codes, code| codes + &format!("RACE-{code:02}\n"));
        let id = world.published_with(&stage, &codes, json!({ "limitPerBuyer": 24 })).await;
        let buyer = world.guest().await;
        for round in 0..24 {
            let (code, key) = (format!("RACE-{round:02}"), format!("race-{round}-key"));
            let (withdrawn, claimed) = tokio::join!(
                world.withdraw(&stage.vendor, (&id, &code, &key)),
                second.claim_code(&buyer, &stage.shop, (&code, &key)),
            );
            let (withdrawn, claimed) =
                (withdrawn.refusal("withdrawCouponCode"), claimed.refusal("claimCode"));
            assert_ne!(withdrawn.is_none(), claimed.is_none(), "{code}: {withdrawn:?} {claimed:?}");
        }
        tessera::server::close(second.app, std::time::Duration::from_secs(5)).await;
    });
}

/// Issue 13: an upload went on for minutes after its client had left.
#[test]
fn upload_ends_with_its_client() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let id = world.list(&stage).await;
        let codes = (0..100_000).fold(String::new(), |codes, code| codes + &format!("LEFT-{code:06}\n"));
        {
            let upload = world.upload(&stage, "/coupons/none/codes", ("text/csv", Vec::new())).await;
            assert_eq!(upload.0, 404);
            let path = format!("/coupons/{id}/codes");
            let mut upload = Box::pin(world.upload(&stage, &path, ("text/csv", codes.into_bytes())));
            // Poll until the import runs in its task.
            for _ in 0..200 {
                assert!(futures_util::poll!(&mut upload).is_pending(), "it takes longer");
                tokio::task::yield_now().await;
            }
        }
        // The shop's next upload starts when the abandoned one has ended.
        loop {
            let path = format!("/coupons/{id}/codes");
            let (status, _) = world.upload(&stage, &path, ("text/csv", b"NEXT-1\n".to_vec())).await;
            if status != 429 {
                assert_eq!(status, 200);
                break;
            }
            tokio::task::yield_now().await;
        }
        let left = code::Entity::find().count(world.app.store.read()).await.expect("a count");
        assert_eq!(left, 1, "the abandoned upload stored nothing");
    });
}
