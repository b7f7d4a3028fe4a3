//! The reference on `PostgreSQL`: a hand-written transaction for each reservation, run by `pgbench` on Tessera's schema.
//!
//! Nothing is left out of it that an application without a desk would have to do, and nothing is put in: no version, no
//! change log, no look at the key before. It is not told which seats are free, but never asks for one twice.

use std::{
    fmt::Write as _,
    fs,
    process::{Command, Stdio},
};

use crate::{
    Outcome,
    bench::{Bench, progress},
    postgres::{execute, number},
    server::{self, Home},
};

/// What each transaction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// What a reservation is: seats, the buyer's counter with its limit, the reservation, the idempotency key.
    Whole,
    /// Only the seats and the reservation, for information.
    Bare,
}

/// Two seats as a reservation's row has them.
pub(crate) const ITEMS: &str = r#"[{"place":{"seat":{"ordinal":12345,"epoch":1}},"tier":"019ab000-0000-7000-8000-000000000001","price":2000,"fee":100,"tax":190},{"place":{"seat":{"ordinal":12346,"epoch":1}},"tier":"019ab000-0000-7000-8000-000000000001","price":2000,"fee":100,"tax":190}]"#;

/// A database with Tessera's schema, and stock in it.
#[derive(Debug)]
pub(crate) struct Reference {
    home: Home,
    name: String,
    halls: u32,
}

impl Reference {
    /// Makes the schema and the buyers.
    pub(crate) async fn new(bench: &Bench) -> Outcome<Self> {
        let name = bench.name("pgbench");
        let url = bench.cluster.create(&name).await?;
        let home = Home { url, data: bench.directory("data")? };
        server::run(bench, &home, &["migrate"])?;
        let buyers = bench.scale.guests;
        let sql = format!(
            "INSERT INTO account (id, kind, name, is_operator, version, created_at, updated_at)
             SELECT lpad(n::text, 32, '0')::uuid, 'guest', '', false, 1, now(), now()
             FROM generate_series(0, {buyers}) n"
        );
        execute(&home.url, &sql).await?;
        Ok(Self { home, name, halls: 0 })
    }

    /// Reserves the scale's pairs over so many connections, of a new hall; how many a second.
    pub(crate) async fn run(&mut self, bench: &Bench, work: Work, clients: u32) -> Outcome<f64> {
        self.halls += 1;
        let (hall, scale) = (self.halls, &bench.scale);
        let (warm, timed) = (scale.warm_up / clients, scale.reservations / clients);
        execute(&self.home.url, &stock(hall, 100 * scale.hall_rows)).await?;
        let script = self.home.data.join(format!("reserve-{hall}.sql"));
        fs::write(&script, transaction(work, hall, warm + timed, (scale.guests / clients).max(1)))?;
        let run = |first: u32, count: u32| {
            let mut command = Command::new(bench.cluster.programs.join("pgbench"));
            command.args(["-n", "-M", "prepared", "-U", "postgres", "-p", "5432", "-h"]);
            command.arg(&bench.cluster.socket).arg("-f").arg(&script);
            command.args(["-c", &clients.to_string(), "-j", "2", "-t", &count.to_string()]);
            command.args(["-D", &format!("n={first}"), &self.name]);
            command
        };
        tps(run(0, warm))?;
        bench.cluster.settle().await?;
        let rate = tps(run(warm, timed))?;
        let expected = i64::from(clients * (warm + timed));
        let sql =
            format!("SELECT count(*) FROM inventory_seat WHERE inventory_id = {} AND status = 1", id(hall));
        let seats = number(&self.home.url, &sql).await?;
        let sql = format!("SELECT count(*) FROM reservation WHERE inventory_id = {}", id(hall));
        let reservations = number(&self.home.url, &sql).await?;
        if (seats, reservations) != (2 * expected, expected) {
            return Err(format!("pgbench left {seats} seats and {reservations} reservations").into());
        }
        progress(&format!("pgbench, {work:?}, {clients} clients: {rate:.0}/s"));
        Ok(rate)
    }
}

fn tps(mut command: Command) -> Outcome<f64> {
    let output = command.stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let rate =
        text.lines().find_map(|line| line.strip_prefix("tps = ")?.split_whitespace().next()?.parse().ok());
    match rate {
        Some(rate) if output.status.success() => Ok(rate),
        _ => Err(format!("pgbench: {text}{}", String::from_utf8_lossy(&output.stderr)).into()),
    }
}

/// An inventory's id as SQL has it.
fn id(hall: u32) -> String {
    format!("lpad('{hall}', 32, 'f')::uuid")
}

fn stock(hall: u32, seats: u32) -> String {
    let id = id(hall);
    format!(
        "SET session_replication_role = replica;
         INSERT INTO inventory (id, kind, version, capacity, available, reserved, sold, blocked, updated_at)
         VALUES ({id}, 'event', 1, {seats}, {seats}, 0, 0, 0, now());
         INSERT INTO inventory_seat (inventory_id, ordinal, status, epoch)
         SELECT {id}, n, 0, 0 FROM generate_series(0, {seats} - 1) n;"
    )
}

/// The script: client by client, pair by pair, each client with `each` buyers of its own.
fn transaction(work: Work, hall: u32, pairs_per_client: u32, each: u32) -> String {
    let inventory = id(hall);
    let buyer = "lpad(:buyer::text, 32, '0')::uuid";
    let reservation = "lpad(:reservation::text, 32, '0')::uuid";
    let mut script = format!(
        r"\set pair :client_id * {pairs_per_client} + :n
\set n :n + 1
\set left :pair * 2
\set right :pair * 2 + 1
\set buyer :client_id * {each} + :n % {each}
\set reservation {hall} * 1000000 + :pair
BEGIN;
UPDATE inventory_seat SET status = 1, epoch = epoch + 1, reservation_id = {reservation} WHERE inventory_id = {inventory} AND ordinal IN (:left, :right) AND status = 0;
"
    );
    if work == Work::Whole {
        let _ = writeln!(
            script,
            "INSERT INTO inventory_buyer (inventory_id, account_id, taken, allowed) VALUES ({inventory}, {buyer}, 2, 100) \
             ON CONFLICT (inventory_id, account_id) DO UPDATE SET taken = inventory_buyer.taken + 2;"
        );
    }
    let _ = writeln!(
        script,
        "INSERT INTO reservation (id, inventory_id, account_id, state, items, quantity, total_minor, currency, deadline, \
         deadline_max, version, created_at, updated_at) VALUES ({reservation}, {inventory}, {buyer}, 'active', '{ITEMS}', 2, \
         4200, 'EUR', now() + interval '20 minutes', now() + interval '20 minutes', 1, now(), now());"
    );
    if work == Work::Whole {
        let digest = "ab".repeat(32);
        let _ = writeln!(
            script,
            "INSERT INTO idempotency (account_id, operation, key, input_digest, subject, created_at) VALUES ({buyer}, \
             'reserveSeats', :reservation::text, '\\x{digest}', {reservation}, now());"
        );
    }
    script.push_str("COMMIT;\n");
    script
}
