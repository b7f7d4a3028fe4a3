//! A simulated on-sale: 2,000 honest buyers, decided by the real rules. These must hardly ever refuse one of them.
//!
//! Each buyer has an address of their own, except a school class of 30 behind one address and a few offices. Arrivals,
//! group sizes and the times to pay are drawn from a seed; the clock is a number.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use entity::{AccountId, OrderId, ReservationId, TierId, event::BuyerRequirement};
use tessera::inventory::{
    Area, Caller, Command, Counts, Fairness, Pick, Refusal, Shares, Source, Stock, Terms, TierTerms, decide,
};
use uuid::Uuid;

use crate::support::random::Random;

const BUYERS: usize = 2_000;
const CLASS: usize = 30;
const LIMIT_PER_BUYER: u32 = 8;
/// The defaults of the settings.
const SHARES: Shares =
    Shares { places: 40, percent_per_source: 2, percent_in_all: 85, wasted: 16, shortest: 120 };

fn at(seconds: usize) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH
        + TimeDelta::days(20_000)
        + TimeDelta::seconds(i64::try_from(seconds).expect("small"))
}

fn stock(capacity: u32) -> Stock {
    let tier = TierTerms { id: TierId(Uuid::nil()), price: 4_000, fee: 200, tax: 0, hidden: false };
    let terms = Terms {
        revision: 0,
        open: true,
        sales_start: at(0),
        sales_end: at(1_000_000),
        reservation_seconds: 600,
        reservation_seconds_max: 1_200,
        reservations_end: DateTime::<Utc>::MAX_UTC,
        limit_per_buyer: LIMIT_PER_BUYER,
        fairness: Some(Fairness { budget: TimeDelta::seconds(2_700), cool_down: TimeDelta::seconds(300) }),
        hoarding: SHARES.limits(capacity, LIMIT_PER_BUYER, (None, None)),
        requirement: BuyerRequirement::None,
        currency: "EUR".to_owned(),
        tiers: vec![tier],
        seat_tiers: Vec::new(),
        area_tiers: vec![Some(0)],
        orphan_rule: false,
        seat_map: None,
        hall: std::sync::Arc::default(),
    };
    Stock {
        version: 1,
        terms,
        seats: Vec::new(),
        areas: vec![Area { capacity, reserved: 0, sold: 0 }],
        reservations: HashMap::new(),
        buyers: HashMap::new(),
        sources: HashMap::new(),
        counts: Counts { available: capacity, ..Counts::default() },
        totals: None,
    }
}

/// What happens at a second.
#[derive(Clone, Copy, Debug)]
enum Act {
    Reserve { buyer: usize, quantity: u32 },
    Pay { reservation: u128 },
    Drop { reservation: u128 },
}

#[derive(Debug, Default)]
struct Outcome {
    asked: u32,
    sold: u32,
    sold_out: u32,
    by_rule: Vec<String>,
    most_unpaid: u32,
}

struct Sale {
    stock: Stock,
    random: Random,
    agenda: BTreeMap<usize, Vec<Act>>,
    outcome: Outcome,
}

impl Sale {
    fn new(capacity: u32, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut agenda: BTreeMap<usize, Vec<Act>> = BTreeMap::new();
        for buyer in 0..BUYERS + CLASS {
            // Most come in the first minutes; the class comes within ten, when the teacher says so.
            let second = if buyer < BUYERS {
                let early = random.below(600).min(random.below(600)).min(random.below(600));
                if random.chance(70) { early } else { random.below(3_600) }
            } else {
                300 + random.below(600)
            };
            let quantity =
                if buyer < BUYERS { *random.one(&[1, 2, 2, 2, 2, 3, 4, 4]) } else { *random.one(&[1, 2]) };
            agenda.entry(second).or_default().push(Act::Reserve { buyer, quantity });
        }
        Self { stock: stock(capacity), random, agenda, outcome: Outcome::default() }
    }

    /// Where a buyer calls from: the class shares one address, and so do some groups of five in offices.
    fn source(buyer: usize) -> Source {
        let number = match buyer {
            BUYERS.. => BUYERS,
            0..100 => buyer / 5,
            _ => buyer,
        };
        Source(i64::try_from(number).expect("small") * 2 + 1)
    }

