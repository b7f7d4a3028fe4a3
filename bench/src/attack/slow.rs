//! Row 3: intentionally slow clients, and more clients than the server has file descriptors.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::{Instant, sleep, timeout},
};

use crate::{
    Outcome,
    attack::{
        documents::body,
        report::{MEMORY_KIB, Report},
        target::{Camp, Start, Target},
        usage::{Peer, held},
    },
    caller::{connect, source},
};

/// The number of clients of each kind.
const CLIENTS: u32 = 8;
/// The maximum time until the server closes a connection.
const PATIENCE: Duration = Duration::from_secs(100);

/// The HTTP/2 preface with an empty SETTINGS frame.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// The kind of slowness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Silent,
    HalfHeader,
    DrippedHeader,
    IdleKeepAlive,
    PrefaceOnly,
    HalfBody,
    EndlessBody,
    NeverReads,
}

impl Kind {
    const ALL: [Self; 8] = [
        Self::Silent,
        Self::HalfHeader,
        Self::DrippedHeader,
        Self::IdleKeepAlive,
        Self::PrefaceOnly,
        Self::HalfBody,
        Self::EndlessBody,
        Self::NeverReads,
    ];

    /// Returns a description, and the number of seconds after which the server must close the connection.
    fn about(self) -> (&'static str, u64) {
        match self {
            Self::Silent => ("nothing is sent", 15),
            Self::HalfHeader => ("half a header", 15),
            Self::DrippedHeader => ("a header, one byte per second", 15),
            Self::IdleKeepAlive => ("idle keep-alive after a response", 95),
            Self::PrefaceOnly => ("HTTP/2 preface only", 95),
            Self::HalfBody => ("half a body", 30),
            Self::EndlessBody => ("a chunked body without end, one byte per second", 70),
            Self::NeverReads => ("the response is never read", 70),
        }
    }
}

/// Opens a slow client's connection. Returns `None` if the server refused or closed it immediately.
async fn open(kind: Kind, target: SocketAddr, number: u32) -> Option<TcpStream> {
    let mut stream = if kind == Kind::NeverReads {
        let socket = TcpSocket::new_v4().ok()?;
        socket.set_recv_buffer_size(4_096).ok()?;
        socket.bind(SocketAddr::from((source(number), 0))).ok()?;
        socket.connect(target).await.ok()?
    } else {
        connect(target, source(number)).await.ok()?
    };
    let request = match kind {
        Kind::Silent => Vec::new(),
        Kind::HalfHeader => b"POST /graphql HTTP/1.1\r\nhost: ".to_vec(),
        Kind::DrippedHeader => b"POST /graphql HTTP/1.1\r\nx: ".to_vec(),
        Kind::IdleKeepAlive => format!("GET /health/live HTTP/1.1\r\nhost: {target}\r\n\r\n").into_bytes(),
        Kind::PrefaceOnly => PREFACE.to_vec(),
        Kind::HalfBody => {
            let head = "content-type: application/json\r\ncontent-length: 1000\r\n\r\n{\"query\":";
            format!("POST /graphql HTTP/1.1\r\nhost: {target}\r\n{head}").into_bytes()
        }
        Kind::EndlessBody => {
            let head = "content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n";
            format!("POST /graphql HTTP/1.1\r\nhost: {target}\r\n{head}").into_bytes()
        }
        // 100 responses of a stadium with 34 KB each exceed the buffers between server and client.
        Kind::NeverReads => {
            let document = "{event(slug:\"harbour-derby\"){availability{rows{statuses}}}}";
            let body = body(document);
            let mut request = format!(
                "POST /graphql HTTP/1.1\r\nhost: {target}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                body.len()
            )
            .into_bytes();
            request.extend_from_slice(&body);
            request.repeat(100)
        }
    };
    stream.write_all(&request).await.ok()?;
    if kind == Kind::IdleKeepAlive {
        let mut buffer = [0; 1_024];
        timeout(Duration::from_secs(5), stream.read(&mut buffer)).await.ok()?.ok()?;
    }
    Some(stream)
}

fn peer(stream: &TcpStream) -> Option<Peer> {
    match stream.local_addr().ok()? {
        SocketAddr::V4(address) => Some((*address.ip(), address.port())),
        SocketAddr::V6(_) => None,
    }
}

