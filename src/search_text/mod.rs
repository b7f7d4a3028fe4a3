//! The search index of events: the words of their name, shop, venue and town. `coupon.rs` has the index of coupons.
//!
//! The module is separate from the event slice because renaming a venue or a shop changes the index too.

pub(crate) mod coupon;

use std::collections::{BTreeSet, HashMap};

use entity::{EventId, SeriesId, ShopId, VenueId, event, shop, venue};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use crate::{error::FaultResult, store::Tx};

/// Words of a search that are used; the rest is ignored.
const SEARCH_WORDS_MAX: usize = 8;
/// Characters of a word that are stored and compared; the rest is ignored.
const WORD_CHARS_MAX: usize = 40;
/// Words that are stored per event.
const EVENT_WORDS_MAX: usize = 64;
/// Rows per statement: well below the databases' limits of bound values.
const ROWS_PER_STATEMENT: usize = 1_000;

/// The object whose text changed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    /// One event.
    Event(EventId),
    /// All events of a series.
    Series(SeriesId),
    /// A venue, with all its events.
    Venue(VenueId),
    /// A shop, with all its events and coupons.
    Shop(ShopId),
}

/// Splits a text at all characters that are neither letters nor digits, and returns the words in lower case.
pub(crate) fn words(text: &str) -> Vec<String> {
    text.to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| word.chars().take(WORD_CHARS_MAX).collect())
        .collect()
}

/// Returns the words of a search. A result must match all of them.
pub(crate) fn query_words(text: &str) -> Vec<String> {
    let mut words = words(text);
    words.truncate(SEARCH_WORDS_MAX);
    words
}

/// Replaces the stored words of all events that the change affects.
pub(crate) async fn refresh_in_tx(tx: &Tx, changed: Source) -> FaultResult<()> {
    if let Source::Shop(id) = changed {
        coupon::refresh_in_tx(tx, coupon::Source::Shop(id)).await?;
    }
    let events: Vec<(EventId, String, ShopId, VenueId)> = event::Entity::find()
        .select_only()
        .columns([event::Column::Id, event::Column::Name, event::Column::ShopId, event::Column::VenueId])
        .filter(match changed {
            Source::Event(id) => event::Column::Id.eq(id),
            Source::Series(id) => event::Column::SeriesId.eq(id),
            Source::Venue(id) => event::Column::VenueId.eq(id),
            Source::Shop(id) => event::Column::ShopId.eq(id),
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
        let words: Vec<String> = texts.into_iter().flatten().flat_map(|text| words(text)).collect();
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

/// Returns the shops' names.
async fn shop_names(tx: &Tx, ids: BTreeSet<ShopId>) -> FaultResult<HashMap<ShopId, String>> {
    let shops = shop::Entity::find().filter(shop::Column::Id.is_in(ids)).all(tx).await?;
    Ok(shops.into_iter().map(|shop| (shop.id, shop.name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_split_into_lower_case_words() {
        assert_eq!(words("  Die Zauberflöte – KV 620 (Kiel)"), ["die", "zauberflöte", "kv", "620", "kiel"]);
        assert!(words("!!! – '%_").is_empty());
        assert_eq!(words(&"x".repeat(100))[0].len(), WORD_CHARS_MAX);
    }

    #[test]
    fn number_of_query_words_is_bounded() {
        assert_eq!(query_words(&"a ".repeat(1_000)).len(), SEARCH_WORDS_MAX);
    }
}
