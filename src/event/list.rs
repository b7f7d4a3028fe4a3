//! Lists of events: filters, sort orders and pages.

use chrono::{DateTime, Utc};
use entity::{
    CategoryId, EventId, SeriesId, ShopId, VenueId,
    event::{self, Column, EventState},
    inventory,
};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, QueryFilter, QuerySelect, QueryTrait, Select,
    sea_query::{Expr, ExprTrait, Func, SimpleExpr},
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
    search_text::{self, Search},
    shop::{self, shops_seen},
    slug::IdOrSlug,
};

/// A filter of events. All conditions must hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// The event is sold by each of these shops.
    pub shops: Vec<IdOrSlug<ShopId>>,
    /// The event is in each of these categories or below it.
    pub categories: Vec<IdOrSlug<CategoryId>>,
    /// The event takes place at each of these venues.
    pub venues: Vec<VenueId>,
    /// The event belongs to each of these series.
    pub series: Vec<SeriesId>,
    /// A search text. Each of its words must be found in the name, shop, venue or town.
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
    /// In a search without another order: the time at which the list was first read, the part of the list (a rank of
    /// matches, and whether the event had ended), and its start.
    #[serde(rename = "f")]
    Found(DateTime<Utc>, usize, DateTime<Utc>, EventId),
    /// In the order by start.
    #[serde(rename = "t")]
    Start(DateTime<Utc>, EventId),
    /// In the order by name: the sort key.
    #[serde(rename = "n")]
    Name(String, EventId),
    /// In the order by time of creation.
    #[serde(rename = "i")]
    Id(EventId),
}

/// Returns the events that the viewer may see, in this order, with their positions. Their descriptions are empty: see
/// [`super::descriptions`].
///
/// If there is a search and no other order, the best matches are first, and matches of one rank are in the order
/// [`Sort::Upcoming`].
pub async fn events(
    app: &App,
    viewer: &Viewer,
    filter: &Filter,
    sort: Sort,
    window: Window<Key>,
) -> FaultResult<Page<(Key, event::Model)>> {
    let search = Search::new(app.store.read(), filter.search.as_deref()).await?;
    let select = page::without(select(app, viewer, filter, search.as_ref()).await?, &[Column::Description]);
    let db = app.store.read();
    Ok(match sort {
        Sort::Upcoming => upcoming(app, select, search.as_ref(), window).await?,
        Sort::By(Field::StartsAt, direction) => {
            let window = window.keyed(|key| match key {
                Key::Start(at, id) => Some((comparable(at), id)),
                Key::Upcoming(..) | Key::Found(..) | Key::Name(..) | Key::Id(_) => None,
            })?;
            let page = page::read(db, select, (Column::StartsAt, Column::Id), direction, window).await?;
            page.map(|event| (Key::Start(event.starts_at, event.id), event))
        }
        Sort::By(Field::Name, direction) => {
            let window = window.keyed(|key| match key {
                Key::Name(name, id) if !name.contains('\0') => Some((name, id)),
                Key::Upcoming(..) | Key::Found(..) | Key::Name(..) | Key::Start(..) | Key::Id(_) => None,
            })?;
            let page = page::read(db, select, (Column::SortKey, Column::Id), direction, window).await?;
            page.map(|event| (Key::Name(event.sort_key.clone(), event.id), event))
        }
        Sort::By(Field::CreatedAt, direction) => {
            let window = window.keyed(|key| match key {
                Key::Id(id) => Some(id),
                Key::Upcoming(..) | Key::Found(..) | Key::Start(..) | Key::Name(..) => None,
            })?;
            page::read(db, select, Column::Id, direction, window)
                .await?
                .map(|event| (Key::Id(event.id), event))
        }
    })
}

