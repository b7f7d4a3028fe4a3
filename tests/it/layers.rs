//! House test of the dependencies between modules, and of constructs that files must not contain.
//!
//! It scans the sources without comments and strings: `use` trees, `super::`, `self::` and full paths. It does not
//! follow re-exports, macros and renamed imports. `circles.rs` finds files that import each other.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::support::source::{Reference, files, references, tokens};

/// The business, lowest step first: each slice, and the slices that it may import. All of those stand above it here.
pub(crate) const SLICES: &[(&str, &[&str])] = &[
    ("account", &[]),
    ("category", &["account"]),
    ("shop", &["account", "category"]),
    ("venue", &["account", "category", "shop"]),
    ("inventory", &["account", "category", "shop", "venue"]),
    ("event", &["account", "category", "shop", "venue", "inventory"]),
    ("coupon", &["account", "category", "shop", "venue", "inventory", "event"]),
    ("order", &["account", "category", "shop", "venue", "inventory", "event", "coupon"]),
    ("ticket", &["account", "category", "shop", "venue", "inventory", "event", "coupon", "order"]),
    ("payment", &["account", "category", "shop", "venue", "inventory", "event", "coupon", "order", "ticket"]),
];

/// The folders of `src` that are no slices.
const OTHER_FOLDERS: &[&str] = &[
    "audit",
    "auth",
    "barcode",
    "config",
    "demo",
    "graphql",
    "http",
    "human",
    "idempotency",
    "input",
    "keys",
    "limits",
    "outbox",
    "search_text",
    "spelling",
    "store",
    "telemetry",
];

/// The files that may be longer than [`LINES`], and why.
const LONG_FILES: &[(&str, &str)] = &[];

/// More lines than this need a reason.
const LINES: usize = 400;

/// Words that say nothing about what a module is for.
const DRAWERS: &[&str] = &["util", "utils", "helper", "helpers", "common"];

const NAMELESS: &str = "a module is named after what it is for";

const PURE: &str = "rules, states, decisions and plans are pure and sync: values in, values out";

const FUSED: &str = "body::streamed fuses the stream, because the compression layer polls it after its end";

/// The files of `src/graphql` that may look at a refusal, and why.
const REFUSAL_READERS: &[(&str, &str)] = &[
    ("src/graphql/error.rs", "the translator"),
    ("src/graphql/account/mod.rs", "reports attacks to the security log"),
    ("src/graphql/reservation/refusal.rs", "names the seats of a refusal by the event's map"),
    ("src/graphql/coupon/codes.rs", "a refused file becomes one fault for each line"),
];

const TRANSLATES: &str = "a resolver only translates; decide about refusals in the slice";

/// Macros that have no place in committed code.
const UNFINISHED: &[&str] = &["todo", "unimplemented", "dbg"];

/// A border that some crates do not cross.
struct Border {
    crates: &'static [&'static str],
    open_to: fn(&str) -> bool,
    why: &'static str,
}

const BORDERS: &[Border] = &[
    Border {
        crates: &["async_graphql", "async_graphql_derive", "async_graphql_parser", "async_graphql_value"],
        open_to: |file| is_in(file, &["src/graphql/", "src/http/"]),
        why: "only src/graphql/ and src/http/ know async-graphql",
    },
    Border {
        crates: &["axum", "axum_core", "axum_extra", "async_graphql_axum"],
        open_to: |file| is_in(file, &["src/http/", "src/main.rs"]),
        why: "only src/http/ and src/main.rs know axum",
    },
    Border {
        crates: &["sea_orm", "sea_orm_migration", "sqlx"],
        open_to: |file| !is_in(file, &["src/graphql/", "src/http/"]),
        why: "the API's rooms reach the database through the slices only",
    },
    Border {
        crates: &["sea_orm", "sea_orm_migration", "sqlx", "tokio"],
        open_to: |file| !is_pure(file),
        why: PURE,
    },
    Border {
        crates: &["tessera", "migration"],
        open_to: |file| !is_in(file, &["entity/"]),
        why: "entity imports nothing of ours",
    },
];

/// A room of the crate that only a few may enter.
struct Room {
    name: &'static str,
    open_to: &'static [&'static str],
    why: &'static str,
}

const ROOMS: &[Room] = &[
    Room {
        name: "graphql",
        open_to: &["src/graphql/", "src/http/", "src/main.rs"],
        why: "nobody imports graphql but http and main",
    },
    Room { name: "http", open_to: &["src/http/", "src/main.rs"], why: "nobody imports http but main" },
    Room { name: "*", open_to: &[], why: "a glob of the crate's root hides which rooms are meant" },
];

