//! House test of the tables: each has one owner, which alone writes it. Other modules read only the tables that the list
//! grants them, and a slice reads only tables of the slices that it stands on.
//!
//! An access is an entity in the code (`event::Entity::find`), or the name of a table in the text of an SQL statement.
//! Code of unit tests is left out.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use crate::{
    layers::SLICES,
    support::source::{files, references, strings, tokens},
};

/// A table: its name, its owner, and the other modules that read it.
type Table = (&'static str, &'static str, &'static [&'static str]);

const TABLES: &[Table] = &[
    ("account", "account", &["auth", "demo"]),
    ("session", "account", &["auth"]),
    ("refresh_token", "account", &[]),
    ("category", "category", &["event"]),
    ("shop", "shop", &["event", "search_text"]),
    ("shop_member", "shop", &["auth"]),
    ("venue", "venue", &["event", "search_text"]),
    ("seat_map", "venue", &["event"]),
    ("inventory", "inventory", &["coupon", "event"]),
    ("inventory_seat", "inventory", &[]),
    ("inventory_area", "inventory", &[]),
    ("inventory_buyer", "inventory", &[]),
    ("inventory_change", "inventory", &[]),
    ("reservation", "inventory", &["order"]),
    ("event", "event", &["search_text"]),
    ("tier", "event", &["coupon"]),
    ("tier_scope", "event", &[]),
    ("product", "coupon", &["search_text"]),
    ("coupon", "coupon", &["search_text"]),
    ("coupon_scope", "coupon", &[]),
    ("coupon_budget", "coupon", &[]),
    ("coupon_code", "coupon", &[]),
    ("claim", "coupon", &["order"]),
    ("claim_share", "coupon", &[]),
    ("redemption", "coupon", &[]),
    ("order_discount", "coupon", &["order"]),
    ("orders", "order", &["payment"]),
    ("order_line", "order", &["ticket"]),
    ("ticket", "ticket", &[]),
    ("check_in", "ticket", &[]),
    ("payment", "payment", &[]),
    ("refund", "payment", &[]),
    ("ledger_entry", "payment", &[]),
    ("sandbox_intent", "payment", &[]),
    ("sandbox_refund", "payment", &[]),
    ("audit", "audit", &[]),
    ("idempotency", "idempotency", &[]),
    ("outbox", "outbox", &[]),
    ("event_word", "search_text", &[]),
    ("coupon_word", "search_text", &[]),
    ("shop_word", "search_text", &[]),
    ("search_deletion", "search_text", &[]),
    ("slug_owner", "slug_owner", &[]),
];

/// What is done with a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Access {
    Read,
    Write,
}
use Access::{Read, Write};

const DESK_WRITES_CLAIMS: &str =
    "the desk commits claims and their codes with the stock, until issue 14 is done";
const DESK_READS_TERMS: &str = "the desk reads the terms of sale, until issue 14 is done";
const PRUNING: &str =
    "guests that own nothing are found by all references to them, and deleted with their sessions";

/// Accesses outside of the rule, and why.
const EXCEPTIONS: &[(&str, &[&str], Access, &str)] = &[
    ("inventory", &["claim", "coupon_code"], Write, DESK_WRITES_CLAIMS),
    ("inventory", &["coupon", "coupon_code", "event", "tier", "tier_scope"], Read, DESK_READS_TERMS),
    ("guest_pruning", &["account", "session"], Write, PRUNING),
    (
        "guest_pruning",
        &[
            "account",
            "check_in",
            "claim",
            "idempotency",
            "inventory_buyer",
            "orders",
            "redemption",
            "refresh_token",
            "refund",
            "reservation",
            "seat_map",
            "session",
            "shop_member",
            "ticket",
        ],
        Read,
        PRUNING,
    ),
];

/// Functions of entities and of the store that write.
const WRITES: &[&str] =
    &["insert", "insert_many", "update", "update_many", "delete", "delete_many", "delete_by_id"];

/// Words of SQL before the name of a table.
const SQL: &[(&str, Access)] =
    &[("FROM", Read), ("JOIN", Read), ("INTO", Write), ("UPDATE", Write), ("DELETE FROM", Write)];

/// The entities' tables, by their paths in the crate `entity`.
type Entities = BTreeMap<Vec<String>, String>;

/// Reads the entities from their sources.
fn entities() -> Entities {
    let mut entities = Entities::new();
    for file in files(Path::new("entity/src")) {
        let module = file.file_stem().expect("a name").display().to_string();
        let mut inner = None;
        for line in fs::read_to_string(&file).expect("a source can be read").lines() {
            if let Some(name) = line.strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(" {")) {
                inner = Some(name.to_owned());
            }
            if let Some(table) = line.trim_start().strip_prefix("#[sea_orm(table_name = \"") {
                let table = table.split('"').next().expect("a name").to_owned();
                let inner = inner.clone().filter(|_| line.starts_with(' '));
                entities.insert([module.clone()].into_iter().chain(inner).collect(), table);
            }
        }
    }
    entities
}

