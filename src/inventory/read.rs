//! Reading an inventory: the whole stock at one version, or the log after a version.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Duration, Utc};
use entity::{
    EventId, InventoryId, TierId,
    event::{self, EventState},
    inventory::{self, SeatStatus, area, buyer, change, seat},
    reservation::{self, ReservationState},
    tier::{self, ScopeKind, scope},
};
use iso_currency::Currency;
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{
    change::Change,
    coupon,
    fairness::{Fairness, IdleTime},
    hoarding::Source,
    origin,
    state::{Area, Buyer, Counts, Item, ReservationSnapshot, Seat, Stock, Tally, Terms, TierTerms},
};
use crate::{
    app::App,
    error::{Fault, FaultResult, Object},
    money::{self, Money},
    store::Tx,
    venue::{self, hall::Hall},
};

/// Reads the whole stock at one version.
pub(super) async fn load(app: &App, id: InventoryId) -> FaultResult<Stock> {
    // After a restart every event is loaded at once. The semaphore is never closed.
    let _permit = app.inventory.loads.acquire().await;
    let snapshot = app.store.snapshot().await?;
    let rows = Rows::read(&snapshot, id).await?;
    let terms = TermsRows::read(&snapshot, id).await?;
    snapshot.rollback().await?;
    rows.into_stock(terms.into_terms(app).await?)
}

/// Reads an event's stock in a transaction that has locked its inventory. `None` if the event was never published.
pub(super) async fn stock_in_tx(
    app: &App,
    tx: &Tx,
    id: EventId,
    map: &venue::SeatMap,
) -> FaultResult<Option<Stock>> {
    let rows = match Rows::read(tx, id.into()).await {
        Ok(rows) => rows,
        Err(Fault::NotFound(_)) => return Ok(None),
        Err(fault) => return Err(fault),
    };
    let terms = match TermsRows::read(tx, id.into()).await? {
        // Counts do not depend on the focal point.
        TermsRows::Event { event, tiers, scopes } => {
            let hall = map.hall.clone();
            event_terms(app, *event, Priced { tiers: &tiers, scopes: &scopes, map, hall })?
        }
        TermsRows::Coupon(_) => return Ok(None),
    };
    rows.into_stock(terms).map(Some)
}

/// Returns the current version in the database.
pub(super) async fn version(app: &App, id: InventoryId) -> FaultResult<i64> {
    inventory::Entity::find_by_id(id)
        .select_only()
        .column(inventory::Column::Version)
        .into_tuple()
        .one(app.store.read())
        .await?
        .ok_or(Fault::NotFound(Object::Inventory))
}

/// The rows of one inventory at one version.
struct Rows {
    version: i64,
    seats: Vec<(SeatStatus, i32, Option<entity::ReservationId>)>,
    areas: Vec<area::Model>,
    live: Vec<reservation::Model>,
    buyers: Vec<buyer::Model>,
}

impl Rows {
    async fn read(snapshot: &Tx, id: InventoryId) -> FaultResult<Self> {
        let row = inventory::Entity::find_by_id(id)
            .one(snapshot)
            .await?
            .ok_or(Fault::NotFound(Object::Inventory))?;
        let seats = seat::Entity::find()
            .filter(seat::Column::InventoryId.eq(id))
            .order_by_asc(seat::Column::Ordinal)
            .select_only()
            .columns([seat::Column::Status, seat::Column::Epoch, seat::Column::ReservationId]);
        let areas =
            area::Entity::find().filter(area::Column::InventoryId.eq(id)).order_by_asc(area::Column::Ordinal);
        let live = reservation::Entity::find()
            .filter(reservation::Column::InventoryId.eq(id))
            .filter(reservation::Column::State.is_in([ReservationState::Active, ReservationState::Paying]));
        let buyers = buyer::Entity::find()
            .filter(buyer::Column::InventoryId.eq(id))
            // Only buyers with places or idle time.
            .filter(
                Condition::any()
                    .add(buyer::Column::Taken.gt(0))
                    .add(buyer::Column::IdleMs.gt(0))
                    .add(buyer::Column::CoolsUntil.is_not_null()),
            );
        Ok(Self {
            version: row.version,
            seats: seats.into_tuple().all(snapshot).await?,
            areas: areas.all(snapshot).await?,
            live: live.all(snapshot).await?,
            buyers: buyers.all(snapshot).await?,
        })
    }

