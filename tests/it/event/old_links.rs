//! Former slugs: they lead to their object, and belong to its owner.

use entity::slug_owner;
use sea_orm::EntityTrait;
use serde_json::{Value, json};
use tessera::store::Store;

use crate::support::{Answer, World, run};

async fn shop(world: &World, token: &str, slug: &str) -> Answer {
    let document =
        "mutation($slug: String!) { createShop(input: { name: \"A shop\", slug: $slug, currency: \"EUR\" }) {
        shop { id slug version } errors { code path } } }";
    world.gql(Some(token), document, json!({ "slug": slug })).await
}

async fn rename_shop(world: &World, token: &str, shop: &str, slug: &str) -> Answer {
    let version = world.shop_version(shop).await;
    let document = "mutation($input: UpdateShopInput!) { updateShop(input: $input) { shop { id slug } errors { code path } } }";
    let input = json!({ "shopId": shop, "expectedVersion": version, "slug": slug });
    world.gql(Some(token), document, json!({ "input": input })).await
}

async fn rename_event(world: &World, token: &str, event: &str, slug: &str) -> Answer {
    let seen = "query($id: ID!) { event(id: $id) { version } }";
    let version = world.gql(Some(token), seen, json!({ "id": event })).await.good().data("event.version");
    let document = "mutation($input: UpdateEventInput!) { updateEvent(input: $input) { event { id slug } errors { code path } } }";
    let input = json!({ "eventId": event, "expectedVersion": version, "slug": slug });
    world.gql(Some(token), document, json!({ "input": input })).await
}

/// Returns the id and the current slug of the object with this slug.
async fn at(world: &World, kind: &str, slug: &str) -> Value {
    let document = format!("query($slug: String!) {{ found: {kind}(slug: $slug) {{ id slug }} }}");
    world.gql(None, &document, json!({ "slug": slug })).await.good().data("found")
}

#[test]
fn former_slugs_of_a_shop_lead_to_it() {
    run(async |world: &World| {
        let (ada, bob) = (world.user("ada").await, world.user("bob").await);
        let id = shop(world, &ada, "first-name").await.good().text("createShop.shop.id");
        for slug in ["second-name", "third-name", "second-name", "third-name"] {
            rename_shop(world, &ada, &id, slug).await.good();
        }
        for slug in ["first-name", "second-name", "third-name", "First-Name", " SECOND-name "] {
            assert_eq!(at(world, "shop", slug).await, json!({ "id": id, "slug": "third-name" }), "{slug}");
        }
        assert_eq!(at(world, "shop", "fourth-name").await, Value::Null);
        for slug in ["first-name", "second-name", "third-name"] {
            assert_eq!(
                shop(world, &bob, slug).await.refusal("createShop").as_deref(),
                Some("SLUG_TAKEN"),
                "{slug}"
            );
        }
        let other = shop(world, &bob, "bobs-shop").await.good().text("createShop.shop.id");
        let taken = rename_shop(world, &bob, &other, "first-name").await;
        assert_eq!(taken.refusal("updateShop").as_deref(), Some("SLUG_TAKEN"));
        assert_eq!(at(world, "shop", "bobs-shop").await["id"], json!(other), "nothing was stored");
        // Even another shop of the same user does not get it.
        let own = shop(world, &ada, "first-name").await;
        assert_eq!(own.refusal("createShop").as_deref(), Some("SLUG_TAKEN"));
        let back = rename_shop(world, &ada, &id, "first-name").await.good();
        assert_eq!(back.data("updateShop.shop.slug"), "first-name");
        assert_eq!(at(world, "shop", "third-name").await["id"], json!(id));
        // A derived slug avoids former slugs of others.
        let document = "mutation { createShop(input: { name: \"Third Name\", currency: \"EUR\" }) { shop { slug } errors { code } } }";
        let derived = world.gql(Some(&bob), document, json!({})).await.good();
        assert_eq!(derived.data("createShop.shop.slug"), "third-name-2");
    });
}

