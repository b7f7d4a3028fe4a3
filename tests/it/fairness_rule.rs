//! The idle-time rule, compared with a model that counts every second, over long random histories of one buyer.
//!
//! Each step also checks that a decision can be undone, and that a follower of the log has the same stock.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use entity::{AccountId, OrderId, ReservationId, TierId, event::BuyerRequirement, inventory::SeatStatus};
use proptest::prelude::*;
use tessera::inventory::{
    Caller, Change, Command, Counts, Fairness, Hoarding, Pick, Refusal, ReservationSnapshot, Seat, Stock,
    Terms, TierTerms, decide,
};
use uuid::Uuid;

const BUDGET: i64 = 1_000;
const COOL_DOWN: i64 = 120;
const RESERVATION_SECONDS: i64 = 300;
const RESERVATION_SECONDS_MAX: i64 = 500;
const SEATS: u32 = 6;
const BUYER: AccountId = AccountId(Uuid::from_u128(1));
const ORDER: OrderId = OrderId(Uuid::from_u128(2));

fn at(second: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::seconds(second)
}

/// Seats at 10.00 and seats for nothing, in turn.
fn stock() -> Stock {
    let tier =
        |id, price| TierTerms { id: TierId(Uuid::from_u128(id)), price, fee: 0, tax: 0, hidden: false };
    let terms = Terms {
        revision: 0,
        open: true,
        sales_start: at(0),
        sales_end: at(1_000_000),
        reservation_seconds: RESERVATION_SECONDS,
        reservation_seconds_max: RESERVATION_SECONDS_MAX,
        reservations_end: DateTime::<Utc>::MAX_UTC,
        limit_per_buyer: SEATS,
        fairness: Some(Fairness {
            budget: TimeDelta::seconds(BUDGET),
            cool_down: TimeDelta::seconds(COOL_DOWN),
        }),
        hoarding: Hoarding::default(),
        requirement: BuyerRequirement::None,
        currency: "EUR".to_owned(),
        tiers: vec![tier(10, 1_000), tier(11, 0)],
        seat_tiers: (0..SEATS).map(|seat| u16::try_from(seat % 2).ok()).collect(),
        area_tiers: Vec::new(),
        orphan_rule: false,
        seat_map: None,
        hall: std::sync::Arc::default(),
    };
    let free = Seat { status: SeatStatus::Available, epoch: 0, reservation: None };
    Stock {
        version: 1,
        terms,
        seats: vec![free; SEATS as usize],
        areas: Vec::new(),
        reservations: HashMap::new(),
        buyers: HashMap::new(),
        sources: HashMap::new(),
        counts: Counts { available: SEATS, ..Counts::default() },
        totals: None,
    }
}

#[derive(Clone, Debug)]
enum Step {
    Wait(i64),
    Reserve(u32),
    Extend(usize),
    Release(usize),
    BeginPayment(usize),
    EndPayment(usize),
    Sell(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let which = 0..SEATS as usize;
    prop_oneof![
        3 => (0..10_i64).prop_map(Step::Wait),
        3 => (10..400_i64).prop_map(Step::Wait),
        6 => (0..SEATS).prop_map(Step::Reserve),
        2 => which.clone().prop_map(Step::Extend),
        4 => which.clone().prop_map(Step::Release),
        2 => which.clone().prop_map(Step::BeginPayment),
        2 => which.clone().prop_map(Step::EndPayment),
        1 => which.prop_map(Step::Sell),
    ]
}

/// What the model knows of a reservation.
#[derive(Clone, Copy, Debug)]
struct Known {
    made: i64,
    deadline: i64,
    latest: i64,
    paying: bool,
    price: i64,
}

/// Counts seconds one by one.
#[derive(Debug, Default)]
struct Model {
    now: i64,
    /// Seconds with a reservation, and what short ones cost more.
    spent: i64,
    /// The former alone.
    lasted: i64,
    cools_until: Option<i64>,
    live: BTreeMap<ReservationId, Known>,
}

impl Model {
    fn wait(&mut self, seconds: i64) {
        for _ in 0..seconds {
            if self.live.values().any(|known| known.deadline > self.now) {
                self.spent += 1;
                self.lasted += 1;
            }
            self.now += 1;
            let now = self.now;
            let before = self.live.len();
            self.live.retain(|_, known| known.paying || known.deadline > now);
            if self.live.len() < before {
                self.stop();
            }
        }
    }

