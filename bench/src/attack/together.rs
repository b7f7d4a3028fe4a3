//! All attacks together, with their effect on honest buyers and on the server's memory.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep},
};

use crate::{
    Outcome,
    attack::{
        documents::{body, text},
        props::{self, RELEASE, RESERVE, key},
        report::{Report, milliseconds},
        target::{Camp, Start, Target},
        usage::{Meter, resident_kib},
    },
    caller::Caller,
    stats,
};

/// The number of honest buyers. Each has its own address and account, and makes a journey every 20 seconds.
const BUYERS: u32 = 200;
/// The first buyer's address. No attacker has addresses from here on.
const BUYERS_FROM: u32 = 1 << 16;
/// The number of journeys per second.
const RATE: u64 = 10;
/// The memory growth that all attacks together may leave behind, in KiB.
const MEMORY_KIB: i64 = 300 * 1024;

/// The results of buyers during a period.
#[derive(Debug, Default)]
struct Journeys {
    latencies: Vec<u32>,
    failed: u32,
    example: Option<String>,
}

impl Journeys {
    fn p99(&mut self) -> u32 {
        stats::percentile(&mut self.latencies, 990).unwrap_or(u32::MAX)
    }
}

/// The attackers' process. It has a low priority, so that the generator does not take the server's processor time from
/// the buyers.
struct Attackers(Child);

impl Drop for Attackers {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Runs all attacks together for this number of seconds.
pub(crate) async fn all_together(camp: &Camp, report: &mut Report, seconds: u64) -> Outcome<()> {
    // The buyers do not refresh their sessions.
    let lasting = [("TESSERA_ACCESS_SECONDS", "3600")];
    let target = camp.start(Start { variables: &lasting, ..Start::default() }).await?;
    let event = props::event(&target, props::DERBY).await?;
    let mut buyers = Vec::new();
    for number in 0..BUYERS {
        let mut buyer = target.caller(BUYERS_FROM + number);
        let token = props::guest(&mut buyer).await.ok_or("no guest for a buyer")?;
        buyers.push(buyer.with_token(&token));
    }
    let calm = Duration::from_secs(if camp.quick { 10 } else { 30 });
    let (buyers, _) = shop(buyers, &event.id, Duration::from_secs(3)).await?;
    let (buyers, mut before) = shop(buyers, &event.id, calm).await?;
    let start_kib = resident_kib(target.pid)?;
    let meter = target.meter()?;
    let attackers = attack(&target, seconds)?;
    let (_, mut during) = shop(buyers, &event.id, Duration::from_secs(seconds)).await?;
    drop(attackers);
    sleep(Duration::from_secs(5)).await;
    judge_memory(report, &target, &meter, start_kib)?;
    judge_buyers(report, &mut before, &mut during)
}

fn judge_memory(report: &mut Report, target: &Target, meter: &Meter, start_kib: i64) -> Outcome<()> {
    let usage = meter.read()?;
    let growth = resident_kib(target.pid)? - start_kib;
    let answer = format!(
        "{} MB above {} MB, peak +{} MB, {} s CPU",
        growth / 1_024,
        start_kib / 1_024,
        usage.peak_kib / 1_024,
        usage.cpu.as_secs()
    );
    report.judged(
        "all attacks together: memory afterwards",
        growth <= MEMORY_KIB,
        answer,
        "≤ 300 MB above the start",
    );
    Ok(())
}

fn judge_buyers(report: &mut Report, before: &mut Journeys, during: &mut Journeys) -> Outcome<()> {
    let (normal, attacked) = (before.p99(), during.p99());
    let answer = format!(
        "p99 {} before, {} during, {:.2}×",
        milliseconds(Duration::from_micros(normal.into())),
        milliseconds(Duration::from_micros(attacked.into())),
        f64::from(attacked) / f64::from(normal.max(1))
    );
    report.judged(
        "all attacks together: a buyer's p99",
        attacked <= normal.saturating_mul(2),
        answer,
        "≤ 2×",
    );
    let steps = during.latencies.len();
    let answer = format!(
        "{} of {steps} steps failed (before: {} of {}), for example {}",
        during.failed,
        before.failed,
        before.latencies.len(),
        during.example.as_deref().unwrap_or("none")
    );
    let passed = usize::try_from(during.failed)? * 100 <= steps;
    report.judged("all attacks together: a buyer's failures", passed, answer, "≤ 1 %");
    Ok(())
}

/// Starts the attackers.
fn attack(target: &Target, seconds: u64) -> Outcome<Attackers> {
    let child = Command::new("nice")
        .args(["-n", "19"])
        .arg(std::env::current_exe()?)
        .args(["attackers", &target.address.to_string(), &seconds.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()?;
    Ok(Attackers(child))
}

/// Runs journeys at fixed times. The latency of a step counts from its due time.
async fn shop(buyers: Vec<Caller>, event: &str, time: Duration) -> Outcome<(Vec<Caller>, Journeys)> {
    let mut all = Journeys::default();
    let mut waiting: std::collections::VecDeque<Caller> = buyers.into();
    let mut running = JoinSet::new();
    let mut ticks = interval(Duration::from_micros(1_000_000 / RATE));
    // A late tick must not delay later ones. Otherwise, the load would stop when the server does.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let until = Instant::now() + time;
    while Instant::now() < until {
        let due = ticks.tick().await;
        while let Some(done) = running.try_join_next() {
            waiting.push_back(collect(&mut all, done?));
        }
        // All buyers are waiting for the server, which counts as a failure of the server.
        let Some(buyer) = waiting.pop_front() else {
            all.failed += 3;
            all.latencies.push(u32::MAX);
            continue;
        };
        running.spawn(journey(buyer, event.to_owned(), due));
    }
    while let Some(done) = running.join_next().await {
        waiting.push_back(collect(&mut all, done?));
    }
    Ok((waiting.into(), all))
}

fn collect(all: &mut Journeys, (buyer, one): (Caller, Journeys)) -> Caller {
    all.latencies.extend(one.latencies);
    all.failed += one.failed;
    all.example = all.example.take().or(one.example);
    buyer
}

/// Views the event, reserves a place and releases it.
async fn journey(mut buyer: Caller, event: String, due: Instant) -> (Caller, Journeys) {
    let mut journeys = Journeys::default();
    let mut note = |begun: Instant, failure: Option<String>| {
        journeys.latencies.push(stats::micros(begun.elapsed()));
        journeys.failed += u32::from(failure.is_some());
        journeys.example = journeys.example.take().or(failure);
    };
    let document = format!("{{event(id:\"{event}\"){{name seatsLeft tiers{{name price{{amount}}}}}}}}");
    let answer = buyer.post(&body(&document)).await;
    let failed = answer.status != 200 || !answer.json()["errors"].is_null();
    note(due, failed.then(|| format!("browse: {} {}", answer.summary(), answer.text(200))));

    let begun = Instant::now();
    let input = json!({ "event": event, "quantity": 1, "split": true, "key": key() });
    let answer = buyer.gql(RESERVE, input).await;
    let reservation = text(&answer.json(), "/data/reserveSeats/reservation/id").map(str::to_owned).ok();
    note(begun, reservation.is_none().then(|| format!("reserve: {}", answer.summary())));
    let Some(reservation) = reservation else { return (buyer, journeys) };

    let begun = Instant::now();
    let answer = buyer.gql(RELEASE, json!({ "id": reservation })).await;
    let failed = text(&answer.json(), "/data/releaseReservation/reservation/id").is_err();
    note(begun, failed.then(|| format!("release: {}", answer.summary())));
    (buyer, journeys)
}
