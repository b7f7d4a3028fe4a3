//! The coupons that a viewer may see, and lists of them.

use chrono::{DateTime, Utc};
use entity::{
    CategoryId, CouponId, EventId, ProductId, ShopId,
    coupon::{self, Column, CouponKind, CouponState},
    inventory,
};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, QueryFilter, QuerySelect, QueryTrait, Select,
    sea_query::{Expr, ExprTrait},
};
use serde::{Deserialize, Serialize};

use super::{TEXTS, by_id, rules};
use crate::{
    app::App,
    auth::Viewer,
    category,
    clock::comparable,
    error::{Fault, FaultResult, Object},
    event,
    page::{self, Direction, Page, Window},
    search_text::{self, Search},
    shop::{self, shops_seen},
    slug::IdOrSlug,
};

/// A filter of coupons. `None` matches all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// The coupon is issued by each of these shops.
    pub shops: Vec<IdOrSlug<ShopId>>,
    /// The coupon is in each of these categories or below it.
    pub categories: Vec<IdOrSlug<CategoryId>>,
    /// The product that the coupon is shown with.
    pub product: Option<ProductId>,
    /// The coupon is shown with each of these events.
    pub events: Vec<IdOrSlug<EventId>>,
    /// The kinds. Empty for all.
    pub kinds: Vec<CouponKind>,
    /// Whether the coupon is free.
    pub free: Option<bool>,
    /// A search text. Each of its words must be found in the title, shop or product.
    pub search: Option<String>,
    /// Whether the coupon can be claimed or reserved now.
    pub claimable: Option<bool>,
    /// The states. Empty for all.
    pub states: Vec<CouponState>,
    /// The coupon was changed after this time.
    pub updated_after: Option<DateTime<Utc>>,
}

/// A field to sort by. Coupons with equal values are sorted by their ids in the same direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The time of creation.
    CreatedAt,
    /// The title.
    Title,
}

/// The sort order of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    /// The field.
    pub field: Field,
    /// The direction.
    pub direction: Direction,
}

impl Sort {
    /// By time of creation, newest first.
    pub const NEWEST: Self = Self { field: Field::CreatedAt, direction: Direction::Descending };
}

/// The position of a coupon in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Key {
    /// In the order by title: the sort key.
    #[serde(rename = "n")]
    Title(String, CouponId),
    /// In a search without another order: the rank of the match.
    #[serde(rename = "f")]
    Found(usize, CouponId),
    /// In the order by time of creation.
    #[serde(rename = "i")]
    Id(CouponId),
}

/// Returns the coupon if the viewer may see it: a listed coupon that was published, or any coupon of a shop that the
/// viewer is a member of.
pub async fn coupon(app: &App, viewer: &Viewer, id: CouponId) -> FaultResult<coupon::Model> {
    let coupon = by_id(app, id).await?;
    if rules::is_known(&coupon, app.clock.now()) || shops_seen(app, viewer).await?.contains(&coupon.shop_id) {
        Ok(coupon)
    } else {
        Err(Fault::NotFound(Object::Coupon))
    }
}

/// Returns whether the viewer may claim or reserve the coupon without a code. Drafts are offered to no one, and coupons
/// that are not listed only to members of their shop.
pub(super) async fn is_offered(app: &App, viewer: &Viewer, coupon: &coupon::Model) -> FaultResult<bool> {
    match coupon.state {
        CouponState::Draft => Ok(false),
        CouponState::Published | CouponState::Paused | CouponState::Ended => {
            Ok(coupon.listed || shops_seen(app, viewer).await?.contains(&coupon.shop_id))
        }
    }
}

