//! Categories in the API.

use std::collections::HashMap;

use async_graphql::{Context, ID, InputObject, Object, SimpleObject, dataloader::Loader};
use chrono::{DateTime, Utc};
use entity::{CategoryId, category as row};

use super::{
    context::ContextExt,
    error::{ApiResult, found, outcome, user_error},
    id::{decode, encode},
    loader::{Batch, Shared, keyed},
    scalar::Long,
};
use crate::{
    category::{self, Refusal, rules},
    error::Faulty,
};

user_error! {
    /// Something about categories that could not be done.
    CategoryError, CategoryErrorCode {
        /// Another category has this slug.
        SlugTaken,
        /// The tree would have more than six levels.
        TooDeep,
    }
}

impl From<Refusal> for CategoryError {
    fn from(refusal: Refusal) -> Self {
        let (code, message, field) = match refusal {
            Refusal::SlugTaken => (CategoryErrorCode::SlugTaken, "another category has this slug", "slug"),
            Refusal::TooDeep => {
                (CategoryErrorCode::TooDeep, "the tree would have more than six levels", "parentId")
            }
        };
        Self { code, message: message.to_owned(), path: vec![field.to_owned()], retryable: false }
    }
}

/// Microseconds for each category in a list.
const CHILD: u64 = 10;

/// A type of products and services: a node of the tree that the platform's operators keep.
#[derive(Debug)]
pub struct Category(pub(crate) row::Model);

/// A type of products and services: a node of the tree that the platform's operators keep.
#[Object]
impl Category {
    /// Identifies the category.
    pub async fn id(&self) -> ID {
        encode(self.0.id)
    }

    /// Its unique name for addresses; never changes.
    async fn slug(&self) -> &str {
        &self.0.slug
    }

    /// Its name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// How deep it is in the tree; a root is at 1.
    async fn depth(&self) -> usize {
        rules::depth(&self.0.path)
    }

    /// Its order among its siblings; the smallest comes first.
    async fn position(&self) -> i32 {
        self.0.position
    }

    /// Raised by each change. Give it as `expectedVersion` to change only what you have seen.
    async fn version(&self) -> Long {
        Long(self.0.version)
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// The category above; null for a root.
    async fn parent(&self, ctx: &Context<'_>) -> ApiResult<Option<Category>> {
        of(ctx, self.0.parent_id).await
    }

    /// The categories right below, in their order.
    async fn children(&self, ctx: &Context<'_>) -> ApiResult<Vec<Category>> {
        let rows = ctx.loaders().one(ChildrenOf(self.0.id)).await?.unwrap_or_default();
        ctx.budget().charge(CHILD * u64::try_from(rows.len()).unwrap_or(u64::MAX), 0)?;
        Ok(rows.into_iter().map(Category).collect())
    }
}

/// The category that an object refers to.
pub(crate) async fn of(ctx: &Context<'_>, id: Option<CategoryId>) -> ApiResult<Option<Category>> {
    let Some(id) = id else { return Ok(None) };
    let row = ctx.loaders().one(id).await?;
    Ok(row.map(Category))
}

/// The children of a category, as a key of the loader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ChildrenOf(CategoryId);

impl Loader<CategoryId> for Batch {
    type Value = row::Model;
    type Error = Shared;

    async fn load(&self, keys: &[CategoryId]) -> Result<HashMap<CategoryId, row::Model>, Shared> {
        Ok(keyed(category::by_ids(&self.app, keys.to_vec()).await?, |row| row.id))
    }
}

impl Loader<ChildrenOf> for Batch {
    type Value = Vec<row::Model>;
    type Error = Shared;

