//! The invariants that hold after every test: no seat is sold twice, counts add up, money balances, and every change is
//! logged.

use std::collections::{BTreeMap, HashMap, HashSet};

use entity::{
    event,
    inventory::{self, InventoryKind, SeatStatus, area, buyer, change, seat},
    order::{self, OrderState, line},
    payment::{self, PaymentState, RefundState, ledger, refund},
    reservation::{self, ReservationState},
    ticket::{self, TicketState},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::Value;
use tessera::{
    app::App,
    inventory::{BuyerTally, Change, IdleTime, Item, Place},
    payment::sandbox,
    store::Connections,
};

use super::{coupon_laws, coupons, gate_laws};

/// Panics at the first violated invariant.
pub(crate) async fn hold(app: &App) {
    let db = app.store.read();
    for row in inventory::Entity::find().all(db).await.expect("inventories") {
        counts_add_up(db, &row).await;
        places_belong_to_reservations(db, &row).await;
        buyers_have_what_they_took(db, &row).await;
        idle_time_is_counted(db, &row).await;
        every_change_was_told(db, &row).await;
    }
    tickets_are_what_was_sold(db).await;
    gate_laws::hold(db).await;
    coupon_laws::hold(db).await;
    books_balance(app, db).await;
    coupons::hold(db).await;
}

/// Checks the invariants of a database whose server was killed. Settles its payments first, one hour later.
#[expect(clippy::disallowed_methods, reason = "the server was a process with the real time")]
pub(crate) async fn hold_once_settled(url: &str) {
    let later = chrono::Utc::now() + chrono::Duration::hours(1);
    let app = super::world::application(url, tessera::clock::Clock::manual(later)).await;
    for _ in 0..5 {
        tessera::worker::settle(&app).await.expect("settled");
        tessera::worker::expire(&app).await.expect("expired");
        app.clock.advance(std::time::Duration::from_mins(1));
    }
    hold(&app).await;
    tessera::server::close(app, std::time::Duration::from_secs(10)).await;
}

async fn counts_add_up(db: &Connections, row: &inventory::Model) {
    let seats = seats_of(db, row).await;
    let areas = areas_of(db, row).await;
    let count = |wanted: &[SeatStatus]| {
        i32::try_from(seats.iter().filter(|seat| wanted.contains(&seat.status)).count()).expect("few")
    };
    let reserved: i32 = areas.iter().map(|area| area.reserved).sum();
    let sold: i32 = areas.iter().map(|area| area.sold).sum();
    let free: i32 = areas.iter().map(|area| area.capacity - area.reserved - area.sold).sum();
    assert_eq!(row.available, count(&[SeatStatus::Available]) + free, "available adds up");
    assert_eq!(
        row.reserved,
        count(&[SeatStatus::Reserved, SeatStatus::Paying]) + reserved,
        "reserved adds up"
    );
    assert_eq!(row.sold, count(&[SeatStatus::Sold]) + sold, "sold adds up");
    assert_eq!(row.available + row.reserved + row.sold + row.blocked, row.capacity, "all add up");
}

async fn places_belong_to_reservations(db: &Connections, row: &inventory::Model) {
    let mut held: HashMap<i32, (SeatStatus, i32, entity::ReservationId)> = HashMap::new();
    let mut reserved: BTreeMap<i32, i32> = BTreeMap::new();
    for reservation in live_of(db, row).await {
        let paying = reservation.state == ReservationState::Paying;
        let status = if paying { SeatStatus::Paying } else { SeatStatus::Reserved };
        for item in items(&reservation) {
            match item.place {
                Place::Seat { ordinal, epoch } => {
                    let (ordinal, epoch) =
                        (i32::try_from(ordinal).expect("few"), i32::try_from(epoch).expect("few"));
                    let twice = held.insert(ordinal, (status, epoch, reservation.id));
                    assert!(twice.is_none(), "seat {ordinal} is in two reservations");
                }
                Place::Area { ordinal, quantity } => {
                    *reserved.entry(i32::try_from(ordinal).expect("few")).or_default() +=
                        i32::try_from(quantity).expect("few");
                }
            }
        }
    }
    for seat in seats_of(db, row).await {
        let expected = held.remove(&seat.ordinal);
        match seat.status {
            SeatStatus::Reserved | SeatStatus::Paying => {
                let found = seat.reservation_id.map(|id| (seat.status, seat.epoch, id));
                assert_eq!(found, expected, "seat {} belongs to its reservation", seat.ordinal);
            }
            SeatStatus::Available | SeatStatus::Sold | SeatStatus::Blocked => {
                assert_eq!(expected, None, "seat {} is {:?} though reserved", seat.ordinal, seat.status);
            }
        }
    }
    for area in areas_of(db, row).await {
        assert_eq!(
            area.reserved,
            reserved.remove(&area.ordinal).unwrap_or_default(),
            "area {}",
            area.ordinal
        );
    }
}

async fn buyers_have_what_they_took(db: &Connections, row: &inventory::Model) {
    let mut taken: HashMap<entity::AccountId, i32> = HashMap::new();
    for reservation in live_of(db, row).await {
        *taken.entry(reservation.account_id).or_default() += reservation.quantity;
    }
    let tickets = ticket::Entity::find()
        .filter(ticket::Column::EventId.eq(row.id.0))
        .filter(ticket::Column::State.ne(TicketState::Void));
    for ticket in tickets.all(db).await.expect("tickets") {
        *taken.entry(ticket.account_id).or_default() += 1;
    }
    for buyer in coupon_laws::buyers_of(db, row.id.into()).await {
        *taken.entry(buyer).or_default() += 1;
    }
    let buyers = buyer::Entity::find().filter(buyer::Column::InventoryId.eq(row.id));
    for buyer in buyers.all(db).await.expect("buyers") {
        let expected = taken.remove(&buyer.account_id).unwrap_or_default();
        assert_eq!(buyer.taken, expected, "the row counts the buyer's places");
    }
    assert!(taken.is_empty(), "buyers without a row: {taken:?}");
}

/// If the event has a hold budget, `held_since` is set while the buyer has reservations. A buyer who cools down has
/// none.
async fn idle_time_is_counted(db: &Connections, row: &inventory::Model) {
    let event = event::Entity::find_by_id(entity::EventId::from(row.id)).one(db).await.expect("events");
    let counts = event.is_some_and(|event| event.reservation_budget_seconds.is_some());
    let live: HashSet<_> = live_of(db, row).await.into_iter().map(|live| live.account_id).collect();
    let buyers = buyer::Entity::find().filter(buyer::Column::InventoryId.eq(row.id));
    for buyer in buyers.all(db).await.expect("buyers") {
        if counts {
            assert_eq!(buyer.idle_since.is_some(), live.contains(&buyer.account_id), "the stopwatch runs");
        }
        assert!(buyer.cools_until.is_none() || buyer.idle_since.is_none(), "who cools down has nothing");
    }
}

/// Replaying the log from its start gives the state in the tables, and its versions have no gap. If the start was
/// pruned, only checks that the versions have no gap and reach the current one.
async fn every_change_was_told(db: &Connections, row: &inventory::Model) {
    let changes = change::Entity::find()
        .filter(change::Column::InventoryId.eq(row.id))
        .order_by_asc(change::Column::Version)
        .all(db)
        .await
        .expect("changes");
    let mut seats: HashMap<i64, (String, i64)> = HashMap::new();
    let mut areas: HashMap<i64, (i64, i64)> = HashMap::new();
    let mut buyers: HashMap<entity::AccountId, (u32, IdleTime)> = HashMap::new();
    let number = |value: &Value| value.as_i64().expect("a number");
    let first = changes.first().map_or(1, |change| change.version);
    for (expected, change) in (first..).zip(&changes) {
        assert_eq!(change.version, expected, "the log has no gap");
        let payload: Value = serde_json::from_str(&change.payload).expect("a payload");
        for seat in payload["seats"].as_array().into_iter().flatten() {
            let status = seat[1].as_str().expect("a status").to_owned();
            seats.insert(number(&seat[0]), (status, number(&seat[2])));
        }
        for area in payload["areas"].as_array().into_iter().flatten() {
            areas.insert(number(&area[0]), (number(&area[2]), number(&area[3])));
        }
        let payload: Change = serde_json::from_value(payload).expect("a change");
        buyers
            .extend(payload.buyers.into_iter().map(|BuyerTally(buyer, taken, idle)| (buyer, (taken, idle))));
    }
    assert_eq!(changes.last().map(|change| change.version), Some(row.version), "the log reaches the version");
    if first > 1 {
        return;
    }
    for seat in seats_of(db, row).await {
        let logged = seats.remove(&i64::from(seat.ordinal)).unwrap_or(("available".to_owned(), 0));
        let status = serde_json::to_value(seat.status).expect("a status");
        assert_eq!(
            (&status, i64::from(seat.epoch)),
            (&Value::from(logged.0), logged.1),
            "seat {} in the log",
            seat.ordinal
        );
    }
    for area in areas_of(db, row).await {
        let logged = areas.remove(&i64::from(area.ordinal)).unwrap_or_default();
        assert_eq!(
            (i64::from(area.reserved), i64::from(area.sold)),
            logged,
            "area {} in the log",
            area.ordinal
        );
    }
    let rows = buyer::Entity::find().filter(buyer::Column::InventoryId.eq(row.id));
    for row in rows.all(db).await.expect("buyers") {
        let idle = IdleTime { counted_ms: row.idle_ms, since: row.idle_since, cools_until: row.cools_until };
        let taken = u32::try_from(row.taken).expect("not negative");
        assert_eq!(buyers.remove(&row.account_id), Some((taken, idle)), "the buyer's tally in the log");
    }
    assert!(buyers.is_empty(), "in the log, but not in the tables: {buyers:?}");
}

async fn tickets_are_what_was_sold(db: &Connections) {
    let tickets = ticket::Entity::find().all(db).await.expect("tickets");
    let mut by_seat: HashMap<(entity::EventId, i32), usize> = HashMap::new();
    let mut standing: HashMap<entity::EventId, i32> = HashMap::new();
    for ticket in tickets.iter().filter(|ticket| ticket.state != TicketState::Void) {
        match ticket.seat_ordinal {
            Some(seat) => *by_seat.entry((ticket.event_id, seat)).or_default() += 1,
            None => *standing.entry(ticket.event_id).or_default() += 1,
        }
    }
    assert!(by_seat.values().all(|&count| count == 1), "a seat has two tickets: {by_seat:?}");
    let events = inventory::Entity::find().filter(inventory::Column::Kind.eq(InventoryKind::Event));
    for row in events.all(db).await.expect("inventories") {
        for seat in seats_of(db, &row).await {
            let has_ticket = by_seat.contains_key(&(row.id.into(), seat.ordinal));
            assert_eq!(
                seat.status == SeatStatus::Sold,
                has_ticket,
                "seat {}: sold means a ticket",
                seat.ordinal
            );
        }
        let sold: i32 = areas_of(db, &row).await.iter().map(|area| area.sold).sum();
        assert_eq!(standing.remove(&row.id.into()).unwrap_or_default(), sold, "standing places sold");
    }
    for order in order::Entity::find().all(db).await.expect("orders") {
        let lines =
            line::Entity::find().filter(line::Column::OrderId.eq(order.id)).all(db).await.expect("lines");
        let places = lines.iter().filter(|line| line.event_id.is_some()).count();
        let own: Vec<_> = tickets.iter().filter(|ticket| ticket.order_id == order.id).collect();
        let valid = own.iter().filter(|ticket| ticket.state != TicketState::Void).count();
        match order.state {
            OrderState::Paid => assert_eq!(valid, places, "a paid order has a ticket for each place"),
            OrderState::Refunded | OrderState::PartiallyRefunded => {
                assert_eq!((valid, own.len()), (0, places), "the tickets of a refunded order are void");
            }
            OrderState::AwaitingPayment
            | OrderState::Expired
            | OrderState::Cancelled
            | OrderState::RefundDue
            | OrderState::Stuck => assert!(own.is_empty(), "an order that is {:?} has tickets", order.state),
        }
        let total: i64 =
            lines.iter().map(|line| line.price_minor + line.fee_minor - line.discount_minor).sum();
        assert_eq!(order.total_minor, total, "the lines add up");
    }
}

/// Checks that postings sum to zero, that the provider's account holds captures less refunds, and that the provider's
/// data agree.
async fn books_balance(app: &App, db: &Connections) {
    let entries = ledger::Entity::find().all(db).await.expect("the ledger");
    let mut postings: HashMap<uuid::Uuid, i64> = HashMap::new();
    for entry in &entries {
        *postings.entry(entry.posting_id).or_default() += entry.amount_minor;
    }
    assert!(postings.values().all(|&sum| sum == 0), "a posting does not sum to zero");
    let payments = payment::Entity::find().all(db).await.expect("payments");
    let refunds = refund::Entity::find().all(db).await.expect("refunds");
    for order in order::Entity::find().all(db).await.expect("orders") {
        let own = |of: &payment::Model| of.order_id == order.id && of.state == PaymentState::Captured;
        let back = |of: &refund::Model| of.order_id == order.id && of.state != RefundState::Succeeded;
        let is_booked = match order.state {
            OrderState::Paid => order.total_minor == 0 || payments.iter().any(own),
            OrderState::Refunded | OrderState::PartiallyRefunded => {
                let is_settled = order.total_minor == 0 || refunds.iter().all(|of| !back(of));
                if is_settled { false } else { payments.iter().any(own) }
            }
            OrderState::AwaitingPayment
            | OrderState::Expired
            | OrderState::Cancelled
            | OrderState::RefundDue
            | OrderState::Stuck => false,
        };
        let fees = entries.iter().filter(|one| one.order_id == order.id && one.account == "platform:fees");
        let fees: i64 = fees.map(|one| one.amount_minor).sum();
        let expected = if is_booked { -order.fee_minor } else { 0 };
        assert_eq!(fees, expected, "the fee of an order that is {:?}", order.state);
    }
    let captured: i64 = payments
        .iter()
        .filter(|payment| payment.state == PaymentState::Captured)
        .map(|payment| payment.amount_minor)
        .sum();
    let refunded: i64 = refunds
        .iter()
        .filter(|refund| refund.state == RefundState::Succeeded)
        .map(|refund| refund.amount_minor)
        .sum();
    let held: i64 = entries
        .iter()
        .filter(|entry| entry.account.starts_with("provider:"))
        .map(|entry| entry.amount_minor)
        .sum();
    assert_eq!(captured - refunded, held, "captured less refunded is what the provider holds");
    let books = sandbox::books(&app.store).await.expect("the provider's books");
    for (intent, given_back) in books {
        let ours =
            payments.iter().find(|payment| payment.provider_ref.as_deref() == Some(intent.id.as_str()));
        if let Some(ours) = ours
            && matches!(ours.state, PaymentState::Capturing | PaymentState::Captured)
        {
            let collected = intent.status == "succeeded" || ours.state == PaymentState::Capturing;
            assert!(
                collected && intent.status != "canceled",
                "sold, but the provider has it {}",
                intent.status
            );
        }
        if intent.status == "succeeded" {
            let ours = ours.expect("a row of each intent that the provider captured");
            assert_eq!(ours.state, PaymentState::Captured, "an intent that the provider captured");
        }
        let given: i64 = given_back.iter().map(|refund| refund.amount).sum();
        assert!(given <= intent.amount, "more was refunded than captured");
    }
}

async fn seats_of(db: &Connections, row: &inventory::Model) -> Vec<seat::Model> {
    seat::Entity::find().filter(seat::Column::InventoryId.eq(row.id)).all(db).await.expect("seats")
}

async fn areas_of(db: &Connections, row: &inventory::Model) -> Vec<area::Model> {
    area::Entity::find().filter(area::Column::InventoryId.eq(row.id)).all(db).await.expect("areas")
}

async fn live_of(db: &Connections, row: &inventory::Model) -> Vec<reservation::Model> {
    reservation::Entity::find()
        .filter(reservation::Column::InventoryId.eq(row.id))
        .filter(reservation::Column::State.is_in([ReservationState::Active, ReservationState::Paying]))
        .all(db)
        .await
        .expect("reservations")
}

fn items(reservation: &reservation::Model) -> Vec<Item> {
    serde_json::from_str(&reservation.items).expect("items")
}
