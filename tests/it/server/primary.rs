//! PostgreSQL with several hosts: connections go to the primary and follow a promotion.

use std::time::Duration;

use serde_json::json;
use tessera::{clock::Clock, worker};
use tokio::time::{sleep, timeout};

use crate::support::{
    World,
    blocking::block_on,
    postgres::{Cluster, Durability},
    world::{application, migrate, start_of_time},
};

/// Longer than following the primary takes.
const PATIENCE: Duration = Duration::from_secs(30);

const LISTENERS: &str = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'";

/// The address of one database at both servers, in this order.
fn address(clusters: [&Cluster; 2], database: &str) -> String {
    let dirs = clusters.map(|cluster| cluster.dir().display().to_string());
    format!(
        "postgres://tessera@localhost/{database}?host={}&port=5432,5432&sslmode=disable&target_session_attrs=read-write",
        dirs.join(",")
    )
}

/// A world with the loops of a server, which follow the primary.
async fn world(url: &str) -> World {
    let app = application(url, Clock::manual(start_of_time())).await;
    worker::start(&app);
    World::of(app, "PostgreSQL with two servers", url)
}

async fn until(mut is_so: impl FnMut() -> bool, what: &str) {
    let wait = async {
        while !is_so() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// Asks again, as clients do while a server answers `UNAVAILABLE`, until the seat is reserved.
async fn reserve_at_last(world: &World, token: &str, event: &str, seat: &str) {
    let again = async {
        loop {
            let answer = world.try_reserve(token, event, &[seat], "during the failover").await;
            if answer.data("reserveSeats.reservation.id").is_string() {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, again).await.expect("the primary is found");
}

/// Stops a primary before its standby ends, also when the test fails: it would wait for that one for ever.
struct Stopped<'a>(&'a Cluster);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        self.0.stop_server();
    }
}

#[test]
fn connections_follow_a_promoted_standby() {
    let primary = Cluster::start(Durability::Real);
    let database = primary.database("migrated", migrate);
    let standby = primary.standby();
    let _stopped = Stopped(&primary);
    // What is acknowledged is at the standby too.
    primary.administer("ALTER SYSTEM SET synchronous_standby_names = '*'");
    primary.administer("SELECT pg_reload_conf()");
    block_on(async || {
        // The standby is the first that is asked, and takes no writes.
        let world = world(&address([&standby, &primary], database.name())).await;
        let stage = world.stage().await;
        let buyer = world.guest().await;
        world.buy(&buyer, &stage.event, &[&stage.seats[0]]).await;
        until(|| primary.count("postgres", LISTENERS) == 1, "hints are listened to").await;
        primary.stop_server();
        standby.promote();
        reserve_at_last(&world, &buyer, &stage.event, &stage.seats[1]).await;
        until(|| standby.count("postgres", LISTENERS) == 1, "hints are listened to at the new primary").await;
        // What was sold stays sold, and selling goes on.
        let taken = world.try_reserve(&buyer, &stage.event, &[&stage.seats[0]], "sold before").await;
        assert_eq!(taken.refusal("reserveSeats").as_deref(), Some("SEATS_TAKEN"), "{}", taken.body);
        world.buy(&buyer, &stage.event, &[&stage.seats[2]]).await;
        world.end().await;
    });
}

#[test]
fn connections_leave_a_server_that_takes_no_writes_any_more() {
    let clusters = [Cluster::start(Durability::Fast), Cluster::start(Durability::Fast)];
    let databases = clusters.each_ref().map(|cluster| cluster.database("migrated", migrate));
    let [first, second] = &clusters;
    assert_eq!(databases[0].name(), databases[1].name(), "one address for both");
    block_on(async || {
        let world = world(&address([first, second], databases[0].name())).await;
        world.user("first").await;
        until(|| first.count("postgres", LISTENERS) == 1, "hints are listened to").await;
        // The connections stay open, and every transaction on them fails from now on.
        first.administer("ALTER SYSTEM SET default_transaction_read_only = on");
        first.administer("SELECT pg_reload_conf()");
        until(|| second.count("postgres", LISTENERS) == 1, "hints are listened to at the other server").await;
        assert_eq!(first.count("postgres", LISTENERS), 0, "and not at the first any more");
        world.user("second").await;
        let stage = world.stage().await;
        let buyer = world.guest().await;
        world.buy(&buyer, &stage.event, &[&stage.seats[0]]).await;
        let sign_in = "mutation { signIn(input: { email: \"first@tessera.test\", password: \"correct horse battery\" }) {
            session { accessToken } errors { code } } }";
        let answer = world.gql(None, sign_in, json!({})).await;
        assert_eq!(answer.refusal("signIn").as_deref(), Some("WRONG_CREDENTIALS"), "{}", answer.body);
        world.end().await;
    });
    first.administer("ALTER SYSTEM RESET default_transaction_read_only");
    first.administer("SELECT pg_reload_conf()");
}
