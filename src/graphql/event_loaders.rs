//! Loads events, and the counts of their places, for a whole list at once.

use std::collections::HashMap;

use async_graphql::dataloader::Loader;
use entity::{EventId, InventoryId, event, inventory};

use super::loader::{Batch, Shared, keyed};
use crate::{event as events, inventory::counts_of};

/// Loader key: how many places are in each state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CountsOf(pub(crate) InventoryId);

impl Loader<CountsOf> for Batch {
    type Value = inventory::Model;
    type Error = Shared;

    async fn load(&self, keys: &[CountsOf]) -> Result<HashMap<CountsOf, inventory::Model>, Shared> {
        let ids = keys.iter().map(|key| key.0).collect();
        Ok(keyed(counts_of(&self.app, ids).await?, |row| CountsOf(row.id)))
    }
}

impl Loader<EventId> for Batch {
    type Value = event::Model;
    type Error = Shared;

    async fn load(&self, keys: &[EventId]) -> Result<HashMap<EventId, event::Model>, Shared> {
        Ok(keyed(events::by_ids(&self.app, keys.to_vec()).await?, |row| row.id))
    }
}
