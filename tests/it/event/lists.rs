//! Lists: their pages, sort orders, filters and counts.

use std::time::Duration;

use async_graphql::parser::{
    parse_schema,
    types::{BaseType, TypeKind, TypeSystemDefinition},
};
use serde_json::{Value, json};
use tessera::graphql;
use test_case::test_case;

use crate::support::Database::{self, Postgres, Sqlite};
use crate::support::{
    World,
    given::{Place, Stage},
    run_on,
};

/// A connection: its field in the schema, the document around it, its own arguments, and its path in the response.
struct List {
    field: &'static str,
    open: String,
    arguments: String,
    path: &'static str,
}

fn list(
    field: &'static str,
    open: impl Into<String>,
    arguments: impl Into<String>,
    path: &'static str,
) -> List {
    List { field, open: open.into(), arguments: arguments.into(), path }
}

impl List {
    fn document(&self) -> String {
        let Self { field, open, arguments, .. } = self;
        let name = field.split_once('.').expect("a type and a field").1;
        let close = "}".repeat(open.matches('{').count());
        format!(
            "query($first: Int, $last: Int, $after: String, $before: String) {{ {open}
                {name}({arguments} first: $first, last: $last, after: $after, before: $before) {{
                    totalCount nodes {{ id }} edges {{ cursor }}
                    pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} {close} }}"
        )
    }

    /// Reads the list from both ends, with one, two and a hundred items per page. Returns the ids, which must be the
    /// same each time.
    async fn ids(&self, world: &World, token: &str) -> Vec<String> {
        let document = self.document();
        let mut all: Option<Vec<String>> = None;
        for (size, cursor, next, more) in [
            ("first", "after", "endCursor", "hasNextPage"),
            ("last", "before", "startCursor", "hasPreviousPage"),
        ] {
            for items in [1, 2, 100] {
                let (mut found, mut at) = (Vec::new(), Value::Null);
                loop {
                    let variables = json!({ (size): items, (cursor): at });
                    let page = world.gql(Some(token), &document, variables).await.good();
                    let page = page.data(self.path);
                    let nodes = page["nodes"].as_array().expect("nodes");
                    let ids = nodes.iter().map(|node| node["id"].as_str().expect("an id").to_owned());
                    let place = if size == "first" { found.len() } else { 0 };
                    found.splice(place..place, ids);
                    assert_eq!(page["edges"].as_array().map(Vec::len), Some(nodes.len()), "{}", self.field);
                    if page["pageInfo"][more] == false {
                        assert_eq!(page["totalCount"], found.len(), "{}", self.field);
                        break;
                    }
                    assert!(found.len() < 100, "{} does not end", self.field);
                    at = page["pageInfo"][next].clone();
                }
                let all = all.get_or_insert_with(|| found.clone());
                assert_eq!(*all, found, "{} {} by {items} from the {size}", self.field, self.arguments);
            }
        }
        all.expect("a list")
    }
}

/// The fields of the schema that are connections.
fn connections() -> Vec<String> {
    let mut all = Vec::new();
    for definition in parse_schema(graphql::sdl()).expect("the schema").definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        let TypeKind::Object(object) = definition.node.kind else { continue };
        for field in object.fields {
            if matches!(&field.node.ty.node.base, BaseType::Named(name) if name.ends_with("Connection")) {
                all.push(format!("{}.{}", definition.node.name.node, field.node.name.node));
            }
        }
    }
    all
}

/// Drafts of events: a running one, one without duration, two that differ only in their ids, and two past ones.
const EVENTS: [(&str, &str, &str); 6] = [
    ("Old", "2026-02-01T18:00:00Z", "2026-02-01T22:00:00Z"),
    ("Twin", "2026-07-01T18:00:00Z", "2026-07-01T22:00:00Z"),
    ("Midnight", "2026-06-02T00:00:00Z", "2026-06-02T00:00:00Z"),
    ("Twin", "2026-07-01T18:00:00Z", "2026-07-01T22:00:00Z"),
    ("Festival", "2026-05-30T10:00:00Z", "2026-06-03T00:00:00Z"),
    ("Recent", "2026-05-01T18:00:00Z", "2026-05-01T22:00:00Z"),
];