/// Returns the coupons that the viewer may see, with their positions, in this order. `None` is [`Sort::NEWEST`], or the
/// best matches of a search first. The long texts are empty: see [`super::descriptions`].
pub async fn coupons(
    app: &App,
    viewer: &Viewer,
    filter: &Filter,
    sort: Option<Sort>,
    window: Window<Key>,
) -> FaultResult<Page<(Key, coupon::Model)>> {
    let db = app.store.read();
    let search = Search::new(db, filter.search.as_deref()).await?;
    let select = page::without(select(app, viewer, filter, search.as_ref()).await?, &TEXTS);
    let ranked = search.as_ref().filter(|_| sort.is_none());
    if let Some(search) = ranked {
        let window = window.keyed(|key| match key {
            Key::Found(part, id) => Some((part, id)),
            Key::Title(..) | Key::Id(_) => None,
        })?;
        let ranks = search_text::parts::<coupon::Entity>(Some(search)).into_iter();
        let parts = ranks.map(|rank| (rank, Sort::NEWEST.direction)).collect();
        let page = page::read_parts(db, select, parts, Column::Id, window).await?;
        return Ok(page.map(|(part, coupon)| (Key::Found(part, coupon.id), coupon)));
    }
    let Sort { field, direction } = sort.unwrap_or(Sort::NEWEST);
    match field {
        Field::Title => {
            let window = window.keyed(|key| match key {
                Key::Title(title, id) if !title.contains('\0') => Some((title, id)),
                Key::Title(..) | Key::Found(..) | Key::Id(_) => None,
            })?;
            let page = page::read(db, select, (Column::SortKey, Column::Id), direction, window).await?;
            Ok(page.map(|coupon| (Key::Title(coupon.sort_key.clone(), coupon.id), coupon)))
        }
        Field::CreatedAt => {
            let window = window.keyed(|key| match key {
                Key::Id(id) => Some(id),
                Key::Title(..) | Key::Found(..) => None,
            })?;
            let page = page::read(db, select, Column::Id, direction, window).await?;
            Ok(page.map(|coupon| (Key::Id(coupon.id), coupon)))
        }
    }
}

async fn select(
    app: &App,
    viewer: &Viewer,
    filter: &Filter,
    search: Option<&Search>,
) -> FaultResult<Select<coupon::Entity>> {
    let (seen, now) = (shops_seen(app, viewer).await?, app.clock.now());
    let visible = Condition::any().add(shown(now)).add(Column::ShopId.is_in(seen));
    let mut select = coupon::Entity::find().filter(visible);
    for shop in &filter.shops {
        select = select.filter(match shop {
            IdOrSlug::Id(id) => Column::ShopId.eq(*id),
            IdOrSlug::Slug(slug) => Column::ShopId.in_subquery(shop::with_slug(slug)),
        });
    }
    if let Some(product) = filter.product {
        select = select.filter(Column::ProductId.eq(product));
    }
    for event in &filter.events {
        select = select.filter(match event {
            IdOrSlug::Id(id) => Column::EventId.eq(*id),
            IdOrSlug::Slug(slug) => Column::EventId.in_subquery(event::find::with_slug(slug)),
        });
    }
    for category in &filter.categories {
        select = select.filter(Column::CategoryId.in_subquery(category::subtree(app, category).await?));
    }
    if !filter.kinds.is_empty() {
        select = select.filter(Column::Kind.is_in(filter.kinds.iter().copied()));
    }
    if !filter.states.is_empty() {
        select = select.filter(Column::State.is_in(filter.states.iter().copied()));
    }
    if let Some(time) = filter.updated_after {
        select = select.filter(Column::UpdatedAt.gt(comparable(time)));
    }
    if let Some(free) = filter.free {
        select = select.filter(if free { Column::PriceMinor.eq(0) } else { Column::PriceMinor.gt(0) });
    }
    if let Some(search) = search {
        select = select.filter(search.matching::<coupon::Entity>());
    }
    if let Some(claimable) = filter.claimable {
        let able = is_claimable(now);
        select = select.filter(if claimable { able } else { able.not() });
    }
    Ok(select)
}

/// The SQL form of [`rules::is_shown`].
fn shown(now: DateTime<Utc>) -> Condition {
    Condition::all()
        .add(Column::Listed.eq(true))
        .add(Column::State.is_in([CouponState::Published, CouponState::Paused]))
        .add(Condition::any().add(Column::PublishFrom.is_null()).add(Column::PublishFrom.lte(now)))
        .add(Condition::any().add(Column::PublishUntil.is_null()).add(Column::PublishUntil.gt(now)))
}

/// The coupon is published, shown, not past its validity, and in stock.
fn is_claimable(now: DateTime<Utc>) -> Condition {
    let stock = inventory::Entity::find()
        .select_only()
        .column(inventory::Column::Id)
        .filter(Expr::col((inventory::Entity, inventory::Column::Id)).equals((coupon::Entity, Column::Id)))
        .filter(inventory::Column::Available.gt(0));
    shown(now)
        .add(Column::State.eq(CouponState::Published))
        .add(Condition::any().add(Column::ValidUntil.is_null()).add(Column::ValidUntil.gt(now)))
        .add(Expr::exists(stock.into_query()))
}
