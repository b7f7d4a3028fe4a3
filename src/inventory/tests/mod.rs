//! Long random sequences of commands. A stock that is decided on, applied, undone, committed and followed always agrees
//! with the slow model.

mod buyers;
mod model;
mod sources;

use chrono::{DateTime, Duration, Utc};
use entity::{AccountId, OrderId, ReservationId, TierId, event::BuyerRequirement, inventory::SeatStatus};
use proptest::{collection::vec, prelude::*, sample::Index, strategy::ValueTree, test_runner::TestRunner};
use uuid::Uuid;

use self::{model::Model, sources::source_of};
use super::{
    Caller, Change, Command, Decision, Fairness, NewClaim, NewClaimCode, Pick, Place, Refusal, Seat, Stock,
    Terms, TierTerms, decide,
    state::{Area, Counts},
};

const RESERVATION_SECONDS: i64 = 600;
const RESERVATION_SECONDS_MAX: i64 = 1_200;
const SEATS: u32 = 10;
/// The coupon revision that claims must be based on.
const REVISION: i64 = 3;
/// The last seat and the last area have no price.
const AREAS: [u32; 3] = [4, 9, 5];

/// A step of a sequence. Reservations are named by the order of their requests, even if refused.
#[derive(Clone, Debug)]
enum Step {
    Reserve(u8, Pick),
    Extend(Index, bool),
    Release(Index, bool, bool),
    Attach(Index, bool),
    Begin(Index, bool),
    End(Index, bool),
    Sell(Index, bool),
    ReturnPlaces(Index, bool),
    Claim(u8, bool),
    Expire,
    Wait(i64),
    Open(bool),
    /// Writes the decisions since the last commit to the log, and another instance follows it.
    Commit,
    /// Undoes the decisions since the last commit.
    RollBack,
}

fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn account(number: u8) -> AccountId {
    AccountId(Uuid::from_u128(u128::from(number)))
}

fn order_of(reservation: ReservationId) -> OrderId {
    OrderId(Uuid::from_u128(reservation.0.as_u128() + 1_000_000))
}

fn new_claim(buyer: AccountId, revision: i64) -> NewClaim {
    NewClaim {
        id: entity::ClaimId(Uuid::nil()),
        shop: entity::ShopId(Uuid::nil()),
        buyer,
        code: NewClaimCode::Next,
        revision,
        terms: "".into(),
        face: None,
        valid_from: start(),
        valid_until: None,
        at: start(),
    }
}

/// Returns the terms of an empty hall. The only place that lists all fields.
fn stock(limit: u32) -> Stock {
    let tier = |number| TierTerms {
        id: TierId(Uuid::from_u128(number)),
        price: 2_000,
        fee: 100,
        tax: 200,
        hidden: false,
    };
    let terms = Terms {
        revision: REVISION,
        open: true,
        sales_start: start(),
        sales_end: start() + Duration::days(2),
        reservation_seconds: RESERVATION_SECONDS,
        reservation_seconds_max: RESERVATION_SECONDS_MAX,
        reservations_end: start() + Duration::days(3),
        limit_per_buyer: limit,
        // Counted, but never used up: idle time has its own model in `tests/it/fairness_rule.rs`.
        fairness: Some(Fairness { budget: Duration::days(30), cool_down: Duration::seconds(60) }),
        hoarding: sources::LIMITS,
        requirement: BuyerRequirement::None,
        currency: "EUR".to_owned(),
        tiers: vec![tier(1), tier(2)],
        seat_tiers: (0..SEATS).map(|seat| (seat + 1 < SEATS).then_some(u16::from(seat % 3 == 0))).collect(),
        area_tiers: vec![Some(0), Some(1), None],
        // Neighbours have property tests of their own, in `pick`.
        orphan_rule: false,
        seat_map: None,
        hall: std::sync::Arc::default(),
    };
    let seat = Seat { status: SeatStatus::Available, epoch: 0, reservation: None };
    let mut stock = Stock {
        version: 1,
        terms,
        seats: vec![seat; SEATS as usize],
        areas: AREAS.map(|capacity| Area { capacity, reserved: 0, sold: 0 }).to_vec(),
        reservations: std::collections::HashMap::default(),
        buyers: std::collections::HashMap::default(),
        sources: std::collections::HashMap::default(),
        counts: Counts::default(),
        totals: None,
    };
    stock.counts = stock.recount();
    stock.totals = Some(stock.count_totals());
    stock
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ordinals = prop_oneof![9 => 0..SEATS - 1, 1 => 0..SEATS + 2];
    let seats = vec(ordinals, 1..4).prop_map(|mut seats| {
        seats.sort_unstable();
        seats.dedup();
        Pick::Seats(seats)
    });
    let areas = prop_oneof![9 => 0..2_u32, 1 => 0..4_u32];
    let admission = (areas, 1..4_u32).prop_map(|(area, quantity)| Pick::Admission { area, quantity });
    let pick = prop_oneof![3 => seats, 1 => admission];
    let which = any::<Index>;
    // Mostly sensible commands: the right buyer, the right order.
    let right = || prop::bool::weighted(0.9);
    let step = prop_oneof![
        8 => (0..5_u8, pick).prop_map(|(buyer, pick)| Step::Reserve(buyer, pick)),
        3 => (which(), right()).prop_map(|(of, right)| Step::Extend(of, right)),
        2 => (which(), right(), any::<bool>()).prop_map(|(of, right, order)| Step::Release(of, right, order)),
        4 => (which(), right()).prop_map(|(of, right)| Step::Attach(of, right)),
        4 => (which(), right()).prop_map(|(of, right)| Step::Begin(of, right)),
        2 => (which(), right()).prop_map(|(of, right)| Step::End(of, right)),
        4 => (which(), right()).prop_map(|(of, right)| Step::Sell(of, right)),
        2 => (which(), right()).prop_map(|(of, right)| Step::ReturnPlaces(of, right)),
        2 => (0..5_u8, prop::bool::weighted(0.9)).prop_map(|(buyer, right)| Step::Claim(buyer, right)),
        1 => Just(Step::Expire),
        4 => prop_oneof![3 => 1..RESERVATION_SECONDS / 2, 1 => Just(RESERVATION_SECONDS), 1 => Just(RESERVATION_SECONDS - 1)].prop_map(Step::Wait),
        1 => prop::bool::weighted(0.7).prop_map(Step::Open),
        3 => Just(Step::Commit),
        1 => Just(Step::RollBack),
    ];
    vec(step, 1..400)
}

