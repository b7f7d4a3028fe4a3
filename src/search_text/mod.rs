//! The search index of events, coupons and shops: the words of each object, and its sort key.
//!
//! The module is separate from the slices because renaming a venue, a shop or a product changes the index of other
//! objects too. It alone writes the column `sort_key` of these tables. [`spelling`](crate::spelling) defines the forms of
//! words.

mod coupons;
mod events;
mod fill;
mod query;
mod shops;
mod vocabulary;

use std::collections::{BTreeSet, HashMap};

use entity::{CouponId, EventId, ProductId, SeriesId, ShopId, VenueId, coupon, event, shop};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityName, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Expr, LockType, Query},
};
use uuid::Uuid;

pub(crate) use self::{
    fill::fill,
    query::{Search, parts},
};
use crate::{
    error::{Fault, FaultResult},
    spelling::{search::indexed_words, sort_key},
    store::Tx,
};

/// Rows per statement: well below the databases' limits of bound values.
const ROWS_PER_STATEMENT: usize = 1_000;

/// The object whose text changed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    /// One event.
    Event(EventId),
    /// All events of a series.
    Series(SeriesId),
    /// One coupon.
    Coupon(CouponId),
    /// A product's name, with all its coupons.
    Product(ProductId),
    /// A venue's name or town, with all its events.
    Venue(VenueId),
    /// A shop's name, with all its events and coupons.
    Shop(ShopId),
    /// A shop's description.
    ShopDescription(ShopId),
}

/// An entity whose objects are found by words and sorted by a name.
pub(crate) trait Indexed: EntityTrait {
    /// The words of the objects.
    type Words: EntityTrait;
    /// The object's id.
    const ID: Self::Column;
    /// The key by which the object is sorted.
    const SORT_KEY: Self::Column;
    /// The word.
    const WORD: <Self::Words as EntityTrait>::Column;
    /// The id of the object that has the word.
    const OBJECT: <Self::Words as EntityTrait>::Column;
    /// Words that are stored per object. The rest is not found.
    const WORDS_MAX: usize;

    /// Returns a query for the objects whose texts the change affects.
    fn affected(changed: Source) -> Option<Select<Self>>;

    /// Returns the texts of the selected objects.
    fn texts_in_tx(tx: &Tx, select: Select<Self>) -> impl Future<Output = FaultResult<Vec<Texts>>> + Send;
}

/// The texts of an object.
#[derive(Debug)]
pub(crate) struct Texts {
    id: Uuid,
    /// The name by which the object is sorted.
    name: String,
    /// The stored sort key.
    sort_key: String,
    /// The texts with the object's words, the most important one first.
    searched: Vec<String>,
}

/// Replaces the stored words and sort keys of all objects that the change affects.
pub(crate) async fn refresh_in_tx(tx: &Tx, changed: Source) -> FaultResult<()> {
    let mut words = BTreeSet::new();
    if let Some(shops) = shop::Entity::affected(changed) {
        words.extend(store_in_tx(tx, shops).await?.words);
    }
    if let Some(events) = event::Entity::affected(changed) {
        words.extend(store_in_tx(tx, events).await?.words);
    }
    if let Some(coupons) = coupon::Entity::affected(changed) {
        words.extend(store_in_tx(tx, coupons).await?.words);
    }
    vocabulary::add_in_tx(tx, &words).await
}

/// What was stored.
struct Stored {
    objects: usize,
    words: BTreeSet<String>,
}

/// Replaces the words and the sort keys of the selected objects. They stay locked until the end of the transaction, so
/// that their texts do not change before their words are stored.
async fn store_in_tx<E: Indexed>(tx: &Tx, select: Select<E>) -> FaultResult<Stored> {
    let all = E::texts_in_tx(tx, select.order_by_asc(E::ID).lock(LockType::NoKeyUpdate)).await?;
    let ids: Vec<Uuid> = all.iter().map(|texts| texts.id).collect();
    for ids in ids.chunks(ROWS_PER_STATEMENT) {
        E::Words::delete_many().filter(E::OBJECT.is_in(ids.iter().copied())).exec(tx).await?;
    }
    let mut rows = Vec::new();
    for texts in &all {
        let key = sort_key(&texts.name);
        if key != texts.sort_key {
            let update = E::update_many().col_expr(E::SORT_KEY, Expr::value(key));
            update.filter(E::ID.eq(texts.id)).exec(tx).await?;
        }
        let mut words: Vec<String> = texts.searched.iter().flat_map(|text| indexed_words(text)).collect();
        let mut seen = BTreeSet::new();
        words.retain(|word| seen.insert(word.clone()));
        words.truncate(E::WORDS_MAX);
        rows.extend(words.into_iter().map(|word| (word, texts.id)));
    }
    for rows in rows.chunks(ROWS_PER_STATEMENT) {
        let mut insert = Query::insert();
        insert.into_table(E::Words::default().table_ref()).columns([E::WORD, E::OBJECT]);
        for (word, object) in rows {
            insert.values([word.as_str().into(), (*object).into()]).map_err(Fault::internal)?;
        }
        tx.execute(&insert).await?;
    }
    Ok(Stored { objects: all.len(), words: rows.into_iter().map(|(word, _)| word).collect() })
}

/// Returns the shops' names.
async fn shop_names(tx: &Tx, ids: BTreeSet<ShopId>) -> FaultResult<HashMap<ShopId, String>> {
    let shops: Vec<(ShopId, String)> = shop::Entity::find()
        .select_only()
        .columns([shop::Column::Id, shop::Column::Name])
        .filter(shop::Column::Id.is_in(ids))
        .into_tuple()
        .all(tx)
        .await?;
    Ok(shops.into_iter().collect())
}
