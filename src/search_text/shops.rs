//! The index of shops: the words of their name and description.

use entity::{
    ShopId,
    shop::{Column, Entity, word},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, Select};

use super::{Indexed, Source, Texts};
use crate::{error::FaultResult, store::Tx};

impl Indexed for Entity {
    type Words = word::Entity;
    const ID: Column = Column::Id;
    const SORT_KEY: Column = Column::SortKey;
    const WORD: word::Column = word::Column::Word;
    const OBJECT: word::Column = word::Column::ShopId;
    const WORDS_MAX: usize = 1_000;

    fn affected(changed: Source) -> Option<Select<Entity>> {
        match changed {
            Source::Shop(id) | Source::ShopDescription(id) => Some(Entity::find().filter(Column::Id.eq(id))),
            Source::Event(_)
            | Source::Series(_)
            | Source::Coupon(_)
            | Source::Product(_)
            | Source::Venue(_) => None,
        }
    }

    async fn texts_in_tx(tx: &Tx, select: Select<Entity>) -> FaultResult<Vec<Texts>> {
        let shops: Vec<(ShopId, String, String, String)> = select
            .select_only()
            .columns([Column::Id, Column::Name, Column::SortKey, Column::Description])
            .into_tuple()
            .all(tx)
            .await?;
        let texts = |(id, name, sort_key, description): (ShopId, String, String, String)| {
            let searched = vec![name.clone(), description];
            Texts { id: id.0, name, sort_key, searched }
        };
        Ok(shops.into_iter().map(texts).collect())
    }
}
