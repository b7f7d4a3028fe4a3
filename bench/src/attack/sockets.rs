//! Row 12, part 1, `WebSockets`: floods of control frames, unknown hosts and origins, and operations of closed sockets.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use crate::{
    Outcome,
    attack::{props::Vendor, report::Report, target::Target, usage::held},
    caller::{STAFF, source},
    frame::{self, PING, PONG, TEXT},
    socket::upgrade,
};

/// The duration of each flood.
const FLOOD: Duration = Duration::from_secs(5);

/// Opens an acknowledged GraphQL session over a WebSocket.
pub(crate) async fn session(target: SocketAddr, from: Ipv4Addr) -> Outcome<TcpStream> {
    session_as(target, from, None).await
}

/// Does the same with an access token.
pub(crate) async fn session_as(
    target: SocketAddr,
    from: Ipv4Addr,
    token: Option<&str>,
) -> Outcome<TcpStream> {
    let (status, mut stream) = upgrade(target, from, (&target.to_string(), "")).await?;
    if status != 101 {
        return Err(format!("the handshake was answered {status}").into());
    }
    let mut message = json!({ "type": "connection_init" });
    if let Some(token) = token {
        message["payload"] = json!({ "token": token });
    }
    stream.write_all(&frame::masked(TEXT, message.to_string().as_bytes())?).await?;
    let mut buffer = [0; 256];
    timeout(Duration::from_secs(5), stream.read(&mut buffer)).await??;
    Ok(stream)
}

/// Queries the viewer over a session. Returns whether the server responds with an account.
pub(crate) async fn is_known(stream: &mut TcpStream, id: u32) -> bool {
    let Ok(message) = subscribe(id, "{viewer{account{id}}}") else { return false };
    if stream.write_all(&message).await.is_err() {
        return false;
    }
    let mut all = Vec::new();
    let mut buffer = [0; 2_048];
    // The result and its completion may arrive separately.
    while let Ok(Ok(1..)) = timeout(Duration::from_secs(2), async {
        let read = stream.read(&mut buffer).await;
        if let Ok(length) = read {
            all.extend_from_slice(&buffer[..length]);
        }
        read
    })
    .await
    {
        let text = String::from_utf8_lossy(&all);
        if text.contains("\"complete\"") || text.contains("\"error\"") {
            return text.contains("\"account\":{\"id\"");
        }
    }
    false
}

/// Returns a `subscribe` message.
pub(crate) fn subscribe(id: u32, document: &str) -> Outcome<Vec<u8>> {
    let message =
        json!({ "type": "subscribe", "id": id.to_string(), "payload": { "query": document } }).to_string();
    frame::masked(TEXT, message.as_bytes())
}

