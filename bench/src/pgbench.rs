//! The reference on `PostgreSQL`: a hand-written transaction for each reservation or claim. `pgbench` runs it on
//! Tessera's schema.
//!
//! It does everything that an application without a desk must do, and nothing more: it has no version, no change log
//! and no lookup of the idempotency key. It does not know which seats are free, but it never requests a seat twice.

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

/// The work of each transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// A complete reservation: seats, the buyer's counter with its limit, the reservation, and the idempotency key.
    Whole,
    /// Only the seats and the reservation, for information.
    Bare,
    /// A claim of a free coupon: the stock, the buyer's counter with its limit, the claim, and the idempotency key.
    Claim,
}

/// Two seats in the format of a reservation's row.
pub(crate) const ITEMS: &str = r#"[{"place":{"seat":{"ordinal":12345,"epoch":1}},"tier":"019ab000-0000-7000-8000-000000000001","price":2000,"fee":100,"tax":190},{"place":{"seat":{"ordinal":12346,"epoch":1}},"tier":"019ab000-0000-7000-8000-000000000001","price":2000,"fee":100,"tax":190}]"#;

/// A database with Tessera's schema and stock.
#[derive(Debug)]
pub(crate) struct Reference {
    home: Home,
    name: String,
    halls: u32,
}

impl Reference {
    /// Creates the schema and the buyers.
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

    /// Reserves the scale's pairs in a new hall over this number of connections. Returns the rate per second.
    pub(crate) async fn run(&mut self, bench: &Bench, work: Work, clients: u32) -> Outcome<f64> {
        self.halls += 1;
        let (hall, scale) = (self.halls, &bench.scale);
        let (warm, timed) = (scale.warm_up / clients, scale.reservations / clients);
        let each = (scale.guests / clients).max(1);
        let (stock, transaction) = match work {
            Work::Whole | Work::Bare => {
                (seats(hall, 100 * scale.hall_rows), reservation(work, hall, warm + timed, each))
            }
            Work::Claim => (copies(hall, clients * (warm + timed)), claim(hall, warm + timed, each)),
        };
        execute(&self.home.url, &stock).await?;
        let script = self.home.data.join(format!("work-{hall}.sql"));
        fs::write(&script, transaction)?;
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
        self.check(work, hall, i64::from(clients * (warm + timed))).await?;
        progress(&format!("pgbench, {work:?}, {clients} clients: {rate:.0}/s"));
        Ok(rate)
    }

    /// Checks the number of new rows and of taken places.
    async fn check(&self, work: Work, hall: u32, expected: i64) -> Outcome<()> {
        let id = id(hall);
        let (taken, made, places) = match work {
            Work::Whole | Work::Bare => (
                format!("SELECT count(*) FROM inventory_seat WHERE inventory_id = {id} AND status = 1"),
                format!("SELECT count(*) FROM reservation WHERE inventory_id = {id}"),
                2 * expected,
            ),
            Work::Claim => (
                format!("SELECT sold::bigint FROM inventory_area WHERE inventory_id = {id}"),
                format!("SELECT count(*) FROM claim WHERE coupon_id = {id}"),
                expected,
            ),
        };
        let (taken, made) = (number(&self.home.url, &taken).await?, number(&self.home.url, &made).await?);
        if (taken, made) != (places, expected) {
            return Err(format!("pgbench took {taken} places and made {made} of {expected}").into());
        }
        Ok(())
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

/// Returns an inventory's id as SQL.
fn id(hall: u32) -> String {
    format!("lpad('{hall}', 32, 'f')::uuid")
}

fn seats(hall: u32, seats: u32) -> String {
    let id = id(hall);
    format!(
        "SET session_replication_role = replica;
         INSERT INTO inventory (id, kind, version, capacity, available, reserved, sold, blocked, updated_at)
         VALUES ({id}, 'event', 1, {seats}, {seats}, 0, 0, 0, now());
         INSERT INTO inventory_seat (inventory_id, ordinal, status, epoch)
         SELECT {id}, n, 0, 0 FROM generate_series(0, {seats} - 1) n;"
    )
}

fn copies(hall: u32, copies: u32) -> String {
    let id = id(hall);
    format!(
        "SET session_replication_role = replica;
         INSERT INTO coupon (id, shop_id, category_id, title, description, terms, kind, amount_minor, currency,
         price_minor, tax_basis_points, codes, stock, limit_per_buyer, shareable, minimum_spend_minor, exclusive,
         position, state, version, created_at, updated_at)
         VALUES ({id}, {id}, {id}, 'Free drink', '', '', 'amount_off', 400, 'EUR', 0, 0, 'generated', {copies}, 1000,
         false, 0, false, 0, 'published', 1, now(), now());
         INSERT INTO inventory (id, kind, version, capacity, available, reserved, sold, blocked, updated_at)
         VALUES ({id}, 'coupon', 1, {copies}, {copies}, 0, 0, 0, now());
         INSERT INTO inventory_area (inventory_id, ordinal, capacity, reserved, sold) VALUES ({id}, 0, {copies}, 0, 0);"
    )
}

/// Returns the script of claims. The update of the hot row comes last, as in careful manual code, because this keeps
/// its lock short.
fn claim(hall: u32, claims_per_client: u32, each: u32) -> String {
    let coupon = id(hall);
    let buyer = "lpad(:buyer::text, 32, '0')::uuid";
    let claim = "lpad(:claim::text, 32, '0')::uuid";
    let digest = "ab".repeat(32);
    format!(
        r#"\set number :client_id * {claims_per_client} + :n
\set n :n + 1
\set buyer :client_id * {each} + :n % {each}
\set claim {hall} * 1000000 + :number
BEGIN;
INSERT INTO inventory_buyer (inventory_id, account_id, taken, allowed) VALUES ({coupon}, {buyer}, 1, 1000) ON CONFLICT (inventory_id, account_id) DO UPDATE SET taken = inventory_buyer.taken + 1;
INSERT INTO claim (id, coupon_id, shop_id, account_id, buyer_id, state, code, epoch, terms, valid_from, claimed_at, version, updated_at) VALUES ({claim}, {coupon}, {coupon}, {buyer}, {buyer}, 'claimed', 'BENCH' || lpad(:claim::text, 12, '0'), 1, '{{"title":"Free drink","worth":{{"amount_off":{{"amount":400}}}},"currency":"EUR"}}', now(), now(), 1, now());
INSERT INTO idempotency (account_id, operation, key, input_digest, subject, created_at) VALUES ({buyer}, 'claimCoupon', :claim::text, '\x{digest}', {claim}, now());
UPDATE inventory_area SET sold = sold + 1 WHERE inventory_id = {coupon} AND ordinal = 0 AND sold < capacity;
COMMIT;
"#
    )
}

/// Returns the script of reservations, client by client and pair by pair. Each client has its own `each` buyers.
fn reservation(work: Work, hall: u32, pairs_per_client: u32, each: u32) -> String {
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
