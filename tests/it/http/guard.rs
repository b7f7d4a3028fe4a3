//! Malicious documents against the real schema: each is refused quickly with a code.

use std::{
    fmt::Write,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tessera::http::Patience;
use test_case::test_case;

use crate::support::Database::{self, Postgres, Sqlite};
use crate::support::{
    World, run_on, run_once,
    wire::{JSON, Reply},
};

/// What `GraphiQL` asks first.
const INTROSPECTION: &str = include_str!("../../../src/http/guard/introspection.graphql");
/// Far more than a refusal takes, for a machine that is busy with other tests. What gets past the guard takes minutes.
const SOON: Duration = Duration::from_secs(2);

/// The document is refused with the code, soon, and in a short answer.
async fn refused(world: &World, query: &str, code: &str) -> Reply {
    let started = Instant::now();
    let answer = world.ask(query).await;
    assert!(started.elapsed() < SOON, "{code} took {:?}", started.elapsed());
    answer.refused(200, code);
    assert!(answer.json()["data"].is_null() && answer.text.len() < 4_096, "{}", answer.text);
    answer
}

/// `count` times `text`, with `#` for the number.
fn many(count: usize, text: &str) -> String {
    (0..count).fold(String::new(), |all, number| all + &text.replace('#', &number.to_string()))
}

/// `levels` fragments. Each uses the next one `width` times.
fn bomb(levels: usize, width: usize) -> String {
    let mut text = String::from("query{...F0}");
    for level in 0..levels {
        let spread = format!("...F{}", level + 1).repeat(width);
        write!(text, "fragment F{level} on Query{{{spread}}}").expect("written");
    }
    text + &format!("fragment F{levels} on Query{{categories{{id}}}}")
}

/// A category that is not there, and those above it to a depth of `levels` fields.
fn deep(levels: usize) -> String {
    format!("category(slug:\"none\"){}{{id}}{}", "{parent".repeat(levels - 2), "}".repeat(levels - 2))
}

#[test]
fn a_fragment_bomb_is_refused() {
    run_once(async |world: &World| {
        for (levels, width) in [(31, 2), (12, 4), (5, 50)] {
            refused(world, &bomb(levels, width), "DOCUMENT_TOO_COMPLEX").await;
        }
        assert_eq!(world.ask(&bomb(5, 2)).await.text, r#"{"data":{"categories":[]}}"#);
    });
}

#[test]
fn a_fragment_in_itself_is_refused() {
    run_once(async |world: &World| {
        for query in [
            "{...A} fragment A on Query{...A}",
            "{...A} fragment A on Query{...B} fragment B on Query{...A}",
            "{...A} fragment A on Query{categories{...B}} fragment B on Category{... on Category{parent{...B}}}",
            "{__typename} fragment A on Query{...B} fragment B on Query{...A}",
        ] {
            refused(world, query, "GRAPHQL_VALIDATION_FAILED").await;
        }
    });
}

#[test]
fn depth_is_limited_whatever_the_fragments_are_called() {
    run_once(async |world: &World| {
        let good = world.ask(&format!("{{{}}}", deep(15))).await;
        assert_eq!(good.text, r#"{"data":{"category":null}}"#);
        refused(world, &format!("{{{}}}", deep(16)), "DOCUMENT_TOO_DEEP").await;
        for name in ["F", "__schema", "__type"] {
            let query = format!("{{...{name}}} fragment {name} on Query{{{}}}", deep(16));
            refused(world, &query, "DOCUMENT_TOO_DEEP").await;
        }
        for (open, close) in [("[", "]"), ("{a:", "}")] {
            let query = format!("{{event(slug:{}1{}){{id}}}}", open.repeat(3_000), close.repeat(3_000));
            refused(world, &query, "DOCUMENT_TOO_DEEP").await;
        }
    });
}

#[test]
fn names_tokens_and_directives_are_counted() {
    run_once(async |world: &World| {
        let many_include = format!("{{__typename {}}}", "@include(if:true) ".repeat(500));
        let spread_include = format!("{{{}}}", "__typename @include(if:true) ".repeat(51));
        let refusals = [
            (format!("{{{}}}", many(101, "a#:__typename ")), "TOO_MANY_ALIASES"),
            (format!("{{{}}}", many(31, "a#:event(slug:\"x\"){id} ")), "TOO_MANY_ALIASES"),
            (
                format!("{{...F ...F}} fragment F on Query{{{}}}", many(16, "a#:__typename ")),
                "TOO_MANY_ALIASES",
            ),
            (format!("{{{}}}", "__typename ".repeat(500)), "DOCUMENT_TOO_COMPLEX"),
            (format!("{{{}}}", "__typename ".repeat(2_900)), "DOCUMENT_TOO_COMPLEX"),
            (format!("{{{}}}", "id ".repeat(5_000)), "TOO_MANY_TOKENS"),
            (format!("{{{}}}", "categories{id}".repeat(51)), "DOCUMENT_TOO_COMPLEX"),
            (many_include, "TOO_MANY_DIRECTIVES"),
            (spread_include, "TOO_MANY_DIRECTIVES"),
            (format!("{{__typename {}}}", "@aa ".repeat(51)), "TOO_MANY_DIRECTIVES"),
        ];
        for (query, code) in refusals {
            refused(world, &query, code).await;
        }
        let unknown = world.ask(&format!("{{categories {}{{id}}}}", "@aa ".repeat(10))).await;
        unknown.refused(200, "GRAPHQL_VALIDATION_FAILED");
        // Errors about a document do not pile up.
        let wrong = refused(world, &format!("{{{}}}", many(40, "nope# ")), "GRAPHQL_VALIDATION_FAILED").await;
        assert!(wrong.json()["errors"].as_array().expect("errors").len() <= 20, "{}", wrong.text);
    });
}

#[test]
fn a_batch_is_refused_before_it_is_read() {
    run_once(async |world: &World| {
        let one = json!({ "query": "{__typename}" }).to_string();
        for count in [1, 10, 1_000] {
            let batch = format!("[{}]", vec![one.clone(); count].join(","));
            world.post(&[JSON], batch).await.refused(400, "BATCH_NOT_ALLOWED");
        }
        world.post(&[JSON], " \n[broken").await.refused(400, "BATCH_NOT_ALLOWED");
    });
}

#[test]
fn introspection_is_limited_and_field_names_are_not_suggested() {
    run_once(async |world: &World| {
        let whole = world.ask(INTROSPECTION).await;
        assert!(whole.json()["errors"].is_null(), "{}", whole.text);
        assert!(whole.json()["data"]["__schema"]["types"].as_array().expect("types").len() > 100);
        let circle = "{__schema{types{fields{type{fields{type{fields{type{fields{name}}}}}}}}}}";
        refused(world, circle, "DOCUMENT_TOO_DEEP").await;

        let secret = world.beside(&["--introspection", "false"], Patience::default()).await;
        for query in [
            INTROSPECTION,
            "{__schema{queryType{name}}}",
            "{a:__type(name:\"Event\"){name}}",
            "{...F} fragment F on Query{__schema{queryType{name}}}",
        ] {
            refused(&secret, query, "INTROSPECTION_DISABLED").await;
        }
        assert_eq!(secret.ask("{__typename}").await.status, 200);
        secret.end().await;

        assert_names_stay_hidden(world).await;
        // One letter off a real name: nothing is suggested, so that the schema cannot be guessed letter by letter.
        for query in [
            "{event_{id}}",
            "{categorie{id}}",
            "{categories{idd}}",
            "{event(slog:\"x\"){id}}",
            "{events(sort:{field:STARTS_A}){totalCount}}",
            "mutation{signinn{errors{code}}}",
            "{node(id:\"x\"){... on Evnt{id}}}",
        ] {
            let answer = refused(world, query, "GRAPHQL_VALIDATION_FAILED").await.text;
            for word in ["Did you mean", "STARTS_AT", "signIn\"", "slug"] {
                assert!(!answer.contains(word), "{query}: {answer}");
            }
        }
    });
}

/// With introspection off, an error about a document holds no more names than the document.
async fn assert_names_stay_hidden(world: &World) {
    let secret = world.beside(&["--introspection", "false"], Patience::default()).await;
    for (query, words) in [
        ("{categories{idd}}", &["Category"][..]),
        ("{categories}", &["Category"]),
        ("{event(slog:\"x\"){id}}", &["Event", "Query", "slug"]),
        ("{event(slug:7){id}}", &["String"]),
        ("{events(sort:{field:STARTS_A}){totalCount}}", &["EventSortField", "STARTS_AT"]),
        ("{node(id:\"x\"){... on Money{amount}}}", &["Node"]),
        ("mutation{signIn(input:{}){errors{code}}}", &["SignInInput", "email", "password"]),
    ] {
        let answer = refused(&secret, query, "GRAPHQL_VALIDATION_FAILED").await;
        let error = &answer.json()["errors"][0];
        for word in words {
            assert!(!answer.text.contains(word), "{query}: {}", answer.text);
        }
        assert!(error["locations"][0]["line"].is_u64(), "{}", answer.text);
    }
    let variables = json!({ "n": "many" });
    let query = "query($n:Int){events(first:$n){totalCount}}";
    let wrong = secret.gql(None, query, variables).await;
    assert_eq!(wrong.code().as_deref(), Some("GRAPHQL_VALIDATION_FAILED"));
    assert!(!wrong.body.to_string().contains("Int"), "{}", wrong.body);
    secret.end().await;
}

#[test]
fn unknown_directives_and_repeated_input_are_refused() {
    run_once(async |world: &World| {
        for query in [
            "{categories @aa {id}}",
            "query @aa {categories{id}}",
            "query($s:String @aa){category(slug:$s){id}}",
            "{...F} fragment F on Query @aa {categories{id}}",
            "{category(slug:\"a\",slug:\"b\"){id}}",
            "{events(filter:{search:\"a\",search:\"b\"}){totalCount}}",
            "query($f:EventFilter={search:\"a\",search:\"b\"}){events(filter:$f){totalCount}}",
            "mutation{signIn(input:{email:\"a\",password:\"b\",email:\"c\"}){errors{code}}}",
        ] {
            refused(world, query, "GRAPHQL_VALIDATION_FAILED").await;
        }
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn pages_are_limited_and_cursors_are_checked(database: Database) {
    run_on(database, async |world: &World| {
        let stage = world.stage().await;
        let event = world.gql(None, "{events{pageInfo{endCursor}}}", json!({})).await.good();
        let cursor = event.text("events.pageInfo.endCursor");
        let shop = world.gql(None, "{shops{pageInfo{endCursor}}}", json!({})).await.good();
        let foreign = shop.text("shops.pageInfo.endCursor");
        let window = |arguments: Value| {
            let query =
                "query($first:Int,$last:Int,$after:String){events(first:$first,last:$last,after:$after){
                nodes{id}}}";
            world.gql(None, query, arguments)
        };
        for arguments in [
            json!({ "first": 99_999_999 }),
            json!({ "first": 101 }),
            json!({ "first": 0 }),
            json!({ "first": -1 }),
            json!({ "last": -2_147_483_648_i64 }),
            json!({ "first": 1, "last": 1 }),
            json!({ "after": "nonsense" }),
            json!({ "after": "" }),
            json!({ "after": "bnVsbA" }),
            json!({ "after": foreign }),
        ] {
            let answer = window(arguments.clone()).await;
            assert_eq!(answer.code().as_deref(), Some("BAD_USER_INPUT"), "{arguments}: {}", answer.body);
        }
        assert_eq!(window(json!({ "after": cursor })).await.good().data("events.nodes"), json!([]));
        // A cursor is no secret and opens nothing: with any of its letters changed it is refused, or is another place in
        // the same list.
        for at in 0..cursor.len() {
            let mut flipped = cursor.clone().into_bytes();
            flipped[at] = if flipped[at] == b'A' { b'B' } else { b'A' };
            let flipped = String::from_utf8(flipped).expect("ASCII");
            let answer = window(json!({ "after": flipped })).await;
            let nodes = answer.data("events.nodes");
            let same_list = nodes == json!([]) || nodes == json!([{ "id": stage.event }]);
            let refused = answer.code().as_deref() == Some("BAD_USER_INPUT");
            assert!(same_list || refused, "{flipped}: {}", answer.body);
        }
    });
}

#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn large_and_strange_values_are_refused(database: Database) {
    run_on(database, async |world: &World| {
        let authorization = format!("Bearer {}", world.user("ada").await);
        let signed_in = [JSON, ("authorization", &*authorization)];
        let document = |query: &str| json!({ "query": query }).to_string();
        let large = document(&format!("{{__typename}}#{}", "x".repeat(10 * 1024 * 1024)));
        world.post(&[JSON], large.clone()).await.refused(413, "BODY_TOO_LARGE");
        world.post(&signed_in, large).await.refused(200, "DOCUMENT_TOO_LARGE");
        let literal = format!("{{event(slug:\"{}\"){{id}}}}", "x".repeat(100 * 1024));
        refused(world, &literal, "DOCUMENT_TOO_LARGE").await;

        let asked = "query($s:String,$i:Int,$l:[ID!]){event(slug:$s){id} events(first:$i){totalCount}
            reservation(id:\"x\"){id} __typename}";
        let nested = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        for value in [nested.as_str(), "1e400", "\"\\ud800\"", "01", "NaN", "\"\u{0}\""] {
            let body = format!(r#"{{"query":"{{__typename}}","variables":{{"s":{value}}}}}"#);
            world.post(&[JSON], body).await.refused(400, "BAD_REQUEST");
        }
        let numbers =
            format!(r#"{{"query":"{{__typename}}","variables":{{"l":[{}1]}}}}"#, "1,".repeat(1_000_000));
        world.post(&[JSON], numbers.clone()).await.refused(413, "BODY_TOO_LARGE");
        world.post(&signed_in, numbers).await.refused(413, "BODY_TOO_LARGE");
        let few = format!(r#"{{"query":"{{__typename}}","variables":{{"l":[{}1]}}}}"#, "1,".repeat(9_000));
        assert_eq!(world.post(&[JSON], few).await.status, 200, "an unused variable is left alone");
        for value in ["0", "{\"\":0}"] {
            let list = format!("{value},").repeat(20_000);
            let many = format!(r#"{{"query":"{{__typename}}","variables":{{"l":[{list}1]}}}}"#);
            world.post(&signed_in, many).await.refused(400, "BAD_REQUEST");
        }
        for variables in
            [json!({ "i": 9_223_372_036_854_775_807_i64 }), json!({ "i": 1.5 }), json!({ "s": 7 })]
        {
            let body = json!({ "query": asked, "variables": variables }).to_string();
            world.post(&[JSON], body).await.refused(200, "GRAPHQL_VALIDATION_FAILED");
        }
        refused(world, "{events(first:99999999999999999999){totalCount}}", "GRAPHQL_VALIDATION_FAILED").await;
        // The last of two equal keys counts, for the guard as for the executor: they read the same value.
        let twice = r#"{"query":"{__typename}","query":"{nope}"}"#;
        world.post(&[JSON], twice).await.refused(200, "GRAPHQL_VALIDATION_FAILED");
    });
}

/// PostgreSQL cannot store NUL, nor can either database find it: it is the caller's mistake, never ours.
#[test_case(Sqlite; "sqlite")]
#[test_case(Postgres; "postgres")]
fn strange_text_is_never_our_fault(database: Database) {
    run_on(database, async |world: &World| {
        let operator = world.operator().await;
        for text in ["\u{0}", "a\u{0}b", "\u{ffff}", "\u{202e}", "' OR 1=1 --", "%", "\\", "\u{1f3ab}"] {
            let queries = [
                "query($s:String!){category(slug:$s){id}}",
                "query($s:String!){event(slug:$s){id}}",
                "query($s:String!){shop(by:{slug:$s}){id}}",
                "query($s:String!){shops(filter:{search:$s}){totalCount}}",
                "query($s:String!){events(filter:{search:$s}){totalCount}}",
                "query($s:String!){events(filter:{shopSlug:$s,categorySlug:$s}){totalCount}}",
                "query($s:String!){coupons(filter:{eventSlug:$s}){totalCount}}",
                "query($s:String!){events(after:$s){totalCount}}",
                "query($s:ID!){node(id:$s){id}}",
                "query($s:String!){order(id:\"x\",accessToken:$s){id}}",
                "mutation($s:String!){signIn(input:{email:$s,password:$s}){errors{code}}}",
                "mutation($s:String!){refreshSession(input:{refreshToken:$s}){errors{code}}}",
                "mutation($s:String!){createCategory(input:{name:$s,slug:$s}){errors{code}}}",
                "mutation($s:String!){signUp(input:{email:$s,password:$s,name:$s}){errors{code}}}",
                "mutation($s:String!){createShop(input:{name:$s,currency:\"EUR\",description:$s}){errors{code}}}",
            ];
            for query in queries {
                let answer = world.gql(Some(&operator), query, json!({ "s": text })).await;
                assert!(!answer.body.to_string().contains("INTERNAL"), "{query} {text:?}: {}", answer.body);
            }
        }
    });
}

#[test]
fn only_the_named_operation_runs() {
    run_once(async |world: &World| {
        let two = "query A{__typename} mutation B{createGuestSession{session{accessToken}}}";
        let named = async |name: Option<&str>| {
            let body = json!({ "query": two, "operationName": name });
            world.post(&[JSON], body.to_string()).await
        };
        assert_eq!(named(Some("A")).await.text, r#"{"data":{"__typename":"Query"}}"#);
        named(None).await.refused(200, "OPERATION_NAME_REQUIRED");
        for name in ["C", "a", "A ", "\u{0}"] {
            named(Some(name)).await.refused(200, "OPERATION_UNKNOWN");
        }
        refused(
            world,
            &format!("{{__typename}}{}", many(1_000, "fragment F# on Query{__typename}")),
            "DOCUMENT_TOO_LARGE",
        )
        .await;
        refused(
            world,
            &format!("{{__typename}}{}", many(51, "fragment F# on Query{__typename}")),
            "DOCUMENT_TOO_COMPLEX",
        )
        .await;
        refused(world, &many(1_000, "query Q#{__typename}"), "OPERATION_NAME_REQUIRED").await;
        // What is in the document is weighed although it does not run.
        let hidden = format!("query A{{__typename}} query B{{{}}}", many(31, "a#:__typename "));
        refused(world, &hidden, "TOO_MANY_ALIASES").await;
        // A hash alone finds nothing.
        let hash = r#"{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"00"}}}"#;
        world.post(&[JSON], hash).await.refused(200, "PERSISTED_QUERY_NOT_FOUND");
    });
}

#[test]
fn many_mutations_in_one_request_are_refused_and_few_are_charged_each() {
    run_once(async |world: &World| {
        let sign_in = |password: &str| {
            format!("signIn(input:{{email:\"ada@tessera.test\",password:\"{password}\"}}){{errors{{code}}}} ")
        };
        let hold = "a#:reserveSeats(input:{eventId:\"x\",pick:{seatIds:[\"x\"]},idempotencyKey:\"k#\"}){errors{code}} ";
        let attempts = many(20, &format!("a#:{}", sign_in("guess #")));
        let unnamed = sign_in("guess").repeat(20);
        for fields in [attempts, unnamed, many(20, hold), many(11, "a#:createGuestSession{errors{code}} ")] {
            refused(world, &format!("mutation{{{fields}}}"), "DOCUMENT_TOO_COMPLEX").await;
        }
        refused(world, &format!("mutation{{{}}}", many(50, "a#:signOut{errors{code}} ")), "TOO_MANY_ALIASES")
            .await;

        world.user("ada").await;
        let ten = format!("mutation{{{}}}", many(10, &format!("a#:{}", sign_in("guess #"))));
        let answer = world.ask(&ten).await;
        assert_eq!(answer.json()["data"]["a9"]["errors"][0]["code"], "WRONG_CREDENTIALS", "{}", answer.text);
        let eleventh = world.ask(&format!("mutation{{{}}}", sign_in("correct horse battery"))).await;
        assert_eq!(
            eleventh.json()["data"]["signIn"]["errors"][0]["code"],
            "TOO_MANY_ATTEMPTS",
            "{}",
            eleventh.text
        );
    });
}

/// A short document over a few long lists: what it would yield grows ninefold with every two levels.
#[test]
fn lists_inside_lists_end_somewhere() {
    run_once(async |world: &World| {
        let operator = world.operator().await;
        let make = "mutation($name:String!,$parent:ID){createCategory(input:{name:$name,parentId:$parent}){
            category{id} errors{code}}}";
        let root = world.gql(Some(&operator), make, json!({ "name": "Music" })).await.good();
        let root = root.text("createCategory.category.id");
        for number in 0..9 {
            let child = json!({ "name": format!("Music {number}"), "parent": root });
            world.gql(Some(&operator), make, child).await.good();
        }
        let around = |times: usize| {
            format!("{{categories{}{{id}}{}}}", "{children{parent".repeat(times), "}}".repeat(times))
        };
        assert!(world.ask(&around(1)).await.json()["errors"].is_null());
        let started = Instant::now();
        world.ask(&around(6)).await.refused(200, "DOCUMENT_TOO_COMPLEX");
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    });
}
