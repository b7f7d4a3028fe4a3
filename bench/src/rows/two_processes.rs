//! Two servers sell one event in one database. Afterwards, the sold seats are counted.

use super::{Row, Scene, measured};
use crate::{
    Outcome,
    bench::{Bench, CONNECTIONS},
    postgres::number,
    server::{Home, Server},
    table::{Line, per_second, ratio},
};

pub(super) async fn run(bench: &Bench) -> Outcome<Vec<Line>> {
    let mut scene = Scene::set(bench, Home::on_postgres(bench).await?).await?;
    let hall = scene.stage.hall(bench.scale.hall_rows).await?;
    let event = scene.stage.event(&hall).await?;
    let (_, reference) = scene.reserve(bench, CONNECTIONS, &[event]).await?;
    let event = scene.stage.event(&hall).await?;
    let second = Server::tessera(bench, &scene.home)?;
    let addresses = [scene.server.address.as_str(), second.address.as_str()];
    let crowd = scene.crowd(&addresses, CONNECTIONS);
    let (tally, ours) = measured(bench, &crowd, &[event]).await?;
    let sold = count(bench, &scene.home.url).await?;
    Ok(vec![Line {
        reference_value: per_second(reference),
        ours: format!(
            "{} ({sold} seats reserved, 0 twice; {} calls asked again)",
            per_second(ours),
            tally.again
        ),
        ratio: ratio(ours, reference),
        ..Row::TwoProcesses.line("1 process with as many connections")
    }])
}

/// Returns the number of reserved seats of the newest event. Fails unless each seat belongs to exactly one reservation.
async fn count(bench: &Bench, url: &str) -> Outcome<i64> {
    const NEWEST: &str = "(SELECT id FROM event ORDER BY id DESC LIMIT 1)";
    let ask = async |sql: &str| number(url, &sql.replace("$newest", NEWEST)).await;
    let held = "SELECT r.id, (item->'place'->'seat'->>'ordinal')::int AS ordinal
        FROM reservation r, json_array_elements(r.items::json) item
        WHERE r.inventory_id = $newest AND r.state IN ('active', 'paying', 'converted')";
    let seats =
        ask("SELECT count(*) FROM inventory_seat WHERE inventory_id = $newest AND status IN (1, 2, 3)")
            .await?;
    let counted = ask("SELECT (reserved + sold)::bigint FROM inventory WHERE id = $newest").await?;
    let items = ask(&format!("SELECT count(*) FROM ({held}) held")).await?;
    let twice = ask(&format!(
        "SELECT count(*) FROM (SELECT ordinal FROM ({held}) held GROUP BY ordinal HAVING count(*) > 1) twice"
    ))
    .await?;
    let theirs = ask(&format!(
        "SELECT count(*) FROM ({held}) held JOIN inventory_seat seat
         ON seat.inventory_id = $newest AND seat.ordinal = held.ordinal AND seat.reservation_id = held.id"
    ))
    .await?;
    let expected = 2 * i64::from(bench.scale.warm_up + bench.scale.reservations);
    if (seats, counted, items, twice, theirs) != (expected, expected, expected, 0, expected) {
        let text = format!(
            "of {expected} seats {seats} are taken, {counted} counted, {items} in reservations, {twice} in two, \
             {theirs} know whose they are"
        );
        return Err(text.into());
    }
    Ok(seats)
}
