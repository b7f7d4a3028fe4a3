//! The tree of product and service types, kept by the platform's operators.
//!
//! A category's slug and place are for ever: its path holds its parents' slugs, and addresses hold its own.

pub mod rules;

use std::collections::{BTreeMap, BTreeSet};

use entity::{CategoryId, category};
use sea_orm::{
    ActiveValue::{NotSet, Set, Unchanged},
    ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, TryInsertResult,
};

use crate::{
    app::App,
    auth::Viewer,
    error::{Check, Error, Fault, FaultResult, Object, Result},
    slug::{self, Candidates},
    store,
};

/// The most characters of a name.
const NAME_MAX: usize = 200;

/// What the business refuses about categories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another category has the slug.
    SlugTaken,
    /// The tree would have more than [`rules::DEPTH_MAX`] levels.
    TooDeep,
}

/// A new category.
#[derive(Clone, Debug)]
pub struct Create {
    /// The category above; none for a root.
    pub parent: Option<CategoryId>,
    /// Derived from the name when not given.
    pub slug: Option<String>,
    /// Display name.
    pub name: String,
    /// Order among its siblings.
    pub position: i32,
}

/// A change of a category; what is none stays as it is.
#[derive(Clone, Debug)]
pub struct Update {
    /// Which one.
    pub category: CategoryId,
    /// The version that the viewer saw.
    pub expected_version: i64,
    /// The new name.
    pub name: Option<String>,
    /// The new order among its siblings.
    pub position: Option<i32>,
}

/// Adds a category to the tree.
pub async fn create(app: &App, viewer: &Viewer, input: Create) -> Result<category::Model, Refusal> {
    viewer.operator()?;
    let mut check = Check::default();
    check.text(&input.name, "name", 1, NAME_MAX);
    slug::check(&mut check, input.slug.as_deref(), "slug");
    check.done()?;
    let tx = app.store.begin().await?;
    let parent = match input.parent {
        Some(id) => {
            Some(category::Entity::find_by_id(id).one(&tx).await?.ok_or(Fault::NotFound(Object::Category))?)
        }
        None => None,
    };
    // No race with the parent: a category never moves, never changes its slug and is never deleted.
    let above = parent.as_ref().map(|parent| parent.path.as_str());
    let name = input.name.trim().to_owned();
    let now = app.clock.now();
    for slug in Candidates::new(input.slug, &name, "category").iter(|| app.jitter(0, u64::MAX - 1)) {
        let row = category::ActiveModel {
            id: Set(CategoryId(app.clock.new_uuid())),
            parent_id: Set(input.parent),
            path: Set(rules::path_below(above, &slug).ok_or(Refusal::TooDeep)?),
            slug: Set(slug.clone()),
            name: Set(name.clone()),
            position: Set(input.position),
            version: Set(1),
            created_at: Set(now),
            updated_at: Set(now),
        };
        // Race: of two who want one slug the constraint lets one through, and the other tries the next.
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
    Err(Refusal::SlugTaken.into())
}

/// Renames a category, or moves it among its siblings.
pub async fn update(app: &App, viewer: &Viewer, input: Update) -> Result<category::Model, Refusal> {
    viewer.operator()?;
    if let Some(name) = &input.name {
        Check::default().text(name, "name", 1, NAME_MAX).done()?;
    }
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
        name: input.name.map_or(NotSet, |name| Set(name.trim().to_owned())),
        position: input.position.map_or(NotSet, Set),
        updated_at: Set(app.clock.now()),
        ..Default::default()
    };
    let row = store::save_versioned::<category::Entity>(&tx, changed, row.version, Object::Category).await?;
    tx.commit().await?;
    Ok(row)
}

/// The whole tree: every category before its children, siblings in their order.
pub async fn all(app: &App) -> FaultResult<Vec<category::Model>> {
    Ok(rules::in_order(category::Entity::find().all(app.store.read()).await?))
}

/// The category with this slug.
pub async fn by_slug(app: &App, slug: &str) -> FaultResult<category::Model> {
    category::Entity::find()
        .filter(category::Column::Slug.eq(slug))
        .one(app.store.read())
        .await?
        .ok_or(Fault::NotFound(Object::Category))
}

/// The categories with these ids, in no order.
pub async fn by_ids(app: &App, ids: Vec<CategoryId>) -> FaultResult<Vec<category::Model>> {
    Ok(category::Entity::find().filter(category::Column::Id.is_in(ids)).all(app.store.read()).await?)
}

/// Makes sure that there is such a category.
pub async fn exists(app: &App, id: CategoryId) -> FaultResult<()> {
    by_ids(app, vec![id]).await?.pop().map(drop).ok_or(Fault::NotFound(Object::Category))
}

/// The children of these categories, siblings in their order.
pub async fn children_of(app: &App, ids: Vec<CategoryId>) -> FaultResult<Vec<category::Model>> {
    Ok(category::Entity::find()
        .filter(category::Column::ParentId.is_in(ids))
        .order_by_asc(category::Column::Position)
        .order_by_asc(category::Column::Name)
        .order_by_asc(category::Column::Id)
        .all(app.store.read())
        .await?)
}

/// The category and everything below it; nothing if there is no such category.
pub async fn subtree_ids(app: &App, id: CategoryId) -> FaultResult<Vec<CategoryId>> {
    let db = app.store.read();
    let Some(root) = category::Entity::find_by_id(id).one(db).await? else { return Ok(Vec::new()) };
    let (from, to) = rules::subtree(&root.path);
    Ok(category::Entity::find()
        .select_only()
        .column(category::Column::Id)
        .filter(category::Column::Path.gte(from))
        .filter(category::Column::Path.lt(to))
        .into_tuple()
        .all(db)
        .await?)
}

/// The categories with these ids, each with itself and all above it.
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
