//! Invariants of the database after each fault, as SQL for both databases.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use tokio::time::{Instant, sleep};

use crate::{Outcome, faults::scene::Scene, postgres};

/// The maximum time until the workers have settled all payments and refunds.
const SETTLED: Duration = Duration::from_secs(45);

/// Counts of rows in the database.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    /// Reservations of the event.
    pub(crate) reservations: i64,
    /// Orders of the event.
    pub(crate) orders: i64,
    /// Claims of the coupon.
    pub(crate) claims: i64,
    /// Seats with two tickets, orders with two captured payments, payments with two refunds.
    pub(crate) twice: i64,
    /// Descriptions of violated invariants.
    pub(crate) broken: Vec<String>,
}

/// The invariants. Each query counts violations. `{event}` and `{coupon}` are the ids of the scene.
const LAWS: [(&str, &str); 9] = [
    (
        "seats and counts differ",
        "SELECT count(*) FROM inventory i WHERE i.id = {event} AND (
            i.available + i.reserved + i.sold + i.blocked <> i.capacity
            OR i.sold <> (SELECT count(*) FROM inventory_seat s WHERE s.inventory_id = i.id AND s.status = 3)
                + (SELECT coalesce(sum(a.sold), 0) FROM inventory_area a WHERE a.inventory_id = i.id)
            OR i.reserved <> (SELECT count(*) FROM inventory_seat s WHERE s.inventory_id = i.id AND s.status IN (1, 2))
                + (SELECT coalesce(sum(a.reserved), 0) FROM inventory_area a WHERE a.inventory_id = i.id))",
    ),
    (
        "a sold seat without a ticket, or the reverse",
        "SELECT abs((SELECT count(*) FROM inventory_seat WHERE inventory_id = {event} AND status = 3)
            - (SELECT count(*) FROM ticket WHERE event_id = {event} AND seat_ordinal IS NOT NULL AND state <> 'void'))",
    ),
    (
        "a reservation's seats are not its own",
        "SELECT count(*) FROM inventory_seat s WHERE s.inventory_id = {event} AND s.status IN (1, 2) AND NOT EXISTS (
            SELECT 1 FROM reservation r WHERE r.id = s.reservation_id AND r.state IN ('active', 'paying'))",
    ),
    (
        "the change log has a gap",
        "SELECT count(*) FROM inventory i WHERE i.id IN ({event}, {coupon}) AND (
            (SELECT max(version) FROM inventory_change c WHERE c.inventory_id = i.id) <> i.version
            OR (SELECT count(*) - max(version) + min(version) FROM inventory_change c WHERE c.inventory_id = i.id) <> 1)",
    ),
    (
        "a paid order without a ticket for each line",
        "SELECT count(*) FROM orders o WHERE o.state = 'paid' AND o.id IN ({orders}) AND
            (SELECT count(*) FROM ticket t WHERE t.order_id = o.id AND t.state <> 'void')
            <> (SELECT count(*) FROM order_line l WHERE l.order_id = o.id)",
    ),
    (
        "an order that is not paid with a valid ticket",
        "SELECT count(*) FROM ticket t JOIN orders o ON o.id = t.order_id
            WHERE t.event_id = {event} AND t.state <> 'void' AND o.state <> 'paid'",
    ),
    (
        "a posting that does not sum to zero",
        "SELECT count(*) FROM (SELECT posting_id FROM ledger_entry GROUP BY posting_id HAVING sum(amount_minor) <> 0) x",
    ),
    (
        "captured and booked at the provider differ",
        "SELECT count(*) FROM payment p LEFT JOIN sandbox_intent i ON i.id = p.provider_ref
            WHERE p.order_id IN ({orders}) AND ((p.state = 'captured' AND (i.status IS NULL OR i.status <> 'succeeded'
            OR i.amount <> p.amount_minor)) OR (p.state <> 'captured' AND i.status = 'succeeded'))",
    ),
    (
        "refunded and booked at the provider differ",
        "SELECT count(*) FROM refund r LEFT JOIN sandbox_refund s ON s.id = r.provider_ref
            WHERE r.order_id IN ({orders}) AND (s.amount IS NULL OR s.amount <> r.amount_minor)",
    ),
];

/// Queries of things that must not exist twice.
const TWICE: [&str; 3] = [
    "SELECT count(*) FROM (SELECT seat_ordinal FROM ticket WHERE event_id = {event} AND state <> 'void'
        AND seat_ordinal IS NOT NULL GROUP BY seat_ordinal HAVING count(*) > 1) x",
    "SELECT count(*) FROM (SELECT order_id FROM payment WHERE state = 'captured' AND order_id IN ({orders})
        GROUP BY order_id HAVING count(*) > 1) x",
    "SELECT count(*) FROM (SELECT payment_id FROM refund WHERE order_id IN ({orders})
        GROUP BY payment_id HAVING count(*) > 1) x",
];

/// Counts the payments and refunds that the workers have not settled yet.
const UNSETTLED: &str = "SELECT (SELECT count(*) FROM payment WHERE order_id IN ({orders}) AND state IN
    ('created', 'submitted', 'authorised', 'capturing')) + (SELECT count(*) FROM refund WHERE order_id IN ({orders})
    AND state IN ('requested', 'submitted', 'pending', 'failed'))";

/// Waits until the payments are settled, and reads the database.
pub(crate) async fn read(url: &str, scene: &Scene) -> Outcome<Rows> {
    let mut rows = Rows::default();
    let until = Instant::now() + SETTLED;
    loop {
        let open = number(url, scene, UNSETTLED).await?;
        if open == 0 {
            break;
        }
        if Instant::now() > until {
            rows.broken.push(format!("payments and refunds that are not settled: {open}"));
            break;
        }
        sleep(Duration::from_millis(250)).await;
    }
    for (law, sql) in LAWS {
        let count = number(url, scene, sql).await?;
        if count != 0 {
            rows.broken.push(format!("{law}: {count}"));
        }
    }
    for sql in TWICE {
        rows.twice += number(url, scene, sql).await?;
    }
    rows.reservations =
        number(url, scene, "SELECT count(*) FROM reservation WHERE inventory_id = {event}").await?;
    rows.orders = number(url, scene, "SELECT count(*) FROM orders WHERE id IN ({orders})").await?;
    rows.claims = number(url, scene, "SELECT count(*) FROM claim WHERE coupon_id = {coupon}").await?;
    Ok(rows)
}

async fn number(url: &str, scene: &Scene, sql: &str) -> Outcome<i64> {
    let event = format!("(SELECT id FROM event WHERE slug = '{}')", scene.slug);
    let coupon = format!("(SELECT id FROM coupon WHERE title = '{}')", scene.slug);
    let sql = sql
        .replace("{orders}", "SELECT order_id FROM order_line WHERE event_id = {event}")
        .replace("{event}", &event)
        .replace("{coupon}", &coupon);
    if url.starts_with("postgres") {
        // On PostgreSQL, `sum` is numeric.
        return postgres::number(url, &format!("SELECT ({sql})::bigint")).await;
    }
    let mut connection = SqliteConnection::connect(url).await?;
    let number = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(number)
}