#[test]
fn former_slugs_of_an_event_belong_to_its_shop() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let other = world.event(&stage.vendor, stage.place(), "Another").await;
        for slug in ["gala", "gala-2026"] {
            rename_event(world, &stage.vendor, &stage.event, slug).await.good();
        }
        for slug in ["gala", "GALA", "gala-2026"] {
            assert_eq!(at(world, "event", slug).await["id"], json!(stage.event), "{slug}");
        }
        // Filters follow old links too.
        world.published(&stage, json!({ "eventId": stage.event })).await;
        let document = "{ coupons(filter: { eventSlug: \"gala\", shopSlug: \"THE-HALL\" }) { totalCount } }";
        assert_eq!(world.gql(None, document, json!({})).await.good().data("coupons.totalCount"), 1);
        // The shop may use it for the next event. Then the link leads there.
        let taken = rename_event(world, &stage.vendor, &other, "gala-2026").await;
        assert_eq!(taken.refusal("updateEvent").as_deref(), Some("SLUG_TAKEN"), "in use");
        rename_event(world, &stage.vendor, &other, "gala").await.good();
        assert_eq!(at(world, "event", "gala").await["id"], json!(other));
        let back = rename_event(world, &stage.vendor, &stage.event, "gala").await;
        assert_eq!(back.refusal("updateEvent").as_deref(), Some("SLUG_TAKEN"), "in use");
        // Another shop cannot.
        let bob = world.user("bob").await;
        let shop = shop(world, &bob, "bobs-shop").await.good().text("createShop.shop.id");
        let document =
            "mutation($shop: ID!) { createVenue(input: { shopId: $shop, name: \"Barn\", city: \"Graz\",
            country: \"AT\", timeZone: \"Europe/Vienna\" }) { venue { id } errors { code } } }";
        let venue = world.gql(Some(&bob), document, json!({ "shop": shop })).await.good();
        let venue = venue.text("createVenue.venue.id");
        world.import(&bob, &venue, &crate::support::given::small_plan()).await;
        let document = "mutation($input: CreateEventInput!) { createEvent(input: $input) { event { id } errors { code path } } }";
        for slug in ["gala", "gala-2026"] {
            let input = json!({ "shopId": shop, "venueId": venue, "categoryId": stage.category, "name": "Fake",
                "slug": slug, "startsAt": "2027-01-01T18:00:00Z", "endsAt": "2027-01-01T20:00:00Z" });
            let refused = world.gql(Some(&bob), document, json!({ "input": input })).await;
            assert_eq!(refused.refusal("createEvent").as_deref(), Some("SLUG_TAKEN"), "{slug}");
        }
    });
}

#[test]
fn drafts_stay_hidden_at_their_former_slugs() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let document = "mutation($input: CreateEventInput!) { createEvent(input: $input) { event { id slug } errors { code } } }";
        let input = json!({ "shopId": stage.shop, "venueId": stage.venue, "categoryId": stage.category,
            "name": "Secret", "slug": "secret", "startsAt": "2027-01-01T18:00:00Z", "endsAt": "2027-01-01T20:00:00Z" });
        let draft = world.gql(Some(&stage.vendor), document, json!({ "input": input })).await.good();
        let draft = draft.text("createEvent.event.id");
        rename_event(world, &stage.vendor, &draft, "very-secret").await.good();
        for slug in ["secret", "very-secret"] {
            assert_eq!(at(world, "event", slug).await, Value::Null, "{slug}");
            let document = "query($slug: String!) { event(slug: $slug) { id } }";
            let own = world.gql(Some(&stage.vendor), document, json!({ "slug": slug })).await.good();
            assert_eq!(own.data("event.id"), json!(draft), "{slug}");
        }
    });
}

