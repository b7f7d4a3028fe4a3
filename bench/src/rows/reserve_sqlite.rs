//! Reservations of one hot event on `SQLite`, compared with one transaction of the same statements for each
//! reservation.

use super::{Row, Scene};
use crate::{
    Outcome,
    bench::Bench,
    server::Home,
    sqlite,
    stats::{best, percentile},
    table::{Line, millis, per_second, ratio},
};

pub(super) async fn run(bench: &Bench) -> Outcome<Vec<Line>> {
    let reference = sqlite::run(bench).await?;
    let mut scene = Scene::set(bench, Home::on_sqlite(bench)?).await?;
    let hall = scene.stage.hall(bench.scale.hall_rows).await?;
    let mut ours = Vec::new();
    // Each commit waits for the disk, so few connections cannot give the best result.
    for &connections in &bench.scale.connections[bench.scale.connections.len() / 2..] {
        let event = scene.stage.event(&hall).await?;
        let (mut tally, rate) = scene.reserve(bench, connections, &[event]).await?;
        ours.push(((connections, percentile(&mut tally.latencies, 990)), rate));
    }
    let ((connections, p99), rate) = best(ours).ok_or("nothing measured")?;
    Ok(vec![Line {
        reference_value: per_second(reference),
        ours: format!(
            "{} ({connections} connections, p99 {})",
            per_second(rate),
            millis(p99.unwrap_or_default())
        ),
        ratio: ratio(rate, reference),
        ..Row::ReserveSqlite.line("the same statements, one transaction each, one writer")
    }])
}
