//! Shops, their members and what those may do.

mod access;
mod audit_log;
mod edit;
mod member;
pub mod rules;

use std::collections::HashMap;

use entity::{
    CategoryId, ShopId, shop,
    shop::{ShopRole, member as row},
    slug_owner::SlugKind,
};
use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, sea_query::SelectStatement,
};

pub(crate) use self::access::{authorise_owner, has_power, shops_seen, with_power};
pub use self::{
    access::authorise,
    audit_log::audit_log,
    edit::{Create, Update, create, update},
    member::{Member, RemoveMember, SetMember, members_of, remove_member, set_member},
};
use crate::{
    app::App,
    auth::Viewer,
    category,
    error::{Check, Error, Fault, FaultResult, Object},
    page::{self, Direction, Page, Window},
    search_text::{self, Search},
    slug::{self, IdOrSlug},
    slug_owner,
};

/// The most characters that are searched for.
const SEARCH_MAX: usize = 100;
/// Shops of one member that are shown.
const MEMBERSHIPS_MAX: u64 = 100;

/// What the business refuses about shops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another shop has the slug.
    SlugTaken,
    /// The shop would have no owner.
    LastOwner,
    /// The shop has as many members as it may have.
    TooManyMembers,
}

/// Which shops are wanted.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// In each of these categories or below it.
    pub categories: Vec<IdOrSlug<CategoryId>>,
    /// A search text. Each of its words must be found in the name or the description.
    pub search: Option<String>,
}

/// The shop; all shops are public.
pub async fn by_id(app: &App, id: ShopId) -> FaultResult<shop::Model> {
    shop::Entity::find_by_id(id).one(app.store.read()).await?.ok_or(Fault::NotFound(Object::Shop))
}

/// The shops with these ids, in no order. Their descriptions are left empty: see [`descriptions`].
pub async fn by_ids(app: &App, ids: Vec<ShopId>) -> FaultResult<Vec<shop::Model>> {
    let select = shop::Entity::find().filter(shop::Column::Id.is_in(ids));
    Ok(page::without(select, &[shop::Column::Description]).all(app.store.read()).await?)
}

/// The descriptions of the shops, each with the shop's id.
pub async fn descriptions(app: &App, ids: Vec<ShopId>) -> FaultResult<Vec<(ShopId, String)>> {
    let select = shop::Entity::find().filter(shop::Column::Id.is_in(ids));
    let columns = [shop::Column::Id, shop::Column::Description];
    Ok(select.select_only().columns(columns).into_tuple().all(app.store.read()).await?)
}

/// The shop that has this slug, or had it before.
pub async fn by_slug(app: &App, slug: &str) -> FaultResult<shop::Model> {
    let mut found = shop::Entity::find()
        .filter(shop::Column::Id.in_subquery(with_slug(slug)))
        .all(app.store.read())
        .await?;
    found.sort_by_key(|shop| shop.slug != slug::normal(slug));
    found.into_iter().next().ok_or(Fault::NotFound(Object::Shop))
}

/// Returns a query for the id of the shop that has or had this slug.
pub(crate) fn with_slug(slug: &str) -> SelectStatement {
    let slug = slug::normal(slug);
    let now =
        shop::Entity::find().select_only().column(shop::Column::Id).filter(shop::Column::Slug.eq(&slug));
    slug_owner::or_former(now.into_query(), SlugKind::Shop, &slug)
}

/// The position of a shop in a list: the rank of its match, its sort key, and its id.
pub type Key = (usize, String, ShopId);

/// A page of the shops with their positions: the best matches of the search first, then by name. Their descriptions are
/// left empty: see [`descriptions`].
pub async fn list(app: &App, filter: &Filter, window: Window<Key>) -> FaultResult<Page<(Key, shop::Model)>> {
    if let Some(search) = &filter.search {
        Check::default().opaque(search, "filter.search", 0..=SEARCH_MAX).done()?;
    }
    let search = Search::new(app.store.read(), filter.search.as_deref()).await?;
    let mut select = page::without(shop::Entity::find(), &[shop::Column::Description]);
    for category in &filter.categories {
        let below = category::subtree(app, category).await?;
        select = select.filter(shop::Column::CategoryId.in_subquery(below));
    }
    if let Some(search) = &search {
        select = select.filter(search.matching::<shop::Entity>());
    }
    let window = window.keyed(|(part, name, id)| (!name.contains('\0')).then_some((part, (name, id))))?;
    let ranks = search_text::parts::<shop::Entity>(search.as_ref());
    let parts = ranks.into_iter().map(|rank| (rank, Direction::Ascending)).collect();
    let columns = (shop::Column::SortKey, shop::Column::Id);
    let page = page::read_parts(app.store.read(), select, parts, columns, window).await?;
    Ok(page.map(|(part, shop)| ((part, shop.sort_key.clone(), shop.id), shop)))
}

/// The viewer's roles in those of the shops where there is one.
pub async fn roles_in(
    app: &App,
    viewer: &Viewer,
    shops: Vec<ShopId>,
) -> FaultResult<HashMap<ShopId, ShopRole>> {
    let Ok(account) = viewer.user() else { return Ok(HashMap::new()) };
    let rows = row::Entity::find()
        .filter(row::Column::AccountId.eq(account))
        .filter(row::Column::ShopId.is_in(shops))
        .all(app.store.read())
        .await?;
    Ok(rows.into_iter().map(|member| (member.shop_id, member.role)).collect())
}

/// The shops that the viewer is a member of, with the role, by name.
pub async fn memberships_of(app: &App, viewer: &Viewer) -> FaultResult<Vec<(ShopRole, shop::Model)>> {
    let account = viewer.account()?;
    let rows = row::Entity::find()
        .filter(row::Column::AccountId.eq(account))
        .order_by_asc(row::Column::CreatedAt)
        .limit(MEMBERSHIPS_MAX)
        .all(app.store.read())
        .await?;
    let roles: HashMap<ShopId, ShopRole> = rows.iter().map(|row| (row.shop_id, row.role)).collect();
    let mut shops = by_ids(app, roles.keys().copied().collect()).await?;
    shops.sort_by(|a, b| (&a.sort_key, a.id).cmp(&(&b.sort_key, b.id)));
    Ok(shops.into_iter().filter_map(|shop| Some((*roles.get(&shop.id)?, shop))).collect())
}

/// The same for a foreign and a missing shop.
fn forbidden() -> Fault {
    Fault::Forbidden("your role in this shop does not allow this")
}

impl From<Refusal> for Error<Refusal> {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
