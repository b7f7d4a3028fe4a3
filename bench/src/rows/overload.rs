//! An open loop with 1×, 2×, 4× and 8× of the server's capacity. Measures served and refused requests and their
//! latency.
//!
//! Arrivals have fixed times and do not wait for earlier ones. The latency of a served request counts from its due
//! time, so a slow server cannot hide it. Of ten arrivals, seven browse, two reserve or release, and one pays. An
//! arrival is not sent if all connections of its class are busy, and counts as failed.

use std::{sync::Arc, time::Duration};

use super::{Row, Scene};
use crate::{
    Outcome,
    bench::{Bench, progress},
    buyer::Buyer,
    http::{Connection, finish, post_head},
    open_loop::{Asker, BROWSE, Count, PAY, Phase, Pool, lock},
    server::Home,
    stage::Event,
    stats::{percentile, rate},
    table::{Line, millis},
};

/// The names of the classes.
const CLASSES: [&str; 3] = ["browse", "reserve", "pay"];
/// The number of connections of each class. The sum is the maximum of requests in flight.
const CONNECTIONS: [usize; 3] = [2_500, 400, 200];
/// The number of connections of each class that measure the server's capacity.
const CLOSED: [usize; 3] = [28, 8, 4];
/// The maximum latency of a good request, in microseconds.
const GOOD: u32 = 1_000_000;
/// The maximum time until the server recovers.
const RECOVERY: Duration = Duration::from_secs(20);

/// Prepares a paid order. Paying it again with the same key simulates a front end that lost the response.
async fn payment(scene: &Scene, event: &Event, (number, token): (usize, &String)) -> Outcome<Vec<u8>> {
    let mut connection = Connection::open(&scene.server.address).await?;
    let key = |what: &str| format!("overload-{what}-{number}-{}", event.id);
    // Use the last seats of the hall, because the row's own reservations start with the first ones.
    let at = event.seats.len() - 2 - 2 * number;
    let document = "mutation($e: ID!, $s: [ID!]!, $k: String!) { reserveSeats(input: { eventId: $e,
        pick: { seatIds: $s }, idempotencyKey: $k }) { reservation { id } errors { code } } }";
    let input = serde_json::json!({ "e": event.id, "s": &event.seats[at..at + 2], "k": key("hold") });
    let data = connection.gql(Some(token), document, input).await?;
    let reservation = data["reserveSeats"]["reservation"]["id"].clone();
    let document =
        "mutation($r: ID!, $k: String!) { checkout(input: { reservationIds: [$r], idempotencyKey: $k,
        contact: { name: \"A Buyer\", email: \"a.buyer@example.org\" } }) { order { id } errors { code } } }";
    let input = serde_json::json!({ "r": reservation, "k": key("order") });
    let order = connection.gql(Some(token), document, input).await?["checkout"]["order"]["id"].take();
    let document = "mutation($o: ID!, $k: String!) { payOrder(input: { orderId: $o, method: \"pm_card_visa\",
        idempotencyKey: $k }) { order { state } errors { code } } }";
    let variables = serde_json::json!({ "o": order, "k": key("pay") });
    connection.gql(Some(token), document, variables.clone()).await?;
    let body = serde_json::json!({ "query": document, "variables": variables }).to_string();
    let mut request = post_head(Some(token));
    finish(&mut request, body.as_bytes());
    Ok(request)
}

async fn open(scene: &Scene, event: &Event, sizes: [usize; 3]) -> Outcome<Pool> {
    let address = &scene.server.address;
    Pool::open(address, sizes, async |class, number| {
        let token = &scene.guests[number % scene.guests.len()];
        let tokens = vec![token.clone()];
        let ready = |request| Asker::Ready { address: address.clone(), connection: None, request };
        let asker = match class {
            BROWSE => ready(browse(event, number)),
            PAY => ready(payment(scene, event, (number, token)).await?),
            _ => Asker::Buyer {
                buyer: Box::new(Buyer::connect(address, &tokens).await?),
                event: event.clone(),
                pair: 2 * number,
                holds: false,
                keys: Arc::clone(&scene.keys),
            },
        };
        Ok((asker, tokens))
    })
    .await
}

fn browse(event: &Event, number: usize) -> Vec<u8> {
    let document = match number % 2 {
        0 => format!("{{event(id:\\\"{}\\\"){{name seatsLeft priceRange{{lowest{{amount}}}}}}}}", event.id),
        _ => "{events(first:20){nodes{id name startsAt seatsLeft venue{name}}}}".to_owned(),
    };
    let mut request = post_head(None);
    finish(&mut request, format!("{{\"query\":\"{document}\"}}").as_bytes());
    request
}

