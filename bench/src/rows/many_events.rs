//! The first measurement again, in a database with a thousand events and two million seats.

use super::{Row, Scene};
use crate::{
    Outcome,
    bench::{Bench, CONNECTIONS, progress},
    postgres::{execute, number},
    server::Home,
    table::{Line, per_second, ratio},
};

/// The number of rows of each further event's hall, for 2,000 seats.
const SMALL_ROWS: u32 = 20;
const EVENTS: i64 = 1_000;

pub(super) async fn run(bench: &Bench) -> Outcome<Vec<Line>> {
    let mut scene = Scene::set(bench, Home::on_postgres(bench).await?).await?;
    let hall = scene.stage.hall(bench.scale.hall_rows).await?;
    let event = scene.stage.event(&hall).await?;
    let (_, reference) = scene.reserve(bench, CONNECTIONS, &[event]).await?;
    let small = scene.stage.hall(SMALL_ROWS).await?;
    scene.stage.event(&small).await?;
    execute(&scene.home.url, &fill()).await?;
    let event = scene.stage.event(&hall).await?;
    let events = number(&scene.home.url, "SELECT count(*) FROM event WHERE status = 'published'").await?;
    let seats = number(&scene.home.url, "SELECT count(*) FROM inventory_seat").await?;
    if events < EVENTS || seats < 2_000_000 {
        return Err(format!("only {events} events and {seats} seats").into());
    }
    progress(&format!("{events} events, {seats} seats"));
    let (_, ours) = scene.reserve(bench, CONNECTIONS, &[event]).await?;
    Ok(vec![Line {
        reference_value: per_second(reference),
        ours: per_second(ours),
        ratio: ratio(ours, reference),
        ..Row::ManyEvents.line("with one event, as many connections")
    }])
}

/// Returns SQL that copies the newest event with its tier and its stock, for any columns.
fn fill() -> String {
    format!(
        "SET session_replication_role = replica;
         CREATE TEMP TABLE newest AS SELECT * FROM event ORDER BY id DESC LIMIT 1;
         CREATE TEMP TABLE copies AS
             SELECT n, gen_random_uuid() AS event_id, gen_random_uuid() AS tier_id FROM generate_series(1, {EVENTS}) n;
         INSERT INTO event SELECT (jsonb_populate_record(NULL::event,
             to_jsonb(e) || jsonb_build_object('id', c.event_id, 'slug', 'copy-' || c.n))).* FROM newest e, copies c;
         INSERT INTO tier SELECT (jsonb_populate_record(NULL::tier,
             to_jsonb(t) || jsonb_build_object('id', c.tier_id, 'event_id', c.event_id))).*
             FROM tier t JOIN newest e ON t.event_id = e.id, copies c;
         INSERT INTO tier_scope SELECT (jsonb_populate_record(NULL::tier_scope,
             to_jsonb(s) || jsonb_build_object('tier_id', c.tier_id, 'event_id', c.event_id))).*
             FROM tier_scope s JOIN newest e ON s.event_id = e.id, copies c;
         INSERT INTO inventory SELECT (jsonb_populate_record(NULL::inventory,
             to_jsonb(i) || jsonb_build_object('id', c.event_id))).* FROM inventory i JOIN newest e ON i.id = e.id, copies c;
         INSERT INTO inventory_change SELECT (jsonb_populate_record(NULL::inventory_change,
             to_jsonb(i) || jsonb_build_object('inventory_id', c.event_id))).*
             FROM inventory_change i JOIN newest e ON i.inventory_id = e.id, copies c;
         INSERT INTO inventory_seat (inventory_id, ordinal, status, epoch)
             SELECT c.event_id, s.ordinal, s.status, s.epoch
             FROM inventory_seat s JOIN newest e ON s.inventory_id = e.id, copies c;
         ANALYZE;"
    )
}