/// An instance: its stock, its decisions since the last commit, and another instance that only follows the log.
struct Trial {
    now: DateTime<Utc>,
    stock: Stock,
    model: Model,
    asked: Vec<ReservationId>,
    pending: Vec<Decision>,
    /// The other instance and the model at the last commit.
    other: Stock,
    committed: Model,
}

impl Trial {
    fn new(limit: u32) -> Self {
        let (stock, model) = (stock(limit), Model::new(limit));
        Self {
            now: start(),
            other: stock.clone(),
            stock,
            committed: model.clone(),
            model,
            asked: Vec::new(),
            pending: Vec::new(),
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Wait(seconds) => self.now += Duration::seconds(*seconds),
            Step::Open(open) => {
                for stock in [&mut self.stock, &mut self.other] {
                    stock.terms.open = *open;
                }
                self.model.open = *open;
                self.committed.open = *open;
            }
            Step::Commit => self.commit(),
            Step::RollBack => self.roll_back(),
            Step::Reserve(..)
            | Step::Extend(..)
            | Step::Release(..)
            | Step::Attach(..)
            | Step::Begin(..)
            | Step::End(..)
            | Step::Sell(..)
            | Step::ReturnPlaces(..)
            | Step::Claim(..)
            | Step::Expire => {
                if let Some(command) = self.command(step) {
                    self.decide(&command);
                }
            }
        }
    }

    /// Returns the command in full; `None` if it has no possible subject.
    fn command(&self, step: &Step) -> Option<Command> {
        // Mostly a live one.
        let live = self.model.live_ids(self.now);
        let which = |of: &Index| match (of.index(10), live.is_empty(), self.asked.is_empty()) {
            (1.., false, _) => Some(*of.get(&live)),
            (_, _, false) => Some(*of.get(&self.asked)),
            (_, _, true) => None,
        };
        let buyer = |id, right: &bool| if *right { self.model.buyer_of(id) } else { account(9) };
        let order = |id, right: &bool| if *right { order_of(id) } else { OrderId(Uuid::nil()) };
        Some(match step {
            Step::Reserve(buyer, pick) => {
                let id = ReservationId(Uuid::from_u128(self.asked.len() as u128 + 1));
                let buyer = account(*buyer);
                Command::Reserve {
                    id,
                    caller: Caller { source: source_of(buyer), ..Caller::of(buyer) },
                    pick: pick.clone(),
                    opened: Vec::new(),
                    coupon_terms: None,
                    map: None,
                }
            }
            Step::Extend(of, right) => {
                let id = which(of)?;
                Command::Extend { id, buyer: buyer(id, right) }
            }
            Step::Release(of, right, ordered) => {
                let id = which(of)?;
                let order = ordered.then(|| order_of(id));
                Command::Release { id, buyer: buyer(id, right), order }
            }
            Step::Attach(of, right) => {
                let id = which(of)?;
                Command::Attach { id, buyer: buyer(id, right), order: order_of(id) }
            }
            Step::Begin(of, right) => {
                let id = which(of)?;
                Command::BeginPayment { id, order: order(id, right) }
            }
            Step::End(of, right) => {
                let id = which(of)?;
                Command::EndPayment { id, order: order(id, right) }
            }
            Step::Sell(of, right) => {
                let id = which(of)?;
                Command::Sell { id, order: order(id, right) }
            }
            Step::ReturnPlaces(of, right) => {
                let (buyer, mut place) = self.model.some_sale(*of)?;
                if !right && let Place::Seat { epoch, .. } = &mut place {
                    *epoch -= 1;
                }
                Command::ReturnPlaces { buyer, places: vec![place] }
            }
            Step::Claim(buyer, right) => {
                let revision = if *right { REVISION } else { REVISION - 1 };
                Command::Claim(std::sync::Arc::new(new_claim(account(*buyer), revision)))
            }
            Step::Expire => Command::Expire,
            Step::Wait(_) | Step::Open(_) | Step::Commit | Step::RollBack => return None,
        })
    }

