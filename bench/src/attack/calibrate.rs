//! Compares the estimated costs of documents with the processor time that they take.
//!
//! The documents are generated from the schema, the same ones every time. The ratio of estimate and measurement should be
//! between a third and thirty: an estimate that is too low admits too much, one that is too high refuses honest clients.

use std::{collections::HashMap, fmt::Write};

use serde_json::{Value, json};

use crate::{
    Outcome,
    attack::{
        documents::text,
        props::{PASSWORD, SIGN_IN, Vendor},
        report::Report,
        target::{Camp, Start, Target},
    },
    bench::progress,
    caller::STAFF,
};

/// How many documents.
const DOCUMENTS: usize = 500;
/// Levels of fields.
const DEPTH: usize = 6;
/// Documents that take less, in microseconds, are not compared: HTTP is most of what is measured.
const LEAST_MICROS: u64 = 200;
/// Documents that take more, in microseconds, are run once.
const EXPENSIVE_MICROS: u128 = 300_000;
/// What an operation may cost by default.
const MAX_COST: u64 = 100_000;
/// The demo's operator.
const OPERATOR: &str = "operator@tessera.example";
const SCHEMA: &str = "{ __schema { types { kind name fields { name args { name type { kind } }
    type { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } }";

/// A small generator of pseudo-random numbers: the same documents every time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(usize::MAX) % bound
    }
}

/// The objects of the schema with those fields that need no argument.
struct Objects(HashMap<String, Vec<Field>>);

#[derive(Clone)]
struct Field {
    name: String,
    of: String,
    is_paged: bool,
}

impl Objects {
    fn of(schema: &Value) -> Self {
        let types = schema["__schema"]["types"].as_array().into_iter().flatten();
        let objects = types.filter(|ty| ty["kind"] == "OBJECT").map(|ty| {
            let fields = ty["fields"].as_array().into_iter().flatten();
            (ty["name"].as_str().unwrap_or_default().to_owned(), fields.filter_map(field).collect())
        });
        Self(objects.collect())
    }

    /// Some fields of an object.
    fn selection(&self, of: &str, depth: usize, random: &mut Random) -> Option<String> {
        let fields = self.0.get(of)?;
        let mut text = String::new();
        for field in fields {
            let leaf = !self.0.contains_key(&field.of);
            if random.below(100) >= if leaf { 55 } else { 40 } {
                continue;
            }
            let page = match [1, 5, 20, 50][random.below(4)] {
                first if field.is_paged => format!("(first: {first})"),
                _ => String::new(),
            };
            if leaf {
                let _ = write!(text, " {}", field.name);
            } else if depth > 0
                && let Some(inner) = self.selection(&field.of, depth - 1, random)
            {
                let _ = write!(text, " {}{page} {{{inner} }}", field.name);
            }
        }
        Some(if text.is_empty() { " __typename".to_owned() } else { text })
    }
}

fn field(field: &Value) -> Option<Field> {
    let args = field["args"].as_array()?;
    if args.iter().any(|arg| {
        arg["type"]["kind"] == "NON_NULL"
            && !arg["name"].as_str().is_some_and(|name| ["archived", "first"].contains(&name))
    }) {
        return None;
    }
    let mut ty = &field["type"];
    while ty["name"].is_null() {
        ty = &ty["ofType"];
    }
    Some(Field {
        name: field["name"].as_str()?.to_owned(),
        of: ty["name"].as_str()?.to_owned(),
        is_paged: args.iter().any(|arg| arg["name"] == "first"),
    })
}

/// Lists that are about as long as the estimate takes them for. Returns the vendor's token.
async fn fill(target: &Target) -> Outcome<String> {
    let vendor = Vendor::sign_in(target, STAFF).await?;
    vendor.many_events(target, 40, "An event of some length, described in a sentence or two.").await?;
    for _ in 0..50 {
        vendor.coupon(target, 100).await?;
    }
    let mut caller = target.caller(STAFF);
    let input = json!({ "email": OPERATOR, "password": PASSWORD });
    let data = caller.data(SIGN_IN, input).await?;
    let mut operator = target.caller(STAFF).with_token(text(&data, "/signIn/session/accessToken")?);
    let make = "mutation($name: String!, $parent: ID) {
        createCategory(input: { name: $name, parentId: $parent }) { category { id } errors { code } } }";
    for number in 0..20 {
        let root = operator.data(make, json!({ "name": format!("Category {number}") })).await?;
        let parent = text(&root, "/createCategory/category/id")?.to_owned();
        for child in 0..5 {
            let input = json!({ "name": format!("Category {number}, {child}"), "parent": parent });
            operator.data(make, input).await?;
        }
    }
    Ok(vendor.token.to_string())
}

