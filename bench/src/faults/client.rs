//! A client that repeats a call on one instance after the other until it gets a response.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    caller::{Caller, STAFF, source},
    calls::GUEST,
    faults::tally::{Reply, Tally, reply},
};

/// The timeout of one response. The server's own deadline is 10 seconds, plus 5 for a commit in progress.
const PATIENCE: Duration = Duration::from_secs(20);
/// The time after which the client gives up on a call.
const GIVE_UP: Duration = Duration::from_secs(90);
/// The maximum pause between two attempts.
const PAUSE: Duration = Duration::from_millis(800);

/// The shared state of all clients of a run.
#[derive(Debug)]
pub(crate) struct Front {
    /// The addresses of the instances.
    pub(crate) addresses: Vec<SocketAddr>,
    tally: Mutex<Tally>,
    ending: AtomicBool,
}

impl Front {
    /// Creates the state for these instances. Counting starts now.
    pub(crate) fn new(addresses: Vec<SocketAddr>) -> Self {
        Self { addresses, tally: Mutex::new(Tally::new(Instant::now())), ending: AtomicBool::new(false) }
    }

    /// Locks the counts.
    pub(crate) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells clients to start nothing new.
    pub(crate) fn end(&self) {
        self.ending.store(true, Ordering::Release);
    }

    /// Returns whether clients should start nothing new.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Acquire)
    }
}

/// The result of a call that was repeated as often as needed.
#[derive(Clone, Debug)]
pub(crate) enum Answered {
    /// Acknowledged.
    Data(Value),
    /// Refused with this code.
    Refused(String),
    /// Never answered. Contains the kind of the last error.
    Never(String),
}

/// A client.
#[derive(Debug)]
pub(crate) struct Client {
    /// The shared counts and addresses.
    pub(crate) front: Arc<Front>,
    /// The generator of random numbers.
    pub(crate) random: Random,
    caller: Caller,
    at: usize,
}

impl Client {
    /// Creates a client without a session. Different numbers have different addresses.
    pub(crate) fn new(front: &Arc<Front>, number: u32) -> Self {
        let at = usize::try_from(number).unwrap_or_default() % front.addresses.len();
        let caller = Caller::new(front.addresses[at], source(STAFF + 10 + number)).with_patience(PATIENCE);
        Self { front: Arc::clone(front), random: Random::new(u64::from(number) + 1), caller, at }
    }

    /// Returns the access token.
    pub(crate) fn token(&self) -> String {
        self.caller.token.clone().unwrap_or_default()
    }

    /// Sets the access token.
    pub(crate) fn take(&mut self, token: &str) {
        self.caller.token = Some(token.to_owned());
    }

    /// Creates a new guest session. Returns `false` if this never succeeded.
    pub(crate) async fn become_guest(&mut self) -> bool {
        self.caller.token = None;
        let answered = self.ask(GUEST, json!({})).await;
        let token = match &answered {
            Answered::Data(data) => data.pointer("/session/accessToken").and_then(Value::as_str),
            Answered::Refused(_) | Answered::Never(_) => None,
        };
        self.caller.token = token.map(str::to_owned);
        self.caller.token.is_some()
    }

    /// Calls a mutation until there is a response. Returns its payload.
    pub(crate) async fn ask(&mut self, document: &str, variables: Value) -> Answered {
        self.repeat(document, variables, true).await
    }

    /// Sends a query until there is a response. Returns its first field.
    pub(crate) async fn read(&mut self, document: &str, variables: Value) -> Answered {
        self.repeat(document, variables, false).await
    }

    async fn repeat(&mut self, document: &str, variables: Value, is_mutation: bool) -> Answered {
        let begun = Instant::now();
        let mut pause = Duration::from_millis(50);
        loop {
            let answer = self.caller.gql(document, variables.clone()).await;
            let now = Instant::now();
            match reply(&answer) {
                Reply::Data(data) => {
                    if is_mutation {
                        self.front.tally().acknowledge(now);
                    }
                    return Answered::Data(data);
                }
                Reply::Refused(code) => {
                    let mut tally = self.front.tally();
                    tally.refuse(&code);
                    tally.end(now);
                    return Answered::Refused(code);
                }
                Reply::Failed(kind) => {
                    self.front.tally().fail(&kind);
                    if begun.elapsed() > GIVE_UP {
                        return Answered::Never(kind);
                    }
                }
            }
            self.at = (self.at + 1) % self.front.addresses.len();
            self.caller.move_to(self.front.addresses[self.at]);
            sleep(pause / 2 + pause.mul_f64(self.random.fraction() / 2.0)).await;
            pause = (pause * 2).min(PAUSE);
        }
    }
}

/// A pseudo-random generator (xorshift). The same seed gives the same numbers.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// Creates the generator of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Returns a number below `bound`, which must not be zero.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or_default() % bound
    }

    fn fraction(&mut self) -> f64 {
        let number = u32::try_from(self.below(1_000)).unwrap_or_default();
        f64::from(number) / 1_000.0
    }
}
