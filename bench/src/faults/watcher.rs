//! A watcher of an event's availability: it follows the feed, and reconnects with its last version.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::{
    Outcome,
    caller::{STAFF, source},
    faults::{client::Front, scene::Scene, tally::CLOSED},
    frame::{CLOSE, PING, PONG, TEXT, first, masked},
    socket::upgrade,
};

/// The silence after which a watcher pings the server.
const SILENCE: Duration = Duration::from_secs(5);
/// The silence after which it reconnects.
const DEAD: Duration = Duration::from_secs(15);

/// The state of a watcher.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    /// The version of the last message.
    pub(crate) version: Option<i64>,
    /// The status of each seat, in map order: `A`, `R`, `S` or `X`.
    pub(crate) seats: BTreeMap<String, char>,
    /// Descriptions of messages that did not follow the previous one.
    pub(crate) gaps: Vec<String>,
    /// The number of messages.
    pub(crate) messages: u64,
}

/// A shared [`View`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Shared(Arc<Mutex<View>>);

impl Shared {
    /// Locks the view.
    pub(crate) fn view(&self) -> MutexGuard<'_, View> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl View {
    /// Applies a message of the feed.
    pub(crate) fn apply(&mut self, message: &Value, order: &[String]) {
        self.messages += 1;
        let Some(version) = message["version"].as_i64() else {
            self.gaps.push(format!("a message without a version: {message}"));
            return;
        };
        if let Some(rows) = message["rows"].as_array() {
            if self.version.is_some_and(|last| last > version) {
                self.gaps.push(format!("a snapshot of version {version} after {:?}", self.version));
            }
            self.seats = snapshot(rows, order);
        } else {
            if self.version != message["after"].as_i64() || self.version.is_none_or(|last| last >= version) {
                self.gaps.push(format!("{} → {version} after {:?}", message["after"], self.version));
            }
            for seat in message["seats"].as_array().into_iter().flatten() {
                let id = seat["id"].as_str().unwrap_or_default().to_owned();
                self.seats.insert(id, status(seat["status"].as_str().unwrap_or_default()));
            }
        }
        self.version = Some(version);
    }
}

/// Returns the seats of a snapshot's rows.
pub(crate) fn snapshot(rows: &[Value], order: &[String]) -> BTreeMap<String, char> {
    let statuses = rows.iter().filter_map(|row| row["statuses"].as_str()).flat_map(str::chars);
    order.iter().cloned().zip(statuses).collect()
}

fn status(name: &str) -> char {
    match name {
        "AVAILABLE" => 'A',
        "RESERVED" => 'R',
        "SOLD" => 'S',
        _ => 'X',
    }
}

/// Watches until the task is dropped. With a token, the socket is signed in.
pub(crate) async fn watch(
    front: Arc<Front>,
    scene: Arc<Scene>,
    number: usize,
    token: Option<String>,
    shared: Shared,
) {
    let mut at = number;
    loop {
        let address = front.addresses[at % front.addresses.len()];
        let ended = follow(address, number, &scene, token.as_deref(), &shared).await;
        let kind = ended.err().map_or_else(|| CLOSED.to_owned(), |failure| failure.to_string());
        front.tally().fail(&kind);
        at += 1;
        sleep(Duration::from_millis(100)).await;
    }
}

