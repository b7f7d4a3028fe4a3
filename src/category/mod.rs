//! The tree of product and service categories. The platform's operators maintain it.
//!
//! A category never changes its slug or its parent: its path contains its parents' slugs, and web addresses contain its
//! own.

pub mod rules;

use std::collections::{BTreeMap, BTreeSet};

use entity::{CategoryId, category};
use sea_orm::{
    ActiveValue::{NotSet, Set, Unchanged},
    ColumnTrait, EntityTrait, QueryFilter, QuerySelect, QueryTrait, TryInsertResult,
    sea_query::SelectStatement,
};
use serde::Serialize;

use crate::{
    app::App,
    auth::Viewer,
    error::{Check, Error, Fault, FaultResult, Object, Result},
    idempotency::{Attempt, Key, claim_if_keyed_in_tx, once_if_keyed},
    limits::text,
    slug::{self, Candidates, IdOrSlug},
    store,
};

/// What the business refuses about categories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another category has the slug.
    SlugTaken,
    /// The tree would have more than [`rules::DEPTH_MAX`] levels.
    TooDeep,
}

/// A new category.
#[derive(Clone, Debug, Serialize)]
pub struct Create {
    /// The parent category. `None` creates a root.
    pub parent: Option<CategoryId>,
    /// `None` derives the slug from the name.
    pub slug: Option<String>,
    /// Display name.
    pub name: String,
    /// The sort position among its siblings.
    pub position: i32,
}

/// A change of a category. `None` leaves a value unchanged.
#[derive(Clone, Debug)]
pub struct Update {
    /// The category to change.
    pub category: CategoryId,
    /// The version that the viewer saw.
    pub expected_version: i64,
    /// The new name.
    pub name: Option<String>,
    /// The new sort position among its siblings.
    pub position: Option<i32>,
}

/// Adds a category to the tree.
pub async fn create(
    app: &App,
    viewer: &Viewer,
    input: Create,
    key: Option<&str>,
) -> Result<category::Model, Refusal> {
    viewer.operator()?;
    let key = Key::of_viewer(viewer, "createCategory", key, &input)?;
    let replay = |id| by_id(app, CategoryId(id));
    once_if_keyed(app, key.as_ref(), replay, Box::pin(insert(app, input, key.as_ref()))).await
}

async fn insert(app: &App, input: Create, key: Option<&Key>) -> Attempt<category::Model, Refusal> {
    let mut check = Check::default();
    let name = check.line(&input.name, "name", 1..=text::NAME);
    slug::check(&mut check, input.slug.as_deref(), "slug");
    check.done()?;
    let tx = app.store.begin().await?;
    let parent = match input.parent {
        Some(id) => {
            Some(category::Entity::find_by_id(id).one(&tx).await?.ok_or(Fault::NotFound(Object::Category))?)
        }
        None => None,
    };
    // No race with the parent: a category is never moved or deleted, and its slug never changes.
    let above = parent.as_ref().map(|parent| parent.path.as_str());
    let (now, id) = (app.clock.now(), CategoryId(app.clock.new_uuid()));
    claim_if_keyed_in_tx(key, &tx, id.0, now).await?;
    for slug in Candidates::new(input.slug, &name, "category").iter(|| app.jitter(0, u64::MAX - 1)) {
        let row = category::ActiveModel {
            id: Set(id),
            parent_id: Set(input.parent),
            path: Set(rules::path_below(above, &slug).ok_or(Error::Refused(Refusal::TooDeep))?),
            slug: Set(slug.clone()),
            name: Set(name.clone()),
            position: Set(input.position),
            version: Set(1),
            created_at: Set(now),
            updated_at: Set(now),
        };
        // Race: of two inserts with the same slug, the constraint accepts one. The other tries the next slug.
        let inserted = category::Entity::insert(row)
            .on_conflict_do_nothing_on([category::Column::Slug])
            .exec_without_returning(&tx)
            .await?;
        if matches!(inserted, TryInsertResult::Inserted(1)) {
            let row = category::Entity::find().filter(category::Column::Slug.eq(slug)).one(&tx).await?;
            tx.commit().await?;
            return Ok(row.ok_or(Fault::NotFound(Object::Category))?);
        }
    }
    Err(Error::Refused(Refusal::SlugTaken).into())
}

