//! Rows 1 and 8: documents that repeat fields, and documents whose response is large or expensive.

use std::{fmt::Write as _, time::Duration};

use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    Outcome,
    attack::{
        props::{self, Vendor},
        report::{Report, milliseconds},
        target::{Camp, Start, Target},
    },
    caller::{Answer, Caller, STAFF},
};

pub(crate) use crate::calls::text;

/// The number of repetitions of a small attack, so that its processor time exceeds the noise.
const REPETITIONS: u32 = 5;

/// Sends a document repeatedly and reports the average cost.
pub(crate) async fn fire(
    report: &mut Report,
    target: &Target,
    (caller, attack): (&mut Caller, &str),
    body: &[u8],
) -> Outcome<Answer> {
    let meter = target.meter()?;
    let mut answer = caller.post(body).await;
    let first = meter.read()?;
    let mut usage = first;
    // An expensive document needs no repetition.
    if first.cpu < Duration::from_millis(200) {
        for _ in 1..REPETITIONS {
            answer = caller.post(body).await;
        }
        usage = meter.read()?;
        usage.cpu /= REPETITIONS;
    }
    report.spent(attack, usage, answer.summary());
    Ok(answer)
}

/// Returns a request body with this document.
pub(crate) fn body(document: &str) -> Vec<u8> {
    json!({ "query": document }).to_string().into_bytes()
}

fn repeat(what: &str, times: usize) -> String {
    format!("{what} ").repeat(times)
}

/// Returns `count` aliases of a selection.
fn aliases(count: usize, selection: &str) -> String {
    (0..count).fold(String::new(), |mut text, number| {
        let _ = write!(text, "a{number}:{selection} ");
        text
    })
}

/// Returns the document of issue 10 with `times` repetitions of its field.
pub(crate) fn repeated_field(times: usize) -> String {
    format!("{{events(first:100){{nodes{{{}}}}}}}", repeat("seatsLeft", times))
}

fn repetitions(event: &str) -> Vec<(&'static str, String)> {
    let nodes = |selection: &str| format!("{{events(first:100){{nodes{{{selection}}}}}}}");
    let event = |selection: &str| format!("{{event(id:\"{event}\"){{{selection}}}}}");
    vec![
        ("`seatsLeft` × 2400 over 100 events", repeated_field(2_400)),
        (
            "the same through a fragment used 40 times",
            format!(
                "{{events(first:100){{nodes{{{}}}}}}} fragment F on Event{{{}}}",
                repeat("...F", 40),
                repeat("seatsLeft", 60)
            ),
        ),
        ("the same through 800 inline fragments", nodes(&repeat("...on Event{seatsLeft}", 800))),
        ("`capacity` × 2400 over 100 events", nodes(&repeat("capacity", 2_400))),
        ("`priceRange` × 600 over 100 events", nodes(&repeat("priceRange{lowest{amount}}", 600))),
        ("`venue` × 900 over 100 events", nodes(&repeat("venue{name}", 900))),
        ("`tiers` × 800 over 100 events", nodes(&repeat("tiers{name}", 800))),
        ("`nodes` × 500", format!("{{events(first:100){{{}}}}}", repeat("nodes{seatsLeft}", 500))),
        ("`events` × 50 in the root", format!("{{{}}}", repeat("events(first:100){nodes{seatsLeft}}", 50))),
        ("28 aliases of `seatsLeft` over 100 events", nodes(&aliases(28, "seatsLeft"))),
        ("28 aliases of `events(first:100)`", {
            format!("{{{}}}", aliases(28, "events(first:100){nodes{name seatsLeft venue{name}}}"))
        }),
        ("`availability.rows` × 300", event(&format!("availability{{{}}}", repeat("rows{statuses}", 300)))),
        (
            "nested lists: events, seat maps, seats",
            nodes("seatMap{zones{rows{seats{id label}}}} tiers{name} availability{rows{statuses}}"),
        ),
        (
            "nested lists: coupons of events of coupons",
            nodes("coupons(first:100){nodes{event{coupons(first:100){nodes{event{name}}}}}}"),
        ),
        (
            "seat map × 20 aliases, every seat",
            event(&aliases(20, "seatMap{zones{rows{seats{id guid number x y}}}}")),
        ),
    ]
}