/// Runs the documents, and prints the ratios.
pub(crate) async fn calibrate(camp: &Camp, report: &mut Report) -> Outcome<()> {
    // Nothing is refused, so that what is expensive is measured too.
    let variables = [
        ("TESSERA_MAX_COST", "100000000"),
        ("TESSERA_MAX_RUNNING_COST", "1000000000"),
        ("TESSERA_MAX_RESPONSE_BYTES", "1073741824"),
    ];
    let target = camp.start(Start { variables: &variables, ..Start::default() }).await?;
    let token = fill(&target).await?;
    let mut caller = target.caller(STAFF).with_token(&token);
    let objects = Objects::of(&caller.data(SCHEMA, json!({})).await?);
    let roots = ["events", "coupons", "shops", "categories", "viewer"];
    let (mut random, mut rows, mut refused) = (Random(2026), Vec::new(), 0);
    while rows.len() + refused < DOCUMENTS {
        let wanted = roots[random.below(roots.len())];
        let fields = objects.0.get("Query").into_iter().flatten();
        let Some(root) = fields.clone().find(|field| field.name == wanted) else { continue };
        let Some(inner) = objects.selection(&root.of, DEPTH, &mut random) else { continue };
        let page = if root.is_paged { "(first: 50)" } else { "" };
        let query = format!("{{ {}{page} {{{inner} }} }}", root.name);
        let body = json!({ "query": query, "extensions": { "cost": true } }).to_string();
        let (mut best, mut answer) = (u128::MAX, Value::Null);
        for _ in 0..4 {
            let meter = target.meter()?;
            answer = caller.post(body.as_bytes()).await.json();
            best = best.min(meter.read()?.cpu.as_micros());
            if best > EXPENSIVE_MICROS {
                break;
            }
        }
        match answer["extensions"]["cost"]["estimated"].as_u64() {
            Some(estimated) => rows.push((estimated, u64::try_from(best)?, query)),
            None => refused += 1,
        }
    }
    print(rows, refused, report);
    Ok(())
}

fn print(mut rows: Vec<(u64, u64, String)>, refused: usize, report: &mut Report) {
    let small = rows.iter().filter(|row| row.1 < LEAST_MICROS).count();
    rows.retain(|row| row.1 >= LEAST_MICROS);
    #[expect(clippy::cast_precision_loss, reason = "a ratio of two small numbers")]
    let ratio = |row: &(u64, u64, String)| row.0 as f64 / row.1 as f64;
    rows.sort_by(|one, other| ratio(one).total_cmp(&ratio(other)));
    progress(&format!("{:>10} {:>10} {:>8}  document", "estimated", "measured", "ratio"));
    for row in rows.iter().take(12).chain(rows.iter().rev().take(12)) {
        progress(&format!("{:>10} {:>10} {:>8.2}  {:.220}", row.0, row.1, ratio(row), row.2));
    }
    progress(&format!("{} compared, {small} too small, {refused} invalid", rows.len()));
    for percent in [0, 1, 10, 50, 90, 99, 100] {
        if let Some(row) = rows.get(rows.len().saturating_sub(1) * percent / 100) {
            progress(&format!("{percent:>4} %: ratio {:>8.2}", ratio(row)));
        }
    }
    let within = rows.iter().filter(|row| (1.0 / 3.0..=30.0).contains(&ratio(row))).count();
    let admitted: Vec<_> = rows.iter().filter(|row| row.0 <= MAX_COST).collect();
    let good = admitted.iter().filter(|row| (1.0 / 3.0..=30.0).contains(&ratio(row))).count();
    let most = admitted.iter().map(|row| row.1).max().unwrap_or_default();
    let answer = format!(
        "{within} of {}; of those admitted by default {good} of {}, the most expensive takes {most} µs",
        rows.len(),
        admitted.len()
    );
    let passed = within == rows.len() && !rows.is_empty();
    report.judged("estimates of 500 documents", passed, answer, "all within 1/3 and 30");
}
