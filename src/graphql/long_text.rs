//! Descriptions and terms of up to 40 KB. They are read only if they are requested, a part of a list at a time.
//!
//! A hundred of them take megabytes. Reading them in parts lets the operation's budget stop it in between.

use std::{collections::HashMap, sync::Arc};

use async_graphql::{Context, dataloader::Loader};
use entity::{CouponId, EventId, ProductId, ShopId};
use tokio::sync::Mutex;

use super::{
    context::ContextExt,
    error::ApiResult,
    loader::{Batch, Shared},
};
use crate::{
    coupon::{self, product},
    error::{Fault, FaultResult, Object},
    event, shop,
};

/// How many objects' texts one statement reads. At their maximum length they need one megabyte.
const PART: usize = 25;

/// The texts that an operation has already read.
#[derive(Debug, Default)]
pub(crate) struct LongTexts(Mutex<HashMap<LongText, Arc<str>>>);

/// A long text of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LongText {
    /// `Coupon.description`.
    CouponDescription(CouponId),
    /// `Coupon.terms`.
    CouponTerms(CouponId),
    /// `Event.description`.
    Event(EventId),
    /// `Product.description`.
    Product(ProductId),
    /// `Shop.description`.
    Shop(ShopId),
}

/// Reads the text in one batch with those of the list's other objects, and charges it to the operation.
pub(super) async fn long_text(ctx: &Context<'_>, text: LongText) -> ApiResult<Arc<str>> {
    let read = ctx.loaders().one(text).await?.ok_or(Fault::NotFound(Object::Text))?;
    Ok(ctx.budget().text(read)?)
}

impl Loader<LongText> for Batch {
    type Value = Arc<str>;
    type Error = Shared;

    async fn load(&self, keys: &[LongText]) -> Result<HashMap<LongText, Arc<str>>, Shared> {
        // Without the lock, concurrent lists would each read a part before the first one is charged.
        let mut known = self.texts.0.lock().await;
        let missing: Vec<LongText> = keys.iter().copied().filter(|key| !known.contains_key(key)).collect();
        for keys in missing.chunks(PART) {
            self.budget.check().map_err(|_| Fault::unavailable())?;
            let texts = self.part(keys).await?;
            let bytes = texts.iter().map(|(_, text)| text.len()).sum::<usize>();
            known.extend(texts.into_iter().map(|(key, text)| (key, text.into())));
            let charged = self.budget.charge_read(u64::try_from(bytes).unwrap_or(u64::MAX));
            charged.map_err(|_| Fault::unavailable())?;
        }
        Ok(keys.iter().filter_map(|key| Some((*key, known.get(key)?.clone()))).collect())
    }
}

impl Batch {
    /// Returns the texts of up to [`PART`] objects.
    async fn part(&self, keys: &[LongText]) -> FaultResult<Vec<(LongText, String)>> {
        let (mut coupons, mut terms, mut events, mut products, mut shops) =
            (vec![], vec![], vec![], vec![], vec![]);
        for key in keys {
            match *key {
                LongText::CouponDescription(id) => coupons.push(id),
                LongText::CouponTerms(id) => terms.push(id),
                LongText::Event(id) => events.push(id),
                LongText::Product(id) => products.push(id),
                LongText::Shop(id) => shops.push(id),
            }
        }
        let (app, mut texts) = (&self.app, Vec::with_capacity(keys.len()));
        if !coupons.is_empty() {
            texts.extend(named(LongText::CouponDescription, coupon::descriptions(app, coupons).await?));
        }
        if !terms.is_empty() {
            texts.extend(named(LongText::CouponTerms, coupon::terms_of(app, terms).await?));
        }
        if !events.is_empty() {
            texts.extend(named(LongText::Event, event::descriptions(app, events).await?));
        }
        if !products.is_empty() {
            texts.extend(named(LongText::Product, product::descriptions(app, products).await?));
        }
        if !shops.is_empty() {
            texts.extend(named(LongText::Shop, shop::descriptions(app, shops).await?));
        }
        Ok(texts)
    }
}

fn named<K>(name: fn(K) -> LongText, texts: Vec<(K, String)>) -> impl Iterator<Item = (LongText, String)> {
    texts.into_iter().map(move |(id, text)| (name(id), text))
}
