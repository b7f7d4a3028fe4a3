//! Loads tiers by their ids and events, and what they price.

use std::collections::HashMap;

use async_graphql::dataloader::Loader;
use entity::{
    EventId, TierId,
    tier::{self, scope},
};

use crate::event as events;
use crate::graphql::loader::{Batch, Shared, keyed};

impl Loader<TierId> for Batch {
    type Value = tier::Model;
    type Error = Shared;

    async fn load(&self, keys: &[TierId]) -> Result<HashMap<TierId, tier::Model>, Shared> {
        Ok(keyed(events::tiers_by_ids(&self.app, keys.to_vec()).await?, |row| row.id))
    }
}

/// Loader key: the tiers of an event, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TiersOf(pub(crate) EventId);

impl Loader<TiersOf> for Batch {
    type Value = Vec<tier::Model>;
    type Error = Shared;

    async fn load(&self, keys: &[TiersOf]) -> Result<HashMap<TiersOf, Vec<tier::Model>>, Shared> {
        let ids = keys.iter().map(|key| key.0).collect();
        let mut tiers: HashMap<TiersOf, Vec<tier::Model>> = HashMap::new();
        for tier in events::tiers_of_all(&self.app, ids).await? {
            tiers.entry(TiersOf(tier.event_id)).or_default().push(tier);
        }
        Ok(tiers)
    }
}

/// Loader key: what a tier prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ScopesOf(pub(super) TierId);

impl Loader<ScopesOf> for Batch {
    type Value = Vec<scope::Model>;
    type Error = Shared;

    async fn load(&self, keys: &[ScopesOf]) -> Result<HashMap<ScopesOf, Vec<scope::Model>>, Shared> {
        let ids = keys.iter().map(|key| key.0).collect();
        let mut scopes: HashMap<ScopesOf, Vec<scope::Model>> = HashMap::new();
        for scope in events::scopes_of_tiers(&self.app, ids).await? {
            scopes.entry(ScopesOf(scope.tier_id)).or_default().push(scope);
        }
        Ok(scopes)
    }
}
