//! A TCP proxy between a server and PostgreSQL. Tests delay, stall and cut its connections.
//!
//! It runs on its own thread, so connections continue while a test blocks. A change affects all data read after the
//! call. The proxy acknowledges data that it does not forward, like a host whose application hangs, so TCP does not
//! detect the fault.

use std::{
    collections::BTreeSet,
    io,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    select,
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{blocking::block_on, postgres::Database};

/// The maximum number of segments in transit in one direction.
const SEGMENTS: usize = 256;

/// The treatment of new connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum New {
    /// They are forwarded.
    Pass,
    /// They are accepted, and nothing is forwarded.
    Stall,
    /// They are reset.
    Refuse,
}

/// A proxy in front of one database. Dropping it closes all connections.
pub(crate) struct Link {
    /// The database's URL through the proxy.
    pub(crate) url: String,
    control: watch::Sender<Control>,
    thread: Option<JoinHandle<()>>,
}

/// The state of all connections, which are numbered from 1.
#[derive(Clone, Debug)]
struct Control {
    new: New,
    /// The delay between reading and writing a segment.
    delay: Duration,
    /// The number of the latest connection.
    latest: u64,
    /// Connections up to this one are reset.
    cut: u64,
    /// Connections up to this one stay open and forward nothing, neither bytes nor their end.
    stalled: u64,
    open: BTreeSet<u64>,
    is_over: bool,
}

impl Link {
    /// Listens on a free port of 127.0.0.1 and forwards to the database.
    pub(crate) fn to(database: &Database) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        listener.set_nonblocking(true).expect("a listener");
        let address = listener.local_addr().expect("an address");
        let url = format!("postgres://tessera@{address}/{}?sslmode=disable", database.name());
        let socket = database.cluster().dir().join(".s.PGSQL.5432");
        let (control, _) = watch::channel(Control {
            new: New::Pass,
            delay: Duration::ZERO,
            latest: 0,
            cut: 0,
            stalled: 0,
            open: BTreeSet::new(),
            is_over: false,
        });
        let shared = control.clone();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(serve(listener, &socket, &shared));
        });
        Self { url, control, thread: Some(thread) }
    }

    /// Delays every segment by this time, in each direction.
    pub(crate) fn delay(&self, delay: Duration) {
        self.control.send_modify(|control| control.delay = delay);
    }

    /// Stalls all connections: they stay open and forward nothing.
    pub(crate) fn stall(&self, new: New) {
        self.control.send_modify(|control| {
            control.stalled = control.latest;
            control.new = new;
        });
    }

    /// Resets all connections. Returns after they are closed.
    pub(crate) fn cut(&self, new: New) {
        let mut cut = 0;
        self.control.send_modify(|control| {
            control.cut = control.latest;
            control.new = new;
            cut = control.latest;
        });
        let mut control = self.control.subscribe();
        block_on(async || {
            let closed = control.wait_for(|control| control.open.first().is_none_or(|open| *open > cut));
            closed.await.map(|_| ())
        })
        .expect("the proxy runs");
    }

    /// Forwards new connections. Stalled connections stay stalled.
    pub(crate) fn heal(&self) {
        self.control.send_modify(|control| control.new = New::Pass);
    }

    /// Forwards all connections, including stalled ones with the data sent meanwhile.
    pub(crate) fn resume(&self) {
        self.control.send_modify(|control| {
            control.new = New::Pass;
            control.stalled = 0;
        });
    }

    /// Returns the number of open connections, including stalled ones.
    pub(crate) fn open(&self) -> usize {
        self.control.borrow().open.len()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.control.send_modify(|control| control.is_over = true);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            eprintln!("the proxy before PostgreSQL panicked");
        }
    }
}

async fn serve(listener: TcpListener, socket: &Path, control: &watch::Sender<Control>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
    let mut changes = control.subscribe();
    let over = changes.wait_for(|control| control.is_over);
    let accept = async {
        let mut connections = JoinSet::new();
        loop {
            let Ok((client, _)) = listener.accept().await else { continue };
            while connections.try_join_next().is_some() {}
            if let Some(number) = admit(control) {
                connections.spawn(connection(client, socket.to_owned(), number, control.clone()));
            } else {
                drop(client.set_zero_linger());
            }
        }
    };
    select! {
        _ = over => {}
        () = accept => {}
    }
}