    fn decide(&mut self, command: &Command) {
        if let Command::Reserve { id, .. } = command {
            self.asked.push(*id);
        }
        let before = self.stock.clone();
        let decided = decide(&self.stock, command, self.now);
        assert_eq!(self.stock, before, "deciding changes nothing");
        match (decided, self.model.step(command, self.now)) {
            (Ok((decision, reservation)), Ok(())) => {
                self.stock.apply(&decision);
                self.round_trips(&before, &decision);
                if let Some(reservation) = reservation {
                    self.model.agrees_with(&reservation);
                }
                self.pending.push(decision);
            }
            (Err(refusal), Err(expected)) => {
                assert!(expected.contains(&refusal), "{command:?}: {refusal:?}, not {expected:?}");
            }
            (decided, expected) => panic!("{command:?}: {decided:?}, not {expected:?}"),
        }
        self.agrees();
    }

    /// Undoing the decision restores the stock; following it from the log gives the same stock.
    fn round_trips(&self, before: &Stock, decision: &Decision) {
        let mut undone = self.stock.clone();
        undone.undo(decision);
        assert_eq!(&undone, before, "undone");
        let mut followed = before.clone();
        follow(&mut followed, &self.stock.change_of(&std::iter::once(decision)));
        followed.version = before.version;
        assert_eq!(followed, self.stock, "followed");
    }

    /// The stock, with overdue reservations expired, agrees with the model and adds up.
    fn agrees(&self) {
        for (was, is) in self.other.seats.iter().zip(&self.stock.seats) {
            assert!(is.epoch >= was.epoch, "an epoch fell");
        }
        assert_eq!(self.stock.counts, self.stock.recount(), "the counts are those of seats and areas");
        assert_eq!(self.stock.totals, Some(self.stock.count_totals()), "and so are the kept totals");
        sources::agrees(&self.stock);
        let mut stock = self.stock.clone();
        let (lapsed, _) = decide(&stock, &Command::Expire, self.now).expect("nothing can be against it");
        stock.apply(&lapsed);
        self.model.clone().agrees(&stock, self.now);
    }

    fn commit(&mut self) {
        let change = self.stock.change_of(&self.pending.iter());
        follow(&mut self.other, &change);
        self.stock.version += 1;
        assert_eq!(self.other, self.stock, "a follower of the log has the same stock");
        self.pending.clear();
        self.committed = self.model.clone();
    }

    fn roll_back(&mut self) {
        for decision in self.pending.drain(..).rev() {
            self.stock.undo(&decision);
        }
        assert_eq!(self.other, self.stock, "everything was undone");
        self.model = self.committed.clone();
    }
}

/// Follows the log from its text, as another instance does.
fn follow(stock: &mut Stock, change: &Change) {
    let text = serde_json::to_string(change).expect("text");
    let read: Change = serde_json::from_str(&text).expect("a change");
    assert_eq!(&read, change, "the log keeps everything");
    stock.follow(stock.version + 1, &read);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn stock_always_agrees_with_the_slow_model(limit in 2..9_u32, steps in steps()) {
        let mut trial = Trial::new(limit);
        for step in &steps {
            trial.step(step);
        }
    }
}

/// The sequences reach the interesting cases.
#[test]
fn random_sequences_reach_the_interesting_cases() {
    let mut runner = TestRunner::deterministic();
    let (mut sold, mut returned, mut refused) = (0, 0, std::collections::BTreeSet::new());
    for _ in 0..50 {
        let steps = steps().new_tree(&mut runner).expect("steps").current();
        let mut trial = Trial::new(6);
        for step in &steps {
            let command = trial.command(step);
            match command.as_ref().map(|command| decide(&trial.stock, command, trial.now)) {
                Some(Ok(_)) if matches!(command, Some(Command::Sell { .. })) => sold += 1,
                Some(Ok(_)) if matches!(command, Some(Command::ReturnPlaces { .. })) => returned += 1,
                Some(Err(refusal)) => _ = refused.insert(name(&refusal)),
                Some(Ok(_)) | None => {}
            }
            trial.step(step);
        }
    }
    assert!(sold > 50 && returned > 20, "{sold} sold, {returned} returned");
    assert!(refused.len() >= 14, "{refused:?}");
}

fn name(refusal: &Refusal) -> String {
    format!("{refusal:?}").chars().take_while(|c| c.is_alphabetic()).collect()
}