    fn into_stock(self, terms: Terms) -> FaultResult<Stock> {
        let seat = |(status, epoch, reservation)| Seat { status, epoch: unsigned(epoch), reservation };
        let area = |area: area::Model| Area {
            capacity: unsigned(area.capacity),
            reserved: unsigned(area.reserved),
            sold: unsigned(area.sold),
        };
        let buyer = |row: buyer::Model| Buyer { tally: tally(&row), ..Buyer::default() };
        let mut stock = Stock {
            version: self.version,
            terms,
            seats: self.seats.into_iter().map(seat).collect(),
            areas: self.areas.into_iter().map(area).collect(),
            reservations: self
                .live
                .into_iter()
                .map(|row| Ok((row.id, snapshot_of(row)?)))
                .collect::<FaultResult<_>>()?,
            buyers: self.buyers.into_iter().map(|row| (row.account_id, buyer(row))).collect(),
            sources: HashMap::new(),
            counts: Counts::default(),
            totals: None,
        };
        stock.counts = stock.recount();
        stock.totals = Some(stock.count_totals());
        for reservation in stock.reservations.values().cloned().collect::<Vec<_>>() {
            stock.buyers.entry(reservation.buyer).or_default().reservations.insert(reservation.id);
            stock.count_source(&reservation);
        }
        Ok(stock)
    }
}

/// Returns the terms of sale of the event or coupon.
pub(super) async fn terms(app: &App, id: InventoryId) -> FaultResult<Terms> {
    TermsRows::read(app.store.read(), id).await?.into_terms(app).await
}

/// The rows that state the terms of sale of an event or a coupon.
enum TermsRows {
    Event { event: Box<event::Model>, tiers: Vec<tier::Model>, scopes: Vec<scope::Model> },
    Coupon(Box<entity::coupon::Model>),
}

impl TermsRows {
    async fn read(connection: &impl ConnectionTrait, id: InventoryId) -> FaultResult<Self> {
        let Some(event) = event::Entity::find_by_id(EventId::from(id)).one(connection).await? else {
            return Ok(Self::Coupon(Box::new(coupon::row(connection, id.into()).await?)));
        };
        let tiers = tier::Entity::find()
            .filter(tier::Column::EventId.eq(event.id))
            .order_by_asc(tier::Column::Position)
            .order_by_asc(tier::Column::Id);
        let scopes = scope::Entity::find().filter(scope::Column::EventId.eq(event.id));
        Ok(Self::Event {
            tiers: tiers.all(connection).await?,
            scopes: scopes.all(connection).await?,
            event: Box::new(event),
        })
    }

    /// Adds the seat map, which is immutable and may have to be parsed: not in a transaction.
    async fn into_terms(self, app: &App) -> FaultResult<Terms> {
        match self {
            Self::Coupon(row) => coupon::terms(app, *row),
            Self::Event { event, tiers, scopes } => {
                let map = venue::seat_map(app, event.seat_map_id).await?;
                if event.state != EventState::Draft {
                    // The event may have moved to another seat map.
                    app.inventory.maps_on_sale.insert(event.id, event.seat_map_id);
                }
                let hall = venue::hall_around(&map, event.focal_x.zip(event.focal_y)).await?;
                event_terms(app, *event, Priced { tiers: &tiers, scopes: &scopes, map: &map, hall })
            }
        }
    }
}

/// The places of an event with their prices.
struct Priced<'a> {
    tiers: &'a [tier::Model],
    scopes: &'a [scope::Model],
    map: &'a venue::SeatMap,
    hall: Arc<Hall>,
}

