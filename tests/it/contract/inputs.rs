//! The meaning of inputs: texts, e-mail addresses, telephone numbers, time zones, countries and times have one rule
//! each, wherever a client sends them.

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use test_case::test_case;

use crate::support::Database::{self, Postgres, Sqlite};
use crate::support::{Answer, World, given::Stage, run_on};

/// Texts of one line that nobody can read, or that are read as something else.
const UNREADABLE: &[&str] = &[
    "Jazz\u{202e}zzaJ",
    "\u{2066}Jazz\u{2069}",
    "Jazz\u{200f}",
    "Ja\u{200b}zz",
    "\u{200d}",
    "\u{3164}",
    "\u{2800}",
    "Jazz\u{e0041}",
    "Jazz\u{fe0f}",
    "\u{feff}Jazz",
    "Ja\u{ad}zz",
    "Ja\nzz",
    "Ja\tzz",
    "Ja\u{2028}zz",
    "Jazz\0",
    "Jazz\u{1b}[1m",
    "\u{f8ff}",
    "Jazz\u{378}",
    "Ja\u{fffd}zz",
    "z\u{35c}\u{323}\u{35c}\u{323}\u{35c}\u{323}algo",
    "\u{301}Jazz",
];

/// Texts of one line that are stored unchanged.
const READABLE: &[&str] = &[
    "🎉 Jazz 👩🏽‍🚀",
    "👨‍👩‍👧‍👦 🏳️‍🌈 🇩🇪 1️⃣",
    "می\u{200c}خواهم",
    "ශ්\u{200d}රී ලංකා",
    "Việt Nam – “Ω”",
    "שָׁלוֹם",
    "葛\u{e0100}飾区",
    "བཀྲ་ཤིས་བདེ་ལེགས།",
];

/// The mutations with a name, as documents with the variables `$text` and `$input`, and the object that they return.
fn naming(stage: &Stage) -> Vec<(&'static str, &'static str, &'static str, Value)> {
    let (shop, category, event) = (&stage.shop, &stage.category, &stage.event);
    let times = json!({ "startsAt": "2026-09-01T18:00:00Z", "endsAt": "2026-09-01T21:00:00Z" });
    let price = json!({ "amount": "5.00", "currency": "EUR" });
    vec![
        ("createShop", "shop", "name", json!({ "currency": "EUR" })),
        (
            "createVenue",
            "venue",
            "name",
            json!({ "shopId": shop, "city": "Graz", "country": "AT", "timeZone": "UTC" }),
        ),
        (
            "createVenue",
            "venue",
            "city",
            json!({ "shopId": shop, "name": "Hall", "country": "AT", "timeZone": "UTC" }),
        ),
        (
            "createEvent",
            "event",
            "name",
            with(times, json!({ "shopId": shop, "venueId": stage.venue, "categoryId": category })),
        ),
        (
            "createTier",
            "tier",
            "name",
            json!({ "eventId": event, "taxBasisPoints": 0, "basePrice": price.clone() }),
        ),
        ("createProduct", "product", "name", json!({ "shopId": shop, "categoryId": category })),
        (
            "createCoupon",
            "coupon",
            "title",
            json!({ "shopId": shop, "categoryId": category, "kind": "AMOUNT_OFF", "amount": price }),
        ),
        ("updateProfile", "account", "name", json!({})),
    ]
}

fn with(mut value: Value, more: Value) -> Value {
    if let (Some(all), Value::Object(more)) = (value.as_object_mut(), more) {
        all.extend(more);
    }
    value
}

async fn named(world: &World, stage: &Stage, naming: &(&str, &str, &str, Value), text: &str) -> Answer {
    let (mutation, object, field, input) = naming;
    let kind = format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..]);
    let document = format!(
        "mutation($input: {kind}!) {{ {mutation}(input: $input) {{ {object} {{ {field} }} errors {{ code path message }} }} }}"
    );
    let mut input = input.clone();
    input[*field] = json!(text);
    if *mutation == "updateProfile" {
        let seen =
            world.gql(Some(&stage.vendor), "{ viewer { account { version } } }", json!({})).await.good();
        input["expectedVersion"] = seen.data("viewer.account.version");
    }
    world.gql(Some(&stage.vendor), &document, json!({ "input": input })).await
}

