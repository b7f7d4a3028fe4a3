//! Behaviour that the GraphQL specification prescribes and the library does not have.
//! See <https://spec.graphql.org/September2025/>.

use serde_json::{Value, json};
use test_case::test_case;

use crate::support::Database::{self, Postgres, Sqlite};
use crate::support::{Answer, World, run_on, run_once};

const INVALID_DOCUMENT: Option<&str> = Some("GRAPHQL_VALIDATION_FAILED");

/// Checks that nothing was executed.
fn is_request_error(answer: &Answer) {
    assert_eq!(answer.code().as_deref(), INVALID_DOCUMENT, "{}", answer.body);
    assert_eq!(answer.body["data"], Value::Null, "{}", answer.body);
    assert_eq!(answer.body["errors"][0].get("path"), None, "{}", answer.body);
}

/// Section 6.1.2, "Coercing Variable Values": a non-null variable without a value is a request error.
#[test]
fn missing_required_variable_is_a_request_error() {
    run_once(async |world: &World| {
        let query = "query($slug: String!) { event(slug: $slug) { id } }";
        let mutation = "mutation($input: SignInInput!) { made: createGuestSession { session { accessToken } errors { code } }
            signIn(input: $input) { errors { code } } }";
        for (document, name) in [(query, "slug"), (mutation, "input")] {
            for variables in [json!({}), json!({ name: null }), json!({ "other": "x" })] {
                let answer = world.gql(None, document, variables).await;
                is_request_error(&answer);
                assert!(
                    answer.body["errors"][0]["message"].as_str().expect("text").contains(name),
                    "{}",
                    answer.body
                );
            }
        }
        // A default is a value, and other operations of the document need none.
        let default = "query($slug: String! = \"none\") { event(slug: $slug) { id } }";
        assert_eq!(world.gql(None, default, json!({})).await.good().data("event"), Value::Null);
    });
}

/// Section 6.4.1, "Coercing Field Arguments": without a value for the variable, the default of the argument applies.
#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn omitted_variable_uses_the_default_of_the_argument(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let vendor = Some(stage.vendor.as_str());
        let export =
            "query($map: ID!, $format: SeatMapFormat) { seatMapExport(seatMapId: $map, format: $format) }";
        let plain = "query($map: ID!) { seatMapExport(seatMapId: $map) }";
        let expected = world.gql(vendor, plain, json!({ "map": stage.map })).await.good();
        let omitted = world.gql(vendor, export, json!({ "map": stage.map })).await.good();
        assert_eq!(omitted.body, expected.body);
        let other = world.gql(vendor, export, json!({ "map": stage.map, "format": "PRETIX" })).await.good();
        assert_ne!(other.body, expected.body, "a value of the variable counts");
        let null = world.gql(vendor, export, json!({ "map": stage.map, "format": null })).await;
        assert_eq!(
            null.code().as_deref(),
            INVALID_DOCUMENT,
            "null is not a value of the argument: {}",
            null.body
        );
        let products = "query($shop: ID!, $archived: Boolean) { shop(id: $shop) { products(archived: $archived) { nodes { id } } } }";
        let products = world.gql(None, products, json!({ "shop": stage.shop })).await.good();
        assert_eq!(products.data("shop.products.nodes"), json!([]));
        // Without a default, an omitted field of an input object is absent, not null.
        let create = "mutation($shop: ID!, $category: ID!, $shareable: Boolean, $cap: MoneyInput) {
            createCoupon(input: { shopId: $shop, categoryId: $category, title: \"A tenth\", kind: PERCENT_OFF,
                basisPoints: 1000, cap: $cap, shareable: $shareable }) {
                coupon { id version shareable cap { amount } } errors { code path } } }";
        let cap = json!({ "amount": "9.00", "currency": "EUR" });
        let input = json!({ "shop": stage.shop, "category": stage.category, "cap": cap });
        let made = world.gql(vendor, create, input).await.good();
        assert_eq!(made.data("createCoupon.coupon.shareable"), false);
        let update =
            "mutation($id: ID!, $version: Long!, $title: String, $cap: MoneyInput) { updateCoupon(input: {
            couponId: $id, expectedVersion: $version, title: $title, cap: $cap }) {
            coupon { version title cap { amount } } errors { code path } } }";
        let id = made.data("createCoupon.coupon.id");
        let version = made.data("createCoupon.coupon.version");
        let same = world.gql(vendor, update, json!({ "id": id, "version": version })).await.good();
        assert_eq!(same.data("updateCoupon.coupon.cap.amount"), "9.00", "{}", same.body);
        assert_eq!(same.data("updateCoupon.coupon.title"), "A tenth");
        let version = same.data("updateCoupon.coupon.version");
        let removed =
            world.gql(vendor, update, json!({ "id": id, "version": version, "cap": null })).await.good();
        assert_eq!(removed.data("updateCoupon.coupon.cap"), Value::Null, "null removes it");
    });
}

