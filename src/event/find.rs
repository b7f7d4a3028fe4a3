//! Which events a viewer sees, and the lists of them.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::{
    CategoryId, EventId, ShopId, category,
    event::{self, Column, EventState},
    inventory, shop,
};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect, QueryTrait, Select,
    sea_query::{Expr, ExprTrait, SimpleExpr},
};
use serde::{Deserialize, Serialize};

use super::{
    details::{comparable, is_slug},
    rules::EventStatus,
};
use crate::{
    app::App,
    auth::Viewer,
    error::{Fault, FaultResult, Object},
    page::{self, Page, Window},
    search_text,
    venue::{self, find::shops_seen},
};

/// Greater than every character that a word or a path has: with it a prefix is a range of the index.
const LAST: char = '\u{10FFFF}';

/// Which events; what is none does not matter.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Sold by the shop.
    pub shop: Option<ShopId>,
    /// Of the category or one below it.
    pub category: Option<CategoryId>,
    /// Each word begins a word of the name, shop, venue or town.
    pub search: Option<String>,
    /// Start at this time or later.
    pub from: Option<DateTime<Utc>>,
    /// Start before this time.
    pub until: Option<DateTime<Utc>>,
    /// The statuses. Empty for all.
    pub statuses: Vec<EventStatus>,
}

/// In which order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Earliest first.
    #[default]
    StartsAt,
    /// Latest first.
    StartsAtDesc,
    /// By name.
    Name,
    /// Last created first.
    Newest,
}

/// An event's place in one of the orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Key {
    /// By start.
    #[serde(rename = "t")]
    Start(DateTime<Utc>, EventId),
    /// By name.
    #[serde(rename = "n")]
    Name(String, EventId),
    /// By age.
    #[serde(rename = "i")]
    Id(EventId),
}

impl Key {
    /// The event's place in the order.
    pub fn of(event: &event::Model, order: Order) -> Self {
        match order {
            Order::StartsAt | Order::StartsAtDesc => Self::Start(event.starts_at, event.id),
            Order::Name => Self::Name(event.name.clone(), event.id),
            Order::Newest => Self::Id(event.id),
        }
    }
}

/// The event, if the viewer may see it.
pub async fn event(app: &App, viewer: &Viewer, id: EventId) -> FaultResult<event::Model> {
    one(app, viewer, event::Entity::find_by_id(id)).await
}

/// The event with this slug, if the viewer may see it.
pub async fn event_by_slug(app: &App, viewer: &Viewer, slug: &str) -> FaultResult<event::Model> {
    if !is_slug(slug) {
        return Err(Fault::NotFound(Object::Event));
    }
    one(app, viewer, event::Entity::find().filter(Column::Slug.eq(slug))).await
}

/// The seat map of the event, if the viewer may see that. Costs nothing for one that all may see.
pub async fn seat_map(app: &App, viewer: &Viewer, id: EventId) -> FaultResult<Arc<venue::SeatMap>> {
    if let Some(map) = app.maps_on_sale.get(&id) {
        return venue::seat_map(app, map).await;
    }
    let event = event(app, viewer, id).await?;
    if event.state != EventState::Draft {
        // Neither is ever taken back: the map of an event, and that everybody may see it.
        app.maps_on_sale.insert(id, event.seat_map_id);
    }
    venue::seat_map(app, event.seat_map_id).await
}

async fn one(app: &App, viewer: &Viewer, select: Select<event::Entity>) -> FaultResult<event::Model> {
    let event = select.one(app.store.read()).await?.ok_or(Fault::NotFound(Object::Event))?;
    let seen = event.state != EventState::Draft || shops_seen(app, viewer).await?.contains(&event.shop_id);
    if seen { Ok(event) } else { Err(Fault::NotFound(Object::Event)) }
}

/// The events that the viewer may see, in the order. Their descriptions are left empty: see [`super::descriptions`].
pub async fn events(
    app: &App,
    viewer: &Viewer,
    filter: &Filter,
    order: Order,
    window: Window<Key>,
) -> FaultResult<Page<event::Model>> {
    let select = page::without(select(app, viewer, filter).await?, &[Column::Description]);
    let db = app.store.read();
    match order {
        Order::StartsAt | Order::StartsAtDesc => {
            let window = window.keyed(|key| match key {
                Key::Start(at, id) => Some((comparable(at), id)),
                Key::Name(..) | Key::Id(_) => None,
            })?;
            let descending = order == Order::StartsAtDesc;
            page::read(db, select, (Column::StartsAt, Column::Id), descending, window).await
        }
        Order::Name => {
            let window = window.keyed(|key| match key {
                Key::Name(name, id) if !name.contains('\0') => Some((name, id)),
                Key::Name(..) | Key::Start(..) | Key::Id(_) => None,
            })?;
            page::read(db, select, (Column::Name, Column::Id), false, window).await
        }
        Order::Newest => {
            let window = window.keyed(|key| match key {
                Key::Id(id) => Some(id),
                Key::Start(..) | Key::Name(..) => None,
            })?;
            page::read(db, select, Column::Id, true, window).await
        }
    }
}