fn is_in(file: &str, places: &[&str]) -> bool {
    places.iter().any(|place| file.starts_with(place))
}

fn is_pure(file: &str) -> bool {
    let pure = [
        "/rules.rs",
        "/state.rs",
        "/command.rs",
        "/decide.rs",
        "/change.rs",
        "/delta.rs",
        "/hall.rs",
        "/details.rs",
        "/event/admission.rs",
        "/event/dates.rs",
        "/fairness.rs",
        "/hoarding.rs",
        "/inventory/caller.rs",
        "/inventory/own_reservations.rs",
        "/inventory/place.rs",
        "/inventory/totals.rs",
        "/inventory/unpaid.rs",
        "/human/work.rs",
        "/pricing.rs",
        "/coupon/code.rs",
        "/coupon/csv.rs",
        "/event/shift.rs",
        "/readable_code.rs",
    ];
    file.starts_with("src/input/")
        || file.contains("/discount/")
        || file.contains("/coupon/details/")
        || file.contains("/coupon/code_list/")
        || file.contains("/ticket/code/")
        || file.contains("/plan/")
        || file.contains("/spelling/")
        || file.contains("/pick/")
        || file.contains("/recurrence/")
        || pure.iter().any(|end| file.ends_with(end))
}

fn slice(name: &str) -> Option<&'static (&'static str, &'static [&'static str])> {
    SLICES.iter().find(|(slice, _)| *slice == name)
}

/// The path from the crate's root, if it leads there.
fn in_crate<'a>(file: &'a str, reference: &Reference<'a>) -> Option<Vec<&'a str>> {
    let inside = file.strip_prefix("src/")?.strip_suffix(".rs")?;
    let mut module: Vec<&str> =
        inside.split('/').filter(|name| !matches!(*name, "mod" | "lib" | "main")).collect();
    module.extend(&reference.inline);
    let path = reference.segments.as_slice();
    match *path.first()? {
        "crate" | "tessera" => module.clear(),
        "self" => {}
        "super" => {
            let up = path.iter().take_while(|segment| **segment == "super").count();
            module.truncate(module.len().saturating_sub(up));
        }
        name if module.is_empty() && (slice(name).is_some() || OTHER_FOLDERS.contains(&name)) => {}
        _ => return None,
    }
    let is_start = |segment: &&&str| matches!(**segment, "crate" | "tessera" | "self" | "super");
    module.extend(path.iter().skip_while(is_start));
    Some(module)
}

/// All that is wrong with a file, each as `file:line: what: why`.
fn faults(file: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut fault = |line: usize, what: &str, why: &str| faults.push(format!("{file}:{line}: {what}: {why}"));
    let tokens = tokens(text);

    if !text.starts_with("//!") {
        fault(1, "no `//!`", "every file begins by saying what it is for");
    }
    let lines = text.lines().count();
    if lines > LINES && !LONG_FILES.iter().any(|(long, _)| *long == file) {
        fault(lines, "too long", "more than 400 lines need a reason in LONG_FILES, or a split");
    }
    for name in file.trim_end_matches(".rs").split('/').filter(|name| is_drawer(name)) {
        fault(1, name, NAMELESS);
    }
    if let Some((folder, _)) = file.strip_prefix("src/").and_then(|inside| inside.split_once('/'))
        && slice(folder).is_none()
        && !OTHER_FOLDERS.contains(&folder)
    {
        fault(1, folder, "a new folder needs its place in SLICES or OTHER_FOLDERS");
    }
    for (at, &(line, here)) in tokens.iter().enumerate() {
        let before = tokens[..at].last_chunk::<2>().map_or(["", ""], |last| last.map(|token| token.1));
        let after = tokens.get(at + 1).map_or("", |token| token.1);
        if here == "allow" && matches!(before, ["#" | "!", "["]) && after == "(" {
            fault(line, "allow", "expect a lint with a reason, so that a needless exception is told");
        }
        if UNFINISHED.contains(&here) && after == "!" {
            fault(line, here, "unfinished work is not committed");
        }
        if here == "mod" && is_drawer(after) {
            fault(line, after, NAMELESS);
        }
        if here == "Refused"
            && file.starts_with("src/graphql/")
            && !REFUSAL_READERS.iter().any(|(reader, _)| *reader == file)
            && matches!(before, ["Error", "::"])
        {
            fault(line, "Error::Refused", TRANSLATES);
        }
        if here == "from_stream" && matches!(before, ["Body", "::"]) && file != "src/http/body.rs" {
            fault(line, "Body::from_stream", FUSED);
        }
        if matches!(here, "async" | "await") && is_pure(file) {
            fault(line, here, PURE);
        }
    }
    for reference in references(&tokens) {
        let path = reference.segments.join("::");
        for why in broken_arrows(file, &reference) {
            fault(reference.line, &path, &why);
        }
    }
    faults
}

