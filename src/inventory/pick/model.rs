//! Random small houses, and a slow, simple model of the best choice in them.
//!
//! The model does not use the hall: it computes neighbours, orphans and costs from the seats' positions.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Duration, Utc};
use entity::{
    AccountId, ReservationId, TierId, event::BuyerRequirement, inventory::SeatStatus,
    reservation::ReservationState,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    inventory::{
        command::BestAvailable,
        hoarding::Hoarding,
        state::{Counts, Item, Place, ReservationSnapshot, Seat, Stock, Terms, TierTerms},
    },
    venue::{
        hall::Hall,
        plan::{Access, Plan},
    },
};

/// The status of a seat in a random house.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Free,
    /// Reserved, but overdue.
    Lapsed,
    Reserved,
    Sold,
    Blocked,
}

/// A seat of a random house.
#[derive(Clone, Copy, Debug)]
pub(super) struct SeatOf {
    /// Distance to the previous seat in seat widths.
    pub(super) gap: i64,
    pub(super) state: State,
    pub(super) access: Access,
    /// Categories 0 and 1 have a price, 2 has none.
    pub(super) category: usize,
}

/// A row of a random house.
#[derive(Clone, Debug)]
pub(super) struct RowOf {
    pub(super) zone: usize,
    pub(super) y: i64,
    pub(super) x: i64,
    /// Whether it is drawn from right to left.
    pub(super) backwards: bool,
    pub(super) seats: Vec<SeatOf>,
}

/// A random house.
#[derive(Clone, Debug)]
pub(super) struct House {
    pub(super) stock: Stock,
    pub(super) plan: Plan,
    /// The seats of each row, in order.
    pub(super) rows: Vec<Vec<u32>>,
}

pub(super) fn now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::days(20_000)
}

pub(super) fn tier(index: u128) -> TierId {
    TierId(Uuid::from_u128(index))
}

impl House {
    pub(super) fn new(rows: &[RowOf], orphan_rule: bool) -> Self {
        let plan = Plan::parse(&document(rows).to_string()).unwrap();
        let mut house = Self { stock: stock(&plan, orphan_rule), rows: Vec::new(), plan };
        let mut ordinal = 0;
        for row in rows {
            let ordinals: Vec<u32> = (ordinal..).take(row.seats.len()).collect();
            for (&ordinal, seat) in ordinals.iter().zip(drawn(row)) {
                house.put(ordinal, seat.1.state);
            }
            ordinal += u32::try_from(row.seats.len()).unwrap();
            house.rows.push(ordinals);
        }
        house.stock.counts = house.stock.recount();
        house
    }

    /// Sets a seat's status, with a reservation of its own if necessary.
    pub(super) fn put(&mut self, ordinal: u32, state: State) {
        let id = ReservationId(Uuid::from_u128(u128::from(ordinal)));
        let (status, minutes) = match state {
            State::Free => (SeatStatus::Available, None),
            State::Lapsed => (SeatStatus::Reserved, Some(0)),
            State::Reserved => (SeatStatus::Reserved, Some(1)),
            State::Sold => (SeatStatus::Sold, None),
            State::Blocked => (SeatStatus::Blocked, None),
        };
        self.stock.seats[ordinal as usize] = Seat { status, epoch: 1, reservation: minutes.map(|_| id) };
        if let Some(minutes) = minutes {
            self.stock.reservations.insert(id, reservation(id, ordinal, now() + Duration::minutes(minutes)));
        }
    }

    /// Returns whether the seat can be reserved now.
    pub(super) fn is_open(&self, ordinal: u32) -> bool {
        let seat = self.stock.seats[ordinal as usize];
        let lapsed = seat.reservation.is_some_and(|id| self.stock.reservations[&id].is_overdue(now()));
        let priced = self.stock.terms.seat_tiers[ordinal as usize].is_some();
        priced && (seat.status == SeatStatus::Available || lapsed)
    }

    /// Returns whether an ordinary party can reserve the seat now.
    pub(super) fn is_free(&self, ordinal: u32) -> bool {
        self.is_open(ordinal) && self.plan.seats[ordinal as usize].access == Access::Standard
    }

    /// Returns the adjacent seats without a gap in between.
    pub(super) fn neighbours(&self, ordinal: u32) -> Vec<u32> {
        let row = &self.rows[self.plan.seats[ordinal as usize].row];
        row.windows(2)
            .filter(|pair| pair.contains(&ordinal) && self.is_side_by_side(row, pair))
            .flatten()
            .copied()
            .filter(|&other| other != ordinal)
            .collect()
    }

    fn is_side_by_side(&self, row: &[u32], pair: &[u32]) -> bool {
        let x = |ordinal: u32| self.plan.seats[ordinal as usize].x;
        let mut gaps: Vec<f64> = row.windows(2).map(|pair| (x(pair[1]) - x(pair[0])).abs()).collect();
        gaps.sort_by(f64::total_cmp);
        (x(pair[1]) - x(pair[0])).abs() <= 1.75 * gaps[(gaps.len() - 1) / 2]
    }

