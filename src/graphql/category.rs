//! Categories in the API.

use std::collections::HashMap;

use async_graphql::{Context, ID, InputObject, Object, SimpleObject, dataloader::Loader};
use entity::{CategoryId, category as row};

use super::{
    context::ContextExt,
    error::{ApiResult, edited, found, outcome},
    event::{EventArgs, EventConnection, EventFilter, EventSort, event_connection},
    id::{decode, encode, readable_slug},
    loader::{Batch, Shared, keyed},
    page::PageArgs,
    scalar::{Instant, Long},
    user_error::{Explain, Explanation, user_error},
};
use crate::{
    category::{self, Refusal, rules},
    error::{Fault, FaultResult, Object},
    slug::IdOrSlug,
};

user_error! {
    /// An error of `createCategory`.
    CreateCategoryError, CreateCategoryErrorCode (Invalid NotFound IdempotencyMismatch) from Refusal {
        /// Another category uses this slug. Choose a different one.
        SlugTaken: Conflict,
        /// The tree would have more than six levels. Choose a parent at a higher level.
        TooDeep: Limited,
    }
}

user_error! {
    /// An error of `updateCategory`.
    UpdateCategoryError, UpdateCategoryErrorCode (Invalid NotFound Stale) from Refusal {}
}

impl Explain for Refusal {
    type Data = ();

    fn explain(self) -> Explanation {
        match self {
            Self::SlugTaken => Explanation::new("another category has this slug").at("slug"),
            Self::TooDeep => Explanation::new("the tree would have more than six levels").at("parentId"),
        }
    }
}

/// Microseconds for each category in a list.
const CHILD: u64 = 10;

/// A type of product or service. Categories form a tree that the platform's operators maintain.
#[derive(Debug)]
pub struct Category(pub(crate) row::Model);

/// A type of product or service. Categories form a tree that the platform's operators maintain.
#[Object]
impl Category {
    /// The global id of the category.
    pub async fn id(&self) -> ID {
        encode(self.0.id)
    }

    /// The unique name for URLs. It never changes.
    async fn slug(&self) -> &str {
        &self.0.slug
    }

    /// The display name as plain text.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The depth in the tree, 1 to 6. A root has depth 1.
    async fn depth(&self) -> usize {
        rules::depth(&self.0.path)
    }

    /// The sort position among siblings. Smaller numbers come first.
    async fn position(&self) -> i32 {
        self.0.position
    }

    /// Increases with every change. Send it as `expectedVersion` when you edit the object.
    async fn version(&self) -> Long {
        Long(self.0.version)
    }

    /// When the object was created.
    async fn created_at(&self) -> Instant {
        self.0.created_at.into()
    }

    /// When the object was last changed.
    async fn updated_at(&self) -> Instant {
        self.0.updated_at.into()
    }

    /// The parent category. Null for a root.
    async fn parent(&self, ctx: &Context<'_>) -> ApiResult<Option<Category>> {
        of(ctx, self.0.parent_id).await
    }

    /// The direct children, in their order.
    async fn children(&self, ctx: &Context<'_>) -> ApiResult<Vec<Category>> {
        let rows = ctx.loaders().one(ChildrenOf(self.0.id)).await?.unwrap_or_default();
        ctx.budget().charge(CHILD * u64::try_from(rows.len()).unwrap_or(u64::MAX), 0)?;
        Ok(rows.into_iter().map(Category).collect())
    }

    /// The events in the category and its descendants that you may see.
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a connection, the filter and the sort order"
    )]
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The filter. If omitted, all of these events.")] filter: Option<EventFilter>,
        #[graphql(desc = "The sort order. If omitted, as in `Query.events`.")] sort: Option<EventSort>,
        #[graphql(desc = "Returns only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns only items before this cursor.")] before: Option<String>,
        #[graphql(desc = "Number of items from the start, 1 to 100. Defaults to 20.")] first: Option<i32>,
        #[graphql(desc = "Number of items from the end, 1 to 100. Do not combine with `first`.")]
        last: Option<i32>,
    ) -> ApiResult<EventConnection> {
        let id = self.0.id;
        let page = PageArgs { after, before, first, last };
        event_connection(ctx, EventArgs { filter, sort, page }, |filter| {
            filter.categories.push(IdOrSlug::Id(id));
        })
        .await
    }
}

impl Category {
    /// Returns the category that an object refers to.
    pub(crate) async fn of(ctx: &Context<'_>, id: CategoryId) -> ApiResult<Self> {
        let row = ctx.loaders().one(id).await?.ok_or(Fault::NotFound(Object::Category))?;
        Ok(Self(row))
    }
}

