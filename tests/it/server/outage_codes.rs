//! Error codes and log lines during database outages: one code with a retry time, and few lines.

use std::{fs::File, path::Path, sync::Arc, time::Duration};

use futures_util::future::join_all;
use serde_json::json;
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep},
};

use crate::support::{
    blocking::block_on,
    crowd::Crowd,
    given,
    link::New,
    postgres::{self, Cluster, Durability},
    scene::{
        DEADLINE, RECOVERY, Scene, Seen, Wish, ask, browse, eventually, guest, is_of_level, log, reserve,
    },
    world::migrate,
};

const BUYERS: usize = 4;
/// The most lines of level WARN and ERROR that one outage may leave in the log.
const LINES: usize = 6;
const OUTAGES: usize = 3;

/// Waits for the end of a fault, as far as clients see it.
async fn recovers(crowd: &Crowd<'_>, fault: &str, problems: &mut Vec<String>) {
    if !crowd.all_are_served(RECOVERY).await {
        problems.push(format!("{RECOVERY:?} after {fault}, not all clients are served again"));
    }
}

#[test]
fn clients_see_only_passing_errors_during_cuts_and_stalls() {
    block_on(async || {
        let scene = Scene::on(postgres::database("migrated", migrate), 1).await;
        let server = scene.server();
        let crowd = Crowd::new(&scene, &server.address, BUYERS);
        let mut problems = Vec::new();
        crowd
            .during(async {
                recovers(&crowd, "the start", &mut problems).await;
                assert_eq!(
                    (problems.len(), crowd.failures()),
                    (0, 0),
                    "nothing failed yet: {:?}",
                    crowd.all()
                );
                for _ in 0..2 {
                    scene.link.cut(New::Refuse);
                    if !crowd.all_suffer(2 * DEADLINE).await {
                        problems.push("a request hangs during a cut".to_owned());
                    }
                    scene.link.heal();
                    recovers(&crowd, "a cut", &mut problems).await;
                    scene.link.cut(New::Pass);
                    recovers(&crowd, "a reset of all connections", &mut problems).await;
                }
                scene.link.stall(New::Pass);
                recovers(&crowd, "a stall", &mut problems).await;
                scene.link.stall(New::Stall);
                if !crowd.all_suffer(3 * DEADLINE).await {
                    problems.push("a request hangs during a blackout".to_owned());
                }
                scene.link.heal();
                recovers(&crowd, "a blackout", &mut problems).await;
            })
            .await;
        problems.extend(crowd.violations());
        assert!(problems.is_empty(), "{}", problems.join("\n"));
        server.stop();
        scene.laws_hold().await;
    });
}

/// Reserves at a database that takes no writes, or again takes some.
async fn try_reserve(scene: &Scene, address: &str, token: &str) -> Seen {
    reserve(
        address,
        token,
        Wish { event: scene.event(), seat: &scene.goods.seats[1], key: "read-only" },
        DEADLINE,
    )
    .await
}

#[test]
fn database_that_takes_no_writes_is_unavailable_and_can_be_read() {
    block_on(async || {
        let scene = Scene::on(postgres::database("migrated", migrate), 1).await;
        let server = scene.server();
        let token = guest(&server.address).await;
        let seat = Wish { event: scene.event(), seat: &scene.goods.seats[0], key: "before" };
        let seen = reserve(&server.address, &token, seat, DEADLINE).await;
        assert!(seen.data("/reserveSeats/reservation/id").is_string(), "{seen:?}");
        // Sessions take the setting when they begin.
        let make_read_only = |value: &str| {
            let name = scene.database.name();
            scene.database.cluster().execute([
                format!("ALTER DATABASE {name} SET default_transaction_read_only = {value}"),
                format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"),
            ]);
        };
        make_read_only("on");
        let mut all = join_all((0..4).map(|_| try_reserve(&scene, &server.address, &token))).await;
        let guests = (0..4).map(|_| ask(&server.address, None, (given::GUEST, json!({})), DEADLINE));
        all.extend(join_all(guests).await);
        all.iter().for_each(Seen::is_unavailable);
        all.iter().for_each(Seen::says_when_to_come_back);
        let browses = async || {
            let seen = browse(&server.address, &token, scene.event(), DEADLINE).await;
            if seen.data("/event/version").is_number() { Ok(()) } else { Err(seen) }
        };
        eventually(RECOVERY, "the database can be read", browses).await;
        for _ in 0..20 {
            browses().await.expect("the database can be read");
        }
        make_read_only("off");
        let reserves = async || {
            let seen = try_reserve(&scene, &server.address, &token).await;
            if seen.data("/reserveSeats/reservation/id").is_string() {
                return Ok(());
            }
            seen.is_unavailable();
            Err(seen)
        };
        eventually(RECOVERY, "the database takes writes again", reserves).await;
        server.stop();
        scene.laws_hold().await;
    });
}

