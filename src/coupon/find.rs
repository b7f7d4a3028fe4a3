//! Which coupons a viewer sees, and the lists of them.

use chrono::{DateTime, Utc};
use entity::{
    CategoryId, CouponId, EventId, ProductId, ShopId,
    coupon::{self, Column, CouponKind, CouponState, word},
    inventory,
};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect, QueryTrait, Select,
    sea_query::{Expr, ExprTrait, SimpleExpr},
};
use serde::{Deserialize, Serialize};

use super::{TEXTS, by_id, rules};
use crate::{
    app::App,
    auth::Viewer,
    category,
    error::{Fault, Faulty},
    page::{self, Page, Window},
    search_text,
    venue::find::shops_seen,
};

/// Greater than every character that a word has: with it a prefix is a range of the index.
const LAST: char = '\u{10FFFF}';

/// Which coupons; what is none does not matter.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of the shop.
    pub shop: Option<ShopId>,
    /// Of the category or one below it.
    pub category: Option<CategoryId>,
    /// Shown with the product.
    pub product: Option<ProductId>,
    /// Shown with the event.
    pub event: Option<EventId>,
    /// Of one of these kinds; empty: of any.
    pub kinds: Vec<CouponKind>,
    /// Whether they cost nothing.
    pub free: Option<bool>,
    /// Each word begins a word of the title, shop or product.
    pub search: Option<String>,
    /// Whether one can be had now.
    pub claimable: Option<bool>,
    /// Stand at one of these; empty: anywhere.
    pub states: Vec<CouponState>,
}

/// In which order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Last created first.
    #[default]
    Newest,
    /// By title.
    Title,
}

/// A coupon's place in one of the orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Key {
    /// By title.
    #[serde(rename = "n")]
    Title(String, CouponId),
    /// By age.
    #[serde(rename = "i")]
    Id(CouponId),
}

impl Key {
    /// The coupon's place in the order.
    pub fn of(coupon: &coupon::Model, order: Order) -> Self {
        match order {
            Order::Title => Self::Title(coupon.title.clone(), coupon.id),
            Order::Newest => Self::Id(coupon.id),
        }
    }
}

/// The coupon, if the viewer may see it: one that was published and is listed, or one of a shop that the viewer works
/// for.
pub async fn coupon(app: &App, viewer: &Viewer, id: CouponId) -> Faulty<coupon::Model> {
    let coupon = by_id(app, id).await?;
    if rules::is_known(&coupon, app.clock.now()) || shops_seen(app, viewer).await?.contains(&coupon.shop_id) {
        Ok(coupon)
    } else {
        Err(Fault::NotFound("coupon"))
    }
}

/// Whether the viewer may have one without a code: strangers do not find a draft, nor a coupon that is not listed.
pub(super) async fn is_offered(app: &App, viewer: &Viewer, coupon: &coupon::Model) -> Faulty<bool> {
    match coupon.state {
        CouponState::Draft => Ok(false),
        CouponState::Published | CouponState::Paused | CouponState::Ended => {
            Ok(coupon.listed || shops_seen(app, viewer).await?.contains(&coupon.shop_id))
        }
    }
}

/// The coupons that the viewer may see, in the order. Their long texts are left empty: see [`super::descriptions`].
pub async fn coupons(
    app: &App,
    viewer: &Viewer,
    filter: &Filter,
    order: Order,
    window: Window<Key>,
) -> Faulty<Page<coupon::Model>> {
    let select = page::without(select(app, viewer, filter).await?, &TEXTS);
    let db = app.store.read();
    match order {
        Order::Title => {
            let window = window.keyed(|key| match key {
                Key::Title(title, id) if !title.contains('\0') => Some((title, id)),
                Key::Title(..) | Key::Id(_) => None,
            })?;
            page::read(db, select, (Column::Title, Column::Id), false, window).await
        }
        Order::Newest => {
            let window = window.keyed(|key| match key {
                Key::Id(id) => Some(id),
                Key::Title(..) => None,
            })?;
            page::read(db, select, Column::Id, true, window).await
        }
    }
}

/// How many coupons the viewer may see.
pub async fn count(app: &App, viewer: &Viewer, filter: &Filter) -> Faulty<u64> {
    Ok(select(app, viewer, filter).await?.count(app.store.read()).await?)
}

async fn select(app: &App, viewer: &Viewer, filter: &Filter) -> Faulty<Select<coupon::Entity>> {
    let (seen, now) = (shops_seen(app, viewer).await?, app.clock.now());
    let visible = Condition::any().add(shown(now)).add(Column::ShopId.is_in(seen));
    let mut select = coupon::Entity::find().filter(visible);
    if let Some(shop) = filter.shop {
        select = select.filter(Column::ShopId.eq(shop));
    }
    if let Some(product) = filter.product {
        select = select.filter(Column::ProductId.eq(product));
    }
    if let Some(event) = filter.event {
        select = select.filter(Column::EventId.eq(event));
    }
    if let Some(category) = filter.category {
        select = select.filter(Column::CategoryId.is_in(category::subtree_ids(app, category).await?));
    }
    if !filter.kinds.is_empty() {
        select = select.filter(Column::Kind.is_in(filter.kinds.iter().copied()));
    }
    if !filter.states.is_empty() {
        select = select.filter(Column::State.is_in(filter.states.iter().copied()));
    }
    if let Some(free) = filter.free {
        select = select.filter(if free { Column::PriceMinor.eq(0) } else { Column::PriceMinor.gt(0) });
    }
    for word in filter.search.as_deref().map(search_text::query_words).unwrap_or_default() {
        select = select.filter(has_word(word));
    }
    if let Some(claimable) = filter.claimable {
        let able = can_be_had(now);
        select = select.filter(if claimable { able } else { able.not() });
    }
    Ok(select)
}

/// What [`rules::is_shown`] says, in SQL.
fn shown(now: DateTime<Utc>) -> Condition {
    Condition::all()
        .add(Column::Listed.eq(true))
        .add(Column::State.is_in([CouponState::Published, CouponState::Paused]))
        .add(Condition::any().add(Column::PublishFrom.is_null()).add(Column::PublishFrom.lte(now)))
        .add(Condition::any().add(Column::PublishUntil.is_null()).add(Column::PublishUntil.gt(now)))
}

/// Published, shown, still worth having, and not out of stock.
fn can_be_had(now: DateTime<Utc>) -> Condition {
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

fn has_word(beginning: String) -> SimpleExpr {
    let end = format!("{beginning}{LAST}");
    let words = word::Entity::find()
        .select_only()
        .column(word::Column::CouponId)
        .filter(word::Column::Word.gte(beginning))
        .filter(word::Column::Word.lt(end));
    Column::Id.in_subquery(words.into_query())
}
