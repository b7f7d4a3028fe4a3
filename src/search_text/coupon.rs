//! The search index of coupons: the words of their title, shop and product.

use std::collections::{BTreeSet, HashMap};

use entity::{CouponId, ProductId, ShopId, coupon, product};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};

use super::{shop_names, words};
use crate::{error::FaultResult, store::Tx};

/// Words that are stored per coupon.
const WORDS_MAX: usize = 64;
/// Rows per statement: well below the databases' limits of bound values.
const ROWS_PER_STATEMENT: usize = 1_000;

/// The object whose text changed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    /// One coupon.
    Coupon(CouponId),
    /// A product, with all its coupons.
    Product(ProductId),
    /// A shop, with all its coupons.
    Shop(ShopId),
}

/// Replaces the stored words of all coupons that the change affects.
pub(crate) async fn refresh_in_tx(tx: &Tx, changed: Source) -> FaultResult<()> {
    let coupons = coupon::Entity::find()
        .filter(match changed {
            Source::Coupon(id) => coupon::Column::Id.eq(id),
            Source::Product(id) => coupon::Column::ProductId.eq(id),
            Source::Shop(id) => coupon::Column::ShopId.eq(id),
        })
        .all(tx)
        .await?;
    let shops: BTreeSet<ShopId> = coupons.iter().map(|coupon| coupon.shop_id).collect();
    let products: BTreeSet<ProductId> = coupons.iter().filter_map(|coupon| coupon.product_id).collect();
    let shops = shop_names(tx, shops).await?;
    let products: HashMap<ProductId, String> = product::Entity::find()
        .filter(product::Column::Id.is_in(products))
        .all(tx)
        .await?
        .into_iter()
        .map(|row| (row.id, row.name))
        .collect();
    let mut rows = Vec::new();
    for coupon in &coupons {
        let product = coupon.product_id.and_then(|id| products.get(&id));
        let texts = [Some(&coupon.title), shops.get(&coupon.shop_id), product];
        let words: Vec<String> = texts.into_iter().flatten().flat_map(|text| words(text)).collect();
        let words: BTreeSet<String> = words.into_iter().take(WORDS_MAX).collect();
        let row = |word| coupon::word::ActiveModel { word: Set(word), coupon_id: Set(coupon.id) };
        rows.extend(words.into_iter().map(row));
    }
    for coupons in coupons.chunks(ROWS_PER_STATEMENT) {
        coupon::word::Entity::delete_many()
            .filter(coupon::word::Column::CouponId.is_in(coupons.iter().map(|coupon| coupon.id)))
            .exec(tx)
            .await?;
    }
    for rows in rows.chunks(ROWS_PER_STATEMENT) {
        coupon::word::Entity::insert_many(rows.to_vec()).exec_without_returning(tx).await?;
    }
    Ok(())
}
