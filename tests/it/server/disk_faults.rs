//! The disk fails at the n-th call of a purchase, for every n. A success implies that the row exists after a restart,
//! and the server recovers together with the disk.

use std::{collections::BTreeSet, path::Path, time::Duration};

use tempfile::TempDir;
use tessera::{clock::Clock, store::Store};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{
    World,
    blocking::block_on,
    disk::{
        Disk, Fault, Kind,
        buyer::{Ended, Fact, buy},
    },
    given::Stage,
    laws,
    process::Server,
    sqlite,
    world::{application, migrate},
};

/// What clients may be told by a server whose disk fails. `PENDING` is a payment that goes on by itself.
const TOLD: &[&str] = &["UNAVAILABLE", "OVERLOADED", "PENDING"];

/// A server on a disk that fails.
struct Rig {
    disk: Disk,
    database: sqlite::Database,
    data: TempDir,
    stage: Stage,
    server: Option<Server>,
    seats: usize,
    facts: Vec<Fact>,
    codes: BTreeSet<String>,
}

impl Rig {
    async fn new() -> Self {
        let database = sqlite::database("migrated", migrate);
        let data = tempfile::tempdir().expect("a directory");
        let world = World::of(application(&database.url, Clock::system()).await, "beside", &database.url);
        let stage = world.theatre_stage().await;
        world.end().await;
        let mut rig = Self {
            disk: Disk::new(),
            database,
            data,
            stage,
            server: None,
            seats: 0,
            facts: Vec::new(),
            codes: BTreeSet::new(),
        };
        rig.start();
        rig
    }

    fn start(&mut self) {
        let root = self.database.path().parent().expect("a directory").canonicalize().expect("a path");
        let server = Server::start_with(&self.database.url, self.data.path(), |command| {
            self.disk.put_under(command, &root).env("RUST_LOG", "off")
        });
        self.server = Some(server);
    }

    fn address(&self) -> String {
        self.server.as_ref().expect("a server").address.clone()
    }

    /// One purchase, whose facts are kept.
    async fn buy(&mut self) -> Result<(), Ended> {
        let seat = self.stage.seats[self.seats].clone();
        self.seats += 1;
        let (address, event) = (self.address(), self.stage.event.clone());
        let facts = &mut self.facts;
        let ended = buy(&address, (&event, &seat), &mut |fact| facts.push(fact)).await;
        if let Err(Ended::Refused(code)) = &ended {
            assert!(TOLD.contains(&code.as_str()), "{code}");
            self.codes.insert(code.clone());
        }
        ended
    }

    /// A purchase during which the disk fails as told. Returns the calls that did.
    async fn buy_during(&mut self, fault: Fault) -> Vec<String> {
        self.disk.arm(fault);
        let ended = self.buy().await;
        let hits = self.disk.disarm();
        assert_ne!(ended, Err(Ended::Lost), "{fault:?}: the server answers");
        assert!(ended.is_ok() || !hits.is_empty(), "{fault:?}: {ended:?} although nothing failed");
        hits
    }

    /// Stops the server, in order or not, looks for every fact in the file, and starts it again.
    async fn restart(&mut self, in_order: bool) {
        let mut server = self.server.take().expect("a server");
        if in_order {
            server.stop();
        } else {
            server.kill();
        }
        let store = Store::connect(&self.database.url, 1).await.expect("the database");
        for fact in &self.facts {
            assert!(fact.is_in(store.read()).await, "acknowledged, but not stored: {fact:?}");
        }
        store.close().await.expect("closed");
        self.start();
    }

    async fn end(mut self) {
        self.restart(true).await;
        drop(self.server.take());
        laws::hold_once_settled(&self.database.url).await;
        eprintln!("{} purchases, {} facts, told {:?}", self.seats, self.facts.len(), self.codes);
    }
}

/// Fails a call of each purchase, a later one each time, until a purchase has fewer calls. Returns how many it has.
async fn at_every_call(rig: &mut Rig, kind: Kind, count: Option<u64>, stride: usize) -> u64 {
    let mut names = BTreeSet::new();
    for at in (1..).step_by(stride) {
        let hits = rig.buy_during(Fault { kind, at, count }).await;
        if hits.is_empty() {
            eprintln!("{kind:?} {count:?}: every {stride}. of {at} calls, {names:?}");
            // It works again.
            assert_eq!(rig.buy().await, Ok(()));
            return at;
        }
        names.extend(hits);
    }
    unreachable!("a purchase ends")
}

fn faults(kinds: &[(Kind, Option<u64>)], stride: usize) {
    block_on(async || {
        let mut rig = Rig::new().await;
        assert_eq!(rig.buy().await, Ok(()));
        for (round, (kind, count)) in kinds.iter().enumerate() {
            let calls = at_every_call(&mut rig, *kind, *count, stride).await;
            assert!(calls > 30, "a purchase has {calls} calls");
            rig.restart(round % 2 == 0).await;
        }
        rig.end().await;
    });
}

#[test]
fn full_disk_at_any_call_of_a_purchase_keeps_acknowledged_writes() {
    faults(&[(Kind::Full, Some(1))], 1);
}

#[test]
fn every_kind_of_disk_failure_keeps_acknowledged_writes() {
    let kinds = [
        (Kind::Full, None),
        (Kind::Error, Some(1)),
        (Kind::Error, None),
        (Kind::Short, Some(1)),
        (Kind::Torn, Some(2)),
    ];
    faults(&kinds, 9);
}

/// The same at every call: `cargo test -- --ignored failure_at_every_disk_call`.
#[test]
#[ignore = "takes minutes"]
fn failure_at_every_disk_call_keeps_acknowledged_writes() {
    for kind in [
        (Kind::Full, None),
        (Kind::Error, Some(1)),
        (Kind::Error, None),
        (Kind::Short, Some(1)),
        (Kind::Torn, Some(2)),
        (Kind::Torn, None),
    ] {
        faults(&[kind], 1);
    }
}

#[test]
fn a_server_is_ready_only_while_it_can_write() {
    block_on(async || {
        let mut rig = Rig::new().await;
        for kind in [Kind::Full, Kind::Error] {
            becomes(&rig.address(), 200).await;
            // Nobody writes: the server finds out by itself.
            rig.disk.arm(Fault { kind, at: 1, count: None });
            becomes(&rig.address(), 503).await;
            assert_eq!(rig.buy().await, Err(Ended::Refused("UNAVAILABLE".to_owned())));
            assert!(!rig.disk.disarm().is_empty());
            becomes(&rig.address(), 200).await;
            assert_eq!(rig.buy().await, Ok(()));
        }
        rig.end().await;
    });
}

/// Asks until the server says so.
async fn becomes(address: &str, wanted: u16) {
    for _ in 0..200 {
        if readiness(address).await == wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the server never answered {wanted}");
}

async fn readiness(address: &str) -> u16 {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let request = format!("GET /health/ready HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
}

/// The shim is under the server: without it none of these tests would mean anything.
#[test]
fn the_disk_sees_the_databases_files() {
    block_on(async || {
        let mut rig = Rig::new().await;
        let hits = rig.buy_during(Fault { kind: Kind::Short, at: 1, count: None }).await;
        let has = |call: &str| hits.iter().any(|hit| hit == call);
        let file = |end: &str| format!("{}{end}", name(&rig.database.path()));
        assert!(
            has(&format!("write {}", file("-wal"))) || has(&format!("sync {}", file("-wal"))),
            "{hits:?}"
        );
        rig.end().await;
    });
}

fn name(path: &Path) -> String {
    path.file_name().expect("a name").display().to_string()
}
