//! Computes the stored forms of texts for rows without them: those that an earlier version has written.

use entity::{coupon, event, shop};
use sea_orm::{ColumnTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use super::{Indexed, store_in_tx, vocabulary};
use crate::{error::FaultResult, store::Store};

/// Objects per transaction.
const OBJECTS: u64 = 200;

/// Fills all missing forms. Several instances may call it at once.
pub(crate) async fn fill(store: &Store) -> FaultResult<()> {
    fill_words::<shop::Entity>(store).await?;
    fill_words::<event::Entity>(store).await?;
    fill_words::<coupon::Entity>(store).await
}

/// Computes the words and sort keys of all objects without a sort key.
async fn fill_words<E: Indexed>(store: &Store) -> FaultResult<()> {
    let missing = || E::find().filter(E::SORT_KEY.eq("")).limit(OBJECTS);
    let first = || missing().select_only().column(E::ID).into_tuple::<Uuid>();
    while first().one(store.read()).await?.is_some() {
        let tx = store.begin().await?;
        let stored = store_in_tx(&tx, missing()).await?;
        vocabulary::add_in_tx(&tx, &stored.words).await?;
        tx.commit().await?;
        if stored.objects == 0 {
            // Race: another instance has filled them.
            break;
        }
    }
    Ok(())
}
