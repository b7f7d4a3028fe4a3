//! Seat-map geometry over HTTP: equal to GraphQL, immutable, and as visible as its seat map.

use std::io::Read;

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, Request},
};
use flate2::read::GzDecoder;
use serde_json::{Value, json};
use tessera::http::Patience;
use test_case::test_case;

use crate::support::Database::{self, Postgres, Sqlite};
use crate::support::{World, given::small_plan, run_on, run_once, wire::Reply};

const PUBLIC: &str = "public, max-age=31536000, immutable";
const SEAT_MAP: &str = "query($map: ID!) { seatMap(id: $map) { id url revision name width height
    categories { name color }
    zones { name rows { number label seats { id number x y category wheelchair companion companionOf } } }
    areas { id name zone category capacity x y } } }";

impl World {
    async fn url(&self, token: Option<&str>, map: &str) -> String {
        let document = "query($map: ID!) { seatMap(id: $map) { url } }";
        let url = self.gql(token, document, json!({ "map": map })).await.good().text("seatMap.url");
        let path = url.strip_prefix("http://tessera.test").expect("the public address").to_owned();
        assert_eq!(path, format!("/seat-maps/{map}"));
        path
    }

    async fn fetch(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        let request = Request::get(path).header("host", "tessera.test");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        self.send(request.body(Body::empty()).expect("a request")).await
    }
}

/// The answer of GraphQL, said as the geometry says it.
fn expected(map: &Value) -> Value {
    let index = |list: &Value, name: &Value| {
        list.as_array().expect("a list").iter().position(|item| item["name"] == *name)
    };
    let seat = |seat: &Value| {
        let mut said = json!({ "id": seat["id"], "number": seat["number"], "x": seat["x"], "y": seat["y"],
            "category": index(&map["categories"], &seat["category"]) });
        for access in ["wheelchair", "companion"] {
            if seat[access] == true {
                said["access"] = json!(access);
            }
        }
        if !seat["companionOf"].is_null() {
            said["companionOf"] = seat["companionOf"].clone();
        }
        said
    };
    let each = |list: &Value, of: &dyn Fn(&Value) -> Value| -> Value {
        list.as_array().expect("a list").iter().map(of).collect()
    };
    let row = |row: &Value| {
        let mut said = json!({ "number": row["number"], "seats": each(&row["seats"], &seat) });
        if !row["label"].is_null() {
            said["label"] = row["label"].clone();
        }
        said
    };
    let area = |area: &Value| {
        json!({ "id": area["id"], "name": area["name"], "zone": index(&map["zones"], &area["zone"]),
            "category": index(&map["categories"], &area["category"]), "capacity": area["capacity"],
            "x": area["x"], "y": area["y"] })
    };
    json!({ "format": 1, "id": map["id"], "revision": map["revision"], "name": map["name"], "width": map["width"],
        "height": map["height"], "categories": map["categories"],
        "zones": each(&map["zones"], &|zone| json!({ "name": zone["name"], "rows": each(&zone["rows"], &row) })),
        "areas": each(&map["areas"], &area) })
}