    /// Returns the free seats that have no free neighbour if `taken` are taken.
    pub(super) fn orphans(&self, taken: &[u32]) -> Vec<u32> {
        let free = |ordinal: u32| self.is_free(ordinal) && !taken.contains(&ordinal);
        let all = 0..u32::try_from(self.plan.seats.len()).unwrap();
        all.filter(|&seat| free(seat) && !self.neighbours(seat).into_iter().any(free)).collect()
    }

    /// Returns those orphans that are not orphans before.
    pub(super) fn new_orphans(&self, taken: &[u32]) -> Vec<u32> {
        let before = self.orphans(&[]);
        self.orphans(taken).into_iter().filter(|seat| !before.contains(seat)).collect()
    }

    /// Returns the rank of the seat's tier in the wish, if the seat is wanted.
    pub(super) fn rank(&self, wish: &BestAvailable, ordinal: u32) -> Option<usize> {
        let seat = &self.plan.seats[ordinal as usize];
        let index = self.stock.terms.seat_tiers[ordinal as usize]?;
        let id = self.stock.terms.tiers[usize::from(index)].id;
        let zone = wish.zones.is_empty() || wish.zones.iter().any(|&zone| zone as usize == seat.zone);
        let rank = wish.tiers.iter().position(|&wanted| wanted == id);
        let rank = if wish.tiers.is_empty() { Some(0) } else { rank };
        rank.filter(|_| zone)
    }

    /// Returns all blocks of `quantity` neighbours that are free and wanted.
    pub(super) fn blocks(&self, wish: &BestAvailable, quantity: usize) -> Vec<Vec<u32>> {
        let good = |seats: &&[u32]| {
            let wanted = |&seat: &u32| self.is_free(seat) && self.rank(wish, seat).is_some();
            let together = |pair: &[u32]| self.neighbours(pair[0]).contains(&pair[1]);
            seats.iter().all(wanted) && seats.windows(2).all(together)
        };
        self.rows.iter().flat_map(|row| row.windows(quantity).filter(good).map(<[u32]>::to_vec)).collect()
    }