/// Follows the feed over one socket. The error is the kind of its end.
async fn follow(
    address: SocketAddr,
    number: usize,
    scene: &Scene,
    token: Option<&str>,
    shared: &Shared,
) -> Outcome<()> {
    let from = source(STAFF + 1_000 + u32::try_from(number)?);
    let opened = timeout(SILENCE * 2, upgrade(address, from, (&address.to_string(), ""))).await;
    let mut stream = match opened {
        Ok(Ok((101, stream))) => stream,
        Ok(Ok((503, _))) => return Err("UNAVAILABLE".into()),
        Ok(Ok((status, _))) => return Err(format!("handshake {status}").into()),
        Ok(Err(_)) | Err(_) => return Ok(()),
    };
    let after = shared.view().version;
    let mut init = json!({ "type": "connection_init" });
    if let Some(token) = token {
        init["payload"] = json!({ "token": token });
    }
    if send(&mut stream, &init).await.is_err() {
        return Ok(());
    }
    let mut buffer = Vec::new();
    let mut heard = Instant::now();
    loop {
        while let Some((frame, length)) = first(&buffer)? {
            heard = Instant::now();
            match frame.opcode {
                PING => drop(stream.write_all(&masked(PONG, frame.payload)?).await),
                CLOSE => return close(frame.payload),
                TEXT => {
                    let message: Value = serde_json::from_slice(frame.payload)?;
                    match message["type"].as_str().unwrap_or_default() {
                        "connection_ack" => drop(send(&mut stream, &subscribe(scene, after)).await),
                        "next" => next(&message, scene, shared)?,
                        "error" => return Err(code(&message["payload"][0]).into()),
                        "complete" => return Ok(()),
                        _ => {}
                    }
                }
                _ => {}
            }
            buffer.drain(..length);
        }
        match timeout(SILENCE, stream.read_buf(&mut buffer)).await {
            Ok(Ok(1..)) => {}
            Ok(_) => return Ok(()),
            Err(_) if heard.elapsed() > DEAD => return Ok(()),
            Err(_) => drop(send(&mut stream, &json!({ "type": "ping" })).await),
        }
    }
}

fn next(message: &Value, scene: &Scene, shared: &Shared) -> Outcome<()> {
    let payload = &message["payload"];
    if let Some(error) = payload["errors"].as_array().and_then(|errors| errors.first()) {
        return Err(code(error).into());
    }
    shared.view().apply(&payload["data"]["seatAvailability"], &scene.seats);
    Ok(())
}

/// Checks a close frame. A code below 4000 means that the server stops or cannot continue.
fn close(payload: &[u8]) -> Outcome<()> {
    match payload {
        [high, low, ..] => match u16::from_be_bytes([*high, *low]) {
            0..4_000 => Ok(()),
            code => Err(format!("socket closed with {code}").into()),
        },
        _ => Ok(()),
    }
}

fn code(error: &Value) -> String {
    error.pointer("/extensions/code").and_then(Value::as_str).unwrap_or("an error without code").to_owned()
}

fn subscribe(scene: &Scene, after: Option<i64>) -> Value {
    let document =
        "subscription($event: ID!, $after: Long) { seatAvailability(eventId: $event, after: $after) {
        ... on AvailabilitySnapshot { version rows { statuses } }
        ... on AvailabilityDelta { after version seats { id status } } } }";
    let variables = json!({ "event": scene.event, "after": after });
    json!({ "type": "subscribe", "id": "1", "payload": { "query": document, "variables": variables } })
}

async fn send(stream: &mut TcpStream, message: &Value) -> Outcome<()> {
    Ok(stream.write_all(&masked(TEXT, message.to_string().as_bytes())?).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skipped_version_is_a_gap() {
        let order = ["a".to_owned(), "b".to_owned()];
        let mut view = View::default();
        view.apply(&json!({ "version": 5, "rows": [{ "statuses": "A" }, { "statuses": "S" }] }), &order);
        let seats = json!([{ "id": "a", "status": "RESERVED" }]);
        view.apply(&json!({ "after": 5, "version": 7, "seats": seats }), &order);
        assert_eq!((view.seats["a"], view.seats["b"], view.gaps.len()), ('R', 'S', 0));
        view.apply(&json!({ "after": 8, "version": 9, "seats": [] }), &order);
        view.apply(&json!({ "version": 8, "rows": [] }), &order);
        assert_eq!(view.gaps.len(), 2);
    }

    #[test]
    fn close_codes_of_the_protocol_are_errors() {
        assert!(close(&1_001_u16.to_be_bytes()).is_ok());
        assert!(close(&1_013_u16.to_be_bytes()).is_ok());
        assert!(close(&4_403_u16.to_be_bytes()).is_err());
    }
}
