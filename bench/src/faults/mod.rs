//! Causes faults while buyers buy, and compares the acknowledged results with the data afterwards.
//!
//! `scripts/faults` builds and runs it. Two instances run on PostgreSQL, each behind its own proxy, or one on `SQLite`.
//! All processes use loopback addresses only. All actions have limits of number and time.
//!
//! Layout: `ground` is a filled database with its instances (`cluster`, `instance`, `proxy`). `scene` is the event and
//! the coupon. `buyers` and `watcher` are the load, through `client`, counted by `tally`. `fault`, `inject` and
//! `dropped` are the faults. `verify` and `laws` detect lost and doubled data. `report` is the table.

mod buyers;
mod client;
mod cluster;
mod dropped;
mod fault;
mod ground;
mod inject;
mod instance;
mod laws;
mod proxy;
mod report;
mod scene;
mod tally;
mod verify;
mod watcher;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use clap::{Args, ValueEnum};
use tokio::{
    runtime,
    signal::{
        ctrl_c,
        unix::{SignalKind, signal},
    },
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{Outcome, bench::progress};
use buyers::Memory;
use client::{Client, Front};
use fault::Fault;
use ground::{Database, Ground, Programs};
use inject::Victim;
use instance::Instance;
use report::Line;
use scene::Scene;
use watcher::Shared;

/// The time limit of a run.
const PATIENCE: Duration = Duration::from_mins(6);
/// The number of clients of each kind.
const BUYERS: u32 = 8;
const CLAIMERS: u32 = 2;
const READERS: u32 = 2;
const WATCHERS: usize = 4;
/// The library that shifts a process's clock (Debian's package `libfaketime`).
const FAKETIME: &str = "faketime/libfaketime.so.1";

/// The options of `faults`.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Cause only this fault. May be repeated. Default: all.
    #[arg(long = "fault", value_enum)]
    faults: Vec<Fault>,
    /// Use only this database. May be repeated. Default: both.
    #[arg(long = "on", value_enum)]
    databases: Vec<Database>,
    /// Cause fewer and shorter faults, in less than two minutes.
    #[arg(long)]
    quick: bool,
    /// The server's binary.
    #[arg(long)]
    server: PathBuf,
    /// A directory for files. The caller removes it.
    #[arg(long)]
    scratch: PathBuf,
    /// Directory of `PostgreSQL`'s programs.
    #[arg(long)]
    postgres_bin: PathBuf,
}

/// Prints a line of the table. Returns whether there was no error.
#[expect(clippy::print_stdout, reason = "the table is what the command is for")]
fn tell(run: Run<'_>, line: &Outcome<Line>) -> bool {
    match line {
        Ok(line) => {
            println!("{}", line.markdown());
            line.finding.notes.iter().take(12).for_each(|note| progress(&format!("{}: {note}", run.name)));
            line.faults().is_empty()
        }
        Err(failure) => {
            println!(
                "| {:?} | {:?} | – | – | – | – | – | – | – | **FAIL**: broke off |",
                run.database, run.fault
            );
            progress(&format!("{} broke off: {failure}", run.name));
            false
        }
    }
}

/// Causes faults. Returns `false` if data were lost, doubled or divergent, or if there was an unexpected error.
#[expect(clippy::print_stdout, reason = "the table is what the command is for")]
pub(crate) fn run(options: Options) -> Outcome<bool> {
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let programs = Programs { server: options.server.canonicalize()?, postgres: options.postgres_bin };
    let mut lines = 0;
    let mut failed = 0;
    println!("{}", report::HEAD);
    for database in [Database::Postgres, Database::Sqlite] {
        if !options.databases.is_empty() && !options.databases.contains(&database) {
            continue;
        }
        let selected = |fault: &&Fault| {
            fault.is_on(database)
                && if options.faults.is_empty() {
                    !options.quick || fault.is_quick(database)
                } else {
                    options.faults.contains(fault)
                }
        };
        let mut shared = None;
        for fault in Fault::value_variants().iter().filter(selected).copied() {
            if options.quick && fault.file_system(database).is_some() && !ground::can_mount(&options.scratch)
            {
                println!("| {database:?} | {fault:?} | – | – | – | – | – | – | – | skipped: cannot mount |");
                continue;
            }
            let begun = Instant::now();
            let name = format!("{database:?}-{fault:?}").to_lowercase();
            progress(&format!("{name} …"));
            let run = Run { database, fault, name: &name, quick: options.quick };
            let line = runtime.block_on(async {
                tokio::select! {
                    line = timeout(PATIENCE, run.on(&programs, &options.scratch, &mut shared)) => Some(line),
                    () = interrupted() => None,
                }
            });
            // Dropping the run stops its servers and clusters.
            let Some(line) = line else { return Err("interrupted".into()) };
            lines += 1;
            let line = line.unwrap_or_else(|_| Err("it did not end".into()));
            failed += u32::from(!tell(run, &line));
            if line.is_err() {
                // The state of the database is unknown, so the next fault starts with a new one.
                shared = None;
            }
            progress(&format!("{name}: {:.0} s", begun.elapsed().as_secs_f64()));
        }
    }
    progress(&format!("{failed} of {lines} faults broke something"));
    Ok(failed == 0 && lines > 0)
}