    fn stop(&mut self) {
        if self.live.is_empty() && BUDGET - self.spent < 60 {
            self.cools_until = Some(self.now + COOL_DOWN);
        }
    }

    /// Deadline and latest deadline of a reservation made now, or when to come back.
    fn reserve(&mut self) -> Result<(i64, i64), i64> {
        if let Some(until) = self.cools_until {
            if self.now < until {
                return Err(until);
            }
            (self.spent, self.lasted, self.cools_until) = (0, 0, None);
        }
        let left = BUDGET - self.spent;
        if left < 60 {
            let last = self.live.values().map(|known| known.deadline).max().expect("something runs");
            return Err(last.max(self.now) + COOL_DOWN);
        }
        Ok((self.now + RESERVATION_SECONDS.min(left), self.now + RESERVATION_SECONDS_MAX.min(left)))
    }

    fn end(&mut self, id: ReservationId) {
        let known = self.live.remove(&id).expect("live");
        self.spent += (5 - (self.now.min(known.deadline) - known.made)).max(0);
        self.stop();
    }

    fn sell(&mut self, id: ReservationId) {
        if self.live.remove(&id).expect("live").price > 0 {
            (self.spent, self.lasted) = (0, 0);
        }
        self.stop();
    }
}

/// The stock, and one that follows its log.
struct Pair {
    stock: Stock,
    follower: Stock,
}

impl Pair {
    fn act(&mut self, command: &Command, now: i64) -> Result<Option<ReservationSnapshot>, Refusal> {
        let before = self.stock.clone();
        let (decision, reservation) = decide(&self.stock, command, at(now))?;
        self.stock.apply(&decision);
        let mut undone = self.stock.clone();
        undone.undo(&decision);
        assert_eq!(undone, before, "what is undone is as if it had not been");
        let change = self.stock.change_of(&std::iter::once(&decision));
        let logged: Change = serde_json::from_str(&serde_json::to_string(&change).unwrap()).unwrap();
        self.stock.version += 1;
        self.follower.follow(self.stock.version, &logged);
        assert_eq!(self.follower, self.stock, "whoever follows the log has the same");
        Ok(reservation)
    }
}

fn run(steps: Vec<Step>) {
    let mut pair = Pair { stock: stock(), follower: stock() };
    let mut model = Model::default();
    for (number, step) in (1..).zip(steps) {
        let some = |index: usize, model: &Model| {
            model.live.iter().nth(index % model.live.len().max(1)).map(|(&id, &known)| (id, known))
        };
        match step {
            Step::Wait(seconds) => model.wait(seconds),
            Step::Reserve(seat) => {
                reserve(&mut pair, &mut model, ReservationId(Uuid::from_u128(number)), seat);
            }
            Step::Extend(index) => {
                if let Some((id, known)) = some(index, &model) {
                    extend(&mut pair, &mut model, id, known);
                }
            }
            Step::Release(index) => {
                if let Some((id, known)) = some(index, &model)
                    && !known.paying
                {
                    let order = pair.stock.reservations[&id].order;
                    pair.act(&Command::Release { id, buyer: BUYER, order }, model.now).expect("released");
                    model.end(id);
                }
            }
            Step::BeginPayment(index) => {
                if let Some((id, known)) = some(index, &model)
                    && !known.paying
                {
                    if pair.stock.reservations[&id].order.is_none() {
                        let attach = Command::Attach { id, buyer: BUYER, order: ORDER };
                        pair.act(&attach, model.now).expect("attached");
                    }
                    pair.act(&Command::BeginPayment { id, order: ORDER }, model.now).expect("being paid");
                    model.live.get_mut(&id).expect("live").paying = true;
                }
            }
            Step::EndPayment(index) => {
                if let Some((id, known)) = some(index, &model)
                    && known.paying
                {
                    pair.act(&Command::EndPayment { id, order: ORDER }, model.now).expect("not paid");
                    if known.deadline <= model.now {
                        model.end(id);
                    } else {
                        model.live.get_mut(&id).expect("live").paying = false;
                    }
                }
            }
            Step::Sell(index) => {
                if let Some((id, known)) = some(index, &model)
                    && known.paying
                {
                    pair.act(&Command::Sell { id, order: ORDER }, model.now).expect("sold");
                    model.sell(id);
                }
            }
        }
        compare(&mut pair, &model);
    }
}

fn reserve(pair: &mut Pair, model: &mut Model, id: ReservationId, seat: u32) {
    if pair.stock.seats[seat as usize].status == SeatStatus::Sold
        || model.live.keys().any(|id| pair.stock.seats[seat as usize].reservation == Some(*id))
    {
        return;
    }
    let expected = model.reserve();
    let made = pair.act(
        &Command::Reserve {
            id,
            caller: Caller::of(BUYER),
            pick: Pick::Seats(vec![seat]),
            opened: vec![],
            coupon_terms: None,
            map: None,
        },
        model.now,
    );
    match (expected, made) {
        (Ok((deadline, latest)), Ok(Some(reservation))) => {
            assert_eq!(
                (reservation.deadline, reservation.deadline_max),
                (at(deadline), at(latest)),
                "how long it lasts"
            );
            assert!(reservation.deadline >= at(model.now + 60), "long enough to be of use");
            let made = model.now;
            let price = reservation.total();
            model.live.insert(id, Known { made, deadline, latest, paying: false, price });
        }
        (Err(until), Err(Refusal::CoolingDown { at: reported })) => {
            assert_eq!(reported, at(until), "when to come back");
            assert!(until > model.now);
        }
        (expected, made) => panic!("{expected:?} was expected, not {made:?}"),
    }
}

fn extend(pair: &mut Pair, model: &mut Model, id: ReservationId, known: Known) {
    let wanted = (model.now + RESERVATION_SECONDS).min(known.latest).min(model.now + BUDGET - model.spent);
    let extended = pair.act(&Command::Extend { id, buyer: BUYER }, model.now);
    match extended {
        Err(Refusal::BeingPaid) => assert!(known.paying),
        Err(Refusal::NoMoreTime) => assert!(wanted <= known.deadline, "there was time until {wanted}"),
        Ok(Some(reservation)) => {
            assert_eq!(reservation.deadline, at(wanted));
            model.live.get_mut(&id).expect("live").deadline = wanted;
        }
        other => panic!("{other:?}"),
    }
}

/// What is counted is the same, and never does anybody keep places longer than the event allows.
fn compare(pair: &mut Pair, model: &Model) {
    pair.act(&Command::Expire, model.now).expect("written down");
    let live: Vec<_> = pair.stock.reservations.keys().copied().collect();
    assert_eq!(live.len(), model.live.len());
    assert!(live.iter().all(|id| model.live.contains_key(id)));
    let idle = pair.stock.tally(BUYER).idle;
    assert_eq!(idle.cools_until, model.cools_until.map(at));
    assert_eq!(idle.since.is_some(), !live.is_empty(), "the stopwatch runs while something is reserved");
    let latest = model.live.values().map(|known| at(known.deadline)).max();
    let running =
        idle.since.zip(latest).map(|(since, latest)| (at(model.now).min(latest) - since).num_seconds());
    assert_eq!(idle.counted_ms / 1_000 + running.unwrap_or(0).max(0), model.spent, "time spent");
    assert!(model.lasted <= BUDGET, "{} seconds without buying", model.lasted);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn idle_time_is_counted_to_the_second(steps in proptest::collection::vec(step(), 1..120)) {
        run(steps);
    }
}

/// Made smaller while somebody has spent more than that: they begin anew rather than being refused for ever.
#[test]
fn lowered_budget_keeps_existing_discounts() {
    let mut pair = Pair { stock: stock(), follower: stock() };
    let reserve = |number: u128| Command::Reserve {
        id: ReservationId(Uuid::from_u128(number)),
        caller: Caller::of(BUYER),
        pick: Pick::Seats(vec![0]),
        opened: Vec::new(),
        coupon_terms: None,
        map: None,
    };
    pair.act(&reserve(1), 0).expect("reserved");
    pair.act(&Command::Expire, RESERVATION_SECONDS).expect("written down");
    let smaller = Fairness { budget: TimeDelta::seconds(200), cool_down: TimeDelta::seconds(COOL_DOWN) };
    pair.stock.terms.fairness = Some(smaller);
    pair.follower.terms.fairness = Some(smaller);
    let reservation = pair.act(&reserve(2), RESERVATION_SECONDS).expect("reserved").expect("a reservation");
    assert_eq!(reservation.deadline, at(RESERVATION_SECONDS + 200), "within the new budget");
    // And switched off, nothing is counted any more.
    pair.stock.terms.fairness = None;
    pair.follower.terms.fairness = None;
    pair.act(&Command::Expire, RESERVATION_SECONDS + 200).expect("written down");
    assert!(pair.stock.buyers.is_empty(), "nothing is remembered");
}