/// Section 5.8.5, "All Variable Usages Are Allowed".
#[test]
fn variable_of_another_type_is_refused() {
    run_once(async |world: &World| {
        for (document, variables) in [
            ("query($id: Int!) { event(id: $id) { id } }", json!({ "id": 1 })),
            ("query($id: Int) { event(id: $id) { id } }", json!({ "id": 1 })),
            ("query($id: String!) { event(id: $id) { id } }", json!({ "id": "x" })),
            ("query($id: ID) { node(id: $id) { id } }", json!({ "id": "x" })),
            (
                "query($ids: [Int!]!) { applicableCoupons(reservationIds: $ids) { message } }",
                json!({ "ids": [1] }),
            ),
            ("query($id: Int!) { applicableCoupons(reservationIds: [$id]) { message } }", json!({ "id": 1 })),
            ("query($first: ID!) { events(first: $first) { nodes { id } } }", json!({ "first": "1" })),
            ("query($id: Int!) { ...F } fragment F on Query { event(id: $id) { id } }", json!({ "id": 1 })),
            (
                "mutation($id: Int!) { claimCoupon(input: { couponId: $id, idempotencyKey: \"a key of mine\" }) { errors { code } } }",
                json!({ "id": 1 }),
            ),
        ] {
            is_request_error(&world.gql(None, document, variables).await);
        }
        // A literal number is an id, and so is a number in a variable of that type.
        for (document, variables) in [
            ("query { node(id: 1) { id } }", json!({})),
            ("query($id: ID!) { node(id: $id) { id } }", json!({ "id": 1 })),
        ] {
            let answer = world.gql(None, document, variables).await;
            assert_ne!(answer.code().as_deref(), INVALID_DOCUMENT, "{}", answer.body);
        }
    });
}

/// Section 5.8.4, "All Variables Used": a use in a directive counts.
#[test]
fn variable_in_a_directive_is_used() {
    run_once(async |world: &World| {
        let document = "query($with: Boolean!, $without: Boolean = false) { categories { slug }
            ... @include(if: $with) { shops(first: 1) { nodes { name } } } event(slug: \"none\") @skip(if: $without) { id } }";
        let shown = world.gql(None, document, json!({ "with": true })).await.good();
        assert_eq!(shown.body["data"], json!({ "categories": [], "shops": { "nodes": [] }, "event": null }));
        let hidden = world.gql(None, document, json!({ "with": false, "without": true })).await.good();
        assert_eq!(hidden.body["data"], json!({ "categories": [] }));
        let both = "query($on: Boolean!, $shop: ID!) { shop(id: $shop) { products(archived: $on) @include(if: $on) { nodes { id } } } }";
        let both = world
            .gql(None, both, json!({ "on": false, "shop": "shop_01h455vb4pex5vsknk084sn02q" }))
            .await
            .good();
        assert_eq!(both.data("shop"), Value::Null);
        for (document, variables) in [
            ("{ categories { slug @include(if: $with) } }", json!({ "with": true })),
            ("query($with: String!) { categories { slug @include(if: $with) } }", json!({ "with": "yes" })),
            ("query($with: Boolean) { categories { slug @include(if: $with) } }", json!({ "with": true })),
            ("query($with: Boolean!) { categories { slug @include(if: $with) } }", json!({})),
            ("query($with: Boolean!) { categories { slug @include(if: $with) } }", json!({ "with": "yes" })),
            ("query($with: Boolean!) { categories { slug } }", json!({ "with": true })),
        ] {
            is_request_error(&world.gql(None, document, variables).await);
        }
    });
}

/// A negative number is a 32-bit integer (section 3.5.1), so it is an error of the field that refuses it.
#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn negative_number_is_an_error_with_a_path(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let paid = world.published(&stage, json!({ "price": { "amount": "5.00", "currency": "EUR" } })).await;
        let listed = world.draft_coupon(&stage, json!({ "codes": "UPLOADED" })).await;
        let reserve = |pick: &str| {
            format!(
                "mutation($id: ID!, $number: Int!) {{ reserveSeats(input: {{ eventId: $id, idempotencyKey: \"negative-pick\",
                    pick: {pick} }}) {{ errors {{ code kind path }} }} }}"
            )
        };
        let area = reserve(&format!("{{ admission: {{ areaId: \"{}\", quantity: $number }} }}", stage.area));
        let best = reserve("{ bestAvailable: { quantity: $number } }");
        let chairs = reserve("{ bestAvailable: { quantity: 2, accessible: { wheelchairPlaces: $number } } }");
        let companions = reserve(
            "{ bestAvailable: { quantity: 2, accessible: { wheelchairPlaces: 1, companions: $number } } }",
        );
        let copies =
            "mutation($id: ID!, $number: Int!) { reserveCoupon(input: { couponId: $id, quantity: $number,
            idempotencyKey: \"negative-copies\" }) { errors { code kind path } } }";
        let codes =
            "mutation($id: ID!, $number: Int!) { generateCouponCodes(input: { couponId: $id, count: $number,
            idempotencyKey: \"negative-codes\" }) { errors { code kind path } } }";
        let vendor = &stage.vendor;
        for (mutation, document, token, id, path) in [
            ("reserveSeats", area.as_str(), &buyer, &stage.event, "pick.admission.quantity"),
            ("reserveSeats", &best, &buyer, &stage.event, "pick.bestAvailable.quantity"),
            ("reserveSeats", &chairs, &buyer, &stage.event, "pick.bestAvailable.accessible.wheelchairPlaces"),
            ("reserveSeats", &companions, &buyer, &stage.event, "pick.bestAvailable.accessible.companions"),
            ("reserveCoupon", copies, &buyer, &paid, "quantity"),
            ("generateCouponCodes", codes, vendor, &listed, "count"),
        ] {
            let answer = world.gql(Some(token), document, json!({ "id": id, "number": -1 })).await;
            let error = answer.data(&format!("{mutation}.errors.0"));
            let path: Vec<_> = path.split('.').collect();
            assert_eq!(
                error,
                json!({ "code": "INVALID", "kind": "INVALID", "path": path }),
                "{}",
                answer.body
            );
        }
        let list = "query($first: Int) { shops(first: $first) { nodes { id } } }";
        let list = world.gql(None, list, json!({ "first": -1 })).await;
        assert_eq!(list.code().as_deref(), Some("BAD_USER_INPUT"), "{}", list.body);
        assert_eq!(list.body["errors"][0]["path"], json!(["shops"]));
    });
}
