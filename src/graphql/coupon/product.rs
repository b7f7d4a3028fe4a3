//! Products in the API.

use std::{collections::HashMap, sync::Arc};

use async_graphql::{
    Context, ID, InputObject, MaybeUndefined, Object, SimpleObject,
    connection::{Connection, EmptyFields},
    dataloader::Loader,
};
use chrono::{DateTime, Utc};
use entity::{ProductId, product as row};
use uuid::Uuid;

use super::CouponError;
use crate::{
    coupon::product::{self, NewProduct, ProductChange},
    error::Faulty,
    graphql::{
        category::Category,
        context::ContextExt,
        error::{ApiResult, outcome},
        id::{decode, encode},
        loader::{Batch, Shared, keyed},
        long_text::{LongText, long_text},
        page::{Cursor, connection},
        scalar::Long,
        shop::Shop,
    },
    page::Page,
};

/// A page of products.
pub(crate) type ProductConnection = Connection<Cursor<Uuid>, Product, EmptyFields>;

/// What a shop sells or gives away, and what coupons are shown with.
#[derive(Clone, Debug)]
pub struct Product(row::Model);

impl From<row::Model> for Product {
    fn from(row: row::Model) -> Self {
        Self(row)
    }
}

/// What a shop sells or gives away, and what coupons are shown with.
#[Object]
impl Product {
    /// Globally unique.
    pub async fn id(&self) -> ID {
        encode(self.0.id)
    }

    /// Raised by each change; give it as `expectedVersion` when you change it.
    async fn version(&self) -> Long {
        Long(self.0.version)
    }

    /// Display name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Description; may be empty.
    async fn description(&self, ctx: &Context<'_>) -> ApiResult<Arc<str>> {
        long_text(ctx, LongText::Product(self.0.id)).await
    }

    /// Where its picture is.
    async fn picture_url(&self) -> Option<&str> {
        self.0.picture_url.as_deref()
    }

    /// Whether it is offered no more. Its coupons stay.
    async fn archived(&self) -> bool {
        self.0.archived
    }

    /// Whose it is.
    async fn shop(&self, ctx: &Context<'_>) -> ApiResult<Shop> {
        Shop::of(ctx, self.0.shop_id).await
    }

    /// What kind of product it is.
    async fn category(&self, ctx: &Context<'_>) -> ApiResult<Option<Category>> {
        Ok(ctx.loaders().one(self.0.category_id).await?.map(Category))
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
}

impl Loader<ProductId> for Batch {
    type Value = row::Model;
    type Error = Shared;

    async fn load(&self, keys: &[ProductId]) -> Result<HashMap<ProductId, row::Model>, Shared> {
        Ok(keyed(product::by_ids(&self.app, keys.to_vec()).await?, |row| row.id))
    }
}

/// A page of products as a connection.
pub(crate) fn product_connection(page: Page<row::Model>) -> ProductConnection {
    connection(page, EmptyFields, |row| (row.id.0, Product(row)))
}

/// A new product.
#[derive(Debug, InputObject)]
pub struct CreateProductInput {
    /// Whose it is; you must be an owner or manager of the shop.
    shop_id: ID,
    /// What kind of product it is.
    category_id: ID,
    /// Display name, 1 to 200 characters.
    name: String,
    /// Description, at most 10,000 characters.
    #[graphql(default)]
    description: String,
    /// Where its picture is: an https address.
    picture_url: Option<String>,
}

impl CreateProductInput {
    fn parse(self) -> Faulty<NewProduct> {
        Ok(NewProduct {
            shop: decode(&self.shop_id, "shopId")?,
            category: decode(&self.category_id, "categoryId")?,
            name: self.name,
            description: self.description,
            picture_url: self.picture_url,
        })
    }
}

/// Changes to a product. What is left out stays as it is.
#[derive(Debug, InputObject)]
pub struct UpdateProductInput {
    /// Which product.
    product_id: ID,
    /// The version that you read; if the product was changed since, nothing happens and the error is `STALE`.
    expected_version: Long,
    /// What kind of product it is.
    category_id: Option<ID>,
    /// Display name, 1 to 200 characters.
    name: Option<String>,
    /// Description, at most 10,000 characters.
    description: Option<String>,
    /// Where its picture is; null: nowhere.
    picture_url: MaybeUndefined<String>,
}

impl UpdateProductInput {
    fn parse(self) -> Faulty<ProductChange> {
        Ok(ProductChange {
            category: self.category_id.map(|id| decode(&id, "categoryId")).transpose()?,
            name: self.name,
            description: self.description,
            picture_url: self.picture_url.into(),
        })
    }
}

/// A product to archive.
#[derive(Debug, InputObject)]
pub struct ArchiveProductInput {
    /// Which product.
    product_id: ID,
    /// The version that you read; if the product was changed since, nothing happens and the error is `STALE`.
    expected_version: Long,
}

/// What became of it.
#[derive(Debug, SimpleObject)]
pub struct CreateProductPayload {
    /// The new product; null if it was not made.
    product: Option<Product>,
    /// Why it was not made; empty if it was.
    errors: Vec<CouponError>,
}

/// What became of it.
#[derive(Debug, SimpleObject)]
pub struct UpdateProductPayload {
    /// The product as it is now; null if it was not changed.
    product: Option<Product>,
    /// Why it was not changed; empty if it was.
    errors: Vec<CouponError>,
}

/// What became of it.
#[derive(Debug, SimpleObject)]
pub struct ArchiveProductPayload {
    /// The product, archived; null if it was not.
    product: Option<Product>,
    /// Why it was not archived; empty if it was.
    errors: Vec<CouponError>,
}

/// Mutations.
#[derive(Debug, Default)]
pub struct ProductMutation;

#[Object]
impl ProductMutation {
    /// Makes a product of a shop. For its owners and managers.
    async fn create_product(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new product.")] input: CreateProductInput,
    ) -> ApiResult<CreateProductPayload> {
        ctx.viewer().user()?;
        let result = async { product::create(ctx.app(), ctx.viewer(), input.parse()?).await };
        let (product, errors) = outcome(result.await)?;
        Ok(CreateProductPayload { product: product.map(Product), errors })
    }

    /// Changes a product.
    async fn update_product(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: UpdateProductInput,
    ) -> ApiResult<UpdateProductPayload> {
        ctx.viewer().user()?;
        let result = async {
            let (id, seen) = (decode(&input.product_id, "productId")?, input.expected_version.0);
            product::update(ctx.app(), ctx.viewer(), id, seen, input.parse()?).await
        };
        let (product, errors) = outcome(result.await)?;
        Ok(UpdateProductPayload { product: product.map(Product), errors })
    }

    /// Takes a product out of its shop's list. Its coupons stay as they are.
    async fn archive_product(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which product.")] input: ArchiveProductInput,
    ) -> ApiResult<ArchiveProductPayload> {
        ctx.viewer().user()?;
        let result = async {
            let id = decode(&input.product_id, "productId")?;
            product::archive(ctx.app(), ctx.viewer(), id, input.expected_version.0).await
        };
        let (product, errors) = outcome(result.await)?;
        Ok(ArchiveProductPayload { product: product.map(Product), errors })
    }
}