    async fn load(&self, keys: &[ChildrenOf]) -> Result<HashMap<ChildrenOf, Vec<row::Model>>, Shared> {
        let mut children: HashMap<_, Vec<_>> = HashMap::new();
        for row in category::children_of(&self.app, keys.iter().map(|key| key.0).collect()).await? {
            if let Some(parent) = row.parent_id {
                children.entry(ChildrenOf(parent)).or_default().push(row);
            }
        }
        Ok(children)
    }
}

/// Queries.
#[derive(Debug, Default)]
pub struct CategoryQuery;

#[Object]
impl CategoryQuery {
    /// The whole tree as a list: every category before those below it, siblings in their order.
    async fn categories(&self, ctx: &Context<'_>) -> ApiResult<Vec<Category>> {
        Ok(category::all(ctx.app()).await?.into_iter().map(Category).collect())
    }

    /// The category with this slug; null if there is none.
    async fn category(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The category's unique name for addresses.")] slug: String,
    ) -> ApiResult<Option<Category>> {
        Ok(found(category::by_slug(ctx.app(), &slug).await)?.map(Category))
    }
}

/// A new category.
#[derive(Debug, InputObject)]
pub struct CreateCategoryInput {
    /// The category above; none for a root.
    pub parent_id: Option<ID>,
    /// Its unique name for addresses, for ever: 3 to 60 characters, a to z, 0 to 9, and single hyphens between them.
    /// Derived from the name when left out.
    pub slug: Option<String>,
    /// Its name, 1 to 200 characters.
    pub name: String,
    /// Its order among its siblings; the smallest comes first.
    #[graphql(default)]
    pub position: i32,
}

impl CreateCategoryInput {
    fn parse(self) -> Faulty<category::Create> {
        let parent = self.parent_id.map(|id| decode(&id, "parentId")).transpose()?;
        Ok(category::Create { parent, slug: self.slug, name: self.name, position: self.position })
    }
}

/// Changes of a category; what is left out stays as it is.
#[derive(Debug, InputObject)]
pub struct UpdateCategoryInput {
    /// Which category.
    pub category_id: ID,
    /// Its name, 1 to 200 characters.
    pub name: Option<String>,
    /// Its order among its siblings; the smallest comes first.
    pub position: Option<i32>,
    /// The category's `version` as you read it.
    pub expected_version: Long,
}

impl UpdateCategoryInput {
    fn parse(self) -> Faulty<category::Update> {
        let Self { category_id, name, position, expected_version } = self;
        let category = decode(&category_id, "categoryId")?;
        Ok(category::Update { category, expected_version: expected_version.0, name, position })
    }
}

/// The answer to `createCategory`.
#[derive(Debug, SimpleObject)]
pub struct CreateCategoryPayload {
    /// The new category; null when there are errors.
    pub category: Option<Category>,
    /// Why it could not be done; empty when it was.
    pub errors: Vec<CategoryError>,
}

/// The answer to `updateCategory`.
#[derive(Debug, SimpleObject)]
pub struct UpdateCategoryPayload {
    /// The category as it is now; null when there are errors.
    pub category: Option<Category>,
    /// Why it could not be done; empty when it was.
    pub errors: Vec<CategoryError>,
}

/// Mutations.
#[derive(Debug, Default)]
pub struct CategoryMutation;

#[Object]
impl CategoryMutation {
    /// Adds a category to the tree, which has at most six levels. For the platform's operators.
    async fn create_category(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: CreateCategoryInput,
    ) -> ApiResult<CreateCategoryPayload> {
        ctx.viewer().operator()?;
        let result = async { category::create(ctx.app(), ctx.viewer(), input.parse()?).await };
        let (row, errors) = outcome(result.await)?;
        Ok(CreateCategoryPayload { category: row.map(Category), errors })
    }

    /// Renames a category or moves it among its siblings. For the platform's operators.
    async fn update_category(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: UpdateCategoryInput,
    ) -> ApiResult<UpdateCategoryPayload> {
        ctx.viewer().operator()?;
        let result = async { category::update(ctx.app(), ctx.viewer(), input.parse()?).await };
        let (row, errors) = outcome(result.await)?;
        Ok(UpdateCategoryPayload { category: row.map(Category), errors })
    }
}