fn paths(answer: &Answer, mutation: &str) -> Vec<String> {
    let errors = answer.data(&format!("{mutation}.errors"));
    let path = |error: &Value| {
        let steps = error["path"].as_array().into_iter().flatten();
        steps.filter_map(Value::as_str).collect::<Vec<_>>().join(".")
    };
    errors.as_array().into_iter().flatten().map(path).collect()
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn names_are_readable_everywhere(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        for naming in naming(&stage) {
            // A tier needs places. The text is checked before them.
            let (mutation, object, field, _) = &naming;
            for text in UNREADABLE {
                let answer = named(world, &stage, &naming, text).await;
                assert_eq!(answer.refusal(mutation).as_deref(), Some("INVALID"), "{text:?}: {}", answer.body);
                assert!(paths(&answer, mutation).contains(&(*field).to_owned()), "{text:?}: {}", answer.body);
            }
            for text in READABLE.iter().filter(|_| *mutation != "createTier") {
                let answer = named(world, &stage, &naming, text).await.good();
                assert_eq!(answer.data(&format!("{mutation}.{object}.{field}")), *text);
            }
        }
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn text_is_returned_in_its_stored_form(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let document =
            "mutation($name: String!, $text: String!) { createShop(input: { name: $name, description: $text,
            currency: \"EUR\" }) { shop { id name description } errors { code path message } } }";
        let input = json!({ "name": " Cafe\u{301} \n", "text": "a\r\nb\rc\t\u{a0}" });
        let made = world.gql(Some(&stage.vendor), document, input).await.good();
        assert_eq!(made.data("createShop.shop.name"), "Café");
        assert_eq!(made.data("createShop.shop.description"), "a\nb\nc");
        let again = "query($id: ID!) { shop(id: $id) { name description } }";
        let id = made.data("createShop.shop.id");
        let again = world.gql(None, again, json!({ "id": id })).await.good();
        assert_eq!(again.data("shop.name"), "Café");
        assert_eq!(again.data("shop.description"), "a\nb\nc");
        let hidden = json!({ "name": "Bar", "text": "one\ntwo\u{202e}" });
        let refused = world.gql(Some(&stage.vendor), document, hidden).await;
        assert_eq!(paths(&refused, "createShop"), ["description"], "{}", refused.body);
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn time_zones_and_countries_exist(database: Database) {
    const CREATE: &str =
        "mutation($shop: ID!, $country: String!, $zone: String!) { createVenue(input: { shopId: $shop,
        name: \"Hall\", city: \"Graz\", country: $country, timeZone: $zone }) {
        venue { country timeZone } errors { code path message } } }";
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let create = async |country: &str, zone: &str| {
            let input = json!({ "shop": stage.shop, "country": country, "zone": zone });
            world.gql(Some(&stage.vendor), CREATE, input).await
        };
        for zone in [
            "Asia/Calcutta",
            "Europe/Kyiv",
            "Europe/Kiev",
            "UTC",
            "America/Argentina/Buenos_Aires",
            "Etc/GMT+5",
        ] {
            let venue = create("UA", zone).await.good().data("createVenue.venue");
            assert_eq!(venue, json!({ "country": "UA", "timeZone": zone }));
        }
        for zone in
            ["Mars/Base", "CEST", "PST", "+02:00", "europe/berlin", "Europe/Munich", "", "Europe/Ber\0lin"]
        {
            let answer = create("DE", zone).await;
            assert_eq!(paths(&answer, "createVenue"), ["timeZone"], "{zone:?}: {}", answer.body);
        }
        for country in ["UK", "ZZ", "XK", "EU", "de", "DEU", "", "D\0"] {
            let answer = create(country, "UTC").await;
            assert_eq!(paths(&answer, "createVenue"), ["country"], "{country:?}: {}", answer.body);
        }
        let hint = create("UK", "UTC").await.text("createVenue.errors.0.message");
        assert!(hint.contains("GB"), "{hint}");
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn a_venue_of_an_older_version_can_be_changed(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let tx = world.app.store.begin().await.expect("a transaction");
        let old = "UPDATE venue SET time_zone = 'Mars/Base', country = 'UK'";
        tx.execute_unprepared(old).await.expect("an update");
        tx.commit().await.expect("a commit");
        let document =
            "mutation($id: ID!) { updateVenue(input: { venueId: $id, expectedVersion: 1, name: \"New\" }) {
            venue { name } errors { code path message } } }";
        let changed = world.gql(Some(&stage.vendor), document, json!({ "id": stage.venue })).await.good();
        assert_eq!(changed.data("updateVenue.venue.name"), "New");
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn times_have_one_meaning(database: Database) {
    const CREATE: &str =
        "mutation($shop: ID!, $venue: ID!, $category: ID!, $at: DateTime!) { createEvent(input: {
        shopId: $shop, venueId: $venue, categoryId: $category, name: \"Gala\", startsAt: $at, endsAt: $at,
        salesStart: \"2026-01-01T00:00:00Z\" }) { event { startsAt } errors { code path message } } }";
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let create = async |at: &str| {
            let input =
                json!({ "shop": stage.shop, "venue": stage.venue, "category": stage.category, "at": at });
            world.gql(Some(&stage.vendor), CREATE, input).await
        };
        for (at, stored) in [
            ("2026-09-01T20:00:00+02:00", "2026-09-01T18:00:00+00:00"),
            ("2026-09-01T18:00:00.1234567Z", "2026-09-01T18:00:00.123456+00:00"),
            ("2026-09-01t18:00:00z", "2026-09-01T18:00:00+00:00"),
        ] {
            assert_eq!(create(at).await.good().data("createEvent.event.startsAt"), stored);
        }
        for at in [
            "2026-12-31T23:59:60Z",
            "2026-09-01T18:00:60Z",
            "2026-12-31T23:59:60.5+00:00",
            "2026-09-01T18:00:00",
            "2026-09-01 18:00:00Z",
            "2026-02-29T18:00:00Z",
            "10000-01-01T00:00:00Z",
            "0000-01-01T00:00:00Z",
        ] {
            let answer = create(at).await;
            assert_eq!(answer.code().as_deref(), Some("GRAPHQL_VALIDATION_FAILED"), "{at}: {}", answer.body);
        }
        for at in ["1999-12-31T23:59:59Z", "3000-01-01T00:00:00Z"] {
            let answer = create(at).await;
            assert!(paths(&answer, "createEvent").contains(&"startsAt".to_owned()), "{at}: {}", answer.body);
        }
        // A client that synchronises for the first time asks for everything.
        let list = "{ events(filter: { updatedAfter: \"0001-01-01T00:00:00Z\" }) { nodes { id } } }";
        assert!(!world.gql(None, list, json!({})).await.good().data("events.nodes.0").is_null());
    });
}