/// JSON has one kind of number; this library has two.
fn as_floats(value: &mut Value) {
    match value {
        Value::Number(number) => *value = json!(number.as_f64().expect("a number")),
        Value::Array(items) => items.iter_mut().for_each(as_floats),
        Value::Object(fields) => fields.values_mut().for_each(as_floats),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn geometry_matches_graphql_for_each_seat(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let mut plan: Value = serde_json::from_str(&small_plan()).expect("a plan");
        let row = &mut plan["zones"][0]["rows"][2];
        row["row_label"] = json!("Table %s");
        row["seats"][2]["companion_of"] = json!("C-2");
        row["seats"][3]["position"]["x"] = json!(80.125);
        let table = json!({ "name": "Gallery", "position": { "x": 0, "y": 150 }, "rows": [plan["zones"][0]["rows"][0]] });
        plan["zones"].as_array_mut().expect("zones").push(table);
        for seat in plan["zones"][1]["rows"][0]["seats"].as_array_mut().expect("seats") {
            seat["seat_guid"] = json!(format!("gallery-{}", seat["seat_guid"].as_str().expect("a guid")));
        }
        let map = world.import(&stage.vendor, &stage.venue, &plan.to_string()).await;
        for (map, token) in [(&stage.map, None), (&map, Some(stage.vendor.as_str()))] {
            let said = world.gql(token, SEAT_MAP, json!({ "map": map })).await.good();
            let mut expected = expected(&said.data("seatMap"));
            let path = world.url(token, map).await;
            let bearer = token.map(|token| format!("Bearer {token}"));
            let headers: Vec<_> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
            let mut fetched = world.fetch(&path, &headers).await.json();
            let drawings = fetched.as_object_mut().expect("an object").remove("drawings").expect("drawings");
            assert_eq!(
                drawings,
                json!([
                    { "area": 0, "shape": "rectangle", "x": 10, "y": 90, "width": 200, "height": 40 },
                    { "shape": "text", "x": 110, "y": 160, "text": "Stage" }
                ])
            );
            as_floats(&mut fetched);
            as_floats(&mut expected);
            assert_eq!(fetched, expected);
        }
        let whole = world.fetch(&world.url(None, &stage.map).await, &[]).await.text;
        assert!(whole.contains(r#""x":30,"y":10"#), "numbers are short: {}", &whole[..600]);
    });
}

#[test]
fn it_is_kept_for_ever_and_asked_for_once() {
    run_once(async |world: &World| {
        let stage = world.stage().await;
        let path = world.url(None, &stage.map).await;
        let first = world.fetch(&path, &[]).await;
        assert_eq!(first.status, 200);
        assert_eq!(first.header("content-type"), "application/json");
        assert_eq!(first.header("cache-control"), PUBLIC);
        assert_eq!(first.header("content-encoding"), "");
        let varies =
            |headers: &HeaderMap| headers.get_all("vary").iter().any(|vary| vary == "accept-encoding");
        assert!(varies(&first.headers));
        let tag = first.header("etag").to_owned();
        assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 20, "a strong tag: {tag}");
        let again = world.fetch(&path, &[]).await;
        assert_eq!((again.header("etag"), &again.text), (tag.as_str(), &first.text), "the same bytes");

        for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
            let unchanged = world.fetch(&path, &[("if-none-match", &known)]).await;
            assert_eq!((unchanged.status, unchanged.text.as_str()), (304, ""), "{known}");
            assert_eq!(unchanged.header("etag"), tag);
            assert_eq!(unchanged.header("cache-control"), PUBLIC);
            assert!(varies(&unchanged.headers));
        }
        assert_eq!(world.fetch(&path, &[("if-none-match", "\"other\"")]).await.status, 200);

        let request =
            Request::get(&path).header("host", "tessera.test").header("accept-encoding", "gzip, br");
        let (parts, body) = world.http(request.body(Body::empty()).expect("a request")).await.into_parts();
        assert_eq!(parts.headers["content-encoding"], "gzip");
        assert_eq!(parts.headers["cache-control"], PUBLIC);
        assert!(varies(&parts.headers));
        let packed = to_bytes(body, usize::MAX).await.expect("a body");
        assert!(packed.len() * 3 < first.text.len(), "{} of {}", packed.len(), first.text.len());
        let mut text = String::new();
        GzDecoder::new(&packed[..]).read_to_string(&mut text).expect("gzip");
        assert_eq!(text, first.text);
        let packed_tag = parts.headers["etag"].to_str().expect("text");
        assert_ne!(packed_tag, tag, "other bytes, another tag");
        let known = [("accept-encoding", "gzip"), ("if-none-match", packed_tag)];
        assert_eq!(world.fetch(&path, &known).await.status, 304);

        let head =
            Request::head(&path).header("host", "tessera.test").body(Body::empty()).expect("a request");
        let head = world.send(head).await;
        assert_eq!((head.status, head.header("etag"), head.text.as_str()), (200, tag.as_str(), ""));
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn geometry_has_the_visibility_of_its_seat_map(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let stranger = world.user("stranger").await;
        let hidden = world.import(&stage.vendor, &stage.venue, &small_plan()).await;
        let path = world.url(Some(&stage.vendor), &hidden).await;
        let fetch = async |token: Option<&str>| {
            let bearer = token.map(|token| format!("Bearer {token}"));
            let headers: Vec<_> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
            world.fetch(&path, &headers).await
        };
        for token in [None, Some(stranger.as_str())] {
            let refused = fetch(token).await;
            refused.refused(404, "NOT_FOUND");
            assert_eq!(refused.header("cache-control"), "no-store");
        }
        let own = fetch(Some(&stage.vendor)).await;
        assert_eq!(own.status, 200);
        assert_eq!(own.header("cache-control"), "private, max-age=31536000, immutable");
        fetch(Some("forged")).await.refused(401, "UNAUTHENTICATED");
        fetch(None).await.refused(404, "NOT_FOUND");
        // On sale, it is everybody's.
        world.event(&stage.vendor, stage.place(), "Second").await;
        for token in [None, Some(stranger.as_str()), Some(stage.vendor.as_str())] {
            let seen = fetch(token).await;
            assert_eq!((seen.status, &seen.text), (200, &own.text));
            assert_eq!(seen.header("cache-control"), PUBLIC);
        }
        for unknown in ["seatmap_01h455vb4pex5vsknk084sn02q", stage.event.as_str(), "nonsense", "%00", "a/b"]
        {
            world.fetch(&format!("/seat-maps/{unknown}"), &[]).await.refused(404, "NOT_FOUND");
        }
    });
}

#[test]
fn listed_pages_may_fetch_it() {
    run_once(async |world: &World| {
        let stage = world.stage().await;
        let shop = "https://shop.example";
        let open = world.beside(&["--allowed-origins", shop], Patience::default()).await;
        let path = open.url(None, &stage.map).await;
        assert_eq!(open.fetch(&path, &[("origin", shop)]).await.header("access-control-allow-origin"), shop);
        let foreign = open.fetch(&path, &[("origin", "https://evil.example")]).await;
        assert_eq!(foreign.header("access-control-allow-origin"), "");
        open.end().await;
    });
}
