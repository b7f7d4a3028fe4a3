//! Eight hot events at once: the same crowd and the same number of seats, distributed over eight halls.

use super::{Row, Scene};
use crate::{
    Outcome,
    bench::{Bench, CONNECTIONS},
    server::Home,
    table::{Line, per_second, ratio},
};

const EVENTS: u32 = 8;

pub(super) async fn run(bench: &Bench) -> Outcome<Vec<Line>> {
    let mut scene = Scene::set(bench, Home::on_postgres(bench).await?).await?;
    let whole = scene.stage.hall(bench.scale.hall_rows).await?;
    let part = scene.stage.hall(bench.scale.hall_rows / EVENTS).await?;
    let one = scene.stage.event(&whole).await?;
    let mut eight = Vec::new();
    for _ in 0..EVENTS {
        eight.push(scene.stage.event(&part).await?);
    }
    let (_, reference) = scene.reserve(bench, CONNECTIONS, &[one]).await?;
    let (_, ours) = scene.reserve(bench, CONNECTIONS, &eight).await?;
    Ok(vec![Line {
        reference_value: per_second(reference),
        ours: per_second(ours),
        ratio: ratio(ours, reference),
        ..Row::EightEvents.line("1 hot event with as many seats and connections")
    }])
}
