//! Row 7: distinct documents that could all stay in a cache.

use std::time::Duration;

use tokio::{task::JoinSet, time::Instant};

use crate::{
    Outcome,
    attack::{
        report::{Report, milliseconds},
        target::{Camp, Start},
        usage::Usage,
    },
};

/// The memory that cached documents may use, in KiB.
const MOST_KIB: i64 = 64 * 1024;
/// The number of connections. Each has its own address.
const CONNECTIONS: u32 = 16;

/// Row 7.
pub(crate) async fn row_7(camp: &Camp, report: &mut Report) -> Outcome<()> {
    let count = if camp.quick { 90_000 } else { 360_000 };
    flood(camp, report, count, ("invalid", |number| format!("{{a{number}}}"))).await?;
    flood(camp, report, count / 4, ("valid", |number| format!("query q{number}{{__typename}}"))).await?;
    let large = |number| {
        let fields = "__typename ".repeat(900);
        format!("query q{number}{{shops(first:1){{nodes{{{fields}}}}}}}")
    };
    flood(camp, report, count / 60, ("valid, 10 KB", large)).await
}

/// Sends distinct documents over all connections, and measures the memory that they keep.
async fn flood(
    camp: &Camp,
    report: &mut Report,
    count: u32,
    (kind, document): (&str, fn(u32) -> String),
) -> Outcome<()> {
    let target = camp.start(Start::default()).await?;
    let meter = target.meter()?;
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for connection in 0..CONNECTIONS {
        let mut caller = target.caller(10 + connection);
        tasks.spawn(async move {
            let (mut answered, mut limited) = (0_u32, 0_u32);
            let mut number = connection;
            while number < count && begun.elapsed() < Duration::from_mins(4) {
                let body = format!("{{\"query\":\"{}\"}}", document(number));
                let answer = caller.post(body.as_bytes()).await;
                if answer.is_limited() {
                    limited += 1;
                } else {
                    answered += 1;
                }
                number += CONNECTIONS;
            }
            (answered, limited)
        });
    }
    let (mut answered, mut limited) = (0, 0);
    while let Some(task) = tasks.join_next().await {
        let (some, others) = task?;
        answered += some;
        limited += others;
    }
    let usage = meter.read()?;
    let each = usage.cpu / count.max(1);
    let answer = format!(
        "{answered} answered, {limited} limited in {} s; {} µs and {} B each",
        begun.elapsed().as_secs(),
        each.as_micros(),
        usage.growth_kib * 1024 / i64::from(answered.max(1))
    );
    let attack = format!("{count} distinct small documents, {kind}");
    report.add(crate::attack::report::Line {
        row: report.row,
        attack,
        usage: Some(Usage { cpu: each, ..usage }),
        answer: format!("{answer} ({} CPU in total)", milliseconds(usage.cpu)),
        required: "≤ 64 MB".to_owned(),
        passed: usage.growth_kib <= MOST_KIB,
    });
    Ok(())
}