/// Row 1: repeated fields.
pub(crate) async fn row_1(camp: &Camp, report: &mut Report) -> Outcome<()> {
    let mut target = camp.start(Start::default()).await?;
    let event = props::event(&target, props::MAIN).await?;
    let vendor = Vendor::sign_in(&target, STAFF).await?;
    vendor.many_events(&target, 90, "An event.").await?;
    drop(target.caller(1).gql(&repeated_field(1), json!({})).await);
    for (number, (attack, document)) in (10..).zip(repetitions(&event.id)) {
        let mut caller = target.caller(number);
        fire(report, &target, (&mut caller, attack), &body(&document)).await?;
        target = camp.calm(target).await?;
    }
    three_at_once(report, &target).await
}

/// Sends three documents of half the size concurrently, while another client queries `__typename`.
async fn three_at_once(report: &mut Report, target: &Target) -> Outcome<()> {
    let mut other = target.caller(100);
    let mut normal = Duration::ZERO;
    for _ in 0..20 {
        let begun = Instant::now();
        drop(other.post(&body("{__typename}")).await);
        normal = normal.max(begun.elapsed());
    }
    let mut attackers = JoinSet::new();
    for number in 0..3 {
        let mut caller = target.caller(101 + number);
        attackers.spawn(async move { caller.post(&body(&repeated_field(1_200))).await.summary() });
    }
    let mut worst = Duration::ZERO;
    let until = Instant::now() + Duration::from_secs(20);
    while Instant::now() < until && !attackers.is_empty() {
        while attackers.try_join_next().is_some() {}
        let begun = Instant::now();
        drop(other.post(&body("{__typename}")).await);
        worst = worst.max(begun.elapsed());
        sleep(Duration::from_millis(5)).await;
    }
    let answer = format!("slowest `__typename` {} (before: {})", milliseconds(worst), milliseconds(normal));
    let passed = worst <= Duration::from_millis(100);
    report.judged("three at half size at once, another client meanwhile", passed, answer, "≤ 100 ms");
    Ok(())
}

/// Row 8: large and expensive responses.
pub(crate) async fn row_8(camp: &Camp, report: &mut Report) -> Outcome<()> {
    let mut target = camp.start(Start::default()).await?;
    let stadium = props::event(&target, props::DERBY).await?;
    let vendor = Vendor::sign_in(&target, STAFF).await?;
    // Characters of four bytes each, as many as a description may have.
    vendor.many_events(&target, 87, &"\u{1f3ad}".repeat(10_000)).await?;
    let many = |count, selection: &str| format!("{{{}}}", aliases(count, selection));
    let id = &stadium.id;
    let drawn = format!("event(id:\"{id}\"){{seatMap{{zones{{rows{{seats{{id guid label x y}}}}}}}}}}");
    let plan = format!("event(id:\"{id}\"){{seatMap{{plan}}}}");
    let vendors = Some(vendor.token.to_string());
    let mut attacks = vec![
        ("descriptions of 40 KB, 27 × 100", many(27, "events(first:100){nodes{description}}"), None),
        ("descriptions of 40 KB, 100", many(1, "events(first:100){nodes{description}}"), None),
        ("30 aliases of a stadium's plan", many(30, &plan), None),
        ("30 aliases of a stadium's plan, as its vendor", many(30, &plan), vendors),
        ("30 aliases of a stadium's seats", many(30, &drawn), None),
        ("3 aliases of a stadium's seats", many(3, &drawn), None),
        (
            "30 aliases of a stadium's availability",
            many(30, &format!("event(id:\"{id}\"){{availability{{rows{{statuses}}}}}}")),
            None,
        ),
    ];
    let buyer = vendor.hundred_tickets(&target).await?;
    let tickets = |count, field: &str| {
        format!("{{viewer{{bag{{tickets(first:100){{nodes{{{}}}}}}}}}}}", aliases(count, field))
    };
    for (attack, count, field) in [
        ("`qrSvg` × 100", 1, "qrSvg"),
        ("`qrSvg` × 600", 6, "qrSvg"),
        ("`qrSvg` × 2,800", 28, "qrSvg"),
        ("`qrPng` × 100", 1, "qrPng"),
        ("`qrPng` × 600", 6, "qrPng"),
        ("`code` × 2,800", 28, "code"),
        ("a ticket's seat map × 2,800", 28, PLAN),
    ] {
        attacks.push((attack, tickets(count, field), Some(buyer.clone())));
    }
    for (number, (attack, document, token)) in (1..).zip(attacks) {
        let mut caller = target.caller(number);
        caller.token = token;
        fire(report, &target, (&mut caller, attack), &body(&document)).await?;
        target = camp.calm(target).await?;
    }
    Ok(())
}

const PLAN: &str = "event{seatMap{plan}}";
