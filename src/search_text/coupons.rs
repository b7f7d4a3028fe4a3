//! The index of coupons: the words of their title, product and shop.

use std::collections::{BTreeSet, HashMap};

use entity::{
    CouponId, ProductId, ShopId,
    coupon::{Column, Entity, word},
    product,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, Select};

use super::{Indexed, Source, Texts, shop_names};
use crate::{error::FaultResult, store::Tx};

impl Indexed for Entity {
    type Words = word::Entity;
    const ID: Column = Column::Id;
    const SORT_KEY: Column = Column::SortKey;
    const WORD: word::Column = word::Column::Word;
    const OBJECT: word::Column = word::Column::CouponId;
    const WORDS_MAX: usize = 250;

    fn affected(changed: Source) -> Option<Select<Entity>> {
        match changed {
            Source::Coupon(id) => Some(Entity::find().filter(Column::Id.eq(id))),
            Source::Product(id) => Some(Entity::find().filter(Column::ProductId.eq(id))),
            Source::Shop(id) => Some(Entity::find().filter(Column::ShopId.eq(id))),
            Source::Event(_) | Source::Series(_) | Source::Venue(_) | Source::ShopDescription(_) => None,
        }
    }

    async fn texts_in_tx(tx: &Tx, select: Select<Entity>) -> FaultResult<Vec<Texts>> {
        type Row = (CouponId, String, String, ShopId, Option<ProductId>);
        let coupons: Vec<Row> = select
            .select_only()
            .columns([Column::Id, Column::Title, Column::SortKey, Column::ShopId, Column::ProductId])
            .into_tuple()
            .all(tx)
            .await?;
        let shops: BTreeSet<ShopId> = coupons.iter().map(|(_, _, _, shop, _)| *shop).collect();
        let products: BTreeSet<ProductId> =
            coupons.iter().filter_map(|(_, _, _, _, product)| *product).collect();
        let shops = shop_names(tx, shops).await?;
        let products: Vec<(ProductId, String)> = product::Entity::find()
            .select_only()
            .columns([product::Column::Id, product::Column::Name])
            .filter(product::Column::Id.is_in(products))
            .into_tuple()
            .all(tx)
            .await?;
        let products: HashMap<ProductId, String> = products.into_iter().collect();
        let texts = |(id, title, sort_key, shop, product): Row| {
            let product = product.and_then(|id| products.get(&id));
            let others = [product, shops.get(&shop)].into_iter().flatten().cloned();
            let searched = [title.clone()].into_iter().chain(others).collect();
            Texts { id: id.0, name: title, sort_key, searched }
        };
        Ok(coupons.into_iter().map(texts).collect())
    }
}
