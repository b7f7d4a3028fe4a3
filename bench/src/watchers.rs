//! Thousands of subscribers in one thread. Each has a task, a socket and little memory.
//!
//! A subscriber reads the `version` of each frame, which must never decrease. For each version, a counter has the
//! number of subscribers that have seen it or a later one. So a merged message counts as one delivery of each of its
//! changes. The caller waits until all have seen a change.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU32, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime,
    sync::{Notify, Semaphore, oneshot},
    task::JoinSet,
    time::timeout,
};

use crate::{
    Outcome,
    frame::{CLOSE, Frame, PING, PONG, TEXT, first, masked},
    http::find,
};

/// The number of sockets that are opened concurrently.
const DOORS: usize = 64;
/// The timeout of a change's delivery.
const PATIENCE: Duration = Duration::from_mins(1);
/// The size of one read, in bytes.
const READ_BYTES: usize = 4 * 1024;

/// The subscribers. Dropping the value closes them.
pub(crate) struct Watchers {
    /// The state that they have seen.
    pub(crate) seen: Arc<Seen>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// The state that the subscribers have seen.
#[derive(Debug)]
pub(crate) struct Seen {
    count: usize,
    /// The first version of all subscribers. The first subscriber sets it.
    first: AtomicI64,
    ready: AtomicUsize,
    /// The number of subscribers that have seen each version, indexed by its distance from the first.
    arrived: Vec<AtomicUsize>,
    /// The number of frames with a version, except each subscriber's first.
    frames: AtomicU32,
    /// The number of bytes of the last frame.
    bytes: AtomicUsize,
    /// The number of errors: broken sockets, and versions that decreased.
    broken: AtomicUsize,
    news: Notify,
}

impl Watchers {
    /// Opens this number of sockets. Sends the messages of `greeting` on each, each one after the response to the
    /// previous one. Waits until each socket has seen a version. At most `changes` changes may follow.
    pub(crate) async fn gather(
        address: &str,
        greeting: &[String],
        count: usize,
        changes: u32,
    ) -> Outcome<Self> {
        let seen = Arc::new(Seen::new(count, usize::try_from(changes)?));
        let frames =
            greeting.iter().map(|text| masked(TEXT, text.as_bytes())).collect::<Outcome<Arc<[_]>>>()?;
        let (stop, stopped) = oneshot::channel();
        let (address, hears) = (address.to_owned(), Arc::clone(&seen));
        // Create the runtime here to report a failure. The thread drives it.
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = all(&address, &frames, &hears) => {}
                    _ = stopped => {}
                }
            });
        });
        let watchers = Self { seen, stop: Some(stop), thread: Some(thread) };
        watchers.seen.wait(|seen| seen.ready.load(Ordering::Acquire) == count).await?;
        Ok(watchers)
    }
}

