//! Tests of merging: it reduces the executions of fields and does not change the response.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use async_graphql::{
    Context, EmptyMutation, EmptySubscription, ID, Interface, Object, Request, Response, Schema, Variables,
    parser::{parse_query, types::ExecutableDocument},
};
use futures_util::FutureExt;
use proptest::prelude::*;
use serde_json::json;

use super::{merge::merge, types::Types};

/// Counts the executions of a field.
#[derive(Clone, Default)]
struct Count(Arc<AtomicU64>);

struct Query;

#[Object]
impl Query {
    async fn thing(&self) -> Thing {
        Thing { depth: 0 }
    }

    async fn named(&self) -> Named {
        Named::Thing(Thing { depth: 0 })
    }

    async fn category(&self, #[graphql(default = 0)] after: u64) -> Thing {
        Thing { depth: after }
    }
}

#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID"))]
enum Named {
    Thing(Thing),
    Other(Other),
}

struct Other;

#[Object]
impl Other {
    async fn id(&self) -> ID {
        ID("other".to_owned())
    }
}

struct Thing {
    depth: u64,
}

#[Object]
impl Thing {
    async fn id(&self) -> ID {
        ID(self.depth.to_string())
    }

    async fn number(&self, ctx: &Context<'_>, #[graphql(default = 0)] plus: u64) -> u64 {
        ctx.data_unchecked::<Count>().0.fetch_add(1, Relaxed);
        self.depth + plus
    }

    async fn next(&self) -> Thing {
        Thing { depth: self.depth + 1 }
    }

    async fn all(&self) -> Vec<Thing> {
        (0..3).map(|depth| Thing { depth }).collect()
    }
}

/// Returns the response to the document and the number of executions of `number`.
fn run(document: ExecutableDocument, name: Option<&str>) -> (Response, u64) {
    let schema = Schema::new(Query, EmptyMutation, EmptySubscription);
    let count = Count::default();
    let variables = Variables::from_json(json!({ "yes": true, "no": false }));
    let mut request = Request::new(String::new()).variables(variables).data(count.clone());
    request.operation_name = name.map(str::to_owned);
    request.set_parsed_query(document);
    let response = schema.execute(request).now_or_never().expect("nothing to wait for");
    (response, count.0.load(Relaxed))
}

fn types() -> Types {
    Types::of(&Schema::new(Query, EmptyMutation, EmptySubscription).sdl())
}

/// Returns the executions of `number` for the merged document. Asserts that its response is that of the document.
fn executions(text: &str) -> u64 {
    let document = parse_query(text).expect("a good document");
    let (merged, count) = run(merge(&document, None, &types()), None);
    let (plain, _) = run(document, None);
    assert!(plain.errors.is_empty(), "{text}: {:?}", plain.errors);
    assert_eq!(json!(plain), json!(merged), "{text}");
    count
}

#[test]
fn repeated_field_is_executed_once() {
    let numbers = |count: usize| "number ".repeat(count);
    let cases = [
        format!("{{ thing {{ {} }} }}", numbers(2_400)),
        format!("{{ thing {{ {} }} }}", "... { number } ".repeat(500)),
        format!(
            "{{ thing {{ {} }} }}",
            "... on Thing { ... on Named { id ... on Thing { number } } } ".repeat(100)
        ),
        format!(
            "{{ thing {{ {} }} }} fragment F on Thing {{ number ...G }} fragment G on Thing {{ number }}",
            "...F ...G ".repeat(200)
        ),
        format!("{{ {} }}", "thing { number } ".repeat(40)),
        format!("{{ {} ... on Query {{ thing {{ number }} }} }}", "thing { ... { number } } ".repeat(40)),
        format!("{{ named {{ {} }} }}", "... on Thing { number } ".repeat(100)),
        format!(
            "{{ named {{ {} }} }} fragment F on Thing {{ number }}",
            "...F ... on Thing { number } ".repeat(100)
        ),
        format!("{{ named {{ {} }} }}", "... on Named { ... on Thing { number } } ".repeat(100)),
        format!("{{ thing {{ {} }} }}", "number @include(if: true) ".repeat(40)),
        format!("{{ thing {{ {} }} }}", "... @include(if: true) { number } ".repeat(40)),
        format!("{{ thing {{ {} }} }}", "... @include(if: true) { ... { number } number } ".repeat(20)),
    ];
    for text in cases {
        assert_eq!(executions(&text), 1, "{}", &text[..100.min(text.len())]);
    }
    assert_eq!(executions(&format!("{{ thing {{ all {{ {} }} }} }}", numbers(100))), 3);
    assert_eq!(
        executions("{ thing { a: number b: number number(plus: 0) } }"),
        3,
        "these are different fields"
    );
}

