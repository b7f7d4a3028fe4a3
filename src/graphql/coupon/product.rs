//! Products in the API.

use std::{collections::HashMap, sync::Arc};

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, SimpleObject, dataloader::Loader};
use entity::{ProductId, product as row};
use uuid::Uuid;

use super::{CreateProductError, ProductError};
use crate::{
    coupon::product::{self, NewProduct, ProductChange},
    error::FaultResult,
    graphql::{
        category::Category,
        context::ContextExt,
        error::{ApiResult, edited, outcome},
        id::{decode, encode},
        loader::{Batch, Shared, keyed},
        long_text::{LongText, long_text},
        page::{Connected, connection},
        scalar::{Instant, Long},
        shop::Shop,
    },
    page::Page,
};

/// A page of products.
pub(crate) type ProductConnection = Connected<Uuid, Product>;

/// A product that a shop sells or gives away. Coupons can be shown with a product.
#[derive(Clone, Debug)]
pub struct Product(row::Model);

impl From<row::Model> for Product {
    fn from(row: row::Model) -> Self {
        Self(row)
    }
}

/// A product that a shop sells or gives away. Coupons can be shown with a product.
#[Object]
impl Product {
    /// The global id.
    pub async fn id(&self) -> ID {
        encode(self.0.id)
    }

    /// Increases with every change. Send it as `expectedVersion` when you edit the object.
    async fn version(&self) -> Long {
        Long(self.0.version)
    }

    /// The display name as plain text.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The description as plain text, not Markdown or HTML. May be empty.
    async fn description(&self, ctx: &Context<'_>) -> ApiResult<Arc<str>> {
        long_text(ctx, LongText::Product(self.0.id)).await
    }

    /// The URL of the picture. Null if there is none.
    async fn picture_url(&self) -> Option<&str> {
        self.0.picture_url.as_deref()
    }

    /// Whether the product is archived and no longer offered. Its coupons stay.
    async fn archived(&self) -> bool {
        self.0.archived
    }

    /// The shop that offers the product.
    async fn shop(&self, ctx: &Context<'_>) -> ApiResult<Shop> {
        Shop::of(ctx, self.0.shop_id).await
    }

    /// The category of the product.
    async fn category(&self, ctx: &Context<'_>) -> ApiResult<Category> {
        Category::of(ctx, self.0.category_id).await
    }

    /// When the object was created.
    async fn created_at(&self) -> Instant {
        self.0.created_at.into()
    }

    /// When the object was last changed.
    async fn updated_at(&self) -> Instant {
        self.0.updated_at.into()
    }
}

impl Loader<ProductId> for Batch {
    type Value = row::Model;
    type Error = Shared;

    async fn load(&self, keys: &[ProductId]) -> Result<HashMap<ProductId, row::Model>, Shared> {
        Ok(keyed(product::by_ids(&self.app, keys.to_vec()).await?, |row| row.id))
    }
}

/// Converts a page of products to a connection.
pub(crate) fn product_connection(page: Page<row::Model>) -> ProductConnection {
    connection(page, |row| (row.id.0, Product(row)))
}

/// Input of `createProduct`.
#[derive(Debug, InputObject)]
pub struct CreateProductInput {
    /// The shop that offers the product. You must be its owner or manager.
    shop_id: ID,
    /// The category of the product.
    category_id: ID,
    /// The display name as plain text, 1 to 200 characters.
    name: String,
    /// The description as plain text, not Markdown or HTML; at most 10,000 characters.
    #[graphql(default)]
    description: String,
    /// The URL of the picture. It must use https.
    picture_url: Option<String>,
    /// Your own key, 8 to 255 characters. Repeated calls with the same key and input have one effect and the same
    /// result. Without a key, a repeated call creates another object.
    idempotency_key: Option<String>,
}

impl CreateProductInput {
    fn parse(self) -> FaultResult<NewProduct> {
        Ok(NewProduct {
            shop: decode(&self.shop_id, "shopId")?,
            category: decode(&self.category_id, "categoryId")?,
            name: self.name,
            description: self.description,
            picture_url: self.picture_url,
        })
    }
}

