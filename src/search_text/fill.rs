//! Computes the stored forms of texts for rows without them: those that an earlier version has written.

use std::collections::BTreeSet;

use entity::{EventId, coupon, event, shop, tier};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr};

use uuid::Uuid;

use super::{Indexed, store_in_tx, vocabulary};
use crate::{error::FaultResult, spelling, store::Store};

/// Objects per transaction.
const OBJECTS: u64 = 200;

/// Fills all missing forms. Several instances may call it at once.
pub(crate) async fn fill(store: &Store) -> FaultResult<()> {
    fill_words::<shop::Entity>(store).await?;
    fill_words::<event::Entity>(store).await?;
    fill_words::<coupon::Entity>(store).await?;
    fill_tiers(store).await
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

/// Computes the forms of tier names that are unique within an event.
async fn fill_tiers(store: &Store) -> FaultResult<()> {
    let missing = || tier::Entity::find().filter(tier::Column::NameKey.is_null());
    while missing().one(store.read()).await?.is_some() {
        let tx = store.begin().await?;
        let tiers = missing().order_by_asc(tier::Column::Id).limit(OBJECTS).all(&tx).await?;
        if tiers.is_empty() {
            break;
        }
        let events: BTreeSet<EventId> = tiers.iter().map(|tier| tier.event_id).collect();
        let known = tier::Entity::find().filter(tier::Column::EventId.is_in(events)).all(&tx).await?;
        let mut known: BTreeSet<(EventId, String)> =
            known.into_iter().filter_map(|tier| Some((tier.event_id, tier.name_key?))).collect();
        for tier in tiers {
            let key = unique_key(&tier, &known);
            tier::Entity::update_many()
                .col_expr(tier::Column::NameKey, Expr::value(key.clone()))
                .filter(tier::Column::Id.eq(tier.id))
                .filter(tier::Column::Name.eq(tier.name))
                .exec(&tx)
                .await?;
            known.insert((tier.event_id, key));
        }
        tx.commit().await?;
    }
    Ok(())
}

/// Returns the form of the tier's name. An earlier version could store names of one form in one event: all but the first
/// of them get a form that no name has.
fn unique_key(tier: &tier::Model, known: &BTreeSet<(EventId, String)>) -> String {
    let key = spelling::key(&tier.name);
    if known.contains(&(tier.event_id, key.clone())) { format!("{key}\u{1}{}", tier.id.0) } else { key }
}
