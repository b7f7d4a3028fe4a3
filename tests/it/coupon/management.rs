//! Products and coupons: creating, changing, publishing and browsing them.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};
use test_case::test_case;

use crate::support::Database::{self, Postgres, Sqlite};
use crate::support::{World, given::Stage, given_coupon::five_off, run_on};

/// Short enough for tokens to last.
const STEP: Duration = Duration::from_mins(2);

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn products_are_made_changed_listed_and_archived(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let create = "mutation($shop: ID!, $category: ID!) { createProduct(input: { shopId: $shop,
            categoryId: $category, name: \" Espresso \", pictureUrl: \"https://x.test/cup.png\" }) {
            product { id version name archived shop { name } category { slug } } errors { code path } } }";
        let input = json!({ "shop": stage.shop, "category": stage.category });
        let made = world.gql(Some(&stage.vendor), create, input.clone()).await.good();
        let id = made.text("createProduct.product.id");
        assert_eq!(made.data("createProduct.product.name"), "Espresso");
        let stranger = world.user("stranger").await;
        let refused = world.gql(Some(&stranger), create, input).await;
        assert_eq!(refused.code().as_deref(), Some("FORBIDDEN"), "{}", refused.body);

        let update = "mutation($id: ID!, $version: Long!, $name: String!) { updateProduct(input: { productId: $id,
            expectedVersion: $version, name: $name }) { product { version name pictureUrl } errors { code path } } }";
        let change = |version: i32, name: &str| json!({ "id": id, "version": version, "name": name });
        let changed = world.gql(Some(&stage.vendor), update, change(1, "Doppio")).await.good();
        assert_eq!(changed.data("updateProduct.product.pictureUrl"), "https://x.test/cup.png");
        let outdated = world.gql(Some(&stage.vendor), update, change(1, "Lungo")).await;
        assert_eq!(outdated.refusal("updateProduct").as_deref(), Some("STALE"));
        let foreign = world.gql(Some(&stranger), update, change(2, "Lungo")).await;
        assert_eq!(foreign.refusal("updateProduct").as_deref(), Some("NOT_FOUND"));

        let list = "query($shop: ID!, $archived: Boolean!) { shop(id: $shop) {
            products(archived: $archived) { nodes { name archived } } } }";
        let listed = async |archived: bool| {
            let input = json!({ "shop": stage.shop, "archived": archived });
            world.gql(None, list, input).await.good().data("shop.products.nodes")
        };
        assert_eq!(listed(false).await, json!([{ "name": "Doppio", "archived": false }]));
        let archive = "mutation($id: ID!) { archiveProduct(input: { productId: $id, expectedVersion: 2 }) {
            product { archived } errors { code } } }";
        for _ in 0..2 {
            world.gql(Some(&stage.vendor), archive, json!({ "id": id })).await.good();
        }
        assert_eq!(listed(false).await, json!([]));
        assert_eq!(listed(true).await, json!([{ "name": "Doppio", "archived": true }]));
        let node = "query($id: ID!) { node(id: $id) { __typename id } }";
        assert_eq!(
            world.gql(None, node, json!({ "id": id })).await.good().data("node.__typename"),
            "Product"
        );
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn a_coupon_goes_through_its_life(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let id = world.draft_coupon(&stage, json!({ "stock": 3 })).await;
        let seen = "query($id: ID!) { coupon(id: $id) { state left } }";
        let look = async |token: Option<&str>| {
            world.gql(token, seen, json!({ "id": id })).await.good().data("coupon")
        };
        assert_eq!(look(None).await, Value::Null, "a draft is its shop's");
        assert_eq!(look(Some(&stage.vendor)).await, json!({ "state": "DRAFT", "left": null }));
        let step = async |mutation: &str| world.step_coupon(&stage.vendor, mutation, &id).await;
        assert_eq!(step("pauseCoupon").await.refusal("pauseCoupon").as_deref(), Some("NOT_PUBLISHED"));
        step("publishCoupon").await.good();
        assert_eq!(look(None).await, json!({ "state": "PUBLISHED", "left": 3 }));
        assert_eq!(step("publishCoupon").await.refusal("publishCoupon").as_deref(), Some("NOT_DRAFT"));
        let outdated = "mutation($id: ID!) { pauseCoupon(input: { couponId: $id, expectedVersion: 1 }) { errors { code } } }";
        let refused = world.gql(Some(&stage.vendor), outdated, json!({ "id": id })).await;
        assert_eq!(refused.refusal("pauseCoupon").as_deref(), Some("STALE"));
        step("pauseCoupon").await.good();
        let buyer = world.guest().await;
        assert_eq!(
            world.try_claim(&buyer, &id, "while-paused").await.refusal("claimCoupon").as_deref(),
            Some("NOT_OPEN")
        );
        step("resumeCoupon").await.good();
        world.claim(&buyer, &id).await;
        step("endCoupon").await.good();
        assert_eq!(step("resumeCoupon").await.refusal("resumeCoupon").as_deref(), Some("ENDED"));
        assert_eq!(look(None).await, json!({ "state": "ENDED", "left": 2 }));
        let other = world.guest().await;
        assert_eq!(
            world.try_claim(&other, &id, "when-ended").await.refusal("claimCoupon").as_deref(),
            Some("NOT_OPEN")
        );
        let changed = world.update_coupon(&stage.vendor, &id, json!({ "title": "Six off" })).await;
        assert_eq!(changed.refusal("updateCoupon").as_deref(), Some("ENDED"));
        let stranger = world.user("stranger").await;
        let foreign = world.step_coupon(&stranger, "endCoupon", &id).await;
        assert_eq!(foreign.refusal("endCoupon").as_deref(), Some("NOT_FOUND"), "{}", foreign.body);
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn contradictory_input_is_reported_per_field(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let mut input = five_off(
            &stage,
            &json!({ "basisPoints": 5, "limitPerBuyer": 0, "validDays": 0,
            "pictureUrl": "ftp://x", "appliesTo": [stage.event, stage.event] }),
        );
        input["title"] = "".into();
        let answer = world.try_coupon(&stage.vendor, input).await;
        let paths: Vec<String> = answer
            .data("createCoupon.errors")
            .as_array()
            .expect("errors")
            .iter()
            .map(|error| error["path"][0].as_str().expect("a path").to_owned())
            .collect();
        assert_eq!(paths, ["title", "pictureUrl", "basisPoints", "limitPerBuyer", "validDays", "appliesTo"]);
        let wrong = [
            (json!({ "amount": { "amount": "5.00", "currency": "CHF" } }), "amount.currency"),
            (json!({ "appliesTo": [stage.venue] }), "appliesTo.0"),
            (json!({ "categoryId": null }), "categoryId"),
            (json!({ "tierId": stage.event }), "tierId"),
        ];
        for (with, path) in wrong {
            let answer = world.try_coupon(&stage.vendor, five_off(&stage, &with)).await;
            let reported = answer.data("createCoupon.errors.0.path");
            let reported: Vec<&str> =
                reported.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            assert_eq!(reported.join("."), path, "{}", answer.body);
        }
        // What belongs to another shop is not to be named.
        let other = world.user("other").await;
        let shop = "mutation { createShop(input: { name: \"Other\", currency: \"EUR\" }) { shop { id } errors { code } } }";
        let shop = world.gql(Some(&other), shop, json!({})).await.good().text("createShop.shop.id");
        for with in [
            json!({ "eventId": stage.event }),
            json!({ "appliesTo": [stage.event] }),
            json!({ "appliesTo": [stage.shop] }),
        ] {
            let mut input = five_off(&stage, &with);
            input["shopId"] = shop.clone().into();
            let answer = world.try_coupon(&other, input).await;
            assert_eq!(answer.refusal("createCoupon").as_deref(), Some("INVALID"), "{}", answer.body);
        }
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn stock_is_never_lowered_below_the_taken_copies(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let id = world.published(&stage, json!({ "stock": 2 })).await;
        let buyers = [world.guest().await, world.guest().await, world.guest().await];
        world.claim(&buyers[0], &id).await;
        world.claim(&buyers[1], &id).await;
        let full = world.try_claim(&buyers[2], &id, "one-too-many").await;
        assert_eq!(full.refusal("claimCoupon").as_deref(), Some("SOLD_OUT"));
        let lowered = world.update_coupon(&stage.vendor, &id, json!({ "stock": 1 })).await;
        assert_eq!(lowered.refusal("updateCoupon").as_deref(), Some("STOCK_TAKEN"));
        assert_eq!(lowered.data("updateCoupon.errors.0.taken"), 2);
        let raised = world.update_coupon(&stage.vendor, &id, json!({ "stock": 3 })).await.good();
        assert_eq!(raised.data("updateCoupon.coupon.left"), 1);
        world.claim(&buyers[2], &id).await;
        let unlimited = world.update_coupon(&stage.vendor, &id, json!({ "stock": null })).await.good();
        assert_eq!(unlimited.data("updateCoupon.coupon.left"), Value::Null);
        world.claim(&world.guest().await, &id).await;
        let exact = world.update_coupon(&stage.vendor, &id, json!({ "stock": 4 })).await.good();
        assert_eq!(exact.data("updateCoupon.coupon.left"), 0);
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn coupons_are_browsed_by_shop_category_kind_price_and_words(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let category = async |name: &str, parent: Option<&str>| {
            let document = "mutation($name: String!, $parent: ID) { createCategory(input: { name: $name, parentId: $parent })
                { category { id } errors { code message path } } }";
            let operator = world.sign_in("operator").await;
            let input = json!({ "name": name, "parent": parent });
            world.gql(Some(&operator), document, input).await.good().text("createCategory.category.id")
        };
        let food = category("Food", None).await;
        let coffee = category("Coffee", Some(&food)).await;
        let product = "mutation($shop: ID!, $category: ID!) { createProduct(input: { shopId: $shop,
            categoryId: $category, name: \"Arabica beans\" }) { product { id } errors { code } } }";
        let input = json!({ "shop": stage.shop, "category": coffee });
        let product =
            world.gql(Some(&stage.vendor), product, input).await.good().text("createProduct.product.id");
        let free = json!({ "title": "A cup", "kind": "FREE_ITEM", "amount": null, "categoryId": null, "productId": product });
        let cup = world.published(&stage, free).await;
        let dear = json!({ "title": "Zum Verschenken", "kind": "GIFT_CARD",
            "amount": { "amount": "50.00", "currency": "EUR" }, "price": { "amount": "45.00", "currency": "EUR" } });
        let gift = world.published(&stage, dear).await;
        let shown = world
            .published(&stage, json!({ "title": "At the concert", "eventId": stage.event, "stock": 1 }))
            .await;
        let draft = world.draft_coupon(&stage, json!({ "title": "Later" })).await;
        let list = async |token: Option<&str>, filter: Value| -> Vec<String> {
            let document = "query($filter: CouponFilter) { coupons(filter: $filter, sort: { field: TITLE }) {
                nodes { id title } totalCount } }";
            let answer = world.gql(token, document, json!({ "filter": filter })).await.good();
            let nodes = answer.data("coupons.nodes");
            let nodes = nodes.as_array().expect("nodes");
            assert_eq!(answer.data("coupons.totalCount"), nodes.len());
            nodes.iter().map(|node| node["id"].as_str().expect("an id").to_owned()).collect()
        };
        let none: [&str; 0] = [];
        assert_eq!(list(None, json!({})).await, [&cup, &shown, &gift].map(String::as_str));
        assert_eq!(list(None, json!({ "categoryId": food })).await, [cup.as_str()], "the subtree");
        assert_eq!(
            list(None, json!({ "categoryId": stage.category })).await,
            [&shown, &gift].map(String::as_str)
        );
        assert_eq!(list(None, json!({ "kind": ["GIFT_CARD", "ACCESS_CODE"] })).await, [gift.as_str()]);
        assert_eq!(list(None, json!({ "free": true })).await, [&cup, &shown].map(String::as_str));
        assert_eq!(list(None, json!({ "free": false })).await, [gift.as_str()]);
        assert_eq!(
            list(None, json!({ "search": "arab cup" })).await,
            [cup.as_str()],
            "words of title and product"
        );
        assert_eq!(list(None, json!({ "search": "hall" })).await.len(), 3, "words of the shop");
        assert_eq!(list(None, json!({ "productId": product })).await, [cup.as_str()]);
        assert_eq!(list(None, json!({ "state": ["DRAFT"] })).await, none);
        assert_eq!(list(Some(&stage.vendor), json!({ "state": ["DRAFT"] })).await, [draft.as_str()]);
        let buyer = world.guest().await;
        world.claim(&buyer, &shown).await;
        assert_eq!(list(None, json!({ "claimable": true })).await, [&cup, &gift].map(String::as_str));
        assert_eq!(list(None, json!({ "claimable": false })).await, [shown.as_str()], "none are left");
        is_listed_with_its_event_and_shop(world, &stage, &buyer).await;
        // The shop's new name is found at once.
        let rename =
            "mutation($shop: ID!, $version: Long!) { updateShop(input: { shopId: $shop, name: \"Palace\",
            expectedVersion: $version }) { shop { id } errors { code } } }";
        world.gql(Some(&stage.vendor), rename, json!({ "shop": stage.shop, "version": 1 })).await.good();
        assert_eq!(list(None, json!({ "search": "palace" })).await.len(), 3);
    });
}