/// Input of `updateProduct`. Omitted fields stay unchanged.
#[derive(Debug, InputObject)]
pub struct UpdateProductInput {
    /// The id of the product.
    product_id: ID,
    /// The product's `version` when you last read it. If it has changed since, nothing is stored and the error is
    /// `STALE`.
    expected_version: Long,
    /// The category of the product.
    category_id: Option<ID>,
    /// The display name as plain text, 1 to 200 characters.
    name: Option<String>,
    /// The description as plain text, not Markdown or HTML; at most 10,000 characters.
    description: Option<String>,
    /// The URL of the picture. It must use https. Null removes it.
    picture_url: MaybeUndefined<String>,
}

impl UpdateProductInput {
    fn parse(self) -> FaultResult<ProductChange> {
        Ok(ProductChange {
            category: self.category_id.map(|id| decode(&id, "categoryId")).transpose()?,
            name: self.name,
            description: self.description,
            picture_url: self.picture_url.into(),
        })
    }
}

/// Input of `archiveProduct`.
#[derive(Debug, InputObject)]
pub struct ArchiveProductInput {
    /// The id of the product.
    product_id: ID,
    /// The product's `version` when you last read it. If it has changed since, nothing is stored and the error is
    /// `STALE`.
    expected_version: Long,
}

/// The result of `createProduct`.
#[derive(Debug, SimpleObject)]
pub struct CreateProductPayload {
    /// The new product. Null if `errors` is not empty.
    product: Option<Product>,
    /// Why the mutation failed. Empty if it succeeded.
    errors: Vec<CreateProductError>,
}

/// The result of `updateProduct`.
#[derive(Debug, SimpleObject)]
pub struct UpdateProductPayload {
    /// The product after the change. With the error `STALE`, the current product. Null with other errors.
    product: Option<Product>,
    /// Why the mutation failed. Empty if it succeeded.
    errors: Vec<ProductError>,
}

/// The result of `archiveProduct`.
#[derive(Debug, SimpleObject)]
pub struct ArchiveProductPayload {
    /// The archived product. With the error `STALE`, the current product. Null with other errors.
    product: Option<Product>,
    /// Why the mutation failed. Empty if it succeeded.
    errors: Vec<ProductError>,
}

/// The mutations of this slice.
#[derive(Debug, Default)]
pub struct ProductMutation;

#[Object]
impl ProductMutation {
    /// Creates a product. Requires an owner or manager of the shop.
    async fn create_product(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `createProduct`.")] input: CreateProductInput,
    ) -> ApiResult<Option<CreateProductPayload>> {
        ctx.viewer().user()?;
        let key = input.idempotency_key.clone();
        let result = async { product::create(ctx.app(), ctx.viewer(), input.parse()?, key.as_deref()).await };
        let (product, errors) = outcome(result.await)?;
        Ok(Some(CreateProductPayload { product: product.map(Product), errors }))
    }

    /// Changes a product. Requires an owner or manager of the shop.
    async fn update_product(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `updateProduct`.")] input: UpdateProductInput,
    ) -> ApiResult<Option<UpdateProductPayload>> {
        ctx.viewer().user()?;
        let product_id = input.product_id.clone();
        let result = async {
            let (id, seen) = (decode(&input.product_id, "productId")?, input.expected_version.0);
            product::update(ctx.app(), ctx.viewer(), id, seen, input.parse()?).await
        };
        let (product, errors) = edited(result.await, current(ctx, &product_id)).await?;
        Ok(Some(UpdateProductPayload { product: product.map(Product), errors }))
    }

    /// Removes a product from its shop's list. Its coupons stay. Requires an owner or manager of the shop.
    async fn archive_product(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `archiveProduct`.")] input: ArchiveProductInput,
    ) -> ApiResult<Option<ArchiveProductPayload>> {
        ctx.viewer().user()?;
        let result = async {
            let id = decode(&input.product_id, "productId")?;
            product::archive(ctx.app(), ctx.viewer(), id, input.expected_version.0).await
        };
        let (product, errors) = edited(result.await, current(ctx, &input.product_id)).await?;
        Ok(Some(ArchiveProductPayload { product: product.map(Product), errors }))
    }
}

/// Returns the current product for a payload.
async fn current(ctx: &Context<'_>, id: &ID) -> FaultResult<row::Model> {
    product::by_id(ctx.app(), decode(id, "productId")?).await
}