    /// Returns the sort key of a block; the best block has the smallest.
    pub(super) fn key(&self, wish: &BestAvailable, block: &[u32]) -> (bool, usize, u64, u32) {
        let rank = block.iter().filter_map(|&seat| self.rank(wish, seat)).max().unwrap();
        (!self.new_orphans(block).is_empty(), rank, self.cost(block), block[0])
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and positive")]
    fn cost(&self, block: &[u32]) -> u64 {
        let seats: f64 = block.iter().map(|_| 1.0).sum();
        let of = |of: fn(&crate::venue::plan::Seat) -> f64| {
            block.iter().map(|&seat| of(&self.plan.seats[seat as usize]) * 1e3).sum::<f64>() / seats
        };
        let (x, y) = (self.plan.focal.x, self.plan.focal.y);
        let (x, y) = (of(|seat| seat.x) - x * 1e3, of(|seat| seat.y) - y * 1e3);
        ((x * x + y * y).sqrt() + x.abs() / 8.0).round() as u64
    }
}

fn reservation(id: ReservationId, ordinal: u32, deadline: DateTime<Utc>) -> ReservationSnapshot {
    let item = Item {
        place: Place::Seat { ordinal, epoch: 1 },
        tier: tier(0),
        price: 1,
        fee: 0,
        tax: 0,
        coupon_terms: None,
    };
    ReservationSnapshot {
        id,
        buyer: AccountId(Uuid::nil()),
        state: ReservationState::Active,
        items: vec![item],
        currency: "EUR".to_owned(),
        deadline,
        deadline_max: deadline,
        order: None,
        source: None,
        created_at: DateTime::UNIX_EPOCH,
        version: 1,
    }
}

fn stock(plan: &Plan, orphan_rule: bool) -> Stock {
    let terms = Terms {
        revision: 0,
        open: true,
        sales_start: DateTime::UNIX_EPOCH,
        sales_end: now() + Duration::days(1),
        reservation_seconds: 600,
        reservation_seconds_max: 1_200,
        reservations_end: DateTime::<Utc>::MAX_UTC,
        limit_per_buyer: 100,
        fairness: None,
        hoarding: Hoarding::default(),
        requirement: BuyerRequirement::None,
        currency: "EUR".to_owned(),
        tiers: (0..2)
            .map(|index| TierTerms { id: tier(index), price: 1, fee: 0, tax: 0, hidden: false })
            .collect(),
        seat_tiers: plan
            .seats
            .iter()
            .map(|seat| u16::try_from(seat.category).ok().filter(|&index| index < 2))
            .collect(),
        area_tiers: Vec::new(),
        orphan_rule,
        seat_map: None,
        hall: Arc::new(Hall::new(plan)),
    };
    let seat = Seat { status: SeatStatus::Available, epoch: 0, reservation: None };
    Stock {
        version: 1,
        terms,
        seats: vec![seat; plan.seats.len()],
        areas: Vec::new(),
        reservations: HashMap::new(),
        buyers: HashMap::new(),
        sources: HashMap::new(),
        counts: Counts::default(),
        totals: None,
    }
}

/// Returns the row's seats as drawn, with their distance from the row's left end in seat widths.
fn drawn(row: &RowOf) -> Vec<(i64, SeatOf)> {
    let mut at = 0;
    let mut seats: Vec<(i64, SeatOf)> = Vec::new();
    for &seat in &row.seats {
        at += seat.gap;
        seats.push((at, seat));
    }
    if row.backwards {
        seats.reverse();
    }
    seats
}

fn document(rows: &[RowOf]) -> Value {
    let row = |(index, row): (usize, &RowOf)| {
        let drawn = drawn(row);
        let guid = |seat: usize| format!("{index}-{seat}");
        let seats: Vec<Value> = drawn
            .iter()
            .enumerate()
            .map(|(number, (at, seat))| {
                let mut json = json!({
                    "seat_guid": guid(number), "seat_number": number, "position": { "x": at * 20, "y": 0 },
                    "category": seat.category.to_string(), "wheelchair": seat.access == Access::Wheelchair,
                });
                match seat.access {
                    // Belongs to the wheelchair place `back` seats earlier in the drawn row.
                    Access::Companion { of: Some(back) }
                        if number >= back && drawn[number - back].1.access == Access::Wheelchair =>
                    {
                        json["companion_of"] = json!(guid(number - back));
                    }
                    Access::Companion { .. } => json["companion"] = json!(true),
                    Access::Standard | Access::Wheelchair => {}
                }
                json
            })
            .collect();
        json!({ "row_number": index.to_string(), "position": { "x": row.x, "y": row.y }, "seats": seats })
    };
    let zones: Vec<Value> = (0..2)
        .map(|zone| {
            let rows: Vec<Value> =
                rows.iter().enumerate().filter(|(_, row)| row.zone == zone).map(&row).collect();
            json!({ "name": zone.to_string(), "rows": rows })
        })
        .collect();
    json!({
        "name": "House", "size": { "width": 300, "height": 300 },
        "categories": [{ "name": "0" }, { "name": "1" }, { "name": "2" }], "zones": zones,
    })
}

/// Generates houses of at most `rows` rows of at most `seats` seats, with wheelchair places if `accessible`.
pub(super) fn houses(rows: usize, seats: usize, accessible: bool) -> impl Strategy<Value = House> {
    let state = prop_oneof![
        6 => Just(State::Free),
        1 => Just(State::Lapsed),
        1 => Just(State::Reserved),
        2 => Just(State::Sold),
        1 => Just(State::Blocked),
    ];
    let special = if accessible { 3 } else { 1 };
    let access = prop_oneof![
        12 => Just(Access::Standard),
        special => Just(Access::Wheelchair),
        special => Just(Access::Companion { of: None }),
        special => (1_usize..3).prop_map(|back| Access::Companion { of: Some(back) }),
    ];
    let gap = prop_oneof![12 => Just(1_i64), 1 => Just(2), 1 => Just(3)];
    let category = prop_oneof![5 => Just(0_usize), 3 => Just(1), 1 => Just(2)];
    let seat = (gap, state, access, category).prop_map(|(gap, state, access, category)| SeatOf {
        gap,
        state,
        access,
        category,
    });
    let row = (0_i64..10, 0_i64..100, any::<bool>(), proptest::collection::vec(seat, 1..=seats))
        .prop_map(|(y, x, backwards, seats)| RowOf { zone: 0, y: y * 30, x, backwards, seats });
    (proptest::collection::vec(row, 1..=rows), 0..=rows, any::<bool>()).prop_map(|(mut rows, zones, rule)| {
        // Map order is zone by zone.
        for row in rows.iter_mut().skip(zones) {
            row.zone = 1;
        }
        House::new(&rows, rule)
    })
}

/// Generates wishes of ordinary parties.
pub(super) fn wishes() -> impl Strategy<Value = BestAvailable> {
    let tiers = prop_oneof![
        Just(vec![]),
        Just(vec![tier(0)]),
        Just(vec![tier(1)]),
        Just(vec![tier(1), tier(0)]),
        Just(vec![tier(0), tier(1)]),
    ];
    let zones = prop_oneof![3 => Just(vec![]), 1 => Just(vec![0]), 1 => Just(vec![1])];
    (1_u32..8, tiers, zones).prop_map(|(quantity, tiers, zones)| BestAvailable {
        quantity,
        tiers,
        zones,
        ..BestAvailable::default()
    })
}
