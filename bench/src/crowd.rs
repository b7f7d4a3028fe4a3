//! A crowd of clients. Each reserves pairs of seats or claims coupons as fast as it gets responses.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{sync::Barrier, task::JoinSet, time::sleep};

use crate::{
    Outcome,
    buyer::{Answer, Buyer, Keys},
    stage::Event,
    stats,
};

/// The maximum number of repetitions of a call, and the pause between them. All use the same key.
const TRIES: u32 = 200;
const PAUSE: Duration = Duration::from_millis(5);

/// The clients of a crowd.
#[derive(Clone, Debug)]
pub(crate) struct Crowd<'a> {
    /// The servers over which the connections are distributed.
    pub(crate) addresses: &'a [&'a str],
    /// The access tokens, distributed over the connections.
    pub(crate) tokens: &'a [String],
    /// The idempotency keys of the calls.
    pub(crate) keys: &'a Arc<Keys>,
    /// The number of connections.
    pub(crate) connections: usize,
}

/// The results of a crowd.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Successful calls.
    pub(crate) done: u32,
    /// Calls that a business rule refused.
    pub(crate) refused: u32,
    /// Calls that had to be repeated.
    pub(crate) again: u32,
    /// Calls that failed.
    pub(crate) failed: u32,
    /// An example of a failure.
    pub(crate) example: Option<String>,
    /// The time from the first call of all connections to the last response.
    pub(crate) time: Duration,
    /// The latency of each call, in microseconds.
    pub(crate) latencies: Vec<u32>,
    span: Option<(Instant, Instant)>,
}

/// The goods that the crowd buys.
enum Goods {
    /// Pairs of seats of the event, one after the other.
    Pairs(Event),
    /// Copies of the coupon with this id.
    Copies(String),
}

/// The remaining goods of one event or coupon.
struct Sale {
    goods: Goods,
    warm_up: usize,
    last: usize,
    warm: AtomicUsize,
    next: AtomicUsize,
}

impl Crowd<'_> {
    /// Reserves `timed` pairs, distributed equally over the events, after `warm_up` unmeasured ones.
    pub(crate) async fn reserve(&self, events: &[Event], warm_up: u32, timed: u32) -> Outcome<Tally> {
        let (warm_up, timed) = (usize::try_from(warm_up)?, usize::try_from(timed)?);
        let sales: Vec<_> = events
            .iter()
            .map(|event| Sale::of_pairs(event, warm_up / events.len(), timed / events.len()))
            .collect::<Outcome<_>>()?;
        self.come(&sales).await
    }

    /// Claims `timed` copies of the coupon, after `warm_up` unmeasured ones.
    pub(crate) async fn claim(&self, coupon: &str, warm_up: u32, timed: u32) -> Outcome<Tally> {
        let goods = Goods::Copies(coupon.to_owned());
        self.come(&[Sale::new(goods, usize::try_from(warm_up)?, usize::try_from(timed)?)]).await
    }

    async fn come(&self, sales: &[Arc<Sale>]) -> Outcome<Tally> {
        let barrier = Arc::new(Barrier::new(self.connections));
        let mut tasks = JoinSet::new();
        for (number, tokens) in self.shares().enumerate() {
            let address = self.addresses[number % self.addresses.len()];
            let buyer = Buyer::connect(address, tokens).await?;
            let sale = Arc::clone(&sales[number % sales.len()]);
            tasks.spawn(shop(buyer, sale, Arc::clone(self.keys), Arc::clone(&barrier)));
        }
        Tally::sum(tasks).await
    }

    /// Returns the tokens of each connection.
    pub(crate) fn shares(&self) -> impl Iterator<Item = &[String]> {
        let each = (self.tokens.len() / self.connections).max(1);
        (0..self.connections).map(move |number| {
            let first = number * each % self.tokens.len();
            &self.tokens[first..(first + each).min(self.tokens.len())]
        })
    }
}

impl Sale {
    fn of_pairs(event: &Event, warm_up: usize, timed: usize) -> Outcome<Arc<Self>> {
        let last = warm_up + timed;
        if 2 * last > event.seats.len() {
            return Err(format!("{} seats are too few for {last} pairs", event.seats.len()).into());
        }
        Ok(Self::new(Goods::Pairs(event.clone()), warm_up, timed))
    }