/// How many events the viewer may see.
pub async fn count(app: &App, viewer: &Viewer, filter: &Filter) -> FaultResult<u64> {
    Ok(select(app, viewer, filter).await?.count(app.store.read()).await?)
}

/// The shops, for the events that are theirs.
pub async fn shops_by_ids(app: &App, ids: Vec<ShopId>) -> FaultResult<Vec<shop::Model>> {
    Ok(shop::Entity::find().filter(shop::Column::Id.is_in(ids)).all(app.store.read()).await?)
}

/// The categories, for the events that are in them.
pub async fn categories_by_ids(app: &App, ids: Vec<CategoryId>) -> FaultResult<Vec<category::Model>> {
    Ok(category::Entity::find().filter(category::Column::Id.is_in(ids)).all(app.store.read()).await?)
}

async fn select(app: &App, viewer: &Viewer, filter: &Filter) -> FaultResult<Select<event::Entity>> {
    let seen = shops_seen(app, viewer).await?;
    let visible = Condition::any()
        .add(Column::State.ne(EventState::Draft))
        .add(Column::ShopId.is_in(seen.iter().copied()));
    let mut select = event::Entity::find().filter(visible);
    if let Some(shop) = filter.shop {
        select = select.filter(Column::ShopId.eq(shop));
    }
    if let Some(category) = filter.category {
        select = select.filter(below(app, category).await?);
    }
    for word in filter.search.as_deref().map(search_text::query_words).unwrap_or_default() {
        select = select.filter(has_word(word));
    }
    if let Some(from) = filter.from {
        select = select.filter(Column::StartsAt.gte(comparable(from)));
    }
    if let Some(until) = filter.until {
        select = select.filter(Column::StartsAt.lt(comparable(until)));
    }
    if !filter.statuses.is_empty() {
        let now = app.clock.now();
        let any = filter.statuses.iter().map(|status| has_status(*status, now));
        select = select.filter(any.fold(Condition::any(), Condition::add));
    }
    Ok(select)
}

/// In the category or one below it: the subtree is a prefix of paths.
async fn below(app: &App, category: CategoryId) -> FaultResult<SimpleExpr> {
    let Some(root) = category::Entity::find_by_id(category).one(app.store.read()).await? else {
        return Ok(Column::CategoryId.eq(category));
    };
    let subtree = category::Entity::find()
        .select_only()
        .column(category::Column::Id)
        .filter(category::Column::Path.gte(root.path.as_str()))
        .filter(category::Column::Path.lt(format!("{}{LAST}", root.path)));
    Ok(Column::CategoryId.in_subquery(subtree.into_query()))
}

fn has_word(beginning: String) -> SimpleExpr {
    let end = format!("{beginning}{LAST}");
    let found = event::word::Entity::find()
        .select_only()
        .column(event::word::Column::EventId)
        .filter(event::word::Column::Word.gte(beginning))
        .filter(event::word::Column::Word.lt(end));
    Column::Id.in_subquery(found.into_query())
}

/// The SQL form of [`status`](super::rules::status).
fn has_status(status: EventStatus, now: DateTime<Utc>) -> Condition {
    let is = |state: EventState| Condition::all().add(Column::State.eq(state));
    let running = || is(EventState::Published).add(Column::EndsAt.gt(now));
    let begun = || running().add(Column::SalesStart.lte(now));
    let selling = || begun().add(Column::SalesEnd.gt(now));
    match status {
        EventStatus::Draft => is(EventState::Draft),
        EventStatus::Cancelled => is(EventState::Cancelled),
        EventStatus::Past => is(EventState::Published).add(Column::EndsAt.lte(now)),
        EventStatus::Upcoming => running().add(Column::SalesStart.gt(now)),
        EventStatus::SalesEnded => begun().add(Column::SalesEnd.lte(now)),
        EventStatus::SoldOut => selling().add(has_places().not()),
        EventStatus::OnSale => selling().add(has_places()),
    }
}

