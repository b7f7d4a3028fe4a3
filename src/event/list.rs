//! Lists of events: filters, sort orders and pages.

use chrono::{DateTime, Utc};
use entity::{
    CategoryId, EventId, ShopId, VenueId,
    event::{self, Column, EventState},
    inventory,
};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, QueryFilter, QuerySelect, QueryTrait, Select,
    sea_query::{Expr, ExprTrait, SimpleExpr},
};
use serde::{Deserialize, Serialize};

use super::rules::EventStatus;
use crate::{
    app::App,
    auth::Viewer,
    category,
    clock::comparable,
    error::FaultResult,
    page::{self, Direction, Page, Window},
    search_text,
    shop::{self, shops_seen},
    slug::IdOrSlug,
};

/// Greater than every character of a word. It turns a prefix into a range of the index.
const LAST: char = '\u{10FFFF}';

/// A filter of events. All conditions must hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// The event is sold by each of these shops.
    pub shops: Vec<IdOrSlug<ShopId>>,
    /// The event is in each of these categories or below it.
    pub categories: Vec<IdOrSlug<CategoryId>>,
    /// The event takes place at each of these venues.
    pub venues: Vec<VenueId>,
    /// A search text. Each of its words must be a prefix of a word of the name, shop, venue or town.
    pub search: Option<String>,
    /// The event does not end before this time.
    pub from: Option<DateTime<Utc>>,
    /// The event starts before this time.
    pub until: Option<DateTime<Utc>>,
    /// The event was changed after this time.
    pub updated_after: Option<DateTime<Utc>>,
    /// The statuses. Empty for all.
    pub statuses: Vec<EventStatus>,
}

/// The sort order of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// First the events that have not ended, by their start. Then the others, those that started last first.
    #[default]
    Upcoming,
    /// By a field.
    By(Field, Direction),
}

/// A field to sort by. Events with equal values are sorted by their ids in the same direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The start.
    StartsAt,
    /// The name.
    Name,
    /// The time of creation.
    CreatedAt,
}

/// The position of an event in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Key {
    /// In the order [`Sort::Upcoming`]: the time at which the list was first read, whether the event had ended then, and
    /// its start.
    #[serde(rename = "u")]
    Upcoming(DateTime<Utc>, bool, DateTime<Utc>, EventId),
    /// In the order by start.
    #[serde(rename = "t")]
    Start(DateTime<Utc>, EventId),
    /// In the order by name.
    #[serde(rename = "n")]
    Name(String, EventId),
    /// In the order by time of creation.
    #[serde(rename = "i")]
    Id(EventId),
}

/// A page of events, and what the keys of its items need.
#[derive(Debug)]
pub struct Events {
    /// The events.
    pub page: Page<event::Model>,
    /// The positions in the list.
    pub keys: Keys,
}

/// Makes the keys of a list's events.
#[derive(Clone, Copy, Debug)]
pub struct Keys {
    sort: Sort,
    as_of: DateTime<Utc>,
}

impl Keys {
    /// Returns the event's position.
    pub fn of(&self, event: &event::Model) -> Key {
        match self.sort {
            Sort::Upcoming => {
                Key::Upcoming(self.as_of, event.ends_at <= self.as_of, event.starts_at, event.id)
            }
            Sort::By(Field::StartsAt, _) => Key::Start(event.starts_at, event.id),
            Sort::By(Field::Name, _) => Key::Name(event.name.clone(), event.id),
            Sort::By(Field::CreatedAt, _) => Key::Id(event.id),
        }
    }
}

