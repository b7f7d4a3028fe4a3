//! An open loop of arrivals over a pool of connections.
//!
//! Arrivals have fixed times and do not wait for earlier ones. The latency of a served request counts from its due
//! time, so a slow server cannot hide it. An arrival is not sent if all connections of its class are busy.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::{
    Outcome,
    buyer::{Answer, Buyer, Keys},
    http::{Connection, find},
    stage::Event,
    stats::{micros, rate},
};

/// Requests of viewers without a token.
pub(crate) const BROWSE: usize = 0;
/// Reservations and their releases.
pub(crate) const RESERVE: usize = 1;
/// Payments.
pub(crate) const PAY: usize = 2;
/// The timeout of a request.
const PATIENCE: Duration = Duration::from_secs(10);

/// Returns the class of an arrival. Of ten arrivals, seven browse, two reserve or release, and one pays.
fn class_of(number: u32) -> usize {
    match number % 10 {
        0..7 => BROWSE,
        7 | 8 => RESERVE,
        _ => PAY,
    }
}

/// The result of one arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Served,
    Refused,
    Failed,
}

/// The counts of one class.
#[derive(Clone, Debug, Default)]
pub(crate) struct Count {
    /// The number of arrivals.
    pub(crate) offered: u32,
    /// The time from due to response of each served request, in microseconds.
    pub(crate) served: Vec<u32>,
    /// The time from sending to response of each refused request, in microseconds.
    pub(crate) refused: Vec<u32>,
    /// Requests that broke, timed out or had another error.
    pub(crate) failed: u32,
    /// Arrivals that found all connections busy.
    pub(crate) unsent: u32,
}

/// A phase's counts, shared by the dispatcher and the connections.
#[derive(Debug)]
pub(crate) struct Phase {
    begun: Instant,
    counts: Mutex<[Count; 3]>,
    /// Served and other arrivals, per half second.
    pub(crate) windows: Mutex<Vec<(u32, u32)>>,
}

/// One connection. It takes the next due time, sends a request, and reports that it is idle again.
struct Worker {
    class: usize,
    number: usize,
    due: mpsc::Receiver<(Instant, Arc<Phase>)>,
    idle: Arc<Mutex<Vec<usize>>>,
    asker: Asker,
}

/// The requests of a connection.
pub(crate) enum Asker {
    /// Sends the same request each time.
    Ready { address: String, connection: Option<Connection>, request: Vec<u8> },
    /// Reserves and releases a pair, alternately.
    Buyer { buyer: Box<Buyer>, event: Event, pair: usize, holds: bool, keys: Arc<Keys> },
}

/// A due request: its due time and its phase.
type Due = (Instant, Arc<Phase>);

/// All connections and the idle ones.
pub(crate) struct Pool {
    senders: [Vec<mpsc::Sender<Due>>; 3],
    idle: [Arc<Mutex<Vec<usize>>>; 3],
    workers: JoinSet<()>,
}

/// Locks a mutex, even if it is poisoned.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Phase {
    /// Creates a phase that starts now.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { begun: Instant::now(), counts: Mutex::default(), windows: Mutex::default() })
    }

    fn note(&self, class: usize, end: End, (due, sent): (Instant, Instant)) {
        {
            let mut counts = lock(&self.counts);
            match end {
                End::Served => counts[class].served.push(micros(due.elapsed())),
                End::Refused => counts[class].refused.push(micros(sent.elapsed())),
                End::Failed => counts[class].failed += 1,
            }
        }
        self.window(due, end == End::Served && due.elapsed() < Duration::from_secs(1));
    }

    fn window(&self, due: Instant, good: bool) {
        let index = usize::try_from((due - self.begun).as_millis() / 500).unwrap_or(usize::MAX).min(1_000);
        let mut windows = lock(&self.windows);
        if windows.len() <= index {
            windows.resize(index + 1, (0, 0));
        }
        if good { windows[index].0 += 1 } else { windows[index].1 += 1 }
    }
}

impl Asker {
    async fn ask(&mut self) -> Outcome<End> {
        match self {
            Self::Ready { address, connection, request } => {
                let open = match connection.take() {
                    Some(open) => connection.insert(open),
                    None => connection.insert(Connection::open(address).await?),
                };
                let (status, body) = open.ask(request).await?;
                Ok(judge(status, body))
            }
            Self::Buyer { buyer, event, pair, holds, keys } => {
                let answer = if *holds {
                    buyer.release().await?
                } else {
                    buyer.reserve(&event.id, &event.seats[*pair..*pair + 2], keys.next()).await?
                };
                Ok(match answer {
                    Answer::Done => {
                        *holds = !*holds;
                        End::Served
                    }
                    Answer::Refused => End::Served,
                    Answer::Again => End::Refused,
                    Answer::Failed(text) if text.starts_with("503") || text.starts_with("429") => {
                        End::Refused
                    }
                    // A release whose response was lost may have taken effect.
                    Answer::Failed(_) => {
                        *holds = false;
                        End::Failed
                    }
                })
            }
        }
    }

