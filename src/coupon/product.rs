//! Products: what a shop sells or gives away. Coupons can be shown with a product.

use chrono::{DateTime, Utc};
use entity::{CategoryId, ProductId, ShopId, product};
use sea_orm::{
    ActiveValue::{NotSet, Set, Unchanged},
    ColumnTrait, EntityTrait, QueryFilter, QuerySelect,
};
use serde::Serialize;
use uuid::Uuid;

use super::rules::Refusal;
use crate::{
    app::App,
    auth::Viewer,
    category,
    clock::comparable,
    error::{Check, Error, Fault, FaultResult, Object, Result},
    idempotency::{Attempt, Key, claim_if_keyed_in_tx, once_if_keyed},
    input,
    limits::text,
    page::{self, Direction, Page, Window},
    search_text,
    shop::{self, authorise_owner, rules::Power},
    store::save_versioned,
};

/// A new product.
#[derive(Clone, Debug, Serialize)]
pub struct NewProduct {
    /// The shop that offers it.
    pub shop: ShopId,
    /// The category.
    pub category: CategoryId,
    /// The display name.
    pub name: String,
    /// The description. May be empty.
    pub description: String,
    /// The https URL of a picture.
    pub picture_url: Option<String>,
}

/// Changes of a product. `None` keeps a value.
#[derive(Clone, Debug, Default)]
pub struct ProductChange {
    /// The category.
    pub category: Option<CategoryId>,
    /// The display name.
    pub name: Option<String>,
    /// The description.
    pub description: Option<String>,
    /// The https URL of a picture. `Some(None)` removes it.
    pub picture_url: Option<Option<String>>,
}

/// Returns the products with these ids. All products are public. The descriptions are empty: see [`descriptions`].
pub async fn by_ids(app: &App, ids: Vec<ProductId>) -> FaultResult<Vec<product::Model>> {
    let select = product::Entity::find().filter(product::Column::Id.is_in(ids));
    Ok(page::without(select, &[product::Column::Description]).all(app.store.read()).await?)
}

/// Returns the products' ids and descriptions.
pub async fn descriptions(app: &App, ids: Vec<ProductId>) -> FaultResult<Vec<(ProductId, String)>> {
    let select = product::Entity::find().filter(product::Column::Id.is_in(ids));
    let columns = [product::Column::Id, product::Column::Description];
    Ok(select.select_only().columns(columns).into_tuple().all(app.store.read()).await?)
}

/// Returns the product.
pub async fn by_id(app: &App, id: ProductId) -> FaultResult<product::Model> {
    product::Entity::find_by_id(id).one(app.store.read()).await?.ok_or(Fault::NotFound(Object::Product))
}

/// A filter of a shop's products.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter {
    /// Includes archived products.
    pub archived: bool,
    /// The product was changed after this time.
    pub updated_after: Option<DateTime<Utc>>,
}

/// Returns the shop's products, newest first. The descriptions are empty: see [`descriptions`].
pub async fn of_shop(
    app: &App,
    shop: ShopId,
    filter: Filter,
    window: Window<Uuid>,
) -> FaultResult<Page<product::Model>> {
    let mut select = product::Entity::find().filter(product::Column::ShopId.eq(shop));
    if !filter.archived {
        select = select.filter(product::Column::Archived.eq(false));
    }
    if let Some(time) = filter.updated_after {
        select = select.filter(product::Column::UpdatedAt.gt(comparable(time)));
    }
    let select = page::without(select, &[product::Column::Description]);
    page::read(app.store.read(), select, product::Column::Id, Direction::Descending, window).await
}

/// Creates a product of the shop.
pub async fn create(
    app: &App,
    viewer: &Viewer,
    input: NewProduct,
    key: Option<&str>,
) -> Result<product::Model, Refusal> {
    shop::authorise(app, viewer, input.shop, Power::Manage).await?;
    let key = Key::of_viewer(viewer, "createProduct", key, &input)?;
    let replay = |id| by_id(app, ProductId(id));
    once_if_keyed(app, key.as_ref(), replay, Box::pin(insert(app, input, key.as_ref()))).await
}