/// Returns the events that the viewer may see, in this order. Their descriptions are empty: see
/// [`super::descriptions`].
pub async fn events(
    app: &App,
    viewer: &Viewer,
    filter: &Filter,
    sort: Sort,
    window: Window<Key>,
) -> FaultResult<Events> {
    let select = page::without(select(app, viewer, filter).await?, &[Column::Description]);
    let as_of = as_of(app, &window);
    let db = app.store.read();
    let page = match sort {
        Sort::Upcoming => {
            let window = window.keyed(|key| match key {
                Key::Upcoming(_, ended, at, id) => Some((usize::from(ended), (comparable(at), id))),
                Key::Start(..) | Key::Name(..) | Key::Id(_) => None,
            })?;
            let parts = [
                (Condition::all().add(Column::EndsAt.gt(as_of)), Direction::Ascending),
                (Condition::all().add(Column::EndsAt.lte(as_of)), Direction::Descending),
            ];
            page::read_parts(db, select, parts, (Column::StartsAt, Column::Id), window).await?
        }
        Sort::By(Field::StartsAt, direction) => {
            let window = window.keyed(|key| match key {
                Key::Start(at, id) => Some((comparable(at), id)),
                Key::Upcoming(..) | Key::Name(..) | Key::Id(_) => None,
            })?;
            page::read(db, select, (Column::StartsAt, Column::Id), direction, window).await?
        }
        Sort::By(Field::Name, direction) => {
            let window = window.keyed(|key| match key {
                Key::Name(name, id) if !name.contains('\0') => Some((name, id)),
                Key::Upcoming(..) | Key::Name(..) | Key::Start(..) | Key::Id(_) => None,
            })?;
            page::read(db, select, (Column::Name, Column::Id), direction, window).await?
        }
        Sort::By(Field::CreatedAt, direction) => {
            let window = window.keyed(|key| match key {
                Key::Id(id) => Some(id),
                Key::Upcoming(..) | Key::Start(..) | Key::Name(..) => None,
            })?;
            page::read(db, select, Column::Id, direction, window).await?
        }
    };
    Ok(Events { page, keys: Keys { sort, as_of } })
}

/// Returns the time that divides the list into upcoming and past events. The pages of a list share the time of the
/// first one, so an event that ends meanwhile is neither missing nor listed twice.
fn as_of(app: &App, window: &Window<Key>) -> DateTime<Utc> {
    let given = [&window.after, &window.before].into_iter().flatten().find_map(|key| match key {
        Key::Upcoming(as_of, ..) => Some(*as_of),
        Key::Start(..) | Key::Name(..) | Key::Id(_) => None,
    });
    comparable(given.unwrap_or_else(|| app.clock.now()))
}

async fn select(app: &App, viewer: &Viewer, filter: &Filter) -> FaultResult<Select<event::Entity>> {
    let seen = shops_seen(app, viewer).await?;
    let visible = Condition::any()
        .add(Column::State.ne(EventState::Draft))
        .add(Column::ShopId.is_in(seen.iter().copied()));
    let mut select = event::Entity::find().filter(visible);
    for shop in &filter.shops {
        select = select.filter(match shop {
            IdOrSlug::Id(id) => Column::ShopId.eq(*id),
            IdOrSlug::Slug(slug) => Column::ShopId.in_subquery(shop::with_slug(slug)),
        });
    }
    for category in &filter.categories {
        select = select.filter(Column::CategoryId.in_subquery(category::subtree(app, category).await?));
    }
    for venue in &filter.venues {
        select = select.filter(Column::VenueId.eq(*venue));
    }
    for word in filter.search.as_deref().map(search_text::query_words).unwrap_or_default() {
        select = select.filter(has_word(word));
    }
    if let Some(from) = filter.from {
        // An event without duration belongs to the period that begins at its time.
        let lasts = Column::EndsAt.gt(comparable(from)).or(Column::StartsAt.gte(comparable(from)));
        select = select.filter(Column::EndsAt.gte(comparable(from))).filter(lasts);
    }
    if let Some(until) = filter.until {
        select = select.filter(Column::StartsAt.lt(comparable(until)));
    }
    if let Some(time) = filter.updated_after {
        select = select.filter(Column::UpdatedAt.gt(comparable(time)));
    }
    if !filter.statuses.is_empty() {
        let now = app.clock.now();
        let any = filter.statuses.iter().map(|status| has_status(*status, now));
        select = select.filter(any.fold(Condition::any(), Condition::add));
    }
    Ok(select)
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
                        sales_start_given: true,
                        sales_end_given: true,
                        refund_minutes: None,
                        doors_at: None,
                        admission_from: None,
                        admission_until: None,
                        entries_max: Some(1),
                        entry_period: entity::event::EntryPeriod::Event,
                        reentry: false,
                        state,
                        currency: "EUR".to_owned(),
                        reservation_seconds: 600,
                        reservation_seconds_max: 1_200,
                        limit_per_buyer: 8,
                        orphan_rule: true,
                        reservation_budget_seconds: Some(2_700),
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
