//! Compares estimated costs with measured time, over documents generated from the schema. Not a test: a tool.
//!
//! `cargo test --release -p tessera --test it calibrate -- --ignored --nocapture` prints the table. A build without
//! optimisation is some fifteen times slower, so the last line also gives the ratios in relation to their median. What the
//! ratio should be: at least a third and at most thirty.

use std::{collections::HashMap, fmt::Write, fs};

use serde_json::{Value, json};

use crate::support::{World, run_once, wire::JSON};

/// How many documents.
const DOCUMENTS: usize = 500;
/// Levels of fields.
const DEPTH: usize = 6;
/// Documents that take less are not compared: parsing and HTTP are most of what is measured.
const LEAST_MICROS: u64 = 200;
const SCHEMA: &str = "{ __schema { types { kind name fields { name args { name type { kind } }
    type { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } }";

/// A small generator of pseudo-random numbers: the same documents every time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % bound
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
        let types = schema["data"]["__schema"]["types"].as_array().expect("types");
        let objects = types.iter().filter(|ty| ty["kind"] == "OBJECT").map(|ty| {
            let fields = ty["fields"].as_array().expect("fields").iter();
            (ty["name"].as_str().expect("a name").to_owned(), fields.filter_map(field).collect())
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
                write!(text, " {}", field.name).expect("written");
            } else if depth > 0
                && let Some(inner) = self.selection(&field.of, depth - 1, random)
            {
                write!(text, " {}{page} {{{inner} }}", field.name).expect("written");
            }
        }
        Some(if text.is_empty() { " __typename".to_owned() } else { text })
    }
}

fn field(field: &Value) -> Option<Field> {
    let args = field["args"].as_array()?;
    if args.iter().any(|arg| {
        arg["type"]["kind"] == "NON_NULL"
            && !arg["name"].as_str().is_some_and(|name| ["orderBy", "archived", "first"].contains(&name))
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

/// Microseconds that all threads of the process have run so far.
fn cpu() -> u64 {
    let tasks = fs::read_dir("/proc/self/task").expect("Linux");
    let nanos = tasks.flatten().filter_map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    nanos.sum::<u64>() / 1_000
}

/// Lists that are about as long as the estimate takes them for.
async fn fill(world: &World) -> String {
    let stage = world.stage().await;
    let sign_in = "mutation { signIn(input: { email: \"operator@tessera.test\", password: \"correct horse battery\" }) {
        session { accessToken } errors { code } } }";
    let operator = world.gql(None, sign_in, json!({})).await.good().text("signIn.session.accessToken");
    let make =
        "mutation($name: String!, $parent: ID) { createCategory(input: { name: $name, parentId: $parent }) {
        category { id } errors { code } } }";
    for number in 0..40 {
        let parent = if number < 20 { json!(null) } else { json!(stage.category) };
        let input = json!({ "name": format!("Category {number}"), "parent": parent });
        world.gql(Some(&operator), make, input).await.good();
    }
    for number in 0..50 {
        let name = format!("Event {number}");
        world.event(&stage.vendor, (&stage.shop, &stage.venue, &stage.category), &name).await;
        world.coupon(|coupon| coupon.title = format!("Coupon {number}")).await;
    }
    stage.vendor
}

#[test]
#[ignore = "a tool: it prints a table and takes minutes"]
fn calibrate() {
    run_once(async |world: &World| {
        let vendor = format!("Bearer {}", fill(world).await);
        let objects = Objects::of(&world.ask(SCHEMA).await.json());
        let roots = ["events", "coupons", "shops", "categories", "viewer"];
        let (mut random, mut rows, mut refused) = (Random(2026), Vec::new(), 0);
        while rows.len() + refused < DOCUMENTS {
            let wanted = roots[random.below(roots.len())];
            let Some(root) = objects.0["Query"].iter().find(|field| field.name == wanted) else { continue };
            let Some(inner) = objects.selection(&root.of, DEPTH, &mut random) else { continue };
            let page = if root.is_paged { "(first: 50)" } else { "" };
            let query = format!("{{ {}{page} {{{inner} }} }}", root.name);
            let body = json!({ "query": query, "extensions": { "cost": true } }).to_string();
            let (mut best, mut told) = (u64::MAX, Value::Null);
            for _ in 0..4 {
                let before = cpu();
                told = world.post(&[JSON, ("authorization", &*vendor)], body.clone()).await.json();
                best = best.min(cpu() - before);
            }
            match told["extensions"]["cost"]["estimated"].as_u64() {
                Some(estimated) => rows.push((estimated, best, query)),
                None => refused += 1,
            }
        }
        report(rows, refused);
    });
}

fn report(mut rows: Vec<(u64, u64, String)>, refused: usize) {
    let small = rows.iter().filter(|row| row.1 < LEAST_MICROS).count();
    rows.retain(|row| row.1 >= LEAST_MICROS);
    #[expect(clippy::cast_precision_loss, reason = "a ratio of two small numbers")]
    let ratio = |row: &(u64, u64, String)| row.0 as f64 / row.1 as f64;
    rows.sort_by(|one, other| ratio(one).total_cmp(&ratio(other)));
    eprintln!("{:>10} {:>10} {:>8}  document", "estimated", "measured", "ratio");
    for row in rows.iter().take(12).chain(rows.iter().rev().take(12)) {
        eprintln!("{:>10} {:>10} {:>8.2}  {:.220}", row.0, row.1, ratio(row), row.2);
    }
    let at = |percent: usize| ratio(&rows[(rows.len() - 1) * percent / 100]);
    let median = at(50);
    eprintln!("{} compared, {small} too small, {refused} refused", rows.len());
    for percent in [0, 1, 10, 50, 90, 99, 100] {
        eprintln!("{percent:>4} %: ratio {:>8.2}, of the median {:>8.2}", at(percent), at(percent) / median);
    }
    let within = rows.iter().filter(|row| (1.0 / 3.0..=30.0).contains(&ratio(row))).count();
    eprintln!("{within} of {} are within 1/3 and 30", rows.len());
}
