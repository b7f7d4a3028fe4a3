//! The coupons that a viewer may see, and lists of them.

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
    error::{Fault, FaultResult, Object},
    page::{self, Page, Window},
    search_text,
    venue::find::shops_seen,
};

/// Greater than every character of a word. It turns a prefix into a range of the index.
const LAST: char = '\u{10FFFF}';

/// A filter of coupons. `None` matches all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// The shop.
    pub shop: Option<ShopId>,
    /// The category, including those below it.
    pub category: Option<CategoryId>,
    /// The product that the coupon is shown with.
    pub product: Option<ProductId>,
    /// The event that the coupon is shown with.
    pub event: Option<EventId>,
    /// The kinds. Empty for all.
    pub kinds: Vec<CouponKind>,
    /// Whether the coupon is free.
    pub free: Option<bool>,
    /// A search text. Each of its words must be a prefix of a word of the title, shop or product.
    pub search: Option<String>,
    /// Whether the coupon can be claimed or reserved now.
    pub claimable: Option<bool>,
    /// The states. Empty for all.
    pub states: Vec<CouponState>,
}

/// The order of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By time of creation, newest first.
    #[default]
    Newest,
    /// By title.
    Title,
}

/// The position of a coupon in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Key {
    /// In the order by title.
    #[serde(rename = "n")]
    Title(String, CouponId),
    /// In the order by time of creation.
    #[serde(rename = "i")]
    Id(CouponId),
}

impl Key {
    /// Returns the coupon's position in the order.
    pub fn of(coupon: &coupon::Model, order: Order) -> Self {
        match order {
            Order::Title => Self::Title(coupon.title.clone(), coupon.id),
            Order::Newest => Self::Id(coupon.id),
        }
    }
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

/// Returns the coupons that the viewer may see, in this order. The long texts are empty: see [`super::descriptions`].
pub async fn coupons(
    app: &App,
    viewer: &Viewer,
    filter: &Filter,
    order: Order,
    window: Window<Key>,
) -> FaultResult<Page<coupon::Model>> {
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

/// Returns the number of coupons that the viewer may see.
pub async fn count(app: &App, viewer: &Viewer, filter: &Filter) -> FaultResult<u64> {
    Ok(select(app, viewer, filter).await?.count(app.store.read()).await?)
}

async fn select(app: &App, viewer: &Viewer, filter: &Filter) -> FaultResult<Select<coupon::Entity>> {
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

/// The index has a word with this prefix.
fn has_word(beginning: String) -> SimpleExpr {
    let end = format!("{beginning}{LAST}");
    let words = word::Entity::find()
        .select_only()
        .column(word::Column::CouponId)
        .filter(word::Column::Word.gte(beginning))
        .filter(word::Column::Word.lt(end));
    Column::Id.in_subquery(words.into_query())
}
