//! Repeated reservations and releases, while half of all attempts target the same few pairs of seats.
//!
//! Without contention, each client has its own pair. With contention, every second attempt targets one of the shared
//! pairs. They are so few that about half of these attempts find their pair taken.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use super::{Row, Scene};
use crate::{
    Outcome,
    bench::{Bench, CONNECTIONS, progress},
    buyer::{Answer, Buyer, Keys},
    crowd::Tally,
    server::Home,
    stage::Event,
    stats::{best, rate},
    table::{Line, per_second, ratio},
};

/// The number of shared pairs. With this number of clients per pair, about half of the attempts collide.
const SHARED: usize = CONNECTIONS * 2 / 7;
/// The number of measurements of each kind, alternately. The best result counts.
const TURNS: usize = 2;
/// The number of rows of the hall.
const HALL_ROWS: u32 = 200;

pub(super) async fn run(bench: &Bench) -> Outcome<Vec<Line>> {
    let mut scene = Scene::set(bench, Home::on_postgres(bench).await?).await?;
    let hall = scene.stage.hall(HALL_ROWS).await?;
    let event = scene.stage.event(&hall).await?;
    let second = Duration::from_secs(1);
    cycle(&scene, &event, (true, second)).await?;
    let time = second * bench.scale.seconds / 3;
    let (mut alone, mut together) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        alone.push(cycle(&scene, &event, (false, time)).await?);
        together.push(cycle(&scene, &event, (true, time)).await?);
    }
    let ((), reference) = best(alone.into_iter().map(|(_, rate)| ((), rate))).ok_or("nothing measured")?;
    let (refused, ours) = best(together).ok_or("nothing measured")?;
    Ok(vec![Line {
        reference_value: per_second(reference),
        ours: format!(
            "{} ({:.0} % of the attempts on shared seats refused)",
            per_second(ours),
            refused * 100.0
        ),
        ratio: ratio(ours, reference),
        ..Row::Contention.line("uncontended, each client its own seats")
    }])
}

/// Returns the share of refused attempts on shared pairs, and the operations per second.
async fn cycle(scene: &Scene, event: &Event, (contended, time): (bool, Duration)) -> Outcome<(f64, f64)> {
    let addresses = [scene.server.address.as_str()];
    let crowd = scene.crowd(&addresses, CONNECTIONS);
    let mut buyers = Vec::new();
    for tokens in crowd.shares() {
        buyers.push(Buyer::connect(&scene.server.address, tokens).await?);
    }
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for (number, buyer) in buyers.into_iter().enumerate() {
        let client = Client { buyer, event: event.clone(), keys: Arc::clone(&scene.keys), number, contended };
        tasks.spawn(client.shop(begin, begin + time));
    }
    let tally = Tally::sum(tasks).await?;
    if tally.failed + tally.again > 0 || (!contended && tally.refused > 0) {
        let example = tally.example.unwrap_or_default();
        return Err(format!("{} refused, {} failed: {example}", tally.refused, tally.failed).into());
    }
    // Latencies count the attempts on shared pairs.
    let attempts = u32::try_from(tally.latencies.len())?.max(1);
    let (refused, rate) =
        (f64::from(tally.refused) / f64::from(attempts), rate(tally.done + tally.refused, tally.time));
    progress(&format!("contended {contended}: {rate:.0}/s, {:.0} % refused", refused * 100.0));
    Ok((refused, rate))
}

struct Client {
    buyer: Buyer,
    event: Event,
    keys: Arc<Keys>,
    number: usize,
    contended: bool,
}

impl Client {
    async fn shop(mut self, begin: Instant, end: Instant) -> Outcome<Tally> {
        let mut tally = Tally::default();
        let mut dice = Dice::new(self.number);
        while Instant::now() < end {
            let shared = self.contended && dice.roll(2) == 0;
            let pair = if shared { dice.roll(SHARED) } else { SHARED + self.number };
            let asked = Instant::now();
            let seats = &self.event.seats[2 * pair..2 * pair + 2];
            let answer = self.buyer.reserve(&self.event.id, seats, self.keys.next()).await?;
            if shared {
                tally.latencies.push(crate::stats::micros(asked.elapsed()));
            }
            let reserved = answer == Answer::Done;
            tally.count(answer);
            if reserved {
                tally.count(self.buyer.release().await?);
            }
        }
        Ok(tally.spanning(begin, Instant::now()))
    }
}

/// A random generator with the same sequence in every run.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(number: usize) -> Self {
        Self(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(number as u64 + 1))
    }

    /// Returns a number below `sides` (xorshift).
    pub(super) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 33) % sides as u64).unwrap_or_default()
    }
}
