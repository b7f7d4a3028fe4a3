//! The latency of a reservation while thousands watch the event, and without watchers.
//!
//! Buyers arrive at fixed times and do not wait for earlier ones. The latency of a reservation counts from the buyer's
//! arrival, so a slow server cannot hide it.

use std::{sync::Arc, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{
    Row, Scene,
    fan_out::{fresh, gather, must},
};
use crate::{
    Outcome,
    bench::{Bench, progress},
    buyer::Buyer,
    stage::Event,
    stats::{median, micros, percentile},
    table::{Line, millis, ratio},
};

/// The number of buyers per second.
const RATE: u32 = 20;
/// The number of connections, more than are ever busy at once.
const CONNECTIONS: usize = 32;

pub(super) async fn run(bench: &Bench) -> Outcome<Vec<Line>> {
    let (scene, event) = fresh(bench).await?;
    let each = RATE * bench.scale.seconds * 2;
    // The first buyers open the desk, so that later ones find it warm.
    come(&scene, &event, 0..RATE).await?;
    let mut alone = come(&scene, &event, RATE..RATE + each).await?;
    let watchers = gather(bench, &scene, &event, 2 * each).await?;
    let mut watched = come(&scene, &event, RATE + each..RATE + 2 * each).await?;
    // Buyers who arrive together may share a version, so query the current one.
    let version = event.version(&scene.server.address).await?;
    // Late messages are a separate fault and do not affect the reservations.
    let late = match watchers.seen.all_at(version).await {
        Ok(()) => "",
        Err(failure) => {
            progress(&failure.to_string());
            " (some missed changes for more than a minute)"
        }
    };
    let deliveries = f64::from(watchers.seen.frames()) / f64::from(bench.scale.seconds * 2);
    let p99 = |values: &mut Vec<u32>| {
        let (middle, high) = (median(values)?, percentile(values, 990)?);
        progress(&format!("median {}, p99 {}", millis(middle), millis(high)));
        Some(high)
    };
    let (alone, watched) =
        (p99(&mut alone).ok_or("nothing measured")?, p99(&mut watched).ok_or("nothing measured")?);
    Ok(vec![Line {
        reference_value: millis(alone),
        ours: format!(
            "{} ({} subscribers{late}, {deliveries:.0} deliveries/s)",
            millis(watched),
            bench.scale.watchers
        ),
        ratio: ratio(f64::from(watched), f64::from(alone)),
        ..Row::Watched.line(&format!("the same {RATE} reservations/s without subscribers"))
    }])
}

/// Reserves the pairs at their times. Returns the latencies in microseconds.
async fn come(scene: &Scene, event: &Event, pairs: std::ops::Range<u32>) -> Outcome<Vec<u32>> {
    let addresses = [scene.server.address.as_str()];
    let crowd = scene.crowd(&addresses, CONNECTIONS);
    let mut tasks = JoinSet::new();
    let mut buyers = Vec::new();
    for tokens in crowd.shares() {
        buyers.push(Buyer::connect(&scene.server.address, tokens).await?);
    }
    let begin = Instant::now() + Duration::from_millis(50);
    for (number, mut buyer) in (0..).zip(buyers) {
        let (event, keys, pairs) = (event.clone(), Arc::clone(&scene.keys), pairs.clone());
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            for pair in pairs.clone().skip(number).step_by(CONNECTIONS) {
                let due = begin + Duration::from_secs(1) * (pair - pairs.start) / RATE;
                sleep_until(due).await;
                let first = 2 * usize::try_from(pair)?;
                must(buyer.reserve(&event.id, &event.seats[first..first + 2], keys.next()).await?)?;
                latencies.push(micros(due.elapsed()));
            }
            Outcome::Ok(latencies)
        });
    }
    let mut all = Vec::new();
    while let Some(some) = tasks.join_next().await {
        all.extend(some??);
    }
    Ok(all)
}