/// Waits for SIGINT or SIGTERM.
async fn interrupted() {
    let Ok(mut terminated) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = ctrl_c() => {}
        _ = terminated.recv() => {}
    }
}

/// One fault on one database.
#[derive(Clone, Copy, Debug)]
struct Run<'a> {
    database: Database,
    fault: Fault,
    name: &'a str,
    quick: bool,
}

impl Run<'_> {
    /// Runs on the database shared by all faults, or on a new one.
    async fn on(self, programs: &Programs, scratch: &Path, shared: &mut Option<Ground>) -> Outcome<Line> {
        if let Some(size) = self.fault.file_system(self.database) {
            let home = scratch.join(self.name);
            let mut ground = Ground::make(self.database, programs, &home, Some(size)).await?;
            return self.cause(&mut ground).await;
        }
        let ground = if let Some(ground) = shared {
            ground
        } else {
            let home = scratch.join(format!("{}-ground", self.name));
            shared.insert(Ground::make(self.database, programs, &home, None).await?)
        };
        self.cause(ground).await
    }

    async fn cause(self, ground: &mut Ground) -> Outcome<Line> {
        let (mut instances, proxies) = ground.instances().await?;
        if self.fault == Fault::Skew {
            skew(&mut instances)?;
        }
        for instance in &mut instances {
            instance.start()?;
        }
        let scene = Arc::new(Scene::build(instances[0].address, self.name).await?);
        let front = Arc::new(Front::new(instances.iter().map(|instance| instance.address).collect()));
        let (mut clients, mut watchers, views) = load(&front, &scene).await?;
        sleep(Duration::from_secs(if self.quick { 1 } else { 2 })).await;
        let victim =
            Victim { ground, instances: &mut instances, proxies: &proxies, scene: &scene, quick: self.quick };
        let done = inject::inject(self.fault, victim).await?;
        sleep(Duration::from_secs(if self.quick { 3 } else { 5 })).await;
        front.end();
        let mut memory = Memory::default();
        while let Some(part) = clients.join_next().await {
            memory.extend(part?);
        }
        let mut tally = front.tally().clone();
        let mut finding = verify::compare_watchers(&front, &scene, &views).await?;
        watchers.abort_all();
        while watchers.join_next().await.is_some() {}
        // Restart the instances, so that state in their memory does not count.
        for instance in &mut instances {
            finding.notes.extend(restart(instance)?);
        }
        let read = verify::read_all(&front, &memory).await?;
        finding.lost += read.lost;
        finding.notes.extend(read.notes);
        finding.count(&memory, &laws::read(&ground.url(), &scene).await?);
        let panics = instances.iter().filter(|instance| instance.log().contains("panicked")).count();
        if panics > 0 {
            finding.notes.push(format!("{panics} instances logged a panic"));
        }
        tally.refused.remove("SEATS_TAKEN");
        Ok(Line { database: self.database, fault: self.fault, tally, finding, done })
    }
}

/// Starts all clients and watchers.
async fn load(
    front: &Arc<Front>,
    scene: &Arc<Scene>,
) -> Outcome<(JoinSet<Memory>, JoinSet<()>, Vec<Shared>)> {
    let mut clients = JoinSet::new();
    for number in 0..BUYERS {
        clients.spawn(buyers::buy(Arc::clone(front), Arc::clone(scene), number));
    }
    for number in 0..CLAIMERS {
        clients.spawn(buyers::claim(Arc::clone(front), Arc::clone(scene), 100 + number));
    }
    for number in 0..READERS {
        clients.spawn(buyers::browse(Arc::clone(front), Arc::clone(scene), 200 + number));
    }
    let mut watchers = JoinSet::new();
    let views: Vec<Shared> = (0..WATCHERS).map(|_| Shared::default()).collect();
    for (number, view) in views.iter().enumerate() {
        let mut guest = Client::new(front, 300);
        // Half of them are signed in, so their sockets depend on a session.
        let token = if number % 4 < 2 && guest.become_guest().await { Some(guest.token()) } else { None };
        watchers.spawn(watcher::watch(Arc::clone(front), Arc::clone(scene), number, token, view.clone()));
    }
    Ok((clients, watchers, views))
}

/// Sets the clocks of the instances ten minutes ahead and behind, alternately.
fn skew(instances: &mut [Instance]) -> Outcome<()> {
    let library = fs::read_dir("/usr/lib")?
        .filter_map(Result::ok)
        .map(|entry| entry.path().join(FAKETIME))
        .chain([Path::new("/usr/lib").join(FAKETIME)])
        .find(|path| path.exists())
        .ok_or("libfaketime is missing: install Debian's package libfaketime")?;
    for (instance, offset) in instances.iter_mut().zip(["+600", "-600"]) {
        instance.set("LD_PRELOAD", &library.display().to_string());
        instance.set("FAKETIME", offset);
        instance.set("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    }
    Ok(())
}

/// Restarts an instance in an orderly way. Returns an error description, if any.
fn restart(instance: &mut Instance) -> Outcome<Option<String>> {
    let ended = instance.has_ended();
    let stopped = if ended { None } else { instance.stop()? };
    instance.start()?;
    Ok(match (ended, stopped) {
        (true, _) => Some("an instance ended by itself".to_owned()),
        (false, None) => Some("an instance did not stop within 30 seconds".to_owned()),
        (false, Some(_)) => None,
    })
}
