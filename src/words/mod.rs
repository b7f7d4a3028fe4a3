//! The words by which events are found: those of their name, shop, venue and town. Those of coupons are in `coupon.rs`.
//!
//! They stand here, below events, because renaming a venue or a shop rewrites them too.

pub(crate) mod coupon;

use std::collections::{BTreeSet, HashMap};

use entity::{EventId, ShopId, VenueId, event, shop, venue};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use crate::{error::Faulty, store::Tx};

/// Words of a search that count.
const SEARCH_WORDS_MAX: usize = 8;
/// Characters of a word that count.
const WORD_CHARS_MAX: usize = 40;
/// Words of an event that are kept.
const EVENT_WORDS_MAX: usize = 64;
/// Rows per statement: well below the databases' limits of bound values.
const ROWS_PER_STATEMENT: usize = 1_000;

/// Whose events are looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Of {
    /// The one event.
    Event(EventId),
    /// All events at the venue.
    Venue(VenueId),
    /// All events of the shop.
    Shop(ShopId),
}

/// The text's words in lower case, split at whatever is neither letter nor digit.
pub(crate) fn fold(text: &str) -> Vec<String> {
    text.to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| word.chars().take(WORD_CHARS_MAX).collect())
        .collect()
}

/// The words that a search must find, all of them.
pub(crate) fn searched(text: &str) -> Vec<String> {
    let mut words = fold(text);
    words.truncate(SEARCH_WORDS_MAX);
    words
}

/// Writes down the words of the events anew.
pub(crate) async fn refresh_in_tx(tx: &Tx, of: Of) -> Faulty<()> {
    if let Of::Shop(id) = of {
        coupon::refresh_in_tx(tx, coupon::Of::Shop(id)).await?;
    }
    let events: Vec<(EventId, String, ShopId, VenueId)> = event::Entity::find()
        .select_only()
        .columns([event::Column::Id, event::Column::Name, event::Column::ShopId, event::Column::VenueId])
        .filter(match of {
            Of::Event(id) => event::Column::Id.eq(id),
            Of::Venue(id) => event::Column::VenueId.eq(id),
            Of::Shop(id) => event::Column::ShopId.eq(id),
        })
        .into_tuple()
        .all(tx)
        .await?;
    let shops: BTreeSet<ShopId> = events.iter().map(|(_, _, shop, _)| *shop).collect();
    let venues: BTreeSet<VenueId> = events.iter().map(|(_, _, _, venue)| *venue).collect();
    let shops = shop_names(tx, shops).await?;
    let venues: HashMap<VenueId, String> = venue::Entity::find()
        .filter(venue::Column::Id.is_in(venues))
        .all(tx)
        .await?
        .into_iter()
        .map(|row| (row.id, format!("{} {}", row.name, row.city)))
        .collect();
    let ids: Vec<EventId> = events.iter().map(|(id, ..)| *id).collect();
    for ids in ids.chunks(ROWS_PER_STATEMENT) {
        event::word::Entity::delete_many()
            .filter(event::word::Column::EventId.is_in(ids.iter().copied()))
            .exec(tx)
            .await?;
    }
    let mut rows = Vec::new();
    for (id, name, shop, venue) in events {
        let texts = [Some(&name), shops.get(&shop), venues.get(&venue)];
        let words: Vec<String> = texts.into_iter().flatten().flat_map(|text| fold(text)).collect();
        let words: BTreeSet<String> = words.into_iter().take(EVENT_WORDS_MAX).collect();
        rows.extend(
            words.into_iter().map(|word| event::word::ActiveModel { word: Set(word), event_id: Set(id) }),
        );
    }
    for rows in rows.chunks(ROWS_PER_STATEMENT) {
        event::word::Entity::insert_many(rows.to_vec()).exec_without_returning(tx).await?;
    }
    Ok(())
}

/// What the shops are called.
async fn shop_names(tx: &Tx, ids: BTreeSet<ShopId>) -> Faulty<HashMap<ShopId, String>> {
    let shops = shop::Entity::find().filter(shop::Column::Id.is_in(ids)).all(tx).await?;
    Ok(shops.into_iter().map(|shop| (shop.id, shop.name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_folded() {
        assert_eq!(fold("  Die Zauberflöte – KV 620 (Kiel)"), ["die", "zauberflöte", "kv", "620", "kiel"]);
        assert!(fold("!!! – '%_").is_empty());
        assert_eq!(fold(&"x".repeat(100))[0].len(), WORD_CHARS_MAX);
    }

    #[test]
    fn a_search_has_a_bounded_number_of_words() {
        assert_eq!(searched(&"a ".repeat(1_000)).len(), SEARCH_WORDS_MAX);
    }
}
