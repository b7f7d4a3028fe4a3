//! Linearisability: for the concurrent calls of 64 buyers to a few seats, through one or two instances, some sequential
//! order explains every response. All subscribers saw exactly the log.

use std::{
    env,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use entity::EventId;
use futures_util::future::join_all;
use tessera::{app::App, auth, auth::Viewer, worker};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::support::{
    World,
    given::Stage,
    history::{
        client::{Client, Shared, micros},
        log::Log,
        proxy::BadLine,
        record::Recorder,
        seat::Rules,
        watch::{Habit, watch},
    },
    random::Random,
    run_on_postgres, run_once,
};

const CLIENTS: usize = 64;
/// What each client does.
const ACTS: usize = 25;
/// The seats that all of them want.
const SEATS: usize = 16;
/// As the events of the harness say.
const RULES: Rules = Rules { seconds: 600_000_000, seconds_max: 1_200_000_000 };

/// How many histories: a few, or as many times more as the environment says.
fn seeds(few: u64) -> std::ops::Range<u64> {
    let times = env::var_os("TESSERA_HISTORIES").and_then(|text| text.to_str()?.parse().ok());
    0..few * times.unwrap_or(1)
}

#[test]
fn one_instance_on_sqlite_is_linearisable() {
    run_once(async |world: &World| histories(world, 1, seeds(4), Fault::None).await);
}

#[test]
fn one_instance_on_postgres_is_linearisable() {
    run_on_postgres(async |world: &World| histories(world, 1, seeds(3), Fault::None).await);
}

#[test]
fn two_instances_on_postgres_are_linearisable() {
    run_on_postgres(async |world: &World| histories(world, 2, seeds(6), Fault::None).await);
}

/// Commits are lost on the way to the server, or answers to them on the way back: nobody knows then what happened.
#[test]
fn two_instances_on_a_bad_line_are_linearisable() {
    run_on_postgres(async |world: &World| histories(world, 2, seeds(6), Fault::BadLine).await);
}

/// What goes wrong meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    BadLine,
}

async fn histories(world: &World, instances: usize, seeds: std::ops::Range<u64>, fault: Fault) {
    let stage = world.stage().await;
    let lines = TaskTracker::new();
    let line = (fault == Fault::BadLine).then(|| BadLine::to(&world.url, seeds.start, &lines));
    let mut apps = Vec::new();
    for _ in 0..instances {
        let app = world.second_at(line.as_ref().map_or(&world.url, |line| &line.url)).await;
        worker::start(&app);
        apps.push(app);
    }
    let mut viewers = Vec::with_capacity(CLIENTS);
    for _ in 0..CLIENTS {
        let token = world.guest().await;
        viewers.push(auth::authenticate(&world.app, Some(&token)).await.expect("a viewer"));
    }
    let mut events = Vec::new();
    for seed in seeds {
        events.push((seed, another_event(world, &stage, seed).await));
    }
    for (seed, event) in events {
        history(world, event, &apps, &viewers, Case { seed, fault }).await;
    }
    let broken = line.as_ref().map(|line| line.broken.load(Relaxed));
    assert!(broken.is_none_or(|broken| broken > 10), "the line broke {broken:?} times");
    for app in apps {
        tessera::server::close(app, Duration::from_secs(10)).await;
    }
    drop(line);
    lines.close();
    lines.wait().await;
}

/// What happens in a history.
#[derive(Clone, Copy)]
struct Case {
    seed: u64,
    fault: Fault,
}

