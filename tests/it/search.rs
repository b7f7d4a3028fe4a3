//! Searches: spellings, unspaced scripts, ranks, typing errors and pages, in lists of events, coupons and shops.

use sea_orm::{ConnectionTrait, EntityTrait};
use serde_json::{Value, json};
use tessera::store::Connections;
use unicode_normalization::UnicodeNormalization;

use crate::support::{
    World,
    given::{Place, Stage},
    run,
};

/// Returns the names of the events that a search finds, in order.
async fn events(world: &World, search: &str) -> Vec<String> {
    found(world, "query($search: String!) { list: events(filter: { search: $search }, first: 100) { totalCount nodes { name } } }", search).await
}

/// Returns the names of the shops that a search finds, in order.
async fn shops(world: &World, search: &str) -> Vec<String> {
    found(world, "query($search: String!) { list: shops(filter: { search: $search }, first: 100) { totalCount nodes { name } } }", search).await
}

/// Returns the titles of the coupons that a search finds, in order.
async fn coupons(world: &World, search: &str) -> Vec<String> {
    found(world, "query($search: String!) { list: coupons(filter: { search: $search }, first: 100) { totalCount nodes { name: title } } }", search).await
}

async fn found(world: &World, document: &str, search: &str) -> Vec<String> {
    let answer = world.gql(None, document, json!({ "search": search })).await.good();
    let nodes = answer.data("list.nodes");
    let nodes = nodes.as_array().expect("nodes");
    assert_eq!(answer.data("list.totalCount"), nodes.len(), "{search}");
    nodes.iter().map(|node| node["name"].as_str().expect("a name").nfc().collect()).collect()
}

async fn shop(world: &World, vendor: &str, name: &str, description: &str) -> String {
    let document = "mutation($name: String!, $description: String!) {
        createShop(input: { name: $name, description: $description, currency: \"EUR\" }) {
            shop { id } errors { code message path } } }";
    let input = json!({ "name": name, "description": description });
    world.gql(Some(vendor), document, input).await.good().text("createShop.shop.id")
}

/// Creates one event, one shop and one coupon of this name.
async fn everywhere(world: &World, stage: &Stage, name: &str) {
    world.event(&stage.vendor, stage.place(), name).await;
    shop(world, &stage.vendor, name, "").await;
    world.published(stage, json!({ "title": name })).await;
}

#[test]
fn case_accents_and_scripts_do_not_hide_anything() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let names = [
            "İstanbul Senfoni",
            "İzmir Caz",
            "Straßenfest",
            "Straße der Lieder",
            "Köln singt",
            "Café Chantant",
            "ÄRZTEBALL",
            "Smørrebrød",
            "Zu\u{308}rich",
            "ベートーヴェン第九交響曲",
            "เทศกาลดนตรีกรุงเทพ",
            "Фестиваль Ёлка",
        ];
        for name in names {
            everywhere(world, &stage, name).await;
        }
        for (search, expected) in [
            ("istanbul", vec!["İstanbul Senfoni"]),
            ("ISTANBUL", vec!["İstanbul Senfoni"]),
            ("stanbul", vec![]),
            ("İZMİR", vec!["İzmir Caz"]),
            ("izmir caz", vec!["İzmir Caz"]),
            ("strasse", vec!["Straße der Lieder", "Straßenfest"]),
            ("STRASSENFEST", vec!["Straßenfest"]),
            ("koln", vec!["Köln singt"]),
            ("koeln", vec!["Köln singt"]),
            ("KO\u{308}LN", vec!["Köln singt"]),
            ("cafe", vec!["Café Chantant"]),
            ("CAFE\u{301}", vec!["Café Chantant"]),
            ("ÄRZTEBALL", vec!["ÄRZTEBALL"]),
            ("ärzteball", vec!["ÄRZTEBALL"]),
            ("aerzteball", vec!["ÄRZTEBALL"]),
            ("smorrebrod", vec!["Smørrebrød"]),
            ("zuerich", vec!["Zürich"]),
            ("zürich", vec!["Zürich"]),
            ("ｚｕｒｉｃｈ", vec!["Zürich"]),
            ("交響曲", vec!["ベートーヴェン第九交響曲"]),
            ("第九", vec!["ベートーヴェン第九交響曲"]),
            ("曲響", vec![]),
            ("ดนตรี", vec!["เทศกาลดนตรีกรุงเทพ"]),
            ("елка", vec!["Фестиваль Ёлка"]),
            ("🎉", vec![]),
            ("%", vec![]),
        ] {
            assert_eq!(events(world, search).await, expected, "events: {search}");
            assert_eq!(shops(world, search).await, expected, "shops: {search}");
            assert_eq!(coupons(world, search).await, expected, "coupons: {search}");
        }
    });
}