pub(super) async fn run(bench: &Bench) -> Outcome<Vec<Line>> {
    let seconds = if bench.scale.seconds < 10 { 6 } else { 30 };
    let time = Duration::from_secs(seconds);
    let mut scene = Scene::set(bench, Home::on_postgres(bench).await?).await?;
    let hall = scene.stage.hall(bench.scale.hall_rows).await?;
    let event = scene.stage.event(&hall).await?;
    let closed = open(&scene, &event, CLOSED).await?;
    closed.capacity(Duration::from_secs(2)).await;
    let capacity = closed.capacity(Duration::from_secs(5)).await;
    drop(closed);
    progress(&format!("capacity {capacity:.0}/s"));

    let other = scene.stage.event(&hall).await?;
    let pool = open(&scene, &other, CONNECTIONS).await?;
    pool.offer(capacity / 2.0, Duration::from_secs(3)).await;
    let (mut lines, mut peak, mut at_four) = (Vec::new(), capacity, 0.0);
    for times in [1.0, 2.0, 4.0, 8.0] {
        let counts = pool.offer(capacity * times, time).await;
        let (line, goodput) = summary(times, &counts, seconds);
        progress(&format!("{}: {}", line.figure, line.ours));
        lines.push(line);
        peak = goodput.max(peak);
        if times > 3.0 && times < 5.0 {
            at_four = goodput;
        }
    }
    let first = Line {
        reference_value: format!("{peak:.0}/s"),
        ours: format!("{at_four:.0}/s"),
        ratio: crate::table::ratio(at_four, peak),
        ..Row::Overload.line("the highest goodput of all phases")
    };
    lines.insert(0, first);
    let recovered = recovery(&pool, capacity / 2.0).await;
    lines.push(Line {
        figure: "overload: until 99 % are served within 1 s again, after 8×".to_owned(),
        ours: recovered.map_or_else(
            || format!("not within {} s", RECOVERY.as_secs()),
            |time| format!("{:.1} s", time.as_secs_f64()),
        ),
        reach: "≤ 10 s".to_owned(),
        ..Line::default()
    });
    Ok(lines)
}

/// Overloads the server once more, then offers half of the capacity. Returns the time until all requests succeed for a
/// second.
async fn recovery(pool: &Pool, per_second: f64) -> Option<Duration> {
    pool.arrive(per_second * 16.0, Duration::from_secs(3), &Phase::new()).await;
    let phase = Phase::new();
    pool.arrive(per_second, RECOVERY, &phase).await;
    let windows = lock(&phase.windows);
    let well = |(good, bad): (u32, u32)| good > 0 && u64::from(bad) * 99 <= u64::from(good);
    let first = windows.windows(2).position(|pair| pair.iter().all(|window| well(*window)))?;
    Some(Duration::from_millis(500) * u32::try_from(first).ok()?)
}

/// Returns the line of a phase and its goodput.
fn summary(times: f64, counts: &[Count; 3], seconds: u64) -> (Line, f64) {
    let good = |count: &Count| count.served.iter().filter(|time| **time <= GOOD).count();
    let good = counts.iter().map(good).sum::<usize>();
    let goodput = rate(u32::try_from(good).unwrap_or(u32::MAX), Duration::from_secs(seconds));
    let p99 = |pick: fn(&Count) -> &Vec<u32>| {
        let mut all: Vec<u32> = counts.iter().flat_map(|count| pick(count).iter().copied()).collect();
        percentile(&mut all, 990).map_or("none".to_owned(), millis)
    };
    let (admitted, refused) = (p99(|count| &count.served), p99(|count| &count.refused));
    let classes: Vec<String> = CLASSES
        .iter()
        .zip(counts.iter())
        .map(|(class, count)| {
            format!(
                "{class} {}/{} served, {} refused, {} failed, {} not sent",
                count.served.len(),
                count.offered,
                count.refused.len(),
                count.failed,
                count.unsent
            )
        })
        .collect();
    let line = Line {
        figure: format!("overload at {times:.0}×: goodput, p99 of served, p99 of refusals"),
        ours: format!("{goodput:.0}/s, {admitted}, {refused} ({})", classes.join("; ")),
        reach: "p99 ≤ 1 s, refusals ≤ 50 ms".to_owned(),
        ..Line::default()
    };
    (line, goodput)
}
