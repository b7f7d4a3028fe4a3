//! A power failure at the n-th write or sync of purchases, for every n: acknowledged facts are in the database.
//!
//! A server runs on SQLite while every change of its files is recorded, together with its responses. For each recorded
//! call, the disk is rebuilt as if the power had failed right after it, with none, some or all unsynced writes. SQLite
//! opens it, and every fact that was acknowledged before must be there.
//!
//! A longer run: `scripts/power-cut`.

use std::{
    fs::{self, OpenOptions},
    path::{Path, PathBuf},
    process::Command,
};

use sqlx::{Connection, SqliteConnection};
use tempfile::TempDir;
use tessera::{clock::Clock, store::Store};

use crate::support::{
    World,
    blocking::block_on,
    disk::{
        self,
        buyer::{Fact, buy, guest},
        power::{Call, Left, Run, below, copy, mark},
    },
    laws,
    process::Server,
    sqlite,
    world::{application, migrate},
};

/// So long takes a sync, so that an answer that does not wait for it comes first.
const SYNC_MS: &str = "4";

/// A recorded run on SQLite, and the facts that its answers acknowledged.
struct Recorded {
    run: Run,
    facts: Vec<Fact>,
    /// Where the database was, and what was left of it in the end.
    database: sqlite::Database,
    _scratch: TempDir,
}

/// Records so many purchases, one after the other. Files whose name ends with `lies` are not synced in truth.
async fn record(purchases: usize, lies: &str) -> Recorded {
    let database = sqlite::database("migrated", migrate);
    let (data, scratch) =
        (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let world = World::of(application(&database.url, Clock::system()).await, "beside", &database.url);
    let stage = world.large_stage().await;
    world.end().await;
    let root = root(&database);
    let before = scratch.path().join("before");
    let inodes = copy(&root, &before);
    let trace = scratch.path().join("trace");
    let server =
        Server::start_with(&database.url, data.path(), |command| record_on(command, &root, &trace, lies));
    let mut record = OpenOptions::new().append(true).open(&trace).expect("the record");
    let mut facts = Vec::new();
    for seat in stage.seats.iter().take(purchases) {
        let mut tell = |fact| {
            mark(&mut record, &facts.len().to_string());
            facts.push(fact);
        };
        buy(&server.address, (&stage.event, seat), &mut tell).await.expect("a purchase");
    }
    server.stop();
    let run = Run::read(&trace, &root, &before, inodes);
    Recorded { run, facts, database, _scratch: scratch }
}

fn record_on<'a>(command: &'a mut Command, root: &Path, trace: &Path, lies: &str) -> &'a mut Command {
    command
        .env("LD_PRELOAD", disk::library())
        .env("TESSERA_DISK_ROOT", root)
        .env("TESSERA_DISK_TRACE", trace)
        .env("TESSERA_DISK_SYNC_MS", SYNC_MS)
        .env("TESSERA_DISK_LIES", lies)
        .env("RUST_LOG", "off")
}

fn root(database: &sqlite::Database) -> PathBuf {
    database.path().parent().expect("a directory").canonicalize().expect("a path")
}

/// What was wrong after a cut.
#[derive(Debug)]
#[expect(dead_code, reason = "shown when a test fails")]
struct Lost {
    /// After how many calls.
    at: usize,
    left: Left,
    facts: Vec<Fact>,
}

/// Cuts the power after every call that stands at or after the first acknowledged fact, and every `stride`-th only.
/// Returns the number of cuts, and those after which something acknowledged was lost.
async fn cut(recorded: &Recorded, stride: usize, seeds: u64) -> (usize, Vec<Lost>) {
    let mut replay = recorded.run.replay();
    let mut acknowledged = 0;
    let (mut cuts, mut lost) = (0, Vec::new());
    let mut at = 0;
    while let Some(call) = replay.step() {
        at += 1;
        if let Call::Mark(_) = call {
            acknowledged += 1;
        }
        // An answer is worth a cut of its own.
        if acknowledged == 0 || (at % stride != 0 && !matches!(call, Call::Mark(_))) {
            continue;
        }
        let random = (0..seeds).map(|seed| Left::Some(seed + 1_000 * at as u64));
        for left in [Left::Nothing].into_iter().chain(random) {
            cuts += 1;
            let dir = tempfile::tempdir().expect("a directory");
            replay.cut(left, dir.path());
            let missing = missing(dir.path(), &recorded.facts[..acknowledged]).await;
            if !missing.is_empty() {
                lost.push(Lost { at, left, facts: missing });
            }
        }
    }
    assert_eq!(acknowledged, recorded.facts.len());
    (cuts, lost)
}