async fn insert(app: &App, input: NewProduct, key: Option<&Key>) -> Attempt<product::Model, Refusal> {
    let texts = ProductChange {
        name: Some(input.name),
        description: Some(input.description),
        picture_url: Some(input.picture_url),
        ..ProductChange::default()
    };
    let texts = texts.checked()?;
    category_exists(app, input.category).await?;
    let (now, id) = (app.clock.now(), ProductId(app.clock.new_uuid()));
    let tx = app.store.begin().await?;
    claim_if_keyed_in_tx(key, &tx, id.0, now).await?;
    let row = product::ActiveModel {
        id: Set(id),
        shop_id: Set(input.shop),
        category_id: Set(input.category),
        name: Set(texts.name.unwrap_or_default()),
        description: Set(texts.description.unwrap_or_default()),
        picture_url: Set(texts.picture_url.flatten()),
        archived: Set(false),
        version: Set(1),
        created_at: Set(now),
        updated_at: Set(now),
    };
    let product = product::Entity::insert(row).exec_with_returning(&tx).await?;
    tx.commit().await?;
    Ok(product)
}

/// Changes the product if its version is still `seen`.
pub async fn update(
    app: &App,
    viewer: &Viewer,
    id: ProductId,
    seen: i64,
    change: ProductChange,
) -> Result<product::Model, Refusal> {
    let product = managed(app, viewer, id).await?;
    if product.version != seen {
        return Err(Fault::Stale(Object::Product).into());
    }
    if product.archived {
        return Err(Error::Refused(Refusal::Archived));
    }
    let change = change.checked()?;
    if let Some(category) = change.category {
        category_exists(app, category).await?;
    }
    let row = product::ActiveModel {
        id: Unchanged(id),
        category_id: change.category.map_or(NotSet, Set),
        name: change.name.map_or(NotSet, Set),
        description: change.description.map_or(NotSet, Set),
        picture_url: change.picture_url.map_or(NotSet, Set),
        updated_at: Set(app.clock.now()),
        ..Default::default()
    };
    let tx = app.store.begin().await?;
    let product = save_versioned::<product::Entity>(&tx, row, seen, Object::Product).await?;
    search_text::refresh_in_tx(&tx, search_text::Source::Product(id)).await?;
    tx.commit().await?;
    Ok(product)
}

/// Removes the product from the shop's list if its version is still `seen`. Its coupons stay. If the product is archived
/// already, returns it.
pub async fn archive(
    app: &App,
    viewer: &Viewer,
    id: ProductId,
    seen: i64,
) -> Result<product::Model, Refusal> {
    let product = managed(app, viewer, id).await?;
    if product.archived {
        return Ok(product);
    }
    let row = product::ActiveModel {
        id: Unchanged(id),
        archived: Set(true),
        updated_at: Set(app.clock.now()),
        ..Default::default()
    };
    let tx = app.store.begin().await?;
    let product = save_versioned::<product::Entity>(&tx, row, seen, Object::Product).await?;
    tx.commit().await?;
    Ok(product)
}

async fn managed(app: &App, viewer: &Viewer, id: ProductId) -> FaultResult<product::Model> {
    viewer.user()?;
    let product = by_id(app, id).await?;
    authorise_owner(app, viewer, product.shop_id, Power::Manage, Object::Product).await?;
    Ok(product)
}

async fn category_exists(app: &App, id: CategoryId) -> FaultResult<()> {
    match category::exists(app, id).await {
        Err(Fault::NotFound(_)) => Err(Fault::invalid("categoryId", "there is no such category")),
        other => other,
    }
}

impl ProductChange {
    /// Returns the change in its stored form. If any text is invalid, returns all errors.
    fn checked(self) -> FaultResult<Self> {
        let mut check = Check::default();
        let picture = |check: &mut Check, url: String| check.parsed("pictureUrl", input::web_address(&url));
        let change = Self {
            name: self.name.map(|name| check.line(&name, "name", 1..=text::NAME)),
            description: self
                .description
                .map(|text| check.paragraphs(&text, "description", 0..=text::DESCRIPTION)),
            picture_url: self.picture_url.map(|url| url.and_then(|url| picture(&mut check, url))),
            ..self
        };
        check.done()?;
        Ok(change)
    }
}