/// The one copy is the buyer's, and both lists say so.
async fn is_listed_with_its_event_and_shop(world: &World, stage: &Stage, buyer: &str) {
    let of = "query($event: ID!, $shop: ID!) { event(id: $event) { coupons { nodes { id left viewerTaken
        viewerMayClaim viewerClaims { status code } } } } shop(id: $shop) { coupons(first: 2, sort: { field: TITLE }) { nodes { title } } } }";
    let answer = world.gql(Some(buyer), of, json!({ "event": stage.event, "shop": stage.shop })).await.good();
    let own = answer.data("event.coupons.nodes.0");
    assert_eq!(
        (&own["left"], &own["viewerTaken"], &own["viewerMayClaim"]),
        (&json!(0), &json!(1), &json!(false))
    );
    assert_eq!(own["viewerClaims"][0]["status"], "CLAIMED");
    assert_eq!(
        answer.data("shop.coupons.nodes"),
        json!([{ "title": "A cup" }, { "title": "At the concert" }])
    );
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn a_coupon_is_shown_and_claimed_within_its_window(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let now = world.app.clock.now();
        let (from, until) = (now + TimeDelta::minutes(2), now + TimeDelta::minutes(6));
        let id = world.published(&stage, json!({ "publishFrom": from, "publishUntil": until })).await;
        let document = "{ coupons { nodes { id } } }";
        let count = async |token: Option<&str>| {
            world.gql(token, document, json!({})).await.good().data("coupons.nodes").as_array().map(Vec::len)
        };
        let seen = "query($id: ID!) { coupon(id: $id) { id } }";
        let buyer = world.guest().await;
        assert_eq!((count(None).await, count(Some(&stage.vendor)).await), (Some(0), Some(1)));
        assert_eq!(world.gql(None, seen, json!({ "id": id })).await.good().data("coupon"), Value::Null);
        let early = world.try_claim(&buyer, &id, "too-early").await;
        assert_eq!(early.refusal("claimCoupon").as_deref(), Some("NOT_STARTED"));
        world.advance(STEP);
        assert_eq!(count(None).await, Some(1));
        world.claim(&buyer, &id).await;
        world.advance(2 * STEP);
        assert_eq!(count(None).await, Some(0));
        let late = world.try_claim(&world.guest().await, &id, "too-late").await;
        assert_eq!(late.refusal("claimCoupon").as_deref(), Some("OVER"));
        // Whoever has one keeps it, and still sees what it is of.
        let bag = "{ viewer { bag { claims { nodes { status coupon { title } } } } } }";
        let bag = world.gql(Some(&buyer), bag, json!({})).await.good();
        assert_eq!(bag.data("viewer.bag.claims.nodes.0.status"), "CLAIMED");
    });
}
