//! `kill -9` fifty times during batches: acknowledged effects are kept, none happens twice, nothing is stuck, and
//! subscribers continue at another server without a gap.
//!
//! The servers are the real binary in processes of their own, killed by their ids.

use std::{path::Path, sync::Mutex, time::Duration};

use chrono::{DateTime, Utc};
use entity::inventory::{SeatStatus, seat};
use futures_util::{FutureExt, future::join_all};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::json;
use tessera::clock::Clock;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::support::{
    World,
    blocking::block_on,
    history::{
        log::Log,
        record::Recorder,
        remote::{Front, Remote},
        seat::Rules,
        socket,
    },
    laws, postgres,
    process::{Came, Server, request},
    random::Random,
    sqlite,
    world::{application, migrate},
};

const KILLS: usize = 50;
/// Clients who reserve and release the same few seats as fast as they can.
const HAMMERS: usize = 32;
const HAMMERED: usize = 24;
/// Clients who pay.
const BUYERS: usize = 8;
const WATCHERS: u64 = 4;
/// Longer than this test: no reservation runs out in it.
const RULES: Rules = Rules { seconds: 600_000_000, seconds_max: 1_200_000_000 };

#[test]
fn fifty_kills_of_the_one_server_on_sqlite() {
    let database = sqlite::database("migrated", migrate);
    let data = tempfile::tempdir().expect("a directory");
    block_on(async || survive(&database.url, data.path(), 1).await);
}

#[test]
fn fifty_kills_of_one_of_two_servers_on_postgres() {
    let database = postgres::database("migrated", migrate);
    let data = tempfile::tempdir().expect("a directory");
    block_on(async || survive(&database.url, data.path(), 2).await);
}

async fn survive(url: &str, data: &Path, instances: usize) {
    let app = application(url, Clock::system()).await;
    let world = World::of(app, "beside the servers", url);
    let stage = world.large_stage().await;
    world.without_reservation_budget(&stage.vendor, &stage.event).await;
    let event = world.only_event().await;
    let mut servers: Vec<Server> = (0..instances).map(|_| Server::start(url, data)).collect();
    let front = Front {
        addresses: Mutex::new(servers.iter().map(|server| server.address.clone()).collect()),
        record: Recorder::default(),
        ended: CancellationToken::new(),
        event: stage.event,
        seats: stage.seats,
        area: stage.area,
        promises: Mutex::default(),
    };
    let (goal, reached) = watch::channel(None);
    let watchers = (0..WATCHERS).map(|seed| socket::watch(&front, reached.clone(), Random::new(seed)));
    let clients = (0..HAMMERS + BUYERS).map(|number| {
        let client = Remote::new(&front, format!("client-{number}"), number as u64);
        if number < HAMMERS { client.hammer(HAMMERED).boxed() } else { client.buy(HAMMERED).boxed() }
    });
    let script = async {
        let clients = join_all(clients);
        tokio::join!(clients, kill_again_and_again(&front, &mut servers, url, data));
        // All is said and done; what is written down now is the truth.
        let log = Log::read(&world.app, event).await;
        goal.send_replace(Some(log.last()));
        log
    };
    let (log, watchers) = tokio::join!(script, join_all(watchers));
    let mut seen = 0;
    for watched in &watchers {
        seen += watched.prove(&log);
        assert!(watched.snapshots() <= 2, "sent back to a snapshot {} times", watched.snapshots());
    }
    let address = servers[0].address.clone();
    keeps_promises(&front, &address).await;
    front.record.look(&world.app, event).await;
    drop(servers);
    front.record.every_reservation_is_acknowledged(&world.app, event, url).await;
    let unknown = front.record.unknown_count();
    let paid = front.promises.lock().expect("the promises").len();
    let operations = front.record.prove(RULES, 0, url);
    eprintln!(
        "{operations} operations ({unknown} unknown), {paid} paid, {} versions, seen {seen} by {WATCHERS}",
        log.last()
    );
    assert!(operations > 40 * KILLS && paid > KILLS, "the kills came in the middle: {operations}, {paid}");
    settled(url).await;
    world.end().await;
}

/// Kills a server at random, in the middle of what the clients do, and starts it again.
async fn kill_again_and_again(front: &Front, servers: &mut [Server], url: &str, data: &Path) {
    let mut random = Random::new(0);
    for _ in 0..KILLS {
        let wanted = front.record.ticks() + 100 + random.below(200) as u64;
        while front.record.ticks() < wanted {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let victim = random.below(servers.len());
        servers[victim].kill();
        // The new one takes a moment, in which the clients go on with the other, if there is one.
        let (url, data) = (url.to_owned(), data.to_owned());
        let started = tokio::task::spawn_blocking(move || Server::start(&url, &data));
        servers[victim] = started.await.expect("a server");
        front.addresses.lock().expect("the addresses")[victim].clone_from(&servers[victim].address);
    }
    front.ended.cancel();
}

/// Every order is in the state that its buyer was told of.
async fn keeps_promises(front: &Front, address: &str) {
    let promises = front.promises.lock().expect("the promises").clone();
    for (token, id, state) in promises {
        let document = "query($id: ID!) { order(id: $id) { state tickets { state code } } }";
        let Came::Answered(answer) = request(address, Some(&token), document, &json!({ "id": id })).await
        else {
            panic!("no answer");
        };
        let order = &answer["data"]["order"];
        assert_eq!(order["state"], state, "{id}: {answer}");
        let ticket = if state == "PAID" { "ISSUED" } else { "VOID" };
        assert_eq!(order["tickets"][0]["state"], ticket, "{id}: {answer}");
        assert_eq!(order["tickets"][0]["code"].is_string(), state == "PAID", "{id}: {answer}");
    }
}

/// In a world whose clock is past every deadline, all that was left undecided is decided, and the laws hold.
async fn settled(url: &str) {
    let app = application(url, Clock::manual(in_an_hour())).await;
    for _ in 0..5 {
        tessera::worker::settle(&app).await.expect("settled");
        tessera::worker::expire(&app).await.expect("expired");
        app.clock.advance(Duration::from_mins(1));
    }
    let stuck = seat::Entity::find()
        .filter(seat::Column::Status.is_in([SeatStatus::Reserved, SeatStatus::Paying]))
        .all(app.store.read())
        .await
        .expect("seats");
    assert!(stuck.is_empty(), "seats stuck beyond their deadlines: {stuck:?}");
    laws::hold(&app).await;
    tessera::server::close(app, Duration::from_secs(10)).await;
}

/// An hour from now: beyond every deadline of this test.
#[expect(clippy::disallowed_methods, reason = "the server is a real process with the real time")]
fn in_an_hour() -> DateTime<Utc> {
    Utc::now() + chrono::Duration::hours(1)
}
