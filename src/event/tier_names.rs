//! The forms of the tiers' names that are unique within an event.

use std::collections::BTreeSet;

use entity::{EventId, tier};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr};

use crate::{error::FaultResult, spelling, store::Store};

/// Tiers per transaction.
const TIERS: u64 = 200;

/// Computes the forms that are missing: those of names that an earlier version has written.
pub(crate) async fn fill(store: &Store) -> FaultResult<()> {
    let missing = || tier::Entity::find().filter(tier::Column::NameKey.is_null());
    while missing().one(store.read()).await?.is_some() {
        let tx = store.begin().await?;
        let tiers = missing().order_by_asc(tier::Column::Id).limit(TIERS).all(&tx).await?;
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