async fn history(world: &World, event: EventId, apps: &[App], viewers: &[Viewer], case: Case) {
    let Case { seed, fault } = case;
    let what = format!("{} with {} instances, {fault:?}, seed {seed}", world.backend, apps.len());
    let start = micros(world.app.clock.now());
    let record = Recorder::default();
    let shared = Arc::new(Shared { apps: apps.to_vec(), event, seats: SEATS, record });
    let (goal, reached) = watch::channel(None);
    let mut watchers = Vec::new();
    for (number, habit) in (0..).zip([Habit::Steady, Habit::Restless, Habit::Slow]) {
        for app in apps {
            let random = Random::new(seed ^ (number << 32));
            watchers.push(app.spawn(watch(app.clone(), event, habit, reached.clone(), random)));
        }
    }
    let ran = CancellationToken::new();
    let time = world.app.spawn(time(shared.clone(), Random::new(!seed), ran.clone()));
    let clients = viewers.iter().enumerate().map(|(number, viewer)| {
        let (name, seed) = (format!("client-{seed}-{number}"), seed << 16 | number as u64);
        world.app.spawn(Client::new(shared.clone(), *viewer, seed, name).act(ACTS))
    });
    for client in join_all(clients.collect::<Vec<_>>()).await {
        client.unwrap_or_else(|panic| panic!("{what}: {panic}"));
    }
    ran.cancel();
    time.await.unwrap_or_else(|panic| panic!("{what}: {panic}"));
    settle(world, &shared).await;
    let log = loop {
        let log = Log::read(&world.app, event).await;
        goal.send_replace(Some(log.last()));
        if Log::read(&world.app, event).await.last() == log.last() {
            break log;
        }
    };
    let mut versions = 0;
    for watcher in watchers {
        let watched = tokio::time::timeout(Duration::from_secs(30), watcher).await;
        let watched = watched.unwrap_or_else(|_| panic!("{what}: a watcher never saw the end"));
        let watched = watched.unwrap_or_else(|panic| panic!("{what}: {panic}"));
        versions += watched.prove(&log);
        assert!(watched.snapshots() <= 2, "{what}: sent back to a snapshot {} times", watched.snapshots());
    }
    let shared = Arc::into_inner(shared).expect("all clients have ended");
    shared.record.every_reservation_is_acknowledged(&world.app, event, &what).await;
    shared.record.look(&world.app, event).await;
    let unknown = shared.record.unknown_count();
    let operations = shared.record.prove(RULES, start, &what);
    eprintln!(
        "{what}: {operations} operations ({unknown} unknown), {} versions, seen {versions}",
        log.last()
    );
    let is_clean = fault == Fault::None;
    assert!(!is_clean || unknown < 10, "{what}: {unknown} of {operations} answers say nothing");
    assert!(operations > CLIENTS * ACTS, "{what}: {operations} operations are no proof");
    assert!(log.last() > 30 && versions > 90, "{what}: too few versions");
}

/// Moves the clock on while the clients act, and does what the worker does when time goes on.
async fn time(shared: Arc<Shared>, mut random: Random, ran: CancellationToken) {
    let mut next = 0;
    while !ran.is_cancelled() {
        if shared.record.ticks() < next {
            tokio::time::sleep(Duration::from_millis(1)).await;
            continue;
        }
        next = shared.record.ticks() + 100;
        let clock = &shared.apps[0].clock;
        let asked = shared.record.ask();
        clock.advance(Duration::from_secs(30 + random.below(500) as u64));
        shared.record.clock(asked, micros(clock.now()));
        let (app, is_prompt) = (random.one(&shared.apps).clone(), random.chance(30));
        // Mostly nobody writes down what is overdue before somebody wants it. A round may fail on a bad line; the next
        // one does its work.
        if is_prompt {
            drop(worker::expire(&app).await);
            drop(worker::settle(&app).await);
        }
    }
}

/// Lets what a bad line left undecided be decided, so that nothing more happens by itself.
async fn settle(world: &World, shared: &Shared) {
    for _ in 0..6 {
        let asked = shared.record.ask();
        world.advance(Duration::from_secs(10));
        shared.record.clock(asked, micros(world.app.clock.now()));
        worker::settle(&world.app).await.expect("settled");
        worker::expire(&world.app).await.expect("expired");
    }
}

/// An event that no history was about.
async fn another_event(world: &World, stage: &Stage, seed: u64) -> EventId {
    let name = format!("History {seed}");
    let id = world.event(&stage.vendor, stage.place(), &name).await;
    world.without_reservation_budget(&stage.vendor, &id).await;
    let (_, suffix) = id.split_once('_').expect("a TypeID");
    let id: type_safe_id::TypeSafeId<type_safe_id::DynamicType> =
        format!("event_{suffix}").parse().expect("an id");
    EventId(id.uuid())
}
