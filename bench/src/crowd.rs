//! A crowd that reserves pair after pair, or claims coupon after coupon, as fast as it is answered.

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

/// How often a call is made again, and after how long: a buyer's key is good for all of them.
const TRIES: u32 = 200;
const PAUSE: Duration = Duration::from_millis(5);

/// Who comes.
#[derive(Clone, Debug)]
pub(crate) struct Crowd<'a> {
    /// The servers among which the connections are divided.
    pub(crate) addresses: &'a [&'a str],
    /// The access tokens, divided among the connections.
    pub(crate) tokens: &'a [String],
    /// The keys of their calls.
    pub(crate) keys: &'a Arc<Keys>,
    /// How many connections.
    pub(crate) connections: usize,
}

/// How it went.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Calls that did what was asked.
    pub(crate) done: u32,
    /// Calls that the business refused.
    pub(crate) refused: u32,
    /// Calls that the server asked to be made again.
    pub(crate) again: u32,
    /// All others.
    pub(crate) failed: u32,
    /// One of these.
    pub(crate) example: Option<String>,
    /// From the first call of all connections to the last answer.
    pub(crate) time: Duration,
    /// Of each call, in microseconds.
    pub(crate) latencies: Vec<u32>,
    span: Option<(Instant, Instant)>,
}

/// What the crowd wants.
enum Goods {
    /// The event's pairs, one after the other.
    Pairs(Event),
    /// Copies of the coupon with this id.
    Copies(String),
}

/// What is sold of one event or coupon.
struct Sale {
    goods: Goods,
    warm_up: usize,
    last: usize,
    warm: AtomicUsize,
    next: AtomicUsize,
}

impl Crowd<'_> {
    /// Reserves so many pairs in all, equally many of each event, after some to warm up.
    pub(crate) async fn reserve(&self, events: &[Event], warm_up: u32, timed: u32) -> Outcome<Tally> {
        let (warm_up, timed) = (usize::try_from(warm_up)?, usize::try_from(timed)?);
        let sales: Vec<_> = events
            .iter()
            .map(|event| Sale::of_pairs(event, warm_up / events.len(), timed / events.len()))
            .collect::<Outcome<_>>()?;
        self.come(&sales).await
    }

    /// Claims so many copies of the coupon, after some to warm up.
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

    /// The tokens of each connection.
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

/// The next number before `end`.
fn take(next: &AtomicUsize, end: usize) -> Option<usize> {
    let number = next.fetch_add(1, Ordering::Relaxed);
    (number < end).then_some(number)
}

/// Reserves a pair or claims a copy, as often as the server asks to be asked again.
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
    // What went wrong before the clock ran went wrong all the same.
    tally.failed += warm.failed + warm.refused;
    tally.example = tally.example.or(warm.example);
    Ok(tally)
}

impl Tally {
    /// One more.
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

    /// Begins and ends the time that counts.
    pub(crate) fn spanning(mut self, begin: Instant, end: Instant) -> Self {
        self.span = Some((begin, end));
        self
    }

    /// All tallies together. The first connection that breaks ends them all.
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

    /// The rate, if everything that was asked was done.
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