    /// Drops a broken connection. Opens a new one for a buyer.
    async fn reconnect(&mut self, address: &str, tokens: &[String]) {
        match self {
            Self::Ready { connection, .. } => *connection = None,
            Self::Buyer { buyer, holds, .. } => {
                if let Ok(fresh) = Buyer::connect(address, tokens).await {
                    **buyer = fresh;
                    *holds = false;
                }
            }
        }
    }
}

fn judge(status: u16, body: &[u8]) -> End {
    let limited = find(body, b"RATE_LIMITED").is_some() || find(body, b"UNAVAILABLE").is_some();
    match status {
        429 | 503 => End::Refused,
        200 if limited => End::Refused,
        // A failed field of a mutation is null, and its error is at the top level.
        200 if find(body, b"\"extensions\":{\"code\"").is_none() => End::Served,
        _ => End::Failed,
    }
}

async fn work(mut worker: Worker, address: String, tokens: Vec<String>) {
    while let Some((due, phase)) = worker.due.recv().await {
        let sent = Instant::now();
        let end = timeout(PATIENCE, worker.asker.ask()).await;
        phase.note(
            worker.class,
            end.as_ref().map_or(End::Failed, |end| *end.as_ref().unwrap_or(&End::Failed)),
            (due, sent),
        );
        if !matches!(end, Ok(Ok(_))) {
            worker.asker.reconnect(&address, &tokens).await;
        }
        lock(&worker.idle).push(worker.number);
    }
}

impl Pool {
    /// Opens this number of connections for each class. `asker` defines the requests of each connection and its tokens.
    pub(crate) async fn open<F>(address: &str, sizes: [usize; 3], asker: F) -> Outcome<Self>
    where
        F: AsyncFn(usize, usize) -> Outcome<(Asker, Vec<String>)>,
    {
        let mut pool =
            Self { senders: Default::default(), idle: Default::default(), workers: JoinSet::new() };
        for class in [BROWSE, RESERVE, PAY] {
            for number in 0..sizes[class] {
                let (asker, tokens) = asker(class, number).await?;
                let (sender, due) = mpsc::channel(1);
                let idle = Arc::clone(&pool.idle[class]);
                lock(&idle).push(number);
                pool.senders[class].push(sender);
                pool.workers.spawn(work(
                    Worker { class, number, due, idle, asker },
                    address.to_owned(),
                    tokens,
                ));
            }
        }
        Ok(pool)
    }

    /// Sends a due request. Returns whether a connection was idle.
    fn send(&self, class: usize, due: Instant, phase: &Arc<Phase>) -> bool {
        let Some(number) = lock(&self.idle[class]).pop() else { return false };
        self.senders[class][number].try_send((due, Arc::clone(phase))).is_ok()
    }

    /// Offers this number of arrivals per second for this time, regardless of their results.
    pub(crate) async fn offer(&self, per_second: f64, time: Duration) -> [Count; 3] {
        let phase = Phase::new();
        self.arrive(per_second, time, &phase).await;
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until && !self.is_idle() {
            sleep(Duration::from_millis(10)).await;
        }
        lock(&phase.counts).clone()
    }

    fn is_idle(&self) -> bool {
        (0..3).all(|class| lock(&self.idle[class]).len() == self.senders[class].len())
    }

    /// Creates arrivals at fixed times.
    pub(crate) async fn arrive(&self, per_second: f64, time: Duration, phase: &Arc<Phase>) {
        let step = Duration::from_secs_f64(1.0 / per_second.max(1.0));
        let until = phase.begun + time;
        let (mut due, mut number) = (phase.begun, 0_u32);
        while due < until {
            let now = Instant::now();
            while due <= now && due < until {
                let class = class_of(number);
                let sent = self.send(class, due, phase);
                let mut counts = lock(&phase.counts);
                counts[class].offered += 1;
                if !sent {
                    counts[class].unsent += 1;
                    drop(counts);
                    phase.window(due, false);
                }
                number = number.wrapping_add(1);
                due += step;
            }
            // Timers have a resolution of a millisecond. Requests due meanwhile are sent together.
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// Lets all connections send requests continuously, with the same shares of classes. Returns the server's capacity
    /// per second.
    pub(crate) async fn capacity(&self, time: Duration) -> f64 {
        let phase = Phase::new();
        let until = phase.begun + time;
        let mut number = 0_u32;
        while Instant::now() < until {
            let class = class_of(number);
            if self.send(class, Instant::now(), &phase) {
                number = number.wrapping_add(1);
            } else {
                tokio::task::yield_now().await;
            }
        }
        let took = phase.begun.elapsed();
        let counts = lock(&phase.counts);
        rate(
            u32::try_from(counts.iter().map(|count| count.served.len()).sum::<usize>()).unwrap_or(u32::MAX),
            took,
        )
    }
}