/// Numbers a new connection. Returns `None` if it is refused.
fn admit(control: &watch::Sender<Control>) -> Option<u64> {
    let mut number = None;
    control.send_modify(|control| {
        if control.new != New::Refuse {
            control.latest += 1;
            control.open.insert(control.latest);
            number = Some(control.latest);
        }
        if control.new == New::Stall {
            control.stalled = control.latest;
        }
    });
    number
}

async fn connection(mut client: TcpStream, socket: PathBuf, number: u64, control: watch::Sender<Control>) {
    let is_cut = select! {
        biased;
        () = cut(control.subscribe(), number) => true,
        _ = carry(&mut client, &socket, number, &control) => false,
    };
    if is_cut {
        // The client sees a reset instead of an orderly end. It may have disconnected already.
        drop(client.set_zero_linger());
    }
    drop(client);
    control.send_modify(|control| {
        control.open.remove(&number);
    });
}

/// Returns when the connection must be reset.
async fn cut(mut changes: watch::Receiver<Control>, number: u64) {
    drop(changes.wait_for(|control| control.cut >= number).await);
}

/// Forwards both directions until one of them ends.
async fn carry(
    client: &mut TcpStream,
    socket: &Path,
    number: u64,
    control: &watch::Sender<Control>,
) -> io::Result<()> {
    let line = || Line { number, changes: control.subscribe() };
    line().flows().await;
    let mut server = UnixStream::connect(socket).await?;
    client.set_nodelay(true)?;
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    select! {
        () = line().forward(from_client, to_server) => {}
        () = line().forward(from_server, to_client) => {}
    }
    Ok(())
}

/// One direction of a connection.
#[derive(Clone)]
struct Line {
    number: u64,
    changes: watch::Receiver<Control>,
}

impl Line {
    /// Waits while the connection is stalled.
    async fn flows(&mut self) {
        // Fails only when the proxy is dropped, which also ends this task.
        drop(self.changes.wait_for(|control| control.stalled < self.number).await);
    }

    /// Returns when the connection is stalled.
    async fn stalls(&mut self) {
        drop(self.changes.wait_for(|control| control.stalled >= self.number).await);
    }

    async fn forward(self, from: impl AsyncRead + Unpin, to: impl AsyncWrite + Unpin) {
        let (sender, receiver) = mpsc::channel(SEGMENTS);
        // When the reader ends, the writer still writes the segments in transit before it ends.
        let (reader, writer) = (self.clone().read(from, sender), self.write(to, receiver));
        let mut reader = std::pin::pin!(reader);
        let mut writer = std::pin::pin!(writer);
        select! {
            () = &mut writer => return,
            () = &mut reader => {}
        }
        writer.await;
    }

    async fn read(mut self, mut from: impl AsyncRead + Unpin, sender: mpsc::Sender<(Instant, Vec<u8>)>) {
        loop {
            self.flows().await;
            let mut bytes = vec![0; 16 * 1024];
            let count = select! {
                biased;
                () = self.stalls() => continue,
                count = from.read(&mut bytes) => count.unwrap_or(0),
            };
            bytes.truncate(count);
            let due = Instant::now() + self.changes.borrow().delay;
            if count == 0 || sender.send((due, bytes)).await.is_err() {
                return;
            }
        }
    }

    async fn write(
        mut self,
        mut to: impl AsyncWrite + Unpin,
        mut receiver: mpsc::Receiver<(Instant, Vec<u8>)>,
    ) {
        while let Some((due, bytes)) = receiver.recv().await {
            sleep_until(due).await;
            self.flows().await;
            if to.write_all(&bytes).await.is_err() {
                break;
            }
        }
        // While stalled, the end is not forwarded either.
        self.flows().await;
    }
}
