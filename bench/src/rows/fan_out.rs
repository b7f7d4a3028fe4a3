//! Sequential changes, each delivered to thousands of subscribers, compared with a bare broadcast of the same number of
//! bytes.
//!
//! Each change is made after all subscribers have received the previous one. The measured time is how long a crowd sees
//! an outdated map.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{Row, Scene};
use crate::{
    Outcome,
    bench::{Bench, progress},
    buyer::{Answer, Buyer},
    http::{Connection, finish},
    server::{Home, Server},
    stage::Event,
    stats::rate,
    table::{Line, per_second, ratio},
    watchers::{Seen, Watchers},
};

/// The number of rows of the watched hall.
pub(super) const HALL_ROWS: u32 = 200;
/// The number of changes before the measurement.
const WARM_UP: u32 = 5;
/// The subscription of a live seat map.
const WATCH: &str = "subscription($e:ID!){seatAvailability(eventId:$e){... on AvailabilitySnapshot{version} \
                     ... on AvailabilityDelta{version seats{id status}}}}";

pub(super) async fn run(bench: &Bench) -> Outcome<Vec<Line>> {
    let (count, changes) = (bench.scale.watchers, bench.scale.changes);
    let all = WARM_UP + changes;
    let (scene, event) = fresh(bench).await?;
    let mut buyer = Buyer::connect(&scene.server.address, &scene.guests).await?;
    // Open the desk and load everything before the memory is measured.
    must(buyer.reserve(&event.id, &event.seats[..2], scene.keys.next()).await?)?;
    let before = scene.server.resident_kib()?;
    let watchers = gather(bench, &scene, &event, all).await?;
    let time = rounds(&watchers.seen, changes, async |change| {
        let pair = 2 * usize::try_from(change)?;
        must(buyer.reserve(&event.id, &event.seats[pair..pair + 2], scene.keys.next()).await?)
    })
    .await?;
    let grown = scene.server.resident_kib()?.saturating_sub(before);
    let (bytes, frames) = (watchers.seen.bytes(), watchers.seen.frames());
    drop((watchers, buyer, scene));
    let expected = u32::try_from(count)? * all;
    if frames != expected {
        return Err(format!("{frames} of {expected} deliveries were made").into());
    }
    let deliveries = u32::try_from(count)? * changes;
    let ours = rate(deliveries, time);
    let each = f64::from(u32::try_from(grown)?) / f64::from(u32::try_from(count)?);
    progress(&format!("{ours:.0} deliveries/s of {bytes} bytes, {each:.1} KiB each"));
    let reference = rate(deliveries, bare(count, changes, bytes).await?);
    Ok(vec![Line {
        reference_value: per_second(reference),
        ours: format!("{} ({count} subscribers, {each:.1} KiB each)", per_second(ours)),
        ratio: ratio(ours, reference),
        ..Row::FanOut.line("a bare axum WebSocket broadcast of as many bytes")
    }])
}

/// Returns a newly started server, and an event on sale without changes.
pub(super) async fn fresh(bench: &Bench) -> Outcome<(Scene, Event)> {
    let mut scene = Scene::set(bench, Home::on_postgres(bench).await?).await?;
    let hall = scene.stage.hall(HALL_ROWS).await?;
    let event = scene.stage.event(&hall).await?;
    // Restart the server: memory that it used for creating the hall would hide the memory of the subscribers.
    Ok((scene.restarted(bench)?, event))
}

/// Opens the subscriptions of the event.
pub(super) async fn gather(bench: &Bench, scene: &Scene, event: &Event, changes: u32) -> Outcome<Watchers> {
    let subscribe = json!({ "id": "1", "type": "subscribe",
        "payload": { "query": WATCH, "variables": { "e": event.id } } });
    let greeting = [json!({ "type": "connection_init" }).to_string(), subscribe.to_string()];
    let begun = Instant::now();
    let watchers = Watchers::gather(&scene.server.address, &greeting, bench.scale.watchers, changes).await?;
    progress(&format!("{} subscribers after {:.1} s", bench.scale.watchers, begun.elapsed().as_secs_f64()));
    Ok(watchers)
}

/// Makes changes, each after all subscribers have seen the previous one. Returns the duration after the warm-up.
async fn rounds(
    seen: &Seen,
    changes: u32,
    mut make: impl AsyncFnMut(u32) -> Outcome<()>,
) -> Outcome<Duration> {
    let mut begun = Instant::now();
    for change in 1..=WARM_UP + changes {
        if change == WARM_UP + 1 {
            begun = Instant::now();
        }
        make(change).await?;
        seen.all_have(change).await?;
    }
    Ok(begun.elapsed())
}

async fn bare(count: usize, changes: u32, bytes: usize) -> Outcome<Duration> {
    let server = Server::bare(&["bare-broadcast"])?;
    let mut connection = Connection::open(&server.address).await?;
    let watchers = Watchers::gather(&server.address, &[], count, WARM_UP + changes).await?;
    rounds(&watchers.seen, changes, async |change| {
        let mut request = format!("POST /send/{change}/{bytes} HTTP/1.1\r\nhost: bare\r\n").into_bytes();
        finish(&mut request, &[]);
        match connection.ask(&request).await? {
            (200, _) => Ok(()),
            (status, _) => Err(format!("the bare server answered {status}").into()),
        }
    })
    .await
}

/// Checks that the reservation succeeded.
pub(super) fn must(answer: Answer) -> Outcome<()> {
    match answer {
        Answer::Done => Ok(()),
        Answer::Refused => Err("a seat was taken before".into()),
        Answer::Again => Err("the server asks to be asked again".into()),
        Answer::Failed(text) => Err(text.into()),
    }
}