/// Returns the tables that a file uses, each with the line and the kind of access.
fn accesses<'a>(entities: &'a Entities, text: &'a str) -> BTreeSet<(usize, &'a str, Access)> {
    let tokens = tokens(text);
    let references: Vec<_> = references(&tokens)
        .into_iter()
        .filter(|reference| !reference.inline.iter().any(|module| module.contains("tests")))
        .collect();
    let mut imported: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for reference in &references {
        if let (Some(name), ["entity", path @ ..]) = (reference.imported_as, reference.segments.as_slice()) {
            imported.insert(name, path.to_vec());
        }
    }
    let mut found = BTreeSet::new();
    let mut before = "";
    for reference in references.iter().filter(|reference| reference.imported_as.is_none()) {
        let saves = std::mem::replace(&mut before, reference.segments.last().copied().unwrap_or_default());
        let path: Vec<&str> = match reference.segments.as_slice() {
            ["entity", path @ ..] => path.to_vec(),
            [name, path @ ..] => match imported.get(name) {
                Some(target) => target.iter().chain(path).copied().collect(),
                None => continue,
            },
            [] => continue,
        };
        let Some(end) = path.iter().position(|part| matches!(*part, "Entity" | "ActiveModel")) else {
            continue;
        };
        let key: Vec<String> = path[..end].iter().map(|part| (*part).to_owned()).collect();
        let Some(table) = entities.get(&key) else { continue };
        let writes = path[end] == "ActiveModel"
            || saves == "save_versioned"
            || path.get(end + 1).is_some_and(|function| WRITES.contains(function));
        found.insert((reference.line, table.as_str(), if writes { Write } else { Read }));
    }
    for (line, string) in strings(text) {
        let words: Vec<&str> = string
            .split(|char: char| !(char.is_alphanumeric() || char == '_'))
            .filter(|word| !word.is_empty())
            .collect();
        for (at, name) in words.iter().enumerate() {
            let Some(table) = entities.values().find(|table| table == name) else { continue };
            let before = words[..at].join(" ");
            let access = SQL.iter().rev().find(|(words, _)| {
                before.strip_suffix(words).is_some_and(|rest| rest.is_empty() || rest.ends_with(' '))
            });
            if let Some((_, access)) = access {
                found.insert((line, table.as_str(), *access));
            }
        }
    }
    found
}

/// Returns the module of a file: its folder in `src`, or its own name.
fn module(file: &str) -> &str {
    let inside = file.trim_start_matches("src/").trim_end_matches(".rs");
    inside.split('/').next().unwrap_or(inside)
}

fn is_excepted(module: &str, table: &str, access: Access) -> bool {
    EXCEPTIONS.iter().any(|(by, tables, kind, _)| *by == module && tables.contains(&table) && *kind == access)
}

/// Returns the accesses of a file that the list does not grant, each as `file:line: what`.
fn faults(entities: &Entities, file: &str, text: &str) -> Vec<String> {
    let module = module(file);
    let mut faults = Vec::new();
    for (line, table, access) in accesses(entities, text) {
        let Some((_, owner, readers)) = TABLES.iter().find(|(name, ..)| *name == table) else { continue };
        let is_granted = *owner == module || (access == Read && readers.contains(&module));
        if !is_granted && !is_excepted(module, table, access) {
            let verb = if access == Read { "reads" } else { "writes" };
            faults.push(format!("{file}:{line}: {module} {verb} {table}, which {owner} owns"));
        }
    }
    faults
}

/// Returns the sources that are not unit tests.
fn sources() -> Vec<(String, String)> {
    let is_product = |file: &String| !file.split('/').any(|name| matches!(name, "tests" | "tests.rs"));
    let files = files(Path::new("src")).into_iter().map(|file| file.display().to_string());
    files.filter(is_product).map(|file| (file.clone(), fs::read_to_string(file).expect("a source"))).collect()
}

