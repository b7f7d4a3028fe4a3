//! Reservations of one hot event on `PostgreSQL`, compared with a hand-written transaction for each reservation.

use super::{Row, Scene};
use crate::{
    Outcome,
    bench::Bench,
    pgbench::{Reference, Work},
    server::Home,
    stats::{best, percentile},
    table::{Line, millis, per_second, ratio},
};

pub(super) async fn run(bench: &Bench) -> Outcome<Vec<Line>> {
    let mut reference = Reference::new(bench).await?;
    let mut whole = Vec::new();
    for &clients in bench.scale.clients {
        whole.push((clients, reference.run(bench, Work::Whole, clients).await?));
    }
    let whole = best(whole).ok_or("nothing measured")?;
    let bare = (whole.0, reference.run(bench, Work::Bare, whole.0).await?);
    let mut scene = Scene::set(bench, Home::on_postgres(bench).await?).await?;
    let hall = scene.stage.hall(bench.scale.hall_rows).await?;
    let mut ours = Vec::new();
    for &connections in bench.scale.connections {
        let event = scene.stage.event(&hall).await?;
        let (mut tally, rate) = scene.reserve(bench, connections, &[event]).await?;
        ours.push(((connections, percentile(&mut tally.latencies, 990)), rate));
    }
    let ((connections, p99), our_rate) = best(ours).ok_or("nothing measured")?;
    let ours = format!(
        "{} ({connections} connections, p99 {})",
        per_second(our_rate),
        millis(p99.unwrap_or_default())
    );
    let line = |name: &str, (clients, rate): (u32, f64)| Line {
        reference_value: format!("{} ({clients} clients)", per_second(rate)),
        ours: ours.clone(),
        ratio: ratio(our_rate, rate),
        ..Row::Reserve.line(name)
    };
    let whole = line("`pgbench -M prepared`, the equivalent transaction", whole);
    let bare = line("for information: `pgbench`, only seats and reservation", bare);
    Ok(vec![whole, Line { reach: String::new(), ..bare }])
}