/// Reads the events in the order [`Sort::Upcoming`], of each rank of the search.
async fn upcoming(
    app: &App,
    select: Select<event::Entity>,
    search: Option<&Search>,
    window: Window<Key>,
) -> FaultResult<Page<(Key, event::Model)>> {
    let (as_of, is_search) = (as_of(app, &window), search.is_some());
    let window = window.keyed(|key| match key {
        Key::Upcoming(_, ended, at, id) if !is_search => Some((usize::from(ended), (comparable(at), id))),
        Key::Found(_, part, at, id) if is_search => Some((part, (comparable(at), id))),
        Key::Upcoming(..) | Key::Found(..) | Key::Start(..) | Key::Name(..) | Key::Id(_) => None,
    })?;
    let mut parts = Vec::new();
    for rank in search_text::parts::<event::Entity>(search) {
        parts.push((rank.clone().add(Column::EndsAt.gt(as_of)), Direction::Ascending));
        parts.push((rank.add(Column::EndsAt.lte(as_of)), Direction::Descending));
    }
    let columns = (Column::StartsAt, Column::Id);
    let page = page::read_parts(app.store.read(), select, parts, columns, window).await?;
    Ok(page.map(|(part, event)| {
        let key = if is_search {
            Key::Found(as_of, part, event.starts_at, event.id)
        } else {
            Key::Upcoming(as_of, event.ends_at <= as_of, event.starts_at, event.id)
        };
        (key, event)
    }))
}

/// Returns the time that divides the list into upcoming and past events. The pages of a list share the time of the
/// first one, so an event that ends meanwhile is neither missing nor listed twice.
fn as_of(app: &App, window: &Window<Key>) -> DateTime<Utc> {
    let given = [&window.after, &window.before].into_iter().flatten().find_map(|key| match key {
        Key::Upcoming(as_of, ..) | Key::Found(as_of, ..) => Some(*as_of),
        Key::Start(..) | Key::Name(..) | Key::Id(_) => None,
    });
    comparable(given.unwrap_or_else(|| app.clock.now()))
}

async fn select(
    app: &App,
    viewer: &Viewer,
    filter: &Filter,
    search: Option<&Search>,
) -> FaultResult<Select<event::Entity>> {
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
    for series in &filter.series {
        select = select.filter(Column::SeriesId.eq(*series));
    }
    if let Some(search) = search {
        select = select.filter(search.matching::<event::Entity>());
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
        .filter(public_available().gt(0));
    Expr::exists(stock.into_query())
}

/// The SQL form of [`inventory::public_available`](crate::inventory::public_available).
fn public_available() -> SimpleExpr {
    Func::coalesce([Expr::col(inventory::Column::PublicAvailable), Expr::col(inventory::Column::Available)])
        .into()
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

    fn row(id: Uuid, state: EventState, (sales_start, sales_end, ends_at): (i64, i64, i64)) -> event::Model {
        event::Model {
            id: EventId(id),
            shop_id: ShopId(Uuid::nil()),
            venue_id: entity::VenueId(Uuid::nil()),
            seat_map_id: entity::SeatMapId(Uuid::nil()),
            category_id: CategoryId(Uuid::nil()),
            slug: format!("e-{id}"),
            name: "Gala".to_owned(),
            sort_key: String::new(),
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
            series_id: None,
            focal_x: None,
            focal_y: None,
            version: 1,
            created_at: at(0),
            updated_at: at(0),
        }
    }

    /// Events of every state, with every order of their times, without an inventory, with an empty one, and with one
    /// that has places.
    async fn fill(store: &Store) -> Vec<(event::Model, u32)> {
        let tx = store.begin().await.unwrap();
        let mut all = Vec::new();
        for state in [EventState::Draft, EventState::Published, EventState::Cancelled] {
            for (sales_start, sales_end, ends_at) in [(10, 20, 30), (10, 30, 30), (20, 30, 30), (5, 10, 10)] {
                // The number that an earlier program version stored, and the number of places that the public can buy.
                let stocks = [(0, None), (3, None), (3, Some(0)), (3, Some(2))];
                for stock in std::iter::once(None).chain(stocks.map(Some)) {
                    let id = Uuid::from_u128(all.len() as u128 + 1);
                    let row = row(id, state, (sales_start, sales_end, ends_at));
                    let active = row.clone().into_active_model();
                    event::Entity::insert(active).exec_without_returning(&tx).await.unwrap();
                    if let Some((available, public)) = stock {
                        let stock = inventory::ActiveModel {
                            id: Set(InventoryId(id)),
                            kind: Set(InventoryKind::Event),
                            version: Set(1),
                            capacity: Set(3),
                            available: Set(available),
                            reserved: Set(3 - available),
                            sold: Set(0),
                            blocked: Set(0),
                            public_available: Set(public),
                            updated_at: Set(at(0)),
                        };
                        inventory::Entity::insert(stock).exec_without_returning(&tx).await.unwrap();
                    }
                    let left = stock.map_or(0, |(available, public)| public.unwrap_or(available));
                    all.push((row, left.unsigned_abs()));
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
