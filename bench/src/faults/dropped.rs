//! Drops subscriptions during their first read, behind a delay.

use std::time::Duration;

use serde_json::json;
use sqlx::{Connection, PgConnection};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::{
    Outcome,
    caller::{STAFF, source},
    faults::{
        inject::{Done, Victim, each},
        proxy::Mode,
        scene::Scene,
    },
    frame::{TEXT, masked},
    socket::upgrade,
};

/// The delay in one direction. A round trip takes twice as long.
const DELAY: Duration = Duration::from_millis(50);
/// The number of events that no instance has loaded yet.
const EVENTS: usize = 50;
/// The maximum time for which a connection may be idle in a transaction, in milliseconds.
const IDLE_MILLIS: i64 = 200;
/// The timeout of the first message of a subscription that is not dropped. Loading each of the 50 events takes about 15
/// round trips of 100 ms, over 6 connections. So the last event takes 13 seconds.
const FIRST: Duration = Duration::from_secs(30);

/// Drops 100 subscriptions, and then opens 100 that must work.
pub(crate) async fn drop_subscriptions(victim: &Victim<'_>) -> Outcome<Done> {
    let mut scenes = Vec::new();
    for number in 0..EVENTS {
        let slug = format!("{}-cold-{number}", victim.scene.slug);
        scenes.push(Scene::build(victim.instances[0].address, &slug).await?);
    }
    each(victim.proxies, |proxy| proxy.set(Mode::Delay(DELAY)));
    let mut idle = JoinSet::new();
    idle.spawn(watch_idle(victim.ground.url()));
    for (number, scene) in scenes.iter().enumerate() {
        for instance in &*victim.instances {
            let mut stream = open(instance.address, number).await?;
            stream.write_all(&subscribe(scene)?).await?;
            let wait = 110 + 90 * u64::try_from(number)? / u64::try_from(EVENTS)?;
            sleep(Duration::from_millis(wait)).await;
            drop(stream);
        }
    }
    let mut tasks = JoinSet::new();
    for (number, scene) in scenes.into_iter().enumerate() {
        for instance in &*victim.instances {
            tasks.spawn(works(instance.address, number, scene.clone()));
        }
    }
    let (mut working, mut all) = (0, 0);
    while let Some(works) = tasks.join_next().await {
        all += 1;
        working += u32::from(works?);
    }
    each(victim.proxies, |proxy| proxy.set(Mode::Pass));
    sleep(Duration::from_secs(1)).await;
    let mut done = Done::default();
    if working < all {
        done.notes.push(format!("{working} of {all} new subscriptions work"));
    }
    if let Some(found) = idle.try_join_next() {
        done.notes.push(found??);
    }
    Ok(done)
}

/// Returns when a connection was idle in a transaction for too long.
async fn watch_idle(url: String) -> Outcome<String> {
    let sql = "SELECT coalesce(max((extract(epoch FROM clock_timestamp() - state_change) * 1000)::bigint), 0)
        FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND datname = current_database()";
    let mut connection = PgConnection::connect(&url).await?;
    loop {
        let idle: i64 = sqlx::query_scalar(sql).fetch_one(&mut connection).await?;
        // The delay itself leaves a transaction idle between two statements.
        if idle > IDLE_MILLIS {
            return Ok(format!("a connection was idle in a transaction for {idle} ms"));
        }
        sleep(Duration::from_millis(50)).await;
    }
}

async fn open(address: std::net::SocketAddr, number: usize) -> Outcome<TcpStream> {
    let from = source(STAFF + 2_000 + u32::try_from(number)?);
    let (status, mut stream) = upgrade(address, from, (&address.to_string(), "")).await?;
    if status != 101 {
        return Err(format!("the handshake was answered {status}").into());
    }
    stream.write_all(&masked(TEXT, br#"{"type":"connection_init"}"#)?).await?;
    let mut buffer = [0; 256];
    timeout(FIRST, stream.read(&mut buffer)).await??;
    Ok(stream)
}

fn subscribe(scene: &Scene) -> Outcome<Vec<u8>> {
    let document = format!(
        "subscription {{ seatAvailability(eventId: \"{}\") {{
            ... on AvailabilitySnapshot {{ version }} ... on AvailabilityDelta {{ version }} }} }}",
        scene.event
    );
    let message = json!({ "type": "subscribe", "id": "1", "payload": { "query": document } });
    masked(TEXT, message.to_string().as_bytes())
}

/// Returns whether a new subscription gets its snapshot.
async fn works(address: std::net::SocketAddr, number: usize, scene: Scene) -> bool {
    let until = Instant::now() + FIRST;
    let first = async {
        let mut stream = open(address, number).await?;
        stream.write_all(&subscribe(&scene)?).await?;
        let mut all = Vec::new();
        while Instant::now() < until {
            if stream.read_buf(&mut all).await? == 0 {
                break;
            }
            let text = String::from_utf8_lossy(&all);
            if text.contains("\"next\"") && text.contains("\"version\":") {
                return Outcome::Ok(true);
            }
        }
        Ok(false)
    };
    matches!(timeout(FIRST, first).await, Ok(Ok(true)))
}