/// Returns the category that an object may refer to.
pub(crate) async fn of(ctx: &Context<'_>, id: Option<CategoryId>) -> ApiResult<Option<Category>> {
    let Some(id) = id else { return Ok(None) };
    let row = ctx.loaders().one(id).await?;
    Ok(row.map(Category))
}

/// Loader key: the children of a category.
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

/// The queries of this slice.
#[derive(Debug, Default)]
pub struct CategoryQuery;

#[Object]
impl CategoryQuery {
    /// The whole tree as a flat list. Each category precedes its descendants; siblings are in their order.
    async fn categories(&self, ctx: &Context<'_>) -> ApiResult<Vec<Category>> {
        Ok(category::all(ctx.app()).await?.into_iter().map(Category).collect())
    }

    /// Returns the category with this slug. Null if there is none.
    async fn category(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The category's unique name for URLs.")] slug: String,
    ) -> ApiResult<Option<Category>> {
        Ok(found(category::by_slug(ctx.app(), &readable_slug(&slug)).await)?.map(Category))
    }
}

/// Input of `createCategory`.
#[derive(Debug, InputObject)]
pub struct CreateCategoryInput {
    /// The parent category. If omitted, the new category is a root.
    pub parent_id: Option<ID>,
    /// The unique name for URLs, 3 to 60 characters: a to z, 0 to 9, and single hyphens between them. It cannot be
    /// changed later. If omitted, it is derived from the name.
    pub slug: Option<String>,
    /// The display name as plain text, 1 to 200 characters.
    pub name: String,
    /// The sort position among siblings. Smaller numbers come first.
    #[graphql(default)]
    pub position: i32,
    /// Your own key, 8 to 255 characters. Repeated calls with the same key and input have one effect and the same
    /// result. Without a key, a repeated call creates another object.
    pub idempotency_key: Option<String>,
}

impl CreateCategoryInput {
    fn parse(self) -> FaultResult<category::Create> {
        let parent = self.parent_id.map(|id| decode(&id, "parentId")).transpose()?;
        Ok(category::Create { parent, slug: self.slug, name: self.name, position: self.position })
    }
}

/// Input of `updateCategory`. Omitted fields stay unchanged.
#[derive(Debug, InputObject)]
pub struct UpdateCategoryInput {
    /// The category.
    pub category_id: ID,
    /// The display name as plain text, 1 to 200 characters.
    pub name: Option<String>,
    /// The sort position among siblings. Smaller numbers come first.
    pub position: Option<i32>,
    /// The category's `version` when you last read it. If it has changed since, nothing is stored and the error is
    /// `STALE`.
    pub expected_version: Long,
}

impl UpdateCategoryInput {
    fn parse(self) -> FaultResult<category::Update> {
        let Self { category_id, name, position, expected_version } = self;
        let category = decode(&category_id, "categoryId")?;
        Ok(category::Update { category, expected_version: expected_version.0, name, position })
    }
}

/// The result of `createCategory`.
#[derive(Debug, SimpleObject)]
pub struct CreateCategoryPayload {
    /// The new category. Null if `errors` is not empty.
    pub category: Option<Category>,
    /// Why the mutation failed. Empty if it succeeded.
    pub errors: Vec<CreateCategoryError>,
}

/// The result of `updateCategory`.
#[derive(Debug, SimpleObject)]
pub struct UpdateCategoryPayload {
    /// The category after the change. With the error `STALE`, the current category. Null with other errors.
    pub category: Option<Category>,
    /// Why the mutation failed. Empty if it succeeded.
    pub errors: Vec<UpdateCategoryError>,
}

/// The mutations of this slice.
#[derive(Debug, Default)]
pub struct CategoryMutation;

#[Object]
impl CategoryMutation {
    /// Adds a category to the tree. The tree has at most six levels. Requires a platform operator.
    async fn create_category(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `createCategory`.")] input: CreateCategoryInput,
    ) -> ApiResult<Option<CreateCategoryPayload>> {
        ctx.viewer().operator()?;
        let key = input.idempotency_key.clone();
        let result =
            async { category::create(ctx.app(), ctx.viewer(), input.parse()?, key.as_deref()).await };
        let (row, errors) = outcome(result.await)?;
        Ok(Some(CreateCategoryPayload { category: row.map(Category), errors }))
    }

    /// Changes a category's name or its position among its siblings. Requires a platform operator.
    async fn update_category(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `updateCategory`.")] input: UpdateCategoryInput,
    ) -> ApiResult<Option<UpdateCategoryPayload>> {
        ctx.viewer().operator()?;
        let id = input.category_id.clone();
        let result = async { category::update(ctx.app(), ctx.viewer(), input.parse()?).await };
        let current = async { category::by_id(ctx.app(), decode(&id, "categoryId")?).await };
        let (row, errors) = edited(result.await, current).await?;
        Ok(Some(UpdateCategoryPayload { category: row.map(Category), errors }))
    }
}