    fn run(mut self) -> Outcome {
        while let Some((second, acts)) = self.agenda.pop_first() {
            self.decide(&Command::Expire, second).expect("nothing is against it");
            for act in acts {
                match act {
                    Act::Reserve { buyer, quantity } => self.reserve(buyer, quantity, second),
                    Act::Pay { reservation } => self.pay(reservation, second),
                    Act::Drop { reservation } => self.drop(reservation, second),
                }
            }
            self.outcome.most_unpaid = self.outcome.most_unpaid.max(self.stock.counts.reserved);
        }
        self.outcome.sold = self.stock.counts.sold;
        self.outcome
    }

    fn decide(&mut self, command: &Command, second: usize) -> Result<(), Refusal> {
        let (decision, _) = decide(&self.stock, command, at(second))?;
        self.stock.apply(&decision);
        Ok(())
    }

    fn reserve(&mut self, buyer: usize, quantity: u32, second: usize) {
        self.outcome.asked += 1;
        let id = u128::from(self.outcome.asked);
        let account = AccountId(Uuid::from_u128(buyer as u128 + 1));
        let command = Command::Reserve {
            id: ReservationId(Uuid::from_u128(id)),
            caller: Caller { source: Some(Self::source(buyer)), ..Caller::of(account) },
            pick: Pick::Admission { area: 0, quantity },
            opened: Vec::new(),
            coupon_terms: None,
            map: None,
        };
        match self.decide(&command, second) {
            Ok(()) => self.plan(id, buyer, second),
            Err(Refusal::AreaFull { .. }) => self.outcome.sold_out += 1,
            Err(refusal) => self.outcome.by_rule.push(format!("{refusal:?} at {second}")),
        }
    }

    /// 85 % pay, in one to eight minutes; 10 % leave; 5 % change their minds, drop it and reserve anew.
    fn plan(&mut self, reservation: u128, buyer: usize, second: usize) {
        let wait = 60 + self.random.below(120) + self.random.below(150) + self.random.below(150);
        let what = self.random.below(100);
        if what < 85 {
            self.agenda.entry(second + wait).or_default().push(Act::Pay { reservation });
        } else if what < 90 {
            let acts = self.agenda.entry(second + wait / 2 + 1).or_default();
            acts.push(Act::Drop { reservation });
            acts.push(Act::Reserve { buyer, quantity: 1 });
        }
    }

    fn pay(&mut self, reservation: u128, second: usize) {
        let (id, order) =
            (ReservationId(Uuid::from_u128(reservation)), OrderId(Uuid::from_u128(reservation)));
        let buyer = self.stock.reservations[&id].buyer;
        for command in [
            Command::Attach { id, buyer, order },
            Command::BeginPayment { id, order },
            Command::Sell { id, order },
        ] {
            self.decide(&command, second).expect("paid in time");
        }
    }

    fn drop(&mut self, reservation: u128, second: usize) {
        let id = ReservationId(Uuid::from_u128(reservation));
        let buyer = self.stock.reservations[&id].buyer;
        self.decide(&Command::Release { id, buyer, order: None }, second).expect("released");
    }
}

/// An arena that does not sell out, and a theatre that does within minutes.
#[test]
fn honest_buyers_are_hardly_ever_refused_by_the_rules() {
    for (name, capacity) in [("arena", 6_000), ("hall", 2_500), ("theatre", 941)] {
        let (mut asked, mut refused) = (0, 0);
        for seed in 0..20 {
            let outcome = Sale::new(capacity, seed).run();
            asked += outcome.asked;
            refused += outcome.by_rule.len();
            let share = f64::from(outcome.most_unpaid) * 100.0 / f64::from(capacity);
            eprintln!(
                "{name} of {capacity}, seed {seed}: {} reservations asked for, {} places sold, {} sold out, at most \
                 {share:.0} % unpaid, {} refused by the rules {:?}",
                outcome.asked,
                outcome.sold,
                outcome.sold_out,
                outcome.by_rule.len(),
                outcome.by_rule
            );
        }
        eprintln!("{name}: {refused} of {asked} reservations refused by the rules");
        assert!(refused * 1_000 < asked as usize, "{name}: {refused} of {asked}");
    }
}
