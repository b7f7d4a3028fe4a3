//! `PgBouncer` between the server and PostgreSQL. Ignored, because it is not everywhere: `scripts/check-pgbouncer` installs it.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use sqlx::{Connection as _, PgConnection};
use tessera::{clock::Clock, inventory, store::Store, worker};
use tokio::time::{sleep, timeout};

use crate::support::{
    World,
    blocking::block_on,
    postgres::{self, Database, Durability},
    world::{application, start_of_time},
};

/// A running `PgBouncer`, which ends with this value.
struct Bouncer {
    child: Child,
    dir: tempfile::TempDir,
}

impl Bouncer {
    /// Starts one before a database, with the settings that docs/operations.md gives.
    fn start(database: &Database, mode: &str) -> Self {
        let dir =
            tempfile::Builder::new().prefix("tessera-bouncer-").tempdir_in("/tmp").expect("a directory");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).expect("ours");
        let (name, there, here) = (database.name(), database.cluster().dir().display(), dir.path().display());
        let settings = format!(
            "[databases]\n{name} = host={there} port=5432 dbname={name}\n[pgbouncer]\nlisten_addr =\nlisten_port = 6432\n\
             unix_socket_dir = {here}\nauth_type = any\npool_mode = {mode}\nlog_connections = 0\nlog_disconnections = 0\ndefault_pool_size = 40\n\
             ignore_startup_parameters = extra_float_digits,options\n"
        );
        // With this type of authentication, PgBouncer needs to be told as whom to connect.
        let settings = settings.replace(&format!("dbname={name}"), &format!("dbname={name} user=tessera"));
        let file = dir.path().join("pgbouncer.ini");
        fs::write(&file, settings).expect("written");
        let mut command = Command::new("pgbouncer");
        command.arg(&file).stdin(Stdio::null()).stdout(Stdio::null());
        // As PostgreSQL, it refuses to run as root.
        if is_root(&file) {
            command.args(["-u", "nobody"]);
        }
        let child = command.spawn().expect("pgbouncer is installed: scripts/check-pgbouncer does that");
        Self { child, dir }
    }

    fn url(&self, database: &Database) -> String {
        let dir = self.dir.path().display();
        format!("postgres://tessera@localhost/{}?host={dir}&port=6432&sslmode=disable", database.name())
    }
}

fn is_root(file: &Path) -> bool {
    std::os::unix::fs::MetadataExt::uid(&fs::metadata(file).expect("ours")) == 0
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

async fn works_behind(mode: &str) {
    let database = postgres::shared(Durability::Fast).empty();
    let owner = database.url.clone();
    let mut connection = PgConnection::connect(&owner).await.expect("a connection");
    for setting in
        ["lock_timeout = '3s'", "statement_timeout = '5s'", "idle_in_transaction_session_timeout = '10s'"]
    {
        let alter = format!("ALTER ROLE tessera IN DATABASE {} SET {setting}", database.name());
        sqlx::raw_sql(sqlx::AssertSqlSafe(alter)).execute(&mut connection).await.expect("altered");
    }
    connection.close().await.expect("closed");
    let bouncer = Bouncer::start(&database, mode);
    let url = bouncer.url(&database);
    let store = Store::connect_within(&url, 2, Duration::from_secs(10)).await.expect("PgBouncer answers");
    store.migrate().await.expect("the schema");
    store.close().await.expect("closed");
    let app = application(&url, Clock::manual(start_of_time())).await;
    let world = World::of(app, "PostgreSQL behind PgBouncer", &url);
    let timeout_set: String = {
        let mut connection = PgConnection::connect(&url).await.expect("a connection");
        let set =
            sqlx::query_scalar("SHOW lock_timeout").fetch_one(&mut connection).await.expect("a setting");
        connection.close().await.expect("closed");
        set
    };
    assert_eq!(timeout_set, "3s");
    let second = world.second().await;
    let stage = world.stage().await;
    let event = world.only_event().await;
    // The second instance has the event's stock in memory, and hears of what the first sells.
    let before = inventory::feed::availability(&second, event.into()).await.expect("read").version;
    worker::start(&second);
    let buyers: Vec<_> = futures_util::future::join_all((0..10).map(|_| world.guest())).await;
    let sale = async |buyer: &String, seat: &String| world.buy(buyer, &stage.event, &[seat]).await;
    futures_util::future::join_all(buyers.iter().zip(&stage.seats).map(|(buyer, seat)| sale(buyer, seat)))
        .await;
    let follows = async {
        while inventory::feed::published_version(&second, event.into()).unwrap_or(before) < before + 10 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(20), follows).await.expect("the second instance follows");
    let heard = database.cluster().count(
        database.name(),
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()",
    );
    assert!(heard > 0, "hints are listened to");
    tessera::server::close(second, Duration::from_secs(20)).await;
    world.end().await;
    drop(bouncer);
}

#[test]
#[ignore = "needs PgBouncer: scripts/check-pgbouncer"]
fn server_works_behind_pgbouncer_in_session_mode() {
    block_on(async || works_behind("session").await);
}