/// Opens the database as a start after a power cut does. Returns the facts that it does not know; all of them, if it
/// is not sound.
async fn missing(dir: &Path, facts: &[Fact]) -> Vec<Fact> {
    let url = format!("sqlite://{}", dir.join("tessera.db").display());
    let Ok(mut connection) = SqliteConnection::connect(&url).await else { return facts.to_vec() };
    let sound = sqlx::query_scalar::<_, String>("PRAGMA quick_check").fetch_one(&mut connection).await;
    connection.close().await.expect("closed");
    if !sound.is_ok_and(|sound| sound == "ok") {
        return facts.to_vec();
    }
    let store = Store::connect(&url, 1).await.expect("the database");
    let mut missing = Vec::new();
    for fact in facts {
        if !fact.is_in(store.read()).await {
            missing.push(fact.clone());
        }
    }
    store.close().await.expect("closed");
    missing
}

/// The laws hold after a cut, once everything that was begun is settled.
async fn laws_hold(recorded: &Recorded, stride: usize) {
    let mut replay = recorded.run.replay();
    let mut at = 0;
    while replay.step().is_some() {
        at += 1;
        if at % stride != 0 {
            continue;
        }
        let dir = tempfile::tempdir().expect("a directory");
        replay.cut(Left::Some(at as u64), dir.path());
        let url = format!("sqlite://{}", dir.path().join("tessera.db").display());
        laws::hold_once_settled(&url).await;
    }
}

/// The record is complete: replayed in full it gives the files that the run left.
fn is_complete(recorded: &Recorded) {
    let mut replay = recorded.run.replay();
    while replay.step().is_some() {}
    let dir = tempfile::tempdir().expect("a directory");
    replay.cut(Left::All, dir.path());
    let root = root(&recorded.database);
    let names = |dir: &Path| -> Vec<PathBuf> {
        below(dir).iter().map(|path| path.strip_prefix(dir).expect("below").to_owned()).collect()
    };
    assert_eq!(names(dir.path()), names(&root));
    for name in names(&root) {
        let [replayed, left] = [dir.path(), &root].map(|dir| fs::read(dir.join(&name)).expect("a file"));
        assert!(replayed == left, "{} differs", name.display());
    }
}

#[test]
fn power_cuts_keep_acknowledged_writes() {
    block_on(async || {
        let recorded = record(2, "").await;
        is_complete(&recorded);
        let (cuts, lost) = cut(&recorded, 2, 1).await;
        assert!(lost.is_empty(), "{lost:#?}");
        eprintln!("{cuts} cuts in {} calls, {} facts", recorded.run.calls.len(), recorded.facts.len());
        assert!(cuts >= 200, "{cuts} cuts");
        laws_hold(&recorded, 40).await;
    });
}

/// The first start makes the directory, the database and its log. Their names must survive, too.
#[test]
fn power_cut_after_the_first_start_keeps_acknowledged_writes() {
    block_on(async || {
        let scratch = tempfile::tempdir().expect("a directory");
        let [root, before, trace] = ["root", "before", "trace"].map(|name| scratch.path().join(name));
        fs::create_dir(&root).expect("a directory");
        let root = root.canonicalize().expect("a path");
        let inodes = copy(&root, &before);
        let url = format!("sqlite://{}", root.join("data/tessera.db").display());
        let server =
            Server::start_with(&url, &root.join("data"), |command| record_on(command, &root, &trace, ""));
        let mut record = OpenOptions::new().append(true).open(&trace).expect("the record");
        let mut facts = Vec::new();
        for _ in 0..3 {
            let guest = guest(&server.address).await.expect("a guest");
            mark(&mut record, "");
            facts.push(guest);
        }
        server.stop();
        let run = Run::read(&trace, &root, &before, inodes);
        let (mut replay, mut acknowledged) = (run.replay(), 0);
        while let Some(call) = replay.step() {
            acknowledged += usize::from(matches!(call, Call::Mark(_)));
            if acknowledged > 0 {
                let dir = tempfile::tempdir().expect("a directory");
                replay.cut(Left::Nothing, dir.path());
                let missing = missing(&dir.path().join("data"), &facts[..acknowledged]).await;
                assert!(missing.is_empty(), "after {call:?}: {missing:?}");
            }
        }
        assert_eq!(acknowledged, facts.len());
    });
}

/// A disk that does not sync the write-ahead log is what `PRAGMA synchronous = NORMAL` makes of a good one.
#[test]
fn an_unsynced_log_is_found_out() {
    block_on(async || {
        let recorded = record(1, "-wal").await;
        is_complete(&recorded);
        let (cuts, lost) = cut(&recorded, 20, 0).await;
        eprintln!("{} of {cuts} cuts lost something", lost.len());
        assert!(lost.len() > cuts / 2, "a cut loses what was not synced");
    });
}

/// The same at every call of more purchases; see `scripts/power-cut`.
#[test]
#[ignore = "takes minutes"]
fn power_cut_at_every_call_keeps_acknowledged_writes() {
    block_on(async || {
        let recorded = record(10, "").await;
        is_complete(&recorded);
        let (cuts, lost) = cut(&recorded, 1, 2).await;
        assert!(lost.is_empty(), "{lost:#?}");
        eprintln!(
            "{cuts} cuts in {} calls, {} facts: nothing lost",
            recorded.run.calls.len(),
            recorded.facts.len()
        );
        laws_hold(&recorded, 10).await;
    });
}