/// Changes a category's name or its position among its siblings.
pub async fn update(app: &App, viewer: &Viewer, input: Update) -> Result<category::Model, Refusal> {
    viewer.operator()?;
    let mut check = Check::default();
    let name = input.name.map(|name| check.line(&name, "name", 1..=text::NAME));
    check.done()?;
    let tx = app.store.begin().await?;
    let row = category::Entity::find_by_id(input.category)
        .one(&tx)
        .await?
        .ok_or(Fault::NotFound(Object::Category))?;
    if row.version != input.expected_version {
        return Err(Fault::Stale(Object::Category).into());
    }
    let changed = category::ActiveModel {
        id: Unchanged(row.id),
        name: name.map_or(NotSet, Set),
        position: input.position.map_or(NotSet, Set),
        updated_at: Set(app.clock.now()),
        ..Default::default()
    };
    let row = store::save_versioned::<category::Entity>(&tx, changed, row.version, Object::Category).await?;
    tx.commit().await?;
    Ok(row)
}

/// Returns the whole tree: each category before its children, and siblings in their sort order.
pub async fn all(app: &App) -> FaultResult<Vec<category::Model>> {
    Ok(rules::in_order(category::Entity::find().all(app.store.read()).await?))
}

/// Returns the category with this slug.
pub async fn by_slug(app: &App, slug: &str) -> FaultResult<category::Model> {
    category::Entity::find()
        .filter(category::Column::Slug.eq(slug::normal(slug)))
        .one(app.store.read())
        .await?
        .ok_or(Fault::NotFound(Object::Category))
}

/// Returns the categories with these ids, in any order.
pub async fn by_ids(app: &App, ids: Vec<CategoryId>) -> FaultResult<Vec<category::Model>> {
    Ok(category::Entity::find().filter(category::Column::Id.is_in(ids)).all(app.store.read()).await?)
}

/// Returns the category.
pub async fn by_id(app: &App, id: CategoryId) -> FaultResult<category::Model> {
    by_ids(app, vec![id]).await?.pop().ok_or(Fault::NotFound(Object::Category))
}

/// Returns `NotFound` unless the category exists.
pub async fn exists(app: &App, id: CategoryId) -> FaultResult<()> {
    by_id(app, id).await.map(drop)
}

/// Returns the children of these categories, with siblings in their sort order.
pub async fn children_of(app: &App, ids: Vec<CategoryId>) -> FaultResult<Vec<category::Model>> {
    let rows =
        category::Entity::find().filter(category::Column::ParentId.is_in(ids)).all(app.store.read()).await?;
    Ok(rules::sorted(rows))
}

/// Returns a query for the ids of the category and all below it. It finds nothing if there is no such category.
pub(crate) async fn subtree(app: &App, root: &IdOrSlug<CategoryId>) -> FaultResult<SelectStatement> {
    let one = match root {
        IdOrSlug::Id(id) => category::Entity::find_by_id(*id),
        IdOrSlug::Slug(slug) => {
            category::Entity::find().filter(category::Column::Slug.eq(slug::normal(slug)))
        }
    };
    let root = one.one(app.store.read()).await?;
    let (from, to) = root.map(|root| rules::subtree(&root.path)).unwrap_or_default();
    Ok(category::Entity::find()
        .select_only()
        .column(category::Column::Id)
        .filter(category::Column::Path.gte(from))
        .filter(category::Column::Path.lt(to))
        .into_query())
}

/// Returns, for each of these categories, its own id and the ids of all its ancestors.
pub async fn lineages(app: &App, ids: Vec<CategoryId>) -> FaultResult<BTreeMap<CategoryId, Vec<CategoryId>>> {
    let rows = by_ids(app, ids).await?;
    let slugs: BTreeSet<&str> = rows.iter().flat_map(|row| rules::slugs(&row.path)).collect();
    let nodes: Vec<(String, CategoryId)> = category::Entity::find()
        .select_only()
        .columns([category::Column::Slug, category::Column::Id])
        .filter(category::Column::Slug.is_in(slugs))
        .into_tuple()
        .all(app.store.read())
        .await?;
    let nodes: BTreeMap<String, CategoryId> = nodes.into_iter().collect();
    let lineage = |path: &str| rules::slugs(path).filter_map(|slug| nodes.get(slug).copied()).collect();
    Ok(rows.iter().map(|row| (row.id, lineage(&row.path))).collect())
}

impl From<Refusal> for Error<Refusal> {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