fn is_drawer(module: &str) -> bool {
    module.split('_').any(|word| DRAWERS.contains(&word))
}

/// Why this file may not make this reference.
fn broken_arrows(file: &str, reference: &Reference<'_>) -> Vec<String> {
    let mut reasons = Vec::new();
    for border in BORDERS {
        let is_crossed = reference.segments.first().is_some_and(|root| border.crates.contains(root));
        if is_crossed && !(border.open_to)(file) {
            reasons.push(border.why.to_owned());
        }
    }
    let Some(path) = in_crate(file, reference) else { return reasons };
    let Some(target) = path.first() else { return reasons };
    if let Some(room) = ROOMS.iter().find(|room| room.name == *target)
        && !is_in(file, room.open_to)
    {
        reasons.push(room.why.to_owned());
    }
    let own = file.trim_start_matches("src/").trim_end_matches(".rs").split('/').next().and_then(slice);
    if let (Some((own, below)), Some((target, _))) = (own, slice(target))
        && own != target
        && !below.contains(target)
    {
        reasons.push(format!("{own} does not stand on {target}; SLICES names what it stands on"));
    }
    reasons
}

#[test]
fn the_house_keeps_its_arrows() {
    let files: Vec<PathBuf> =
        ["src", "entity", "migration"].iter().flat_map(|folder| files(Path::new(folder))).collect();
    assert!(files.iter().any(|file| file.ends_with("src/lib.rs")), "the scan found the sources");
    let faults: Vec<String> = files
        .iter()
        .flat_map(|file| {
            faults(&file.display().to_string(), &fs::read_to_string(file).expect("a source can be read"))
        })
        .collect();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// A fault in each rule that the scan keeps, and where it has to be found.
const PLANTED: &[(&str, &str, &str)] = &[
    ("src/shop/mod.rs", "//!\nuse async_graphql::Object;", ":2: async_graphql::Object: only src/graphql/"),
    ("src/store.rs", "//!\n#[derive(async_graphql::Enum)]\nenum E {}", ":2: async_graphql::Enum"),
    ("src/shop/mod.rs", "//!\n\nuse axum as web;", ":3: axum: only src/http/"),
    ("src/app.rs", "//!\nfn f() -> ::axum::Router { todo() }", ":2: axum::Router"),
    ("src/graphql/shop.rs", "//!\nuse sea_orm::EntityTrait;", ":2: sea_orm::EntityTrait: the API's rooms"),
    ("src/http/mod.rs", "//!\nuse {std::fs, sqlx::{self, query}};", ":2: sqlx: the API's rooms"),
    ("src/order/rules.rs", "//!\nuse sea_orm::DbErr;", ":2: sea_orm::DbErr: rules, states"),
    ("src/inventory/plan/best.rs", "//!\nfn f(e: sqlx::Error) {}", ":2: sqlx::Error: rules, states"),
    ("src/inventory/decide.rs", "//!\nasync fn f() {}", ":2: async: rules, states"),
    ("src/ticket/state.rs", "//!\nuse tokio::sync;", ":2: tokio::sync: rules, states"),
    ("entity/src/shop.rs", "//!\nuse tessera::clock::Clock;", ":2: tessera::clock::Clock: entity imports"),
    (
        "src/shop/mod.rs",
        "//!\nuse crate::{\n    app::App,\n    graphql::{self, error},\n};",
        ":4: crate::graphql: nobody",
    ),
    ("src/worker.rs", "//!\nfn f() { super::graphql::schema(); }", ":2: super::graphql::schema: nobody"),
    ("src/lib.rs", "//!\npub use graphql::schema;", ":2: graphql::schema: nobody"),
    ("src/graphql/mod.rs", "//!\nuse crate::http::Limits;", ":2: crate::http::Limits: nobody"),
    ("src/main.rs", "//!\nuse tessera::*;", ":2: tessera::*: a glob"),
    ("src/app.rs", "//!\nuse super::*;", ":2: super::*: a glob"),
    (
        "src/event/mod.rs",
        "//!\nuse crate::order::Order;",
        ":2: crate::order::Order: event does not stand on order",
    ),
    (
        "src/order/a/b.rs",
        "//!\nmod t { use super::super::super::super::ticket; }",
        "order does not stand on ticket",
    ),
    ("src/loyalty/mod.rs", "//!", ":1: loyalty: a new folder"),
    ("src/store.rs", "use std::fs;", ":1: no `//!`"),
    (
        "src/graphql/venue.rs",
        "//!\nfn f() { if let Err(Error::Refused(_)) = again() { again() } }",
        ":2: Error::Refused: a resolver",
    ),
    (
        "src/http/files.rs",
        "//!\nfn f() -> Body { Body::from_stream(parts()) }",
        ":2: Body::from_stream: body::streamed",
    ),
    ("src/store.rs", "//!\n#![allow(dead_code)]", ":2: allow: expect a lint"),
    ("src/store.rs", "//!\nfn f() { todo!() }", ":2: todo: unfinished"),
    ("src/store.rs", "//!\nfn f() { unimplemented!() }", ":2: unimplemented: unfinished"),
    ("src/store.rs", "//!\nfn f() { dbg!(1); }", ":2: dbg: unfinished"),
    ("src/shop/date_utils.rs", "//!", ":1: date_utils: a module is named"),
    ("src/shop/mod.rs", "//!\npub mod common;", ":2: common: a module is named"),
    ("src/app.rs", "//! \"\nconst A: &str = r#\"\"/*\"#; /* // /* \" */ */ use axum::A;", ":2: axum::A"),
    ("src/app.rs", "//!\nfn f<'a>(c: char) -> bool { c == '\"' || c == '\\'' || axum::f(c) }", ":2: axum::f"),
];

/// What resembles a fault and is none.
const INNOCENT: &[(&str, &str)] = &[
    (
        "src/shop/mod.rs",
        "//! [`crate::graphql`], axum::Router and todo!()\n/* use axum::Router; */ // sqlx::query",
    ),
    ("src/graphql/mod.rs", "//!\nconst A: &str = \"use sqlx::query; \\\" todo!()\";"),
    (
        "src/graphql/mod.rs",
        "//!\nconst A: &str = r##\"sqlx::query \"# sqlx::query\"##;\nconst B: &[u8] = br\"sqlx::f\";",
    ),
    (
        "src/graphql/mod.rs",
        "//!\nuse async_graphql::Object;\nuse crate::{app::App, ticket};\nuse super::graphql::error;",
    ),
    ("src/http/mod.rs", "//!\nuse axum::Router;\nuse async_graphql::Data;\nuse crate::graphql::schema;"),
    ("src/main.rs", "//!\nuse tessera::{graphql, http};\nuse axum::serve;"),
    (
        "src/order/mod.rs",
        "//!\nuse sea_orm::DbErr;\nuse crate::inventory::Desk;\nuse entity::{payment, ticket};",
    ),
    ("src/order/rules.rs", "//!\nmod tests { use super::*; use super::super::order; }"),
    ("src/order/rules.rs", "//!\nfn f<'a>(x: &'a str) -> impl Iterator + use<'a> { x.todo != x.dbg }"),
    ("src/shop/mod.rs", "//!\nfn f(axum: u8, sea: &Sea) { let allow = [allow(axum)]; sea.axum(allow) }"),
    ("entity/src/ticket.rs", "//!\nuse crate::order::OrderId;\nuse sea_orm::prelude::*;"),
];

#[test]
fn every_planted_fault_is_found() {
    for (file, text, expected) in PLANTED {
        let found = faults(file, text);
        assert!(found.iter().any(|fault| fault.contains(expected)), "{text:?}\n{expected}\n{found:?}");
    }
    let long = "//!\n".repeat(LINES + 1);
    assert!(faults("src/store.rs", &long).iter().any(|fault| fault.contains(":401: too long")));
}

#[test]
fn similar_messages_are_not_faults() {
    for (file, text) in INNOCENT {
        assert_eq!(faults(file, text), Vec::<String>::new(), "{text:?}");
    }
}

#[test]
fn the_slices_form_a_staircase() {
    for (step, (slice, below)) in SLICES.iter().enumerate() {
        for lower in *below {
            let is_lower = SLICES[..step].iter().any(|(other, _)| other == lower);
            assert!(is_lower, "{slice} stands on {lower}, which is not below it");
        }
    }
}

#[test]
fn every_exception_is_still_needed() {
    for (file, _) in LONG_FILES {
        let lines = fs::read_to_string(file).map_or(0, |text| text.lines().count());
        assert!(lines > LINES, "{file} has {lines} lines: strike it from LONG_FILES");
    }
    for (file, _) in REFUSAL_READERS {
        let text = fs::read_to_string(file).unwrap_or_default();
        assert!(text.contains("Error::Refused("), "{file} reads no refusals: strike it from REFUSAL_READERS");
    }
}