async fn drafts(world: &World, stage: &Stage) {
    for (name, starts, ends) in EVENTS {
        let document = "mutation($input: CreateEventInput!) { createEvent(input: $input) {
            event { id } errors { code path message } } }";
        let input = json!({ "shopId": stage.shop, "venueId": stage.venue, "categoryId": stage.category,
            "name": name, "salesStart": "2026-01-01T00:00:00Z", "startsAt": starts, "endsAt": ends });
        world.gql(Some(&stage.vendor), document, json!({ "input": input })).await.good();
    }
}

/// The names in a list of events.
async fn names(world: &World, token: Option<&str>, arguments: &str) -> Vec<String> {
    let document = format!("{{ events{arguments} {{ totalCount nodes {{ name }} }} }}");
    let answer = world.gql(token, &document, json!({})).await.good();
    let nodes = answer.data("events.nodes");
    let nodes = nodes.as_array().expect("nodes");
    assert_eq!(answer.data("events.totalCount"), nodes.len(), "{arguments}");
    nodes.iter().map(|node| node["name"].as_str().expect("a name").to_owned()).collect()
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn pages_of_every_list_and_sort_order_add_up_to_the_whole_list(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        drafts(world, &stage).await;
        let other = world.user("other").await;
        for name in ["The Hall", "The Hall", "Barn"] {
            let document =
                "mutation($name: String!) { createShop(input: { name: $name, currency: \"EUR\" }) {
                shop { id } errors { code } } }";
            world.gql(Some(&other), document, json!({ "name": name })).await.good();
        }
        let (buyer, vendor) = (world.guest().await, stage.vendor.as_str());
        for number in 0..3 {
            world.buy(&buyer, &stage.event, &[&stage.seats[number]]).await;
            let coupon = world.published(&stage, json!({ "eventId": stage.event })).await;
            world.claim(&buyer, &coupon).await;
            let document = "mutation($shop: ID!, $category: ID!) { createProduct(input: { shopId: $shop,
                categoryId: $category, name: \"Coffee\" }) { product { id } errors { code } } }";
            let input = json!({ "shop": stage.shop, "category": stage.category });
            world.gql(Some(vendor), document, input).await.good();
            let document = "mutation($shop: ID!) { createVenue(input: { shopId: $shop, name: \"Small hall\",
                city: \"Graz\", country: \"AT\", timeZone: \"Europe/Vienna\" }) { venue { id } errors { code } } }";
            world.gql(Some(vendor), document, json!({ "shop": stage.shop })).await.good();
        }
        let (shop, venue) = (&stage.shop, &stage.venue);
        let in_shop = format!("shop(id: \"{shop}\") {{");
        let lists = [
            (list("Query.events", "", "", "events"), vendor, 7),
            (list("Query.events", "", "sort: { field: STARTS_AT }", "events"), vendor, 7),
            (list("Query.events", "", "sort: { field: STARTS_AT, direction: DESC }", "events"), vendor, 7),
            (list("Query.events", "", "sort: { field: NAME, direction: ASC }", "events"), vendor, 7),
            (list("Query.events", "", "sort: { field: NAME, direction: DESC }", "events"), vendor, 7),
            (list("Query.events", "", "sort: { field: CREATED_AT, direction: ASC }", "events"), vendor, 7),
            (list("Query.events", "", "sort: { field: CREATED_AT, direction: DESC }", "events"), vendor, 7),
            (list("Shop.events", &*in_shop, "", "shop.events"), vendor, 7),
            (list("Venue.events", format!("venue(id: \"{venue}\") {{"), "", "venue.events"), vendor, 7),
            (list("Category.events", "category(slug: \"music\") {", "", "category.events"), vendor, 7),
            (list("Query.coupons", "", "", "coupons"), vendor, 3),
            (list("Query.coupons", "", "sort: { field: TITLE }", "coupons"), vendor, 3),
            (list("Query.coupons", "", "sort: { field: TITLE, direction: DESC }", "coupons"), vendor, 3),
            (list("Query.coupons", "", "sort: { field: CREATED_AT }", "coupons"), vendor, 3),
            (list("Shop.coupons", &*in_shop, "", "shop.coupons"), vendor, 3),
            (
                list("Event.coupons", format!("event(id: \"{}\") {{", stage.event), "", "event.coupons"),
                vendor,
                3,
            ),
            (list("Query.shops", "", "", "shops"), vendor, 4),
            (list("Shop.orders", &*in_shop, "", "shop.orders"), vendor, 3),
            (list("Shop.products", &*in_shop, "", "shop.products"), vendor, 3),
            (list("Shop.auditLog", &*in_shop, "", "shop.auditLog"), vendor, 10),
            (list("Query.venues", "", format!("shopId: \"{shop}\""), "venues"), vendor, 4),
            (list("Viewer.orders", "viewer {", "", "viewer.orders"), &buyer, 3),
            (list("Viewer.tickets", "viewer {", "", "viewer.tickets"), &buyer, 3),
            (list("Bag.claims", "viewer { bag {", "", "viewer.bag.claims"), &buyer, 3),
            (list("Bag.tickets", "viewer { bag {", "", "viewer.bag.tickets"), &buyer, 3),
        ];
        let mut tested = Vec::new();
        for (list, token, length) in &lists {
            let ids = list.ids(world, token).await;
            assert_eq!(ids.len(), *length, "{} {}", list.field, list.arguments);
            tested.push(list.field);
        }
        let untested: Vec<_> =
            connections().into_iter().filter(|field| !tested.contains(&field.as_str())).collect();
        assert!(untested.is_empty(), "lists without a case here: {untested:?}");
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn upcoming_events_come_first_and_their_pages_ignore_the_time_that_passes(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        drafts(world, &stage).await;
        let expected = ["Festival", "Midnight", "Twin", "Twin", "Concert", "Recent", "Old"];
        assert_eq!(names(world, Some(&stage.vendor), "").await, expected);

        let document = "query($after: String) { events(first: 2, after: $after) { nodes { name }
            pageInfo { endCursor } } }";
        let mut page = world.gql(Some(&stage.vendor), document, json!({})).await.good();
        world.advance(Duration::from_hours(48));
        let vendor = world.sign_in("vendor").await;
        let mut seen = Vec::new();
        while let Some(nodes) = page.data("events.nodes").as_array().filter(|nodes| !nodes.is_empty()) {
            seen.extend(nodes.iter().map(|node| node["name"].as_str().expect("a name").to_owned()));
            let after = page.data("events.pageInfo.endCursor");
            page = world.gql(Some(&vendor), document, json!({ "after": after })).await.good();
        }
        assert_eq!(seen, expected, "the events that ended meanwhile keep their places");
        let now = ["Twin", "Twin", "Concert", "Midnight", "Festival", "Recent", "Old"];
        assert_eq!(names(world, Some(&vendor), "").await, now, "a new list knows the time");

        let sorted = "(sort: { field: STARTS_AT, direction: DESC }, first: 1)";
        let document = format!("{{ events{sorted} {{ pageInfo {{ endCursor }} }} }}");
        let cursor =
            world.gql(Some(&vendor), &document, json!({})).await.good().text("events.pageInfo.endCursor");
        let document = "query($after: String) { events(after: $after) { totalCount } }";
        let wrong = world.gql(Some(&vendor), document, json!({ "after": cursor })).await;
        assert_eq!(wrong.code().as_deref(), Some("BAD_USER_INPUT"), "{}", wrong.body);
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn the_period_of_an_event_filter_selects_events_that_overlap_it(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        drafts(world, &stage).await;
        let none: [&str; 0] = [];
        for (period, expected) in [
            ("from: \"2026-06-01T12:00:00Z\"", &["Festival", "Midnight", "Twin", "Twin", "Concert"][..]),
            ("from: \"2026-06-01T00:00:00Z\", until: \"2026-06-02T00:00:00Z\"", &["Festival"]),
            ("from: \"2026-06-02T00:00:00Z\", until: \"2026-06-03T00:00:00Z\"", &["Festival", "Midnight"]),
            ("from: \"2026-06-03T00:00:00Z\", until: \"2026-06-04T00:00:00Z\"", &none),
            ("until: \"2026-05-01T18:00:00Z\"", &["Old"]),
            ("from: \"2026-06-04T00:00:00Z\", until: \"2026-06-01T00:00:00Z\"", &none),
        ] {
            let found = names(world, Some(&stage.vendor), &format!("(filter: {{ {period} }})")).await;
            assert_eq!(found, expected, "{period}");
        }
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn filters_accept_ids_and_slugs(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let operator = world.sign_in("operator").await;
        let document =
            "mutation($parent: ID!) { createCategory(input: { name: \"Rock\", parentId: $parent }) {
            category { id slug } errors { code } } }";
        let rock = world.gql(Some(&operator), document, json!({ "parent": stage.category })).await.good();
        let rock = rock.text("createCategory.category.id");
        world.event(&stage.vendor, Place { category: &rock, ..stage.place() }, "Riffs").await;
        let coupon = world.published(&stage, json!({ "eventId": stage.event, "title": "Shown" })).await;
        let event =
            world.gql(None, "query($id: ID!) { event(id: $id) { slug } }", json!({ "id": stage.event }));
        let event = event.await.good().text("event.slug");
        for (filter, count) in [
            ("shopSlug: \"the-hall\"".to_owned(), 2),
            ("shopSlug: \"no-such-shop\"".to_owned(), 0),
            ("categorySlug: \"music\"".to_owned(), 2),
            ("categorySlug: \"rock\"".to_owned(), 1),
            ("categorySlug: \"folk\"".to_owned(), 0),
            (format!("shopId: \"{}\", shopSlug: \"the-hall\"", stage.shop), 2),
            (format!("shopId: \"{}\", shopSlug: \"no-such-shop\"", stage.shop), 0),
            (format!("categoryId: \"{rock}\", categorySlug: \"music\""), 1),
            (format!("venueId: \"{}\"", stage.venue), 2),
        ] {
            assert_eq!(
                names(world, None, &format!("(filter: {{ {filter} }})")).await.len(),
                count,
                "{filter}"
            );
        }
        let document =
            "query($filter: CouponFilter) { coupons(filter: $filter) { nodes { id } totalCount } }";
        for (filter, count) in [
            (json!({ "shopSlug": "the-hall", "categorySlug": "music", "eventSlug": event }), 1),
            (json!({ "eventSlug": "no-such-event" }), 0),
            (json!({ "eventId": stage.event, "eventSlug": event }), 1),
        ] {
            let found = world.gql(None, document, json!({ "filter": filter })).await.good();
            assert_eq!(found.data("coupons.totalCount"), count, "{filter}");
            let expected = if count == 1 { json!([{ "id": coupon }]) } else { json!([]) };
            assert_eq!(found.data("coupons.nodes"), expected, "{filter}");
        }
        let document = "{ shops(filter: { categorySlug: \"music\" }) { totalCount } }";
        assert_eq!(world.gql(None, document, json!({})).await.good().data("shops.totalCount"), 0);

        let wrong = format!("{{ events(filter: {{ shopId: \"{}\" }}) {{ totalCount }} }}", stage.venue);
        let wrong = world.gql(None, &wrong, json!({})).await;
        assert_eq!(wrong.code().as_deref(), Some("BAD_USER_INPUT"), "{}", wrong.body);
        let wrong = world.gql(None, "{ events(sort: { direction: ASC }) { totalCount } }", json!({})).await;
        assert_eq!(wrong.code().as_deref(), Some("GRAPHQL_VALIDATION_FAILED"), "{}", wrong.body);
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn events_of_a_shop_a_venue_and_a_category_are_those_that_the_viewer_may_see(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        drafts(world, &stage).await;
        let document = "query($shop: ID!, $venue: ID!, $filter: EventFilter) {
            shop(id: $shop) { events(filter: $filter) { totalCount } }
            venue(id: $venue) { events(filter: $filter, sort: { field: NAME }) { totalCount } }
            category(slug: \"music\") { events(filter: $filter) { totalCount nodes { name } } } }";
        for (token, filter, count) in [
            (None, json!(null), 1),
            (Some(&stage.vendor), json!(null), 7),
            (Some(&stage.vendor), json!({ "search": "twin" }), 2),
            (Some(&stage.vendor), json!({ "status": ["ON_SALE"] }), 1),
            (Some(&stage.vendor), json!({ "shopSlug": "elsewhere" }), 0),
            (Some(&stage.vendor), json!({ "categorySlug": "elsewhere" }), 0),
        ] {
            let variables = json!({ "shop": stage.shop, "venue": stage.venue, "filter": filter });
            let answer = world.gql(token.map(String::as_str), document, variables).await.good();
            for of in ["shop", "venue", "category"] {
                assert_eq!(answer.data(&format!("{of}.events.totalCount")), count, "{of} {filter}");
            }
        }
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn vendors_ask_for_what_changed_after_a_time(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let buyer = world.guest().await;
        let vendor = stage.vendor.as_str();
        let product = async |name: &str| {
            let document = "mutation($shop: ID!, $category: ID!, $name: String!) { createProduct(input: {
                shopId: $shop, categoryId: $category, name: $name }) { product { id } errors { code } } }";
            let input = json!({ "shop": stage.shop, "category": stage.category, "name": name });
            world.gql(Some(vendor), document, input).await.good().text("createProduct.product.id")
        };
        let (tea, _) = (product("Tea").await, product("Coffee").await);
        world.published(&stage, json!({ "title": "Early" })).await;
        let first = world.buy(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let document = "query($shop: ID!, $after: DateTime) {
            events(filter: { updatedAfter: $after }) { nodes { name updatedAt } }
            coupons(filter: { updatedAfter: $after }) { nodes { title updatedAt } }
            venues(shopId: $shop, updatedAfter: $after) { nodes { name updatedAt } }
            shop(id: $shop) { updatedAt
                orders(updatedAfter: $after) { nodes { id updatedAt } }
                products(updatedAfter: $after) { nodes { name updatedAt } } } }";
        let changed = async |after: Value| {
            world.gql(Some(vendor), document, json!({ "shop": stage.shop, "after": after })).await.good()
        };
        let all = changed(Value::Null).await;
        let paths = ["events", "coupons", "venues", "shop.orders", "shop.products"];
        let lengths = |answer: &crate::support::Answer| {
            paths.map(|path| answer.data(&format!("{path}.nodes")).as_array().map_or(0, Vec::len))
        };
        assert_eq!(lengths(&all), [1, 1, 1, 1, 2]);
        let now = json!(world.app.clock.now());
        assert_eq!(lengths(&changed(now.clone()).await), [0; 5], "nothing changed later");

        world.advance(Duration::from_secs(1));
        let second = world.buy(&buyer, &stage.event, &[&stage.seats[1]]).await;
        let edit = "mutation($product: ID!, $venue: ID!, $event: ID!, $version: Long!) {
            updateProduct(input: { productId: $product, expectedVersion: 1, name: \"Green tea\" }) {
                product { updatedAt createdAt } errors { code } }
            updateVenue(input: { venueId: $venue, expectedVersion: 1, city: \"Wien\" }) { venue { id } errors { code } }
            updateEvent(input: { eventId: $event, expectedVersion: $version, name: \"Gala\" }) { event { id } errors { code } } }";
        let version =
            world.gql(None, "query($id: ID!) { event(id: $id) { version } }", json!({ "id": stage.event }));
        let version = version.await.good().data("event.version");
        let input = json!({ "product": tea, "venue": stage.venue, "event": stage.event, "version": version });
        let edited = world.gql(Some(vendor), edit, input).await.good();
        let edited = edited.data("updateProduct.product");
        assert_ne!(edited["updatedAt"], edited["createdAt"]);
        world.published(&stage, json!({ "title": "Late" })).await;

        let later = changed(now).await;
        assert_eq!(lengths(&later), [1; 5]);
        assert_eq!(later.data("events.nodes.0.name"), "Gala");
        assert_eq!(later.data("coupons.nodes.0.title"), "Late");
        assert_eq!(later.data("shop.orders.nodes.0.id"), json!(second));
        assert_ne!(first, second);
        assert_eq!(later.data("shop.products.nodes.0.name"), "Green tea");
        assert_eq!(later.data("shop.products.nodes.0.updatedAt"), edited["updatedAt"]);
    });
}