#[test]
fn exact_matches_come_first_and_typing_errors_last() {
    run(async |world: &World| {
        let stage = world.stage().await;
        for name in ["Konzern lädt ein", "Konzerthaus", "Konzert", "Orgelkonzert", "Konzert im Park"] {
            everywhere(world, &stage, name).await;
        }
        let whole = ["Konzert", "Konzert im Park"];
        for (search, best, then) in [
            ("konzert", &whole[..], vec!["Konzerthaus", "Konzern lädt ein"]),
            ("konzertt", &[], vec!["Konzert", "Konzert im Park"]),
            ("konzret", &[], vec!["Konzert", "Konzert im Park"]),
            ("knozert", &[], vec!["Konzert", "Konzert im Park"]),
            ("konzerrt park", &[], vec!["Konzert im Park"]),
            ("konzret prak", &[], vec![]),
            ("konzerthuas", &[], vec!["Konzerthaus"]),
            ("okonzert", &[], vec![]),
            ("konz", &[], vec!["Konzern lädt ein", "Konzert", "Konzert im Park", "Konzerthaus"]),
        ] {
            for (of, mut found) in [
                ("events", events(world, search).await),
                ("shops", shops(world, search).await),
                ("coupons", coupons(world, search).await),
            ] {
                let mut rest = found.split_off(best.len().min(found.len()));
                found.sort();
                assert_eq!(found, best, "{of}: {search}, then {rest:?}");
                if search == "konzert" {
                    assert_eq!(rest, then, "{of}: a prefix comes before a typing error");
                }
                rest.sort();
                let mut then = then.clone();
                then.sort_unstable();
                assert_eq!(rest, then, "{of}: {search}");
            }
        }
        // An explicit order has no ranks.
        let document = "{ events(filter: { search: \"konzert\" }, sort: { field: NAME, direction: DESC }) { nodes { name } } }";
        let sorted = world.gql(None, document, json!({})).await.good().data("events.nodes");
        let names = ["Konzerthaus", "Konzert im Park", "Konzert", "Konzern lädt ein"]
            .map(|name| json!({ "name": name }));
        assert_eq!(sorted, json!(names));
    });
}

#[test]
fn pages_of_a_search_add_up_to_the_whole_list() {
    run(async |world: &World| {
        let stage = world.stage().await;
        for name in ["Opern", "Oper", "Opera", "Operette", "Oper", "Opfer"] {
            everywhere(world, &stage, name).await;
        }
        for list in ["events", "shops", "coupons"] {
            let document = format!(
                "query($first: Int, $last: Int, $after: String, $before: String) {{ list: {list}(
                    filter: {{ search: \"opern\" }}, first: $first, last: $last, after: $after, before: $before) {{
                    totalCount nodes {{ id }} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }}"
            );
            let ids = async |variables: Value| world.gql(None, &document, variables).await.good();
            let whole = ids(json!({ "first": 100 })).await;
            let all = whole.data("list.nodes").as_array().expect("nodes").clone();
            assert_eq!((all.len(), whole.data("list.totalCount")), (4, json!(4)), "{list}: {all:?}");
            for size in [1, 2, 3] {
                let (mut forward, mut after) = (Vec::new(), Value::Null);
                loop {
                    let page = ids(json!({ "first": size, "after": after })).await;
                    forward.extend(page.data("list.nodes").as_array().expect("nodes").clone());
                    after = page.data("list.pageInfo.endCursor");
                    if page.data("list.pageInfo.hasNextPage") == false {
                        break;
                    }
                }
                assert_eq!(forward, all, "{list} by {size}");
                let (mut backward, mut before) = (Vec::new(), Value::Null);
                loop {
                    let page = ids(json!({ "last": size, "before": before })).await;
                    backward.splice(0..0, page.data("list.nodes").as_array().expect("nodes").clone());
                    before = page.data("list.pageInfo.startCursor");
                    if page.data("list.pageInfo.hasPreviousPage") == false {
                        break;
                    }
                }
                assert_eq!(backward, all, "{list} by {size} from the end");
            }
        }
        let plain =
            world.gql(None, "{ events(first: 1) { pageInfo { endCursor } } }", json!({})).await.good();
        let after = plain.text("events.pageInfo.endCursor");
        let document =
            "query($after: String) { events(filter: { search: \"oper\" }, after: $after) { totalCount } }";
        let wrong = world.gql(None, document, json!({ "after": after })).await;
        assert_eq!(wrong.code().as_deref(), Some("BAD_USER_INPUT"), "a cursor of another list");
    });
}