#[test]
fn chosen_operation_alone_remains() {
    let text = "query A { thing { number } } query B { thing { ...F } } fragment F on Thing { id }";
    let document = parse_query(text).expect("a good document");
    for (name, expected) in [("A", json!({ "number": 0 })), ("B", json!({ "id": "0" }))] {
        let merged = merge(&document, Some(name), &types());
        assert_eq!((merged.operations.iter().count(), merged.fragments.len()), (1, 0));
        let (response, _) = run(merged, Some(name));
        assert_eq!(json!(response)["data"]["thing"], expected);
    }
}

#[test]
fn conflicts_are_not_merged_away() {
    for text in [
        "{ thing { a: id a: number } }",
        "{ thing { number(plus: 1) number(plus: 2) } }",
        "{ thing { ... { number(plus: 1) } number } }",
        "{ thing { next { a: id } next { a: number } } }",
        "{ ...F ...G } fragment F on Query { x: thing { id } } fragment G on Query { x: category { id } }",
    ] {
        let document = parse_query(text).expect("a good document");
        let (response, _) = run(merge(&document, None, &types()), None);
        assert!(!response.errors.is_empty(), "{text}");
    }
}

/// Selections on a thing.
fn selections() -> impl Strategy<Value = String> {
    const LEAVES: [&str; 10] = [
        "id",
        "number",
        "x: id",
        "n1: number(plus: 1)",
        "__typename",
        "...F",
        "...G",
        "...N @include(if: $yes)",
        "number @skip(if: $no)",
        "number @skip(if: $yes)",
    ];
    const AROUND: [&str; 10] = [
        "next",
        "y: next",
        "all",
        "...",
        "... on Thing",
        "... on Named",
        "... @include(if: $yes)",
        "... on Thing @skip(if: $no)",
        "next @include(if: $yes)",
        "... @include(if: $no)",
    ];
    let leaf = proptest::sample::select(&LEAVES[..]).prop_map(str::to_owned);
    leaf.prop_recursive(5, 40, 5, |inner| {
        (proptest::sample::select(&AROUND[..]), proptest::collection::vec(inner, 1..5)).prop_map(
            |(around, inner)| {
                let inner = inner.join(" ");
                // An interface has only its own fields.
                let inner =
                    if around == "... on Named" { format!("... on Thing {{ {inner} }}") } else { inner };
                // The library returns null for an object whose fields are all skipped, and keeps it when merging.
                format!("{around} {{ id {inner} }}")
            },
        )
    })
}

proptest! {
    #[test]
    fn merged_document_has_the_same_response(all in proptest::collection::vec(selections(), 1..6)) {
        let all = all.join(" ");
        let text = format!(
            "query($yes: Boolean!, $no: Boolean!) {{
                thing {{ id @skip(if: $no) number @include(if: $yes) {all} }}
                named {{ id ...N ...F ... on Thing {{ {all} }} ... on Other {{ id }} }}
                ... on Query {{ thing {{ {all} }} }}
            }}
            fragment F on Thing {{ number next {{ ...G id }} }}
            fragment G on Thing {{ ...N x: id }}
            fragment N on Named {{ id ... on Thing {{ n1: number(plus: 1) }} }}
            "
        );
        // Use all fragments in every document.
        let text = text.replace("named { id", "named { id ...G");
        let document = parse_query(&text).expect("a good document");
        let (merged, fewer) = run(merge(&document, None, &types()), None);
        let (plain, more) = run(document, None);
        prop_assert!(plain.errors.is_empty(), "{}: {:?}", text, plain.errors);
        prop_assert_eq!(json!(plain), json!(merged), "{}", text);
        prop_assert!(fewer <= more);
    }
}