/// Row 3.
pub(crate) async fn row_3(camp: &Camp, report: &mut Report) -> Outcome<()> {
    let target = camp.start(Start::default()).await?;
    slow_clients(report, &target).await?;
    drop(target);
    for addresses in [1, 260] {
        few_descriptors(camp, report, addresses).await?;
    }
    Ok(())
}

/// Runs all kinds concurrently. Waits until the server has closed all connections.
async fn slow_clients(report: &mut Report, target: &Target) -> Outcome<()> {
    let meter = target.meter()?;
    let mut clients: Vec<(Kind, Peer, TcpStream)> = Vec::new();
    let mut closed: BTreeMap<Kind, (u32, u64)> = BTreeMap::new();
    for (number, kind) in (0..).zip(Kind::ALL.into_iter().cycle()).take(CLIENTS as usize * Kind::ALL.len()) {
        match open(kind, target.address, 10 + number).await {
            Some(stream) => {
                let peer = peer(&stream).ok_or("no peer")?;
                clients.push((kind, peer, stream));
            }
            None => closed.entry(kind).or_default().0 += 1,
        }
    }
    let begun = Instant::now();
    while !clients.is_empty() && begun.elapsed() < PATIENCE {
        sleep(Duration::from_secs(1)).await;
        for (kind, _, stream) in &mut clients {
            let drip: &[u8] = match kind {
                Kind::DrippedHeader => b"x",
                Kind::EndlessBody => b"1\r\n \r\n",
                Kind::Silent
                | Kind::HalfHeader
                | Kind::IdleKeepAlive
                | Kind::PrefaceOnly
                | Kind::HalfBody
                | Kind::NeverReads => continue,
            };
            drop(stream.try_write(drip));
        }
        let held = held(target.address.port())?;
        let seconds = begun.elapsed().as_secs();
        clients.retain(|(kind, peer, _)| {
            if held.contains(peer) {
                return true;
            }
            let (count, last) = closed.entry(*kind).or_default();
            *count += 1;
            *last = (*last).max(seconds);
            false
        });
    }
    let usage = meter.read()?;
    for kind in Kind::ALL {
        let (what, limit) = kind.about();
        let (count, last) = closed.get(&kind).copied().unwrap_or_default();
        let answer = if count == 0 {
            format!("{CLIENTS} of {CLIENTS} connections open after {} s", begun.elapsed().as_secs())
        } else {
            format!("{count} of {CLIENTS} closed, the last after {last} s")
        };
        let passed = count == CLIENTS && last <= limit;
        report.judged(what, passed, answer, &format!("closed within {limit} s"));
    }
    let answer = format!("{} clients of all kinds", CLIENTS as usize * Kind::ALL.len());
    let total = i64::from(CLIENTS) * 8 * MEMORY_KIB / 8;
    let passed = usage.peak_kib <= total;
    report.judged(
        "memory of all slow clients",
        passed,
        format!("{answer}: peak +{} KiB", usage.peak_kib),
        "≤ 80 MB",
    );
    Ok(())
}

/// Sends 260 incomplete headers while the server may open 256 files, and then checks its health.
async fn few_descriptors(camp: &Camp, report: &mut Report, addresses: u32) -> Outcome<()> {
    let target = camp.start(Start { descriptors: Some(256), ..Start::default() }).await?;
    let mut clients = Vec::new();
    for number in 0..260 {
        let opening = open(Kind::HalfHeader, target.address, 1_000 + number % addresses);
        clients.extend(timeout(Duration::from_secs(1), opening).await.ok().flatten());
    }
    sleep(Duration::from_millis(500)).await;
    let begun = Instant::now();
    let mut other = target.caller(5_000);
    let answer = timeout(Duration::from_secs(5), other.get("/health/live")).await;
    let answer = answer.map_or("no answer in 5 s".to_owned(), |answer| answer.summary());
    let passed = answer.starts_with("200") && begun.elapsed() < Duration::from_secs(2);
    let attack =
        format!("260 half headers from {addresses} address(es), `ulimit -n 256`, then `/health/live`");
    let answer =
        format!("{answer}, {} ms, {} held", begun.elapsed().as_millis(), held(target.address.port())?.len());
    report.judged(&attack, passed, answer, "200 within 2 s");
    drop(clients);
    Ok(())
}
