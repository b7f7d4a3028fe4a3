//! Creating and changing shops.

use entity::{
    CategoryId, ShopId, shop,
    shop::{ShopRole, member},
};
use sea_orm::{
    ActiveValue::{NotSet, Set, Unchanged},
    EntityTrait, TryInsertResult,
};

use serde::Serialize;
use serde_json::json;

use super::{Refusal, authorise, rules::Power};
use crate::{
    app::App,
    audit,
    auth::{self, Viewer},
    category,
    error::{Check, Error, Fault, Object, Result},
    idempotency::{Attempt, Key, claim_if_keyed_in_tx, once_if_keyed},
    limits::text,
    money, search_text,
    slug::{self, Candidates},
    slug_owner::{self, Holder},
    store,
};

/// A new shop.
#[derive(Clone, Debug, Serialize)]
pub struct Create {
    /// `None` derives the slug from the name.
    pub slug: Option<String>,
    /// Display name.
    pub name: String,
    /// A description of what the shop sells. May be empty.
    pub description: String,
    /// The ISO 4217 code of the shop's currency. It cannot be changed later.
    pub currency: String,
    /// The shop's category.
    pub category: Option<CategoryId>,
}

/// A change of a shop. `None` leaves a value unchanged.
#[derive(Clone, Debug)]
pub struct Update {
    /// The shop to change.
    pub shop: ShopId,
    /// The version that the viewer saw.
    pub expected_version: i64,
    /// The new slug.
    pub slug: Option<String>,
    /// The new name.
    pub name: Option<String>,
    /// The new description.
    pub description: Option<String>,
    /// The new category. `Some(None)` removes it.
    pub category: Option<Option<CategoryId>>,
}

/// Creates a shop and makes the viewer its owner.
pub async fn create(
    app: &App,
    viewer: &Viewer,
    input: Create,
    key: Option<&str>,
) -> Result<shop::Model, Refusal> {
    viewer.user()?;
    let key = Key::of_viewer(viewer, "createShop", key, &input)?;
    let replay = |id| super::by_id(app, ShopId(id));
    once_if_keyed(app, key.as_ref(), replay, Box::pin(insert(app, viewer, input, key.as_ref()))).await
}

async fn insert(
    app: &App,
    viewer: &Viewer,
    input: Create,
    key: Option<&Key>,
) -> Attempt<shop::Model, Refusal> {
    let owner = viewer.user()?;
    let mut check = Check::default();
    let name = check.line(&input.name, "name", 1..=text::NAME);
    let description = check.paragraphs(&input.description, "description", 0..=text::SHOP_DESCRIPTION);
    check.that(
        money::currency(&input.currency).is_some(),
        "currency",
        "must be the ISO 4217 code of a currency for prices, such as EUR",
    );
    slug::check(&mut check, input.slug.as_deref(), "slug");
    check.done()?;
    if let Some(category) = input.category {
        category::exists(app, category).await?;
    }
    let now = app.clock.now();
    let candidates = Candidates::new(input.slug, &name, "shop");
    let mut shop = shop::Model {
        id: ShopId(app.clock.new_uuid()),
        slug: String::new(),
        name,
        sort_key: String::new(),
        description,
        currency: input.currency,
        category_id: input.category,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let tx = app.store.begin().await?;
    claim_if_keyed_in_tx(key, &tx, shop.id.0, now).await?;
    for slug in candidates.iter(|| app.jitter(0, u64::MAX - 1)) {
        shop.slug = slug;
        let is_free = slug_owner::take_in_tx(&tx, &shop.slug, Holder::Shop(shop.id)).await?;
        if is_free && insert_in_tx(&tx, &shop).await? {
            search_text::refresh_in_tx(&tx, search_text::Source::Shop(shop.id)).await?;
            let member = member::ActiveModel {
                shop_id: Set(shop.id),
                account_id: Set(owner),
                role: Set(ShopRole::Owner),
                created_at: Set(now),
            };
            member::Entity::insert(member).exec_without_returning(&tx).await?;
            let details = json!({ "owner": owner.0, "currency": shop.currency });
            let entry = audit::Entry::new(audit::Action::ShopCreated, shop.id, details).of_shop(shop.id);
            audit::record_in_tx(&tx, app, audit::By::Viewer(*viewer), entry).await?;
            tx.commit().await?;
            auth::forget_sessions(app, owner).await;
            return Ok(shop);
        }
    }
    Err(Error::Refused(Refusal::SlugTaken).into())
}

/// Inserts the shop unless its slug is taken. Race: of two inserts with the same slug, the constraint accepts one.
async fn insert_in_tx(tx: &store::Tx, shop: &shop::Model) -> Result<bool, Refusal> {
    use sea_orm::{ActiveModelTrait, IntoActiveModel};
    let inserted = shop::Entity::insert(shop.clone().into_active_model().reset_all())
        .on_conflict_do_nothing_on([shop::Column::Slug])
        .exec_without_returning(tx)
        .await?;
    Ok(matches!(inserted, TryInsertResult::Inserted(1)))
}

/// Changes a shop's slug, name, description or category. Requires [`Power::Manage`].
pub async fn update(app: &App, viewer: &Viewer, input: Update) -> Result<shop::Model, Refusal> {
    authorise(app, viewer, input.shop, Power::Manage).await?;
    let mut check = Check::default();
    let name = input.name.map(|name| check.line(&name, "name", 1..=text::NAME));
    let description = input
        .description
        .map(|description| check.paragraphs(&description, "description", 0..=text::SHOP_DESCRIPTION));
    slug::check(&mut check, input.slug.as_deref(), "slug");
    check.done()?;
    if let Some(Some(category)) = input.category {
        category::exists(app, category).await?;
    }
    let changed = match name {
        Some(_) => search_text::Source::Shop(input.shop),
        None => search_text::Source::ShopDescription(input.shop),
    };
    let tx = app.store.begin().await?;
    let shop = shop::Entity::find_by_id(input.shop).one(&tx).await?.ok_or(Fault::NotFound(Object::Shop))?;
    if shop.version != input.expected_version {
        return Err(Fault::Stale(Object::Shop).into());
    }
    if let Some(slug) = &input.slug
        && !slug_owner::replace_in_tx(&tx, &shop.slug, slug, Holder::Shop(shop.id)).await?
    {
        return Err(Refusal::SlugTaken.into());
    }
    let row = shop::ActiveModel {
        id: Unchanged(shop.id),
        slug: input.slug.map_or(NotSet, Set),
        name: name.map_or(NotSet, Set),
        description: description.map_or(NotSet, Set),
        category_id: input.category.map_or(NotSet, Set),
        updated_at: Set(app.clock.now()),
        ..Default::default()
    };
    match store::save_versioned::<shop::Entity>(&tx, row, shop.version, Object::Shop).await {
        Ok(shop) => {
            search_text::refresh_in_tx(&tx, changed).await?;
            tx.commit().await?;
            Ok(shop)
        }
        Err(fault) if store::violated(&fault, "shop_slug_key", "shop.slug") => Err(Refusal::SlugTaken.into()),
        Err(fault) => Err(Error::Fault(fault)),
    }
}
