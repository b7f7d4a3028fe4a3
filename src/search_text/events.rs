//! The index of events: the words of their name, venue, town and shop.

use std::collections::{BTreeSet, HashMap};

use entity::{
    EventId, ShopId, VenueId,
    event::{Column, Entity, word},
    venue,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, Select};

use super::{Indexed, Source, Texts, shop_names};
use crate::{error::FaultResult, store::Tx};

impl Indexed for Entity {
    type Words = word::Entity;
    const ID: Column = Column::Id;
    const SORT_KEY: Column = Column::SortKey;
    const WORD: word::Column = word::Column::Word;
    const OBJECT: word::Column = word::Column::EventId;
    const WORDS_MAX: usize = 250;

    fn affected(changed: Source) -> Option<Select<Entity>> {
        match changed {
            Source::Event(id) => Some(Entity::find().filter(Column::Id.eq(id))),
            Source::Series(id) => Some(Entity::find().filter(Column::SeriesId.eq(id))),
            Source::Venue(id) => Some(Entity::find().filter(Column::VenueId.eq(id))),
            Source::Shop(id) => Some(Entity::find().filter(Column::ShopId.eq(id))),
            Source::Coupon(_) | Source::Product(_) | Source::ShopDescription(_) => None,
        }
    }

    async fn texts_in_tx(tx: &Tx, select: Select<Entity>) -> FaultResult<Vec<Texts>> {
        let events: Vec<(EventId, String, String, ShopId, VenueId)> = select
            .select_only()
            .columns([Column::Id, Column::Name, Column::SortKey, Column::ShopId, Column::VenueId])
            .into_tuple()
            .all(tx)
            .await?;
        let shops: BTreeSet<ShopId> = events.iter().map(|(_, _, _, shop, _)| *shop).collect();
        let venues: BTreeSet<VenueId> = events.iter().map(|(_, _, _, _, venue)| *venue).collect();
        let shops = shop_names(tx, shops).await?;
        let venues: HashMap<VenueId, String> = venue::Entity::find()
            .filter(venue::Column::Id.is_in(venues))
            .all(tx)
            .await?
            .into_iter()
            .map(|row| (row.id, format!("{}  {}", row.name, row.city)))
            .collect();
        let texts = |(id, name, sort_key, shop, venue): (EventId, String, String, ShopId, VenueId)| {
            let others = [venues.get(&venue), shops.get(&shop)].into_iter().flatten().cloned();
            let searched = [name.clone()].into_iter().chain(others).collect();
            Texts { id: id.0, name, sort_key, searched }
        };
        Ok(events.into_iter().map(texts).collect())
    }
}