impl Drop for Watchers {
    fn drop(&mut self) {
        // The thread may have ended already.
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Seen {
    fn new(count: usize, changes: usize) -> Self {
        Self {
            count,
            first: AtomicI64::new(-1),
            ready: AtomicUsize::new(0),
            arrived: (0..=changes).map(|_| AtomicUsize::new(0)).collect(),
            frames: AtomicU32::new(0),
            bytes: AtomicUsize::new(0),
            broken: AtomicUsize::new(0),
            news: Notify::new(),
        }
    }

    /// Waits until all have seen the change of this number. The first change is 1.
    pub(crate) async fn all_have(&self, change: u32) -> Outcome<()> {
        let change = usize::try_from(change)?;
        self.wait(|seen| {
            seen.arrived.get(change).is_some_and(|arrived| arrived.load(Ordering::Acquire) == seen.count)
        })
        .await
    }

    /// Waits until all have seen this version or a later one.
    pub(crate) async fn all_at(&self, version: i64) -> Outcome<()> {
        self.all_have(u32::try_from(version - self.first.load(Ordering::Acquire))?).await
    }

    /// Returns the number of frames after each subscriber's first.
    pub(crate) fn frames(&self) -> u32 {
        self.frames.load(Ordering::Acquire)
    }

    /// Returns the number of bytes of the last frame's payload.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Acquire)
    }

    async fn wait(&self, done: impl Fn(&Self) -> bool) -> Outcome<()> {
        let waited = timeout(PATIENCE, async {
            loop {
                let news = self.news.notified();
                if done(self) || self.broken.load(Ordering::Acquire) > 0 {
                    return;
                }
                news.await;
            }
        });
        let in_time = waited.await.is_ok();
        let (broken, ready) = (self.broken.load(Ordering::Acquire), self.ready.load(Ordering::Acquire));
        if broken > 0 || !in_time {
            let arrived: Vec<_> =
                self.arrived.iter().map(|arrived| arrived.load(Ordering::Acquire)).collect();
            let behind = arrived.iter().position(|arrived| *arrived < self.count);
            let text = format!(
                "of {} subscribers {ready} were ready, {broken} broke or saw a version go back, and not all saw change {behind:?}",
                self.count
            );
            return Err(text.into());
        }
        Ok(())
    }

    /// Records that a subscriber that last saw `before` sees `version`.
    fn saw(&self, before: Option<i64>, version: i64) {
        let first = match self.first.compare_exchange(-1, version, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => version,
            Err(first) => first,
        };
        match before {
            None => {
                if self.ready.fetch_add(1, Ordering::AcqRel) + 1 == self.count {
                    self.news.notify_one();
                }
            }
            Some(_) => {
                self.frames.fetch_add(1, Ordering::AcqRel);
            }
        }
        for step in before.map_or(first, |before| before + 1)..=version {
            let arrived = usize::try_from(step - first).ok().and_then(|step| self.arrived.get(step));
            if arrived.is_some_and(|arrived| arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.count) {
                self.news.notify_one();
            }
        }
    }
}

async fn all(address: &str, greeting: &Arc<[Vec<u8>]>, seen: &Arc<Seen>) {
    let doors = Arc::new(Semaphore::new(DOORS));
    let mut tasks = JoinSet::new();
    for _ in 0..seen.count {
        let (doors, seen) = (Arc::clone(&doors), Arc::clone(seen));
        let (address, greeting) = (address.to_owned(), Arc::clone(greeting));
        tasks.spawn(async move {
            if let Err(failure) = watch(&address, &greeting, &doors, &seen).await {
                if seen.broken.fetch_add(1, Ordering::AcqRel) == 0 {
                    eprintln!("bench: a subscriber: {failure}");
                }
                seen.news.notify_one();
            }
        });
    }
    while tasks.join_next().await.is_some() {}
}

/// Runs one subscriber until its socket breaks.
async fn watch(address: &str, greeting: &[Vec<u8>], doors: &Semaphore, seen: &Seen) -> Outcome<()> {
    // Released when the first version is seen.
    let mut door = Some(doors.acquire().await?);
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut waiting = shake_hands(&mut stream, address).await?;
    let mut greeting = greeting.iter();
    if let Some(words) = greeting.next() {
        stream.write_all(words).await?;
    }
    let mut last = None;
    loop {
        let mut taken = 0;
        while let Some((frame, length)) = first(&waiting[taken..])? {
            taken += length;
            match frame.opcode {
                PING => stream.write_all(&masked(PONG, frame.payload)?).await?,
                CLOSE => return Err("the server closed a subscriber's socket".into()),
                _ => {}
            }
            if let Some(version) = version(frame) {
                if last.is_some_and(|last| last > version) {
                    return Err(format!("version {version} came after {last:?}").into());
                }
                seen.bytes.store(frame.payload.len(), Ordering::Release);
                seen.saw(last, version);
                last = Some(version);
                drop(door.take());
            } else if frame.opcode == TEXT {
                match greeting.next() {
                    Some(words) => stream.write_all(words).await?,
                    None => return Err(String::from_utf8_lossy(frame.payload).into_owned().into()),
                }
            }
        }
        waiting.drain(..taken);
        if waiting.is_empty() {
            // Thousands of idle subscribers must not keep buffers.
            waiting = Vec::new();
        }
        stream.readable().await?;
        let mut bytes = [0; READ_BYTES];
        match stream.try_read(&mut bytes) {
            Ok(0) => return Err("a subscriber's socket broke".into()),
            Ok(read) => waiting.extend_from_slice(&bytes[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Upgrades the connection. Returns the bytes of frames that arrived with the response.
async fn shake_hands(stream: &mut TcpStream, address: &str) -> Outcome<Vec<u8>> {
    let request = format!(
        "GET /graphql HTTP/1.1\r\nhost: {address}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         sec-websocket-protocol: graphql-transport-ws\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    loop {
        if let Some(end) = find(&answer, b"\r\n\r\n") {
            if !answer.starts_with(b"HTTP/1.1 101") {
                return Err(format!("no upgrade: {}", String::from_utf8_lossy(&answer)).into());
            }
            return Ok(answer.split_off(end + 4));
        }
        if stream.read_buf(&mut answer).await? == 0 {
            return Err("the handshake was cut off".into());
        }
    }
}

/// Returns the version in a message.
fn version(frame: Frame<'_>) -> Option<i64> {
    const NAME: &[u8] = b"\"version\":";
    let digits = &frame.payload[find(frame.payload, NAME)? + NAME.len()..];
    let end = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
    std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found() {
        let frame = |payload: &'static [u8]| Frame { opcode: TEXT, payload };
        let delta =
            br#"{"id":"1","type":"next","payload":{"data":{"seatAvailability":{"version":42,"seats":[]}}}}"#;
        assert_eq!(version(frame(delta)), Some(42));
        assert_eq!(version(frame(b"{\"version\":7")), Some(7));
        assert_eq!(version(frame(br#"{"type":"connection_ack"}"#)), None);
    }

    #[tokio::test]
    async fn a_message_for_several_changes_is_a_delivery_of_each() {
        let seen = Seen::new(2, 3);
        seen.saw(None, 10);
        seen.saw(None, 10);
        seen.saw(Some(10), 11);
        seen.saw(Some(11), 13);
        seen.saw(Some(10), 13);
        let arrived: Vec<_> = seen.arrived.iter().map(|arrived| arrived.load(Ordering::Relaxed)).collect();
        assert_eq!((arrived.as_slice(), seen.frames()), ([2, 2, 2, 2].as_slice(), 3));
        seen.all_have(3).await.unwrap();
    }

    #[tokio::test]
    async fn late_subscriber_starts_with_a_current_snapshot() {
        let seen = Seen::new(2, 1);
        seen.saw(None, 10);
        seen.saw(Some(10), 11);
        seen.saw(None, 11);
        seen.all_have(1).await.unwrap();
    }
}