#[test]
fn index_follows_every_change_of_a_name() {
    run(async |world: &World| {
        let stage = world.stage().await;
        let shop = shop(world, &stage.vendor, "Blumenladen", "Tulpen & Narzissen").await;
        assert_eq!(shops(world, "narzissen").await, ["Blumenladen"], "words of the description");
        assert_eq!(shops(world, "tulpe").await, ["Blumenladen"]);
        let update = "mutation($input: UpdateShopInput!) { updateShop(input: $input) { shop { id } errors { code } } }";
        let input = json!({ "shopId": shop, "expectedVersion": 1, "description": "Rosen" });
        world.gql(Some(&stage.vendor), update, json!({ "input": input })).await.good();
        assert_eq!(shops(world, "tulpen").await, [""; 0]);
        assert_eq!(shops(world, "rosen blumenladen").await, ["Blumenladen"]);
        let version = world.shop_version(&stage.shop).await;
        let input = json!({ "shopId": stage.shop, "expectedVersion": version, "name": "Große Bühne" });
        world.gql(Some(&stage.vendor), update, json!({ "input": input })).await.good();
        assert_eq!(events(world, "concert buehne").await, ["Concert"]);
        assert_eq!(events(world, "concert hall").await, ["Concert"], "the venue keeps its name");
        assert_eq!(shops(world, "GROSSE BUHNE").await, ["Große Bühne"]);
        let place = Place { ..stage.place() };
        world.event(&stage.vendor, place, "第九").await;
        assert_eq!(events(world, "九").await, ["第九"]);
    });
}

/// Rows that an earlier version has written: without sort keys, and with words in the older form.
#[test]
fn rows_of_an_earlier_version_are_indexed() {
    run(async |world: &World| {
        let stage = world.stage().await;
        for name in ["Öl und Essig", "Zebra", "Apfel"] {
            everywhere(world, &stage, name).await;
        }
        let db: &Connections = world.app.store.read();
        let tx = world.app.store.begin().await.expect("begun");
        for statement in [
            "UPDATE event SET sort_key = ''",
            "UPDATE shop SET sort_key = ''",
            "UPDATE coupon SET sort_key = ''",
            "UPDATE tier SET name_key = NULL",
            "DELETE FROM shop_word",
            "DELETE FROM event_word",
            "DELETE FROM coupon_word",
            "DELETE FROM search_deletion",
        ] {
            tx.execute_unprepared(statement).await.expect("done");
        }
        tx.commit().await.expect("committed");
        assert_eq!(events(world, "essig").await, [""; 0]);
        tessera::worker::index_texts(&world.app).await.expect("indexed");
        for search in ["essig", "OEL", "essgi"] {
            assert_eq!(events(world, search).await, ["Öl und Essig"], "{search}");
            assert_eq!(shops(world, search).await, ["Öl und Essig"], "{search}");
            assert_eq!(coupons(world, search).await, ["Öl und Essig"], "{search}");
        }
        let tiers = entity::tier::Entity::find().all(db).await.expect("tiers");
        assert!(tiers.iter().all(|tier| tier.name_key.is_some()));
        let sorted =
            world.gql(None, "{ shops { nodes { name } } }", json!({})).await.good().data("shops.nodes");
        let names = ["Apfel", "Öl und Essig", "The Hall", "Zebra"].map(|name| json!({ "name": name }));
        assert_eq!(sorted, json!(names));
    });
}
