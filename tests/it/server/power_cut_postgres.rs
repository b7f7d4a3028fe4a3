//! The power fails under PostgreSQL: the same as in `power_cut.rs`, with its cluster on the recorded disk.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
    sync::Arc,
};

use tempfile::TempDir;
use tessera::{clock::Clock, store::Store};

use crate::support::{
    World,
    blocking::block_on,
    disk::{
        self,
        buyer::{Fact, buy},
        power::{Call, Left, Run, below, copy, mark},
    },
    postgres::{Cluster, Database, Durability},
    process::Server,
    world::{application, migrate},
};

/// Files that PostgreSQL writes through stdio, which the shim does not see. All are made anew when they are missing.
const UNSEEN: &[&str] = &["postmaster.pid", "postmaster.opts", "pg_internal.init", "pg_stat", "pg_stat_tmp"];

/// So long takes a sync, so that an answer that does not wait for it comes first.
const SYNC_MS: &str = "4";

/// A recorded run on a cluster, which is stopped.
struct Recorded {
    run: Run,
    facts: Vec<Fact>,
    cluster: Arc<Cluster>,
    database: Database,
    _scratch: TempDir,
}

/// Records so many purchases, with a checkpoint after the first, on a cluster with these settings.
async fn record(purchases: usize, settings: &[&str]) -> Recorded {
    let cluster = Cluster::start(Durability::Real);
    let database = cluster.database("migrated", migrate);
    let (data, scratch) = (tempfile::tempdir().expect("a directory"), scratch());
    let world = World::of(application(&database.url, Clock::system()).await, "beside", &database.url);
    let stage = world.stage().await;
    world.end().await;
    for setting in settings {
        cluster.execute([format!("ALTER SYSTEM SET {setting}")]);
    }
    cluster.stop_server();
    let root = cluster.dir().join("data").canonicalize().expect("a path");
    let before = scratch.path().join("before");
    let inodes = copy(&root, &before);
    let trace = scratch.path().join("trace");
    let record = OpenOptions::new().append(true).create(true).open(&trace);
    let mut record = record.expect("the record");
    fs::set_permissions(&trace, fs::Permissions::from_mode(0o666)).expect("its mode");
    cluster.set_environment(&[
        ("LD_PRELOAD", disk::library()),
        ("TESSERA_DISK_ROOT", &root),
        ("TESSERA_DISK_TRACE", &trace),
        ("TESSERA_DISK_SYNC_MS", Path::new(SYNC_MS)),
    ]);
    cluster.start_server();
    let server = Server::start(&database.url, data.path());
    let mut facts = Vec::new();
    for (number, seat) in stage.seats.iter().take(purchases).enumerate() {
        let mut tell = |fact| {
            mark(&mut record, &facts.len().to_string());
            facts.push(fact);
        };
        buy(&server.address, (&stage.event, seat), &mut tell).await.expect("a purchase");
        if number == 0 && purchases > 1 {
            cluster.execute(["CHECKPOINT".to_owned()]);
        }
    }
    server.stop();
    cluster.stop_server();
    cluster.set_environment(&[]);
    let run = Run::read(&trace, &root, &before, inodes);
    Recorded { run, facts, cluster, database, _scratch: scratch }
}

/// A directory that PostgreSQL's user can enter.
fn scratch() -> TempDir {
    let dir = tempfile::Builder::new().prefix("tessera-power-").tempdir_in("/tmp").expect("a directory");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("its mode");
    dir
}

/// Cuts the power after the calls that `is_wanted`, from the first acknowledged fact on. Returns the number of cuts, and
/// the calls after which something acknowledged was lost.
async fn cut(
    recorded: &Recorded,
    is_wanted: impl Fn(usize, &Call) -> Option<Left>,
) -> (usize, Vec<(usize, Vec<Fact>)>) {
    let mut replay = recorded.run.replay();
    let (mut acknowledged, mut at, mut cuts) = (0, 0, 0);
    let mut lost = Vec::new();
    while let Some(call) = replay.step() {
        at += 1;
        acknowledged += usize::from(matches!(call, Call::Mark(_)));
        let Some(left) = is_wanted(at, call).filter(|_| acknowledged > 0) else { continue };
        cuts += 1;
        let data = emptied(&recorded.cluster);
        replay.cut(left, &data);
        // The process that it names is gone. The harness waits for a new one.
        drop(fs::remove_file(data.join("postmaster.pid")));
        // The recovery itself is not cut.
        let settings = OpenOptions::new().append(true).open(data.join("postgresql.auto.conf"));
        writeln!(settings.expect("the settings"), "fsync = off\nsynchronous_commit = on").expect("a setting");
        recorded.cluster.start_server();
        let store = Store::connect(&recorded.database.url, 1).await.expect("the database");
        let mut missing = Vec::new();
        for fact in &recorded.facts[..acknowledged] {
            if !fact.is_in(store.read()).await {
                missing.push(fact.clone());
            }
        }
        store.close().await.expect("closed");
        recorded.cluster.stop_server();
        if !missing.is_empty() {
            lost.push((at, missing));
        }
    }
    assert_eq!(acknowledged, recorded.facts.len());
    (cuts, lost)
}

