//! Queries of a large event's availability, compared with a route that responds with the same bytes.

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::task::JoinSet;

use super::{Row, Scene};
use crate::{
    Outcome,
    bench::{Bench, progress},
    buyer::Buyer,
    http::{Connection, find, finish, post_head},
    server::{Home, Server},
    stats::{best, rate},
    table::{Line, per_second, ratio},
};

/// The number of rows of the hall, for 20,000 seats.
const HALL_ROWS: u32 = 200;
/// The numbers of connections to try. The best result counts.
const CONNECTIONS: [u32; 2] = [16, 64];
/// The query of a seat map's availability.
const ASK: &str = "query($e:ID!){event(id:$e){availability{version asOf available rows{zone row statuses}}}}";

pub(super) async fn run(bench: &Bench) -> Outcome<Vec<Line>> {
    let mut scene = Scene::set(bench, Home::on_postgres(bench).await?).await?;
    let hall = scene.stage.hall(HALL_ROWS).await?;
    let event = scene.stage.event(&hall).await?;
    let mut buyer = Buyer::connect(&scene.server.address, &scene.guests).await?;
    for seats in event.seats.chunks(2).step_by(40) {
        super::fan_out::must(buyer.reserve(&event.id, seats, scene.keys.next()).await?)?;
    }
    let body = json!({ "query": ASK, "variables": { "e": event.id } }).to_string();
    let mut request = post_head(None);
    finish(&mut request, body.as_bytes());
    let mut connection = Connection::open(&scene.server.address).await?;
    let (_, answer) = connection.ask(&request).await?;
    if answer.len() < event.seats.len() || find(answer, b"\"errors\"").is_some() {
        return Err(format!("no availability: {}", String::from_utf8_lossy(answer)).into());
    }
    let file = bench.directory("static")?.join("answer.json");
    fs::write(&file, answer)?;
    let bytes = answer.len();
    let ours = pound(bench, &scene.server, &request, bytes).await?;
    drop(scene);
    let bare = Server::bare(&["bare-static", &file.display().to_string()])?;
    let reference = pound(bench, &bare, &request, bytes).await?;
    Ok(vec![Line {
        reference_value: per_second(reference),
        ours: format!("{} ({bytes} bytes)", per_second(ours)),
        ratio: ratio(ours, reference),
        ..Row::Availability.line("static bytes of the same size from a bare axum route")
    }])
}

/// Returns the best rate of all numbers of connections.
async fn pound(bench: &Bench, server: &Server, request: &[u8], bytes: usize) -> Outcome<f64> {
    let time = Duration::from_secs(u64::from(bench.scale.seconds)) / 4;
    let mut rates = Vec::new();
    for connections in CONNECTIONS {
        let mut tasks = JoinSet::new();
        let begun = Instant::now();
        let until = begun + time;
        for _ in 0..connections {
            let (mut connection, request) = (Connection::open(&server.address).await?, request.to_vec());
            tasks.spawn(async move {
                let mut count = 0;
                while Instant::now() < until {
                    let (status, answer) = connection.ask(&request).await?;
                    // The time in the response may have fewer digits.
                    if status != 200 || answer.len() + 16 < bytes {
                        return Err(format!("{status}: {}", String::from_utf8_lossy(answer)).into());
                    }
                    count += 1;
                }
                Outcome::Ok(count)
            });
        }
        let mut all = 0;
        while let Some(one) = tasks.join_next().await {
            all += one??;
        }
        let rate = rate(all, begun.elapsed());
        progress(&format!("{connections} connections: {rate:.0}/s"));
        rates.push((connections, rate));
    }
    Ok(best(rates).ok_or("nothing measured")?.1)
}
