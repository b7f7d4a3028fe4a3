//! Best available seats in a large hall, in this process: the time that the selection adds to a reservation.

use std::{collections::HashMap, sync::Arc, time::Instant};

use chrono::{DateTime, Utc};
use entity::{TierId, event::BuyerRequirement, inventory::SeatStatus};
use tessera::{
    inventory::{BestAvailable, Counts, Hoarding, Refusal, Seat, Stock, Terms, TierTerms, best_available},
    venue::{hall::Hall, plan::Plan},
};
use uuid::Uuid;

use super::{Row, contention::Dice};
use crate::{
    Outcome,
    bench::{Bench, progress},
    stage::plan,
    stats::{median, micros, percentile},
    table::{Line, millis},
};

/// The number of rows of the hall, for 20,000 seats.
const HALL_ROWS: u32 = 200;
/// The number of sequential requests. Each keeps its seats.
const PARTIES: usize = 1_000;
/// The number of seats per request.
const PARTY: u32 = 4;

/// Creates a half-sold hall from a seed.
type Half = fn(usize) -> Outcome<Stock>;

#[expect(clippy::unused_async, reason = "a row like the others")]
pub(super) async fn run(_: &Bench) -> Outcome<Vec<Line>> {
    let mut times = Vec::new();
    for (how, half_sold) in
        [("seat by seat, anywhere", sold_anywhere as Half), ("the best first", sold_in_order as Half)]
    {
        let mut some = Vec::with_capacity(PARTIES);
        let mut seed = 1;
        let mut stock = half_sold(seed)?;
        while some.len() < PARTIES {
            let begin = Instant::now();
            let chosen = choose(&stock, PARTY);
            some.push(micros(begin.elapsed()));
            match chosen {
                Ok(seats) => sell(&mut stock, &seats),
                // A refusal because no four seats are together is a result too. It takes the longest.
                Err(Refusal::NotEnoughTogether { .. }) => {
                    seed += 1;
                    stock = half_sold(seed)?;
                }
                Err(refusal) => return Err(format!("{refusal:?}").into()),
            }
        }
        let middle = median(&mut some).unwrap_or_default();
        let most = percentile(&mut some, 1_000).unwrap_or_default();
        progress(&format!("half sold {how}: median {}, at most {}", millis(middle), millis(most)));
        times.append(&mut some);
    }
    let p99 = percentile(&mut times, 990).ok_or("nothing measured")?;
    Ok(vec![Line { ours: millis(p99), ..Row::BestAvailable.line("none") }])
}

fn choose(stock: &Stock, quantity: u32) -> Result<Vec<u32>, Refusal> {
    let wish = BestAvailable { quantity, ..BestAvailable::default() };
    best_available(stock, &wish, DateTime::UNIX_EPOCH)
}

fn sell(stock: &mut Stock, seats: &[u32]) {
    for &seat in seats {
        stock.seats[seat as usize].status = SeatStatus::Sold;
    }
}

/// Creates a hall with a random half of its seats sold, full of gaps.
fn sold_anywhere(seed: usize) -> Outcome<Stock> {
    let mut stock = stock()?;
    let mut dice = Dice::new(seed);
    for seat in &mut stock.seats {
        if dice.roll(2) == 0 {
            seat.status = SeatStatus::Sold;
        }
    }
    Ok(stock)
}

/// Creates a hall with the best half of its seats sold, so that all near seats are taken.
fn sold_in_order(_: usize) -> Outcome<Stock> {
    let mut stock = stock()?;
    let mut sold = 0;
    while sold < stock.seats.len() / 2 {
        let seats = choose(&stock, 2).map_err(|refusal| format!("{refusal:?}"))?;
        sold += seats.len();
        sell(&mut stock, &seats);
    }
    Ok(stock)
}

fn stock() -> Outcome<Stock> {
    let plan = Plan::parse(&plan(HALL_ROWS)).map_err(|faults| format!("{faults:?}"))?;
    let seat = Seat { status: SeatStatus::Available, epoch: 0, reservation: None };
    let terms = Terms {
        revision: 0,
        seat_map: None,
        open: true,
        sales_start: DateTime::UNIX_EPOCH,
        sales_end: DateTime::<Utc>::MAX_UTC,
        reservation_seconds: 600,
        reservation_seconds_max: 1_200,
        reservations_end: DateTime::<Utc>::MAX_UTC,
        limit_per_buyer: 100,
        fairness: None,
        hoarding: Hoarding::default(),
        requirement: BuyerRequirement::None,
        currency: "EUR".to_owned(),
        tiers: vec![TierTerms { id: TierId(Uuid::nil()), price: 2_000, fee: 100, tax: 200, hidden: false }],
        seat_tiers: vec![Some(0); plan.seats.len()],
        area_tiers: Vec::new(),
        orphan_rule: true,
        hall: Arc::new(Hall::new(&plan)),
    };
    Ok(Stock {
        version: 1,
        terms,
        seats: vec![seat; plan.seats.len()],
        areas: Vec::new(),
        reservations: HashMap::new(),
        buyers: HashMap::new(),
        sources: HashMap::new(),
        counts: Counts::default(),
        totals: None,
    })
}
