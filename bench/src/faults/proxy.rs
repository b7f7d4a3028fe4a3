//! A TCP proxy between an instance and PostgreSQL. It delays, stalls, cuts and refuses connections.

use std::{
    collections::VecDeque,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep_until},
};

use crate::Outcome;

/// Parts of a connection, of up to 16 KiB, that may wait for their delay.
const WAITING_MAX: usize = 64;

/// The treatment of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Forwarded immediately.
    Pass,
    /// Forwarded after this delay, in each direction.
    Delay(Duration),
    /// Closed immediately.
    Refuse,
    /// One of this many commits is cut, alternately before and after PostgreSQL receives it.
    CutCommits(u32),
}

/// A running proxy. Dropping it stops the proxy.
#[derive(Debug)]
pub(crate) struct Proxy {
    /// Its port on 127.0.0.1.
    pub(crate) port: u16,
    control: watch::Sender<Control>,
    // Dropping it stops the task.
    _task: JoinSet<()>,
}

/// The state of all connections of a proxy. Connections are numbered from 1.
#[derive(Clone, Copy, Debug)]
struct Control {
    upstream: u16,
    mode: Mode,
    /// The number of the latest connection.
    latest: u64,
    /// Connections up to this number are closed.
    cut: u64,
    /// Connections up to this number stay open and forward nothing.
    stalled: u64,
    commits: u32,
}

impl Proxy {
    /// Starts a proxy that forwards to this port of 127.0.0.1.
    pub(crate) async fn begin(upstream: u16) -> Outcome<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let control = Control { upstream, mode: Mode::Pass, latest: 0, cut: 0, stalled: 0, commits: 0 };
        let (control, _) = watch::channel(control);
        let mut task = JoinSet::new();
        task.spawn(serve(listener, control.clone()));
        Ok(Self { port, control, _task: task })
    }

    /// Sets the treatment of connections.
    pub(crate) fn set(&self, mode: Mode) {
        self.control.send_modify(|control| control.mode = mode);
    }

    /// Closes all connections.
    pub(crate) fn cut(&self) {
        self.control.send_modify(|control| control.cut = control.latest);
    }

    /// Stalls all open connections: they stay open and forward nothing. New ones work.
    pub(crate) fn stall(&self) {
        self.control.send_modify(|control| control.stalled = control.latest);
    }

    /// Forwards new connections to another port, and closes all open ones.
    pub(crate) fn switch(&self, upstream: u16) {
        self.control.send_modify(|control| {
            control.upstream = upstream;
            control.cut = control.latest;
        });
    }

    /// Returns the number of commits that were cut.
    pub(crate) fn commits(&self) -> u32 {
        self.control.borrow().commits
    }
}

async fn serve(listener: TcpListener, control: watch::Sender<Control>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        while connections.try_join_next().is_some() {}
        let mut number = 0;
        control.send_modify(|control| {
            control.latest += 1;
            number = control.latest;
        });
        let Control { upstream, mode, .. } = *control.borrow();
        if mode != Mode::Refuse {
            connections.spawn(connection(client, upstream, number, control.clone()));
        }
    }
}

async fn connection(client: TcpStream, upstream: u16, number: u64, control: watch::Sender<Control>) {
    let upstream = SocketAddr::from((Ipv4Addr::LOCALHOST, upstream));
    let Ok(server) = TcpStream::connect(upstream).await else { return };
    if client.set_nodelay(true).is_err() || server.set_nodelay(true).is_err() {
        return;
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let up = Pump { from: from_client, to: to_server, number, control: control.clone(), is_up: true };
    let down = Pump { from: from_server, to: to_client, number, control, is_up: false };
    tokio::select! {
        () = up.run() => {}
        () = down.run() => {}
    }
}

/// One direction of a connection.
struct Pump {
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    number: u64,
    control: watch::Sender<Control>,
    /// Whether the direction is towards PostgreSQL.
    is_up: bool,
}

/// The point at which a commit is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    Before,
    After,
}

impl Pump {
    async fn run(mut self) {
        let mut buffer = vec![0; 16 * 1024];
        let mut changes = self.control.subscribe();
        // A delay is not a limit of bandwidth: each part waits for itself, not for the part before it.
        let mut waiting: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
        loop {
            let control = *changes.borrow_and_update();
            if control.cut >= self.number {
                return;
            }
            if control.stalled >= self.number {
                if changes.changed().await.is_err() {
                    return;
                }
                continue;
            }
            let next = waiting.front().map(|(due, _)| *due);
            tokio::select! {
                sent = changes.changed() => {
                    if sent.is_err() { return }
                }
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                    if let Some((_, part)) = waiting.pop_front()
                        && !self.forward(&part).await
                    {
                        return;
                    }
                }
                read = self.from.read(&mut buffer), if waiting.len() < WAITING_MAX => {
                    let length = read.unwrap_or_default();
                    if length == 0 {
                        self.forward_rest(waiting).await;
                        return;
                    }
                    let delay = if let Mode::Delay(time) = control.mode { time } else { Duration::ZERO };
                    waiting.push_back((Instant::now() + delay, buffer[..length].to_vec()));
                }
            }
        }
    }

    /// Forwards what was sent before the connection was closed.
    async fn forward_rest(&mut self, waiting: VecDeque<(Instant, Vec<u8>)>) {
        for (due, part) in waiting {
            sleep_until(due).await;
            if !self.forward(&part).await {
                return;
            }
        }
    }

    /// Returns whether the connection goes on.
    async fn forward(&mut self, bytes: &[u8]) -> bool {
        let cut = self.cut(bytes);
        cut != Some(Cut::Before) && self.to.write_all(bytes).await.is_ok() && cut.is_none()
    }

    /// Returns whether and how to cut the connection at these bytes.
    fn cut(&self, bytes: &[u8]) -> Option<Cut> {
        let Mode::CutCommits(every) = self.control.borrow().mode else { return None };
        if !self.is_up || !has_commit(bytes) {
            return None;
        }
        let mut commits = 0;
        self.control.send_modify(|control| {
            control.commits += 1;
            commits = control.commits;
        });
        cut_of(commits, every)
    }
}

/// Returns how to cut this commit if one of `every` is cut.
fn cut_of(number: u32, every: u32) -> Option<Cut> {
    let turn = number / every;
    number.is_multiple_of(every).then_some(if turn.is_multiple_of(2) { Cut::Before } else { Cut::After })
}

/// Returns whether the bytes of a client contain a simple query `COMMIT`.
fn has_commit(bytes: &[u8]) -> bool {
    bytes.windows(7).any(|window| window == b"COMMIT\0" || window == b"COMMIT;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_are_cut_before_and_after_in_turn() {
        let cuts: Vec<_> = (1..=6).map(|number| cut_of(number, 2)).collect();
        let expected = [None, Some(Cut::After), None, Some(Cut::Before), None, Some(Cut::After)];
        assert_eq!(cuts, expected);
    }

    #[test]
    fn commits_are_found() {
        assert!(has_commit(b"Q\0\0\0\x0bCOMMIT\0"));
        assert!(!has_commit(b"Q\0\0\0\x0bCOMMITS\0"));
    }
}