const SIGN_UP: &str = "mutation($email: String!) { signUp(input: { email: $email, name: \"Ada\",
    password: \"correct horse battery\" }) { session { account { email } } errors { code path message } } }";
const CHECKOUT: &str = "mutation($reservation: ID!, $email: String!, $key: String!) { checkout(input: {
    reservationIds: [$reservation], contact: { name: \"Ada\", email: $email }, idempotencyKey: $key }) {
    order { contact { email } } errors { code path message } } }";
const MEMBER: &str = "mutation($shop: ID!, $email: String!) { setShopMember(input: { shopId: $shop,
    expectedVersion: 1, email: $email, role: SELLER }) { shop { id } errors { code path message } } }";

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn sign_up_and_checkout_store_the_same_address(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        for (number, (email, stored)) in [
            (" Ada@EXAMPLE.org\n", "ada@example.org"),
            ("o'neil+tag@example.ie", "o'neil+tag@example.ie"),
            ("user@MÜNCHEN.de", "user@xn--mnchen-3ya.de"),
            ("ａｄａ2＠example．org", "ada2@example.org"),
            ("用户@例子.公司", "用户@xn--fsqu00a.xn--55qx5d"),
        ]
        .into_iter()
        .enumerate()
        {
            let signed = world.gql(None, SIGN_UP, json!({ "email": email })).await.good();
            assert_eq!(signed.data("signUp.session.account.email"), stored);
            let guest = world.guest().await;
            let reservation = world.reserve(&guest, &stage.event, &[&stage.seats[number]]).await;
            let input =
                json!({ "reservation": reservation, "email": email, "key": format!("checkout-{number}") });
            let ordered = world.gql(Some(&guest), CHECKOUT, input).await.good();
            assert_eq!(ordered.data("checkout.order.contact.email"), stored);
        }
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn sign_up_checkout_and_members_refuse_the_same_addresses(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let guest = world.guest().await;
        let reservation = world.reserve(&guest, &stage.event, &[&stage.seats[9]]).await;
        for email in [
            "ada@example.org.",
            "<ada@example.org>",
            "Ada <ada@example.org>",
            "mailto:ada@example.org",
            "a..da@example.org",
            ".ada@example.org",
            "ada@example..org",
            "ada @example.org",
            "ada@example.org, bob@example.org",
            "\"ada\"@example.org",
            "ada(work)@example.org",
            "ada@localhost",
            "ada@127.0.0.1",
            "a\u{200b}da@example.org",
            "ada@exаmple.org",
            "ada@example.org\0",
            "ada",
            "",
        ] {
            let signed = world.gql(None, SIGN_UP, json!({ "email": email })).await;
            assert_eq!(paths(&signed, "signUp"), ["email"], "{email:?}: {}", signed.body);
            let input = json!({ "reservation": reservation, "email": email, "key": "checkout-refused" });
            let ordered = world.gql(Some(&guest), CHECKOUT, input).await;
            assert_eq!(paths(&ordered, "checkout"), ["contact.email"], "{email:?}: {}", ordered.body);
            let input = json!({ "shop": stage.shop, "email": email });
            let member = world.gql(Some(&stage.vendor), MEMBER, input).await;
            assert_eq!(paths(&member, "setShopMember"), ["email"], "{email:?}: {}", member.body);
            assert_eq!(member.refusal("setShopMember").as_deref(), Some("INVALID"), "{}", member.body);
        }
        let input = json!({ "shop": stage.shop, "email": "nobody@example.org" });
        let member = world.gql(Some(&stage.vendor), MEMBER, input).await;
        assert_eq!(member.refusal("setShopMember").as_deref(), Some("NOT_FOUND"), "{}", member.body);
    });
}