    fn new(goods: Goods, warm_up: usize, timed: usize) -> Arc<Self> {
        let (warm, next) = (AtomicUsize::new(0), AtomicUsize::new(warm_up));
        Arc::new(Self { goods, warm_up, last: warm_up + timed, warm, next })
    }
}

/// Takes the next number below `end`.
fn take(next: &AtomicUsize, end: usize) -> Option<usize> {
    let number = next.fetch_add(1, Ordering::Relaxed);
    (number < end).then_some(number)
}

/// Reserves a pair or claims a copy. Repeats the call as long as the server requests it.
async fn insist(
    buyer: &mut Buyer,
    sale: &Sale,
    (number, key): (usize, u64),
    tally: &mut Tally,
) -> Outcome<()> {
    let mut answer = match &sale.goods {
        Goods::Pairs(event) => {
            buyer.reserve(&event.id, &event.seats[2 * number..2 * number + 2], key).await?
        }
        Goods::Copies(coupon) => buyer.claim(coupon, key).await?,
    };
    for _ in 0..TRIES {
        let again = answer == Answer::Again;
        tally.count(answer);
        if !again {
            return Ok(());
        }
        sleep(PAUSE).await;
        answer = buyer.repeat().await?;
    }
    Err(format!("asked again {TRIES} times").into())
}

async fn shop(mut buyer: Buyer, sale: Arc<Sale>, keys: Arc<Keys>, barrier: Arc<Barrier>) -> Outcome<Tally> {
    let (mut warm, mut tally) = (Tally::default(), Tally::default());
    while let Some(pair) = take(&sale.warm, sale.warm_up) {
        insist(&mut buyer, &sale, (pair, keys.next()), &mut warm).await?;
    }
    barrier.wait().await;
    let begin = Instant::now();
    while let Some(pair) = take(&sale.next, sale.last) {
        let asked = Instant::now();
        insist(&mut buyer, &sale, (pair, keys.next()), &mut tally).await?;
        tally.latencies.push(stats::micros(asked.elapsed()));
    }
    tally.span = Some((begin, Instant::now()));
    // Failures during the warm-up count too.
    tally.failed += warm.failed + warm.refused;
    tally.example = tally.example.or(warm.example);
    Ok(tally)
}

impl Tally {
    /// Counts a result.
    pub(crate) fn count(&mut self, answer: Answer) {
        match answer {
            Answer::Done => self.done += 1,
            Answer::Refused => self.refused += 1,
            Answer::Again => self.again += 1,
            Answer::Failed(example) => {
                self.failed += 1;
                self.example.get_or_insert(example);
            }
        }
    }

    /// Sets the start and the end of the measured time.
    pub(crate) fn spanning(mut self, begin: Instant, end: Instant) -> Self {
        self.span = Some((begin, end));
        self
    }

    /// Sums all tallies. The first failed connection ends all others.
    pub(crate) async fn sum(mut tasks: JoinSet<Outcome<Self>>) -> Outcome<Self> {
        let mut all = Self::default();
        while let Some(one) = tasks.join_next().await {
            let one = one??;
            all.done += one.done;
            all.refused += one.refused;
            all.again += one.again;
            all.failed += one.failed;
            all.example = all.example.or(one.example);
            all.latencies.extend(one.latencies);
            all.span = match (all.span, one.span) {
                (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
                (a, b) => a.or(b),
            };
        }
        all.time = all.span.map_or(Duration::ZERO, |(begin, end)| end - begin);
        Ok(all)
    }

    /// Returns the rate if all `expected` calls succeeded.
    pub(crate) fn rate_of(&self, expected: u32) -> Outcome<f64> {
        if self.done != expected || self.refused + self.failed > 0 {
            let example = self.example.as_deref().unwrap_or("none");
            let text = format!(
                "{} of {expected} done, {} refused, {} failed, for example: {example}",
                self.done, self.refused, self.failed
            );
            return Err(text.into());
        }
        Ok(stats::rate(self.done, self.time))
    }
}