fn event_terms(
    app: &App,
    event: event::Model,
    Priced { tiers, scopes, map, hall }: Priced<'_>,
) -> FaultResult<Terms> {
    let index =
        |id: TierId| tiers.iter().position(|tier| tier.id == id).and_then(|index| u16::try_from(index).ok());
    let priced = |kind: ScopeKind, key: &str| {
        scopes
            .iter()
            .find(|scope| scope.kind == kind && scope.key == key)
            .and_then(|scope| index(scope.tier_id))
    };
    let by_category: Vec<Option<u16>> =
        map.plan.categories.iter().map(|category| priced(ScopeKind::Category, &category.name)).collect();
    let currency = money::currency(&event.currency).ok_or_else(|| Fault::internal("unknown currency"))?;
    let seat_tiers: Vec<_> = map.plan.seats.iter().map(|seat| by_category[seat.category]).collect();
    let area_tiers: Vec<_> = map
        .plan
        .areas
        .iter()
        .map(|area| {
            priced(ScopeKind::Area, &area.guid)
                .or_else(|| area.category.and_then(|category| by_category[category]))
        })
        .collect();
    let areas = map.plan.areas.iter().zip(&area_tiers).filter(|(_, tier)| tier.is_some());
    let seats = seat_tiers.iter().filter(|tier| tier.is_some()).count();
    let capacity =
        u32::try_from(seats).map_err(Fault::internal)? + areas.map(|(area, _)| area.capacity).sum::<u32>();
    Ok(Terms {
        revision: 0,
        open: event.state == EventState::Published,
        sales_start: event.sales_start,
        sales_end: event.sales_end,
        reservation_seconds: event.reservation_seconds.into(),
        reservation_seconds_max: event.reservation_seconds_max.into(),
        reservations_end: DateTime::<Utc>::MAX_UTC,
        limit_per_buyer: unsigned(event.limit_per_buyer),
        fairness: event.reservation_budget_seconds.map(|budget| Fairness {
            budget: Duration::seconds(budget.into()),
            cool_down: Duration::seconds(event.cool_down_seconds.into()),
        }),
        hoarding: origin::shares(app).limits(
            capacity,
            unsigned(event.limit_per_buyer),
            (event.unpaid_per_network.map(unsigned), event.unpaid_percent.map(unsigned)),
        ),
        requirement: event.buyer_requirement,
        currency: event.currency,
        tiers: tiers.iter().map(|tier| tier_terms(tier, currency)).collect::<FaultResult<_>>()?,
        seat_tiers,
        area_tiers,
        orphan_rule: event.orphan_rule,
        seat_map: Some(map.id),
        hall,
    })
}

fn tier_terms(tier: &tier::Model, currency: Currency) -> FaultResult<TierTerms> {
    let gross = Money::new(tier.price_minor + tier.fee_minor, currency);
    let tax = gross.included_tax(unsigned(tier.tax_basis_points)).map_err(Fault::internal)?;
    Ok(TierTerms {
        id: tier.id,
        price: tier.price_minor,
        fee: tier.fee_minor,
        tax: tax.minor,
        hidden: tier.hidden,
    })
}

/// Returns up to `limit` versions after `after`, in order and without gaps. Empty if there are none; `None` if the log
/// no longer reaches back to `after`.
pub(super) async fn changes_after(
    app: &App,
    id: InventoryId,
    after: i64,
    limit: u64,
) -> FaultResult<Option<Vec<(i64, Change)>>> {
    let rows = change::Entity::find()
        .filter(change::Column::InventoryId.eq(id))
        .filter(change::Column::Version.gt(after))
        .order_by_asc(change::Column::Version)
        .limit(limit)
        .all(app.store.read())
        .await?;
    let mut changes = Vec::with_capacity(rows.len());
    for (expected, row) in (after + 1..).zip(rows) {
        if row.version != expected {
            return Ok(None);
        }
        changes.push((row.version, serde_json::from_str(&row.payload).map_err(Fault::internal)?));
    }
    if changes.is_empty() && version(app, id).await? > after {
        return Ok(None);
    }
    Ok(Some(changes))
}

pub(super) fn snapshot_of(row: reservation::Model) -> FaultResult<ReservationSnapshot> {
    Ok(ReservationSnapshot {
        id: row.id,
        buyer: row.account_id,
        state: row.state,
        items: items(&row)?,
        currency: row.currency,
        deadline: row.deadline,
        deadline_max: row.deadline_max,
        order: row.order_id,
        source: row.source.map(Source),
        created_at: row.created_at,
        version: row.version,
    })
}

fn tally(row: &buyer::Model) -> Tally {
    let idle = IdleTime { counted_ms: row.idle_ms, since: row.idle_since, cools_until: row.cools_until };
    Tally { taken: unsigned(row.taken), idle }
}

/// Returns the items of the reservation's row.
fn items(row: &reservation::Model) -> FaultResult<Vec<Item>> {
    serde_json::from_str(&row.items).map_err(Fault::internal)
}

/// Converts one of the database's signed integers. CHECK constraints keep them from being negative.
pub(super) fn unsigned(value: i32) -> u32 {
    u32::try_from(value).unwrap_or_default()
}
