//! Opening a shop, and changing what it says about itself.

use entity::{
    CategoryId, ShopId, shop,
    shop::{ShopRole, member},
};
use sea_orm::{
    ActiveValue::{NotSet, Set, Unchanged},
    EntityTrait, TryInsertResult,
};

use serde_json::json;

use super::{Refusal, authorise, rules::Power};
use crate::{
    app::App,
    audit,
    auth::Viewer,
    category,
    error::{Check, Error, Fault, Result},
    limits::text,
    money, search_text,
    slug::{self, Candidates},
    store,
};

/// A new shop.
#[derive(Clone, Debug)]
pub struct Create {
    /// Derived from the name when not given.
    pub slug: Option<String>,
    /// Display name.
    pub name: String,
    /// What the shop sells; may be empty.
    pub description: String,
    /// ISO 4217 code in which it sells, for ever.
    pub currency: String,
    /// Where it stands in the category tree.
    pub category: Option<CategoryId>,
}

/// A change of a shop; what is none stays as it is.
#[derive(Clone, Debug)]
pub struct Update {
    /// Which one.
    pub shop: ShopId,
    /// The version that the viewer saw.
    pub expected_version: i64,
    /// The new slug.
    pub slug: Option<String>,
    /// The new name.
    pub name: Option<String>,
    /// The new description.
    pub description: Option<String>,
    /// The new category, or none any more.
    pub category: Option<Option<CategoryId>>,
}

/// Opens a shop whose owner is the viewer.
pub async fn create(app: &App, viewer: &Viewer, input: Create) -> Result<shop::Model, Refusal> {
    let owner = viewer.user()?;
    let mut check = Check::default();
    check
        .text(&input.name, "name", 1, text::NAME)
        .text(&input.description, "description", 0, text::SHOP_DESCRIPTION)
        .that(
            money::currency(&input.currency).is_some(),
            "currency",
            "must be a currency that prices can be in",
        );
    slug::check(&mut check, input.slug.as_deref(), "slug");
    check.done()?;
    if let Some(category) = input.category {
        category::exists(app, category).await?;
    }
    let now = app.clock.now();
    let name = input.name.trim();
    let candidates = Candidates::new(input.slug, name, "shop");
    let mut shop = shop::Model {
        id: ShopId(app.clock.new_uuid()),
        slug: String::new(),
        name: name.to_owned(),
        description: input.description.trim().to_owned(),
        currency: input.currency,
        category_id: input.category,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let tx = app.store.begin().await?;
    for slug in candidates.iter(|| app.jitter(0, u64::MAX - 1)) {
        shop.slug = slug;
        if insert_in_tx(&tx, &shop).await? {
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
            return Ok(shop);
        }
    }
    Err(Refusal::SlugTaken.into())
}

/// Inserts the shop unless its slug is taken. Race: of two who want one slug the constraint lets one through.
async fn insert_in_tx(tx: &store::Tx, shop: &shop::Model) -> Result<bool, Refusal> {
    use sea_orm::{ActiveModelTrait, IntoActiveModel};
    let inserted = shop::Entity::insert(shop.clone().into_active_model().reset_all())
        .on_conflict_do_nothing_on([shop::Column::Slug])
        .exec_without_returning(tx)
        .await?;
    Ok(matches!(inserted, TryInsertResult::Inserted(1)))
}

/// Changes what a shop says about itself.
pub async fn update(app: &App, viewer: &Viewer, input: Update) -> Result<shop::Model, Refusal> {
    authorise(app, viewer, input.shop, Power::Manage).await?;
    let mut check = Check::default();
    if let Some(name) = &input.name {
        check.text(name, "name", 1, text::NAME);
    }
    check.text(input.description.as_deref().unwrap_or_default(), "description", 0, text::SHOP_DESCRIPTION);
    slug::check(&mut check, input.slug.as_deref(), "slug");
    check.done()?;
    if let Some(Some(category)) = input.category {
        category::exists(app, category).await?;
    }
    let trimmed = |text: String| Set(text.trim().to_owned());
    let tx = app.store.begin().await?;
    let shop = shop::Entity::find_by_id(input.shop).one(&tx).await?.ok_or(Fault::NotFound("shop"))?;
    if shop.version != input.expected_version {
        return Err(Fault::Stale("shop").into());
    }
    let row = shop::ActiveModel {
        id: Unchanged(shop.id),
        slug: input.slug.map_or(NotSet, Set),
        name: input.name.map_or(NotSet, trimmed),
        description: input.description.map_or(NotSet, trimmed),
        category_id: input.category.map_or(NotSet, Set),
        updated_at: Set(app.clock.now()),
        ..Default::default()
    };
    match store::save_versioned::<shop::Entity>(&tx, row, shop.version, "shop").await {
        Ok(shop) => {
            search_text::refresh_in_tx(&tx, search_text::Source::Shop(shop.id)).await?;
            tx.commit().await?;
            Ok(shop)
        }
        Err(fault) if store::violated(&fault, "shop_slug_key", "shop.slug") => Err(Refusal::SlugTaken.into()),
        Err(fault) => Err(Error::Fault(fault)),
    }
}