/// Sends floods of small frames.
pub(crate) async fn floods(report: &mut Report, target: &Target) -> Outcome<()> {
    let fragments = {
        // A text message that never ends, with one byte in each fragment.
        let mut bytes = frame::masked(TEXT, b"{")?;
        bytes[0] &= 0x7f;
        bytes
    };
    let mut fragment = frame::masked(0, b" ")?;
    fragment[0] &= 0x7f;
    let kinds: [(&str, Vec<u8>, Vec<u8>); 5] = [
        ("ping frames", Vec::new(), frame::masked(PING, b"x")?),
        ("pong frames", Vec::new(), frame::masked(PONG, &[0; 100])?),
        ("`ping` messages", Vec::new(), frame::masked(TEXT, br#"{"type":"ping"}"#)?),
        ("`complete` messages", Vec::new(), frame::masked(TEXT, br#"{"type":"complete","id":"x"}"#)?),
        ("one-byte fragments", fragments, fragment),
    ];
    for (number, (kind, first, repeated)) in (40..).zip(kinds) {
        let mut stream = session(target.address, source(number)).await?;
        stream.write_all(&first).await?;
        let chunk = repeated.repeat(500);
        let meter = target.meter()?;
        let begun = Instant::now();
        let (mut reader, mut writer) = stream.split();
        let mut sent = 0_u64;
        let mut closed = None;
        let mut buffer = vec![0; 64 * 1024];
        // A flood is as fast as the server reads, with at most a million frames.
        while begun.elapsed() < FLOOD && sent < 1_000_000 {
            tokio::select! {
                written = writer.write_all(&chunk) => match written {
                    Ok(()) => sent += 500,
                    Err(_) => closed = Some(begun.elapsed()),
                },
                read = reader.read(&mut buffer) => if !matches!(read, Ok(1..)) {
                    closed = Some(begun.elapsed());
                },
            }
            if closed.is_some() {
                break;
            }
        }
        let usage = meter.read()?;
        let end =
            closed.map_or("never closed".to_owned(), |time| format!("closed after {} ms", time.as_millis()));
        report.spent(&format!("flood of {kind} for 5 s"), usage, format!("{sent} frames, {end}"));
    }
    Ok(())
}

/// Sends handshakes with unknown hosts and origins.
pub(crate) async fn foreign(report: &mut Report, target: &Target) -> Outcome<()> {
    let own = target.address.to_string();
    let cases = [
        ("foreign Host and Origin", "evil.example", "origin: http://evil.example\r\n"),
        (
            "foreign Host and Origin with our port",
            "evil.example:8080",
            "origin: http://evil.example:8080\r\n",
        ),
        ("foreign Origin", own.as_str(), "origin: http://evil.example\r\n"),
        ("Origin `null`", own.as_str(), "origin: null\r\n"),
        ("Origin with our host as a prefix", own.as_str(), "origin: http://127.0.0.1.evil.example\r\n"),
        ("foreign Host", "evil.example", ""),
    ];
    for (number, (case, host, more)) in (60..).zip(cases) {
        let status =
            upgrade(target.address, source(number), (host, more)).await.map_or(0, |(status, _)| status);
        report.judged(&format!("WebSocket: {case}"), status != 101, status.to_string(), "no socket");
    }
    Ok(())
}

/// Measures the cost of queries whose socket is closed immediately.
pub(crate) async fn orphans(report: &mut Report, target: &Target) -> Outcome<()> {
    const DOCUMENT: &str = "{events(first:100){nodes{name seatsLeft tiers{name} venue{name} seatMap{name}}}}";
    Vendor::sign_in(target, STAFF).await?.many_events(target, 80, "An event.").await?;
    let mut stream = session(target.address, source(70)).await?;
    for id in 0..40 {
        stream.write_all(&subscribe(id, DOCUMENT)?).await?;
    }
    stream.set_zero_linger()?;
    drop(stream);
    // Give the server time to notice.
    sleep(Duration::from_millis(200)).await;
    let meter = target.meter()?;
    sleep(Duration::from_secs(5)).await;
    let usage = meter.read()?;
    report.spent(
        "40 queries over a socket that is closed at once, 0.2 s to 5.2 s after",
        usage,
        String::new(),
    );
    Ok(())
}

/// Opens sockets that never read a subscription's messages, and more sockets than one address may have.
pub(crate) async fn crowds(report: &mut Report, target: &Target) -> Outcome<()> {
    let meter = target.meter()?;
    let mut streams = Vec::new();
    for _ in 0..1_000 {
        match session(target.address, source(80)).await {
            Ok(stream) => streams.push(stream),
            Err(_) => break,
        }
    }
    let open = held(target.address.port())?.iter().filter(|(address, _)| *address == source(80)).count();
    let usage = meter.read()?;
    let answer = format!("{open} of 1,000 sockets, peak +{} KiB", usage.peak_kib);
    report.judged("1,000 sockets of one address", open <= 300, answer, "≤ 300 sockets");
    drop(streams);
    sleep(Duration::from_millis(500)).await;

    // Requests a stadium's response 40 times and reads nothing.
    let Ok(mut stream) = session(target.address, source(81)).await else { return Ok(()) };
    let meter = target.meter()?;
    let document = "{event(slug:\"harbour-derby\"){seatMap{zones{rows{seats{id guid label x y}}}}}}";
    for id in 0..40 {
        if stream.write_all(&subscribe(id, document)?).await.is_err() {
            break;
        }
    }
    sleep(Duration::from_secs(5)).await;
    let usage = meter.read()?;
    let peak = usage.peak_kib;
    let answer = format!("peak +{peak} KiB, {} ms CPU", usage.cpu.as_millis());
    report.judged("40 large results over a socket that never reads", peak <= 16 * 1024, answer, "≤ 16 MB");
    Ok(())
}