#[test]
fn every_table_is_used_by_its_owner_and_its_readers() {
    let (entities, sources) = (entities(), sources());
    assert!(!sources.is_empty(), "the scan found the sources");
    let faults: Vec<_> = sources.iter().flat_map(|(file, text)| faults(&entities, file, text)).collect();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn every_table_has_an_owner() {
    let entities = entities();
    let tables: BTreeSet<&str> = entities.values().map(String::as_str).collect();
    let listed: BTreeSet<&str> = TABLES.iter().map(|(table, ..)| *table).collect();
    assert_eq!(tables, listed);
}

#[test]
fn slices_read_only_tables_below_them() {
    for (table, owner, readers) in TABLES {
        for reader in *readers {
            let Some((_, below)) = SLICES.iter().find(|(slice, _)| slice == reader) else { continue };
            let is_slice = SLICES.iter().any(|(slice, _)| slice == owner);
            assert!(
                !is_slice || below.contains(owner),
                "{reader} reads {table}, but does not stand on {owner}"
            );
        }
    }
}

#[test]
fn every_grant_is_still_needed() {
    let entities = entities();
    let mut used = BTreeSet::new();
    for (file, text) in sources() {
        used.extend(
            accesses(&entities, &text)
                .into_iter()
                .map(|(_, table, access)| (module(&file).to_owned(), table.to_owned(), access)),
        );
    }
    let is_used =
        |module: &str, table: &str, access| used.contains(&(module.to_owned(), table.to_owned(), access));
    for (table, owner, readers) in TABLES {
        assert!(is_used(owner, table, Write), "{owner} does not write {table}");
        for reader in *readers {
            assert!(is_used(reader, table, Read), "{reader} does not read {table}: strike it from the list");
        }
    }
    for (module, tables, access, _) in EXCEPTIONS {
        for table in *tables {
            assert!(is_used(module, table, *access), "{module} and {table}: strike it from EXCEPTIONS");
        }
    }
}

/// A fault of each kind, and where it has to be found.
const PLANTED: &[(&str, &str, &str)] = &[
    (
        "src/order/mod.rs",
        "use entity::payment;\nfn f() { payment::Entity::find() }",
        ":2: order reads payment",
    ),
    ("src/order/a/b.rs", "fn f() { entity::payment::refund::Entity::find() }", ":1: order reads refund"),
    (
        "src/coupon/budget.rs",
        "use entity::order::{self};\nlet a = from(order::Entity);",
        ":2: coupon reads orders",
    ),
    (
        "src/venue/find.rs",
        "use entity::event as e;\nfn f() { e::Entity::find_by_id(1) }",
        ":2: venue reads event",
    ),
    (
        "src/account/guests.rs",
        "use entity::{claim::redemption};\nfn f() { refers::<redemption::Entity>(1) }",
        ":2: account reads redemption",
    ),
    (
        "src/inventory/write.rs",
        "use entity::coupon;\nfn f() { coupon::Entity::update_many() }",
        ":2: inventory writes coupon",
    ),
    (
        "src/payment/mod.rs",
        "use entity::order;\nfn f() { save_versioned::<order::Entity>(tx) }",
        ":2: payment writes orders",
    ),
    (
        "src/payment/mod.rs",
        "use entity::order::ActiveModel;\nfn f() { ActiveModel::default() }",
        ":2: payment writes orders",
    ),
    (
        "src/ticket/mod.rs",
        "use entity::order::line::Entity;\nfn f() { Entity::delete_many() }",
        ":2: ticket writes order_line",
    ),
    (
        "src/shop/mod.rs",
        "const A: &str = \"SELECT 1 FROM claim AS c JOIN claim_share ON 1\";",
        ":1: shop reads claim,",
    ),
    (
        "src/shop/mod.rs",
        "const A: &str = \"SELECT 1 FROM claim AS c JOIN claim_share ON 1\";",
        ":1: shop reads claim_share",
    ),
    (
        "src/coupon/a.rs",
        "const A: &str = \"INSERT INTO coupon_word (a) \\\n  VALUES (1)\";",
        ":1: coupon writes coupon_word",
    ),
    ("src/coupon/a.rs", "const A: &str = r#\"UPDATE outbox SET a = 1\"#;", ":1: coupon writes outbox"),
    ("src/store/mod.rs", "\n\"DELETE FROM session\"", ":2: store writes session"),
    (
        "src/worker.rs",
        "use entity::outbox::idempotency;\nfn f() { idempotency::Entity::delete_many() }",
        ":2: worker writes idempotency",
    ),
];

/// What resembles a fault and is none.
const INNOCENT: &[(&str, &str)] = &[
    (
        "src/order/mod.rs",
        "use entity::payment::PaymentState;\nfn f(a: payment::Model) { payment::Column::Id }",
    ),
    ("src/order/mod.rs", "// payment::Entity::find(), \"FROM payment\"\nuse crate::payment::Entity;"),
    ("src/order/mod.rs", "mod tests { use entity::payment; fn f() { payment::Entity::find() } }"),
    (
        "src/payment/mod.rs",
        "use entity::{order, payment};\nfn f() { order::Entity::find(); payment::Entity::insert() }",
    ),
    ("src/search_text/mod.rs", "\"INSERT INTO event_word SELECT 1 FROM event JOIN venue ON 1\""),
    ("src/shop/mod.rs", "\"a claim, an order from the shop, FOR UPDATE OF s\""),
];

#[test]
fn every_planted_access_is_found() {
    let entities = entities();
    for (file, text, expected) in PLANTED {
        let found = faults(&entities, file, text);
        assert!(found.iter().any(|fault| fault.contains(expected)), "{text:?}\n{expected}\n{found:?}");
    }
}

#[test]
fn granted_access_is_no_fault() {
    let entities = entities();
    for (file, text) in INNOCENT {
        assert_eq!(faults(&entities, file, text), Vec::<String>::new(), "{text:?}");
    }
}