fn has_places() -> SimpleExpr {
    let stock = inventory::Entity::find()
        .select_only()
        .column(inventory::Column::Id)
        .filter(Expr::col((inventory::Entity, inventory::Column::Id)).equals((event::Entity, Column::Id)))
        .filter(inventory::Column::Available.gt(0));
    Expr::exists(stock.into_query())
}

#[cfg(test)]
mod tests {
    use chrono::Duration;
    use entity::{InventoryId, inventory::InventoryKind};
    use sea_orm::{ActiveValue::Set, ConnectionTrait, IntoActiveModel};
    use uuid::Uuid;

    use super::*;
    use crate::{event::rules, store::Store};

    const ALL: [EventStatus; 7] = [
        EventStatus::Draft,
        EventStatus::Upcoming,
        EventStatus::OnSale,
        EventStatus::SoldOut,
        EventStatus::SalesEnded,
        EventStatus::Past,
        EventStatus::Cancelled,
    ];

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::days(20_000) + Duration::minutes(minutes)
    }

    /// Events of every state, with every order of their times, without an inventory, with an empty one, and with one
    /// that has places.
    async fn fill(store: &Store) -> Vec<(event::Model, u32)> {
        let tx = store.begin().await.unwrap();
        let mut all = Vec::new();
        for state in [EventState::Draft, EventState::Published, EventState::Cancelled] {
            for (sales_start, sales_end, ends_at) in [(10, 20, 30), (10, 30, 30), (20, 30, 30), (5, 10, 10)] {
                for available in [None, Some(0), Some(3)] {
                    let id = Uuid::from_u128(all.len() as u128 + 1);
                    let row = event::Model {
                        id: EventId(id),
                        shop_id: ShopId(Uuid::nil()),
                        venue_id: entity::VenueId(Uuid::nil()),
                        seat_map_id: entity::SeatMapId(Uuid::nil()),
                        category_id: CategoryId(Uuid::nil()),
                        slug: format!("e-{id}"),
                        name: "Gala".to_owned(),
                        description: String::new(),
                        starts_at: at(ends_at),
                        ends_at: at(ends_at),
                        sales_start: at(sales_start),
                        sales_end: at(sales_end),
                        refund_until: None,
                        state,
                        currency: "EUR".to_owned(),
                        hold_seconds: 600,
                        hold_seconds_max: 1_200,
                        limit_per_buyer: 8,
                        orphan_rule: true,
                        hold_budget_seconds: Some(2_700),
                        cool_down_seconds: 300,
                        buyer_requirement: entity::event::BuyerRequirement::None,
                        unpaid_per_network: None,
                        unpaid_percent: None,
                        version: 1,
                        created_at: at(0),
                        updated_at: at(0),
                    };
                    let active = row.clone().into_active_model();
                    event::Entity::insert(active).exec_without_returning(&tx).await.unwrap();
                    if let Some(available) = available {
                        let stock = inventory::ActiveModel {
                            id: Set(InventoryId(id)),
                            kind: Set(InventoryKind::Event),
                            version: Set(1),
                            capacity: Set(3),
                            available: Set(available),
                            reserved: Set(3 - available),
                            sold: Set(0),
                            blocked: Set(0),
                            updated_at: Set(at(0)),
                        };
                        inventory::Entity::insert(stock).exec_without_returning(&tx).await.unwrap();
                    }
                    all.push((row, available.map_or(0, i32::unsigned_abs)));
                }
            }
        }
        tx.commit().await.unwrap();
        all
    }

    #[tokio::test]
    async fn the_database_and_the_rules_agree_on_where_an_event_stands() {
        let store = Store::connect("sqlite::memory:", 1).await.unwrap();
        store.migrate().await.unwrap();
        store.read().execute_unprepared("PRAGMA foreign_keys = OFF").await.unwrap();
        let events = fill(&store).await;
        for minute in [0, 5, 9, 10, 15, 20, 25, 30, 31] {
            let mut found = 0;
            for wanted in ALL {
                let rows: Vec<event::Model> = event::Entity::find()
                    .filter(has_status(wanted, at(minute)))
                    .all(store.read())
                    .await
                    .unwrap();
                let ids: std::collections::BTreeSet<EventId> = rows.iter().map(|row| row.id).collect();
                let expected = events
                    .iter()
                    .filter(|(event, available)| rules::status(event, *available, at(minute)) == wanted)
                    .map(|(event, _)| event.id)
                    .collect();
                assert_eq!(ids, expected, "{wanted:?} at {minute}");
                found += ids.len();
            }
            assert_eq!(found, events.len(), "every event stands somewhere at {minute}, and nowhere twice");
        }
    }
}