/// Says that the database went away.
fn says_away(line: &str) -> bool {
    is_of_level(line, &["WARN", "ERROR"]) && line.contains("the database") && line.contains("away")
}

/// Says that it returned.
fn says_back(line: &str) -> bool {
    is_of_level(line, &["INFO", "WARN"]) && line.contains("the database") && line.contains(" back")
}

/// Waits until the log has this number of lines of a kind. Too few are reported at the end, with the log.
async fn is_logged(file: &Path, says: fn(&str) -> bool, count: usize) {
    let begun = Instant::now();
    while begun.elapsed() < RECOVERY && log(file).iter().filter(|line| says(line)).count() < count {
        sleep(Duration::from_millis(50)).await;
    }
}

async fn of(cluster: &Arc<Cluster>, work: fn(&Cluster)) {
    let cluster = cluster.clone();
    spawn_blocking(move || work(&cluster)).await.expect("done");
}

#[test]
fn outages_are_logged_once_each() {
    let cluster = Cluster::start(Durability::Fast);
    block_on(async || {
        let scene = Scene::on(cluster.database("migrated", migrate), 1).await;
        let file = scene.data.path().join("log");
        let server = scene.server_with(|command| {
            let log = File::create(&file).expect("a log");
            // What an operator sees who sets nothing.
            command.env_remove("RUST_LOG").stderr(log)
        });
        let crowd = Crowd::new(&scene, &server.address, BUYERS);
        crowd
            .during(async {
                assert!(crowd.all_are_served(RECOVERY).await, "all are served");
                for outage in 1..=OUTAGES {
                    of(&cluster, Cluster::stop_server).await;
                    crowd.all_suffer(2 * DEADLINE).await;
                    is_logged(&file, says_away, outage).await;
                    of(&cluster, Cluster::start_server).await;
                    crowd.all_are_served(RECOVERY).await;
                    is_logged(&file, says_back, outage).await;
                }
            })
            .await;
        server.stop();
        let lines = log(&file);
        let count = |says: &dyn Fn(&str) -> bool| lines.iter().filter(|line| says(line)).count();
        let loud = count(&|line| is_of_level(line, &["WARN", "ERROR"]));
        let (away, back) = (count(&says_away), count(&says_back));
        let excerpt = || {
            let loud = lines.iter().filter(|line| is_of_level(line, &["WARN", "ERROR"]) || says_back(line));
            loud.take(40).map(String::as_str).collect::<Vec<_>>().join("\n")
        };
        assert!(
            loud <= LINES * OUTAGES && (away, back) == (OUTAGES, OUTAGES),
            "{OUTAGES} outages: {away} lines when the database went away, {back} when it was back, {loud} of WARN and ERROR:\n{}",
            excerpt()
        );
        for line in lines.iter().filter(|line| says_back(line)) {
            let has_duration = ["seconds=", "duration=", "lasted="].iter().any(|field| line.contains(field));
            let has_count =
                ["failures=", "failed=", "errors=", "count="].iter().any(|field| line.contains(field));
            assert!(has_duration && has_count, "a duration and a count: {line}");
        }
        scene.laws_hold().await;
    });
}