/// The cluster's data directory, with nothing in it.
fn emptied(cluster: &Cluster) -> PathBuf {
    let data = cluster.dir().join("data");
    let owner = fs::metadata(&data).expect("metadata");
    fs::remove_dir_all(&data).expect("removed");
    fs::create_dir(&data).expect("a directory");
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).expect("its mode");
    chown(&data, Some(owner.uid()), Some(owner.gid())).expect("its owner");
    data
}

/// The record is complete: replayed in full it gives the files that the run left.
fn is_complete(recorded: &Recorded) {
    let mut replay = recorded.run.replay();
    while replay.step().is_some() {}
    let dir = tempfile::tempdir().expect("a directory");
    replay.cut(Left::All, dir.path());
    let root = recorded.cluster.dir().join("data");
    let names = |dir: &Path| -> Vec<PathBuf> {
        let names = below(dir).into_iter().map(|path| path.strip_prefix(dir).expect("below").to_owned());
        names.filter(|name| !name.iter().any(|part| UNSEEN.iter().any(|unseen| part == *unseen))).collect()
    };
    assert_eq!(names(dir.path()), names(&root));
    for name in names(&root) {
        if root.join(&name).is_file() {
            let [replayed, left] = [dir.path(), &root].map(|dir| fs::read(dir.join(&name)).expect("a file"));
            assert!(replayed == left, "{} differs", name.display());
        }
    }
}

/// Every answer, and every so many calls; with nothing left and with some left by turns.
fn every(stride: usize) -> impl Fn(usize, &Call) -> Option<Left> {
    move |at, call| {
        if matches!(call, Call::Mark(_)) {
            Some(Left::Nothing)
        } else if at % stride == 0 {
            Some(if (at / stride).is_multiple_of(2) { Left::Nothing } else { Left::Some(at as u64) })
        } else {
            None
        }
    }
}

fn answers(_: usize, call: &Call) -> Option<Left> {
    matches!(call, Call::Mark(_)).then_some(Left::Nothing)
}

#[test]
fn power_cuts_of_postgres_keep_acknowledged_writes() {
    block_on(async || {
        let recorded = record(2, &[]).await;
        is_complete(&recorded);
        let stride = (recorded.run.calls.len() / 12).max(1);
        let (cuts, lost) = cut(&recorded, every(stride)).await;
        eprintln!("{cuts} cuts in {} calls, {} facts", recorded.run.calls.len(), recorded.facts.len());
        assert!(lost.is_empty(), "{lost:#?}");
    });
}

#[test]
fn an_answer_of_postgres_before_its_sync_is_found_out() {
    block_on(async || {
        for setting in ["synchronous_commit = off", "fsync = off"] {
            let recorded = record(1, &[setting]).await;
            let (cuts, lost) = cut(&recorded, answers).await;
            eprintln!("{setting}: {} of {cuts} cuts lost something", lost.len());
            assert!(!lost.is_empty(), "{setting}: a cut loses what was not synced");
        }
    });
}

/// The same at every call; see `scripts/power-cut`.
#[test]
#[ignore = "takes minutes"]
fn power_cut_of_postgres_at_every_call_keeps_acknowledged_writes() {
    block_on(async || {
        let recorded = record(3, &[]).await;
        is_complete(&recorded);
        let (cuts, lost) = cut(&recorded, every(1)).await;
        assert!(lost.is_empty(), "{lost:#?}");
        eprintln!(
            "{cuts} cuts in {} calls, {} facts: nothing lost",
            recorded.run.calls.len(),
            recorded.facts.len()
        );
    });
}