/// A link leads to a draft only after its publication, and a deleted draft takes no link with it.
#[test]
fn draft_with_a_former_slug_takes_the_link_when_it_is_published() {
    run(async |world: &World| {
        let stage = world.stage().await;
        rename_event(world, &stage.vendor, &stage.event, "gala").await.good();
        rename_event(world, &stage.vendor, &stage.event, "gala-2026").await.good();
        let document = "mutation($input: DuplicateEventInput!) { duplicateEvent(input: $input) { event { id version } errors { code } } }";
        let copy = async |slug: &str| {
            let input = json!({ "eventId": stage.event, "startsAt": "2027-05-01T18:00:00Z", "slug": slug,
                "idempotencyKey": format!("a-copy-{}", world.app.clock.new_uuid()) });
            world.gql(Some(&stage.vendor), document, json!({ "input": input })).await.good()
        };
        let own = async |slug: &str| {
            let document = "query($slug: String!) { event(slug: $slug) { id } }";
            let seen = world.gql(Some(&stage.vendor), document, json!({ "slug": slug })).await.good();
            seen.data("event.id")
        };
        let draft = copy("gala").await;
        assert_eq!(own("gala").await, draft.data("duplicateEvent.event.id"));
        assert_eq!(at(world, "event", "gala").await["id"], json!(stage.event), "nobody else sees the draft");
        let delete = "mutation($id: ID!, $version: Long!) {
            deleteEvent(input: { eventId: $id, expectedVersion: $version }) { deletedEventId errors { code } } }";
        let event = draft.data("duplicateEvent.event");
        let input = json!({ "id": event["id"], "version": event["version"] });
        world.gql(Some(&stage.vendor), delete, input).await.good();
        assert_eq!(at(world, "event", "gala").await["id"], json!(stage.event), "the link is still there");
        // A draft that gives the slug up again does not keep the link either.
        let draft = copy("gala").await.text("duplicateEvent.event.id");
        rename_event(world, &stage.vendor, &draft, "something-else").await.good();
        assert_eq!(at(world, "event", "gala").await["id"], json!(stage.event), "the link is still there");
        rename_event(world, &stage.vendor, &draft, "gala").await.good();
        let publish = "mutation($id: ID!) { publishEvent(input: { eventId: $id, expectedVersion: 3 }) { event { id } errors { code } } }";
        world.gql(Some(&stage.vendor), publish, json!({ "id": draft })).await.good();
        assert_eq!(at(world, "event", "gala").await["id"], json!(draft), "it is public now");
    });
}

#[test]
fn only_one_of_concurrent_takers_gets_a_slug() {
    run(async |world: &World| {
        let ada = world.user("ada").await;
        let id = shop(world, &ada, "wanted").await.good().text("createShop.shop.id");
        let mut takers = Vec::new();
        for name in ["bob", "cleo", "dora", "emil"] {
            takers.push(world.user(name).await);
        }
        let taking = takers.iter().map(|token| shop(world, token, "wanted"));
        let (renamed, taken) =
            tokio::join!(rename_shop(world, &ada, &id, "unwanted"), futures_util::future::join_all(taking));
        renamed.good();
        for answer in taken {
            assert_eq!(answer.refusal("createShop").as_deref(), Some("SLUG_TAKEN"));
        }
        assert_eq!(at(world, "shop", "wanted").await["id"], json!(id));
        let racing = takers.iter().map(|token| shop(world, token, "brand-new"));
        let won = futures_util::future::join_all(racing).await;
        assert_eq!(won.iter().filter(|answer| answer.refusal("createShop").is_none()).count(), 1);
    });
}

/// The step that adds the owners finds the slugs of the objects that exist.
#[test]
fn upgrade_makes_objects_the_owners_of_their_slugs() {
    const STEP: &str = "m20261129_000011_slug_owners";
    run(async |world: &World| {
        let stage = world.stage().await;
        let ada = world.user("ada").await;
        shop(world, &ada, "adas-shop").await.good();
        world.event(&stage.vendor, stage.place(), "Another").await;
        let store = Store::connect(&world.url, 1).await.expect("a database");
        while store.migrate_down(1).await.expect("down") != [STEP] {}
        store.migrate().await.expect("up");
        let owners = slug_owner::Entity::find().all(store.read()).await.expect("owners");
        let mut slugs: Vec<(&str, bool)> =
            owners.iter().map(|row| (row.slug.as_str(), row.owner_id == row.object_id)).collect();
        slugs.sort_unstable();
        let of = |shop: bool| -> Vec<&str> {
            slugs.iter().filter(|(_, is_shop)| *is_shop == shop).map(|(slug, _)| *slug).collect()
        };
        assert_eq!(of(true), ["adas-shop", "the-hall"]);
        let events = of(false);
        assert_eq!(events.len(), 2, "{events:?}");
        assert!(events[0].starts_with("another-") && events[1].starts_with("concert-"), "{events:?}");
        store.close().await.expect("closed");
    });
}
